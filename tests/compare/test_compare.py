"""Comparison of planted reports: its output, its exit code, and how often its statistics are wrong."""

import dataclasses
import gzip
import json
import re
from pathlib import Path

import numpy as np
import pytest

from harness.__main__ import main
from harness.compare import Exit, baseline, compare, history, history_page, html, text
from harness.compare.comparison import MEANING
from harness.compare.differences import Stage, State
from harness.compare.exchange import Exchange
from harness.compare.localise import change
from harness.compare.measurements import OF_THE_BOUND, margin
from harness.errors import Incomparable, InvalidInput, Unreadable
from harness.report import json_file, summary
from harness.suite import evidence
from harness.suite.records import (
    ControlRecord,
    EnsembleRecord,
    ExperimentRecord,
    Json,
    Report,
    RuleRecord,
    sealed,
)
from harness.suite.rejudge import interval_again
from tests.compare.planted import BASE, ENVIRONMENT, REFUTED, SHIFTED, edit, judged, report, stages
from tests.report.test_html import checked

NOT_RUN = dataclasses.replace(BASE.claims[0], verdict="NOT_RUN", declared=True)


class TestExitCodes:
    def test_each_means_one_thing(self):
        assert sorted(MEANING) == sorted(Exit)
        assert len({code.value for code in Exit}) == len(set(MEANING.values())) == 7

    @pytest.mark.parametrize(
        ("arguments", "code"),
        [
            (["base", "base"], 0),
            (["base", "base", "--strict"], 0),
            (["base", "shifted"], 0),
            (["base", "shifted", "--strict"], 3),
            (["base", "refuted"], 1),
            (["base", "refuted", "--strict"], 1),
            (["base", "nowhere"], 5),
        ],
    )
    def test_of_compare(self, stored, arguments, code, capsys):
        assert main(["compare", *arguments]) == code
        out, err = capsys.readouterr()
        assert f"exit code {code}" in out if code != 5 else "nowhere is not a report" in err

    def test_of_a_command_line_that_makes_no_sense(self, stored):
        with pytest.raises(SystemExit) as error:
            main(["compare", "base"])
        assert error.value.code == Exit.USAGE

    def test_claims_that_were_not_judged_here_are_named_and_count_under_strict(self):
        both = [judged([0.99, 1.0, 1.01]), judged([0.99, 1.0, 1.01], "paper/weight")]
        found = compare(report(*both), report(both[0]))
        assert found.uncompared == ["paper/weight: judged only in the baseline (not selected in the other)"]
        assert (found.code(), found.code(strict=True)) == (Exit.SAME, Exit.PARTLY)

    def test_a_claim_that_broke_changed_its_verdict(self):
        broken = dataclasses.replace(BASE.claims[0], verdict="NOT_RUN", measurements=[], passed=False, message="the run broke")
        assert compare(BASE, report(broken)).code() is Exit.VERDICT

    @pytest.mark.parametrize(
        ("other", "says"),
        [
            (dataclasses.replace(BASE, scale="paper"), "of scale smoke, the new report of scale paper"),
            (report(judged([1.0, 1.0, 1.0], "paper/other")), "no claim was judged in both: of 0 common"),
            (report(NOT_RUN), "the baseline judged 1, the new report 0"),
            (report(steps=stages(experiment="another")), "digits is another experiment now; accept a new baseline"),
        ],
    )
    def test_nothing_compared_is_never_success(self, other, says):
        with pytest.raises(Incomparable, match=says):
            compare(BASE, other)


class TestLocalising:
    @pytest.mark.parametrize(
        ("after", "moved", "bits"),
        [
            (stages(), None, None),
            (stages(at=4), None, "loss at step 4"),
            (stages(at=4, by=1e-3), "loss at step 4", "loss at step 4"),
            (stages(at=0, by=float("nan")), "loss at step 0", "loss at step 0"),
            (stages(at=4, by=1e-3, data="other"), "data", "data"),
            (stages(blocks="other"), None, "blocks"),
        ],
    )
    def test_the_first_stage_is_named(self, after, moved, bits):
        found = change(_run(stages()), _run(after), "float32")
        assert (found.moved and found.moved.stage, found.bits and found.bits.stage) == (moved, bits)

    def test_how_far_is_told_in_ulps_and_against_what_is_allowed(self):
        moved = change(_run(stages()), _run(stages(at=4, by=1e-3)), "float32").moved
        assert moved is not None
        assert moved.relative == pytest.approx(1e-3 / 1.601)
        assert moved.ulps == pytest.approx(1e-3 / np.spacing(np.float32(1.601)))
        assert moved.ratio == pytest.approx(1e-3 / (4 * 2e-7))

    def test_missing_and_failed_records_are_named(self):
        failed = [{"name": "stage records", "digest": "", "failure": "out of memory"}]
        found = change(_run(stages()), _run(failed), "float32")
        assert "no stage records in the new report: out of memory" in found.uncompared
        assert "no stage records to localise by" in change(_run([]), _run(stages()), "float32").uncompared
        assert "nothing can be localised" in text.stages_line(compare(report(steps=[]), BASE))

    def test_an_artefact_looked_at_more_often_is_the_same(self):
        more = [*stages(), {"name": "blocks", "digest": "c"}]
        assert change(_run(stages()), _run(more), "float32").bits is None

    @pytest.mark.parametrize("record", [{"name": "loss"}, {"name": "loss", "digest": "a", "values": ["x"]}])
    def test_a_record_that_is_none_is_refused(self, record):
        with pytest.raises(Unreadable, match="is not one"):
            Stage.of(record)


class TestClaims:
    def test_shift_margin_and_first_stage_are_told(self):
        (claim,) = compare(BASE, SHIFTED).claims
        assert claim.shift.state is State.MOVED
        assert claim.shift.largest == pytest.approx(0.005)
        assert claim.first == "digits[0]: loss at step 4"
        assert claim.margin_lost is not None
        assert claim.margin_lost > 0

    @pytest.mark.parametrize(
        ("values", "expected"), [([1.0] * 8, 0.1 / 1.1), ([2.0] * 8, 0.9 / 1.1), ([1.0, 1.09, 1.15], 0.0), ([1.0] * 3, None)]
    )
    def test_margin_is_the_way_to_another_verdict(self, values, expected):
        assert margin(judged(values)) == (None if expected is None else pytest.approx(expected))

    def test_other_precisions_are_compared_and_named(self):
        found = compare(BASE, dataclasses.replace(BASE, precision="float64"))
        assert found.warnings == ["the baseline is in float32, the new report in float64: judged by the rounding of the coarser"]
        assert [(entry.key, entry.before, entry.after) for entry in found.identity] == [("precision", "float32", "float64")]

    def test_incomplete_reports_other_seeds_and_other_regions_are_named(self):
        wider = dataclasses.replace(BASE.claims[0], rule=RuleRecord([0.5, 1.5], "wider"))
        found = compare(BASE, dataclasses.replace(report(wider), complete=False, seeds=2))
        assert len(found.warnings) == 3

    def test_load_and_clock_are_incidental(self):
        later = dataclasses.replace(BASE, created="2026-01-02T03:04:05Z", environment={**ENVIRONMENT, "load": "9.0"})
        found = compare(BASE, later)
        assert found.identity == []
        assert {entry.key for entry in found.incidental} == {"load", "created"}

    def test_pages_are_not_written_beside_a_baseline(self, stored):
        (stored / "baselines").mkdir()
        (stored / "baselines/smoke.json.gz").write_bytes(gzip.compress((stored / "base/report.json").read_bytes()))
        assert main(["compare", "base", "baselines/smoke.json.gz"]) == 0
        assert sorted(path.name for path in (stored / "baselines").iterdir()) == ["smoke.json.gz"]
        assert (stored / "reports/compare.md").exists()
        assert main(["compare", "base", "shifted/report.json"]) == 0
        assert (stored / "shifted/compare.md").exists()

    def test_the_last_run_that_is_not_there_yet_is_named(self, stored, capsys):
        assert main(["compare", "auto", "reports/latest"]) == Exit.UNREADABLE
        assert "no run yet; `nox -s claims`" in capsys.readouterr().err

    def test_too_few_values_for_so_many_claims_are_said_to_see_nothing(self):
        found = compare(BASE, SHIFTED)
        exchange = Exchange("paired t, 3 seeds", 3, 0.5, error=1 / 3**0.5, dof=2, least=0.4)
        claims = [dataclasses.replace(claim, exchange=exchange, corrected=1.0) for claim in found.claims]
        line = text.chance_line(dataclasses.replace(found, claims=claims))
        assert line.endswith("; these 1 claims have too few values to show a shift of any size after it")

    def test_pages_hold_every_changed_claim(self, stored):
        assert main(["compare", "base", "refuted"]) == 1
        assert "| SUPPORTED -> REFUTED | paper/size |" in (stored / "refuted/compare.md").read_text()
        page = (stored / "refuted/compare.html").read_text()
        assert 'class="turned"' in page
        assert "http" not in page

    @pytest.mark.parametrize("nasty", ["<script>alert(1)</script>", 'a "quoted" & <b>bold', "{{ 7 * 7 }}", "]]> --> </svg>"])
    def test_what_reports_hold_is_text_and_never_markup(self, nasty):
        before, after = (judged([1.0, middle, 1.0], f"paper/{nasty}") for middle in (1.0, 1.05))
        runs = [ExperimentRecord(nasty, 0, "f" * 64, {}, made) for made in (stages(), stages(at=4, by=1e-3))]
        lone = judged([1.0, 1.0, 1.0], f"paper/lone {nasty}")
        old = report(before, lone, experiments=runs[:1], environment={"cpu": nasty, "load": nasty})
        page = html.render(compare(old, report(after, experiments=runs[1:], environment={"cpu": "b", "load": "1"}, seeds=4)))
        # two facts of the machine, the run's name, the claim and the one that was not compared
        assert checked(page, "").text.count(nasty) >= 5

    def test_both_intervals_are_drawn_against_the_region(self):
        page = html.render(compare(BASE, REFUTED))
        assert [(tag, value) for tag, name, value in checked(page, "").attributes if name == "aria-label"] == [
            ("svg", "[0.9752, 1.025] before, [1.975, 2.025] now")
        ]
        old, new, band = (re.search(rf'class="{name}" (?:d|x)="M?([\d.]+)', page) for name in ("old", "new", "band"))
        assert float(band.group(1)) < float(old.group(1)) < float(new.group(1))


class TestBesideTheValues:
    """What moves without a value moving."""

    def _codes(self, after: Report) -> tuple[int, int]:
        found = compare(BASE, after)
        return found.code(), found.code(strict=True)

    def test_an_allowance_that_grew_is_a_finding(self):
        coarse = [
            {**stage, "rounding": [1e4 * size for size in stage["rounding"]]} if stage.get("rounding") else stage
            for stage in stages()
        ]
        after = report(steps=coarse)
        found = compare(BASE, after)
        assert not found.moved_runs
        assert len(found.wider_runs) == 3
        assert found.runs[0].wider.startswith("initial parameters: its own rounding error grew 1e+04 times")
        assert self._codes(after) == (Exit.SAME, Exit.MOVED)
        assert "what is allowed grew, first digits[0]: initial parameters" in text.stages_line(found)
        assert compare(after, BASE).code(strict=True) is Exit.SAME  # less is no fault
        other = dataclasses.replace(after, precision="float64")
        assert not compare(dataclasses.replace(BASE, precision="float64"), after).wider_runs
        assert compare(dataclasses.replace(BASE, precision="float64"), other).wider_runs

    def test_an_allowance_that_grew_from_the_middle_of_a_series_on_is_a_finding(self):
        late = [
            {**stage, "rounding": [size * (1e4 if i >= 6 else 1) for i, size in enumerate(stage["rounding"])]}
            if stage["name"] == "loss"
            else stage
            for stage in stages()
        ]
        assert compare(BASE, report(steps=late)).runs[0].wider.startswith("loss: its own rounding error grew")

    @pytest.mark.parametrize("factor", [0.5, 3.0])
    def test_another_machines_allowance_is_none(self, factor):
        other = [
            {**stage, "rounding": [factor * size for size in stage["rounding"]]} if stage.get("rounding") else stage
            for stage in stages()
        ]
        assert self._codes(report(steps=other)) == (Exit.SAME, Exit.SAME)

    def test_intervals_narrowed_by_a_fifth_are_seen(self):
        claim = BASE.claims[0]
        low, high = claim.measurements[0].interval or [0, 0]
        narrow = dataclasses.replace(claim.measurements[0], interval=[low + (high - low) / 10, high - (high - low) / 10])
        after = report(dataclasses.replace(claim, measurements=[narrow]))
        assert self._codes(after) == (Exit.SAME, Exit.MOVED)
        assert "of the same values, not [0.975159, 1.02484]" in "".join(text.table(compare(BASE, after)))

    def test_another_method_is_seen(self):
        claim = BASE.claims[0]
        other = dataclasses.replace(claim.measurements[0], method="a guess")
        found = compare(BASE, report(dataclasses.replace(claim, measurements=[other])))
        assert found.claims[0].beside == ("interval by a guess, not Student t over 3 seeds",)

    @pytest.mark.parametrize(
        ("controls", "says"),
        [
            ([], "control 'doubled' only in the baseline"),
            ([ControlRecord("doubled", "REFUTED", "SUPPORTED", 1.0)], "control 'doubled' SUPPORTED, not REFUTED"),
            ([ControlRecord("doubled", "REFUTED", None, None)], "control 'doubled' crashed, not REFUTED"),
            ([ControlRecord("doubled", "REFUTED", "REFUTED", 2.1)], "control 'doubled' at 2.1, not 2"),
            ([ControlRecord("doubled", "SUPPORTED", "REFUTED", 2.0)], "control 'doubled' must be SUPPORTED, not REFUTED"),
        ],
    )
    def test_controls_that_moved_are_seen(self, controls, says):
        after = report(dataclasses.replace(BASE.claims[0], controls=controls))
        assert compare(BASE, after).claims[0].beside == (says,)
        assert self._codes(after) == (Exit.SAME, Exit.MOVED)

    @pytest.mark.parametrize(("after", "state"), [(0.0243, State.ROUNDING), (0.2, State.MOVED)])
    def test_what_measures_rounding_itself_may_be_another_machines(self, after, state):
        """The two figures that a processor with AVX2 and one with AVX-512 gave; 1 is allowed."""

        def measured(value: float) -> Report:
            claim = judged([value], over="once")
            inside = dataclasses.replace(claim, rule=RuleRecord([None, 1.0], "a bound"), verdict="SUPPORTED")
            of_the_bound = dataclasses.replace(claim.measurements[0], unit="of the bound")
            return report(dataclasses.replace(inside, measurements=[of_the_bound]))

        found = compare(measured(0.0147), measured(after))
        assert found.claims[0].shift.state is state
        assert found.code(strict=True) is (Exit.SAME if state is State.ROUNDING else Exit.MOVED)

    @pytest.mark.parametrize(("after", "moved"), [(2.88849e14, False), (1.2e14, True)])
    def test_a_control_in_units_of_rounding_may_be_another_machines(self, after, moved):
        """The figures of OpenBLAS for AVX-512 and for Sandy Bridge; and one of less than half."""

        def controlled(value: float) -> Report:
            claim = judged([0.0147], over="once")
            inside = dataclasses.replace(claim, rule=RuleRecord([None, 1.0], "a bound"), verdict="SUPPORTED")
            of_the_bound = dataclasses.replace(claim.measurements[0], unit=OF_THE_BOUND)
            control = ControlRecord("doubled", "REFUTED", "REFUTED", value)
            return report(dataclasses.replace(inside, measurements=[of_the_bound], controls=[control]))

        found = compare(controlled(2.47663e14), controlled(after))
        assert bool(found.claims[0].beside) is moved

    @pytest.mark.parametrize(
        ("interval", "says"),
        [
            ([0.6, 0.84], ""),
            ([0.55, 0.85], "an interval 0.3 wide, where no more work gave one of 0.2 before"),
            (None, "an estimate without the interval that it had before"),
        ],
    )
    def test_an_estimate_that_got_worse_is_seen(self, interval, says):
        """Its value moved too, which would excuse the interval of a mean."""

        def estimated(value: float, ends: list[float] | None) -> Report:
            claim = judged([value], over="once")
            measured = dataclasses.replace(claim.measurements[0], interval=ends, method="bounds")
            return report(dataclasses.replace(claim, over="interval", verdict="SUPPORTED", measurements=[measured]))

        found = compare(estimated(0.7, [0.6, 0.8]), estimated(0.71, interval))
        assert found.claims[0].beside[:1] == ((says,) if says else ())
        assert found.code(strict=True) is Exit.MOVED
        assert found.code() is (Exit.MOVED if says else Exit.SAME)

    def test_claims_that_measure_rounding_say_so(self):
        path = Path(__file__).parents[2] / "fixtures/baselines/smoke-float32-linux-x86_64-cpu.json.gz"
        judged = [record for record in json_file.read(path).claims if record.measurements]
        rounding = [record for record in judged if record.measurements[0].unit == OF_THE_BOUND]
        names = {record.id.partition("[")[0].partition("/")[2] for record in rounding}
        assert names == {"quadratic-flow", "quadratic-contraction"}
        assert all(record.over == "once" and record.rule.accept == [None, 1.0] for record in rounding)

    def test_rounding_of_values_explains_their_interval(self):
        near = report(judged([0.99 + 1e-5, 1.0, 1.01 - 1e-5]))
        assert compare(BASE, near).claims[0].beside == ()
        assert self._codes(near) == (Exit.SAME, Exit.SAME)

    @pytest.mark.parametrize("looks", [False, True])
    def test_rounding_explains_the_wider_interval_of_looks(self, looks):
        """Of three seeds at 98.75 % an end moves five times as far as these values do; one that moves further is seen."""
        off = 3e-4
        before, after = (self._looked(judged(values), looks) for values in ([0.99, 1.0, 1.01], [0.99 - off, 1.0, 1.01 + off]))
        assert compare(report(before), report(after)).claims[0].beside == ()
        low, high = after.measurements[0].interval or [0, 0]
        wide = dataclasses.replace(after, measurements=[dataclasses.replace(after.measurements[0], interval=[low, high + 6e-4])])
        assert "of the same values" in "".join(compare(report(before), report(wide)).claims[0].beside)

    def _looked(self, record, looks):
        record = dataclasses.replace(record, rule=dataclasses.replace(record.rule, looks=looks))
        interval = interval_again(record)
        measured = dataclasses.replace(record.measurements[0], interval=[interval.low, interval.high], method=interval.method)
        return dataclasses.replace(record, measurements=[measured])

    def test_rounding_explains_an_interval_of_logarithms(self):
        """Its upper end moves much further than the values."""
        values = np.exp(np.random.default_rng(0).normal(0, 2, 16)).tolist()
        made = EnsembleRecord(values, "planted", [[f"other[{n}]"] for n in range(16)], spread=False)
        before, after = (
            self._looked(dataclasses.replace(judged(three), ensemble=made), False)
            for three in ([0.01, 1.0, 9.0], [0.01 + 1e-3, 1.0, 9.0])
        )
        assert "logarithms" in before.measurements[0].method
        moved = [y - x for x, y in zip(*(one.measurements[0].interval or [0, 0] for one in (before, after)), strict=True)]
        assert max(map(abs, moved)) > 6e-3
        assert compare(report(before), report(after)).claims[0].beside == ()


class TestExchangeability:
    def test_what_moved_the_same_way_in_every_seed_is_no_chance(self):
        (claim,) = compare(BASE, report(judged([1.0405, 1.05, 1.0601]))).claims
        assert claim.drifted

    def test_other_seeds_are_not_taken_for_pairs(self):
        """Runs that began at another theta_0 are other draws, and three of them are too few for a spread."""
        start = {"name": "initial parameters", "digest": "x", "values": [0.9] * 16, "rounding": [1e-8], "step": 0}
        other = [start if stage["name"] == start["name"] else stage for stage in stages()]
        (claim,) = compare(BASE, report(judged([1.04, 1.05, 1.06]), steps=other)).claims
        assert claim.exchange.p is None
        assert "could not show anything" in claim.exchange.method

    def test_a_claim_that_is_judged_over_something_else_now_is_not_tested(self):
        before, after = report(judged([0.9, 1.0], over="trials", trials=[10, 10])), report(judged([0.9, 1.0, 1.0]))
        (claim,) = compare(before, after).claims
        assert claim.exchange.p is None
        assert "judged over trials before and over seeds now" in claim.exchange.method

    def test_proportions(self):
        before, after = (judged([k / 200], over="trials", trials=[200]) for k in (190, 150))
        (claim,) = compare(report(before), report(after)).claims
        assert claim.drifted


class TestRejudging:
    def test_recorded_values_give_the_same_bits(self, stored, capsys):
        assert main(["rejudge", "base"]) == 0
        assert "1 claims judged again, 0 verdicts moved, 0 intervals are of other bits" in capsys.readouterr().out

    def test_an_interval_that_is_off_by_one_bit_is_seen(self, stored):
        low, high = BASE.claims[0].measurements[0].interval or [0, 0]
        edit(stored / "base", lambda data: data["claims"][0]["measurements"][0].update(interval=[np.nextafter(low, 0), high]))
        assert main(["rejudge", "base"]) == Exit.MOVED

    def test_a_verdict_that_values_do_not_give_is_seen(self, stored):
        edit(stored / "base", lambda data: data["claims"][0].update(verdict="REFUTED"))
        assert main(["rejudge", "base"]) == Exit.VERDICT

    def test_evidence_of_another_checksum_is_refused(self, stored, capsys):
        reference, content = evidence.pack("paper/size", {"0/curve": np.arange(3.0)})
        made = report(dataclasses.replace(BASE.claims[0], evidence=reference), evidence={reference.file: content})
        json_file.write(made, stored / "base")
        assert main(["rejudge", "base"]) == 0
        (stored / "base" / reference.file).write_bytes(content + b"x")
        assert main(["rejudge", "base"]) == Exit.UNREADABLE
        assert "1 evidence file(s) refused" in capsys.readouterr().err
        assert main(["compare", "base", "base"]) == 0
        assert "evidence/paper.size.npz is missing or not what" in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("change", "says"),
        [
            (lambda claim: claim["rule"].update(accept=[0.5, 1.5]), "its region is [0.5, 1.5], declared is [0.9, 1.1]"),
            (
                lambda claim: claim["measurements"][0].update(values=[0.98, 1.0, 1.02]),
                "its values are not those that were measured",
            ),
            (
                lambda claim: claim.update(passed=False),
                "it is SUPPORTED where SUPPORTED is expected, and the report has it failed",
            ),
        ],
    )
    def test_what_was_doctored_is_refused(self, stored, change, says, capsys):
        edit(stored / "base", lambda data: change(data["claims"][0]))
        assert main(["rejudge", "base"]) == Exit.UNREADABLE
        assert says in capsys.readouterr().out

    @pytest.mark.parametrize(
        ("left_out", "says"), [("digest", "carries no digest"), ("values", "they were not held against anything")]
    )
    def test_what_is_held_against_nothing_is_refused(self, stored, left_out, says, capsys):
        """A baseline alone may lack it; of what it has the values are judged, and that is said."""
        file = stored / "base" / json_file.NAME
        data = {key: value for key, value in json.loads(file.read_text()).items() if key != left_out}
        file.write_text(json.dumps(data if left_out == "digest" else sealed(data)))
        assert main(["rejudge", "base"]) == Exit.UNREADABLE
        out, err = capsys.readouterr()
        assert says in out
        assert "as only a baseline does" in err
        assert main(["rejudge", "base", "--values-alone"]) == Exit.SAME
        assert says in capsys.readouterr().out
        (stored / "base/kept.json.gz").write_bytes(gzip.compress(file.read_bytes()))
        assert main(["rejudge", "base/kept.json.gz"]) == Exit.SAME
        assert says in capsys.readouterr().out

    def test_values_alone_need_no_claims(self, stored):
        (stored / "claims/test_it.py").write_text("import no_such_module")
        assert main(["rejudge", "base"]) == Exit.USAGE
        assert main(["rejudge", "base", "--values-alone"]) == Exit.SAME

    def test_values_alone_need_no_evidence_that_is_not_there_and_refuse_what_is_changed(self, stored, capsys):
        values = stored / "base" / json_file.read(stored / "base").values.file
        values.write_bytes(b"other")
        assert main(["rejudge", "base", "--values-alone"]) == Exit.UNREADABLE
        values.unlink()
        assert main(["rejudge", "base"]) == Exit.UNREADABLE
        assert "--values-alone judges the values in the report" in capsys.readouterr().err
        assert main(["rejudge", "base", "--values-alone"]) == Exit.SAME
        assert "1 evidence files are not here: judged from the values in the report alone" in capsys.readouterr().out

    def test_nothing_judged_is_no_success(self, stored):
        empty = dataclasses.replace(BASE.claims[0], verdict="NOT_RUN", measurements=[], controls=[], passed=False)
        json_file.write(report(empty), stored / "base")
        assert main(["rejudge", "base"]) == Exit.INCOMPARABLE


class TestBadInput:
    @pytest.mark.parametrize(
        ("content", "says"),
        [
            (b'{"schema_version": 1, "claims"', "cut short or no JSON"),
            (b'{"schema_version": 2}', "has schema version 2, this harness reads 1: read it with the version"),
            (b'{"schema_version": 0}', "make the report again"),
            (b"[1]", "it has no schema_version"),
            (b'{"schema_version": 1}', "KeyError"),
        ],
    )
    def test_a_report_that_cannot_be_read_is_named(self, stored, content, says, capsys):
        (stored / "shifted/report.json").write_bytes(content)
        both = ["base", "shifted"]
        for arguments in (["compare", *both], ["rejudge", "shifted"], ["report", "shifted"], ["history", *both]):
            assert main(arguments) == Exit.UNREADABLE
            assert says in "".join(capsys.readouterr())

    def test_a_compressed_report_that_is_cut_short(self, stored):
        (stored / "cut.json.gz").write_bytes(gzip.compress(b"{}" * 99)[:-9])
        assert main(["compare", "cut.json.gz", "base"]) == Exit.UNREADABLE


class TestBaselines:
    def test_the_difference_is_shown_before_it_is_accepted(self, stored, capsys):
        path = stored / "fixtures/baselines/smoke-float32-linux-x86_64-cpu.json.gz"
        assert main(["baseline", "base"]) == 0
        assert not path.exists()
        assert main(["baseline", "base", "--accept"]) == 0
        before = path.read_bytes()
        assert main(["baseline", "refuted"]) == 1
        assert "SUPPORTED -> REFUTED" in capsys.readouterr().out
        assert path.read_bytes() == before
        assert main(["compare", "auto", "refuted"]) == 1

    def test_the_same_report_gives_the_same_bytes(self):
        assert baseline.pack(BASE) == baseline.pack(BASE)
        assert json.loads(gzip.decompress(baseline.pack(BASE)))["claims"][0]["evidence"] is None

    @pytest.mark.parametrize("change", [{"complete": False}, {"partial": True}, {"experiments": []}])
    def test_a_report_that_is_no_reference_is_refused(self, change):
        with pytest.raises(InvalidInput):
            baseline.pack(dataclasses.replace(BASE, **change))

    def test_a_report_of_some_claims_is_taken_if_that_is_said(self, stored):
        json_file.write(dataclasses.replace(BASE, partial=True), stored / "base")
        assert main(["baseline", "base", "--accept"]) == Exit.USAGE
        assert main(["baseline", "base", "--part", "--accept"]) == Exit.SAME
        assert main(["compare", "auto", "base", "--strict"]) == Exit.SAME

    def test_a_part_does_not_replace_the_whole(self, stored, capsys):
        assert main(["baseline", "base", "--accept"]) == Exit.SAME
        json_file.write(dataclasses.replace(BASE, partial=True), stored / "base")
        assert main(["baseline", "base", "--part", "--accept"]) == Exit.USAGE
        assert "has all claims and this report some" in capsys.readouterr().err

    def test_another_platform_or_precision_is_named(self, tmp_path):
        (tmp_path / "smoke-float32-darwin-arm64-cpu.json.gz").write_bytes(baseline.pack(BASE))
        with pytest.raises(Incomparable, match=r"platform linux-x86_64-cpu .* \(there: smoke-float32-darwin-arm64-cpu\)"):
            baseline.matching(tmp_path, BASE)
        with pytest.raises(InvalidInput, match="no baseline for scale smoke in float64"):
            baseline.matching(tmp_path, dataclasses.replace(BASE, precision="float64"))

    def test_tracked_baselines_can_be_judged_again_and_are_small(self):
        tracked = sorted((Path(__file__).parents[2] / "fixtures/baselines").glob("*.json.gz"))
        assert len(tracked) >= 2
        for path in tracked:
            assert path.stat().st_size <= baseline.MOST
            held = json_file.read(path)
            assert baseline.name_of(held) == path.name
            assert main(["rejudge", "--values-alone", str(path)]) in (
                Exit.SAME,
                Exit.MOVED,
            )  # another SciPy may differ in the last bit
            assert compare(held, held).code(strict=True) is Exit.SAME


class TestHistory:
    REPORTS = tuple(
        dataclasses.replace(
            report(judged([middle - 0.01, middle, middle + 0.01]), judged([1.0] * 8, "paper/steady")),
            created=f"2025-0{month}-01T00:00:00Z",
        )
        for month, middle in ((1, 1.0), (2, 1.03), (3, 1.06))
    )

    def test_what_erodes_comes_first(self):
        first, second = history.tracks(self.REPORTS)
        assert (first.id, second.id) == ("paper/size", "paper/steady")
        assert first.eroded == pytest.approx(0.06 / 1.1)
        assert second.eroded == 0

    def test_platforms_are_lines_of_their_own(self):
        other = dataclasses.replace(self.REPORTS[1], environment={**ENVIRONMENT, "jax": "0.4.35"})
        assert len(history.tracks([self.REPORTS[0], other])) == 4

    def test_folders_of_reports_are_read_once_each(self, stored, capsys):
        for n, made in enumerate([*self.REPORTS, self.REPORTS[2]]):
            (stored / f"past/{n}").mkdir(parents=True)
            json_file.write(made, stored / f"past/{n}")
        assert main(["history", "past", "--into", "out"]) == 0
        assert "2 claims in 3 reports" in capsys.readouterr().out
        page = (stored / "out/history.html").read_text()
        assert page.index("paper/size") < page.index("paper/steady")
        assert page.count("<circle") == 6

    @pytest.mark.parametrize("nasty", ["<script>alert(1)</script>", 'a "quoted" & <b>bold', "{{ 7 * 7 }}", "]]> --> </svg>"])
    def test_what_reports_hold_is_text_and_never_markup(self, nasty):
        made = [
            report(judged([1.0, 1.0, 1.0], f"paper/{nasty}"), created=time, environment={**ENVIRONMENT, "cpu": nasty})
            for time in ("2025-01-01T00:00:00Z", "2025-02-01T00:00:00Z")
        ]
        page = checked(history_page.render(history.tracks(made), 2, [nasty]), "")
        assert page.text.count(nasty) == 3  # what was not read, the platform, the claim
        assert f"paper/{nasty}: 2 reports, last 1" in [value for _, name, value in page.attributes if name == "aria-label"]

    def test_a_folder_without_reports_is_named(self, stored, capsys):
        (stored / "empty").mkdir()
        assert main(["history", "empty"]) == Exit.UNREADABLE
        assert "empty holds no report" in capsys.readouterr().err


class TestSummary:
    def test_it_is_appended_where_ci_wants_it(self, tmp_path):
        target = tmp_path / "summary.md"
        target.write_text("before\n")
        assert summary.append("# Claims\n", {summary.VARIABLE: str(target)}) == ""
        assert target.read_text() == "before\n# Claims\n"
        assert summary.append("# Claims\n", {}) == ""

    def test_what_cannot_be_written_is_told(self, tmp_path):
        assert "could not be written" in summary.append("x", {summary.VARIABLE: str(tmp_path / "no" / "file")})

    def test_what_is_too_large_is_cut_after_a_whole_line(self):
        cut = summary.fitted("é-line\n" * 200_000)
        assert len(cut.encode()) <= summary.MOST
        assert cut.endswith("é-line\n\n(cut here: the rest is in report.md)\n")


def _run(records: list[Json]) -> ExperimentRecord:
    return ExperimentRecord("digits", 0, "f" * 64, {}, records)
