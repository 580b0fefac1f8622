"""A shift of the size that a claim names is detected at the stated rate; a claim that detects nothing says so."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.suite.ensemble import Reference
from harness.suite.membership import FALSE_ALARMS, membership, outside
from harness.suite.power import SEEN, alarm_shift, power
from harness.suite.records import MeasurementRecord
from harness.suite.verdict import Ensemble, Verdict, at_least, judge, mean_interval, within

CLAIMS = 100


def ensemble(values) -> Ensemble:
    return Ensemble(tuple(map(float, values)), "planted", tuple((f"it[{seed}]",) for seed in range(len(values))))


def run(values) -> MeasurementRecord:
    return MeasurementRecord("it", "", "", [[f"it[{1000 + n}]"] for n in range(len(values))], [float(v) for v in values])


@pytest.mark.parametrize(("seeds", "others"), [(1, 16), (3, 16), (3, 32)])
def test_the_named_shift_is_an_alarm_in_four_of_five_runs(seeds, others):
    shift = alarm_shift(seeds, others, FALSE_ALARMS / CLAIMS)
    rng, draws = np.random.default_rng(5), 400
    found = (
        membership("seeds", run(rng.normal(shift, 1, seeds)), Reference(ensemble(rng.normal(0, 1, others))), CLAIMS).state
        for _ in range(draws)
    )
    seen = sum(state == "alarm" for state in found) / draws
    assert abs(seen - SEEN) < 4 * math.sqrt(SEEN * (1 - SEEN) / draws)


@pytest.mark.parametrize(("seeds", "others"), [(1, 4), (3, 4), (3, 6), (40, 100)])
@pytest.mark.parametrize("level", [0.01, 0.0001])
def test_of_few_others_and_of_many_seeds_the_named_shift_is_as_right(seeds, others, level):
    """Few others make a wrong divisor or number of degrees of freedom large; many seeds see shifts of less than one."""
    shift = alarm_shift(seeds, others, level)
    rng, draws = np.random.default_rng(6), 4000
    here, there = rng.normal(shift, 1, (draws, seeds)), rng.normal(0, 1, (draws, others))
    t = (here.mean(axis=1) - there.mean(axis=1)) / there.std(axis=1, ddof=1) / math.sqrt(1 / seeds + 1 / others)
    low, high = there.min(axis=1, keepdims=True), there.max(axis=1, keepdims=True)
    far = abs(here - there.mean(axis=1, keepdims=True)) / there.std(axis=1, ddof=1, keepdims=True)
    needed = 0.75 * stats.t.isf(level / 2, others - 1) * math.sqrt(1 / seeds + 1 / others)
    beyond = (((here < low) | (here > high)) & (far >= needed)).sum(axis=1)
    seen = np.mean((2 * stats.t.sf(abs(t), others - 1) <= level) & (beyond >= outside(seeds, others)))
    assert abs(seen - SEEN) < 4 * math.sqrt(2 * SEEN * (1 - SEEN) / draws)  # of two simulations of 4000 runs


def test_more_seeds_and_more_others_see_smaller_shifts():
    level = FALSE_ALARMS / CLAIMS
    assert alarm_shift(3, 16, level) < alarm_shift(1, 16, level)
    assert alarm_shift(3, 32, level) < alarm_shift(3, 16, level) < alarm_shift(3, 8, level)


def test_the_named_shift_turns_the_verdict_in_four_of_five_runs():
    rng, region = np.random.default_rng(5), at_least(0.0, reason="planted")
    known = ensemble(rng.normal(3, 1, 32))
    shift = power("seeds", region, known, 5, CLAIMS).verdict
    start = float(np.mean(known.values))
    refuted = [
        judge(mean_interval(rng.normal(start - shift * known.spread, known.spread, 5)), region) is Verdict.REFUTED
        for _ in range(400)
    ]
    assert 0.7 < np.mean(refuted) < 0.9  # Student's half-width varies from run to run, and is named by its typical value


def test_seeds_that_the_run_shares_with_its_ensemble_are_left_out():
    known, region = ensemble(np.random.default_rng(5).normal(10, 1, 8)), at_least(0.0, reason="planted")
    alone = power("seeds", region, known, 3, CLAIMS).alarm
    shared = power("seeds", region, known, 3, CLAIMS, {"it[0]", "it[1]", "it[2]"}).alarm
    assert shared == alarm_shift(3, 5, FALSE_ALARMS / CLAIMS) > alone
    assert power("seeds", region, known, 6, CLAIMS, {f"it[{seed}]" for seed in range(6)}) is None


def test_no_shift_makes_an_interval_fit_into_a_region_that_is_narrower():
    known = ensemble(np.random.default_rng(5).normal(3, 1, 32))
    assert power("seeds", within(0, 0.1, reason="planted"), known, 3, CLAIMS).verdict is None
    assert power("share", at_least(0.9, reason="planted"), ensemble([1.0] * 15 + [0.0]), 3, CLAIMS).verdict is None


def test_a_claim_that_sees_nothing_short_of_absurd_says_so():
    rng, region = np.random.default_rng(5), at_least(0.0, reason="planted")
    assert not power("seeds", region, ensemble(rng.normal(10, 1, 16)), 3, CLAIMS).blind
    assert "twice its value" in power("seeds", region, ensemble(rng.normal(0.5, 1, 16)), 3, CLAIMS).blind
    assert "all seeds" in power("share", at_least(0.5, reason="planted"), ensemble([1.0, 0.0] * 5), 1, CLAIMS).blind


def test_a_long_tail_is_judged_by_its_logarithms():
    known = ensemble(np.random.default_rng(5).lognormal(0, 1.5, 32))
    assert known.skewed
    record = power("seeds", at_least(0.01, reason="planted"), known, 3, CLAIMS)
    assert record.spread == pytest.approx(np.std(np.log(known.values), ddof=1))
    assert "tenfold" in record.blind


KNOWN = ensemble(np.random.default_rng(5).normal(3, 1, 12))


def quantile(dof, confidence):
    return stats.t.ppf(0.5 + confidence / 2, dof)


class TestVerdictShift:
    """Distance to the nearest edge, half of the interval, and the normal quantile at four of five, in standard deviations."""

    @pytest.mark.parametrize("seeds", [1, 2, 3, 4, 6])
    @pytest.mark.parametrize("confidence", [0.95, 0.9875])
    def test_it_is_that_of_its_formula(self, seeds, confidence):
        mean, spread = np.mean(KNOWN.values), np.std(KNOWN.values, ddof=1)
        error = spread / math.sqrt(seeds)
        half = quantile(seeds - 1 if seeds > 2 else 11, confidence) * error
        for region in (at_least(mean - 2, reason="r"), within(mean - 9, mean + 2, reason="r"), at_least(mean + 2, reason="r")):
            found = power("seeds", region, KNOWN, seeds, CLAIMS, confidence=confidence)
            assert found.verdict == pytest.approx((2 + half + 0.8416 * error) / spread)
            assert found.spread == pytest.approx(spread)

    def test_of_a_long_tail_it_is_that_of_logarithms(self):
        known = ensemble(np.random.default_rng(5).lognormal(0, 1.5, 32))
        logarithms = np.log(known.values)
        error = np.std(logarithms, ddof=1) / math.sqrt(3)
        distance = np.mean(logarithms) - math.log(0.01)
        found = power("seeds", at_least(0.01, reason="planted"), known, 3, CLAIMS)
        assert found.verdict == pytest.approx((distance + (quantile(2, 0.95) + 0.8416) * error) / np.std(logarithms, ddof=1))

    @pytest.mark.parametrize(
        ("distance", "width", "known"), [(5, 1.9, False), (5, 2.1, True), (-0.1, 1.9, True), (-95, 1.9, False)]
    )
    def test_an_interval_must_fit_into_the_region_that_its_mean_is_outside_of(self, distance, width, known):
        """Widths are in half-widths of the interval."""
        mean, error = np.mean(KNOWN.values), np.std(KNOWN.values, ddof=1) / math.sqrt(3)
        low = mean + distance
        region = within(low, low + width * quantile(2, 0.95) * error, reason="planted")
        assert (power("seeds", region, KNOWN, 3, CLAIMS).verdict is not None) is known

    def test_of_shares_and_trials_it_is_unknown(self):
        known = Ensemble((0.5, 0.75) * 8, "planted", tuple((f"it[{seed}]",) for seed in range(16)), (20,) * 16)
        found = power("trials", at_least(0.1, reason="planted"), known, 3, CLAIMS)
        assert (found.verdict, found.alarm) == (None, alarm_shift(3, 16, FALSE_ALARMS / CLAIMS))
        assert power("seeds", at_least(0.1, reason="planted"), known, 3, CLAIMS).verdict is not None


def test_the_spread_of_pairs_is_that_of_their_seeds():
    pairs = list(combinations(range(8), 2))
    values = np.random.default_rng(5).normal(3, 1, len(pairs))
    known = Ensemble(tuple(values.tolist()), "planted", tuple((f"it[{a}]", f"it[{b}]") for a, b in pairs))
    found = power("pairs", at_least(0, reason="planted"), known, 3, CLAIMS)
    assert found.spread == pytest.approx(np.std(values, ddof=1) * math.sqrt(2 * 9 / 7))
    assert found.alarm == alarm_shift(3, 8, FALSE_ALARMS / CLAIMS)


@pytest.mark.parametrize(("tests", "level"), [(0, 0.01), (1, 0.01), (2, 0.005)])
def test_the_claims_of_a_run_share_its_false_alarms(tests, level):
    assert power("seeds", at_least(0, reason="planted"), KNOWN, 3, tests).alarm == alarm_shift(3, 12, level)


class TestBlind:
    """A claim is blind where what it sees is more than what it could measure."""

    @pytest.mark.parametrize(("values", "blind"), [([1.0] * 30 + [0.0] * 2, False), ([1.0] * 13 + [0.0] * 3, True)])
    def test_a_share_whose_seeds_may_all_come_out_the_other_way(self, values, blind):
        found = power("share", at_least(0.5, reason="planted"), ensemble(values), 3, 10)
        change = found.alarm * found.spread
        assert 0.5 < change < 2
        assert (found.blind != "") is blind is (change > 1)

    @pytest.mark.parametrize(("width", "blind"), [(0.5, False), (1.0, True)])
    def test_a_long_tail_that_may_change_tenfold(self, width, blind):
        known = ensemble(np.random.default_rng(5).lognormal(0, width, 32))
        found = power("seeds", at_least(0.001, reason="planted"), known, 3, CLAIMS)
        change = min(found.alarm, found.verdict) * found.spread
        assert known.skewed
        assert 1 < change < 8
        assert (found.blind != "") is blind is (change > math.log(10))

    @pytest.mark.parametrize(
        ("mean", "low", "blind"), [(0.1, -10, False), (10, 9.9, False), (0.1, 0.0, True), (-10, -9.9, False)]
    )
    def test_a_change_is_absurd_against_the_larger_of_value_and_distance(self, mean, low, blind):
        values = np.random.default_rng(5).normal(0, 1, 16)
        known = ensemble(values - values.mean() + mean)
        assert (power("seeds", at_least(low, reason="planted"), known, 3, CLAIMS).blind != "") is blind

    @pytest.mark.parametrize("seeds", [1, 2])
    @pytest.mark.parametrize(("times", "blind"), [(0.99, True), (1.01, False)])
    def test_a_verdict_that_turns_is_seen_from_where_the_means_differ(self, seeds, times, blind):
        """Just inside the edge a verdict turns sooner than an opposite verdict counts, and than an alarm."""
        differ = (stats.t.ppf(0.995, 15) + stats.norm.ppf(SEEN)) * math.sqrt(1 / seeds + 1 / 16)
        z = np.linspace(-1, 1, 16)
        mean = times * differ / 2  # in standard deviations; half of what is absurd
        found = power("seeds", at_least(mean - 0.01, reason="planted"), ensemble(mean + z / z.std(ddof=1)), seeds, CLAIMS)
        assert found.verdict < differ < found.alarm
        assert (found.blind != "") is blind

    def test_what_nothing_shows_is_blind(self):
        """Three known seeds of eight, and so many claims that no shift is an alarm; the region is too narrow for a verdict."""
        here = {f"it[{seed}]" for seed in range(5)}
        known = ensemble(np.random.default_rng(5).normal(3, 1, 8))
        found = power("seeds", within(0, 0.1, reason="planted"), known, 3, 10**9, here)
        assert (found.alarm, found.verdict, found.blind != "") == (None, None, True)
