"""The second question: runs of the ensemble's own kind belong to it at the stated rate, and planted drifts do not."""

import math
from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from harness.suite.ensemble import Reference
from harness.suite.membership import (
    FALSE_ALARMS,
    Sample,
    chance,
    distances,
    holds,
    membership,
    others_of,
    outside,
    student,
    tolerance,
)
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


def test_a_share_that_was_seen_a_step_lower_may_be_so_again():
    """Twenty-fourths, of which the ensemble does not know that they are counted."""
    seen, lower = [*[1.0] * 7, 23 / 24], [*[1.0] * 7, 0.99999]
    assert state([23 / 24], seen) == state([23 / 24], [*seen, 1 - 1e-16]) == "belongs"
    assert state([12 / 24], seen) == "alarm"
    assert state([23 / 24], lower) == "alarm"


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
    assert (old.state, old.message) == ("outdated", "it was measured on another version of it")
    same = membership("seeds", run(range(8), 0), Reference(ensemble(range(8))), 1)
    assert same.state == "few"
    assert "only 0 of its ensemble's seeds are not in this run, 3 are needed" in same.message


def test_the_error_of_a_run_is_shared_between_its_claims():
    level = membership("seeds", run([1.0]), Reference(ensemble(range(8))), 50).level
    assert level == pytest.approx(FALSE_ALARMS / 50)


def belonging(values, of, *, tests=1, over="seeds", first=1000, trials=None) -> MembershipRecord:
    return membership(over, run(values, first), Reference(ensemble(of, trials)), tests)


class TestFormulas:
    """Each number of the test against the formula that it is documented with."""

    KNOWN = (1.5, 3.0, 2.0, 5.0, 4.0, 2.5, 3.5, 4.5)

    @pytest.mark.parametrize("values", [[4.0], [3.0, 4.5], [2.0, 2.5, 2.2], [9.0, 9.5, 8.0]])
    @pytest.mark.parametrize("tests", [0, 1, 7])
    def test_student(self, values, tests):
        found, n, m = belonging(values, self.KNOWN, tests=tests), len(values), len(self.KNOWN)
        shift = (np.mean(values) - np.mean(self.KNOWN)) / np.std(self.KNOWN, ddof=1)
        p = 2 * stats.t.sf(abs(shift) / math.sqrt(1 / n + 1 / m), m - 1)
        assert (found.shift, found.p) == (pytest.approx(shift), pytest.approx(p))
        assert (found.level, found.others) == (0.01 / max(tests, 1), m)
        assert found.state == ("alarm" if p <= found.level else "belongs")
        assert bool(found.message) == (found.state == "alarm")

    def test_a_mean_that_is_that_of_the_others_has_no_shift(self):
        assert student(3.0, 2, Sample(3.0, 8, 0.0, 1, 5)) == (0.0, 1.0)
        assert student(3.5, 2, Sample(3.0, 8, 0.0, 1, 5)) == (math.inf, 0.0)
        assert student(2.5, 2, Sample(3.0, 8, 0.0, 1, 5)) == (-math.inf, 0.0)
        shift, p = student(2.0, 3, Sample(3.0, 8, 0.5, 1, 5))
        assert (shift, p) == (-2.0, pytest.approx(2 * stats.t.sf(2 / math.sqrt(1 / 3 + 1 / 8), 7)))

    def test_an_alarm_says_where_the_mean_is_and_where_the_others_are(self):
        above, below = belonging([9.0, 9.5, 8.0], self.KNOWN, tests=7), belonging([-9.0, -9.5, -8.0], self.KNOWN)
        assert "the mean of 3 seed(s), 8.83333, is 4.56 standard deviations above that of 8 other seeds" in above.message
        assert "3.25 (from 1.5 to 5): p = " in above.message
        assert f"p = {above.p:.2g}, at most 0.0014 is an alarm" in above.message
        assert "-8.83333, is 9.87 standard deviations below that" in below.message

    def test_a_long_tail_is_tested_by_its_logarithms(self):
        known = np.random.default_rng(3).lognormal(0, 1, 32).tolist()
        logarithms, values = np.log(known), [500.0, 900.0, 700.0]
        found = belonging(values, known)
        shift = (np.mean(np.log(values)) - logarithms.mean()) / logarithms.std(ddof=1)
        assert found.shift == pytest.approx(shift)
        geometric = math.exp(np.mean(np.log(values)))
        assert f"the geometric mean of 3 seed(s), {geometric:.6g}, is" in found.message
        low, high = (f"{value:.6g}" for value in (min(known), max(known)))
        assert f"{math.exp(logarithms.mean()):.6g} (from {low} to {high})" in found.message
        below = belonging([0.5, 0.9, 0.7], known)
        assert below.shift == pytest.approx((np.mean(np.log([0.5, 0.9, 0.7])) - logarithms.mean()) / logarithms.std(ddof=1))
        for plain in ([-1.0, 2.0, 3.0], [0.0, 2.0, 3.0]):
            assert belonging(plain, known).shift == pytest.approx((np.mean(plain) - np.mean(known)) / np.std(known, ddof=1))
        share = belonging(values, known, over="share")
        assert share.shift == pytest.approx((700 - np.mean(known)) / np.std(known, ddof=1))

    @pytest.mark.parametrize("seeds", [1, 2, 3, 4])
    def test_a_counted_quantity_may_be_a_step_away(self, seeds):
        """One step for one or two seeds; for three or more about the spread if one more seed were a step away."""
        least = 1 / (1 if seeds < 3 else math.sqrt(33))
        assert others_of("seeds", ensemble([9] * 32), seeds) == Sample(9.0, 32, pytest.approx(least), 9.0, 9.0)
        shares = others_of("trials", ensemble([0.5] * 32, (20, 40) * 16), seeds)
        assert shares.spread == pytest.approx(least / 20)
        assert others_of("seeds", ensemble([*[9] * 31, 900]), seeds).spread == pytest.approx(891 / math.sqrt(32))
        measured = others_of("seeds", ensemble([9.5] * 32), seeds)
        assert measured.spread == pytest.approx(9.5e-6)
        assert others_of("seeds", ensemble([*[-9.5] * 16, *[-9.5 + 1e-9] * 16]), seeds).spread == pytest.approx(9.5e-6)

    def test_pairs_are_worth_the_seeds_behind_them(self):
        """The pairs that share a seed with the run are left out; the spread between seeds follows from that between pairs."""
        pairs = list(combinations(range(7), 2))
        known = Ensemble(
            tuple(float(a + 10 * b) + 0.5 for a, b in pairs), "planted", tuple((f"it[{a}]", f"it[{b}]") for a, b in pairs)
        )
        left = [value for (a, b), value in zip(pairs, known.values, strict=True) if 2 not in (a, b)]
        found = others_of("pairs", known, 2, {"it[2]", "it[50]"})
        spread = np.std(left, ddof=1) * math.sqrt(2 * 7 / 5)
        assert found == Sample(pytest.approx(np.mean(left)), 6, pytest.approx(spread), min(left), max(left))
        assert others_of("pairs", known, 2).seeds == 7
        assert others_of("pairs", known, 2, {f"it[{n}]" for n in range(4)}).seeds == 3
        assert others_of("pairs", known, 2, {f"it[{n}]" for n in range(5)}) is None

    def test_three_other_seeds_are_enough(self):
        for shared, state in ((5, "belongs"), (6, "few")):
            found = belonging([*self.KNOWN[:shared]], self.KNOWN, first=0)
            assert (found.state, found.others) == (state, 8 - shared)
            assert (found.p is None) == (state == "few")

    def test_values_at_the_ends_of_the_others_are_no_alarm(self):
        """All three values must lie outside; a value that an other seed has does not."""
        known = [0.0, *np.linspace(0.4, 0.6, 31)]
        assert belonging([-0.001, -0.001, -0.001], known).state == "alarm"
        assert belonging([0.0, -0.001, -0.001], known).state == "belongs"
        assert belonging([0.0, -0.001, -0.001], known).p < 0.01
        assert belonging([0.6 + 0.4] * 3, [1 - value for value in known]).state == "belongs"

    def test_one_far_seed_beside_two_that_are_hardly_outside_is_no_alarm(self):
        """The mean lies as far in both runs. A long tail gives the first one, a change of the code the second."""
        known = np.linspace(-1, 1, 32)
        tail, shift = (belonging(values, known, tests=100) for values in ([9.0, 1.001, 1.001], [3.666, 3.668, 3.668]))
        assert (tail.state, shift.state) == ("belongs", "alarm")
        assert tail.p == pytest.approx(shift.p)
        assert tail.p < tail.level

    @pytest.mark.parametrize(("outside", "state"), [(3, "alarm"), (2, "belongs")])
    def test_so_many_of_the_pairs_lie_outside_as_must_of_the_seeds(self, outside, state):
        """Of three seeds all three must, and so all three pairs."""
        pairs = list(combinations(range(32), 2))
        values = np.random.default_rng(0).normal(0, 0.001, len(pairs))
        values[0] = 1.0
        known = Ensemble(tuple(values.tolist()), "planted", tuple((f"it[{a}]", f"it[{b}]") for a, b in pairs))
        names = [[f"it[{100 + a}]", f"it[{100 + b}]"] for a, b in combinations(range(3), 2)]
        measured = MeasurementRecord("it", "", "", names, [2.0] * outside + [0.9] * (3 - outside))
        found = membership("pairs", measured, Reference(known), 1)
        assert (found.state, found.p < found.level, found.others) == (state, True, 32)

    @pytest.mark.parametrize(("seeds", "others"), [(1, 40), (2, 40), (3, 12), (6, 10)])
    def test_all_orders_counted_one_by_one_give_the_same_number(self, seeds, others):
        """Places of the run's values among all; those before the first and after the last of the others are outside."""
        beyond = []
        for places in combinations(range(seeds + others), seeds):
            rest = set(range(seeds + others)) - set(places)
            beyond.append(sum(not min(rest) < place < max(rest) for place in places))
        rare = [k for k in range(1, seeds) if sum(count >= k for count in beyond) <= 0.01 * len(beyond)]
        assert outside(seeds, others) == min(rare, default=seeds)

    def test_one_of_two_seeds_is_enough_where_very_many_others_are_known(self):
        """At least one of two lies outside of all m others in 4 / (m + 2) of runs, nearly."""
        assert [outside(2, others) for others in (300, 500)] == [2, 1]

    def test_a_small_shift_of_many_seeds_is_an_alarm_to_its_side(self):
        for side, value in (("above", 1.001), ("below", -1.001)):
            found = belonging([value] * 40, [-1.0 + 1e-6, 1.0 - 1e-6] * 16)
            assert (found.state, 0 < abs(found.shift) < 1, f"standard deviations {side} that" in found.message) == (
                "alarm",
                True,
                True,
            )


class TestChance:
    """Whether the seeds alone may make a verdict the opposite of the ensemble's."""

    def test_it_is_students_p_for_the_seen_spread(self):
        of = np.random.default_rng(4).normal(1, 0.1, 12)
        expected = stats.t.sf(abs(1.3 - of.mean()) / (of.std(ddof=1) * math.sqrt(1 / 2 + 1 / 12)), 11) * 2
        assert chance("seeds", run([1.2, 1.4]), ensemble(of)) == pytest.approx(expected)

    def test_a_long_tail_is_compared_by_its_logarithms(self):
        of = np.exp(np.random.default_rng(5).standard_t(3, 16))
        assert ensemble(of).skewed
        logs = np.log(of)
        expected = stats.t.sf(abs(4 - logs.mean()) / (logs.std(ddof=1) * math.sqrt(1 + 1 / 16)), 15) * 2
        assert chance("seeds", run([math.exp(4)]), ensemble(of)) == pytest.approx(expected)

    def test_pairs_are_worth_the_seeds_behind_them(self):
        pairs = list(combinations(range(6), 2))
        values = np.random.default_rng(6).normal(0, 1, len(pairs))
        of = Ensemble(tuple(values), "planted", tuple((f"it[{a}]", f"it[{b}]") for a, b in pairs))
        new = MeasurementRecord("it", "", "", [["it[7]", "it[8]"]], [4.0])
        spread = values.std(ddof=1) * math.sqrt(2 * 7 / 5)
        expected = stats.t.sf((4 - values.mean()) / (spread * math.sqrt(1 / 2 + 1 / 6)), 5) * 2
        assert chance("pairs", new, of) == pytest.approx(expected)

    def test_of_two_other_seeds_nothing_is_known(self):
        known = ensemble(np.arange(8.0))
        assert chance("seeds", run([*range(1, 6), 7], first=0), known) is None
        assert chance("seeds", run([*range(1, 6)], first=0), known) is not None

    @pytest.mark.parametrize("known", [[0.0] * 8, [5.0, *np.linspace(0, 1, 7)]])
    def test_values_that_the_ensemble_has_contradict_nothing(self, known):
        assert chance("seeds", run(known[:1], first=0), ensemble(known)) == 1.0
        assert chance("seeds", run([known[0] + 0.1], first=0), ensemble(known)) < 0.01

    def test_one_value_that_it_has_excuses_no_other(self):
        known = [*np.linspace(0, 1, 16)]
        new = MeasurementRecord("it", "", "", [["it[0]"], ["it[40]"]], [0.0, 50.0])
        assert chance("seeds", new, ensemble(known)) < 0.01
        none = MeasurementRecord("it", "", "", [["it[0]"], ["it[1]"]], [0.0, None])
        assert not holds("seeds", none, ensemble(known))

    @pytest.mark.parametrize(("trials", "same"), [(10, True), (1000, False)])
    def test_a_proportion_of_other_trials_is_another_value(self, trials, same):
        new = MeasurementRecord("it", "", "", [["it[0]"]], [0.9], [trials])
        assert holds("trials", new, ensemble([0.9, *[0.5] * 9], (10,) * 10)) is same

    def test_one_pair_that_it_has_excuses_no_other(self):
        pairs = list(combinations(range(8), 2))
        known = Ensemble(tuple(np.linspace(0, 1, 28)), "planted", tuple((f"it[{a}]", f"it[{b}]") for a, b in pairs))
        names = [["it[0]", "it[1]"], ["it[0]", "it[2]"], ["it[1]", "it[2]"]]
        same = [known.values[pairs.index(pair)] for pair in ((0, 1), (0, 2), (1, 2))]
        assert holds("pairs", MeasurementRecord("it", "", "", names, same), known)
        assert not holds("pairs", MeasurementRecord("it", "", "", names, [*same[:2], 9.0]), known)

    def test_a_small_value_of_a_long_tail_moves_by_its_own_size(self):
        """A tenth of the smallest of 16 values is far less than a hundredth of their spread, which the largest ones decide."""
        known = np.exp(np.random.default_rng(5).standard_t(3, 16))
        least = int(np.argmin(known))
        assert ensemble(known).skewed
        assert 0.1 * known[least] < 0.01 * known.std(ddof=1)
        assert holds("seeds", run([known[least]], first=least), ensemble(known))
        assert not holds("seeds", run([1.1 * known[least]], first=least), ensemble(known))

    def test_an_ensemble_whose_runs_are_not_known_has_none(self):
        assert distances([["it[0]"], ["it[1]"]], [1.0, 2.0], (), (1.0, 2.0)) == []

    def test_only_seeds_that_both_have_can_move(self):
        runs = [["it[0]"], ["it[1]"], ["it[9]"]]
        assert distances(runs, [1.5, None, 3.0], [["it[0]"], ["it[1]"], ["it[2]"]], [1.0, 2.0, 3.0]) == [0.5]

    def test_a_hundredth_of_the_spread_is_the_same(self):
        assert tolerance([1.0, 2.0, 3.0]) == pytest.approx(0.01)
        assert tolerance([2.0, 2.0]) == pytest.approx(2e-6)
