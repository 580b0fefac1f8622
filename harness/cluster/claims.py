"""Claims on a cluster: the runs and claims that a run of the suite will need, as tasks in the order of their needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.cluster import entries, scheduler, work
from harness.cluster.scheduler import Say, Submit, Tasks
from harness.progress import Progress
from harness.runs.store import Store


@dataclass(frozen=True)
class Workload:
    """The work that a run will need.

    Attributes:
        runs: experiments with a seed -> expected seconds to prepare them.
        claims: ids -> (experiments that the claim is on, expected seconds to measure it).
    """

    runs: Mapping[tuple[str, int], float]
    claims: Mapping[str, tuple[Sequence[str], float]]


def compute(address: str, request: work.Request, workload: Workload, progress: Progress, say: Say) -> None:
    """Let a cluster do the workload, into the store of the run; other arguments and errors as for :func:`scheduler.follow`."""
    store, token = Store(Path(request.store)), scheduler.token()

    def take(result: work.TaskResult) -> str:
        entries.unpack(result.packed, store)
        return result.problem

    (store.root / token).touch()
    try:
        submit = partial(_submitted, replace(request, token=token), workload)
        scheduler.follow(address, token, submit, take, progress, say)
    finally:
        (store.root / token).unlink(missing_ok=True)


def _submitted(request: work.Request, workload: Workload, submit: Submit) -> Tasks:
    """A claim waits for the runs that it is on; the longest goes first, and runs before claims."""
    prepared = {
        (name, seed): submit(work.prepare, request, name, seed, priority=int(1e6 + seconds))
        for (name, seed), seconds in workload.runs.items()
    }
    tasks = {future: f"{name}, seed {seed}" for (name, seed), future in prepared.items()}
    for claim, (names, seconds) in workload.claims.items():
        needed = [future for (name, _), future in prepared.items() if name in names]
        tasks[submit(work.measure, request, claim, needed, priority=int(seconds))] = claim
    return tasks
