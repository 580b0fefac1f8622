"""What a worker does: prepare one run, or measure one claim with its controls, and keep what that gave."""

from __future__ import annotations

import platform
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.cluster import entries
from harness.cluster.entries import Packed
from harness.engine.precision import exact_dtypes
from harness.errors import NotRun
from harness.runs import provenance
from harness.runs.lab import Lab
from harness.runs.store import Store
from harness.suite import catalogue
from harness.suite.claim import REGISTRY
from harness.suite.judging import groups_of, run_control
from harness.suite.paper import home


@dataclass(frozen=True)
class Session:
    """What a run asks of every worker.

    Attributes:
        claims: the folder of claims; a worker that has no such folder takes the papers that are installed there.
        patterns: file names of modules with claims.
        store: the run's store; a worker that sees the file ``token`` in it shares it.
        token: name of a file that the run made there.
        lab: arguments of :class:`harness.runs.lab.Lab` but for its store.
    """

    claims: str
    root: str
    patterns: tuple[str, ...]
    store: str
    token: str
    lab: Mapping[str, Any]


@dataclass(frozen=True)
class Done:
    """What a task gave.

    Attributes:
        packed: entries of the worker's own store that are new, where it does not share the run's.
        problem: what went wrong, in one line; the run meets it again, and says so in its own way.
    """

    packed: Packed = field(default_factory=dict)
    problem: str = ""


def facts() -> dict[str, str]:
    """What must be the same on all workers for results to be those of one machine."""
    machine = {"processor": provenance.processor(), "instructions": provenance.instructions(), "BLAS": provenance.blas()}
    return {"Python": platform.python_version(), **provenance.versions(), **machine}


def unlike(wanted: Mapping[str, str]) -> str:
    """How this process differs from what is wanted, in one line; "" if it does not."""
    here = facts()
    return ", ".join(
        f"{name} {here.get(name) or 'none'} in place of {value or 'none'}"
        for name, value in wanted.items()
        if here.get(name) != value
    )


def prepare(session: Session, name: str, seed: int) -> Done:
    """Do the long work of one run of an experiment."""

    def work(lab: Lab) -> None:
        run = lab.run(name, seed)
        if not run.missing:
            run.prepare()

    return _done(session, (), work)


def measure(session: Session, claim: str, prepared: Sequence[Done]) -> Done:
    """Measure a claim and its controls, for what that leaves in the store.

    Args:
        prepared: of the runs that it is on.
    """

    def work(lab: Lab) -> None:
        declared = REGISTRY[claim]
        groups = groups_of(declared, [run for name in declared.on for run in lab.runs(name)])
        for group in groups:
            declared.measure(*group)
        for control in declared.controls:
            run_control(declared, control, groups)

    return _done(session, prepared, work)


def _done(session: Session, prepared: Sequence[Done], work: Any) -> Done:
    shared = Path(session.store, session.token).exists()
    root = Path(session.store) if shared else Path(tempfile.gettempdir()) / f"claims-{session.token}"
    _declare(session)
    store = Store(root)
    for done in prepared:
        entries.unpack(done.packed, root)
    before, problem = entries.names(root), ""
    try:
        with exact_dtypes():
            work(Lab(store, **session.lab))
    except NotRun:
        pass
    except Exception as error:
        problem = "".join(traceback.format_exception_only(error)).strip()
    return Done({} if shared else entries.pack(root, entries.names(root) - before), problem)


def _declare(session: Session) -> None:
    """Import the claims; once a worker."""
    folder, root = Path(session.claims), Path(session.root)
    if not folder.is_dir():
        folder, root = home(), home().parent
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    catalogue.declare_all(folder, root, session.patterns)
