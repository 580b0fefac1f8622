"""The commands on stored reports: their exit codes, the files that they write, and the findings that no code may hide."""

import dataclasses
import gzip
import json

import numpy as np
import pytest

from harness.__main__ import main
from harness.compare import Exit, baseline
from harness.compare.comparison import MEANING
from harness.report import json_file
from harness.suite import evidence
from harness.suite.records import RuleRecord
from harness.suite.rejudge import deciding_seeds, region_of
from tests.compare.planted import BASE, SHIFTED, edit, judged, report, stages

SIZE = BASE.claims[0]
OWN = "fixtures/baselines/smoke-float32-linux-x86_64-cpu.json.gz"
OPEN = judged([0.85, 1.0, 1.1])
NEEDED = deciding_seeds("seeds", OPEN.measurements[0], region_of(OPEN))


def put(folder, made):
    folder.mkdir(exist_ok=True)
    json_file.write(made, folder)


def with_arrays(record=SIZE):
    reference, content = evidence.pack(record.id, {"0/curve": np.arange(3.0)})
    return report(dataclasses.replace(record, evidence=reference), evidence={reference.file: content})


@pytest.mark.parametrize(
    ("command", "codes"),
    [
        ("compare", Exit),
        ("baseline", Exit),
        ("rejudge", set(Exit) - {Exit.PARTLY}),
        ("history", set(Exit) - {Exit.PARTLY, Exit.VERDICT, Exit.MOVED}),
    ],
)
def test_help_lists_the_exit_codes_of_the_command_in_order(command, codes, capsys):
    with pytest.raises(SystemExit) as error:
        main([command, "--help"])
    assert error.value.code == 0
    out = capsys.readouterr().out
    lines = [line.split(maxsplit=1) for line in out.partition("exit codes:\n")[2].splitlines()]
    assert [int(code) for code, _ in lines] == sorted(codes)
    if codes is Exit:
        assert [meaning for _, meaning in lines] == [MEANING[code] for code in sorted(Exit)]


class TestCompare:
    @pytest.mark.parametrize(
        ("after", "into", "expected"),
        [
            ("shifted", [], "shifted"),
            ("shifted/report.json", [], "shifted"),
            ("kept.json.gz", [], "reports"),
            ("other.json", [], "reports"),
            ("shifted", ["--into", "out/deep"], "out/deep"),
        ],
    )
    def test_pages_lie_beside_the_new_report_or_where_they_are_wanted(self, stored, after, into, expected, capsys):
        (stored / "kept.json.gz").write_bytes(baseline.pack(SHIFTED))
        (stored / "other.json").write_text(json.dumps(SHIFTED.to_json()))
        assert main(["compare", "base", after, *into]) == Exit.SAME
        assert sorted(str(path.relative_to(stored)) for path in stored.rglob("compare.*")) == [
            f"{expected}/compare.html",
            f"{expected}/compare.md",
        ]
        assert f"{expected}/compare.md, {expected}/compare.html" in capsys.readouterr().out

    def test_claims_of_the_same_bits_are_listed_if_asked_for(self, stored, capsys):
        assert main(["compare", "base", "base"]) == Exit.SAME
        assert "paper/size" not in capsys.readouterr().out
        assert main(["compare", "base", "base", "--every"]) == Exit.SAME
        assert "paper/size" in capsys.readouterr().out

    @pytest.mark.parametrize("damaged", ["base", "shifted"])
    def test_damaged_evidence_of_either_side_is_said(self, stored, damaged, capsys):
        put(stored / damaged, with_arrays())
        (stored / damaged / json_file.read(stored / damaged).values.file).write_bytes(b"x")
        main(["compare", "base", "shifted"])
        lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("warning: ")]
        assert len(lines) == 1
        assert lines[0].startswith("warning: " + {"base": "baseline: ", "shifted": "new report: "}[damaged])

    def test_auto_takes_the_tracked_baseline_of_the_folder_before_those_that_are_shipped(self, stored):
        assert main(["baseline", "shifted", "--accept"]) == Exit.SAME
        assert main(["compare", "auto", "shifted", "--strict"]) == Exit.SAME
        assert main(["compare", "auto", "base", "--strict"]) == Exit.MOVED
        (stored / OWN).unlink()
        assert main(["compare", "auto", "base"]) == Exit.USAGE
        (stored / "fixtures/baselines").rmdir()
        assert main(["compare", "auto", "base"]) == Exit.INCOMPARABLE  # the shipped ones have no claim of it


class TestRejudge:
    def _again(self, *arguments, values_alone=True):
        return main(["rejudge", *(str(argument) for argument in arguments), *["--values-alone"] * values_alone])

    def _open(self, **changes):
        return dataclasses.replace(OPEN, seeds_to_decide=NEEDED, passed=False, **changes)

    def test_the_number_of_seeds_that_would_decide_is_held_against_the_values(self, stored, capsys):
        assert OPEN.verdict == "INCONCLUSIVE"
        assert NEEDED > 3
        for seeds, code in ((NEEDED, Exit.SAME), (NEEDED + 1, Exit.MOVED), (None, Exit.MOVED)):
            put(stored / "open", report(dataclasses.replace(self._open(), seeds_to_decide=seeds)))
            assert self._again("open") == code
            assert (f"paper/size: seeds to decide recorded as {seeds}, now {NEEDED}\n" in capsys.readouterr().out) is (code != 0)
        put(stored / "decided", report(dataclasses.replace(SIZE, seeds_to_decide=4)))
        assert self._again("decided") == Exit.MOVED

    @pytest.mark.parametrize("interval", [[0.9, 1.1], None])
    def test_an_interval_that_the_values_do_not_give_is_shown(self, stored, interval, capsys):
        measured = dataclasses.replace(SIZE.measurements[0], interval=interval)
        put(stored / "other", report(dataclasses.replace(SIZE, measurements=[measured])))
        assert self._again("other") == Exit.MOVED
        low, high = SIZE.measurements[0].interval
        assert f"paper/size: interval recorded as {interval}, now [{low}, {high}]" in capsys.readouterr().out

    def test_values_without_an_interval_have_none(self, stored):
        put(stored / "equal", report(judged([1.0, 1.0, 1.0], seeds_to_decide=8)))
        assert self._again("equal") == Exit.SAME

    def test_verdicts_that_moved_are_named_and_come_before_all_else(self, stored, capsys):
        """Of three claims one has another verdict, one another interval; and the values are not those that were measured."""
        moved = dataclasses.replace(SIZE.measurements[0], interval=[0.95, 1.05])
        claims = [
            dataclasses.replace(SIZE, id="paper/a", verdict="REFUTED"),
            dataclasses.replace(SIZE, id="paper/b", measurements=[moved]),
            dataclasses.replace(SIZE, id="paper/c"),
        ]
        put(stored / "three", report(*claims))
        edit(stored / "three", lambda data: data["claims"][2]["controls"][0].update(value=2.5))
        assert self._again("three") == Exit.VERDICT
        out = capsys.readouterr().out
        assert "paper/a: recorded as REFUTED, judged SUPPORTED now" in out
        assert "3 claims judged again, 1 verdicts moved, 1 intervals are of other bits" in out
        assert "paper/c: its values are not those that were measured" in out

    def test_values_that_cannot_be_judged_have_no_verdict_now(self, stored, capsys):
        """Other claims are judged all the same."""
        two = dataclasses.replace(SIZE.measurements[0], values=[1.0, 1.0], runs=[["digits[0]"], ["digits[1]"]])
        broken = dataclasses.replace(SIZE, id="paper/two", measurements=[two])
        put(stored / "both", report(broken, SIZE))
        assert self._again("both") == Exit.VERDICT
        out = capsys.readouterr().out
        assert "paper/two: recorded as SUPPORTED, judged NOT_RUN now" in out
        assert "paper/two: 2 seed(s) give no spread" in out

    def test_what_was_not_judged_stays_so(self, stored):
        skipped = dataclasses.replace(SIZE, id="paper/b", verdict="NOT_RUN", measurements=[], controls=[], passed=False)
        put(stored / "both", report(SIZE, skipped))
        assert self._again("both") == Exit.SAME

    def test_a_report_of_a_script_has_no_declared_claims(self, stored, capsys):
        put(stored / "called", report(dataclasses.replace(SIZE, node=SIZE.id)))
        assert self._again("called", values_alone=False) == Exit.USAGE
        assert "--values-alone" in capsys.readouterr().err
        assert self._again("called") == Exit.SAME

    def test_claims_regions_and_ensembles_are_those_of_the_given_folders(self, stored, capsys):
        put(stored / "wider", report(dataclasses.replace(SIZE, rule=RuleRecord([0.8, 1.2], "wider"))))
        assert self._again("wider", values_alone=False) == Exit.UNREADABLE
        assert "2 line(s) of the report are not as measured or declared; first: paper/" in capsys.readouterr().err
        assert self._again("base", values_alone=False) == Exit.SAME
        assert self._again("base/report.json", values_alone=False) == Exit.SAME

    def test_some_evidence_that_is_gone_excuses_none_that_was_changed(self, stored, capsys):
        put(stored / "base", with_arrays())
        values, arrays = json_file.read(stored / "base").values.file, "evidence/paper.size.npz"
        (stored / "base" / arrays).unlink()
        assert self._again("base") == Exit.SAME
        assert self._again("base/report.json") == Exit.SAME
        assert capsys.readouterr().out.count("1 evidence files are not here") == 2
        (stored / "base" / values).write_bytes(b"x")
        assert self._again("base") == Exit.UNREADABLE
        assert "2 evidence file(s) refused" in capsys.readouterr().err
        (stored / "base" / values).unlink()
        assert self._again("base/report.json") == Exit.SAME
        assert "2 evidence files are not here" in capsys.readouterr().out
        assert self._again("base", values_alone=False) == Exit.UNREADABLE

    def test_values_alone_are_held_against_what_was_measured(self, stored):
        edit(stored / "base", lambda data: data["claims"][0]["controls"][0].update(value=2.5))
        assert self._again("base") == Exit.UNREADABLE


class TestBaseline:
    @pytest.mark.parametrize(
        ("name", "code"), [("base", Exit.SAME), ("shifted", Exit.MOVED), ("refuted", Exit.VERDICT), ("fewer", Exit.PARTLY)]
    )
    def test_the_code_is_that_of_a_strict_comparison_until_it_is_accepted(self, stored, name, code, capsys):
        other = judged([0.99, 1.0, 1.01], "paper/other")
        put(stored / "both", report(SIZE, other))
        put(stored / "fewer", BASE)
        first = "both" if name == "fewer" else "base"
        assert main(["baseline", first, "--accept"]) == Exit.SAME
        before = (stored / OWN).read_bytes()
        assert "there is no baseline of this platform" in capsys.readouterr().out
        assert main(["baseline", name]) == code
        assert (stored / OWN).read_bytes() == before
        assert f"({len(baseline.pack(json_file.read(stored / name)))} bytes)" in capsys.readouterr().out
        assert main(["baseline", name, "--accept"]) == Exit.SAME
        assert (stored / OWN).read_bytes() == baseline.pack(json_file.read(stored / name))

    def test_it_replaces_a_baseline_of_experiments_that_are_others_now(self, stored, capsys):
        put(stored / "redefined", report(steps=stages(experiment="another")))
        assert main(["baseline", "base", "--accept"]) == Exit.SAME
        assert main(["baseline", "redefined"]) == Exit.INCOMPARABLE
        assert "digits is another experiment now" in capsys.readouterr().out
        assert main(["baseline", "redefined", "--accept"]) == Exit.SAME
        assert main(["compare", "auto", "redefined", "--strict"]) == Exit.SAME

    @pytest.mark.parametrize(
        ("tracked", "new", "code"),
        [(False, False, Exit.SAME), (True, False, Exit.SAME), (True, True, Exit.SAME), (False, True, Exit.USAGE)],
    )
    def test_only_a_part_does_not_replace_the_whole(self, stored, tracked, new, code):
        for name, partial in (("first", tracked), ("second", new)):
            put(stored / name, report(partial=partial))
        assert main(["baseline", "first", "--part", "--accept", "--into", "kept/here"]) == Exit.SAME
        assert [path.name for path in (stored / "kept/here").iterdir()] == [OWN.rpartition("/")[2]]
        assert main(["baseline", "second", "--part", "--accept", "--into", "kept/here"]) == code


class TestHistory:
    def _store(self, stored):
        for name, middle, created in (("a", 1.0, "2024"), ("b", 1.05, "2025")):
            put(stored / name, report(judged([middle - 0.01, middle, middle + 0.01]), created=created))
        (stored / "past").mkdir()
        (stored / "past/c.json.gz").write_bytes(gzip.compress(b"no JSON"))

    @pytest.mark.parametrize(
        ("arguments", "page"),
        [
            (["a", "b"], "a"),
            (["b", "a"], "b"),
            (["b/report.json", "a"], "b"),
            (["a", "b", "--into", "new/folder"], "new/folder"),
        ],
    )
    def test_the_page_lies_in_the_first_folder_or_where_it_is_wanted(self, stored, arguments, page, capsys):
        self._store(stored)
        assert main(["history", *arguments]) == Exit.SAME
        assert [str(path.relative_to(stored)) for path in stored.rglob("history.html")] == [f"{page}/history.html"]
        out = capsys.readouterr().out
        assert f"{page}/history.html: 1 claims in 2 reports" in out
        assert "eroding" in out

    def test_a_file_that_could_not_be_read_is_named_by_page_line_and_code(self, stored, capsys):
        self._store(stored)
        assert main(["history", "a", "b", "past"]) == Exit.UNREADABLE
        assert "not read: past/c.json.gz" in capsys.readouterr().out
        assert "past/c.json.gz" in (stored / "a/history.html").read_text()

    def test_reports_without_a_judged_claim_are_incomparable(self, stored, capsys):
        self._store(stored)
        put(stored / "a", report(dataclasses.replace(SIZE, verdict="NOT_RUN", measurements=[], controls=[], passed=False)))
        assert main(["history", "a", "past"]) == Exit.INCOMPARABLE
        assert "no report holds a judged claim; past/c.json.gz" in capsys.readouterr().err

    def test_the_ranking_is_cut(self, stored, capsys):
        for name, middle, created in (("a", 1.0, "2024"), ("b", 1.05, "2025")):
            claims = [judged([middle - 0.01, middle, middle + 0.01], f"paper/{n}") for n in range(22)]
            put(stored / name, report(*claims, created=created))
        for arguments, count in ([], 20), (["--most", "3"], 3):
            assert main(["history", "a", "b", *arguments]) == Exit.SAME
            assert capsys.readouterr().out.count("eroding") == count
