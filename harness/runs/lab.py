"""The lab: the runs of one session, and the only place where runs are opened."""

from __future__ import annotations

import dataclasses
import importlib
import importlib.util
import sys
from collections.abc import Mapping
from types import MappingProxyType, ModuleType
from typing import Any

from harness.errors import InvalidInput
from harness.progress import Progress
from harness.runs.bench import InMemory
from harness.runs.experiment import find, of_one_seed
from harness.runs.run import Run
from harness.runs.store import Store


class Lab:
    """The runs of one session, with its scale, seeds and precision, and its store of artefacts.

    Args:
        store: where artefacts are kept; None keeps them in memory alone.
        scale: ``smoke``, ``paper`` or ``large``.
        seeds: number of seeds of experiments that are not of a fixed seed.
        first_seed: the first of them.
        precision: replaces every experiment's precision before its fingerprint is taken; None keeps the experiments' own.
        progress: sink of progress reports.
        every_seed: run fixed-seed experiments for all seeds as well (for a reference ensemble).
        chunk: columns of a Jacobian that a device works on at once; None takes as many as fit the machine.
        options: name -> value of the papers' own options, such as the place of a data set or the time that a run may take.
        memory: bytes that the dense Jacobian of a user's network may take; None takes half of the free memory.
    """

    def __init__(
        self,
        store: Store | None = None,
        *,
        scale: str = "paper",
        seeds: int = 3,
        precision: str | None = None,
        progress: Progress | None = None,
        every_seed: bool = False,
        chunk: int | None = None,
        options: Mapping[str, Any] = MappingProxyType({}),
        memory: int | None = None,
        first_seed: int = 0,
    ) -> None:
        self.store: Any = InMemory() if store is None else store
        self.scale, self.seeds, self.precision, self.memory = scale, seeds, precision, memory
        self.first_seed = first_seed
        self.progress = progress or Progress()
        self.every_seed = every_seed
        self.chunk = chunk
        self.options = options
        self._runs: dict[tuple[str, int], Any] = {}
        self._opened: list[Any] = []
        self.store.keep_compilations()

    def run(self, name: str, seed: int = 0) -> Any:
        """The run of the named experiment with that seed; the same object each time."""
        experiment = find(name, self.scale)
        seed = experiment.seed if of_one_seed(experiment, self.every_seed) else seed
        if (name, seed) not in self._runs:
            changes: dict[str, Any] = {"seed": seed}
            if self.precision is not None:
                changes["precision"] = self.precision
            self._runs[name, seed] = self.open(dataclasses.replace(experiment, **changes))
        return self._runs[name, seed]

    def open(self, experiment: Any) -> Any:
        """A run of an experiment, which needs no name, such as a network on white noise; another object each time."""
        self._opened.append(open_run(experiment, self))
        return self._opened[-1]

    def runs(self, name: str, seeds: int | None = None) -> list[Any]:
        """Runs of the named experiment for so many seeds, by default the session's; one run if its seed is fixed."""
        count = 1 if of_one_seed(find(name, self.scale), self.every_seed) else seeds or self.seeds
        return [self.run(name, self.first_seed + more) for more in range(count)]

    def opened(self) -> list[Any]:
        """Every run that was asked for, in order."""
        return list(self._opened)


def open_run(experiment: Any, lab: Lab) -> Run:
    """The run of an experiment.

    Its class is ``Run`` of the module that defines the experiment's class, or of the module ``run`` beside that module. The
    module ``run`` is imported here, so that naming experiments needs no JAX.

    Raises:
        InvalidInput: there is no such class.
    """
    defined = sys.modules[type(experiment).__module__]
    home = defined if hasattr(defined, "Run") or not defined.__package__ else _sibling(defined)
    made = getattr(home, "Run", None)
    if made is None:
        remedy = f"define its class Run, a {Run.__module__}.Run, there or in the module run beside it"
        raise InvalidInput(f"no run for {type(experiment).__name__} of {defined.__name__}: {remedy}")
    run: Run = made(experiment, lab)
    return run


def _sibling(module: ModuleType) -> ModuleType | None:
    name = f"{module.__package__}.run"
    return importlib.import_module(name) if importlib.util.find_spec(name) is not None else None
