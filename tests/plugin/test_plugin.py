"""The plugin, on small projects with planted claims and a lab that computes nothing."""

import itertools
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from harness.report import canaries, json_file
from harness.runs import provenance
from harness.suite import code
from harness.suite.claim import REGISTRY
from harness.suite.records import CanariesRecord, ClaimRecord, RedCanary, Report

pytest_plugins = ("pytester",)

LAB = """
import dataclasses, hashlib, json, os
import numpy as np
from types import SimpleNamespace

ENVIRONMENT = {name: os.environ.get(name, "") for name in ("XLA_FLAGS", "JAX_ENABLE_X64")}

@dataclasses.dataclass(frozen=True)
class Experiment:
    name: str
    seed: int
    fixed_seed: bool = False
    def fingerprint(self):
        return hashlib.sha256(json.dumps(dataclasses.asdict(self)).encode()).hexdigest()

class Run:
    missing = ""
    def __init__(self, experiment, lab):
        self.experiment, self.lab, self.label = experiment, lab, f"{experiment.name}, seed {experiment.seed}"
        self.seconds, self.stages = {"train": 0.5}, [{"name": "init", "digest": "00", "loss": np.float32("nan")}]
    def prepare(self):
        if self.experiment.name == "diverges":
            raise ArithmeticError("loss is nan at step 7")
        if self.experiment.name == "stopped":
            raise KeyboardInterrupt
        with self.lab.progress.stage(f"{self.label}: training", 2) as stage:
            stage.advance(2)
    def stage_records(self):
        return []
    @property
    def x(self):
        return 1 + 0.01 * ((7 * self.experiment.seed) % 5 - 2)

class Lab:
    def __init__(self, settings, progress):
        self.settings, self.progress, self.all = settings, progress, {}
    def run(self, name, seed):
        return self.all.setdefault((name, seed), Run(Experiment(name, seed, name == "fixed"), self))
    def runs(self, name, seeds=None):
        if name == "nowhere":
            raise ValueError("no such experiment")
        once, first = name == "fixed" and not self.settings.ensemble, self.settings.first_seed
        return [self.run(name, 0)] if once else [self.run(name, first + more) for more in range(seeds or self.settings.seeds)]
    def opened(self):
        return list(self.all.values())

def pytest_claims_lab(config, settings, progress):
    return Lab(settings, progress)
"""

PREAMBLE = """
import functools, json, time
import numpy as np
from pathlib import Path
from types import SimpleNamespace as World
from harness.suite.claim import Control, claim
from harness.errors import EmptyOutcome, NotRun
from harness.measure.measurement import Measurement
from harness.suite.verdict import Verdict, at_least, at_most, within

doubled = Control("everything doubled", lambda run: World(x=2 * run.x))
same = Control("the same world", lambda run: run, expect=Verdict.SUPPORTED)
near_one = within(0.9, 1.1, reason="planted")
declare = functools.partial(
    claim, where="Section 1", says="x is about one", reading="x; supported within 10 %", accept=near_one, controls=[doubled],
    on="steady",
)
"""

TRUE_CLAIM = """
@declare("planted/truth")
def test_truth(x):
    return Measurement(x, unit="ells", details={"half": x / 2}, arrays={"curve": np.arange(3.0)})
"""
FALSE_CLAIM = """
far = within(2, 3, reason="planted")
undoubled = Control("the same world", lambda run: run)
far_world = Control("far", lambda run: World(x=2.5), expect=Verdict.SUPPORTED)
@declare("planted/falsehood", accept=far, controls=[undoubled, far_world])
def test_falsehood(x):
    return x
"""
OPEN_CLAIM = """
@declare("planted/open", accept=within(0.9, 1.005, reason="planted"))
def test_open(x):
    return x
"""


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Planted claims stay out of the registry, this process keeps its environment, and lines are as wide on every machine."""
    monkeypatch.setenv("XLA_FLAGS", "")
    monkeypatch.setenv("COLUMNS", "120")
    before = dict(REGISTRY)
    REGISTRY.clear()
    for module in (provenance, code):  # planted modules have one name and many texts
        for cached in (value for value in vars(module).values() if hasattr(value, "cache_clear")):
            cached.cache_clear()
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


Project = Callable[..., None]
Judge = Callable[..., pytest.RunResult]


@pytest.fixture
def project(pytester: pytest.Pytester) -> Project:
    """Writes a project whose claims are the given texts; further files by path."""

    def write(*claims: str, files: dict[str, str] | None = None, ini: str = "") -> None:
        asked = "" if "claims_paths" in ini else "claims_paths = claims\n"
        asked += "" if "claims_canaries" in ini else "claims_canaries = off\n"
        pytester.makeini(f"[pytest]\naddopts = --strict-markers --import-mode=importlib\n{asked}{ini}")
        pytester.makeconftest(LAB)
        for path, text in {"claims/test_planted.py": PREAMBLE + "".join(claims), **(files or {})}.items():
            (pytester.path / path).parent.mkdir(parents=True, exist_ok=True)
            (pytester.path / path).write_text(text, encoding="utf-8")

    return write


@pytest.fixture
def judge(pytester: pytest.Pytester) -> Judge:
    """Runs pytest in the project, inside this process."""
    return lambda *arguments: pytester.runpytest_inprocess("--claims-store", str(pytester.path / "store"), *arguments)


def report(pytester: pytest.Pytester, folder: str = "latest") -> Report:
    return json_file.read(pytester.path / "reports" / folder)


def record(pytester: pytest.Pytester, id: str, folder: str = "latest") -> ClaimRecord:
    return next(claim for claim in report(pytester, folder).claims if claim.id == id)


def deviation(id: str, verdict: str, scale: str = "paper") -> str:
    return f'[[deviation]]\nid = "{id}"\nscale = "{scale}"\nverdict = "{verdict}"\nreason = "measured otherwise"\n'


class TestVerdicts:
    def test_a_supported_claim_passes_and_the_report_holds_what_was_measured(self, project, judge, pytester):
        project(TRUE_CLAIM)
        result = judge()
        assert result.ret == 0
        assert "claims-progress" not in {thread.name for thread in threading.enumerate()}
        claim = record(pytester, "planted/truth")
        measured, half = claim.measurements
        assert (claim.verdict, claim.expected, claim.passed) == ("SUPPORTED", "SUPPORTED", True)
        assert (measured.values, measured.unit) == ([0.98, 1.0, 1.02], "ells")
        assert measured.runs == [["steady[0]"], ["steady[1]"], ["steady[2]"]]
        assert (half.name, half.values, half.interval) == ("half", [0.49, 0.5, 0.51], None)
        assert [(c.name, c.verdict, c.values) for c in claim.controls] == [("everything doubled", "REFUTED", [1.96, 2.0, 2.04])]
        assert [(run.name, run.seed, run.seconds["train"]) for run in report(pytester).experiments] == [
            ("steady", 0, 0.5),
            ("steady", 1, 0.5),
            ("steady", 2, 0.5),
        ]
        assert report(pytester).experiments[0].stages == [{"name": "init", "digest": "00", "loss": None}]
        assert report(pytester).complete
        assert not report(pytester).partial

    def test_the_terminal_shows_header_a_line_a_claim_counts_and_the_reports_path_last(self, project, judge):
        project(TRUE_CLAIM, FALSE_CLAIM)
        result = judge()
        result.stdout.fnmatch_lines(
            [
                "claims: 2 of 2, paper scale, 3 seed(s), float32, * device(s)",
                "store: */store",
                "claims/test_planted.py ✓F*",
                "planted/",
                "* ✓ SUPPORTED  truth * [[]0.9503, 1.05]  in [[]0.9, 1.1]",
                "FAILED ✗ REFUTED * falsehood * in [[]2, 3]",
                "planted: 1 of 2 sentences hold in every reading, 0 in some, 1 in none",
                "2 of 2 claims judged: 1 SUPPORTED, 1 REFUTED; 0 deviate as listed, 1 failed",
                "read: reports/latest/report.html, the findings first",
                "why: python -m harness show 'planted/falsehood'",
                "again: pytest --claims-id planted/falsehood",
            ]
        )
        assert result.outlines[-1] == "report: reports/latest"
        ours = itertools.takewhile(lambda line: not line.startswith("==="), result.outlines[result.outlines.index("planted/") :])
        assert max(map(len, ours)) <= 120

    def test_a_refuted_claim_fails_with_everything_in_one_line(self, project, judge):
        project(FALSE_CLAIM)
        result = judge()
        assert result.ret == 1
        result.stdout.fnmatch_lines(
            [
                "planted/falsehood [[]steady, paper[]]: REFUTED, measured [[]*[]] (Student t over 3 seeds: 0.98, 1, 1.02), "
                "accepted [[]2, 3[]]; expected SUPPORTED"
            ]
        )

    def test_an_open_verdict_fails_nothing_and_names_the_seeds_that_would_decide(self, project, judge, pytester):
        project(OPEN_CLAIM)
        assert judge("--claims-first-seed", "5").ret == 0
        claim = record(pytester, "planted/open")
        assert claim.seeds_to_decide is not None
        remedy = f"--claims-first-seed 5 --claims-seeds {claim.seeds_to_decide} would decide: SUPPORTED, if mean and spread stay"
        assert f": INCONCLUSIVE ({remedy}), measured" in claim.message

    @pytest.mark.parametrize(
        ("over", "body", "method"),
        [
            ("once", "def test_it(x): return x", "deterministic"),
            ("trials", "def test_it(x): return Measurement(0.96, trials=100)", "Clopper-Pearson, 288 of 300"),
            ("pairs", "def test_it(a, b): return (a.x + b.x) / 2", "jackknife over 3 seeds, 3 pairs"),
            ("share", "def test_it(x): return x > 0.5", "Clopper-Pearson, 3 of 3"),
            ("seeds", "def test_it(x): return x", "Student t over 3 seeds"),
        ],
    )
    def test_each_kind_of_sample_has_its_interval(self, project, judge, pytester, over, body, method):
        project(
            f"worlds = Control('far', lambda *runs: World(x=9) if len(runs) == 1 else (World(x=9),) * 2)\n"
            f"if {over!r} == 'trials': worlds = Control('far', lambda run: 1 / 0)\n"
            f"accept = at_least(0.2, reason='r') if {over!r} == 'share' else near_one\n"
            f"@declare('planted/it', over={over!r}, accept=accept, controls=[worlds])\n{body}\n"
        )
        judge()
        claim = record(pytester, "planted/it")
        assert claim.measurements[0].method == method
        assert claim.verdict == "SUPPORTED"

    def test_pairs_pool_the_runs_of_all_experiments(self, project, judge, pytester):
        project(
            "far = Control('far', lambda a, b: (World(x=9),) * 2)\n"
            "@declare('planted/it', over='pairs', on=('steady', 'other'), controls=[far])\n"
            "def test_it(a, b): return (a.x + b.x) / 2\n"
        )
        judge("--claims-seeds", "2")
        assert record(pytester, "planted/it").measurements[0].method == "jackknife over 4 seeds, 6 pairs"

    def test_a_claim_without_runs_needs_no_experiment_and_its_control_gives_arguments(self, project, judge, pytester):
        project(
            "two = Control('two steps', lambda: {'steps': 2})\n"
            "@declare('planted/identity', on=(), over='once', given={'steps': 1}, controls=[two])\n"
            "def test_identity(*, steps): return steps\n"
        )
        assert judge().ret == 0
        assert record(pytester, "planted/identity").controls[0].value == 2
        assert report(pytester).experiments == []


class TestControls:
    @pytest.mark.parametrize(
        ("control", "says"),
        [
            ("'same', lambda run: run", "cannot tell 'same' from its own world: there * is SUPPORTED"),
            ("'broken', lambda run: run.missing", "control 'broken' crashed, which proves nothing: AttributeError"),
            ("'nan', lambda run: World(x=float('nan'))", "control 'nan' crashed, which proves nothing: it measured nan"),
        ],
    )
    def test_a_control_that_does_not_refute_fails_a_supported_claim(self, project, judge, control, says):
        project(f"@declare('planted/blind', controls=[doubled, Control({control})])\ndef test_blind(x): return x\n")
        result = judge()
        assert result.ret == 1
        result.stdout.fnmatch_lines([f"planted/blind*SUPPORTED*{says}*"])

    def test_a_claim_expected_to_hold_needs_a_world_that_refutes_it(self, project, judge):
        project("@declare('planted/easy', controls=[same])\ndef test_easy(x): return x\n")
        assert judge().ret == 1
        judge().stdout.fnmatch_lines(["*a claim expected SUPPORTED needs a control expected REFUTED and has none"])

    def test_a_claim_expected_to_fail_needs_a_world_that_supports_it(self, project, judge):
        project(
            "@declare('planted/hard', accept=within(2, 3, reason='r'), controls=[Control('same', lambda run: run)])\n"
            "def test_hard(x): return x\n",
            files={"claims/deviations.toml": deviation("planted/hard", "REFUTED")},
        )
        result = judge()
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*a claim expected REFUTED needs a control expected SUPPORTED and has none"])


class TestNotRun:
    def test_another_scale_is_a_declared_skip_and_no_success(self, project, judge, pytester):
        project("@declare('planted/large', scales=['large'])\ndef test_large(x): return x\n")
        result = judge("-rs")
        assert result.ret == 1
        result.assert_outcomes(skipped=1)
        result.stdout.fnmatch_lines(
            [
                "*zero claims were judged*",
                "SKIPPED*test_planted.py:*it is judged at scale large, this run is at paper",
            ]
        )
        assert (record(pytester, "planted/large").verdict, record(pytester, "planted/large").declared) == ("NOT_RUN", True)

    def test_a_claim_may_declare_that_it_cannot_be_judged_here(self, project, judge):
        project(TRUE_CLAIM, "@declare('planted/absent')\ndef test_absent(x): raise NotRun('MNIST is not there')\n")
        result = judge()
        assert result.ret == 0
        result.assert_outcomes(passed=1, skipped=1)
        result.stdout.fnmatch_lines(["*NOT_RUN *absent *MNIST is not there"])

    def test_one_seed_has_no_pairs(self, project, judge):
        project("@declare('planted/pair', over='pairs')\ndef test_pair(a, b): return 1\n")
        judge("--claims-seeds", "1").stdout.fnmatch_lines(["*needs a pair of runs and there is 1: ask for more seeds*"])

    def test_an_outcome_that_is_empty_is_a_failure_and_no_skip(self, project, judge, pytester):
        project("@declare('planted/empty')\ndef test_empty(x): raise EmptyOutcome('none of 64 runs ended well')\n", TRUE_CLAIM)
        result = judge()
        assert result.ret == 1
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["planted/empty [[]steady, paper[]]: NOT_RUN by failure: none of 64 runs ended well"])
        assert not record(pytester, "planted/empty").declared

    @pytest.mark.parametrize("name", ["diverges", "nowhere"])
    def test_an_experiment_that_breaks_fails_its_claims_is_told_once_and_stops_no_other(self, project, judge, pytester, name):
        project(f"@declare('planted/broken', on={name!r})\ndef test_broken(x): return x\n", TRUE_CLAIM)
        result = judge()
        assert result.ret == 1
        result.assert_outcomes(passed=1, failed=1)
        assert len([line for line in result.outlines if line.startswith(f"experiment {name} FAILED")]) == 1
        result.stdout.fnmatch_lines([f"planted/broken [[]{name}, paper[]]: NOT_RUN by failure: experiment {name} failed: *"])
        assert (record(pytester, "planted/broken").verdict, record(pytester, "planted/broken").declared) == ("NOT_RUN", False)

    @pytest.mark.parametrize(
        ("value", "says"), [("1 / 0", "ZeroDivisionError: division by zero"), ("float('nan')", "cannot be judged")]
    )
    def test_a_measurement_that_breaks_is_a_failure(self, project, judge, value, says):
        project(f"@declare('planted/broken')\ndef test_broken(x): return {value}\n")
        result = judge()
        result.assert_outcomes(failed=1)
        result.stdout.fnmatch_lines([f"planted/broken [[]steady, paper[]]: NOT_RUN by failure: *{says}*"])

    def test_an_error_nobody_foresaw_comes_with_its_traceback(self, project, judge):
        project("@declare('planted/broken')\ndef test_broken(x): return 1 / 0\n")
        judge().stdout.fnmatch_lines(["*test_planted.py*in test_broken", "ZeroDivisionError*"])


class TestDeviations:
    def test_a_listed_claim_passes_with_its_listed_verdict(self, project, judge, pytester):
        project(FALSE_CLAIM, files={"claims/deviations.toml": deviation("planted/falsehood", "REFUTED")})
        result = judge()
        assert result.ret == 0
        result.stdout.fnmatch_lines(["listed ✗ REFUTED *", "*1 deviate as listed, 0 failed"])
        assert record(pytester, "planted/falsehood").expected_reason == "measured otherwise"

    def test_a_listed_claim_that_holds_now_fails(self, project, judge):
        project(
            "@declare('planted/healed', controls=[doubled, same])\ndef test_healed(x): return x\n",
            files={"claims/deviations.toml": deviation("planted/healed", "REFUTED")},
        )
        result = judge()
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*no longer deviates: remove it*"])

    @pytest.mark.parametrize("verdict", ["REFUTED", "INCONCLUSIVE"])
    @pytest.mark.parametrize("seeds", [3, 8])
    def test_a_listed_claim_may_stay_open(self, project, judge, pytester, verdict, seeds):
        claim = OPEN_CLAIM.replace(")\ndef", ", controls=[doubled, same])\ndef")
        project(claim, files={"claims/deviations.toml": deviation("planted/open", verdict)})
        result = judge("--claims-seeds", str(seeds))
        assert record(pytester, "planted/open").verdict == "INCONCLUSIVE"
        result.stdout.fnmatch_lines(["*1 INCONCLUSIVE; 1 deviate as listed, 0 failed"])

    @pytest.mark.parametrize(
        ("listed", "says"),
        [
            (deviation("planted/trut", "REFUTED"), "unknown claim id 'planted/trut'; did you mean planted/truth?"),
            (deviation("planted/truth", "REFUTED", "smoke"), "planted/truth is not judged at scale 'smoke'"),
            (deviation("planted/truth", "SUPPORTED"), "allowed: REFUTED, INCONCLUSIVE"),
            (deviation("planted/truth", "REFUTED") + "seeds = 8\n", "give id, scale, verdict and reason"),
            (deviation("planted/truth", "REFUTED") * 2, "listed twice"),
            ('[[deviation]]\nid = "planted/truth"\n', "give id, scale, verdict and reason"),
            ("[[deviation", "is not TOML"),
        ],
    )
    def test_an_entry_that_fits_no_claim_is_a_usage_error(self, project, judge, pytester, listed, says):
        project(TRUE_CLAIM, files={"claims/deviations.toml": listed})
        assert says in usage_error(judge())
        assert not (pytester.path / "reports").exists()

    def test_entries_of_claims_that_were_not_selected_are_known(self, project, judge):
        listed = deviation("planted/falsehood", "REFUTED")
        project(TRUE_CLAIM, files={"claims/test_other.py": PREAMBLE + FALSE_CLAIM, "claims/deviations.toml": listed})
        assert judge("claims/test_planted.py").ret == 0


class TestBaseline:
    def test_the_same_again_passes_and_is_told(self, project, judge, pytester):
        project(TRUE_CLAIM)
        judge()
        (pytester.path / "reports/latest").rename(pytester.path / "before")
        result = judge("--claims-baseline", "before")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["baseline before", "  1 claims compared: 0 changed verdict, *1 of the same bits*"])
        assert "1 claims compared" in (pytester.path / "reports/latest/compare.md").read_text()

    def test_a_verdict_that_changed_fails_the_run_even_where_it_is_the_expected_one(self, project, judge, pytester):
        back = "Control('back', lambda run: World(x=-0.5), Verdict.SUPPORTED)"
        moving = f"@declare('planted/moving', controls=[doubled, {back}])\ndef test_moving(x): return x + 1.5\n"
        project(moving.replace(" + 1.5", ""))
        judge()
        (pytester.path / "reports/latest").rename(pytester.path / "before")
        project(moving, files={"claims/deviations.toml": deviation("planted/moving", "REFUTED")})
        assert judge().ret == 0
        result = judge("--claims-baseline", "before")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["  planted/moving: SUPPORTED -> REFUTED, first *"])

    def test_nothing_to_compare_is_no_success(self, project, judge, pytester):
        project(TRUE_CLAIM, FALSE_CLAIM)
        judge("--claims-id", "planted/falsehood")
        (pytester.path / "reports/partial").rename(pytester.path / "before")
        result = judge("--claims-id", "planted/truth", "--claims-baseline", "before")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["baseline: nothing was compared, which is not a success: no claim was judged in both*"])

    def test_a_baseline_of_another_precision_is_a_usage_error(self, project, judge, pytester):
        project(TRUE_CLAIM)
        judge()
        (pytester.path / "reports/latest").rename(pytester.path / "before")
        said = usage_error(judge("--claims-precision", "float64", "--claims-baseline", "before"))
        assert "is of scale paper in float32, this run of scale paper in float64" in said


def test_the_step_summary_gets_the_page_where_ci_asks_for_it(project, judge, pytester, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(pytester.path / "summary.md"))
    project(TRUE_CLAIM)
    judge()
    assert "| SUPPORTED | planted/truth |" in (pytester.path / "summary.md").read_text()


def usage_error(result: pytest.RunResult) -> str:
    """The one line of a usage error."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.errlines if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]


class TestOptions:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--claims-scale", "huge"], "--claims-scale 'huge' is unknown; give one of smoke, paper, large"),
            (["--claims-precision", "half"], "--claims-precision 'half' is unknown; give one of float32, float64"),
            (["--claims-seeds", "0"], "--claims-seeds '0' leaves nothing to judge; give a whole number of 1 or more"),
            (["--claims-seeds", "two"], "--claims-seeds 'two' leaves nothing to judge"),
            (
                ["--claims-first-seed", "-1"],
                "--claims-first-seed '-1' is no seed that 3 seed(s) can start at; give a ",
            ),
            (["--claims-until-decided", "--claims-seeds", "5"], "--claims-until-decided takes the seeds that it needs"),
            (["--claims-until-decided", "--claims-first-seed", str(2**31 - 20)], "is no seed that 24 seed(s) can start at"),
            (["--claims-first-seed", "1.5"], "--claims-first-seed '1.5' is no seed"),
            (["--claims-first-seed", str(2**31 - 2)], "give a whole number from 0 to 2147483645"),
            (["--claims-chunk", "-8"], "--claims-chunk '-8' is no number of columns; give 1 or more"),
            (
                ["--claims-scheduler", "here"],
                "--claims-scheduler 'here' is no address: give host:port, tls://host:port, or local:N",
            ),
            (["--claims-scheduler", "local:0"], "--claims-scheduler 'local:0' is no address"),
            (["--claims-scheduler", "local:2", "--claims-fresh"], "--claims-fresh would not take what the cluster computes"),
            (["--claims-scheduler", "local:2", "-n", "1"], "--claims-scheduler local:2 and xdist's -n both divide the work"),
            (["--claims-scheduler", "local:2"], "this project opens a lab of its own (pytest_claims_lab), which workers cannot"),
            (["--claims-report", "file/reports"], "file is not a folder; give a folder that can be written: --claims-report DIR"),
            (["--claims-store", "file/store"], "file is not a folder; give a folder that can be written: --claims-store DIR"),
            (["--claims-baseline", "file"], "file is not a report"),
            (["--claims-baseline", "old.json"], "old.json has schema version 0, this harness reads 1"),
            (["--claims-baseline", "auto"], "no baseline for scale paper in float32 in"),
            (["--claims-id", "planted/trut"], "unknown claim id 'planted/trut'; did you mean planted/truth?"),
        ],
    )
    def test_a_value_that_makes_no_sense_is_a_usage_error_of_one_line(self, project, judge, arguments, says):
        project(TRUE_CLAIM, files={"file": "", "old.json": '{"schema_version": 0}'})
        assert says in usage_error(judge(*arguments))

    @pytest.mark.parametrize(
        ("ini", "option", "key", "wins"),
        [
            ("claims_scale = smoke", ["--claims-scale", "paper"], "scale", "paper"),
            ("claims_seeds = 4", ["--claims-seeds", "5"], "seeds", 5),
            ("claims_first_seed = 4", [], "first_seed", 4),
            ("claims_first_seed = 4", ["--claims-first-seed", "9"], "first_seed", 9),
            ("claims_precision = float64", ["--claims-precision", "float32"], "precision", "float32"),
        ],
    )
    def test_an_ini_key_is_the_default_of_its_option(self, project, judge, pytester, ini, option, key, wins):
        project("@declare('planted/truth', scales=['smoke', 'paper'])\ndef test_truth(x): return x\n", ini=ini)
        judge()
        given = ini.partition(" = ")[2]
        assert str(getattr(report(pytester), key)) == given
        judge(*option)
        assert getattr(report(pytester), key) == wins

    def test_folders_are_relative_to_rootdir_in_the_ini_file_and_to_the_working_folder_on_the_command_line(
        self, project, judge, pytester, monkeypatch
    ):
        project(TRUE_CLAIM, ini="claims_report = made/here")
        monkeypatch.chdir(pytester.path / "claims")
        judge()
        assert json_file.read(pytester.path / "made" / "here" / "latest").complete
        judge("--claims-report", "there")
        assert json_file.read(pytester.path / "claims" / "there" / "latest").complete

    def test_devices_are_set_before_any_conftest_and_nothing_else_is(self, project, judge, pytester, monkeypatch):
        project(
            "import conftest\n@declare('planted/early', on=(), over='once', controls=[Control('w', lambda: 1 / 0)])\n"
            "def test_early():\n    print('ENVIRONMENT', conftest.ENVIRONMENT)\n    return 1\n"
        )
        monkeypatch.syspath_prepend(pytester.path)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        flags = f"--xla_force_host_platform_device_count={cores}"
        judge("-s").stdout.fnmatch_lines([f"*'XLA_FLAGS': '{flags}', 'JAX_ENABLE_X64': ''*"])

    def test_devices_that_were_asked_for_are_left_alone(self, project, judge, monkeypatch):
        monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=7")
        project(TRUE_CLAIM)
        judge().stdout.fnmatch_lines(["claims: *, 7 device(s)"])
        assert os.environ["XLA_FLAGS"] == "--xla_force_host_platform_device_count=7"


class TestSelection:
    READINGS = "@declare('other-paper/truth[strict]')\n@declare('other-paper/truth[lenient]')\ndef test_more(x): return x\n"
    BOTH = ("other-paper/truth[strict]", "other-paper/truth[lenient]")

    @pytest.mark.parametrize(
        ("arguments", "ids"),
        [
            (["-k", "truth and not strict and not lenient"], ("planted/truth",)),
            (["-k", "other-paper/truth"], BOTH),
            (["-m", "other_paper"], BOTH),
            (["claims/test_planted.py::test_more[lenient]"], BOTH[1:]),
            (["--claims-id", BOTH[0], "--claims-id", "planted/truth"], ("planted/truth", BOTH[0])),
            (["--claims-id", "other-paper/truth"], BOTH),
        ],
    )
    def test_a_selection_has_a_folder_of_its_own(self, project, judge, pytester, arguments, ids):
        project(TRUE_CLAIM, self.READINGS)
        result = judge(*arguments)
        assert result.ret == 0
        assert result.outlines[-1] == "report: reports/partial"
        assert tuple(claim.id for claim in report(pytester, "partial").claims) == ids
        assert report(pytester, "partial").partial
        assert not (pytester.path / "reports" / "latest").exists()

    def test_a_module_alone_is_a_selection_too(self, project, judge, pytester):
        project(TRUE_CLAIM, files={"claims/test_other.py": PREAMBLE + FALSE_CLAIM})
        judge("claims/test_planted.py")
        assert report(pytester, "partial").partial

    def test_every_run_is_kept_under_its_time(self, project, judge, pytester):
        project(TRUE_CLAIM)
        judge()
        judge()
        kept = [path.name for path in (pytester.path / "reports").iterdir() if path.name not in ("latest", ".lock")]
        assert len(kept) == 2
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d+)?", name) for name in kept)

    def test_a_listing_runs_and_writes_nothing(self, project, judge, pytester):
        project(TRUE_CLAIM, self.READINGS)
        result = judge("--collect-only", "-q")
        names = ("test_truth", "test_more[strict]", "test_more[lenient]")
        assert result.outlines[:3] == [f"claims/test_planted.py::{name}" for name in names]
        assert not (pytester.path / "reports").exists()

    def test_readings_of_one_name_are_refused(self, project, judge):
        project("@declare('planted/a')\n@declare('planted/b')\ndef test_it(x): return x\n")
        judge().stdout.fnmatch_lines(["*test_it declares claims of one name: planted/a, planted/b; give each a [[]reading[]]*"])

    def test_a_claims_module_that_cannot_be_imported_is_named(self, project, judge):
        project(TRUE_CLAIM, files={"claims/test_torn.py": "import nowhere\n"})
        assert "test_torn.py cannot be imported (ModuleNotFoundError: No module named 'nowhere')" in usage_error(
            judge("claims/test_planted.py")
        )

    def test_a_claim_imported_elsewhere_is_collected_once(self, project, judge):
        project(TRUE_CLAIM, files={"claims/test_user.py": "from claims.test_planted import test_truth\n"}, ini="pythonpath = .")
        judge().assert_outcomes(passed=1)


def _timeless(line: str) -> str:
    return re.sub(r"in [0-9.]+s", "", line)


DTYPE = """
import functools
from harness import Control, at_most, claim

single = Control("float32", lambda: {"bits": 32})
declare = functools.partial(claim, where="1", says="x", reading="x", accept=at_most(0, reason="planted"), over="once",
                            controls=[single])

def float64_is_float64(bits=64):
    import jax.numpy as jnp
    return float(bits != 64 or jnp.ones(1, "float64").dtype != "float64")

@declare("planted/first")
def test_first(bits=64): return float64_is_float64(bits)

@declare("planted/second")
def test_second(bits=64): return float64_is_float64(bits)
"""


class TestPrecision:
    @pytest.mark.parametrize("workers", [[], ["-n", "2"]], ids=["one process", "two workers"])
    def test_the_first_claim_that_imports_jax_is_judged_like_all_others(self, project, pytester, workers):
        """In a process of its own, where nobody has imported JAX before."""
        project(files={"claims/test_dtype.py": DTYPE})
        result = pytester.runpytest_subprocess(*workers, "claims/test_dtype.py", "--claims-store=store")
        assert result.ret == 0, result.stdout.str()


class TestOtherPeople:
    @pytest.fixture
    def guest(self, pytester: pytest.Pytester) -> pytest.Pytester:
        """A project that has nothing to do with claims, but a folder of that name, and tests that look at their process."""
        (pytester.path / "claims").mkdir()
        heavy = "('jax', 'scipy', 'numpy', 'matplotlib', 'jinja2', 'harness.plugin.session')"
        pytester.makepyfile(
            f"import os, sys\nHEAVY = [name for name in {heavy} if name in sys.modules]\n"
            "def test_plain(): assert not HEAVY and not [name for name in os.environ if 'JAX' in name or 'XLA' in name]"
        )
        return pytester

    def test_an_unrelated_project_sees_nothing_of_the_plugin(self, guest, monkeypatch):
        """In its own process: nothing heavy is imported, no variable is set, and the output is that without the plugin."""
        for name in ("XLA_FLAGS", "JAX_ENABLE_X64", "JAX_PLATFORMS"):
            monkeypatch.delenv(name, raising=False)
        command = ["-q", "-p", "no:hypothesispytest", "-p", "no:jaxtyping", "-p", "no:benchmark"]
        loaded = guest.runpytest_subprocess(*command)
        without = guest.runpytest_subprocess(*command, "-p", "no:claims")
        loaded.assert_outcomes(passed=1)
        assert [_timeless(line) for line in loaded.outlines] == [_timeless(line) for line in without.outlines]
        assert not (guest.path / "reports").exists()

    def test_plain_tests_beside_claims_write_no_report(self, project, judge, pytester):
        project(TRUE_CLAIM, files={"tests/test_plain.py": "def test_plain(): pass\n"})
        judge("tests").assert_outcomes(passed=1)
        assert not (pytester.path / "reports").exists()

    def test_claims_in_a_project_that_asks_for_none_are_refused_with_the_remedy(self, pytester, judge):
        pytester.makepyfile(PREAMBLE + TRUE_CLAIM)
        judge().stdout.fnmatch_lines(
            ["*claims are judged in a project that asks for them: set the ini key claims_paths to the folder *rootdir is *"]
        )


class TestEnsembles:
    FIXED = "@declare('planted/fixed', on='fixed')\ndef test_fixed(x): return x\n"

    @pytest.fixture
    def ensemble(self, project, judge, pytester):
        """A project with the reference ensemble that its own run of 8 seeds made."""
        project(TRUE_CLAIM, self.FIXED)
        assert judge("--claims-seeds", "8", "--claims-ensemble").ret == 0
        from harness.__main__ import main

        assert main(["ensemble", "reports/latest", "--accept"]) == 0
        return pytester.path / "fixtures" / "ensembles" / "paper-float32.json"

    def test_one_seed_borrows_the_spread_and_the_report_says_so(self, ensemble, judge, pytester):
        assert judge("--claims-seeds", "1").ret == 0
        claim = record(pytester, "planted/truth")
        assert claim.measurements[0].method == "1 seed(s), spread of the reference ensemble of 8"
        assert claim.ensemble is not None
        assert claim.ensemble.values == json.loads(ensemble.read_text())["claims"]["planted/truth"]["values"]
        assert "spread from" in (pytester.path / "reports/latest/report.md").read_text(encoding="utf-8")

    def test_an_experiment_of_one_seed_is_judged_with_its_ensemble(self, ensemble, judge, pytester):
        assert judge().ret == 0
        assert record(pytester, "planted/fixed").measurements[0].method == "1 seed(s), spread of the reference ensemble of 8"

    @pytest.mark.parametrize("offset", [0.01, -0.01], ids=["inside", "outside"])
    def test_one_seed_may_stay_open_on_either_side(self, ensemble, judge, pytester, offset):
        """A spread of 1 around a value just inside or just outside the region: for want of seeds nothing fails."""
        before = record(pytester, "planted/fixed")
        low, base = before.rule.accept[0], before.measurements[0].values[0]
        data = json.loads(ensemble.read_text())
        data["claims"]["planted/fixed"]["values"] = [-1.0, 1.0] * 4
        ensemble.write_text(json.dumps(data))
        planted = pytester.path / "claims" / "test_planted.py"
        shifted = f"def test_fixed(x): return x + {low + offset - base}"
        planted.write_text(planted.read_text(encoding="utf-8").replace("def test_fixed(x): return x", shifted), encoding="utf-8")
        result = judge("-k", "fixed")
        assert record(pytester, "planted/fixed", folder="partial").verdict == "INCONCLUSIVE"
        assert result.ret == 0

    def test_an_ensemble_of_another_experiment_is_unconfirmed_and_not_used(self, ensemble, judge, pytester):
        data = json.loads(ensemble.read_text())
        for id, name in (("planted/fixed", "fixed"), ("planted/truth", "steady")):
            data["claims"][id]["fingerprint"][name] = "0" * 64
        ensemble.write_text(json.dumps(data))
        result = judge("-rs")
        assert result.ret == 0
        result.assert_outcomes(passed=1, skipped=1)
        version = "was measured on another version of"
        result.stdout.fnmatch_lines([f"SKIPPED*give no spread, and its ensemble in * {version} fixed: ask for more *"])
        result.stdout.fnmatch_lines(
            ["0 claims tested *; 1 have no ensemble *, 1 of them", "  one of another version (unconfirmed)"]
        )
        claim = record(pytester, "planted/truth")
        assert (claim.verdict, claim.expected, claim.ensemble) == ("SUPPORTED", "SUPPORTED", None)
        assert claim.membership.state == "unconfirmed"
        page = (pytester.path / "reports/latest/report.md").read_text(encoding="utf-8")
        assert f"planted/truth: unconfirmed, its ensemble in fixtures/ensembles/paper-float32.json {version} steady" in page

    def test_a_run_of_other_seeds_of_the_same_kind_passes(self, ensemble, judge, pytester):
        result = judge("--claims-first-seed", "20", "--claims-ensemble")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["claims: 2 of 2, paper*, 3 seed(s) from 20,*", "2 claims tested *, 0 do not belong; 0 *"])
        claim = record(pytester, "planted/truth")
        assert claim.measurements[0].runs == [["steady[20]"], ["steady[21]"], ["steady[22]"]]
        assert (claim.membership.state, claim.membership.others) == ("belongs", 8)
        stored = json_file.read(pytester.path / "reports/latest")
        assert stored.first_seed == 20
        for page in ("report.md", "report.html"):
            assert "from 20" in (pytester.path / "reports/latest" / page).read_text(encoding="utf-8")

    @pytest.mark.parametrize("shift", [0.08, -0.08], ids=["up", "down"])
    @pytest.mark.parametrize("listed", [False, True])
    def test_a_drift_that_changes_no_verdict_is_an_alarm_listed_or_not(self, ensemble, judge, pytester, shift, listed):
        """At least 0.5 is wide of it, at least 2 refutes it either way: the verdicts stay, the values do not belong."""
        planted = pytester.path / "claims" / "test_planted.py"
        claims = planted.read_text(encoding="utf-8")
        bound = 2 if listed else 0.5
        world = "Control('far', lambda run: World(x=3.0 * (run.x > 0) if BOUND == 2 else 0.0), Verdict.SUPPORTED if BOUND == 2 "
        world += "else Verdict.REFUTED)"
        drifting = f'@declare("planted/truth", accept=at_least({bound}, reason="r"), controls=[{world}])\n'
        moved = claims.replace('@declare("planted/truth")\n', drifting).replace("Measurement(x,", f"Measurement(x + {shift},")
        planted.write_text(f"BOUND = {bound}\n{moved}", encoding="utf-8")
        if listed:
            (pytester.path / "claims" / "deviations.toml").write_text(deviation("planted/truth", "REFUTED"))
        result = judge("-k", "truth")
        assert result.ret == 1
        claim = record(pytester, "planted/truth", folder="partial")
        assert claim.verdict == claim.expected == ("REFUTED" if listed else "SUPPORTED")
        assert claim.membership.state == "alarm"
        result.stdout.fnmatch_lines(["*; these values do not belong to its reference ensemble: the mean of 3 seed(s), *"])
        result.stdout.fnmatch_lines(["1 claims tested *, 1 do not belong: planted/truth; 0 *"])
        assert "does not belong" in (pytester.path / "reports/partial/report.html").read_text(encoding="utf-8")

    def test_a_verdict_that_contradicts_the_ensemble_fails_whatever_is_listed(self, ensemble, judge, pytester):
        planted = pytester.path / "claims" / "test_planted.py"
        moved = planted.read_text(encoding="utf-8").replace("Measurement(x,", "Measurement(x + 1,")
        planted.write_text(moved.replace('"planted/truth"', '"planted/truth", controls=[same, doubled]'), encoding="utf-8")
        (pytester.path / "claims" / "deviations.toml").write_text(deviation("planted/truth", "REFUTED"))
        result = judge("-k", "truth")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["*expected SUPPORTED, which its reference ensemble of 8 values gives; these values *"])

    def test_prose_that_the_ensemble_contradicts_is_said_and_fails_no_run(self, ensemble, judge, pytester, capsys):
        from harness.__main__ import main

        planted = pytester.path / "claims" / "test_planted.py"
        both = planted.read_text(encoding="utf-8").replace('"planted/truth"', '"planted/truth", controls=[same, doubled]')
        planted.write_text(both, encoding="utf-8")
        (pytester.path / "claims" / "deviations.toml").write_text(deviation("planted/truth", "REFUTED"))
        assert judge().ret == 0
        capsys.readouterr()
        assert main(["expected"]) == 1
        assert "planted/truth: its ensemble says SUPPORTED, [" in (said := capsys.readouterr().out)
        assert "remove its entry from the deviations, which lists REFUTED" in said
        assert said.splitlines()[-1].startswith("every claim that needs an ensemble in fixtures")
        (pytester.path / "claims" / "deviations.toml").unlink()
        assert main(["expected"]) == 0

    def test_a_file_that_is_no_ensemble_is_a_usage_error(self, ensemble, judge):
        ensemble.write_text("{}")
        assert "is not a reference ensemble" in usage_error(judge())

    def test_one_seed_without_an_ensemble_is_not_judged(self, project, judge):
        project(TRUE_CLAIM)
        result = judge("--claims-seeds", "1", "-rs")
        assert result.ret != 0  # nothing was judged
        result.assert_outcomes(skipped=1)
        result.stdout.fnmatch_lines(["*no reference ensemble for it: ask for more (--claims-seeds 3)*"])


class TestUntilDecided:
    SLOW = OPEN_CLAIM.replace("1.005", "1.02")  # 0.98, 1, 1.02, 0.99, 1.01 and again: twelve seeds tell that the mean is inside

    def test_an_open_claim_takes_more_seeds_and_a_decided_one_does_not(self, project, judge, pytester):
        project(TRUE_CLAIM, self.SLOW, "@declare('planted/fixed', on='fixed', over='share')\ndef test_fixed(x): return x < 1.5\n")
        result = judge("--claims-until-decided", "--claims-first-seed", "40")
        assert result.ret == 0
        result.stdout.fnmatch_lines(["*, 3 or more seed(s) from 40,*"])
        found = {claim.id: claim for claim in report(pytester).claims}
        assert [len(found[f"planted/{id}"].measurements[0].values) for id in ("truth", "open", "fixed")] == [6, 12, 1]
        assert found["planted/open"].verdict == "SUPPORTED"
        assert found["planted/open"].measurements[0].method == "Student t over 12 seeds, 0.9875 at each of 4 looks"
        assert found["planted/fixed"].verdict == "INCONCLUSIVE"
        from harness.__main__ import main

        assert main(["rejudge", "reports/latest"]) == 0
        assert "--claims-until-decided" in (pytester.path / "reports/latest/report.html").read_text(encoding="utf-8")

    def test_a_claim_at_the_edge_stays_open_after_the_last_look(self, project, judge, pytester):
        project(OPEN_CLAIM.replace("1.005", "1.0"))
        assert judge("--claims-until-decided").ret == 0
        claim = record(pytester, "planted/open")
        assert (claim.verdict, len(claim.measurements[0].values)) == ("INCONCLUSIVE", 24)

    def test_an_experiment_that_breaks_at_a_later_seed_fails_its_claims(self, project, judge, pytester):
        breaking = LAB.replace('self.experiment.name == "diverges"', "self.experiment.seed == 5")
        project(self.SLOW, files={"claims/conftest.py": breaking})
        result = judge("--claims-until-decided")
        assert result.ret == 1
        result.stdout.fnmatch_lines(["planted/open*: NOT_RUN by failure: experiment steady failed: *loss is nan at step 7"])


class TestInterruption:
    def test_stopped_while_preparing_the_report_is_incomplete(self, project, judge, pytester):
        project(TRUE_CLAIM, "@declare('planted/late', on='stopped')\ndef test_late(x): return x\n")
        result = pytester.runpytest_subprocess("--claims-store", "store")
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert result.outlines[-1] == "report (incomplete): reports/latest"
        assert not report(pytester).complete

    def test_ctrl_c_keeps_what_was_judged(self, project, pytester):
        waits = "def test_waits(x):\n    Path('waiting').touch()\n    time.sleep(60)\n    return x\n"
        project(TRUE_CLAIM, f"@declare('planted/waits')\n{waits}")
        # what a shell runs in the background ignores SIGINT, and its children do
        heard = "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(pytest.main())"
        child = subprocess.Popen([sys.executable, "-c", heard, "--claims-store", "store"], cwd=pytester.path)
        while not (pytester.path / "waiting").exists() and child.poll() is None:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == pytest.ExitCode.INTERRUPTED
        assert not report(pytester).complete
        assert [claim.id for claim in report(pytester).claims] == ["planted/truth"]

    def test_stopping_at_the_first_failure_is_incomplete(self, project, judge, pytester):
        project(FALSE_CLAIM, TRUE_CLAIM)
        judge("-x").stdout.fnmatch_lines(["stopped early: 1 selected claim(s) were not reached"])
        assert not report(pytester).complete


RED = RedCanary("scans", "jaxlib", "0.0", "Jacobian, training", 2, 0, "wrong entries", "each is whole")
LISTED = RedCanary("sums", "jaxlib", "0.0", "losses", None, 0, "", "", known="jax-ml/jax#1: the last row")
LINE = (
    "canary 'scans' of jaxlib 0.0 is red: measured 2, allowed 0 wrong entries (each is whole); on it rest: Jacobian, training. "
    "Try without XLA_FLAGS and the like, then another release of jaxlib, and report it to its makers; "
    "--claims-canaries=off goes on all the same"
)
CHILD = """
import sys
from harness.plugin import canaries
canaries.COMMAND = (sys.executable, "-c", "open('ran', 'a').write('once '); {body}")
"""


class TestCanaries:
    """What comes before the first experiment, with planted results."""

    @pytest.fixture
    def found(self, monkeypatch):
        """Plants what the canaries find; the list says how often they ran."""

        def plant(*red):
            ran = []
            monkeypatch.setattr(canaries, "collect", lambda: ran.append(0) or CanariesRecord(3, 1.5, list(red)))
            return ran

        return plant

    def test_a_red_one_fails_the_run_before_anything_is_prepared(self, project, judge, pytester, found):
        found(RED)
        project(TRUE_CLAIM, ini="claims_canaries = on\n")
        result = judge()
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert LINE in result.outlines
        result.stdout.fnmatch_lines(
            ["canaries: 3 green in 1.5 s; RED: scans (jaxlib 0.0)", "*red canaries, 1 of them: nothing was prepared*"]
        )
        made = report(pytester)
        assert made.canaries == CanariesRecord(3, 1.5, [RED])
        assert not made.complete
        assert made.experiments == []
        for page in ("report.md", "report.html"):
            text = (pytester.path / "reports/latest" / page).read_text()
            assert "is red: measured 2, allowed 0 wrong entries" in text
            assert "3 green in 1.5 s; RED: scans (jaxlib 0.0)" in text

    def test_a_listed_red_is_said_and_fails_nothing(self, project, judge, pytester, found):
        ran = found(LISTED)
        project(TRUE_CLAIM, ini="claims_canaries = on\n")
        result = judge()
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            ["canaries: 3 green in 1.5 s; listed red: sums (jaxlib 0.0, jax-ml/jax#1); nothing to do: this one is known"]
        )
        assert report(pytester).canaries == CanariesRecord(3, 1.5, [LISTED])
        assert len(ran) == 1

    @pytest.mark.parametrize(("ini", "arguments"), [("off", []), ("on", ["--claims-canaries=off"])])
    def test_they_can_be_turned_off_and_the_report_says_so(self, project, judge, pytester, found, ini, arguments):
        ran = found(RED)
        project(TRUE_CLAIM, ini=f"claims_canaries = {ini}\n")
        assert judge(*arguments).ret == 0
        assert ran == []
        assert report(pytester).canaries == CanariesRecord(off="turned off by --claims-canaries=off")
        assert "| canaries | turned off by --claims-canaries=off |" in (pytester.path / "reports/latest/report.md").read_text()

    def test_none_runs_where_nothing_is_prepared(self, project, judge, pytester, found):
        ran = found(RED)
        project("@declare('planted/alone', on=())\ndef test_alone(): return 1\n", ini="claims_canaries = on\n")
        judge()
        judge("--collect-only")
        assert ran == []
        assert report(pytester).canaries.off == "no claim of this run rests on an experiment"

    def test_they_are_on_or_off(self, project, judge):
        project(TRUE_CLAIM)
        result = judge("--claims-canaries=some")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --claims-canaries 'some' is unknown; give one of on, off"])

    @pytest.mark.parametrize(
        ("body", "says", "code"),
        [
            ('print(\'{\\"green\\": 3, \\"seconds\\": 1.5, \\"red\\": [], \\"off\\": \\"\\"}\')', "3 green in 1.5 s", 0),
            ("import os; os.kill(os.getpid(), 11)", "RED: all (jaxlib *", 1),
        ],
        ids=["green", "died"],
    )
    def test_with_workers_one_process_of_their_own_runs_them(self, project, pytester, body, says, code):
        project(TRUE_CLAIM, ini="claims_canaries = on\n", files={"conftest.py": LAB + CHILD.replace("{body}", body)})
        result = pytester.runpytest_subprocess("-n", "2", "--claims-store", "store")
        result.stdout.fnmatch_lines([f"canaries: *{says}*"])
        assert (result.ret, (pytester.path / "ran").read_text()) == (code, "once ")
        assert report(pytester).canaries.green == (0 if code else 3)
        if code:
            result.stdout.fnmatch_lines(["*the process that ran the canaries died of signal 11*"])
            assert report(pytester).experiments == []


def test_two_workers_report_what_one_process_reports_and_share_no_experiment(project, judge, pytester):
    others = [f"@declare('planted/{on}-{i}', on='{on}')\ndef test_{on}_{i}(x): return x\n" for on in ("a", "b") for i in range(3)]
    project(
        TRUE_CLAIM,
        FALSE_CLAIM,
        OPEN_CLAIM,
        "@declare('planted/broken', on='diverges')\ndef test_broken(x): return x\n",
        "@declare('planted/large', scales=['large'])\ndef test_large(x): return x\n",
        *others,
    )
    alone, here = judge(), timeless(report(pytester))
    spread = pytester.runpytest_subprocess("-n", "2", "--claims-store", "store", "-v")
    assert timeless(report(pytester)) == here
    assert (pytester.path / "reports/latest/evidence/planted.truth.npz").is_file()
    assert spread.ret == alone.ret == 1
    assert spread.outlines[-1] == "report: reports/latest"
    workers = [set(re.findall(rf"\[(gw\d)\][^\n]*PASSED [^\n]*test_{on}_", spread.stdout.str())) for on in ("a", "b")]
    assert [len(used) for used in workers] == [1, 1]


def timeless(report: Report) -> dict[str, object]:
    """The report without what differs between any two runs."""
    data = report.to_json()
    for name in ("created", "seconds", "peak_memory", "environment", "digest"):
        data.pop(name, None)
    for claim in data["claims"]:
        del claim["seconds"]
    for experiment in data["experiments"]:
        del experiment["prepared"]
    return {**data, "experiments": sorted(data["experiments"], key=lambda entry: (entry["name"], entry["seed"]))}
