"""The second question: runs of the ensemble's own kind belong to it at the stated rate, and planted drifts do not."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.suite.ensemble import Reference
from harness.suite.membership import FALSE_ALARMS, membership, outside
from harness.suite.records import MeasurementRecord, MembershipRecord
from harness.suite.verdict import Ensemble

CLAIMS = 100


def ensemble(values, trials=None) -> Ensemble:
    runs = tuple((f"it[{seed}]",) for seed in range(len(values)))
    return Ensemble(tuple(map(float, values)), "planted", runs, trials)


def run(values, first=1000) -> MeasurementRecord:
    return MeasurementRecord("it", "", "", [[f"it[{first + n}]"] for n in range(len(values))], [float(v) for v in values])


def state(values, of, tests=CLAIMS, over="seeds", first=1000) -> str:
    return membership(over, run(values, first), Reference(ensemble(of)), tests).state


def alarms(draw, draws: int, tests: int, *, seeds: int = 3, of: int = 32, shift: float = 0.0) -> int:
    rng = np.random.default_rng(3)
    pairs = ((draw(rng, of), draw(rng, seeds)) for _ in range(draws))
    return sum(state(found + shift, known, tests) == "alarm" for known, found in pairs)


def most(share: float, draws: int) -> float:
    """Alarms that a true share of at most ``share`` exceeds with probability 1e-4."""
    return float(stats.binom.ppf(1 - 1e-4, draws, share))


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("of", [8, 32])
def test_one_claim_alarms_no_more_often_than_its_level(seeds, of):
    assert alarms(lambda rng, n: rng.normal(0, 1, n), 1000, 1, seeds=seeds, of=of) <= most(FALSE_ALARMS, 1000)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng, n: rng.lognormal(0, 1, n),
        lambda rng, n: rng.beta(20, 1, n),
        lambda rng, n: rng.standard_t(3, n),
        lambda rng, n: np.where(rng.random(n) < 0.9, 9.0, rng.integers(1, 9, n)),
        lambda rng, n: (rng.random(n) < 0.98).astype(float),
    ],
    ids=["lognormal", "share", "heavy tails", "count", "truths"],
)
def test_values_that_are_not_normal_alarm_as_seldom(draw):
    assert alarms(draw, 2000, 1) <= most(FALSE_ALARMS, 2000)
    assert alarms(draw, 2000, CLAIMS) <= most(FALSE_ALARMS / CLAIMS, 2000)


@pytest.mark.parametrize(("shift", "least", "greatest"), [(1, 0, 0.05), (3, 0.3, 0.6), (5, 0.95, 1)])
def test_a_planted_shift_is_seen_as_often_as_its_size_says(shift, least, greatest):
    """Of a mean of three seeds, in standard deviations between seeds, with 32 seeds known, in a run of 100 claims."""
    seen = alarms(lambda rng, n: rng.normal(0, 1, n), 300, CLAIMS, shift=shift) / 300
    assert least <= seen <= greatest


DRIFTS = {
    "count to nothing": ([700, 710, 690, 685, 702, 706, 684, 708, 722, 691, 716, 699], [0, 0, 1]),
    "count of none": ([1805, 1794, 1806, 1793, 1756, 1811, 1780, 1755, 1790, 1801, 1777, 1760], [0, 0, 0]),
    "loss of guessing": ([0.0297, 0.0273, 0.0259, 0.0276, 0.0267, 0.0287, 0.0262, 0.0272, 0.028, 0.0265], [2.3, 2.3, 2.3]),
    "share of nothing": ([1.12, 1.08, 0.95, 0.9, 1.3, 1.06, 1.0, 1.08, 1.1, 0.97, 1.02, 1.2, 0.99, 1.05, 1.01], [-5, 2, 9]),
}


@pytest.mark.parametrize("name", DRIFTS)
@pytest.mark.parametrize("sign", [1, -1])
def test_drifts_that_verdicts_hid_are_alarms_to_either_side(name, sign):
    known, values = (sign * np.array(part, float) for part in DRIFTS[name])
    assert state(values, known, 10) == "alarm"
    assert state(known[:3], known, 10, first=0) == "belongs"


def test_a_run_of_the_ensembles_own_seeds_is_held_against_the_others():
    """Three seeds that went wrong together would hide in their own ensemble."""
    known = [5.0, 5.1, 4.9, *np.random.default_rng(0).normal(0, 0.1, 29)]
    assert state(known[:3], known, first=0) == "alarm"
    found = membership("seeds", run(known[:3], 0), Reference(ensemble(known)), CLAIMS)
    assert found.others == 29
    assert found.shift == pytest.approx((5 - np.mean(known[3:])) / np.std(known[3:], ddof=1))


def test_equal_values_alarm_beyond_rounding_only():
    known = [0.5] * 32
    assert state([0.5 * (1 + 1e-7)] * 3, known) == "belongs"
    assert state([0.5 * (1 + 1e-3)] * 3, known) == "alarm"


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        *(([9, 8, 9], "belongs"), ([8, 8, 8], "alarm"), ([0, 0, 1], "alarm")),
        *(([8], "belongs"), ([8, 8], "belongs"), ([0], "alarm")),
    ],
)
def test_one_seed_that_counts_otherwise_is_possible_and_three_are_not(values, expected):
    assert state(values, [9] * 32) == expected


def test_of_few_known_seeds_three_that_count_otherwise_are_possible():
    assert state([8, 8, 8], [9] * 8) == "belongs"
    assert state([0, 0, 0], [9] * 8) == "alarm"


@pytest.mark.parametrize("seeds", [1, 3])
def test_of_normal_values_the_level_is_exact(seeds):
    rng = np.random.default_rng(8)
    found = [membership("seeds", run(rng.normal(0, 1, seeds)), Reference(ensemble(rng.normal(0, 1, 8))), 1) for _ in range(5000)]
    assert stats.kstest([one.p for one in found], "uniform").pvalue > 1e-4


def test_a_rare_value_that_the_ensemble_has_is_no_alarm():
    """One of 32 seeds has one outlier where the others have nine: a run that has that twice is no proof of anything."""
    assert state([1, 1, 9], [9] * 30 + [6, 1]) == "belongs"


def test_proportions_may_differ_by_a_trial():
    reference = Reference(ensemble([1.0] * 32, (20,) * 32))
    assert membership("trials", run([1, 0.95, 1]), reference, CLAIMS).state == "belongs"
    assert membership("trials", run([0.5, 0.5, 0.6]), reference, CLAIMS).state == "alarm"


class TestPairs:
    @staticmethod
    def found(known, new, of) -> MembershipRecord:
        """Whether a run of new seeds belongs, of the statistic ``of`` of two seeds' values."""
        seeds = [(f"it[{n}]", value) for n, value in enumerate(known)]
        pairs = list(combinations(seeds, 2))
        reference = Ensemble(tuple(of(a[1], b[1]) for a, b in pairs), "planted", tuple((a[0], b[0]) for a, b in pairs))
        fresh = list(combinations([(f"it[{100 + n}]", value) for n, value in enumerate(new)], 2))
        measured = MeasurementRecord("it", "", "", [[a[0], b[0]] for a, b in fresh], [of(a[1], b[1]) for a, b in fresh])
        return membership("pairs", measured, Reference(reference), 1)

    @pytest.mark.parametrize("of", [lambda a, b: (a + b) / 2, lambda a, b: a * b], ids=["linear", "degenerate"])
    @pytest.mark.parametrize("seeds", [2, 3])
    def test_alarms_are_no_more_frequent_than_the_level(self, of, seeds):
        rng = np.random.default_rng(4)
        found = [self.found(rng.uniform(-1, 1, 12), rng.uniform(-1, 1, seeds), of) for _ in range(600)]
        assert sum(one.state == "alarm" for one in found) <= most(FALSE_ALARMS, 600)

    def test_of_a_linear_statistic_the_level_is_exact(self):
        """The p-values are uniform: pairs are worth what their seeds are worth, neither less nor more."""
        rng = np.random.default_rng(5)
        found = [self.found(rng.normal(0, 1, 12), rng.normal(0, 1, 3), lambda a, b: (a + b) / 2).p for _ in range(600)]
        assert stats.kstest(found, "uniform").pvalue > 1e-4

    def test_pairs_that_went_elsewhere_are_an_alarm(self):
        rng = np.random.default_rng(6)
        assert self.found(rng.normal(0, 1, 12), rng.normal(9, 1, 3), lambda a, b: (a + b) / 2).state == "alarm"


RARE = {(2, 32), (3, 32), (8, 32)}  # elsewhere even all values of a run are outside more often than that


@pytest.mark.parametrize(("seeds", "others", "least"), [(1, 32, 1), (2, 32, 2), (3, 32, 3), (3, 5, 3), (8, 32, 4)])
def test_so_many_values_lie_outside_of_all_others_in_one_of_a_hundred_runs(seeds, others, least):
    assert outside(seeds, others) == least
    rng = np.random.default_rng(7)
    order = rng.random((4000, seeds + others)).argsort(axis=1)
    run, rest = order[:, :seeds], order[:, seeds:]
    beyond = ((run > rest.max(axis=1)[:, None]) | (run < rest.min(axis=1)[:, None])).sum(axis=1)
    assert np.sum(beyond >= least) <= (most(FALSE_ALARMS, 4000) if (seeds, others) in RARE else 4000)
    assert least == 1 or np.sum(beyond >= least - 1) > 4000 * FALSE_ALARMS


def test_without_seeds_to_compare_with_there_is_no_test_and_a_reason():
    assert membership("seeds", run([1.0]), Reference(), 1).state == "absent"
    old = membership("seeds", run([1.0]), Reference(None, "it was measured on another version of it"), 1)
    assert (old.state, old.message) == ("unconfirmed", "it was measured on another version of it")
    same = membership("seeds", run(range(8), 0), Reference(ensemble(range(8))), 1)
    assert same.state == "few"
    assert "only 0 of its ensemble's seeds are not in this run, 3 are needed" in same.message


def test_the_error_of_a_run_is_shared_between_its_claims():
    level = membership("seeds", run([1.0]), Reference(ensemble(range(8))), 50).level
    assert level == pytest.approx(FALSE_ALARMS / 50)
