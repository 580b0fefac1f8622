"""From recorded values to interval and verdict: each kind of claim against a formula, and values that have no interval."""

import dataclasses
import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.errors import InvalidInput
from harness.suite.records import ClaimRecord, EnsembleRecord, MeasurementRecord, RuleRecord
from harness.suite.rejudge import (
    bounds_of,
    deciding_seeds,
    ensemble_interval,
    ensemble_of,
    interval_again,
    interval_of,
    pseudo_values,
    region_of,
    rejudge,
    side_of,
)
from harness.suite.verdict import CONFIDENCE, Ensemble, Interval, Region, Verdict, at_least, spent, within

LONG = Ensemble(tuple(np.random.default_rng(3).lognormal(0, 1, 32).tolist()), "planted")
EDGES = Ensemble(tuple(np.linspace(0, 1, 28).tolist()), "planted")  # pairs of 8 seeds
NORMAL = Ensemble(tuple(np.random.default_rng(3).normal(5, 1, 12).tolist()), "planted")


def measured(values, names=None, trials=None, interval=None) -> MeasurementRecord:
    names = names or [[f"it[{seed}]"] for seed in range(len(values))]
    return MeasurementRecord("it", "", "", names, list(values), trials, interval, "its own")


def pairs(seeds: dict[str, float], of=lambda a, b: a * b) -> MeasurementRecord:
    """A statistic of each pair of named seeds, in an order that is not that of the names."""
    found = [(list(pair), of(seeds[pair[0]], seeds[pair[1]])) for pair in combinations(reversed(seeds), 2)]
    return measured([value for _, value in found], [names for names, _ in found])


def record(one, over="seeds", rule=None, **more) -> ClaimRecord:
    rule = rule or RuleRecord([0.9, 1.1], "planted")
    facts = {"verdict": "SUPPORTED", "measurements": [one], **more}
    return ClaimRecord("a/b", "a", "", "", "", over, "", None, "", rule, "SUPPORTED", None, **facts)


def student(values, confidence, spread=None, dof=None):
    n = len(values)
    spread = np.std(values, ddof=1) if spread is None else spread
    half = stats.t.ppf(0.5 + confidence / 2, n - 1 if dof is None else dof) * spread / math.sqrt(n)
    return [np.mean(values) - half, np.mean(values) + half]


def pearson(k, n, confidence):
    tail = (1 - confidence) / 2
    return [stats.beta.ppf(tail, k, n - k + 1) if k else 0.0, stats.beta.isf(tail, k + 1, n - k) if k < n else 1.0]


def jackknife(values, confidence):
    """Of products of the seeds' values, by leaving each seed out."""

    def mean(kept):
        return np.mean([a * b for a, b in combinations(kept, 2)])

    n, without = len(values), [mean([*values[:i], *values[i + 1 :]]) for i in range(len(values))]
    half = stats.t.ppf(0.5 + confidence / 2, n - 1) * math.sqrt((n - 1) ** 2 / n * np.var(without, ddof=1))
    return [mean(values) - half, mean(values) + half]


SEEDS = {"it[2]": 1.0, "it[0]": 2.0, "it[10]": 4.0, "it[1]": 7.0}


@pytest.mark.parametrize("confidence", [CONFIDENCE, spent(4), 0.5])
def test_each_kind_of_claim_has_the_interval_of_its_method(confidence):
    values, logarithms = [1.0, 2.0, 4.0], np.log(LONG.values)
    for over, one, ensemble, wanted in (
        ("seeds", measured(values), None, student(values, confidence)),
        ("seeds", measured(values), NORMAL, student(values, confidence)),
        ("seeds", measured(values[:2]), NORMAL, student(values[:2], confidence, NORMAL.spread, 11)),
        ("seeds", measured(values), LONG, np.exp(student(np.log(values), confidence))),
        ("seeds", measured([2.0, 3.0]), LONG, np.exp(student(np.log([2.0, 3.0]), confidence, np.std(logarithms, ddof=1), 31))),
        ("seeds", measured([-1.0, 2.0, 4.0]), LONG, student([-1.0, 2.0, 4.0], confidence)),
        ("seeds", measured([0.0, 2.0, 4.0]), LONG, student([0.0, 2.0, 4.0], confidence)),
        ("pairs", pairs(SEEDS), None, jackknife(list(SEEDS.values()), confidence)),
        ("pairs", pairs(SEEDS), LONG, jackknife(list(SEEDS.values()), confidence)),
        ("pairs", measured([2.5], [["a", "b"]]), EDGES, student([2.5], confidence, EDGES.spread, 7)),
        ("trials", measured([0.5, 0.9], trials=[10, 20]), None, pearson(23, 30, confidence)),
        ("share", measured([1.0, 0.0, 1.0, 1.0]), None, pearson(3, 4, confidence)),
        ("once", measured([3.0]), None, [3.0, 3.0]),
        ("interval", measured([3.0], interval=[2.0, 5.0]), None, [2.0, 5.0]),
    ):
        found = interval_of(over, one, ensemble, None, confidence)
        assert [found.low, found.high] == pytest.approx(wanted, rel=1e-9), over


@pytest.mark.parametrize("over", ["seeds", "pairs", "trials", "share"])
def test_the_confidence_is_95_percent_unless_it_is_given(over):
    one = {"pairs": pairs(SEEDS), "trials": measured([0.5, 0.9], trials=[10, 20])}.get(over, measured([1.0, 0.0, 1.0, 1.0]))
    assert interval_of(over, one) == interval_of(over, one, None, None, 0.95) != interval_of(over, one, None, None, 0.9)


def test_an_ensembles_own_interval_takes_no_spread_from_elsewhere():
    """By the claim's rule: on a log scale for a long tail, pooled for proportions, over the seeds behind pairs."""
    found = ensemble_interval("seeds", LONG)
    assert [found.low, found.high] == pytest.approx(np.exp(student(np.log(LONG.values), CONFIDENCE)))
    found = ensemble_interval("seeds", NORMAL)
    assert [found.low, found.high] == pytest.approx(student(NORMAL.values, CONFIDENCE))
    found = ensemble_interval("trials", Ensemble((0.5,) * 8, "planted", ((),) * 8, (10,) * 8))
    assert [found.low, found.high] == pytest.approx(pearson(40, 80, CONFIDENCE))
    named = {f"it[{i}]": value for i, value in enumerate(np.random.default_rng(0).normal(3, 1, 6).tolist())}
    one = pairs(named)
    known = Ensemble(tuple(one.values), "planted", tuple(tuple(names) for names in one.runs))
    found = ensemble_interval("pairs", known)
    assert [found.low, found.high] == pytest.approx(jackknife(list(named.values()), CONFIDENCE))


class TestRecord:
    def test_it_is_judged_by_its_own_region_ensemble_and_bounds(self):
        one = measured([0.95, 1.0, 1.0])
        narrow = EnsembleRecord([1 + 0.001 * i for i in range(8)], "planted", [[f"it[{i}]"] for i in range(8)])
        for rule, ensemble, values, verdict in (
            (RuleRecord([0.9, 1.1], "r"), None, one.values, Verdict.SUPPORTED),
            (RuleRecord([0.9, 1.0], "r"), None, one.values, Verdict.INCONCLUSIVE),
            (RuleRecord([0.9, 1.0], "r", [0, 1]), None, one.values, Verdict.SUPPORTED),
            (RuleRecord([0.9, 1.0], "r", [0, None]), None, one.values, Verdict.INCONCLUSIVE),
            (RuleRecord([1.1, None], "r"), None, one.values, Verdict.REFUTED),
            (RuleRecord([None, 0.9], "r"), None, one.values, Verdict.REFUTED),
            (RuleRecord([0.9, 1.06], "r"), None, one.values, Verdict.SUPPORTED),
            (RuleRecord([0.9, 1.06], "r", None, True), None, one.values, Verdict.INCONCLUSIVE),
            (RuleRecord([0.9, 1.1], "r"), narrow, [1.0], Verdict.SUPPORTED),
        ):
            held = record(dataclasses.replace(one, values=values), rule=rule, ensemble=ensemble)
            assert rejudge(held) is verdict, rule
            assert rejudge(dataclasses.replace(held, verdict="NOT_RUN")) is Verdict.NOT_RUN
        with pytest.raises(InvalidInput, match="give no spread"):
            rejudge(record(measured([1.0])))

    def test_more_looks_widen_its_interval(self):
        one = measured([1.0, 2.0, 4.0])
        for looks, confidence in ((False, 0.95), (True, 1 - 0.05 / 4)):
            found = interval_again(record(one, rule=RuleRecord([0, 1], "r", None, looks)))
            assert [found.low, found.high] == pytest.approx(student(one.values, confidence))
            shares = measured([1.0, 0.0, 1.0, 1.0])
            found = interval_again(record(shares, "share", RuleRecord([0, 1], "r", None, looks)))
            assert [found.low, found.high] == pytest.approx(pearson(3, 4, confidence))

    def test_none_is_an_infinite_end(self):
        for rule, region, bounds in (
            (RuleRecord([None, 2.0], "r", [None, 3.0]), Region(-math.inf, 2.0, "r"), (-math.inf, 3.0)),
            (RuleRecord([1.0, None], "r", [0.0, None]), Region(1.0, math.inf, "r"), (0.0, math.inf)),
            (RuleRecord([1.0, 2.0], "r"), Region(1.0, 2.0, "r"), None),
        ):
            held = record(measured([1.0]), rule=rule)
            assert (region_of(held), bounds_of(held)) == (region, bounds)

    def test_its_ensemble_comes_back(self):
        held = EnsembleRecord([1.0] * 8, "then", [[f"it[{i}]"] for i in range(8)], [5] * 8)
        assert ensemble_of(record(measured([1.0]), ensemble=held)) == Ensemble(
            (1.0,) * 8, "then", tuple((f"it[{i}]",) for i in range(8)), (5,) * 8
        )
        assert ensemble_of(record(measured([1.0]), ensemble=dataclasses.replace(held, trials=None))).trials is None
        assert ensemble_of(record(measured([1.0]))) is None


@pytest.mark.parametrize(
    ("value", "bounds", "inside"),
    [
        (1.0 + 0.9e-6, (0.0, 1.0), True),
        (1.0 + 1.1e-6, (0.0, 1.0), False),
        (-0.9e-6, (0.0, 1.0), True),
        (-1.1e-6, (0.0, 1.0), False),
        (12.0 + 1.9e-6, (10.0, 12.0), True),
        (12.0 + 2.1e-6, (10.0, 12.0), False),
        (-4.9e-6, (0.0, math.inf), True),
        (-5.1e-6, (0.0, math.inf), False),
        (5.0 + 4.9e-6, (-math.inf, 5.0), True),
        (5.0 + 5.1e-6, (-math.inf, 5.0), False),
    ],
)
def test_a_value_may_leave_its_bounds_by_rounding_alone(value, bounds, inside):
    """A millionth of the width, or of the largest value where the width is infinite."""
    one = measured([value, 4.0, 5.0] if math.inf in map(abs, bounds) else [value, bounds[0], bounds[0]])
    if inside:
        found = interval_of("seeds", one, None, bounds)
        assert bounds[0] <= found.low <= found.high <= bounds[1]
    else:
        with pytest.raises(InvalidInput, match=r"it measured .* outside of what it can be"):
            interval_of("seeds", one, None, bounds)


@pytest.mark.parametrize(
    ("over", "one", "says"),
    [
        ("seeds", measured([1.0, None, 1.1]), "not finite"),
        ("seeds", measured([1.0, math.nan, 1.1]), "not finite"),
        ("once", measured([math.inf]), "not finite"),
        ("trials", measured([0.5, 0.5], trials=[10]), "return Measurement"),
        ("trials", measured([0.5, 0.5]), "return Measurement"),
        ("trials", measured([0.55, 0.5], trials=[10, 10]), "not whole numbers"),
        ("share", measured([1.0, 0.5]), "return True or False"),
        ("interval", measured([1.0]), "it: interval"),
        ("interval", measured([1.0], interval=[2.0, 1.0]), "it: interval"),
        ("interval", measured([1.0], interval=[1.0, math.inf]), "it: interval"),
        ("interval", measured([1.0], interval=[math.nan, 1.0]), "it: interval"),
        ("pairs", measured([1.0, 2.0], [["a", "b"], ["b", "c"]]), "every unordered pair"),
    ],
)
def test_what_no_interval_can_be_had_of_is_refused(over, one, says):
    with pytest.raises(InvalidInput, match=says):
        interval_of(over, one)


def test_an_interval_of_its_own_keeps_its_method():
    assert interval_of("interval", measured([1.0], interval=[1.0, 1.0])) == Interval(1.0, 1.0, "its own")


def test_proportions_may_be_off_by_rounding():
    """2/3 of 3 trials are 2, and the counts are rounded and not cut."""
    found = interval_of("trials", measured([2 / 3, 0.1 + 0.2, 0.57], trials=[3, 10, 100]))
    assert [found.low, found.high] == pytest.approx(pearson(2 + 3 + 57, 113, CONFIDENCE))


def test_pseudo_values_are_the_seeds_values_where_pairs_are_averages():
    """Leave-one-out by hand: three seeds, of which each pair's value is the sum of its members'."""
    seeds = [1.0, 10.0, 100.0]
    sums = {(i, j): seeds[i] + seeds[j] for i, j in combinations(range(3), 2)}
    assert pseudo_values({pair: value / 2 for pair, value in sums.items()}) == pytest.approx(seeds)
    assert pseudo_values(sums) == pytest.approx([2 * value for value in seeds])
    four = dict(zip(combinations(range(4), 2), (1, 2, 4, 8, 16, 32), strict=True))
    assert pseudo_values(four) == pytest.approx([-14, 4, 21, 31])


class TestDecidingSeeds:
    """The first number of seeds at which the half-width is below the distance to the edge."""

    @staticmethod
    def needed(values, distance, first=None, spread=None):
        spread = np.std(values, ddof=1) if spread is None else spread
        first = len(values) + 1 if first is None else first
        return next(n for n in range(first, 1000) if stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n) < distance)

    def test_of_seeds_by_their_own_spread_or_by_that_of_the_ensemble(self):
        values, region = [4.0, 5.0, 7.0], at_least(4.9, reason="planted")
        distance = np.mean(values) - 4.9
        assert deciding_seeds("seeds", measured(values), region) == self.needed(values, distance)
        assert deciding_seeds("seeds", measured(values), region, NORMAL) == self.needed(values, distance)
        assert deciding_seeds("seeds", measured([5.2]), region, NORMAL) == self.needed([5.2], 0.3, 3, NORMAL.spread)

    def test_of_a_long_tail_on_its_log_scale(self):
        values, region = [1.0, 2.0, 6.0], within(0.0, 3.0, reason="planted")
        logarithms = np.log(values)
        distance = math.log(3) - np.mean(logarithms)
        assert deciding_seeds("seeds", measured(values), region, LONG) == self.needed(logarithms, distance)
        spread = np.std(np.log(LONG.values), ddof=1)
        assert deciding_seeds("seeds", measured([2.0]), region, LONG) == self.needed([2.0], math.log(1.5), 3, spread)
        plain = [-1.0, 1.0, 3.5]
        assert deciding_seeds("seeds", measured(plain), region, LONG) == self.needed(plain, np.mean(plain))

    def test_of_shares_and_pairs(self):
        half = at_least(0.5, reason="half")
        assert deciding_seeds("share", measured([1.0, 1.0, 1.0]), half) == 6
        one = pairs({"a": 1.0, "b": 2.0, "c": 4.0}, lambda a, b: (a + b) / 2)
        region = at_least(2.0, reason="planted")
        assert deciding_seeds("pairs", one, region) == self.needed([1.0, 2.0, 4.0], 1 / 3)
        single = measured([2.5], [["a", "b"]])
        assert deciding_seeds("pairs", single, region) is None

    @pytest.mark.parametrize("over", ["trials", "once", "interval"])
    def test_of_other_kinds_no_number_is_known(self, over):
        assert deciding_seeds(over, measured([0.9, 1.0, 1.1], trials=[10] * 3), at_least(0.95, reason="planted")) is None


def test_the_side_that_more_seeds_would_decide_for_is_that_of_the_mean_on_the_judged_scale():
    """0.5, 0.6 and 9 have the mean 3.4 and the geometric mean 1.4; a long tail is judged by its logarithms."""
    held = EnsembleRecord(list(LONG.values), "planted", [[f"it[{i}]"] for i in range(32)])
    rule = RuleRecord([None, 2.0], "planted")
    values = measured([0.5, 0.6, 9.0])
    assert side_of(record(values, rule=rule)) is Verdict.REFUTED
    assert side_of(record(values, rule=rule, ensemble=held)) is Verdict.SUPPORTED
    flat = dataclasses.replace(held, values=list(NORMAL.values), runs=held.runs[:12])
    assert side_of(record(values, rule=rule, ensemble=flat)) is Verdict.REFUTED
    assert side_of(record(measured([-0.5, 0.6, 9.0]), rule=rule, ensemble=held)) is Verdict.REFUTED
