"""Counting singular values near one: bounds hold, intervals cover, and bad input is refused."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from harness.engine import counting
from harness.engine.counting import Share, counts, near_one, share, tail, unmoved
from harness.engine.krylov import Dense, Krylov, displacement, gram, probes
from harness.engine.range_finder import RangeFinder
from harness.errors import InvalidInput, NotFinite
from harness.suite.verdict import CONFIDENCE

SIZE = 600


def matrix_with(sigma, rng, *, same_sides=False):
    """A matrix with these singular values and random singular vectors, left and right ones alike if ``same_sides``."""
    left, right = (np.linalg.qr(rng.standard_normal((len(sigma), len(sigma))))[0] for _ in range(2))
    return (right if same_sides else left) @ (sigma[:, None] * right.T)


def training_like(size=SIZE):
    """Singular values as training leaves them: a chaotic tenth, a bulk around one, a stable tenth."""
    tenth = size // 10
    bulk = 1 + 0.05 * stats.norm.ppf((np.arange(size - 2 * tenth) + 0.5) / (size - 2 * tenth))
    return np.sort(np.concatenate([np.geomspace(1.3, 30, tenth), bulk, np.geomspace(0.01, 0.8, tenth)]))[::-1]


def grown(operator, size, width, depth, seed=0):
    krylov = Krylov.start(probes(size, width, np.random.default_rng(seed)))
    for _ in range(depth):
        krylov.extend(operator)
    return krylov


@pytest.fixture(scope="module")
def planted():
    sigma = training_like()
    return sigma, matrix_with(sigma, np.random.default_rng(7))


def test_bounds_hold_for_a_block_of_probes_at_every_depth(planted):
    """The one inequality that everything rests on, against the dense spectral measure of the same probes."""
    _, matrix = planted
    krylov = grown(gram(Dense(matrix)), SIZE, 4, 20)
    values, vectors = np.linalg.eigh(matrix.T @ matrix)
    weights = np.mean((vectors.T @ krylov.blocks[0]) ** 2, axis=1)
    for x in (0.05, 0.5, 0.81, 1.0, 1.21, 3.0, 100.0):
        truth = weights[values <= x].sum()
        gaps = []
        for depth in (1, 2, 5, 10, 20):
            low, high = (bound.mean() for bound in krylov.enclosure(x, depth))
            # V is kept in float32: a weight of 1 carries 1e-6 at most
            assert low - 1e-6 <= truth <= high + 1e-6, (x, depth)
            gaps.append(high - low)
        assert gaps == sorted(gaps, reverse=True), "more steps never know less"


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("kind", ["normal", "clusters", "heavy tails"])
def test_bounds_hold_for_spectra_meant_to_break_them(kind, width):
    """Small spaces, where the Krylov space is nearly everything and single columns of a block leave their bounds by 0.1."""
    rng = np.random.default_rng(width)
    worst = 0.0
    for _ in range(60):
        depth = int(rng.integers(1, 4))
        size = (depth + 1) * width + int(rng.integers(0, 10)) + 1
        normal = rng.standard_normal(size)
        clusters = np.round(2 * normal) / 2 + 1e-3 * rng.standard_normal(size)
        values = {"normal": normal, "clusters": clusters, "heavy tails": normal**5}[kind]
        basis = np.linalg.qr(rng.standard_normal((size, size)))[0]
        krylov = Krylov.start(probes(size, width, rng))
        for _ in range(depth):
            krylov.extend(lambda block, basis=basis, values=values: basis @ (values[:, None] * (basis.T @ block)))
        weights = np.mean((basis.T @ krylov.blocks[0]) ** 2, axis=1)
        for x in rng.choice(values, 2) + 0.3 * rng.standard_normal(2):
            low, high = (bound.mean() for bound in krylov.enclosure(float(x)))
            truth = weights[values <= x].sum()
            worst = min(worst, truth - low, high - truth)
    # V is kept in float32, and a coupling that is small beside the norm magnifies its rounding
    assert worst > -1e-4


def test_bounds_close_as_the_krylov_space_grows(planted):
    _, matrix = planted
    krylov = grown(gram(Dense(matrix)), SIZE, 8, 40)
    coarse, fine = (np.subtract(*krylov.enclosure(1.21, depth)[::-1]).mean() for depth in (5, 40))
    assert fine < coarse / 3


def test_extreme_directions_deflate_themselves(planted):
    """Ritz pairs of the top converge in the shared space: what lies above them is then counted without bias."""
    sigma, matrix = planted
    krylov = grown(gram(Dense(matrix)), SIZE, 8, 30)
    values, coordinates, residuals = krylov.ritz()
    assert np.allclose(values[:10], sigma[:10] ** 2, rtol=1e-5)
    assert (residuals[:10] < 1e-3 * values[:10]).all()
    top = krylov.vectors(coordinates[:, :10])
    assert np.allclose(top.T @ top, np.eye(10), atol=1e-5)
    assert np.allclose(np.linalg.norm(matrix @ top, axis=0), sigma[:10], rtol=1e-4)
    between = (sigma[4] ** 2 + sigma[5] ** 2) / 2
    low, high = krylov.enclosure(between)
    assert np.mean(high - low) < 1e-6


@pytest.mark.parametrize("same_sides", [True, False])
def test_intervals_hold_the_true_shares(same_sides):
    sigma = training_like()
    matrix = matrix_with(sigma, np.random.default_rng(3), same_sides=same_sides)
    krylov = grown(gram(Dense(matrix)), SIZE, 8, 30)
    for found in near_one(krylov, confidence=CONFIDENCE):
        inside = np.mean(np.abs(sigma - 1) < found.delta)
        above, below = np.mean(sigma >= 1 + found.delta), np.mean(sigma <= 1 - found.delta)
        for got, truth in ((found.inside, inside), (found.above, above), (found.below, below)):
            assert got.low <= truth <= got.high, (found.delta, str(got), truth)
    moved = np.linalg.svd(matrix - np.eye(SIZE), compute_uv=False)
    shifted = grown(displacement(Dense(matrix)), SIZE, 8, 30)
    for delta, got in zip(counting.DELTAS, unmoved(shifted, confidence=CONFIDENCE), strict=True):
        assert got.low <= np.mean(moved < delta) <= got.high
        assert counting.least_near_one(got) <= np.mean(np.abs(sigma - 1) < delta)


BOUNDS = {  # by the number of steps and the point
    6: {1.0: (0.10, 0.20), 1.5: (0.15, 0.30), 2.0: (0.70, 0.74)},
    3: {1.0: (0.05, 0.40), 1.5: (0.10, 0.60), 2.0: (0.30, 0.90)},
}


class Enclosures:
    """A space of six steps with four probes of ten dimensions whose bounds are given."""

    width, depth, blocks = 4, 6, SimpleNamespace(size=10)
    spread = np.array([-0.03, 0.01, -0.01, 0.03])

    def enclosure(self, x, depth):
        least, most = BOUNDS[depth][x]
        return least + self.spread, most + 2 * x * self.spread


@pytest.mark.parametrize(
    ("edges", "ends", "halfway"),
    [
        ({"high": 2.0}, (0.70, 0.74), (0.30 + 0.90) / 2),
        ({"low": 1.0}, (1 - 0.20, 1 - 0.10), (1 - 0.40 + 1 - 0.05) / 2),
        # a bound below 0, here -0.1 of three steps, says no more than 0
        ({"low": 1.0, "high": 2.0}, (0.70 - 0.20, 0.74 - 0.10), (0 + 0.90 - 0.05) / 2),
        ({"low": 1.0, "high": 1.5}, (0, 0.30 - 0.10), (0 + 0.60 - 0.05) / 2),
        ({}, (1, 1), 1),
    ],
    ids=["below 2", "above 1", "between 1 and 2", "between 1 and 1.5", "anywhere"],
)
@pytest.mark.parametrize("confidence", [0.95, 0.5])
@pytest.mark.parametrize("dimensions", [None, 3])
def test_a_share_adds_the_bounds_and_the_noise_of_the_probes(edges, ends, halfway, confidence, dimensions):
    found = share(Enclosures(), **edges, confidence=confidence, dimensions=dimensions)
    assert found.estimate == pytest.approx(np.mean(ends))
    assert found.bias == pytest.approx((ends[1] - ends[0]) / 2)
    assert found.halfway == pytest.approx(halfway)
    assert found.high - found.low == pytest.approx(2 * (found.bias + found.noise))
    # a probe's part in a share p of n dimensions is Beta(n p / 2, n (1 - p) / 2); four probes are as good as one of 4 n
    half = 4 * (dimensions or 10) / 2
    tail = (1 - confidence) / 2
    if ends[0] in (0, 1):  # nothing is known to be there, or everything is
        assert found.low == ends[0]
    else:
        assert stats.beta.sf(ends[0], half * found.low, half * (1 - found.low)) == pytest.approx(tail)
    if ends[1] < 1:
        assert stats.beta.cdf(ends[1], half * found.high, half * (1 - found.high)) == pytest.approx(tail)
    else:
        assert found.high == 1


@pytest.mark.parametrize("width", [1, 3])
def test_a_share_of_random_vectors_has_the_noise_that_is_stated(width):
    """The quantiles against draws: one in twenty misses, up to Clopper and Pearson."""
    rng, size, held = np.random.default_rng(width), 40, 13
    drawn = [np.linalg.qr(rng.standard_normal((size, width)))[0] for _ in range(4000)]
    parts = np.array([np.mean(np.sum(vectors[:held] ** 2, axis=0)) for vectors in drawn])
    least = np.array([counting._least(part, size * width, 0.9) for part in parts])
    most = np.array([1 - counting._least(1 - part, size * width, 0.9) for part in parts])
    for missed in (np.count_nonzero(least > held / size), np.count_nonzero(most < held / size)):
        exact = stats.binomtest(missed, len(parts)).proportion_ci(0.999, method="exact")
        assert exact.low <= 0.05
        assert width > 1 or exact.high >= 0.05  # several orthonormal probes have less noise than is stated


def test_a_difference_is_wrong_by_as_much_as_both():
    first, second = Share(0.6, 0.5, 0.9, 0.1, 0.01, 0.55), Share(0.3, 0.25, 0.32, 0.02, 0.005, 0.28)
    found = counting.difference(first, second)
    expected = Share(0.3, 0.5 - 0.32, 0.9 - 0.25, 0.12, 0.015, 0.27)
    assert dataclasses.astuple(found) == pytest.approx(dataclasses.astuple(expected))
    assert str(first) == "60.00 % [50.00, 90.00]"


def test_coverage_is_not_below_nominal():
    """40 independent sets of probes on one spectrum: Clopper-Pearson must not put coverage below 95 %."""
    sigma = training_like(300)
    # singular vectors do not matter to counts of J^T J: the diagonal matrix has Gaussian probes all the same
    operator = gram(Dense(np.diag(sigma)))
    truth, hits = np.mean(np.abs(sigma - 1) < 0.1), 0
    for seed in range(40):
        got = near_one(grown(operator, 300, 4, 12, seed), (0.1,), confidence=CONFIDENCE)[0].inside
        hits += got.low <= truth <= got.high
    assert stats.binomtest(hits, 40).proportion_ci(0.95, method="exact").high >= 0.95


def test_bounds_alone_without_probe_noise_would_not_cover():
    """The ruler: noise matters. Without the spread over probes, intervals from deep spaces miss more often than one in twenty."""
    sigma = training_like(300)
    operator, truth, hits = gram(Dense(np.diag(sigma))), float(np.mean(training_like(300) > 2)), 0
    for seed in range(40):
        got = share(grown(operator, 300, 4, 25, seed), low=4.0, confidence=CONFIDENCE)
        hits += got.estimate - got.bias <= truth <= got.estimate + got.bias
    assert stats.binomtest(hits, 40).proportion_ci(0.95, method="exact").high < 0.95


def test_noise_covers_where_bounds_are_closed():
    """In deep spaces the noise of the probes is all there is: 100 independent sets, of which one in twenty may miss."""
    sigma = training_like(300)
    operator, truth, hits = gram(Dense(np.diag(sigma))), float(np.mean(sigma**2 > 0.5)), 0
    for seed in range(100):
        got = share(grown(operator, 300, 4, 25, seed), low=0.5, confidence=CONFIDENCE)
        hits += got.low <= truth <= got.high
    assert stats.binomtest(hits, 100).proportion_ci(0.95, method="exact").high >= 0.95


def test_noise_falls_with_more_probes(planted):
    _, matrix = planted
    spaces = (grown(gram(Dense(matrix)), SIZE, width, 8) for width in (3, 24))
    few, many = (share(space, low=4.0, confidence=CONFIDENCE).noise for space in spaces)
    assert many < few


def test_a_gaussian_matrix_has_no_bulk():
    rng = np.random.default_rng(5)
    matrix = rng.standard_normal((SIZE, SIZE)) / np.sqrt(SIZE)
    found = near_one(grown(gram(Dense(matrix)), SIZE, 8, 20), (0.1,), confidence=CONFIDENCE)[0].inside
    # the quarter-circle law puts 2 delta sqrt(3) / pi = 0.110 within 0.1 of one
    assert found.low <= 0.110 <= found.high
    assert found.high < 0.2


def test_finished_steps_are_taken_up_to_the_last_bit(planted):
    _, matrix = planted
    done, operator = {}, gram(Dense(matrix))
    whole = Krylov.start(probes(SIZE, 4, np.random.default_rng(0)))
    for _ in range(6):
        whole.advance(operator, done)

    def broken(_):
        raise AssertionError("a finished step is not computed again")

    again = Krylov.start(probes(SIZE, 4, np.random.default_rng(0)))
    for _ in range(6):
        again.advance(broken, done)
    assert again.asymmetry == whole.asymmetry
    again.advance(operator, done)
    whole.advance(operator, {})
    assert np.array_equal(again.tridiagonal(), whole.tridiagonal())
    assert all(np.array_equal(a, b) for a, b in zip(again.blocks, whole.blocks, strict=True))


@pytest.mark.parametrize("width", [1, 4, 6])
def test_a_basis_stays_orthonormal_beyond_what_the_operator_reaches(width):
    """Of 12 eigenvalues the space is exhausted after 12 steps: all that follows is orthogonalised rounding error."""
    values = np.repeat(np.geomspace(1e-4, 400, 12), 10)
    turn = np.linalg.qr(np.random.default_rng(1).standard_normal((120, 120)))[0]
    krylov = grown(lambda block: turn @ (values[:, None] * (turn.T @ block)), 120, width, 16)
    basis = np.concatenate(list(krylov.blocks), axis=1).astype(np.float64)
    assert basis.shape == (120, 17 * width)
    np.testing.assert_allclose(basis.T @ basis, np.eye(17 * width), atol=1e-6)
    ritz = krylov.ritz()[0]
    assert 0 < ritz[-1] < ritz[0] < 400.01


def test_an_operator_that_moves_nothing_leaves_an_orthonormal_basis():
    krylov = grown(np.zeros_like, 50, 2, 4)
    basis = np.concatenate(list(krylov.blocks), axis=1).astype(np.float64)
    np.testing.assert_allclose(basis.T @ basis, np.eye(10), atol=1e-6)
    assert not np.any(krylov.tridiagonal())
    assert not np.any(krylov.below[-1])


def test_a_product_larger_than_float32_holds_is_scaled():
    krylov = grown(lambda block: 1e40 * np.arange(1, 51)[:, None] * block.astype(np.float64), 50, 2, 3)
    basis = np.concatenate(list(krylov.blocks), axis=1).astype(np.float64)
    np.testing.assert_allclose(basis.T @ basis, np.eye(8), atol=1e-6)
    # A V = V T + V_next B, to the float32 of V
    moved = 1e40 * np.arange(1, 51)[:, None] * basis[:, :6]
    expected = basis[:, :6] @ krylov.tridiagonal() + basis[:, 6:] @ np.concatenate([np.zeros((2, 4)), krylov.below[-1]], axis=1)
    assert np.abs(moved - expected).max() < 1e-5 * np.abs(moved).max()


def test_a_product_that_is_not_finite_is_refused():
    krylov = Krylov.start(probes(50, 2, np.random.default_rng(0)))
    with pytest.raises(NotFinite, match="Lanczos step 1: the product is not finite"):
        krylov.extend(lambda block: np.full_like(block, np.nan))


def test_input_that_makes_no_sense_is_refused():
    with pytest.raises(InvalidInput, match=r"40 probes of 50 dimensions"):
        Krylov.start(probes(50, 40, np.random.default_rng(0)))
    lonely = grown(lambda block: block * np.arange(1, 51)[:, None], 50, 1, 3)
    with pytest.raises(InvalidInput, match=r"4 Lanczos steps asked for and 3 done"):
        lonely.enclosure(1.0, 4)
    with pytest.raises(InvalidInput, match=r"delta = 1.5"):
        near_one(lonely, (1.5,), confidence=CONFIDENCE)
    filled = grown(lambda block: block * np.arange(1, 13)[:, None], 12, 4, 2)
    with pytest.raises(InvalidInput, match="fill 12 dimensions"):
        filled.extend(lambda block: block)


def low_rank(size, rank, rng, extra=0.0):
    """I plus a matrix of that rank, plus a full one of that Frobenius norm."""
    factors = rng.standard_normal((2, size, rank))
    rest = rng.standard_normal((size, size))
    return np.eye(size) + factors[0] @ factors[1].T / size + extra * rest / np.linalg.norm(rest)


def found_range(matrix, width, depth):
    finder, done = RangeFinder(len(matrix), width), {}
    for step in range(depth):
        finder.advance(Dense(matrix), np.random.default_rng([1, step]), done)
    return finder, done


def test_a_low_rank_change_is_found_exactly():
    matrix = low_rank(SIZE, 20, np.random.default_rng(0))
    finder, _ = found_range(matrix, 8, 4)
    truth = np.linalg.svd(matrix, compute_uv=False)
    sigma = finder.decomposition()[0]
    padded = np.sort(np.concatenate([sigma, np.ones(SIZE - len(sigma))]))[::-1]
    # Q and B are kept in float32
    assert np.allclose(padded, truth, atol=1e-5)
    assert tail(finder.missed, confidence=CONFIDENCE) < 1e-8
    for delta in (0.03, 0.1, 0.3):
        got = counts(sigma, SIZE, tail(finder.missed, confidence=CONFIDENCE), delta).inside
        assert got[1] <= np.count_nonzero(np.abs(truth - 1) < delta) <= got[2]


def test_counts_hold_what_the_range_finder_misses():
    matrix = low_rank(SIZE, 30, np.random.default_rng(1), extra=0.3)
    finder, _ = found_range(matrix, 8, 6)
    truth = np.linalg.svd(matrix, compute_uv=False)
    got = counts(finder.decomposition()[0], SIZE, tail(finder.missed, confidence=CONFIDENCE), 0.2)
    for (estimate, least, most), number in (
        (got.inside, np.count_nonzero(np.abs(truth - 1) < 0.2)),
        (got.above, np.count_nonzero(truth > 1.2)),
        (got.below, np.count_nonzero(truth < 0.8)),
    ):
        assert least <= number <= most
        assert least <= estimate <= most
    assert got.above[2] - got.above[1] < SIZE // 10, "the bounds say something"


@pytest.mark.parametrize("confidence", [0.95, 0.5])
def test_the_tail_ends_students_interval_of_the_last_probes(confidence):
    missed = np.array([3.0, 1.0, 4.0, 1.0, 5.0, 9.0, 2.0, 6.0])
    assert tail(missed, confidence=confidence) == pytest.approx(stats.ttest_1samp(missed, 0).confidence_interval(confidence).high)


def test_the_tail_bounds_what_is_missed():
    matrix = low_rank(SIZE, 60, np.random.default_rng(2), extra=0.5)
    finder, done = found_range(matrix, 8, 4)
    q = np.concatenate(finder.range, axis=1)
    missed = np.linalg.norm((matrix - np.eye(SIZE)) - q @ (q.T @ (matrix - np.eye(SIZE)))) ** 2
    assert missed <= tail(finder.missed, confidence=CONFIDENCE)
    again, _ = RangeFinder(SIZE, 8), None
    for _ in range(4):
        again.advance(None, None, done)
    assert np.array_equal(again.decomposition()[0], finder.decomposition()[0])


def test_a_range_finder_that_would_fill_the_space_is_refused():
    with pytest.raises(InvalidInput, match="blocks of 20 in 60 dimensions"):
        RangeFinder(60, 20)
    finder, done = found_range(np.eye(40), 8, 2)
    with pytest.raises(InvalidInput, match="rank 16 and another 8 fill 40 dimensions"):
        finder.advance(Dense(np.eye(40)), np.random.default_rng(0), done)
