"""What a claim measured in two reports: shifts, intervals, controls, margins, and which test of exchangeability is asked."""

import dataclasses
import math

import numpy as np
import pytest
from scipy import stats

from harness.compare.differences import State
from harness.compare.exchange import paired, unpaired
from harness.compare.measurements import OF_THE_BOUND, Shift, beside, exchangeable, margin, shift_between, values_of
from harness.suite.records import ControlRecord, MeasurementRecord, RuleRecord
from harness.suite.rejudge import interval_again
from tests.compare.planted import judged

BASE = judged([1.0, 1.0, 1.0])
SAME, WITHIN, FAR = (Shift(state, 0.0, 0.0, 0.0, 3) for state in (State.SAME, State.ROUNDING, State.MOVED))
HALF_OF_FLOAT32, HALF_OF_FLOAT64 = 2.0**-11.5, 2.0**-26  # square roots of the distance from 1 to the next number


def claim(values, accept=(0.9, 1.1), over="seeds", controls=(), **measured):
    """A claim with these values of seeds 0, 1, 2 and so on, or of ``runs``; nothing is judged."""
    runs = measured.pop("runs", [[f"digits[{n}]"] for n in range(len(values))])
    made = MeasurementRecord("size", measured.pop("unit", ""), "", runs, list(values), **measured)
    rule = RuleRecord(list(accept), "a reason")
    return dataclasses.replace(BASE, over=over, rule=rule, controls=list(controls), measurements=[made])


def seeds(*numbers):
    return [[f"digits[{n}]"] for n in numbers]


class TestShifts:
    def test_the_largest_change_of_a_common_run_counts(self):
        """The run of seed 0 is in one report only, and its change would be the largest."""
        before = claim([9.0, 2.0, 3.0, 0.0], runs=seeds(0, 1, 2, 4))
        after = claim([3.1, 2.5, 0.0, 77.0], runs=seeds(2, 1, 4, 5))
        expected = Shift(State.MOVED, 0.5, 0.5 / 2.5, 0.5 * 2.0**22, 3)
        assert shift_between(before, after, "float32") == expected
        assert shift_between(after, before, "float32") == expected
        assert shift_between(before, after, "float64").ulps == 0.5 * 2.0**51

    def test_without_a_common_run_the_means_are_compared(self):
        found = shift_between(claim([1.0, 2.0, 6.0]), claim([2.0, 3.0], runs=seeds(7, 8)), "float32")
        assert found == Shift(State.MOVED, 0.5, 0.5 / 3.0, 0.5 * 2.0**22, 0)

    @pytest.mark.parametrize(
        ("before", "after", "accept", "scale"),
        [
            (1.0, 1.5, (0.9, 1.1), 1.5),
            (1.5, 1.0, (0.9, 1.1), 1.5),
            (-4.0, -3.0, (0.9, 1.1), 4.0),
            (1.0, 1.5, (0.9, 8.0), 8.0),
            (1.0, 1.5, (-8.0, None), 8.0),
            (1.0, 1.5, (None, None), 1.5),
        ],
    )
    def test_the_scale_is_the_larger_of_value_and_edge(self, before, after, accept, scale):
        found = shift_between(claim([before], accept), claim([after]), "float32")
        assert found.relative == abs(after - before) / scale

    def test_of_zeros_nothing_moved(self):
        assert shift_between(claim([0.0], (0.0, None)), claim([0.0]), "float32") == Shift(State.SAME, 0.0, 0.0, 0.0, 1)

    @pytest.mark.parametrize(("precision", "half"), [("float32", HALF_OF_FLOAT32), ("float64", HALF_OF_FLOAT64)])
    @pytest.mark.parametrize(
        ("share", "state"), [(0.0, State.SAME), (0.01, State.ROUNDING), (1.0, State.ROUNDING), (1.01, State.MOVED)]
    )
    def test_half_of_the_digits_of_the_scale_are_rounding(self, precision, half, share, state):
        assert shift_between(claim([0.0], (None, 4.0)), claim([4.0 * half * share]), precision).state is state

    @pytest.mark.parametrize("after", [OF_THE_BOUND, ""])
    @pytest.mark.parametrize("before", [OF_THE_BOUND, ""])
    def test_a_tenth_of_the_bound_is_rounding_if_both_are_in_its_units(self, before, after):
        state = State.ROUNDING if before == after == OF_THE_BOUND else State.MOVED
        assert shift_between(claim([0.0], unit=before), claim([0.1], unit=after), "float32").state is state
        assert shift_between(claim([0.0], unit=before), claim([0.101], unit=after), "float32").state is State.MOVED

    def test_values_without_runs_are_compared_too(self):
        assert shift_between(claim([0.5], runs=[]), claim([0.75], runs=[]), "float32").largest == 0.25

    def test_a_value_that_is_not_finite_is_no_number(self):
        assert math.isnan(values_of(claim([None]))["digits[0]",])


class TestIntervals:
    """An interval that the values do not explain."""

    def _lines(self, before, after, shift=WITHIN, precision="float32"):
        return beside(before, after, shift, precision)

    def _judged(self, values, interval=None, **changes):
        """A claim with the interval that its values give, or another."""
        record = claim(values, **changes)
        ends = interval_again(record)
        measured = record.measurements[0]
        shown = interval or ([ends.low, ends.high] if ends.bounded else None)
        return dataclasses.replace(record, measurements=[dataclasses.replace(measured, interval=shown, method="t")])

    def test_an_interval_of_the_same_values_is_the_same_within_half_of_the_digits(self):
        before = self._judged([0.99, 1.0, 1.01])
        low, high = before.measurements[0].interval
        for by, seen in ((0.9, False), (1.1, True)):
            slack = by * HALF_OF_FLOAT32 * 1.1
            for ends in ([low - slack, high], [low, high + slack], [low + slack, high], [low, high - slack]):
                after = self._judged([0.99, 1.0, 1.01], ends)
                assert bool(self._lines(before, after)) is seen
                assert bool(self._lines(before, after, precision="float64"))

    def test_values_far_from_their_mean_have_the_rounding_of_their_size(self):
        values = [-1000.0, 1000.0] * 50
        before = self._judged(values)
        low, high = before.measurements[0].interval
        assert high < 200
        for share, seen in ((0.9, False), (1.1, True)):
            assert bool(self._lines(before, self._judged(values, [low, high + share * HALF_OF_FLOAT32 * 1000]))) is seen

    def test_the_numbers_of_both_are_said(self):
        before = self._judged([1.0, 2.0, 3.0])
        (line,) = self._lines(before, self._judged([1.0, 2.0, 3.0], [0.25, 3.75]))
        assert line == "interval [0.25, 3.75] of the same values, not [-0.484138, 4.48414]"

    @pytest.mark.parametrize("shift", [SAME, WITHIN])
    def test_values_within_rounding_do_not_excuse_it(self, shift):
        assert self._lines(self._judged([0.99, 1.0, 1.01]), self._judged([0.99, 1.0, 1.01], [0.5, 1.5]), shift)

    def test_values_that_moved_and_other_runs_excuse_it(self):
        before, after = self._judged([0.99, 1.0, 1.01]), self._judged([0.99, 1.0, 1.01], [0.5, 1.5])
        assert self._lines(before, after, FAR) == ()
        assert self._lines(before, self._judged([0.99, 1.0, 1.01], [0.5, 1.5], runs=seeds(0, 1, 3))) == ()

    def test_an_interval_may_move_as_far_as_the_values_move_it(self):
        """Three values of which one moves a lot: each end moves another way, and each is held against its own."""
        values, moved = [0.99, 1.0, 1.01], [0.99, 1.0, 1.05]
        before, after = self._judged(values), self._judged(moved)
        assert self._lines(before, after) == ()
        (line,) = self._lines(before, self._judged(moved, before.measurements[0].interval))
        low, high = after.measurements[0].interval
        assert line.endswith(f"not [{low:.6g}, {high:.6g}]")

    def test_what_an_older_rule_left_in_the_baseline_moves_along(self):
        """The baseline's interval is not that of the present rule: its move is."""
        values, moved = [0.99, 1.0, 1.01], [0.99, 1.0, 1.05]
        old = self._judged(values, [0.5, 1.5])
        was, now = (self._judged(three).measurements[0].interval for three in (values, moved))
        along = [0.5 + now[0] - was[0], 1.5 + now[1] - was[1]]
        assert self._lines(old, self._judged(moved, along)) == ()
        assert self._lines(old, self._judged(moved, [0.5, 1.5]))

    def test_an_interval_without_a_rule_stays(self):
        """Two seeds have none by the present rule."""
        before, same, other = (claim([1.0, 1.0], interval=ends, method="t") for ends in ([0.9, 1.2], [0.9, 1.2], [0.9, 1.3]))
        assert self._lines(before, same) == ()
        assert self._lines(before, other) == ("interval [0.9, 1.3] of the same values, not [0.9, 1.2]",)

    def test_equal_values_that_rounding_told_apart_have_an_interval_now(self):
        equal, apart = [1.0, 1.0, 1.0], [1.0, 1.0, 1.00001]
        none, some = self._judged(equal), self._judged(apart)
        assert none.measurements[0].interval is None
        assert self._lines(none, some) == self._lines(some, none) == ()
        assert self._lines(none, none) == ()
        low, high = some.measurements[0].interval
        (line,) = self._lines(none, self._judged(apart, [0.8, 1.2]))
        assert line == f"interval [0.8, 1.2] of the same values, not [{low:.6g}, {high:.6g}]"

    def test_an_interval_that_is_there_against_the_rule_is_no_excuse_for_its_loss(self):
        """By the rule equal values have none. The baseline has one; another report must have it too."""
        kept, apart = self._judged([1.0] * 3, [0.9, 1.1]), [1.0, 1.0, 1.00001]
        assert self._lines(kept, kept) == ()
        assert self._lines(kept, self._judged([1.0] * 3)) == ("interval [-inf, inf] of the same values, not [0.9, 1.1]",)
        assert self._lines(kept, self._judged(apart, [0.9, 1.1])) == ()
        assert self._lines(kept, self._judged(apart)) != ()

    def test_another_rule_for_the_interval_is_named(self):
        before, after = (claim([1.0], interval=[0.9, 1.2], method=method, over="interval") for method in ("a", "b"))
        assert self._lines(before, after) == ("interval by b, not a",)

    @pytest.mark.parametrize(
        ("ends", "seen"),
        [([0.5, 1.125], False), ([0.5, 1.126], True), ([0.7, 0.8], False), (None, True)],
    )
    def test_an_estimate_may_be_a_quarter_wider(self, ends, seen):
        """Values that moved excuse other ends, but no wider interval."""
        before = claim([1.0], over="interval", interval=[0.5, 1.0])
        assert bool(self._lines(before, claim([1.0], over="interval", interval=ends), FAR)) is seen

    def test_only_estimates_bring_their_width(self):
        before, wide, none = (claim([1.0, 1.1, 1.2], interval=ends) for ends in ([0.9, 1.1], [0.1, 9.9], None))
        assert self._lines(before, wide, FAR) == self._lines(before, none, FAR) == ()
        without = claim([1.0], over="interval", interval=None)
        assert self._lines(without, claim([1.0], over="interval", interval=[0.5, 1.5]), FAR) == ()

    def test_ends_of_an_estimate_are_values_and_stay(self):
        before, after = (claim([1.0], over="interval", interval=ends) for ends in ([0.5, 1.5], [0.75, 1.75]))
        assert self._lines(before, after) == ("interval [0.75, 1.75] of the same values, not [0.5, 1.5]",)

    def test_a_claim_that_is_judged_over_something_else_has_nothing_to_compare(self):
        before, after = claim([1.0], over="once", interval=[1, 1]), claim([1.0], over="interval", interval=[0, 9])
        assert self._lines(before, after) == ()

    def test_all_findings_are_kept(self):
        control = ControlRecord("doubled", "REFUTED", "REFUTED", 2.0)
        before = claim([1.0], over="interval", interval=[0.5, 1.5], method="a", controls=[control])
        after = claim([1.0], over="interval", interval=[0.25, 2.0], method="b")
        wide, method, ends, lost = self._lines(before, after)
        assert "1.75 wide, where no more work gave one of 1 before" in wide
        assert (method, ends) == ("interval by b, not a", "interval [0.25, 2] of the same values, not [0.5, 1.5]")
        assert lost == "control 'doubled' only in the baseline"


class TestControls:
    def _lines(self, before, after, unit="", accept=(0.9, 1.1), precision="float32", runs=None):
        a, b = (claim([1.0], accept, unit=unit, controls=controls) for controls in (before, after))
        if runs:
            b = claim([1.0], accept, unit=unit, controls=after, runs=runs)
        return beside(a, b, FAR, precision)

    def _at(self, value, name="doubled", verdict="REFUTED", expect="REFUTED"):
        return ControlRecord(name, expect, verdict, value)

    def test_every_control_of_either_report_is_looked_at(self):
        before = [self._at(2.0, name) for name in ("gone", "steady", "moved")]
        after = [self._at(value, name) for name, value in (("new", 2.0), ("moved", 3.0), ("steady", 2.0))]
        assert self._lines(before, after) == (
            "control 'gone' only in the baseline",
            "control 'moved' at 3, not 2",
            "control 'new' only in the new report",
        )

    @pytest.mark.parametrize(
        ("before", "after", "lines"),
        [
            (("SUPPORTED", 1.0), ("REFUTED", 2.0), ["control 'doubled' REFUTED, not SUPPORTED"]),
            ((None, None), ("REFUTED", 2.0), ["control 'doubled' REFUTED, not crashed"]),
            ((None, None), (None, None), []),
            (("REFUTED", None), ("REFUTED", 2.0), []),
            (("REFUTED", 2.0), ("REFUTED", None), []),
        ],
    )
    def test_a_verdict_that_changed_says_all_about_its_value(self, before, after, lines):
        first, second = (self._at(value, verdict=verdict) for verdict, value in (before, after))
        assert self._lines([first], [second]) == tuple(lines)

    @pytest.mark.parametrize("first", [("REFUTED", "SUPPORTED", 2.0), ("REFUTED", "REFUTED", None)])
    def test_a_control_whose_values_say_nothing_hides_none_after_it(self, first):
        was, now, value = first
        before = [self._at(2.0, "first", was), self._at(2.0, "second")]
        after = [self._at(value, "first", now), self._at(3.0, "second")]
        assert self._lines(before, after)[-1] == "control 'second' at 3, not 2"

    def test_another_expectation_excuses_no_value(self):
        found = self._lines([self._at(2.0)], [self._at(3.0, expect="SUPPORTED")])
        assert found == ("control 'doubled' must be SUPPORTED, not REFUTED", "control 'doubled' at 3, not 2")

    @pytest.mark.parametrize(("precision", "half"), [("float32", HALF_OF_FLOAT32), ("float64", HALF_OF_FLOAT64)])
    @pytest.mark.parametrize(
        ("value", "accept", "scale"), [(2.0, (0.9, 1.1), 2.0), (0.5, (None, 1.0), 1.0), (-2.0, (0.0, None), 2.0)]
    )
    def test_half_of_the_digits_of_the_scale_are_rounding(self, precision, half, value, accept, scale):
        for share, seen in ((0.99, False), (1.01, True)):
            other = value - share * half * scale if value > 0 else value + share * half * scale
            assert bool(self._lines([self._at(value)], [self._at(other)], accept=accept, precision=precision)) is seen
            assert bool(self._lines([self._at(other)], [self._at(value)], accept=accept, precision=precision)) is seen

    def test_exactly_half_of_the_digits_are_rounding(self):
        two = [self._at(0.0)], [self._at(HALF_OF_FLOAT64)]
        assert self._lines(*two, accept=(None, 1.0), precision="float64") == ()

    def test_controls_of_other_runs_have_other_values(self):
        assert self._lines([self._at(2.0)], [self._at(3.0)], runs=seeds(1)) == ()

    @pytest.mark.parametrize(
        ("before", "after", "seen"),
        [(8.0, 4.0, False), (8.0, 3.9, True), (4.0, 8.0, False), (4.0, 8.1, True), (0.0, 0.1, False), (0.05, 0.151, True)],
    )
    def test_a_factor_of_two_or_a_tenth_of_a_unit_of_rounding_is_no_move(self, before, after, seen):
        found = self._lines([self._at(before)], [self._at(after)], OF_THE_BOUND, (None, 0.01))
        assert bool(found) is seen


@pytest.mark.parametrize(
    ("verdict", "interval", "accept", "expected"),
    [
        ("SUPPORTED", [2.0, 3.0], (1.0, 5.0), 1 / 5),
        ("SUPPORTED", [3.0, 4.5], (1.0, 5.0), 0.5 / 5),
        ("SUPPORTED", [3.0, 4.5], (None, 5.0), 0.5 / 5),
        ("SUPPORTED", [3.0, 4.5], (1.0, None), 2 / 1),
        ("SUPPORTED", [3.0, 4.5], (-8.0, 5.0), 0.5 / 8),
        ("SUPPORTED", [3.0, 4.5], (0.0, None), 3.0),
        ("SUPPORTED", [3.0, 4.5], (None, None), None),
        ("REFUTED", [6.0, 9.0], (1.0, 5.0), 1 / 5),
        ("REFUTED", [-1.0, 0.5], (1.0, 5.0), 0.5 / 5),
        ("REFUTED", [-1.0, 0.5], (1.0, None), 0.5),
        ("REFUTED", [6.0, 9.0], (None, 5.0), 1 / 5),
        ("INCONCLUSIVE", [2.0, 9.0], (1.0, 5.0), 0.0),
        ("INCONCLUSIVE", [2.0, 9.0], (None, 5.0), 0.0),
        ("SUPPORTED", None, (1.0, 5.0), None),
        ("NOT_RUN", [2.0, 3.0], (1.0, 5.0), None),
    ],
)
def test_margin_is_the_distance_to_the_nearest_turn(verdict, interval, accept, expected):
    record = dataclasses.replace(claim([1.0], accept, interval=interval), verdict=verdict)
    assert margin(record) == (None if expected is None else pytest.approx(expected))


MANY = np.random.default_rng(4).normal(1, 0.01, 20).tolist()


class TestExchangeability:
    def test_runs_of_one_start_are_pairs(self):
        before, after = [1.0, 1.02, 1.05], [1.11, 1.12, 1.17]
        found = exchangeable(claim(before, runs=seeds(0, 1, 2)), claim(after[::-1], runs=seeds(2, 1, 0)), FAR, True)
        assert found.p == pytest.approx(paired([0.11, 0.10, 0.12]).p)
        assert found.p < 0.05
        assert (found.n, found.method) == (3, "paired t, 3 seeds")

    def test_three_pairs_are_pairs_also_where_the_baseline_has_more_seeds(self):
        after = [value + by for value, by in zip(MANY, (0.0111, 0.012, 0.0135), strict=False)]
        found = exchangeable(claim(MANY), claim(after), FAR, True)
        assert (found.method, found.p) == ("paired t, 3 seeds", pytest.approx(paired([0.0111, 0.012, 0.0135]).p))

    def test_runs_of_other_starts_are_draws(self):
        found = exchangeable(claim(MANY), claim([9.0, 8.0, 7.0]), FAR, False)
        assert found == unpaired(MANY, [9.0, 8.0, 7.0])
        assert found.p < 1e-3

    @pytest.mark.parametrize("state", [SAME, WITHIN])
    def test_what_is_the_same_within_rounding_is_exchangeable(self, state):
        found = exchangeable(claim([1.0, 2.0, 3.0]), claim([1.0, 2.0], runs=seeds(0, 2)), state, True)
        assert (found.p, found.n, found.error) == (1.0, 2, 0.0)

    def test_equal_means_of_other_seeds_are_tested_all_the_same(self):
        others = claim(MANY[:3], runs=seeds(30, 31, 32))
        assert exchangeable(claim(MANY), others, WITHIN, True) == unpaired(MANY, MANY[:3])
        assert exchangeable(claim(MANY), claim(MANY[:3]), WITHIN, False) == unpaired(MANY, MANY[:3])

    def test_too_few_pairs_are_draws_if_draws_can_tell(self):
        found = exchangeable(claim(MANY), claim([9.0, 8.0]), FAR, True)
        assert found == unpaired(MANY, [9.0, 8.0])
        assert found.p == pytest.approx(1 / math.comb(22, 2))

    def test_too_few_of_both_say_what_is_missing(self):
        few = claim([1.0, 2.0]), claim([3.0, 4.0])
        assert exchangeable(*few, FAR, True).method == "2 pair(s) of one theta_0: needs 3"
        assert exchangeable(*few, FAR, False).method == "other seeds: the baseline needs 3 and has 2"

    @pytest.mark.parametrize("over", ["once", "trials", "pairs"])
    def test_other_quantities_are_not_tested_against_each_other(self, over):
        assert exchangeable(claim(MANY, over=over), claim(MANY), FAR, True).p is None

    def test_there_is_no_chance_in_what_is_measured_once(self):
        """A test of it would count among the tests that the correction is for."""
        for shift in (SAME, FAR):
            assert exchangeable(claim([1.0], over="once"), claim([2.0], over="once"), shift, True).p is None

    def test_trials_are_pooled(self):
        before = claim([0.9, 0.95], over="trials", trials=[10, 20])
        after = claim([0.25, 0.0, 1.0], over="trials", trials=[8, 5, 4])
        found = exchangeable(before, after, FAR, True)
        assert found.p == pytest.approx(stats.fisher_exact([[28, 2], [6, 11]]).pvalue)
        assert found.n == 17

    def test_pairs_of_seeds_are_resolved_into_seeds(self):
        """The mean over pairs is a mean of pseudo-values: n times the mean, less n - 1 times that without the seed."""
        rng = np.random.default_rng(0)
        names = [f"digits[{n}]" for n in range(4)]
        pairs = [(i, j) for i in range(4) for j in range(i)]
        runs = [[names[i], names[j]] for i, j in pairs]
        before, after = rng.normal(size=6), rng.normal(4, size=6)

        def pseudo(values):
            without = [np.mean([value for pair, value in zip(pairs, values, strict=True) if n not in pair]) for n in range(4)]
            return 4 * np.mean(values) - 3 * np.array(without)

        found = exchangeable(claim(before, over="pairs", runs=runs), claim(after, over="pairs", runs=runs), FAR, True)
        assert found.p == pytest.approx(stats.ttest_1samp(pseudo(after) - pseudo(before), 0).pvalue * found.inflation)
        assert (found.n, found.dof) == (4, 3)

    @pytest.mark.parametrize(("count", "tested"), [(2, False), (3, True)])
    def test_pairs_of_three_seeds_have_a_spread(self, count, tested):
        runs = [[f"digits[{i}]", f"digits[{j}]"] for i in range(count) for j in range(i)]
        before, after = (claim(MANY[k : k + len(runs)], over="pairs", runs=runs) for k in (0, 9))
        assert (exchangeable(before, after, FAR, True).p is not None) is tested
