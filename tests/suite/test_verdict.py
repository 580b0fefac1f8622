"""The judges: each supports a planted truth and refutes a planted falsehood, and its intervals cover at the stated rate."""

import math
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.errors import InvalidInput
from harness.suite.verdict import (
    CONFIDENCE,
    ENOUGH,
    LOOKS,
    Ensemble,
    Interval,
    Region,
    Verdict,
    at_least,
    at_most,
    equal,
    exact,
    judge,
    least_seeds,
    log_scale_interval,
    mean_interval,
    on_log_scale,
    pairs_interval,
    proportion_interval,
    quantile,
    seeds_to_decide,
    share_to_decide,
    spent,
    within,
)

REGION = within(0.9, 1.1, reason="planted")


def pairs_of(values: np.ndarray) -> dict[tuple[int, int], float]:
    """A pair statistic whose mean is the mean of the seeds' values: the average of the two."""
    return {(i, j): (values[i] + values[j]) / 2 for i, j in combinations(range(len(values)), 2)}


def seeds(rng: np.random.Generator, truth: float) -> Interval:
    return mean_interval(rng.normal(truth, 0.02, 5))


def few_seeds(rng: np.random.Generator, truth: float) -> Interval:
    return mean_interval(rng.normal(truth, 0.02, 2), Ensemble(tuple(rng.normal(7.0, 0.02, 12)), "planted"))


def pairs(rng: np.random.Generator, truth: float) -> Interval:
    return pairs_interval(pairs_of(rng.normal(truth, 0.02, 6)))


def trials(rng: np.random.Generator, truth: float) -> Interval:
    return proportion_interval(int(rng.binomial(2000, truth / 2)), 2000)


JUDGES: dict[Callable[..., Interval], Region] = {
    seeds: REGION,
    few_seeds: REGION,
    pairs: REGION,
    trials: within(0.45, 0.55, reason="half of REGION, as the planted proportion is half of the truth"),
}


@pytest.mark.parametrize("interval", JUDGES, ids=lambda judge: judge.__name__)
@pytest.mark.parametrize(("truth", "verdict"), [(1.0, Verdict.SUPPORTED), (1.3, Verdict.REFUTED), (0.7, Verdict.REFUTED)])
def test_a_planted_truth_is_supported_and_a_planted_falsehood_refuted(interval, truth, verdict):
    """Truth and region are at least five standard errors apart, so every draw must come out right."""
    rng = np.random.default_rng(0)
    assert {judge(interval(rng, truth), JUDGES[interval]) for _ in range(20)} == {verdict}


@pytest.mark.parametrize("interval", JUDGES, ids=lambda judge: judge.__name__)
def test_a_truth_on_the_edge_stays_open(interval):
    region = JUDGES[interval]
    edge = region.high * (2 if interval is trials else 1)
    rng = np.random.default_rng(1)
    verdicts = [judge(interval(rng, edge), region) for _ in range(40)]
    # the interval misses its own edge in 5 % of draws: 10 of 40 has probability 1e-5
    assert sum(verdict is Verdict.INCONCLUSIVE for verdict in verdicts) > 30


def covered(interval: Callable[[np.random.Generator], Interval], truth: float, draws: int) -> int:
    rng = np.random.default_rng(2)
    made = (interval(rng) for _ in range(draws))
    return sum(one.low <= truth <= one.high for one in made)


def bound(draws: int) -> tuple[float, float]:
    """Numbers of covering intervals that a true 95 % coverage leaves with probability below 1e-4."""
    low, high = stats.binom.interval(1 - 1e-4, draws, CONFIDENCE)
    return float(low), float(high)


@pytest.mark.parametrize("n", [3, 8])
def test_student_intervals_cover_at_the_nominal_rate(n):
    """So many draws that a spread with the divisor n in place of n - 1 would be seen: it covers 92.8 and 93.7 %."""
    low, high = bound(20000)
    assert low <= covered(lambda rng: mean_interval(rng.normal(0, 1, n)), 0.0, 20000) <= high


def test_an_ensemble_gives_one_seed_the_nominal_coverage():
    def one_seed(rng: np.random.Generator) -> Interval:
        return mean_interval(rng.normal(0, 1, 1), Ensemble(tuple(rng.normal(0, 1, 8)), "planted"))

    low, high = bound(20000)
    assert low <= covered(one_seed, 0.0, 20000) <= high


def test_jackknife_over_pairs_covers_at_the_nominal_rate():
    """For a pair statistic that is linear in the seeds the jackknife is Student's interval, so coverage is exact."""
    low, high = bound(1000)
    assert low <= covered(lambda rng: pairs_interval(pairs_of(rng.normal(0, 1, 5))), 0.0, 1000) <= high


def test_one_pair_borrows_the_spread_of_pairs_with_the_freedom_of_their_seeds():
    """28 pairs of 8 seeds: Student with 7 degrees of freedom, since pairs that share a seed are not independent."""
    ensemble = Ensemble(tuple(np.linspace(0, 1, 28)), "planted")
    interval = pairs_interval({(0, 1): 0.5}, ensemble)
    assert interval.high - 0.5 == pytest.approx(stats.t.ppf(0.975, 7) * ensemble.spread)


def test_treating_pairs_as_independent_would_not_cover():
    """The mistake that the jackknife is there for: Student over the ten pairs of five seeds is much too narrow."""
    low, _ = bound(1000)
    assert covered(lambda rng: mean_interval(list(pairs_of(rng.normal(0, 1, 5)).values())), 0.0, 1000) < low


@pytest.mark.parametrize("p", [3 / 32, 0.5])
def test_clopper_pearson_covers_at_least_at_the_nominal_rate(p):
    low, _ = bound(500)
    intervals = [proportion_interval(successes, 60) for successes in range(61)]
    assert covered(lambda rng: intervals[rng.binomial(60, p)], p, 500) >= low


def misses(confidence: float, looks: tuple[int, ...], draws: int) -> int:
    """Runs that end with an interval that misses the truth, if seeds are added until the interval leaves the region's edge."""
    rng = np.random.default_rng(3)

    def decided(values: np.ndarray) -> bool:
        made = (mean_interval(values[:n], confidence=confidence) for n in looks)
        return any(not one.low <= 0.0 <= one.high for one in made)

    return sum(decided(rng.normal(0, 1, looks[-1])) for _ in range(draws))


def test_all_looks_together_have_the_error_of_one():
    assert misses(spent(len(LOOKS)), LOOKS, 1000) <= 1000 - bound(1000)[0]


def test_looking_again_without_paying_for_it_would_not():
    assert misses(CONFIDENCE, LOOKS, 1000) > 1000 - bound(1000)[0]


def test_a_share_and_pairs_pay_for_their_looks_too():
    assert proportion_interval(3, 6, spent(4)).low < proportion_interval(3, 6).low
    values = pairs_of(np.arange(5.0))
    assert pairs_interval(values, None, spent(4)).low < pairs_interval(values).low


KNOWN = Ensemble((9.0,) * 6 + (6.0, 1.0), "planted")


@pytest.mark.parametrize("n", [3, 7])
def test_equal_values_of_few_seeds_have_no_interval_of_their_own(n):
    interval = mean_interval([9.0] * n)
    assert not interval.bounded
    assert str(interval) == "no interval"
    assert judge(interval, within(8.5, 9.5, reason="planted")) is Verdict.INCONCLUSIVE
    assert mean_interval([9.0, 9.0 * (1 + 1e-9), 9.0]).bounded is False
    assert mean_interval([9.0] * ENOUGH) == Interval(9, 9, "Student t over 8 seeds")


def test_equal_values_of_few_seeds_take_the_spread_of_the_ensemble():
    interval = mean_interval([9.0] * 3, KNOWN)
    assert interval.high - 9 == pytest.approx(stats.t.ppf(0.975, 7) * KNOWN.spread / math.sqrt(3))
    assert judge(interval, within(8.5, 9.5, reason="planted")) is Verdict.INCONCLUSIVE
    assert mean_interval([9.0] * 3, Ensemble((9.0,) * 8, "planted")).bounded


def test_values_that_are_often_equal_are_covered():
    """Nine in 10 of 12 cases: three of three are nine more often than not, and certainty would be wrong each time."""
    known = Ensemble((9.0,) * 10 + (6.0, 1.0), "planted")

    def three(rng: np.random.Generator) -> Interval:
        return mean_interval(rng.choice(known.values, 3), known)

    assert covered(three, float(np.mean(known.values)), 1000) >= bound(1000)[0]


def test_equal_pairs_of_few_seeds_have_no_interval_of_their_own():
    equal = dict.fromkeys(combinations(range(4), 2), 0.5)
    assert not pairs_interval(equal).bounded
    known = Ensemble(tuple(np.linspace(0, 1, 28)), "planted")
    interval = pairs_interval(equal, known)
    assert interval.high - 0.5 == pytest.approx(stats.t.ppf(0.975, 7) * known.spread * math.sqrt(2 / 4))


SKEWED = Ensemble(tuple(np.random.default_rng(3).lognormal(0, 1, 32)), "planted")


def test_only_positive_values_with_a_long_tail_are_skewed():
    rng = np.random.default_rng(3)
    assert SKEWED.skewed
    assert not Ensemble(tuple(rng.normal(10, 1, 32)), "planted").skewed
    assert not Ensemble(tuple(rng.lognormal(0, 1, 32) - 1), "planted").skewed  # not positive
    assert not Ensemble(tuple(-rng.lognormal(0, 1, 32) + 100), "planted").skewed  # a long tail to the left
    assert not Ensemble(tuple(float(n) for n in rng.geometric(0.3, 32)), "planted").skewed  # a count
    assert not Ensemble((2.0,) * 32, "planted").skewed


def test_a_long_tail_is_covered_on_a_log_scale_and_not_without():
    """The geometric mean of a lognormal quantity is 1; its mean, by three seeds, is missed too often."""

    def on_a_log_scale(rng: np.random.Generator) -> Interval:
        return log_scale_interval(rng.lognormal(0, 1, 3), SKEWED)

    assert bound(1000)[0] <= covered(on_a_log_scale, 1.0, 1000) <= bound(1000)[1]
    assert covered(lambda rng: mean_interval(rng.lognormal(0, 1, 3)), math.exp(0.5), 1000) < bound(1000)[0]


def test_a_log_scale_has_no_place_for_zero():
    with pytest.raises(InvalidInput, match=r"measured value 0\.0 has no logarithm"):
        log_scale_interval([0.0, 1.0, 2.0], SKEWED)
    region = on_log_scale(within(0.0, math.e, reason="planted"))
    assert (region.low, region.high) == (-math.inf, pytest.approx(1.0))


@pytest.mark.parametrize("values", [[0.9, 1.0, 1.0], [0.0, 0.0, 0.2]])
def test_an_interval_ends_where_the_quantity_does(values):
    free, cut = mean_interval(values), mean_interval(values).within((0, 1))
    assert not 0 <= free.low <= free.high <= 1
    assert (cut.low, cut.high) == (max(free.low, 0), min(free.high, 1))
    assert mean_interval([9.0] * 3).within((0, 10)).bounded is False


@pytest.mark.parametrize(("low", "seeds"), [(0.5, 6), (0.9, 36), (0.0, 1), (1.0, None)])
def test_a_share_needs_so_many_seeds_that_agree(low, seeds):
    region = at_least(low, reason="planted")
    assert least_seeds(region) == seeds
    if seeds is not None and seeds > 1:
        assert judge(proportion_interval(seeds - 1, seeds - 1), region) is Verdict.INCONCLUSIVE


def test_a_share_is_decided_by_the_named_number_of_seeds():
    region = at_least(0.5, reason="planted")
    assert share_to_decide([1.0, 1.0, 1.0], region) == 6
    assert share_to_decide([1.0, 0.0], region) is None  # at the edge
    judged = [judge(proportion_interval(round(0.8 * n), n), region) for n in (5, share_to_decide([1, 1, 1, 1, 0], region))]
    assert judged == [Verdict.INCONCLUSIVE, Verdict.SUPPORTED]


def test_equal_values_ask_for_the_seeds_that_are_enough():
    assert seeds_to_decide([1.0, 1.0, 1.0], REGION) == ENOUGH
    assert seeds_to_decide([1.0, 1.0, 1.0], REGION, Ensemble(tuple(np.linspace(0.5, 1.5, 8)), "planted")) > ENOUGH


def test_a_deterministic_value_is_judged_as_a_point():
    region = at_most(1e-10, reason="rounding")
    assert judge(exact(9.9e-11), region) is Verdict.SUPPORTED
    assert judge(exact(1.1e-10), region) is Verdict.REFUTED


def test_a_verdict_has_no_truth_value():
    with pytest.raises(TypeError, match="no truth value"):
        bool(Verdict.NOT_RUN)


@pytest.mark.parametrize(
    ("region", "inside", "outside", "text"),
    [
        (within(1, 2, reason="r"), (1, 2), (0.99, 2.01), "[1, 2]"),
        (at_least(1, reason="r"), (1, math.inf), (0.99,), ">= 1"),
        (at_most(2, reason="r"), (-math.inf, 2), (2.01,), "<= 2"),
        (within(1, 1, reason="r"), (1,), (0.99, 1.01), "[1, 1]"),
    ],
)
def test_regions_are_closed_and_say_so(region, inside, outside, text):
    assert all(value in region for value in inside)
    assert not any(value in region for value in outside)
    assert str(region) == text


@pytest.mark.parametrize(("low", "high", "reason"), [(2, 1, "r"), (math.nan, 1, "r"), (1, 2, " ")])
def test_a_region_that_makes_no_sense_is_refused(low, high, reason):
    with pytest.raises(InvalidInput):
        Region(low, high, reason)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: mean_interval([]), "no values"),
        (lambda: mean_interval([1.0, math.nan, 1.0]), "not finite"),
        (lambda: mean_interval([1.0, 1.1]), "--claims-seeds 3"),
        (lambda: pairs_interval({(0, 1): 1.0}), "no reference ensemble"),
        (lambda: pairs_interval({(0, 1): 1.0, (1, 2): 1.0}), "every unordered pair"),
        (lambda: proportion_interval(3, 2), "need 0 <= successes <= trials"),
        (lambda: Ensemble((1.0,) * 7, "p"), "at least 8 seeds"),
    ],
)
def test_what_cannot_be_judged_is_refused_with_a_reason(make, says):
    with pytest.raises(InvalidInput, match=says):
        make()


def test_the_named_number_of_seeds_decides():
    """At the number it names, the interval of the same mean and spread is inside; one seed fewer, it is not."""
    values = np.array([0.96, 1.0, 1.1, 1.02])
    n = seeds_to_decide(values, REGION)
    assert n is not None
    half = [stats.t.ppf(0.975, m - 1) * values.std(ddof=1) / math.sqrt(m) for m in (n - 1, n)]
    assert values.mean() + half[1] < 1.1 <= values.mean() + half[0]


def test_a_mean_on_the_edge_is_never_decided():
    assert seeds_to_decide([1.0, 1.1, 1.2], REGION) is None


NORMAL = Ensemble((1.0, 3.0, 2.0, 5.0, 4.0, 2.5, 3.5, 1.5, 4.5), "planted")
MANY = Ensemble(tuple(np.linspace(0, 1, 28)), "planted")  # pairs of 8 seeds


def half_width(interval: Interval) -> float:
    return (interval.high - interval.low) / 2


class TestFormulas:
    """Each interval and each number of seeds against the formula that it is documented with, at two confidences."""

    @pytest.mark.parametrize("confidence", [CONFIDENCE, 0.8])
    def test_student(self, confidence):
        def t(dof):
            return stats.t.ppf(0.5 + confidence / 2, dof)

        for values, ensemble, half, method in (
            ([1.0, 2.0, 6.0], None, t(2) * math.sqrt(7) / math.sqrt(3), "Student t over 3 seeds"),
            ([1.0, 2.0, 6.0], NORMAL, t(2) * math.sqrt(7) / math.sqrt(3), "Student t over 3 seeds"),
            ([5.0], NORMAL, t(8) * NORMAL.spread, "1 seed(s), spread of the reference ensemble of 9"),
            ([5.0, 6.0], NORMAL, t(8) * NORMAL.spread / math.sqrt(2), "2 seed(s), spread of the reference ensemble of 9"),
            ([5.0] * 7, NORMAL, t(8) * NORMAL.spread / math.sqrt(7), "7 seed(s), spread of the reference ensemble of 9"),
            ([5.0] * 8, NORMAL, 0.0, "Student t over 8 seeds"),
        ):
            found = mean_interval(values, ensemble, confidence)
            assert (found.low + found.high) / 2 == pytest.approx(np.mean(values))
            assert (half_width(found), found.method) == (pytest.approx(half), method)

    def test_a_region_may_be_one_value(self):
        assert judge(exact(1.0), within(1, 1, reason="planted")) is Verdict.SUPPORTED

    def test_without_a_spread_an_interval_is_the_whole_line(self):
        for found in (mean_interval([5.0] * 3), pairs_interval(dict.fromkeys(combinations(range(3), 2), 0.5))):
            assert (found.low, found.high) == (-math.inf, math.inf)

    @pytest.mark.parametrize("confidence", [CONFIDENCE, 0.8])
    def test_jackknife(self, confidence):
        def t(dof):
            return stats.t.ppf(0.5 + confidence / 2, dof)

        values = np.array([1.0, 2.0, 4.0, 9.0])
        found = pairs_interval(pairs_of(values), MANY, confidence)
        student = mean_interval(values, None, confidence)  # the same for averages of two seeds
        assert (found.low, found.high) == pytest.approx((student.low, student.high))
        assert found.method == "jackknife over 4 seeds, 6 pairs"
        for n, half in ((2, t(7) * MANY.spread), *((n, t(7) * MANY.spread * math.sqrt(2 / n)) for n in (3, 7)), (8, 0.0)):
            found = pairs_interval(dict.fromkeys(combinations(range(n), 2), 0.5), MANY, confidence)
            assert (found.low + found.high) / 2 == pytest.approx(0.5)
            assert half_width(found) == pytest.approx(half)
        assert pairs_interval(dict.fromkeys(combinations(range(8), 2), 0.5)) == Interval(
            0.5, 0.5, "jackknife over 8 seeds, 28 pairs"
        )
        for seeds, count in ((9, 36), (32, 496)):
            other = pairs_interval({(0, 1): 0.5}, Ensemble(tuple(np.linspace(0, 1, count)), "planted"), confidence)
            assert half_width(other) == pytest.approx(t(seeds - 1) * np.std(np.linspace(0, 1, count), ddof=1))

    @pytest.mark.parametrize("confidence", [CONFIDENCE, 0.8])
    def test_logarithms(self, confidence):
        for values, ensemble in (([1.0, 2.0, 6.0], None), ([1.0, 2.0, 6.0], SKEWED), ([2.0], SKEWED), ([2.0] * 3, SKEWED)):
            found = log_scale_interval(values, ensemble, confidence)
            known = None if ensemble is None else Ensemble(tuple(map(math.log, ensemble.values)), "planted")
            plain = mean_interval(list(map(math.log, values)), known, confidence)
            assert (found.low, found.high) == pytest.approx((math.exp(plain.low), math.exp(plain.high)))
            assert found.method == f"{plain.method}, of logarithms"
        assert not log_scale_interval([2.0] * 3, None, confidence).bounded
        wide = log_scale_interval([1e-300, 1.0, 1e300], None, confidence)
        assert (wide.low < 1e-250, wide.high) == (True, math.exp(700))

    @pytest.mark.parametrize(("yes", "n"), [(0, 5), (2, 5), (5, 5), (0, 1), (1, 1)])
    def test_proportions(self, yes, n):
        for confidence in (CONFIDENCE, 0.8):
            found, tail = proportion_interval(yes, n, confidence), (1 - confidence) / 2
            assert found.low == pytest.approx(stats.beta.ppf(tail, yes, n - yes + 1) if yes else 0)
            assert found.high == pytest.approx(stats.beta.isf(tail, yes + 1, n - yes) if yes < n else 1)
            assert found.method == f"Clopper-Pearson, {yes} of {n}"

    @pytest.mark.parametrize(("yes", "n"), [(-1, 3), (4, 3), (0, 0)])
    def test_no_proportion(self, yes, n):
        with pytest.raises(InvalidInput, match="need 0 <= successes <= trials, trials >= 1"):
            proportion_interval(yes, n)

    @pytest.mark.parametrize(
        ("low", "high", "verdict"),
        [
            *((1, 2, "SUPPORTED"), (1.5, 1.5, "SUPPORTED"), (0.9, 2, "INCONCLUSIVE"), (1, 2.1, "INCONCLUSIVE")),
            *((2, 3, "INCONCLUSIVE"), (2.1, 3, "REFUTED"), (0, 1, "INCONCLUSIVE"), (0, 0.9, "REFUTED"), (0, 3, "INCONCLUSIVE")),
        ],
    )
    def test_the_region_is_closed(self, low, high, verdict):
        assert judge(Interval(low, high, ""), within(1, 2, reason="planted")).name == verdict

    @pytest.mark.parametrize(
        ("low", "high", "bounds", "cut"),
        [
            *(
                (-1.0, 2.0, (0, 1), (0, 1)),
                (0.2, 0.3, (0, 1), (0.2, 0.3)),
                (2.0, 3.0, (0, 1), (1, 1)),
                (-3.0, -2.0, (0, 1), (0, 0)),
            ),
            *((-1.0, 2.0, None, (-1, 2)), (-1.0, math.inf, (0, 1), (-1, math.inf)), (-1.0, 2.0, (0, math.inf), (0, 2))),
        ],
    )
    def test_an_interval_is_cut_at_both_ends(self, low, high, bounds, cut):
        assert Interval(low, high, "planted").within(bounds) == Interval(*cut, "planted")

    @pytest.mark.parametrize(
        ("interval", "text"),
        [
            (Interval(0.5, 0.5, ""), "0.5"),
            (Interval(1, 2, ""), "[1, 2]"),
            (Interval(1, math.inf, ""), "no interval"),
            (Interval(-math.inf, 1, ""), "no interval"),
        ],
    )
    def test_an_interval_shows_its_ends(self, interval, text):
        assert (str(interval), interval.bounded) == (text, text != "no interval")

    def test_values_are_equal_up_to_a_millionth_of_the_largest(self):
        million = 1_000_000.0
        assert all(map(equal, ([million, million - 1], [-million, 1 - million], [0.0, 0.0], [3.0])))
        assert not any(map(equal, ([million, million - 1.01], [-million, 1.01 - million], [1e-9, 0.0], [1.0, 1.0, 2.0])))

    def test_quantiles_and_confidences(self):
        assert quantile(3) == pytest.approx(3.182446, abs=1e-6)
        assert quantile(3, 0.8) == pytest.approx(1.637744, abs=1e-6)
        assert [spent(looks) for looks in (1, 2, 4)] == pytest.approx([0.95, 0.975, 0.9875])
        assert Ensemble((0.0, 2.0) * 4, "planted").spread == pytest.approx(math.sqrt(8 / 7))

    def test_a_tail_is_long_from_a_p_of_one_in_a_hundred_on(self):
        """Of 16 lognormal values each, with p = 0.0081 and p = 0.0125, and of the fewest values that an ensemble may have."""
        long, short = (Ensemble(tuple(np.random.default_rng(seed).lognormal(0, 0.5, 16)), "planted") for seed in (19, 7))
        p = [float(stats.skewtest(one.values, alternative="greater").pvalue) for one in (long, short)]
        assert p == pytest.approx([0.0081, 0.0125], abs=1e-4)
        assert (long.skewed, short.skewed) == (True, False)
        assert Ensemble((1.1, 1.2, 3.3, 1.15, 5.25, 2.05, 1.35, 50.5), "planted").skewed

    def test_a_region_of_logarithms_has_no_place_for_what_is_not_positive(self):
        for region, low, high in (
            (within(1, math.e, reason="planted"), 0, 1),
            (within(-1, math.e, reason="planted"), -math.inf, 1),
            (at_least(math.e, reason="planted"), 1, math.inf),
            (at_most(1, reason="planted"), -math.inf, 0),
        ):
            assert on_log_scale(region) == Region(low, high, "planted")

    @pytest.mark.parametrize(
        ("values", "ensemble", "distance", "first", "spread"),
        [
            ([1.0, 2.0, 6.0], None, 1.0, 4, math.sqrt(7)),
            ([1.0, 2.0, 6.0], NORMAL, 1.0, 4, math.sqrt(7)),
            ([1.0, 2.0, 6.0], None, 99.0, 4, math.sqrt(7)),
            ([1.0, 2.0, 6.0], None, 2.6, 4, math.sqrt(7)),
            ([1.0, 2.0, 6.0], None, 2.9, 4, math.sqrt(7)),
            ([5.0], NORMAL, 1.0, 3, NORMAL.spread),
            ([5.0, 6.0], NORMAL, 1.0, 3, NORMAL.spread),
            ([5.0, 6.0], NORMAL, 99.0, 3, NORMAL.spread),
            ([5.0] * 7, NORMAL, 1.0, 8, NORMAL.spread),
            ([5.0] * 7, NORMAL, 0.3, 8, NORMAL.spread),
            ([5.0] * 8, NORMAL, 1.0, 9, 0.0),
            ([5.0] * 8, None, 1.0, 9, 0.0),
        ],
    )
    def test_seeds_to_decide(self, values, ensemble, distance, first, spread):
        """The first number, of those not yet run, at which the half-width is less than the distance to the nearest edge."""
        needed = next(n for n in range(first, 999) if stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n) < distance)
        mean = float(np.mean(values))
        for region in (within(mean - distance, mean + 200, reason="r"), within(mean - 200, mean + distance, reason="r")):
            assert seeds_to_decide(values, region, ensemble) == needed
            assert seeds_to_decide(values, region, ensemble, most=needed) == needed
            assert seeds_to_decide(values, region, ensemble, most=needed - 1) is None

    def test_seeds_to_decide_without_a_spread(self):
        assert seeds_to_decide([1.0] * 7, REGION) == ENOUGH
        assert seeds_to_decide([1.0, 1.0], REGION) is None
        assert seeds_to_decide([1.0], REGION) is None

    @pytest.mark.parametrize("values", [[1.0, 1.0, 1.0], [1.0, 1.0, 1.0, 1.0, 0.0], [0.0, 0.0, 1.0, 0.0], [1.0] * 7])
    def test_shares_to_decide(self, values):
        region, share = at_least(0.5, reason="half"), np.mean(values)

        def decided(n):
            yes = round(share * n)
            low, high = stats.beta.ppf(0.025, yes, n - yes + 1), stats.beta.ppf(0.975, yes + 1, n - yes)
            return (low if yes else 0) >= 0.5 or (high if yes < n else 1) < 0.5

        needed = next(n for n in range(len(values) + 1, 999) if decided(n))
        assert share_to_decide(values, region) == needed
        assert share_to_decide(values, region, most=needed) == needed
        assert share_to_decide(values, region, most=needed - 1) is None

    def test_fewest_seeds_of_a_share(self):
        for region in (at_least(0.5, reason="half"), at_most(0.5, reason="half")):
            assert [least_seeds(region, most) for most in (6, 5)] == [6, None]
        assert least_seeds(within(0.2, 0.8, reason="planted"), 50) is None
