"""Open and prepare the runs that claims need, once, and remember which experiment failed and why."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
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
        self._asked: set[str] = set()
        self._open: dict[str, list[Run]] = {}
        self._ready: set[str] = set()  # experiments that were prepared
        self._failed: dict[str, str] = {}
        self._prepared: dict[int, float] = {}  # these are keyed by identity, which is safe since the lab keeps its runs
        self._described: dict[int, tuple[int, list[Json]]] = {}
        self._reported: dict[int, tuple[Any, ...]] = {}

    def open(self, names: Iterable[str]) -> list[Run]:
        """Open the runs of every named experiment, and plan those that lack no data; nothing is computed.

        Returns:
            the runs that lack no data. The claims of the others say what is missing.
        """
        each = list(dict.fromkeys(names))
        for name in each:
            if name not in self._open:
                self._open[name] = self._attempt(name, partial(self._runs, name)) or []
                self._planned(name, self._open[name])
        return [run for name in each for run in self._open[name] if not run.missing]

    def prepare(self, names: Iterable[str]) -> None:
        """Do the long work of every named experiment, once. A failure is reported once, and stops that experiment alone."""
        for name in dict.fromkeys(names):
            self.open([name])
            if name not in self._ready:
                self._ready.add(name)
                self._prepare_runs(name, self._open[name])

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
        self._open[name] = runs or self._open[name]
        self._planned(name, new)
        self._prepare_runs(name, new, "more seeds: a claim is still open")

    def _planned(self, name: str, runs: Sequence[Run]) -> None:
        """Add the runs to the plan. Where none has its data, nothing of the experiment or on it will take time."""
        possible = sum(not run.missing for run in runs)
        self._progress.plan.add([name] * possible)
        if name in self._failed or (runs and not possible):
            self._progress.plan.drop(name)

    def _prepare_runs(self, name: str, runs: Sequence[Run], why: str = "") -> None:
        """Prepare runs of an experiment one after the other, with their stage records, which train a second time."""
        possible = [run for run in runs if not run.missing]
        with self._progress.experiment(name, len(possible), why):
            for run in possible:
                if name in self._failed:
                    break
                started = time.perf_counter()
                with self._progress.task(run.label, name):
                    self._attempt(name, run.prepare)
                    self._stages(run)
                self._prepared[id(run)] = time.perf_counter() - started
        if name in self._failed:
            self._progress.plan.drop(name)

    @contextmanager
    def asked(self) -> Iterator[set[str]]:
        """The names of the experiments that the lab is asked for meanwhile."""
        self._asked = set()
        yield self._asked

    def changed_records(self) -> list[ExperimentRecord]:
        """Records of the runs that were opened, by claims or controls, or got further since the last call."""
        waiting = {id(run) for name in self._open.keys() - self._ready for run in self._open[name]}
        opened = [] if self._lab is None else [run for run in self._lab.opened() if id(run) not in waiting]
        records = [self._record(run) for run in opened if self._reported.get(id(run)) != self._reached(run)]
        self._reported |= {id(run): self._reached(run) for run in opened}  # after describing, which reads stages itself
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

    def _runs(self, name: str) -> list[Run]:
        if self._lab is None:
            self._lab = self._make_lab()
            self._watch()
        return list(self._lab.runs(name))

    def _watch(self) -> None:
        """Note the names that the lab is asked for: a run asks it for other experiments, such as those of controls."""
        run = getattr(self._lab, "run", None)
        if run is None:  # a lab of somebody's own
            return

        def noted(name: str, *more: Any, **options: Any) -> Run:
            self._asked.add(name)
            return run(name, *more, **options)

        self._lab.run = noted

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
