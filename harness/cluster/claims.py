"""Claims on a cluster: the runs and claims that a run of the suite will need, as tasks in the order of their needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from harness.cluster import entries, scheduler, work
from harness.cluster.scheduler import Say, Submit, Tasks
from harness.progress import Progress
from harness.runs.run import Run
from harness.runs.store import Store


@dataclass(frozen=True)
class Workload:
    """The work that a run will need.

    Attributes:
        runs: experiments with a seed -> (the run's own object, expected seconds to prepare it).
        claims: ids -> (experiments that the claim is on, expected seconds to measure it).
    """

    runs: Mapping[tuple[str, int], tuple[Run, float]]
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


def _submitted(request: work.Request, workload: Workload, submit: Submit, devices: int) -> Tasks:
    """A run waits for the blocks of its Jacobian, a claim for its runs. The longest goes first, and runs go before claims.

    All blocks of a run are as wide as ``devices`` make them here, whoever computes them.
    """
    tasks: Tasks = {}
    prepared = {}
    for (name, seed), (run, seconds) in workload.runs.items():
        width = _divided(run, devices)
        first = {"priority": int(1e6 + seconds)}
        blocks = {submit(work.block, request, name, seed, width, column, **first): column for column in _blocks(run)}
        tasks |= {future: f"{name}, seed {seed}, columns from {column}" for future, column in blocks.items()}
        prepared[name, seed] = submit(work.prepare, request, name, seed, width, list(blocks), **first)
        tasks[prepared[name, seed]] = f"{name}, seed {seed}"
    for claim, (names, seconds) in workload.claims.items():
        needed = [future for (name, _), future in prepared.items() if name in names]
        tasks[submit(work.measure, request, claim, needed, priority=int(seconds))] = claim
    return tasks


def _divided(run: Run, devices: int) -> int | None:
    """Columns of a block, which the run keeps: it goes on from finished blocks where the cluster fails."""
    try:
        run.width = run.columns_of(devices)
    except Exception:  # the run's own task meets it again, and reports it
        return None
    return run.width


def _blocks(run: Run) -> Sequence[int]:
    """First columns of the blocks that are tasks: none of a Jacobian of one block, and none where the run itself will fail."""
    try:
        left = run.blocks_left()
    except Exception:  # the run's own task meets it again, and reports it
        return ()
    return left if len(left) > 1 else ()
