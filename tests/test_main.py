"""``python -m harness``, on planted claims."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import harness
from harness.__main__ import main
from harness.compare import Exit
from harness.report import canaries, json_file
from harness.report import text as texts
from harness.suite.claim import REGISTRY
from harness.suite.records import CanariesRecord, RedCanary
from harness.suite.verdict import mean_interval
from tests.report.test_html import HELD, REFUTED, REPORT

CLAIMS = """
from harness.suite.claim import Control, claim
from harness.suite.verdict import at_most

def declare(id, **more):
    return claim(id, where="Section 2", says="it is small", reading="size", accept=at_most(1, reason="one"),
                 controls=[Control("doubled", lambda run: run)], **more)

@declare("paper/size[strict]", unit="ells", on="digits", quotes="it is quite small", calibrated=True)
@declare("paper/size[lenient]", scales=["smoke", "paper"], derived=True)
def test_size(run):
    return 1
"""
DEVIATIONS = '[[deviation]]\nid = "paper/size[strict]"\nscale = "paper"\nverdict = "REFUTED"\nreason = "it is large"\n'
LEDGER = '[[entry]]\nid = "paper/sound"\nwhere = "Section 3"\nsays = "it hums"\nreason = "nobody can hear it"\n'


@pytest.fixture(autouse=True)
def _project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "claims").mkdir()
    for name, text in {"test_size.py": CLAIMS, "deviations.toml": DEVIATIONS, "ledger.toml": LEDGER}.items():
        (tmp_path / "claims" / name).write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    before = dict(REGISTRY)
    REGISTRY.clear()
    yield
    REGISTRY.clear()
    REGISTRY.update(before)
    sys.modules.pop("claims.test_size", None)


def test_a_python_without_the_dependencies_gets_one_line():
    """-S leaves out site-packages."""
    root = str(Path(harness.__file__).resolve().parents[1])
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")} | {"PYTHONPATH": root}
    called = [sys.executable, "-S", "-m", "harness", "--help"]
    done = subprocess.run(called, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == Exit.USAGE
    assert done.stderr.startswith("error: `python -m harness` needs numpy, which this Python does not have: `. .nox/claims/bin")
    assert done.stderr.count("\n") == 1


def test_list_shows_every_claim_and_what_is_not_judged(capsys):
    assert main(["list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:4] == ["claim", "scales", "expected", "what"]
    assert lines[1] == "paper/"
    assert {tuple(line.split()) for line in lines[2:4]} == {
        ("size[strict]", "paper", "REFUTED", "it", "is", "small", "[calibrated]", '"it', "is", "quite", 'small"'),
        ("size[lenient]", "smoke,paper", "SUPPORTED", "it", "is", "small", "[derived]"),
    }
    assert lines[-1] == "not judged: paper/sound (Section 3): nobody can hear it"


def test_show_tells_everything_about_a_claim(capsys):
    assert main(["show", "paper/size[strict]"]) == 0
    shown = capsys.readouterr().out
    for line in (
        'quotes    "it is quite small"',
        "says      it is small",
        "accepts   <= 1 ells: one",
        "mark      calibrated: what is accepted was chosen so that the paper's number comes out",
        "measured  over seeds, on digits",
        "control   doubled: must come out REFUTED",
        "expected  paper: REFUTED, it is large",
        "alone     pytest 'claims/test_size.py::test_size[strict]'",
    ):
        assert line in shown.splitlines()


def test_the_command_of_show_is_one_line(capsys, monkeypatch, tmp_path):
    """Of a paper in its checkout it is nox, as on the report's card, however long the id is."""
    long = "a-rather-long-name-of-a-reading-" * 4
    Path("claims/test_size.py").write_text(CLAIMS.replace("lenient", long), encoding="utf-8")
    assert main(["show", f"paper/size[{long}]"]) == 0
    assert f"alone     pytest 'claims/test_size.py::test_size[{long}]'" in capsys.readouterr().out.splitlines()
    (tmp_path / "pyproject.toml").touch()
    monkeypatch.setattr(texts, "home", lambda: tmp_path / "claims")
    assert main(["show", f"paper/size[{long}]"]) == 0
    assert f"alone     nox -s claims -- --claims-id 'paper/size[{long}]'" in capsys.readouterr().out.splitlines()


def test_show_ends_with_the_last_result(capsys, tmp_path):
    record = dataclasses.replace(REFUTED, id="paper/size[strict]")
    older = dataclasses.replace(REPORT, claims=[dataclasses.replace(HELD, id=record.id)], created="2024-01-01T00:00:00Z")
    for name, found in (("latest", older), ("partial", dataclasses.replace(REPORT, claims=[record]))):
        (tmp_path / name).mkdir()
        json_file.write(found, tmp_path / name)
    assert main(["show", record.id, "--reports", str(tmp_path)]) == 0
    shown = capsys.readouterr().out.splitlines()
    last = shown[[line.startswith("last ") for line in shown].index(True) :]
    assert last[0].startswith("last      2025-01-02T03:04:05Z, scale paper,")
    assert last[0].endswith("partial/report.html#paper.size.strict") or last[1].strip().endswith("#paper.size.strict")
    assert "verdict   REFUTED" in last
    assert "failed    the control is blind" in last


def test_show_without_a_reading_tells_of_all(capsys):
    assert main(["show", "paper/size"]) == 0
    shown = capsys.readouterr().out
    assert "alone     pytest 'claims/test_size.py::test_size[lenient]'\n\nclaim     paper/size[strict]" in shown


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["show", "paper/siz"], "unknown claim id 'paper/siz'; did you mean paper/size"),
        (["show", "nonsense"], "unknown claim id 'nonsense'; `python -m harness list` shows all (in the folder claims/)"),
        (["--claims", "nowhere", "list"], "nowhere is not a folder: run this where the claims are, or give --claims DIR"),
    ],
)
def test_input_that_makes_no_sense_is_one_line_and_exit_code_two(capsys, arguments, says):
    assert main(arguments) == Exit.USAGE
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("command", ["rejudge", "ensemble", "report", "baseline"])
def test_a_report_that_is_not_there_is_one_line_and_a_code_of_its_own(capsys, command):
    assert main([command, "nowhere"]) == Exit.UNREADABLE
    told = capsys.readouterr().err
    assert "nowhere is not a report" in told
    assert told.count("\n") == 1


def test_a_ledger_entry_with_a_field_missing_is_refused(capsys):
    Path("claims/ledger.toml").write_text('[[entry]]\nid = "paper/sound"\n', encoding="utf-8")
    assert main(["list"]) == 2
    assert "each [[entry]] has id, where, says, reason" in capsys.readouterr().err


@pytest.fixture
def report() -> dict[str, object]:
    """A stored report whose one claim was measured on nine seeds."""
    values = [0.9 + n / 1000 for n in range(9)]
    interval = mean_interval(values)
    measurement = {
        "name": "size",
        "unit": "",
        "counted": "",
        "runs": [[f"digits[{n}]"] for n in range(9)],
        "trials": None,
        "values": values,
        "interval": [interval.low, interval.high],
        "method": interval.method,
    }
    claim = {
        "id": "paper/size[strict]",
        "paper": "paper",
        "where": "",
        "says": "",
        "reading": "",
        "over": "seeds",
        "unit": "",
        "published": None,
        "node": "",
        "rule": {"accept": [None, 1.0], "reason": "one"},
        "expected": "SUPPORTED",
        "expected_reason": None,
        "verdict": "SUPPORTED",
        "declared": False,
        "passed": True,
        "message": "",
        "ensemble": None,
        "seeds_to_decide": None,
        "measurements": [measurement],
        "controls": [],
        "experiments": {"digits": "0" * 64},
        "evidence": None,
        "seconds": 1.0,
    }
    return {
        "schema_version": 1,
        "complete": True,
        "partial": False,
        "scale": "paper",
        "seeds": 9,
        "precision": "float32",
        "created": "2025-01-02T03:04:05Z",
        "seconds": 1.0,
        "peak_memory": None,
        "environment": {"python": "3.11"},
        "experiments": [],
        "claims": [claim],
        "ledger": [],
    }


def test_judge_tells_whether_a_verdict_moved(report, capsys):
    Path("report.json").write_text(json.dumps(report), encoding="utf-8")
    assert main(["rejudge", "report.json", "--values-alone"]) == 0
    report["claims"][0]["rule"]["accept"] = [None, 0.5]
    Path("report.json").write_text(json.dumps(report), encoding="utf-8")
    assert main(["rejudge", "report.json", "--values-alone"]) == 1
    assert "paper/size[strict]: recorded as SUPPORTED, judged REFUTED now" in capsys.readouterr().out


def test_an_ensemble_holds_values_fingerprints_and_provenance(report):
    Path("report.json").write_text(json.dumps(report), encoding="utf-8")
    assert main(["ensemble", "report.json", "--accept"]) == 0
    made = json.loads(Path("fixtures/ensembles/paper-float32.json").read_text(encoding="utf-8"))
    assert made["runs"] == {"2025-01-02T03:04:05Z": {"seeds": 9, "first seed": 0, "python": "3.11"}}
    assert made["claims"]["paper/size[strict]"]["fingerprint"] == {"digits": "0" * 64}
    assert made["claims"]["paper/size[strict]"]["created"] == ["2025-01-02T03:04:05Z"]
    assert len(made["claims"]["paper/size[strict]"]["values"]) == 9


def test_expected_and_power_end_with_what_has_no_ensemble(report, capsys):
    """Of the two claims one gets an ensemble; its experiment is of another version than any that is known."""
    Path("claims/test_size.py").write_text(CLAIMS.replace('on="digits", ', ""), encoding="utf-8")
    Path("noxfile.py").touch()
    Path("report.json").write_text(json.dumps(report), encoding="utf-8")
    assert main(["ensemble", "report.json", "--accept"]) == 0
    capsys.readouterr()
    last = "paper, float32: 0 claims have an outdated ensemble and 1 none; `nox -s ensembles -- paper` measures them"
    assert main(["expected"]) == 1
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "paper: paper/size[strict]: a claim expected REFUTED needs a control expected SUPPORTED and has none"
    assert said[-1] == last
    assert main(["power"]) == 0
    shown = capsys.readouterr().out.splitlines()
    assert [part.strip() for part in shown[0].split("  ") if part] == [
        *("claim", "shift seen 4 times in 5", "shift that turns the verdict", "one standard deviation")
    ]
    assert shown[1].split()[0] == "paper/size[strict]"
    assert shown[-1] == last


def test_confirming_writes_the_claims_that_are_left(report, capsys):
    Path("report.json").write_text(json.dumps(report), encoding="utf-8")
    assert main(["ensemble", "report.json", "--confirm", "--left", "left.txt"]) == 0
    assert Path("left.txt").read_text(encoding="utf-8") == "paper/size[strict]\n"
    assert main(["ensemble", "report.json", "--accept"]) == 0
    assert main(["ensemble", "report.json", "--confirm", "--left", "left.txt"]) == 0
    assert Path("left.txt").read_text(encoding="utf-8") == ""


def test_an_ensemble_keeps_what_another_report_measured(report, capsys):
    made = {}
    for id, created in (("paper/size[strict]", "2025"), ("paper/weight", "2026"), ("paper/size[strict]", "2027")):
        report["partial"] = True
        report["claims"][0]["id"], report["created"] = id, f"{created}-01-02T03:04:05Z"
        Path("report.json").write_text(json.dumps(report), encoding="utf-8")
        assert main(["ensemble", "report.json", "--accept"]) == 0
        made = json.loads(Path("fixtures/ensembles/paper-float32.json").read_text(encoding="utf-8"))
    years = {id: entry["created"][0][:4] for id, entry in made["claims"].items()}
    assert years == {"paper/size[strict]": "2027", "paper/weight": "2026"}
    assert sorted(created[:4] for created in made["runs"]) == ["2026", "2027"]
    assert "2 claims, 1 of them from this report" in capsys.readouterr().out.splitlines()[-1]


def test_an_ensemble_is_shown_before_it_is_written(report, capsys):
    """What comes, what goes, and what turns; nothing is written without --accept."""
    made = Path("fixtures/ensembles/paper-float32.json")

    def ensemble(*options: str) -> str:
        Path("report.json").write_text(json.dumps(report), encoding="utf-8")
        assert main(["ensemble", "report.json", *options]) == 0
        return capsys.readouterr().out

    assert "paper/size[strict]: new, SUPPORTED from 9 values" in ensemble()
    assert not made.exists()
    ensemble("--accept")
    assert ensemble().splitlines() == [f"{made}: 1 claims, 1 of them from this report; nothing was written: --accept writes it"]
    values = report["claims"][0]["measurements"][0]["values"]
    report["created"], report["claims"][0]["measurements"][0]["values"] = "2026-01-02T03:04:05Z", [value + 5 for value in values]
    shown = ensemble()
    assert "paper/size[strict]: SUPPORTED before, REFUTED now" in shown
    assert "standard deviations)" in shown or "from one constant to another" in shown
    report["claims"][0]["id"] = "paper/weight"
    assert "paper/size[strict]: gone, no claim has this id" in ensemble()


def test_an_ensemble_is_extended_by_a_report_of_other_seeds(report, capsys):
    Path("report.json").write_text(json.dumps(report), encoding="utf-8")
    assert main(["ensemble", "report.json", "--accept"]) == 0
    report["claims"][0]["measurements"][0]["runs"] = [[f"digits[{seed}]"] for seed in range(9, 18)]
    report["created"], report["first_seed"] = "2026-01-02T03:04:05Z", 9
    Path("report.json").write_text(json.dumps(report), encoding="utf-8")
    assert main(["ensemble", "report.json", "--extend", "--accept"]) == 0
    made = json.loads(Path("fixtures/ensembles/paper-float32.json").read_text(encoding="utf-8"))
    assert len(made["claims"]["paper/size[strict]"]["values"]) == 18
    assert {run["first seed"] for run in made["runs"].values()} == {0, 9}
    assert "1 claims, 1 with seeds of this report" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("change", "says"),
    [({"complete": False}, "the report is incomplete"), ({"claims": []}, "no claim was measured on 8 seeds")],
)
def test_an_ensemble_is_not_made_from_too_little(report, capsys, change, says):
    Path("report.json").write_text(json.dumps({**report, **change}), encoding="utf-8")
    assert main(["ensemble", "report.json"]) == 2
    assert says in capsys.readouterr().err


def test_listed_canaries_are_named_under_one_heading():
    listed = [RedCanary(name, "jaxlib", "0.0", "", None, 0, "", "", known=f"{name}#1: why") for name in ("sums", "products")]
    said = "3 green in 1.5 s; listed red: sums (jaxlib 0.0, sums#1), products (jaxlib 0.0, products#1)"
    assert canaries.said(CanariesRecord(3, 1.5, listed)) == f"{said}; nothing to do: these 2 are known"
    new = RedCanary("new", "jaxlib", "0.0", "", None, 0, "", "")
    assert canaries.said(CanariesRecord(3, 1.5, [*listed, new])) == f"{said}; RED: new (jaxlib 0.0)"


@pytest.mark.parametrize(("known", "code"), [("", Exit.VERDICT), ("jax-ml/jax#1: listed", Exit.SAME)])
def test_canaries_end_with_one_if_a_library_is_wrong(known, code, monkeypatch, capsys):
    red = RedCanary("sums", "jaxlib", "0.0", "losses", None, 0, "rows", "whole numbers", known=known)
    found = CanariesRecord(3, 1.5, [red])
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setattr(canaries, "collect", lambda: found)
    assert main(["canaries"]) == code
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("canary 'sums' of jaxlib 0.0")
    assert lines[1].startswith("canaries: 3 green in 1.5 s; ")
    assert main(["canaries", "--json"]) == code
    assert CanariesRecord.from_json(json.loads(capsys.readouterr().out)) == found
