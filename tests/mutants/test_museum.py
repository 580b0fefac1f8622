"""The museum: its list, entries that cannot run here, the rule for a catch, stored results, and its page."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.engine.canaries.running import CANARIES
from harness.report import json_file
from harness.suite.records import CanariesRecord, RedCanary, Report
from mutants.listing import BadEntry
from mutants.museum import __main__ as command
from mutants.museum import kept
from mutants.museum.entries import Entry, Harmless, Regression, read
from mutants.museum.judgement import Outcome, Status, judge
from mutants.museum.page import counts, page
from mutants.museum.run import OUTPUT, ROOT, Left, with_entry
from mutants.museum.surroundings import refused
from mutants.subprocesses import Ended

BASELINE = ROOT / "fixtures" / "baselines" / "smoke-float32-linux-x86_64-cpu.json.gz"
NEEDED = {"name": "n", "library": "numpy", "report": "numpy/numpy#1", "says": "wrong", "injection": "numpy_.logarithm_off"}
OVER, RED = Ended(0, "1 passed", ""), RedCanary("scans", "jaxlib", "0.10.2", "training", 3.0, 0, "wrong entries", "exact", "", "")


def regression(**fields: Any) -> Regression:
    return Regression(**{**NEEDED, "canaries": ("scans",), **fields})


@pytest.fixture(scope="module")
def reference() -> Report:
    return json_file.read(BASELINE)


def test_the_list_is_what_it_says() -> None:
    entries = read()
    regressions = [entry for entry in entries if isinstance(entry, Regression)]
    judged = {record.id for record in json_file.read(BASELINE).claims if record.judged}
    assert len({entry.report for entry in regressions}) >= 25
    assert len(entries) - len(regressions) >= 10
    assert 4 * sum(entry.quarter for entry in regressions) >= len(regressions)
    assert any(entry.quarter for entry in entries if isinstance(entry, Harmless))
    assert {name for entry in regressions for name in entry.canaries} <= {canary.name for canary in CANARIES}
    assert {claim for entry in entries for claim in entry.claims} <= judged


def test_every_injection_fits_the_libraries_that_are_installed() -> None:
    names = sorted({entry.injection for entry in read() if entry.injection})
    program = "import json, sys; from mutants.museum.injected import inject; [inject(name) for name in json.loads(sys.argv[1])]"
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(names)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def written(**fields: Any) -> str:
    return "\n".join(["[[regression]]", *(f"{key} = {json.dumps(value)}" for key, value in fields.items())])


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (written(**NEEDED, canaries=["scans"], colour="red"), "n has canaries, colour, injection,"),
        (written(**{**NEEDED, "report": "numpy#1"}, canaries=["scans"]), "report is 'numpy#1'; give owner/name#number"),
        (written(**NEEDED), "give the canaries that must be red, or the stages"),
        (written(**NEEDED, canaries=["scans"], stages=["loss"]), "give the canaries that must be red, or the stages"),
        (written(**NEEDED, canaries=["scans"], pins=["numpy==2.4.5"]), "give one of injection, environment, pins"),
        (
            written(**{**NEEDED, "injection": ""}, canaries=["scans"], pins=["numpy>2"]),
            "pin 'numpy>2'; give distribution==version",
        ),
        (written(**{**NEEDED, "injection": "log"}, canaries=["scans"]), "injection is 'log'; give module.function"),
        (written(**NEEDED, canaries="scans"), "canaries is 'scans'; give a list of texts"),
        ("[[fault]]\nname = 'n'", "write one [[regression]] or [[harmless]] an entry"),
        ("", "it has nothing; write one [[regression]] or [[harmless]] an entry"),
        ("regression =", "write one [[regression]] or [[harmless]] an entry"),
    ],
)
def test_an_entry_that_makes_no_sense_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str], text: str, says: str) -> None:
    path = tmp_path / "field.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(BadEntry, match=re.escape(says)) as caught:
        read(path)
    assert "\n" not in str(caught.value)
    assert command.main(["--list", str(path), "--show"]) == 2
    assert says in capsys.readouterr().err


FORCE = {"versions": {}, "blas": ["Haswell"], "numpy": []}


@pytest.mark.parametrize(
    ("entry", "ended", "says"),
    [
        (
            Harmless("h", environment={"XLA_FLAGS": "--xla_nonsense=1"}),
            Ended(1, "", "F1126 04:35:21 744 parse_flags_from_env.cc:234] Unknown flag in XLA_FLAGS: --xla_nonsense=1\n"),
            "XLA does not know this: Unknown flag in XLA_FLAGS: --xla_nonsense=1",
        ),
        (
            Harmless("h", environment={"XLA_FLAGS": "--xla_cpu_max_isa=NONSENSE"}),
            Ended(0, json.dumps(FORCE), "W1126 04:48:18 5327 cpu_features.cc:106] Unknown CPU ISA: NONSENSE\n"),
            "XLA does not know this: Unknown CPU ISA: NONSENSE",
        ),
        (
            Harmless("h", environment={"NPY_DISABLE_CPU_FEATURES": "X"}),
            Ended(0, json.dumps({**FORCE, "numpy": ["You cannot disable CPU features (X)"]}), ""),
            "NumPy refuses a feature: You cannot disable CPU features (X)",
        ),
        (
            Harmless("h", environment={"OPENBLAS_CORETYPE": "Nonsense"}),
            Ended(0, json.dumps(FORCE), ""),
            "OpenBLAS has no core Nonsense here, and took Haswell",
        ),
        (Harmless("h", environment={"OPENBLAS_CORETYPE": "HASWELL"}), Ended(0, json.dumps(FORCE), ""), ""),
        (
            Harmless("h", pins=("optax==0.2.7",)),
            Ended(0, json.dumps({**FORCE, "versions": {"optax": "0.2.8"}}), ""),
            "optax==0.2.7 is not the one that is imported: {'optax': '0.2.8'}",
        ),
        (Harmless("h", pins=("optax==0.2.7",)), Ended(0, json.dumps({**FORCE, "versions": {"optax": "0.2.7"}}), ""), ""),
        (
            Harmless("h", pins=("numpy==2.0.0",)),
            Ended(1, "", "Traceback\nImportError: no such ABI\n"),
            "the libraries cannot be imported with numpy==2.0.0: ImportError: no such ABI",
        ),
    ],
)
def test_what_cannot_be_had_is_named_in_one_line(entry: Entry, ended: Ended, says: str) -> None:
    assert refused(entry, ended) == says


def test_the_same_report_is_missed_and_quiet(reference: Report) -> None:
    same = Left(OVER, reference)
    assert judge(regression(), same, reference).status is Status.MISSED
    assert judge(Harmless("h", environment={"A": "1"}), same, reference) == Outcome("h", Status.QUIET, "", True)


def with_red(report: Report, *red: RedCanary) -> Report:
    return replace(report, canaries=CanariesRecord(3, 1.0, list(red)))


@pytest.mark.parametrize(
    ("red", "status", "rightly"),
    [
        ([RED], Status.CAUGHT, True),
        ([replace(RED, name="float64"), RED], Status.CAUGHT, False),
        ([replace(RED, known="jax-ml/jax#1: known")], Status.CAUGHT, True),
        ([replace(RED, name="float64", known="jax-ml/jax#1: known"), RED], Status.CAUGHT, True),
        ([replace(RED, name="float64", known="jax-ml/jax#1: known")], Status.MISSED, False),
    ],
)
def test_the_first_red_canary_is_what_is_named(
    reference: Report, red: Sequence[RedCanary], status: Status, rightly: bool
) -> None:
    outcome = judge(regression(), Left(OVER, with_red(reference, *red)), reference)
    assert (outcome.status, outcome.rightly) == (status, rightly)


def disturbed(report: Report, name: str, stage: str) -> Report:
    """The report with one stage of one run far from what it was."""

    def moved(record: dict[str, Any]) -> dict[str, Any]:
        far = [3 * value + 1 for value in record.get("values", [])]
        return {**record, "digest": "0" * 64, "values": far} if record["name"] == stage else record

    runs = [replace(run, stages=[moved(one) for one in run.stages]) if run.name == name else run for run in report.experiments]
    return replace(report, experiments=runs)


@pytest.mark.parametrize(
    ("stages", "rightly"), [(("singular values",), True), (("singular",), True), (("sing",), False), (("loss",), False)]
)
def test_the_first_stage_that_moved_is_what_is_named(reference: Report, stages: tuple[str, ...], rightly: bool) -> None:
    outcome = judge(
        regression(canaries=(), stages=stages), Left(OVER, disturbed(reference, "digits", "singular values")), reference
    )
    assert outcome.status is Status.CAUGHT
    assert outcome.named.startswith("digits[0]: singular values")
    assert outcome.rightly is rightly
    alarm = judge(Harmless("h", environment={"A": "1"}), Left(OVER, disturbed(reference, "digits", "loss")), reference)
    assert alarm.status is Status.ALARM
    assert not alarm.good


def test_a_process_that_dies_must_leave_a_report(reference: Report) -> None:
    entry = regression(canaries=(), stages=("spectrum",))
    reported = judge(entry, Left(Ended(-11, "", ""), None, {"running": ["digits[0]", "spectrum"]}), reference)
    assert (reported.status, reported.rightly, reported.unreported, reported.good) == (Status.CAUGHT, True, "", True)
    silent = judge(entry, Left(Ended(-11, "", "Segmentation fault"), None), reference)
    assert silent.status is Status.CAUGHT
    assert "exit code -11 and no report" in silent.unreported
    assert not silent.good


def test_an_injected_crash_is_caught_in_a_run_of_the_suite(tmp_path: Path, reference: Report) -> None:
    """The whole way: the plugin patches JAX, the suite runs, its process dies, its witness says where."""
    entry = regression(injection="xla.programs_that_die", canaries=(), stages=("one-pass",))
    outcome = judge(entry, with_entry(entry, tmp_path, tmp_path / "releases"), reference)
    assert (outcome.status, outcome.rightly, outcome.unreported) == (Status.CAUGHT, True, ""), outcome


def test_what_broke_is_named_by_what_it_says(reference: Report) -> None:
    broken = replace(
        reference, experiments=[replace(reference.experiments[0], failure="float64 is not float64"), *reference.experiments[1:]]
    )
    outcome = judge(regression(canaries=(), stages=("float64",)), Left(Ended(1, "", ""), broken), reference)
    assert (outcome.status, outcome.rightly) == (Status.CAUGHT, True)


def test_runs_are_kept_by_what_decides_them(tmp_path: Path, reference: Report) -> None:
    entry = regression()
    key = kept.key(entry, "code", ROOT)
    assert key == kept.key(replace(entry, says="other words", canaries=("float64",), quarter=True), "code", ROOT)
    others = [
        replace(entry, claims=("a",)),
        replace(entry, injection="numpy_.subnormals_flushed"),
        replace(entry, canaries=(), stages=("loss",)),
    ]
    assert len({key, kept.key(entry, "other code", ROOT), *(kept.key(other, "code", ROOT) for other in others)}) == 5
    assert kept.load(tmp_path, key) is None
    (tmp_path / OUTPUT).write_text("1 failed", encoding="utf-8")
    kept.save(tmp_path, key, Left(Ended(1, "1 failed", ""), None, {}, 2.0))
    assert kept.load(tmp_path, key) == Left(Ended(1, "1 failed", ""), None, {}, 2.0)
    assert kept.load(tmp_path, "another") is None
    kept.save(tmp_path, key, "no such release")
    assert kept.load(tmp_path, key) == "no such release"
    (tmp_path / kept.NAME).write_text("{", encoding="utf-8")
    assert kept.load(tmp_path, key) is None


def test_the_page_counts_what_was_run() -> None:
    entries = [regression(name=name) for name in ("a", "b", "c", "d")] + [Harmless("e", environment={"A": "1"})]
    outcomes = [
        Outcome("a", Status.CAUGHT, "canary scans", True),
        Outcome("b", Status.CAUGHT, "x[0]: loss", False),
        Outcome("c", Status.NOT_RUN, "no such release"),
        Outcome("e", Status.ALARM, "x[0]: loss"),
    ]
    written = page(entries, outcomes, "numpy 2")
    # Clopper-Pearson of 2 of 2, 1 of 2 and 1 of 1 at 95 %: 0.025^(1/2), 1 - 0.975^(1/2) and 0.025
    assert "| regressions caught | 2 of 2 | 0.16 to 1.00 |" in written
    assert "| named rightly, of those caught | 1 of 2 | 0.01 to 0.99 |" in written
    assert "| false alarms, of harmless changes | 1 of 1 | 0.03 to 1.00 |" in written
    assert "- **b**: caught: x\\[0]: loss, which is not what is wrong" in written
    assert "## Not judged yet\n\n- d\n" in written
    assert len(counts([])) == 4


@pytest.mark.parametrize(
    ("status", "rightly", "known", "complains"),
    [
        (Status.CAUGHT, True, "", False),
        (Status.CAUGHT, False, "", True),
        (Status.MISSED, False, "", True),
        (Status.MISSED, False, "nothing rests on it", False),
        (Status.CAUGHT, True, "nothing rests on it", True),
        (Status.NOT_RUN, False, "", False),
        (Status.NOT_RUN, False, "nothing rests on it", False),
    ],
)
def test_known_misses_are_passed_until_they_are_caught(status: Status, rightly: bool, known: str, complains: bool) -> None:
    assert bool(command.complain(regression(known=known), Outcome("n", status, "", rightly))) is complains
