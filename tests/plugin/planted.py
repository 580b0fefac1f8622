"""Planted claims, a lab that computes nothing, and readers of the reports that runs of them write."""

from collections.abc import Callable

import pytest

from harness.report import json_file
from harness.suite.records import ClaimRecord, Report

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

Project = Callable[..., None]
Judge = Callable[..., pytest.RunResult]


def report(pytester: pytest.Pytester, folder: str = "latest") -> Report:
    return json_file.read(pytester.path / "reports" / folder)


def record(pytester: pytest.Pytester, id: str, folder: str = "latest") -> ClaimRecord:
    return next(claim for claim in report(pytester, folder).claims if claim.id == id)


def deviation(id: str, verdict: str, scale: str = "paper") -> str:
    return f'[[deviation]]\nid = "{id}"\nscale = "{scale}"\nverdict = "{verdict}"\nreason = "measured otherwise"\n'


def usage_error(result: pytest.RunResult) -> str:
    """The one line of a usage error."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.errlines if line.strip()]
    assert len(lines) == 1, lines
    return lines[0]


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
