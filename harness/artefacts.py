"""Runs and the lab that holds them: what a claim is called on, whatever the paper.

A lab holds the runs of one session. A run is one experiment with one seed; its artefacts are computed when they are
first asked for, and kept in the store.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.config import AnyExperiment, find
from harness.progress import Progress
from harness.provenance import Code, source_hash
from harness.store import Store, digest


class Run:
    """One experiment with one seed.

    Attributes:
        experiment: what is run.
        lab: where it is run.
        seconds: time spent on each stage in this session.
        stages: one record a stage that has run: name, digest of its arrays.
    """

    def __init__(self, experiment: Any, lab: Lab) -> None:
        self.experiment = experiment
        self.lab = lab
        self.seconds: dict[str, float] = {}
        self.stages: list[dict[str, Any]] = []
        self._recorded: set[str] = set()

    @property
    def label(self) -> str:
        """Name and seed, for messages."""
        return self.experiment.name if self.experiment.fixed_seed else f"{self.experiment.name}, seed {self.experiment.seed}"

    def prepare(self) -> None:
        """Do the long work, so that claims find it done."""

    def sibling(self, name: str) -> Any:
        """The run of another experiment with the same seed."""
        return self.lab.run(name, self.experiment.seed)

    def arrays(self, kind: str, compute: Callable[[], Mapping[str, Any]], *, modules: Sequence[Code] = (), **key: Any) -> Any:
        """Arrays of this run by ``kind`` and further ``key``, from the store or computed; timed and recorded as a stage.

        They are kept by the experiment, the code of ``modules`` with all that these import, and that of the run's own module.
        """
        started = time.perf_counter()
        found = self.lab.store.arrays(kind, self._key(key), compute, modules=modules)
        self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - started
        if (asked := f"{kind} {key}") not in self._recorded:
            self._recorded.add(asked)
            self.record(kind, found)
        return found

    def held(self, kind: str, *, modules: Sequence[Code], **key: Any) -> bool:
        """Whether the store has what :meth:`arrays` would return."""
        return self.lab.store.holds(kind, self._key(key), modules)

    def _key(self, key: Mapping[str, Any]) -> dict[str, Any]:
        return {"experiment": self.experiment.fingerprint(), "run": source_hash(type(self)), **key}

    def record(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Keep a stage record: the digest tells bitwise equality, whatever the machine."""
        self.stages.append({"name": name, "digest": digest(arrays)})


@functools.singledispatch
def open_run(experiment: AnyExperiment, lab: Lab) -> Run:
    """The run of an experiment; each paper registers its own class for its own experiments.

    An experiment's ``run_module`` says where that is: it is imported here, so that naming experiments needs no JAX.
    """
    module = getattr(type(experiment), "run_module", None)
    if module is None or module in sys.modules:
        raise TypeError(f"no run is registered for {type(experiment).__name__}: use open_run.register in its run_module")
    importlib.import_module(module)
    return open_run(experiment, lab)


class Lab:
    """The runs of one session: which scale, how many seeds, which precision, where artefacts are kept.

    Args:
        store: where artefacts are kept.
        scale: ``smoke``, ``paper`` or ``large``.
        seeds: number of seeds of experiments that are not of a fixed seed.
        precision: replaces every experiment's precision before its fingerprint; None keeps them.
        progress: sink of progress reports.
        mnist: folder with MNIST's idx files, if there is one.
        every_seed: run fixed-seed experiments for all seeds as well (for a reference ensemble).
        chunk: columns of a Jacobian that a device works on at once; None takes what fits the machine.
    """

    def __init__(
        self,
        store: Store,
        *,
        scale: str = "paper",
        seeds: int = 3,
        precision: str | None = None,
        progress: Progress | None = None,
        mnist: Path | None = None,
        every_seed: bool = False,
        chunk: int | None = None,
    ) -> None:
        self.store, self.scale, self.seeds, self.precision = store, scale, seeds, precision
        self.progress = progress or Progress()
        self.mnist = mnist
        self.every_seed = every_seed
        self.chunk = chunk
        self._runs: dict[tuple[str, int], Any] = {}
        store.keep_compilations()

    def run(self, name: str, seed: int = 0) -> Any:
        """The run of the named experiment with that seed; the same object each time."""
        experiment = find(name, self.scale)
        seed = experiment.seed if self._fixed(experiment) else seed
        if (name, seed) not in self._runs:
            changes: dict[str, Any] = {"seed": seed}
            if self.precision is not None:
                changes["precision"] = self.precision
            self._runs[name, seed] = open_run(dataclasses.replace(experiment, **changes), self)
        return self._runs[name, seed]

    def runs(self, name: str) -> list[Any]:
        """All runs of the named experiment in this session: seeds 0, 1, ..., or the one of a fixed-seed experiment."""
        count = 1 if self._fixed(find(name, self.scale)) else self.seeds
        return [self.run(name, seed) for seed in range(count)]

    def opened(self) -> list[Any]:
        """Every run that was asked for, in order."""
        return list(self._runs.values())

    def _fixed(self, experiment: Any) -> bool:
        if not experiment.fixed_seed:
            return False
        return not self.every_seed or getattr(experiment, "initialisation", "seed") != "seed"
