"""Open and prepare the runs that claims need, once, and remember which experiment failed and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from harness.errors import HarnessError
from harness.plugin.terminal import PrintedProgress
from harness.suite.records import ExperimentRecord, Json

Run = Any
Lab = Any


class ExperimentFailed(HarnessError):
    """An experiment that could not be prepared; every claim on it is NOT_RUN by failure."""


class PreparedRuns:
    """The prepared runs of each experiment.

    Args:
        make_lab: builds the lab; called at the first experiment, so that claims without one need no JAX.
        progress: says what is being prepared, how far it is and how long it takes.
    """

    def __init__(self, make_lab: Callable[[], Lab], progress: PrintedProgress) -> None:
        self._make_lab = make_lab
        self._lab: Lab = None
        self._progress = progress
        self._open: dict[str, list[Run]] = {}
        self._failed: dict[str, str] = {}
        self._prepared: dict[int, float] = {}
        self._described: dict[int, tuple[int, list[Json]]] = {}  # keyed by identity, which is safe since the lab keeps its runs
        self._reported: dict[int, tuple[Any, ...]] = {}

    def prepare(self, names: Iterable[str]) -> None:
        """Do the long work of every named experiment. A failure is reported once, and stops that experiment alone."""
        new = [name for name in dict.fromkeys(names) if name not in self._open and name not in self._failed]
        if not new:
            return
        self._progress.say(f"preparing {', '.join(new)}")
        self._prepare_runs([(name, run) for name in new for run in self._opened(name)])

    def unprepared(self, names: Iterable[str]) -> list[Run]:
        """The runs of every named experiment that can be opened and lacks no data; nothing is computed."""
        found = [run for name in dict.fromkeys(names) for run in self._attempt(name, partial(self._runs, name)) or []]
        return [run for run in found if not run.missing]

    def of(self, name: str, seeds: int | None = None) -> list[Run]:
        """The runs of the experiment, prepared now if needed: the session's, or those of ``seeds`` seeds.

        Raises:
            ExperimentFailed: the experiment could not be opened or prepared.
        """
        self.prepare([name])
        if seeds is not None and name not in self._failed and len(self._open[name]) < seeds:
            self._prepare_more(name, seeds)
        if name in self._failed:
            raise ExperimentFailed(f"experiment {name} failed: {self._failed[name]}")
        return self._open[name][:seeds]

    def _prepare_more(self, name: str, seeds: int) -> None:
        runs = self._attempt(name, lambda: list(self._lab.runs(name, seeds))) or []
        new = runs[len(self._open[name]) :]
        if new:
            self._progress.say(f"preparing {name}, {len(new)} more seeds: a claim is still open")
        self._prepare_runs([(name, run) for run in new])
        self._open[name] = runs or self._open[name]

    def _prepare_runs(self, runs: Iterable[tuple[str, Run]]) -> None:
        """Prepare runs one after the other. The claims of a run that lacks its data say what is missing."""
        runs = list(runs)
        possible = [(name, run) for name, run in runs if not run.missing]
        self._progress.plan.add(name for name, _ in possible)
        for name in {name for name, _ in runs} - {name for name, _ in possible}:
            self._progress.plan.drop(name)
        with self._progress.phase(len(possible)):
            for name, run in possible:
                if name in self._failed:
                    self._progress.plan.drop(name)
                    continue
                started = time.perf_counter()
                with self._progress.task(run.label, name):
                    self._attempt(name, run.prepare)
                self._prepared[id(run)] = time.perf_counter() - started

    def changed_records(self) -> list[ExperimentRecord]:
        """Records of the runs that were opened, by claims or controls, or got further since the last call."""
        opened = [] if self._lab is None else self._lab.opened()
        records = [self._record(run) for run in opened if self._reported.get(id(run)) != self._reached(run)]
        self._reported = {id(run): self._reached(run) for run in opened}  # after describing, which reads stages itself
        return records

    def _reached(self, run: Run) -> tuple[Any, ...]:
        return len(run.stages), tuple(run.seconds.values()), self._failed.get(run.experiment.name)

    def _stages(self, run: Run) -> list[Json]:
        """Stage records of the run, made anew only when it has got further; a failure is recorded in their place."""
        if self._described.get(id(run), (None, []))[0] != len(run.stages):
            try:
                found = run.stage_records()
            except Exception as error:
                cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
                self._progress.say(f"{run.label}: no stage records ({cause}), so a comparison cannot tell what moved first")
                found = [{"name": "stage records", "digest": "", "failure": cause}]
            self._described[id(run)] = (len(run.stages), [*found, *run.stages])
        return self._described[id(run)][1]

    def _opened(self, name: str) -> list[Run]:
        self._open[name] = self._attempt(name, lambda: self._runs(name)) or []
        return self._open[name]

    def _runs(self, name: str) -> list[Run]:
        if self._lab is None:
            self._lab = self._make_lab()
        return list(self._lab.runs(name))

    def _attempt(self, name: str, work: Callable[[], Any]) -> Any:
        try:
            return work()
        except Exception as error:
            kind = "" if isinstance(error, HarnessError) else f"{type(error).__name__}: "
            self._failed[name] = kind + " ".join(str(error).split())
            self._progress.say(f"experiment {name} FAILED, its claims will not run: {self._failed[name]}")
            return None

    def _record(self, run: Run) -> ExperimentRecord:
        experiment, failure, stages = run.experiment, self._failed.get(run.experiment.name), self._stages(run)
        seconds, prepared = dict(run.seconds), self._prepared.get(id(run), 0.0)
        return ExperimentRecord(experiment.name, experiment.seed, experiment.fingerprint(), seconds, stages, failure, prepared)
