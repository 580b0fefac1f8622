"""A run: one experiment with one seed, whose artefacts are computed when they are first asked for and kept in the store."""

from __future__ import annotations

import importlib
import itertools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Protocol, TypeVar

from harness.engine.precision import with_exact_dtypes
from harness.errors import InvalidInput
from harness.progress import Progress
from harness.runs.provenance import Code, source_hash
from harness.runs.stages import Record, definition
from harness.runs.store import Store, digest

T = TypeVar("T")


class Lab(Protocol):
    """The part of :class:`harness.runs.lab.Lab` that a run uses."""

    store: Store
    progress: Progress
    chunk: int | None
    options: Mapping[str, Any]

    def run(self, name: str, seed: int = 0) -> Any: ...
    def open(self, experiment: Any) -> Any: ...


class Run:
    """One experiment with one seed; each paper derives its own class.

    Attributes:
        experiment: the experiment that is run.
        lab: the lab that holds the run.
        seconds: time spent on each stage in this session, without the stages that it called for.
        stages: one record (name, digest of its arrays) for each stage reached in this session, computed or from the store.
    """

    def __init__(self, experiment: Any, lab: Lab) -> None:
        self.experiment = experiment
        self.lab = lab
        self.seconds: dict[str, float] = {}
        self.stages: list[Record] = []
        self._recorded: set[str] = set()

    @property
    def label(self) -> str:
        """Name and seed, for messages."""
        return self.experiment.name if self.experiment.fixed_seed else f"{self.experiment.name}, seed {self.experiment.seed}"

    @property
    def store(self) -> Any:
        """The store of results."""
        return self.lab.store

    @property
    def missing(self) -> str:
        """What this run needs and this machine lacks, "" if nothing. The run's claims report it and are not run."""
        return ""

    def prepare(self) -> None:
        """Do the long work before claims ask for its results."""

    #: Columns of a block of the Jacobian, for a run whose blocks other processes compute; None takes as many as fit this process.
    width: int | None = None

    def columns_of(self, devices: int) -> int | None:
        """Columns of a block that so many devices compute at once; None for a run without a Jacobian."""
        return None

    def blocks_left(self) -> Sequence[int]:
        """First columns of the blocks of a Jacobian that :meth:`prepare` would compute, and any process may compute before."""
        return ()

    def compute_block(self, first: int) -> None:
        """Compute one block of columns into the store, where :meth:`prepare` takes it; nothing if it is not needed any more."""
        raise InvalidInput(f"{self.label}: no block of columns begins at {first}: take one of blocks_left()")

    #: The module with ``stage_records(run)``. No code that measures imports this module, so that records can grow and nothing is
    #: measured anew.
    recorded_by: ClassVar[str] = ""

    def stage_records(self) -> list[Record]:
        """The records (:mod:`harness.runs.stages`) of every stage that this run has reached, first to last."""
        own = importlib.import_module(self.recorded_by).stage_records(self) if self.recorded_by else []
        return [definition(self.experiment), *own]

    def sibling(self, name: str) -> Any:
        """The run of another experiment with the same seed."""
        return self.lab.run(name, self.experiment.seed)

    def result(self, kind: str, into: type[T], compute: Callable[[], T], *, modules: Sequence[Code], **key: Any) -> T:
        """As :meth:`arrays`, for a dataclass of arrays and numbers, which are arrays without axes."""
        held = self.arrays(kind, lambda: vars(compute()), modules=modules, **key)
        return into(**{name: array.item() if array.ndim == 0 else array for name, array in held.items()})

    def arrays(self, kind: str, compute: Callable[[], Mapping[str, Any]], *, modules: Sequence[Code] = (), **key: Any) -> Any:
        """Arrays of this run by ``kind`` and further ``key``, from the store or computed; timed and recorded as a stage.

        Their key holds the experiment, the code of ``modules`` with all their imports, and the code of the run's own module.
        """
        started, others = time.perf_counter(), sum(self.seconds.values())
        found = self.store.arrays(kind, self._key(key), with_exact_dtypes(compute), modules=modules or (compute,))
        took = time.perf_counter() - started - (sum(self.seconds.values()) - others)
        self.seconds[kind] = self.seconds.get(kind, 0.0) + took
        if (asked := f"{kind} {key}") not in self._recorded:
            self._recorded.add(asked)
            self.record(kind, found)
        return found

    def held(self, kind: str, *, modules: Sequence[Code], **key: Any) -> bool:
        """Whether the store has the result of :meth:`arrays`."""
        return self.store.holds(kind, self._key(key), modules)

    def reached(self, kind: str) -> bool:
        """Whether a stage was reached in this session, computed or from the store."""
        return any(stage["name"] == kind for stage in self.stages)

    def record(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Keep a stage record: equal digests mean equal bits, on any machine."""
        self.stages.append({"name": name, "digest": digest(arrays)})

    @property
    def _code(self) -> str:
        """Hashes of the sources of the run's own class and of its base classes below this one."""
        classes = itertools.takewhile(lambda kind: kind is not Run, type(self).__mro__)
        return "-".join(source_hash(module) for module in dict.fromkeys(sys.modules[kind.__module__] for kind in classes))

    def _key(self, key: Mapping[str, Any]) -> dict[str, Any]:
        return {"experiment": self.experiment.fingerprint(), "run": self._code, **key}
