"""Two records of one stage: read whole, and told apart by numbers that are computed here by hand."""

import math

import numpy as np
import pytest

from harness.compare.differences import Difference, Stage, State, differences, spacing
from harness.errors import Unreadable

LOSSES = (2.0, 1.5, 1.0, 0.5)
ULP = 2.0**-23  # of one in float32


def stage(*values, digest="a", **fields):
    return Stage("loss", digest, values=values, **fields)


def series(*values, **fields):
    return stage(*values, steps=(0, 10, 20, 30), **{"rounding": (1e-7,), **fields})


class TestRecords:
    @pytest.mark.parametrize(
        ("record", "expected"),
        [
            ({"name": "loss", "digest": "a"}, Stage("loss", "a", False, None, (), (), (), "", "", 0)),
            (
                {
                    "name": "parameters",
                    "digest": "a",
                    "exact": True,
                    "step": 7,
                    "steps": [0, 3],
                    "values": [1, 2.5],
                    "rounding": [1e-7, 1e-8],
                    "failure": "out of memory",
                    "note": "a kink",
                    "groups": 2,
                },
                Stage("parameters", "a", True, 7, (0, 3), (1.0, 2.5), (1e-7, 1e-8), "out of memory", "a kink", 2),
            ),
            ({"name": "loss", "digest": "a", "rounding": 1e-7}, Stage("loss", "a", rounding=(1e-7,))),
            ({"name": "loss", "digest": "a", "rounding": None, "steps": None}, Stage("loss", "a")),
        ],
    )
    def test_every_field_is_read(self, record, expected):
        assert Stage.of(record) == expected

    def test_a_number_that_was_not_finite_is_nan(self):
        assert np.array_equal(
            Stage.of({"name": "loss", "digest": "a", "values": [1.0, None]}).values, [1.0, np.nan], equal_nan=True
        )

    @pytest.mark.parametrize(
        "fields", [{"digest": None, "name": None}, {"values": ["x"]}, {"rounding": [None]}, {"steps": 3}, {"groups": "many"}]
    )
    def test_a_record_that_is_none_is_refused_with_its_content(self, fields):
        record = {"name": "loss", "digest": "a", **fields}
        record = {key: value for key, value in record.items() if key not in ("name", "digest") or value is not None}
        with pytest.raises(Unreadable) as error:
            Stage.of(record)
        assert str(record)[:80] in str(error.value)


class TestWithoutNumbers:
    """Only digests to go by: exact stages have moved, others are not known."""

    @pytest.mark.parametrize(
        ("before", "after", "expected"),
        [
            ({"exact": True}, {}, Difference("data", State.MOVED)),
            ({}, {"exact": True}, Difference("data", State.MOVED)),
            ({}, {}, Difference("data", State.UNMODELLED)),
            ({"values": (1.0,), "rounding": (1.0,)}, {}, Difference("data", State.UNMODELLED)),
            ({}, {"values": (1.0,), "rounding": (1.0,)}, Difference("data", State.UNMODELLED)),
            ({"values": (1.0,)}, {"values": (2.0,), "failure": "broke"}, Difference("data", State.UNMODELLED)),
            ({"values": (1.0,), "failure": "broke"}, {"values": (2.0,)}, Difference("data", State.UNMODELLED)),
            ({"step": 0}, {"step": 0}, Difference("data", State.UNMODELLED, 0)),
            ({"step": 7}, {"step": 7}, Difference("data after step 7", State.UNMODELLED, 7)),
            ({"note": "old"}, {}, Difference("data", State.UNMODELLED, note="old")),
            ({"note": "old"}, {"note": "new"}, Difference("data", State.UNMODELLED, note="new")),
        ],
    )
    def test_what_another_digest_means(self, before, after, expected):
        (found,) = differences(Stage("data", "a", **before), Stage("data", "b", **after), "float32")
        assert repr(found) == repr(expected)  # NaN is not equal to itself

    def test_the_same_digest_is_no_difference(self):
        assert differences(Stage("data", "a", exact=True), Stage("data", "a", values=(1.0,)), "float32") == []


class TestShapes:
    @pytest.mark.parametrize(
        ("before", "after", "state"),
        [
            (stage(1.0, 2.0, groups=2), stage(1.0, 2.0, digest="b", groups=1), State.UNMODELLED),
            (stage(1.0, 2.0), stage(1.0, digest="b"), State.MOVED),
            (series(*LOSSES), stage(*LOSSES, digest="b", steps=(0, 10, 20, 31)), State.MOVED),
        ],
    )
    def test_records_that_do_not_fit_are_named_and_not_subtracted(self, before, after, state):
        (found,) = differences(before, after, "float32")
        assert (found.state, found.at) == (state, -1)
        assert found.stage.startswith("loss (")
        assert math.isnan(found.ratio)

    def test_where_a_record_of_another_shape_stands_is_kept(self):
        (found,) = differences(stage(1.0, 2.0, step=5), stage(1.0, digest="b", step=5), "float32")
        assert found.at == 5
        (found,) = differences(stage(1.0, step=5, groups=2), stage(2.0, digest="b", step=5, groups=1), "float32")
        assert found.at == 5


class TestSketches:
    """Root mean squares: of the difference, of the larger of both, and of the difference over what is allowed for each number."""

    def test_the_numbers_are_those_of_the_model(self):
        before = Stage("theta", "a", step=10, values=(3.0, 4.0), rounding=(0.01,))
        after = Stage("theta", "b", step=10, values=(3.3, 4.0), rounding=(0.03, 0.02))
        (found,) = differences(before, after, "float32")
        size = math.sqrt((3.3**2 + 4.0**2) / 2)
        assert (found.stage, found.at) == ("theta after step 10", 10)
        assert found.relative == pytest.approx(0.3 / math.sqrt(2) / size)
        assert found.ulps == pytest.approx(0.3 / math.sqrt(2) / (4 * ULP / 2))  # size is in [2, 4)
        assert found.ratio == pytest.approx(0.3 / (4 * (0.01 + 0.03)) / math.sqrt(2))
        assert found.state is State.MOVED

    @pytest.mark.parametrize(
        ("by", "state"), [(8.0, State.ROUNDING), (8.5, State.MOVED), (-8.0, State.ROUNDING), (-8.5, State.MOVED)]
    )
    def test_four_times_the_sum_of_both_rounding_errors_is_allowed(self, by, state):
        (found,) = differences(stage(100.0, rounding=(1.5,)), stage(100.0 + by, digest="b", rounding=(0.5,)), "float32")
        assert found.state is state
        assert found.ratio == pytest.approx(abs(by) / 8)

    @pytest.mark.parametrize("sides", [((1e9,), ()), ((), (1e9,)), ((), ())])
    def test_without_both_rounding_errors_there_is_no_model(self, sides):
        before, after = (stage(value, digest=str(value), rounding=sizes) for value, sizes in zip((1.0, 2.0), sides, strict=True))
        (found,) = differences(before, after, "float32")
        assert found.state is State.UNMODELLED
        assert found.relative == 0.5
        assert math.isnan(found.ratio)

    def test_a_number_without_rounding_may_stay_and_may_not_move(self):
        before = stage(1.0, 2.0, rounding=(0.0, 0.1))
        (stays,) = differences(before, stage(1.0, 2.4, digest="b", rounding=(0.0, 0.1)), "float32")
        assert stays.ratio == pytest.approx(0.5 / math.sqrt(2))
        assert stays.state is State.ROUNDING
        (moves,) = differences(before, stage(1.0 + 1e-9, 2.0, digest="b", rounding=(0.0, 0.1)), "float32")
        assert moves.state is State.MOVED

    def test_a_number_that_is_not_finite_any_more_has_moved(self):
        (found,) = differences(stage(1.0, rounding=(1e9,)), stage(math.nan, digest="b", rounding=(1e9,)), "float32")
        assert found.state is State.MOVED

    def test_zeros_of_other_signs_are_no_distance(self):
        (found,) = differences(stage(0.0, rounding=(0.0,)), stage(-0.0, digest="b", rounding=(0.0,)), "float32")
        assert (found.state, found.relative, found.ulps, found.ratio) == (State.ROUNDING, 0.0, 0.0, 0.0)

    @pytest.mark.parametrize(("before", "after", "note"), [("old", "", "old"), ("old", "new", "new"), ("", "", "")])
    def test_the_later_remark_is_kept(self, before, after, note):
        (found,) = differences(stage(1.0, note=before), stage(2.0, digest="b", note=after), "float32")
        assert found.note == note


class TestSeries:
    """The first step of other bits, and the first step after it beyond the allowance."""

    @pytest.mark.parametrize(
        ("after", "expected"),
        [
            (LOSSES, []),
            ((2.0, 1.5, 1.0 + 1e-7, 0.5), [("loss at step 20", State.ROUNDING, 20)]),
            ((2.0, 1.5 + 1e-7, 1.0, 0.6), [("loss at step 10", State.ROUNDING, 10), ("loss at step 30", State.MOVED, 30)]),
            ((2.0, 1.6, 1.1, 0.6), [("loss at step 10", State.MOVED, 10), ("loss at step 20", State.MOVED, 20)]),
            ((2.0 + 1e-7, 1.5 + 1e-7, 1.0 + 1e-7, 0.5), [("loss at step 0", State.ROUNDING, 0)]),
            ((2.0 + 1e-7, 1.5 + 1e-7, 1.1, 0.6), [("loss at step 0", State.ROUNDING, 0), ("loss at step 20", State.MOVED, 20)]),
        ],
    )
    def test_where_and_how(self, after, expected):
        found = differences(series(*LOSSES), series(*after, digest="b"), "float32")
        assert [(entry.stage, entry.state, entry.at) for entry in found] == expected

    def test_each_step_has_its_own_allowance(self):
        rough = (1e-7, 1e-7, 1.0, 1e-7)
        (found,) = differences(series(*LOSSES, rounding=rough), series(2.0, 1.5, 1.8, 0.5, digest="b"), "float32")
        assert found.state is State.ROUNDING
        assert found.ratio == pytest.approx(0.8 / (4 * (1.0 + 1e-7)))
        assert found.relative == pytest.approx(0.8 / 1.8)
        assert found.ulps == pytest.approx(0.8 / ULP)


@pytest.mark.parametrize(
    ("size", "precision", "expected"),
    [
        (1.0, "float32", 2.0**-23),
        (1.0, "float64", 2.0**-52),
        (0.0, "float32", 2.0**-23),
        (0.0, "float64", 2.0**-52),
        (1000.0, "float32", 2.0**-14),
        (1000.0, "float64", 2.0**-43),
    ],
)
def test_one_unit_in_the_last_place(size, precision, expected):
    assert spacing(size, precision) == expected


def test_the_coarser_precision_counts_the_units():
    apart = [differences(stage(1.0), stage(1.25, digest="b"), precision)[0].ulps for precision in ("float32", "float64")]
    assert apart == [0.25 * 2.0**23, 0.25 * 2.0**52]
