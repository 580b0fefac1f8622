"""A shift of the size that a claim names is detected at the stated rate; a claim that detects nothing says so."""

import math

import numpy as np
import pytest

from harness.suite.ensemble import Reference
from harness.suite.membership import FALSE_ALARMS, membership
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
