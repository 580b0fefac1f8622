"""The tasks of a worker: blocks of a run's Jacobian, the rest of the run, claims on runs, and controls. All results are kept."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from harness.cluster import entries, fit
from harness.cluster.entries import Packed
from harness.engine.precision import exact_dtypes
from harness.errors import InvalidInput, NotRun
from harness.runs.lab import Lab
from harness.runs.store import Store
from harness.suite import catalogue
from harness.suite.claim import REGISTRY, Claim
from harness.suite.judging import run_control
from harness.suite.paper import home

RunKey = tuple[str, int]  # the name of an experiment, and a seed


@dataclass(frozen=True)
class Request:
    """What a run asks of every worker.

    Attributes:
        claims: the folder of claims; a worker without this folder takes the papers that are installed there.
        root: the folder that modules of claims are named from.
        code: digest of the claims' sources.
        patterns: file names of modules with claims.
        store: the run's store; a worker that sees the file ``token`` in it shares it.
        token: the run's name, and that of a file that it made in its store.
        lab: arguments of :class:`harness.runs.lab.Lab` but for its store.
    """

    claims: str
    root: str
    code: str
    patterns: tuple[str, ...]
    store: str
    token: str
    lab: Mapping[str, Any]


# the lab of the run whose blocks this worker computes: it holds their compiled program
_current: dict[tuple[str, str, int], Lab] = {}


@dataclass(frozen=True)
class TaskResult:
    """The result of a task.

    Attributes:
        packed: the entries that the task used, where the worker does not share the run's store.
        problem: an error, in one line; the run meets it again, and reports it in its own way.
    """

    packed: Packed = field(default_factory=dict)
    problem: str = ""


def block(request: Request, name: str, seed: int, width: int | None, first: int) -> TaskResult:
    """Compute the block of ``width`` columns from ``first`` on of the Jacobian of one run.

    An error is left to :func:`prepare`, which meets it again: one run reports it once.
    """
    run = (request.token, name, seed)

    def work(lab: Lab) -> None:
        _current.clear()
        _current[run] = lab
        lab.run(name, seed).width = width
        lab.run(name, seed).compute_block(first)

    return replace(_result(request, (), work, _current.get(run)), problem="")


def prepare(request: Request, name: str, seed: int, width: int | None, blocks: Sequence[TaskResult]) -> TaskResult:
    """Do the long work of one run of an experiment, and of its stage records.

    Args:
        width: columns of a block of its Jacobian.
        blocks: results of :func:`block` for this run.
    """

    def work(lab: Lab) -> None:
        run = lab.run(name, seed)
        run.width = width
        if not run.missing:
            run.prepare()
            run.stage_records()

    _current.clear()  # the blocks' program and arrays leave the memory before the decomposition
    return _result(request, blocks, work)


def measure(request: Request, claims: Sequence[str], group: Sequence[RunKey], prepared: Sequence[TaskResult]) -> TaskResult:
    """Measure claims on a group of runs, for what that leaves in the store.

    Args:
        claims: ids of claims with one function, which share its results.
        group: what the function is called on.
        prepared: results of :func:`prepare` for these runs, and for others that the function looks at.
    """

    def one(claim: Claim, lab: Lab) -> None:
        claim.measure(*(lab.run(*key) for key in group))

    return _result(request, prepared, lambda lab: _of_each(request, claims, lab, one))


def control(
    request: Request, claims: Sequence[str], groups: Sequence[Sequence[RunKey]], measured: Sequence[TaskResult]
) -> TaskResult:
    """Measure claims in the worlds of their controls, for what that leaves in the store.

    Args:
        claims: as for :func:`measure`.
        groups: all groups of runs that the claims are judged on.
        measured: results of :func:`prepare` and :func:`measure` for all groups.
    """

    def one(claim: Claim, lab: Lab) -> None:
        for each in claim.controls:
            run_control(claim, each, [tuple(lab.run(*key) for key in group) for group in groups])

    return _result(request, measured, lambda lab: _of_each(request, claims, lab, one))


def _of_each(request: Request, claims: Sequence[str], lab: Lab, work: Callable[[Claim, Lab], None]) -> None:
    """Some work for each claim; an error leaves the other claims their turn.

    Raises:
        InvalidInput: the worker has no such claim, or the work of some claims failed.
    """
    problems = []
    for id in claims:
        if id not in REGISTRY:
            raise InvalidInput(f"this worker has no claim {id}: give it the folder {request.claims}")
        try:
            work(REGISTRY[id], lab)
        except NotRun:
            pass
        except Exception as error:
            problems.append(f"{id}: {_said(error)}")
    if problems:
        raise InvalidInput("; ".join(problems))


def _result(request: Request, needed: Sequence[TaskResult], work: Callable[[Lab], None], lab: Lab | None = None) -> TaskResult:
    """The result of some work after the results that it needs, in the lab of an earlier task or in a new one."""
    shared = Path(request.store, request.token).exists()
    store = lab.store if lab else Store(Path(request.store) if shared else fit.folder(request.token))
    sent = {name for result in needed for name in result.packed} | store.used
    problem = ""
    try:
        for result in needed:
            entries.unpack(result.packed, store)
        _declare(request)
        with exact_dtypes():
            work(lab or Lab(store, **request.lab))
    except NotRun:
        pass
    except Exception as error:
        problem = _said(error)
    return TaskResult({} if shared else entries.pack(store, store.used - sent), problem)


def _said(error: Exception) -> str:
    return "".join(traceback.format_exception_only(error)).strip()


def _declare(request: Request) -> None:
    """Import the claims; once in a worker's life.

    Raises:
        InvalidInput: the worker has, or has imported, other claims.
    """
    folder, root = Path(request.claims), Path(request.root)
    if not folder.is_dir():
        folder, root = home(), home().parent
    if _imported(folder, root, request.patterns) != request.code:
        raise InvalidInput(f"this worker has other claims in {folder} than the run: update the folder and start the worker again")


@cache
def _imported(folder: Path, root: Path, patterns: tuple[str, ...]) -> str:
    """The digest of the claims' sources when they were imported."""
    found = fit.imported(folder)
    if str(root) not in sys.path:
        sys.path.insert(0, str(root))
    catalogue.declare_all(folder, root, patterns)
    return found
