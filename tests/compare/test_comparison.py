"""What two reports share: which claims are compared, which are named as not compared, and the exit code of every finding."""

import dataclasses
import math

import pytest

from harness.compare import Exit, compare
from harness.compare.differences import State
from harness.compare.exchange import corrected
from harness.compare.measurements import margin
from harness.errors import Incomparable
from harness.suite.records import ControlRecord, ExperimentRecord, RuleRecord
from tests.compare.planted import BASE, judged, report, stages

SIZE = BASE.claims[0]
NOT_SELECTED = dataclasses.replace(SIZE, verdict="NOT_RUN", declared=True, passed=False, measurements=[], controls=[])
BROKEN = dataclasses.replace(NOT_SELECTED, declared=False, message="paper/size: the run broke")


def of(*experiments, id="paper/size", values=(0.99, 1.0, 1.01)):
    return dataclasses.replace(judged(list(values), id), experiments=dict.fromkeys(experiments, "0" * 64))


def runs(*names, seeds=(0,), **planted):
    return [ExperimentRecord(name, seed, "f" * 64, {}, stages(**planted)) for name in names for seed in seeds]


FINDINGS = {
    "none": ({}, Exit.SAME),
    "verdict": ({"claim": judged([1.99, 2.0, 2.01])}, Exit.VERDICT),
    "broken": ({"claim": BROKEN}, Exit.VERDICT),
    "value": ({"claim": judged([0.99, 1.0, 1.015])}, Exit.MOVED),
    "stage": ({"steps": stages(at=4, by=1e-3)}, Exit.MOVED),
    "control": ({"claim": dataclasses.replace(SIZE, controls=[])}, Exit.MOVED),
    "allowance": (
        {"steps": [{**stage, "rounding": [1e3]} if stage["name"] == "parameters" else stage for stage in stages()]},
        Exit.MOVED,
    ),
    "rounding": ({"steps": stages(at=4)}, Exit.SAME),
}


class TestCodes:
    """Each finding alone, and with a claim that was not judged here, which a finding covers."""

    @pytest.mark.parametrize("finding", FINDINGS)
    @pytest.mark.parametrize("lost", [False, True])
    def test_of_every_finding(self, finding, lost):
        change, code = FINDINGS[finding]
        other = judged([0.99, 1.0, 1.01], "paper/other")
        before = report(SIZE, *[other] * lost)
        found = compare(before, report(change.get("claim", SIZE), steps=change.get("steps")))
        assert found.lost is lost
        assert found.code(strict=True) is (Exit.PARTLY if lost and code is Exit.SAME else code)
        assert found.code() is found.code(strict=False) is (code if code is Exit.VERDICT else Exit.SAME)

    def test_a_claim_of_the_new_report_alone_is_no_loss(self):
        found = compare(BASE, report(SIZE, judged([1.0, 1.0, 1.01], "paper/new")))
        assert found.uncompared == ["paper/new: judged only in the new report (not selected in the other)"]
        assert found.code(strict=True) is Exit.SAME


class TestWhichClaims:
    def test_claims_are_paired_by_id_in_the_order_of_the_new_report(self):
        ids = ("a", "b", "c")
        before = report(*(judged([1.0 + 0.01 * i] * 2 + [1.0], id) for i, id in enumerate(ids)))
        after = report(*(judged([1.0 + 0.01 * ids.index(id)] * 2 + [1.0], id) for id in "cab"))
        found = compare(before, after)
        assert [claim.before.id for claim in found.claims] == [claim.after.id for claim in found.claims] == ["c", "a", "b"]
        assert {claim.shift.state for claim in found.claims} == {State.SAME}

    @pytest.mark.parametrize(("before", "after"), [("smoke", "paper"), ("paper", "smoke")])
    def test_other_scales_are_other_claims(self, before, after):
        with pytest.raises(Incomparable, match=f"of scale {before}, the new report of scale {after}"):
            compare(report(scale=before), report(scale=after))

    def test_what_broke_is_compared_and_what_was_not_selected_is_not(self):
        other = judged([1.0, 1.0, 1.01], "paper/other")
        (broke, _) = compare(report(SIZE, other), report(BROKEN, other)).claims
        assert broke.turned
        assert broke.shift.state is State.MOVED
        assert (broke.shift.compared, math.isnan(broke.shift.largest)) == (0, True)
        assert (broke.exchange.p, broke.corrected) == (None, None)
        assert broke.margins == (margin(SIZE), None)
        found = compare(report(SIZE, other), report(NOT_SELECTED, other))
        assert [claim.before.id for claim in found.claims] == ["paper/other"]
        assert found.lost

    def test_what_the_baseline_did_not_judge_is_named(self):
        other = judged([1.0, 1.0, 1.01], "paper/other")
        found = compare(report(BROKEN, other), report(SIZE, other))
        assert found.uncompared == ["paper/size: judged only in the new report (paper/size: the run broke)"]

    def test_what_nobody_judged_is_not_named(self):
        other = judged([1.0, 1.0, 1.01], "paper/other")
        assert compare(report(NOT_SELECTED, other), report(BROKEN, other)).uncompared == []
        assert compare(report(NOT_SELECTED, other), report(other)).uncompared == []

    @pytest.mark.parametrize(
        ("message", "why"),
        [
            ("paper/size [smoke]: not run: needs noise", "needs noise"),
            ("paper/size: skipped", "paper/size: skipped"),
            ("", "not judged"),
        ],
    )
    def test_why_a_claim_was_not_judged_is_said(self, message, why):
        other = judged([1.0, 1.0, 1.01], "paper/other")
        skipped = dataclasses.replace(NOT_SELECTED, message=message)
        found = compare(report(SIZE, other), report(skipped, other))
        assert found.uncompared == [f"paper/size: judged only in the baseline ({why})"]

    def test_claims_of_experiments_that_are_others_now_are_not_compared(self):
        """Two experiments of three were redefined. A claim on either in either report is of another quantity."""
        before = [of("a", id="paper/a"), of("b", "c", id="paper/bc"), of("c", id="paper/c"), of("c", id="paper/moved")]
        after = [of("a", id="paper/a"), of("c", "b", id="paper/bc"), of("c", id="paper/c"), of("a", id="paper/moved")]
        old = [*runs("a", "b"), *runs("c")]
        new = [*runs("a", "b", experiment="another"), *runs("c")]
        found = compare(report(*before, experiments=old), report(*after, experiments=new))
        assert [claim.before.id for claim in found.claims] == ["paper/c"]
        assert found.uncompared == [
            "paper/a: on another experiment now (a)",
            "paper/bc: on another experiment now (b)",
            "paper/moved: on another experiment now (a)",
        ]
        assert not found.lost
        with pytest.raises(Incomparable, match="a, b is another experiment now"):
            compare(report(before[0], before[1], experiments=old), report(after[0], after[1], experiments=new))

    def test_nothing_in_common_is_said_in_numbers(self):
        both = [judged([1.0, 1.0, 1.01], "paper/other"), SIZE]
        skipped = [NOT_SELECTED, dataclasses.replace(NOT_SELECTED, id="paper/other")]
        with pytest.raises(Incomparable, match="of 2 common claims the baseline judged 2, the new report 0"):
            compare(report(*both), report(*skipped))
        with pytest.raises(Incomparable, match="of 1 common claims the baseline judged 0, the new report 1"):
            compare(report(skipped[0]), report(*both))


class TestBlame:
    """A claim is led to the runs of its own experiments."""

    def _first(self, **planted):
        before = report(of("a", id="paper/a"), of("b", id="paper/b"), experiments=runs("a", "b", seeds=(0, 1)))
        after = [*runs("a", seeds=(0, 1)), *runs("b"), *runs("b", seeds=(1,), **planted)]
        found = compare(before, report(*before.claims, experiments=after))
        return [claim.first for claim in found.claims]

    def test_the_stage_that_moved_comes_with_its_run(self):
        assert self._first(at=4, by=1e-3) == ["", "b[1]: loss at step 4"]

    def test_without_a_moved_stage_that_of_other_bits_does(self):
        assert self._first(at=6) == ["", "b[1]: loss at step 6"]

    def test_a_moved_stage_of_a_later_run_comes_before_other_bits_of_an_earlier_one(self):
        before = report(of("a"), experiments=runs("a", seeds=(0, 1)))
        after = [*runs("a", at=1), *runs("a", seeds=(1,), at=7, by=1e-3)]
        (claim,) = compare(before, report(of("a"), experiments=after)).claims
        assert claim.first == "a[1]: loss at step 7"

    def test_a_claim_that_broke_is_led_there_too(self):
        (claim,) = compare(BASE, report(BROKEN, steps=stages(at=4, by=1e-3))).claims
        assert claim.first == "digits[0]: loss at step 4"

    @pytest.mark.parametrize(("name", "paired"), [("a", True), ("b", False)])
    def test_seeds_of_a_claim_are_pairs_unless_one_of_its_runs_began_elsewhere(self, name, paired):
        """Another start of experiment b is no concern of a claim on a."""
        start = {"name": "initial parameters", "digest": "x", "values": [0.9] * 16, "rounding": [1e-8], "step": 0}
        moved = [start if stage["name"] == start["name"] else stage for stage in stages()]
        other = [*runs("a", "b"), ExperimentRecord("b", 1, "f" * 64, {}, moved)]
        before = report(of(name), experiments=runs("a", "b", seeds=(0, 1)))
        after = report(of(name, values=(1.04, 1.051, 1.063)), experiments=other)
        (claim,) = compare(before, after).claims
        assert claim.exchange.method.startswith("paired") is paired


class TestStatistics:
    def test_p_values_are_corrected_for_all_claims(self):
        shifts = (0.05, 0.03, 0.001)
        before = report(*(judged([0.99, 1.0, 1.01], str(i)) for i in range(4)))
        after = report(
            *(judged([0.99 + by, 1.0 + 1.01 * by, 1.01 + 1.02 * by], str(i)) for i, by in enumerate(shifts)),
            dataclasses.replace(NOT_SELECTED, id="3", declared=False),
        )
        claims = compare(before, after).claims
        assert [claim.corrected for claim in claims] == corrected([claim.exchange.p for claim in claims])
        assert claims[-1].corrected is None

    @pytest.mark.parametrize(("p", "drifted"), [(None, False), (0.049, True), (0.05, False), (0.9, False)])
    def test_below_the_level_chance_explains_nothing(self, p, drifted):
        (claim,) = compare(BASE, BASE).claims
        assert dataclasses.replace(claim, corrected=p).drifted is drifted

    @pytest.mark.parametrize(
        ("before", "after", "lost"),
        [
            (0.5, 0.4, 0.2),
            (0.5, 0.6, -0.2),
            (0.5, -0.5, 2.0),
            (0.0, 0.4, None),
            (-0.1, 0.4, None),
            (None, 0.4, None),
            (0.5, None, None),
        ],
    )
    def test_a_margin_is_lost_in_shares_of_itself(self, before, after, lost):
        (claim,) = compare(BASE, BASE).claims
        found = dataclasses.replace(claim, margins=(before, after)).margin_lost
        assert found == (None if lost is None else pytest.approx(lost))

    def test_both_margins_are_kept(self):
        after = judged([0.99, 1.0, 1.015])
        (claim,) = compare(BASE, report(after)).claims
        assert claim.margins == (margin(SIZE), margin(after))
        assert claim.margins[0] != claim.margins[1]

    @pytest.mark.parametrize(("before", "after"), [("float32", "float64"), ("float64", "float32"), ("float64", "float64")])
    def test_the_coarser_precision_judges_values_and_controls(self, before, after):
        """1e-5 is within half of the digits of float32, and far beyond those of float64."""
        near = judged([0.99, 1.0, 1.01 + 1e-5], controls=[ControlRecord("doubled", "REFUTED", "REFUTED", 2.0 + 1e-5)])
        (claim,) = compare(report(precision=before), report(near, precision=after)).claims
        coarse = "float32" in (before, after)
        assert claim.shift.state is (State.ROUNDING if coarse else State.MOVED)
        assert bool(claim.beside) is not coarse


class TestWarnings:
    def test_each_reason_is_said_once(self):
        wider = dataclasses.replace(SIZE, rule=RuleRecord([0.5, 1.5], "wider"))
        other = judged([1.0, 1.0, 1.01], "paper/other")
        before = report(SIZE, other, complete=False)
        after = report(other, wider, complete=False, seeds=2, precision="float64")
        assert compare(before, after).warnings == [
            "the baseline is incomplete: its run was stopped",
            "the new report is incomplete: its run was stopped",
            "the baseline is in float32, the new report in float64: judged by the rounding of the coarser",
            "the baseline has 3 seed(s), the new report 2: intervals differ for that alone",
            "paper/size is judged against another region now",
        ]
        assert compare(BASE, BASE).warnings == []
