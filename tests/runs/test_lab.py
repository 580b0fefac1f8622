"""Runs are opened by one mechanism, the place of the experiment's class."""

import dataclasses
import importlib
import sys
from types import SimpleNamespace

import pytest

from harness.errors import InvalidInput
from harness.runs.lab import Lab, open_run
from harness.runs.store import Store

EXPERIMENT = "class Mine:\n    name = 'mine'\n"
RUN = "class Run:\n    def __init__(self, experiment, lab): self.experiment = experiment\n"


@pytest.fixture
def written(tmp_path, monkeypatch):
    """Import a module, after files were written."""
    monkeypatch.syspath_prepend(str(tmp_path))
    known = set(sys.modules)

    def write(name, **files):
        for path, text in files.items():
            target = tmp_path / f"{path.replace('__in__', '/')}.py"
            target.parent.mkdir(exist_ok=True)
            target.write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield write
    for name in set(sys.modules) - known:
        del sys.modules[name]


def test_the_run_stands_beside_the_experiment(written):
    files = {"mine__in____init__": "", "mine__in__experiments": EXPERIMENT, "mine__in__run": RUN}
    experiments = written("mine.experiments", **files)
    run = open_run(experiments.Mine(), SimpleNamespace())
    assert type(run).__module__ == "mine.run"


def test_or_in_the_same_module(written):
    module = written("onefile", onefile=EXPERIMENT + RUN)
    assert type(open_run(module.Mine(), SimpleNamespace())).__module__ == "onefile"


def test_a_file_called_run_that_is_somebody_elses_is_left_alone(written):
    module = written("onefile", onefile=EXPERIMENT, run="raise SystemExit('it was run')")
    with pytest.raises(InvalidInput, match="no run for Mine of onefile: define its class Run"):
        open_run(module.Mine(), SimpleNamespace())


def test_what_a_run_raises_is_not_hidden(written):
    broken = "class Run:\n    def __init__(self, experiment, lab): raise AttributeError('its own')\n"
    module = written("onefile", onefile=EXPERIMENT + broken)
    with pytest.raises(AttributeError, match="its own"):
        open_run(module.Mine(), SimpleNamespace())


@dataclasses.dataclass(frozen=True)
class Planted:
    name: str
    fixed_seed: bool
    scale: str = "smoke"
    seed: int = 0
    precision: str = "float32"

    def fingerprint(self) -> str:
        return f"{self.name}[{self.seed}]"


@pytest.mark.parametrize(("fixed", "every", "seeds"), [(False, False, [7, 8, 9]), (True, False, [0]), (True, True, [7, 8, 9])])
def test_seeds_follow_the_first_unless_the_experiment_has_one_of_its_own(monkeypatch, tmp_path, fixed, every, seeds):
    monkeypatch.setattr("harness.runs.lab.find", lambda name, scale: Planted(name, fixed))
    monkeypatch.setattr("harness.runs.lab.open_run", lambda experiment, lab: experiment)
    lab = Lab(Store(tmp_path), scale="smoke", first_seed=7, every_seed=every)
    assert [run.seed for run in lab.runs("planted")] == seeds
