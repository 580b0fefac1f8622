"""The checked decomposition against LAPACK's, against planted spectra, and on matrices that cannot be decomposed."""

import numpy as np
import pytest
from scipy import linalg

from harness.engine import spectrum
from harness.engine.spectrum import decompose
from harness.errors import DecompositionFailed, InvalidInput, NotFinite


def rotation(size, seed):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def planted(sigma, seed=0):
    return rotation(len(sigma), seed) * sigma @ rotation(len(sigma), seed + 1).T


SPECTRA = {
    "like a training Jacobian": np.concatenate([np.geomspace(20, 1.5, 10), np.ones(50), np.geomspace(0.9, 1e-8, 40)]),
    "singular": np.concatenate([np.linspace(3, 1, 60), np.zeros(40)]),
    "repeated": np.repeat([2.0, 1.0, 0.5, 1e-5], 25),
    "tiny": np.full(100, 1e-12),
    "zero": np.zeros(100),
}


@pytest.mark.parametrize("sigma", SPECTRA.values(), ids=SPECTRA.keys())
def test_planted_spectra_are_found(sigma):
    got = decompose(planted(sigma))
    # a backward-stable SVD moves each value by at most a few N eps sigma_1; squaring adds 2e-10 relative above 1e-3 sigma_1
    assert np.abs(got.sigma - sigma).max() <= 1e-11 * max(sigma[0], np.finfo(float).tiny)
    np.testing.assert_allclose((got.final * got.sigma) @ got.initial.T, planted(sigma), atol=1e-9 * max(sigma[0], 1e-300))
    assert got.method == "eigh of J^T J", "the fast method needs no other's help"


def test_sides_do_not_mix():
    """J e_2 = 3 e_0: the initial-space direction is e_2, the final-space one e_0."""
    matrix = np.zeros((3, 3))
    matrix[0, 2], matrix[1, 0], matrix[2, 1] = 3, 2, 1
    got = decompose(matrix)
    np.testing.assert_allclose(np.abs(got.initial[:, 0]), [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(np.abs(got.final[:, 0]), [1, 0, 0], atol=1e-12)


@pytest.mark.parametrize("count", [12, 1])
def test_structural_directions_are_kept_apart_and_exact(count):
    basis = rotation(48 + count, 5)
    carried, rest = basis[:, :count], basis[:, count:]
    inner = planted(np.concatenate([[7.0], np.ones(30), np.geomspace(0.9, 0.1, 17)]), 9)
    matrix = carried @ carried.T + rest @ inner @ rest.T
    got = decompose(matrix, carried, rest)
    np.testing.assert_allclose(got.sigma, linalg.svdvals(matrix), atol=1e-12)
    np.testing.assert_allclose((got.final * got.sigma) @ got.initial.T, matrix, atol=1e-9)  # and not its transpose
    assert got.structural.sum() == count
    np.testing.assert_array_equal(got.sigma[got.structural], 1.0)
    np.testing.assert_allclose(got.initial[:, got.structural], carried, atol=1e-15)
    np.testing.assert_allclose(got.cosines[got.structural], 1.0, atol=1e-14)
    assert len(got.region(0.9, 1.1)) - len(got.region(0.9, 1.1, structural=False)) == count


def test_structural_directions_that_move_are_an_error():
    basis = rotation(20, 1)
    with pytest.raises(DecompositionFailed, match="structural directions move by"):
        decompose(2 * np.eye(20), basis[:, :3], basis[:, 3:])


def test_bulk_order_is_by_distance_from_one():
    got = decompose(np.diag([3.0, 1.5, 1.01, 0.9, 0.0]))
    assert got.sigma[got.by_distance].tolist() == [1.01, 0.9, 1.5, 0.0, 3.0]


def test_a_region_lies_between_its_edges():
    got = decompose(np.diag([3.0, 1.5, 1.01, 0.9, 0.0]))
    assert got.sigma[got.region(0.95, 2.0)].tolist() == [1.5, 1.01]
    assert got.sigma[got.region(0.9, 1.5)].tolist() == [1.01], "the edges are outside"


def test_nan_and_shape_are_refused():
    broken = np.eye(4)
    broken[1, 2] = np.nan
    with pytest.raises(NotFinite, match="1 entries are not finite"):
        decompose(broken)
    with pytest.raises(InvalidInput, match=r"shape \(3, 4\)"):
        decompose(np.ones((3, 4)))


def wrong(matrix):
    """A decomposition that is off in one vector."""
    final, sigma, initial = linalg.svd(matrix)
    final[:, 0] = final[:, 1]
    return sigma, initial.T, final


def nan_everywhere(matrix):
    """What float32 LAPACK gives through JAX on the paper's own matrix."""
    return np.full(len(matrix), np.nan), np.full(matrix.shape, np.nan), np.full(matrix.shape, np.nan)


@pytest.mark.parametrize("method", [wrong, nan_everywhere], ids=lambda f: f.__name__)
def test_a_method_that_fails_its_checks_is_passed_over(monkeypatch, method):
    sigma = SPECTRA["like a training Jacobian"]
    monkeypatch.setattr(spectrum, "_squared", method)
    got = decompose(planted(sigma))
    np.testing.assert_allclose(got.sigma, sigma, atol=1e-12)
    assert got.method == "gesdd"
    assert got.failures.startswith("eigh of J^T J: residual")


@pytest.mark.parametrize("side", ["initial", "final"])
def test_the_checks_see_one_bad_vector_of_either_side(monkeypatch, side):
    """A singular value of zero hides its vectors from the residual: their orthogonality alone tells that one is wrong."""
    exact = linalg.svd

    def wrong(matrix):
        final, sigma, initial = exact(matrix)
        vectors = {"initial": initial.T.copy(), "final": final.copy()}
        vectors[side][:, -1] = vectors[side][:, 0] * 1e-4 + vectors[side][:, -1] * np.sqrt(1 - 1e-8)
        return sigma, vectors["initial"], vectors["final"]

    monkeypatch.setattr(spectrum, "_squared", wrong)
    got = decompose(planted(np.concatenate([np.linspace(3, 1, 99), [0.0]])))
    assert got.method == "gesdd"
    assert "orthogonality" in got.failures


def test_the_errors_are_bounds_of_those_of_the_whole_matrices():
    matrix = planted(SPECTRA["like a training Jacobian"])
    got, size = decompose(matrix), len(matrix)
    residual = np.linalg.norm(matrix @ got.initial - got.final * got.sigma) / np.linalg.norm(matrix)
    skew = max(np.linalg.norm(side.T @ side - np.eye(size)) for side in (got.initial, got.final)) / np.sqrt(size)
    assert residual <= got.residual <= 2 * spectrum.MARGIN * residual
    assert skew <= got.orthogonality <= 2 * spectrum.MARGIN * skew


def test_a_bound_from_probes_fails_as_rarely_as_it_says():
    """Rank one is the worst case; with a margin of 2 in place of 10 the bound of Chernoff is 1.3 %."""
    rng = np.random.default_rng(0)
    images = rng.standard_normal((20_000, 1, spectrum.PROBES))  # A = e e^T has norm one
    bounds = np.array([spectrum._bound(each) for each in images]) / spectrum.MARGIN * 2
    share, chernoff = float(np.mean(bounds < 1)), (0.25 * np.exp(0.75)) ** (spectrum.PROBES / 2)
    assert 1e-4 < share < chernoff


def test_no_method_left_is_an_error_with_its_numbers(monkeypatch):
    for name in ("_squared", "_divide", "_iterate"):
        monkeypatch.setattr(spectrum, name, wrong)
    with pytest.raises(DecompositionFailed, match=r"eigh of J\^T J: residual .* gesdd: residual .* gesvd: residual"):
        decompose(planted(np.linspace(2, 1, 10)))
