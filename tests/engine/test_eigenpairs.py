"""The largest eigenpairs of planted matrices: correct, algebraically largest, and complete however tight a cluster is."""

import numpy as np
import pytest
from scipy.sparse.linalg import LinearOperator, eigsh
from threadpoolctl import threadpool_info, threadpool_limits

from harness.engine.eigenpairs import Eigenpairs, check, top_eigenpairs
from harness.errors import DecompositionFailed, InvalidInput

RNG = np.random.default_rng(0)


def symmetric(size, values):
    basis = np.linalg.qr(RNG.standard_normal((size, size)))[0]
    return basis @ np.diag(values) @ basis.T


SIZE = 60
MATRIX = symmetric(SIZE, np.r_[np.linspace(5, 2, 6), RNG.uniform(-8, 0.5, SIZE - 6)])
START = np.ones(SIZE)


def test_eigenpairs_are_the_algebraically_largest():
    """Against LAPACK; the most negative eigenvalue is larger in size than any wanted one, and must not be taken."""
    found = top_eigenpairs(lambda v: MATRIX @ v, SIZE, 6, start=START, tolerance=1e-12)
    values, vectors = np.linalg.eigh(MATRIX)
    # the tolerance asked for, a hundred times
    np.testing.assert_allclose(found.values, values[::-1][:6], atol=1e-10)
    np.testing.assert_allclose(np.abs(np.sum(found.vectors * vectors[:, ::-1][:, :6], axis=0)), 1, atol=1e-10)
    assert found.residuals.max() < 1e-10
    assert found.products > 6
    assert found.late == 0


def test_the_same_start_gives_the_same_vectors():
    first, second = (top_eigenpairs(lambda v: MATRIX @ v, SIZE, 4, start=START) for _ in range(2))
    assert np.array_equal(first.vectors, second.vectors)


@pytest.mark.parametrize("k", [0, SIZE, SIZE + 5])
def test_k_beyond_the_parameters_is_refused(k):
    with pytest.raises(InvalidInput, match=f"k = {k} eigenpairs of a Hessian with {SIZE} parameters: need 1 to {SIZE - 1}"):
        top_eigenpairs(lambda v: v, SIZE, k, start=START)


def test_a_start_of_another_length_is_refused():
    with pytest.raises(InvalidInput, match="start vector"):
        top_eigenpairs(lambda v: v, SIZE, 2, start=np.ones(3))


def test_an_operator_that_is_not_symmetric_is_found_out():
    """Lanczos believes what it is told; the residuals do not."""
    skewed = MATRIX + 3 * np.triu(RNG.standard_normal((SIZE, SIZE)), 1)
    with pytest.raises(DecompositionFailed, match="residual"):
        top_eigenpairs(lambda v: skewed @ v, SIZE, 4, start=START)


def test_wrong_pairs_and_nan_do_not_pass():
    values, vectors = np.linalg.eigh(MATRIX)
    pairs = Eigenpairs(values[-3:], vectors[:, -3:], np.zeros(3), 0)
    assert check(lambda v: MATRIX @ v, pairs, 1e-10).residuals.max() < 1e-12
    shuffled = Eigenpairs(values[-3:], vectors[:, [-2, -3, -1]], np.zeros(3), 0)
    doubled = Eigenpairs(values[-3:], 2 * vectors[:, -3:], np.zeros(3), 0)
    for wrong in (shuffled, doubled):
        with pytest.raises(DecompositionFailed):
            check(lambda v: MATRIX @ v, wrong, 1e-2)
    with pytest.raises(DecompositionFailed):
        check(lambda v: v * np.nan, pairs, 1e-2)


# --- none left out ------------------------------------------------------------------------------------------------------

LARGE = 300
# a trained network's: outliers, and a bulk near zero; the third outlier is three, nearly equal
OUTLIERS = np.linspace(1, 0.2, 22)
CLUSTER = OUTLIERS[2]


def clustered(gap, seed):
    """(values, descending; vectors; v -> A v) of a matrix with a triple of relative gap ``gap`` in random directions."""
    bulk = np.random.default_rng(1).uniform(-0.01, 0.01, LARGE - len(OUTLIERS) - 2)
    values = np.sort(np.r_[OUTLIERS, CLUSTER * (1 + gap * np.arange(1, 3)), bulk])[::-1]
    vectors = np.linalg.qr(np.random.default_rng(seed).standard_normal((LARGE, LARGE)))[0]
    return values, vectors, lambda v: vectors @ (values * (vectors.T @ v))


START_LARGE = np.ones(LARGE)


def random_start(seed):
    return np.random.default_rng(seed + 10).standard_normal(LARGE)


@pytest.mark.parametrize("k", [5, 8, 10, 20])
@pytest.mark.parametrize("gap", [0, 1e-6, 1e-5, 1e-4, 1e-3])
def test_no_member_of_a_tight_cluster_is_left_out(gap, k):
    for seed in range(3):
        values, vectors, apply = clustered(gap, seed)
        found = top_eigenpairs(apply, LARGE, k, start=random_start(seed))
        # an eigenvalue is off by the square of its residual over its gap at most: (1e-3)^2 over 0.04
        np.testing.assert_allclose(found.values, values[:k], atol=3e-5)
        # the triple's eigenspace: all three directions are among those found, to the residual over the gap
        inside = vectors[:, 2:5].T @ found.vectors[:, 2:5]
        assert np.linalg.svd(inside, compute_uv=False).min() > 1 - (1e-3 / 0.04) ** 2
        np.testing.assert_allclose(found.vectors.T @ found.vectors, np.eye(k), atol=1e-12)
        assert found.residuals.max() < 1e-3


def test_what_arpack_leaves_out_comes_late():
    """Without the count these would be its answers: a member of the triple is missing from all of them."""
    for seed in range(3):
        values, _, apply = clustered(1e-5, seed)
        operator = LinearOperator((LARGE, LARGE), apply, dtype=float)
        alone = eigsh(operator, k=10, which="LA", v0=random_start(seed), tol=1e-3, ncv=30)[0]
        found = top_eigenpairs(apply, LARGE, 10, start=random_start(seed))
        missing = 3 - np.count_nonzero(np.abs(alone - CLUSTER) < 1e-3)
        assert 1 <= missing <= found.late
        np.testing.assert_allclose(found.values, values[:10], atol=3e-5)


def test_a_start_without_the_largest_direction_does_not_hide_it():
    values, vectors, apply = clustered(1e-3, 0)
    start = RNG.standard_normal(LARGE)
    start -= vectors[:, :2] @ (vectors[:, :2].T @ start)
    found = top_eigenpairs(apply, LARGE, 6, start=start)
    np.testing.assert_allclose(found.values, values[:6], atol=3e-5)


def test_nothing_is_added_where_nothing_is_missing():
    """Bits are ARPACK's then, and looking costs less than finding."""
    values, _, apply = clustered(0.02, 3)
    calls = []

    def product(v):
        calls.append(1)
        return apply(v)

    operator = LinearOperator((LARGE, LARGE), product, dtype=float)
    alone = eigsh(operator, k=8, which="LA", v0=START_LARGE, tol=1e-3, ncv=26)[0]
    finding, calls[:] = len(calls), []
    found = top_eigenpairs(product, LARGE, 8, start=START_LARGE)
    assert found.late == 0
    np.testing.assert_array_equal(found.values, np.sort(alone)[::-1])
    assert found.products == len(calls)
    assert 0 < found.products - finding - 8 < finding
    np.testing.assert_allclose(found.values, values[:8], atol=3e-5)


def test_an_operator_that_never_settles_is_refused():
    """Each product another matrix: what is outside always exceeds what was found."""
    drawn = np.random.default_rng(4)

    def unstable(v):
        calls.append(1)
        return MATRIX @ v + (20 * drawn.standard_normal(SIZE) if len(calls) > settled else 0)

    calls, settled = [], np.inf
    top_eigenpairs(unstable, SIZE, 4, start=START)
    settled, calls = len(calls) - 5, []
    with pytest.raises(DecompositionFailed, match=r"more turn up|is open after|residual"):
        top_eigenpairs(unstable, SIZE, 4, start=START)


def test_products_run_beside_one_thread_of_blas():
    """XLA's threads and those of BLAS would wait for each other; afterwards BLAS has its threads again."""
    seen = []

    def threads():
        return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]

    def product(vector):
        seen.append(threads())
        return MATRIX @ vector

    with threadpool_limits(2, user_api="blas"):
        before = threads()
        top_eigenpairs(product, SIZE, 3, start=START)
        assert threads() == before
    assert 2 in before
    assert set(map(tuple, seen)) == {(1,) * len(before)}
