"""Which stage is blamed: the order of stages, the allowance that grew, and what was not compared, each from planted records."""

import dataclasses

import pytest

from harness.compare.differences import Difference, State
from harness.compare.localise import GREW, RunChange, change, localise, wider
from harness.suite.records import ExperimentRecord
from tests.compare.planted import report

EXACT = {"exact": True}


def record(name, digest="a", **fields):
    return {"name": name, "digest": digest, **fields}


def run(*records, name="digits", seed=0):
    return ExperimentRecord(name, seed, "f", {}, list(records))


def number(name, value, rounding=1e-7, **fields):
    return record(name, str(value), values=[value], rounding=[rounding], **fields)


def moved(name, **fields):
    """Records of a stage that differs by far more than its rounding error, in the two runs."""
    return number(name, 1.0, **fields), number(name, 2.0, **fields)


def rounded(name, **fields):
    return number(name, 1.0, **fields), number(name, 1.0 + 2e-7, **fields)


def compared(*pairs, precision="float32"):
    return change(run(*(a for a, _ in pairs)), run(*(b for _, b in pairs)), precision)


class TestOrder:
    """Of all stages that moved the first one in the flow of the data is blamed, in whatever order they were recorded."""

    FLOW = (
        moved("experiment"),
        moved("data"),
        moved("initial parameters", step=0),
        moved("batch order"),
        moved("loss", steps=[3]),
        moved("parameters", step=4),
        moved("loss", steps=[4]),
        moved("later loss", steps=[4]),
        moved("loss", steps=[11]),
        moved("parameters", step=12),
        moved("blocks"),
        moved("an unknown one"),
    )
    NAMES = (
        "experiment",
        "data",
        "initial parameters",
        "batch order",
        "loss at step 3",
        "parameters after step 4",
        "loss at step 4",
        "later loss at step 4",
        "loss at step 11",
        "parameters after step 12",
        "blocks",
    )

    @pytest.mark.parametrize("first", range(len(FLOW) - 1))
    @pytest.mark.parametrize("backwards", [False, True])
    def test_every_stage_comes_before_the_next(self, first, backwards):
        two = self.FLOW[first], self.FLOW[first + 1]
        if two[0][0]["name"] == two[1][0]["name"] == "loss" or two[0][0]["name"] == "blocks":
            backwards = False  # one record of a name, and unknown stages in the order of their records
        found = compared(*(two[::-1] if backwards else two))
        assert found.moved.stage == found.bits.stage == self.NAMES[first]

    def test_a_step_before_the_moved_one_may_be_of_other_bits(self):
        found = compared(moved("loss", steps=[5]), rounded("parameters", step=3), rounded("batch order"))
        assert (found.moved.stage, found.bits.stage) == ("loss at step 5", "batch order")
        assert found.first is found.moved

    def test_without_a_moved_stage_the_first_of_other_bits_is_the_one_to_look_at(self):
        found = compared(rounded("blocks"), rounded("loss", steps=[5]))
        assert (found.moved, found.first.stage) == (None, "loss at step 5")

    def test_stages_that_moved_leave_the_largest_ratio_to_those_within_rounding(self):
        found = compared(moved("loss", steps=[1]), rounded("data", rounding=1e-6), rounded("blocks", rounding=1e-7))
        assert found.ratio == pytest.approx(2e-7 / (4 * 2e-7))
        assert compared(moved("blocks")).ratio == 0.0

    def test_a_series_outside_the_trajectory_may_be_off_before_it_moved(self):
        values = [1.0, 1.0, 1.0], [1.0, 1.0 + 2e-7, 2.0]
        pair = [record("norms", str(one), values=one, rounding=[1e-7], steps=[0, 5, 9]) for one in values]
        found = compared(pair, moved("blocks"))
        assert (found.bits.stage, found.moved.stage) == ("norms at step 5", "norms at step 9")

    def test_the_run_is_named(self):
        a, b = moved("blocks")
        found = change(run(a, name="cifar", seed=3), run(b, name="cifar", seed=3), "float32")
        assert (found.name, found.seed, found.label) == ("cifar", 3, "cifar[3]")

    def test_units_are_those_of_the_precision_that_is_asked_for(self):
        assert [compared(moved("blocks"), precision=name).moved.ulps for name in ("float32", "float64")] == [2.0**22, 2.0**51]


@pytest.mark.parametrize(
    ("stage", "redefined", "same_start"),
    [
        ("experiment", True, False),
        ("data", False, False),
        ("initial parameters", False, False),
        ("batch order", False, False),
        ("loss at step 0", False, True),
        (None, False, True),
    ],
)
def test_runs_are_pairs_unless_something_moved_before_the_first_step(stage, redefined, same_start):
    difference = None if stage is None else Difference(stage, State.MOVED)
    found = RunChange("digits", 0, difference, difference, 0.0, ())
    assert (found.redefined, found.same_start) == (redefined, same_start)


class TestRecordsOfOneStage:
    def test_steps_of_one_name_are_stages_of_their_own(self):
        """The first is equal: a comparison of the last record alone, or of the first, would blame another step."""
        same = number("parameters", 1.0, step=1)
        found = compared((same, same), moved("parameters", step=2), moved("parameters", step=3))
        assert found.moved.stage == "parameters after step 2"

    @pytest.mark.parametrize(
        ("before", "after", "differs"),
        [("ab", "ba", False), ("a", "ab", False), ("ab", "a", False), ("a", "b", True), ("ab", "ac", True), ("abc", "cd", True)],
    )
    def test_digests_alone_are_one_set_and_a_part_of_it_is_the_same(self, before, after, differs):
        data = number("data", 1.0)
        runs = [run(data, *(record("blocks", digest) for digest in digests)) for digests in (before, after)]
        assert (change(*runs, "float32").bits is not None) is differs

    @pytest.mark.parametrize("fields", [EXACT, {"values": [1.0]}])
    def test_a_part_of_a_set_is_another_thing_where_there_is_more_than_digests(self, fields):
        before = run(record("blocks", "a", **fields))
        after = run(record("blocks", "a", **fields), record("blocks", "b", **fields))
        assert change(before, after, "float32").bits.stage == "blocks"


class TestUncompared:
    DATA = record("data", **EXACT)
    FAILED = record("blocks", "", failure="out of memory")

    @pytest.mark.parametrize(
        ("before", "after", "lines"),
        [
            ([DATA], [DATA], []),
            ([DATA], [], ["no stage records to localise by", "only in the baseline: data"]),
            ([], [DATA], ["no stage records to localise by", "only in the new report: data"]),
            ([record("data")], [DATA], ["no stage records to localise by"]),
            ([DATA, FAILED], [DATA], ["no stage records in the baseline: out of memory", "only in the baseline: blocks"]),
            ([DATA], [DATA, FAILED], ["no stage records in the new report: out of memory", "only in the new report: blocks"]),
            (
                [DATA, number("parameters", 1.0, step=3), number("loss", 1.0), record("blocks")],
                [DATA, number("parameters", 1.0, step=4)],
                ["only in the baseline: parameters after step 3, loss", "only in the new report: parameters after step 4"],
            ),
        ],
    )
    def test_what_only_one_report_has_is_named(self, before, after, lines):
        assert list(change(run(*before), run(*after), "float32").uncompared) == lines

    @pytest.mark.parametrize("broken", [0, 1])
    def test_a_stage_that_could_not_be_recorded_hides_no_later_stage(self, broken):
        pairs = [[number("data", 1.0), number("data", 2.0)], list(moved("blocks"))]
        pairs[0][broken] = record("data", "", failure="broke")
        found = compared(*pairs)
        assert found.moved.stage == found.bits.stage == "blocks"

    def test_a_stage_of_one_report_hides_no_later_stage(self):
        a, b = moved("blocks")
        assert change(run(number("data", 1.0), a), run(b), "float32").moved.stage == "blocks"


class TestWider:
    """The run's own rounding error decides what is allowed, and so must not grow."""

    def _grew(self, before, after, **fields):
        return wider(run(record("theta", rounding=before, **fields)), run(record("theta", rounding=after, **fields)))

    @pytest.mark.parametrize(
        ("before", "after", "grew"),
        [
            ([1.0], [GREW], False),
            ([1.0], [1.01 * GREW], True),
            ([1.01 * GREW], [1.0], False),
            ([0.0], [1.0], False),  # exact before: nothing to grow from
            ([1e-30], [1e-28], True),
            (None, [99.0], False),
            ([0.01], None, False),
            ([3.0, 4.0], [50.0, 0.0], True),  # root mean squares of 3.54 and 35.4
            ([3.0, 4.0], [30.0, 20.0], False),
        ],
    )
    def test_eight_times_the_root_mean_square_is_too_much(self, before, after, grew):
        assert bool(self._grew(before, after)) is grew

    @pytest.mark.parametrize(("after", "grew"), [([1.0, 1e6, 1.0], False), ([1.0, 9.0, 9.0], True)])
    def test_of_groups_the_median_counts(self, after, grew):
        """A kink widens one group of parameters a lot and says nothing of the others."""
        assert bool(self._grew([1.0, 1.0, 1.0], after, groups=3)) is grew

    @pytest.mark.parametrize(("step", "named"), [({"step": 4}, "theta after step 4"), ({"step": 0}, "theta"), ({}, "theta")])
    def test_stage_and_sizes_are_said(self, step, named):
        said = self._grew([0.5], [50.0], **step)
        assert said.startswith(f"{named}: ")
        assert "100 times, from 0.5 to 50" in said

    def test_sizes_are_root_mean_squares(self):
        assert self._grew([3.0, 4.0], [3.0, 4.0, 0.0, 99.0]).endswith("grew 14 times, from 3.5 to 50")

    def test_the_first_that_grew_is_named_and_another_that_is_missing_is_not(self):
        before = run(*(record(name, rounding=[1.0]) for name in ("gone", "steady", "first", "second")))
        after = run(*(record(name, rounding=[size]) for name, size in (("second", 99.0), ("first", 98.0), ("steady", 1.0))))
        assert wider(before, after).startswith("first: ")


class TestRuns:
    def test_runs_are_paired_by_name_and_seed(self):
        """Each of the other report's runs differs in the losses of one step, which tells the runs apart."""
        keys = [("a", 0), ("a", 1), ("b", 0), ("b", 1)]
        before = report(experiments=[run(number("loss", 1.0, steps=[9]), name=name, seed=seed) for name, seed in keys])
        others = [*keys[::-1], ("c", 0), ("a", 7)]
        after = report(
            experiments=[run(number("loss", 2.0 + i, steps=[9]), name=name, seed=seed) for i, (name, seed) in enumerate(others)]
        )
        found = localise(before, after)
        assert [(one.name, one.seed) for one in found] == keys[::-1]
        assert [one.moved.ratio * 4 * 2e-7 for one in found] == pytest.approx([1.0, 2.0, 3.0, 4.0])

    @pytest.mark.parametrize(
        ("before", "after", "ulps"),
        [
            ("float32", "float32", 2.0**22),
            ("float32", "float64", 2.0**22),
            ("float64", "float32", 2.0**22),
            ("float64", "float64", 2.0**51),
        ],
    )
    def test_the_coarser_precision_of_both_judges(self, before, after, ulps):
        (a, b) = (run(one) for one in moved("blocks"))
        (found,) = localise(report(experiments=[a], precision=before), report(experiments=[b], precision=after))
        assert found.moved.ulps == ulps

    def test_everything_of_the_run_is_kept(self):
        a, b = (
            run(record("data", **EXACT), number("blocks", 1.0)),
            run(record("data", **EXACT), number("blocks", 1.0, rounding=1.0)),
        )
        (found,) = localise(report(experiments=[a]), report(experiments=[b]))
        assert found == dataclasses.replace(change(a, b, "float32"), wider=wider(a, b))
        assert found.wider
