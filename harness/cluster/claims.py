"""Claims on a cluster: the runs and claims that a run of the suite will need, as tasks in the order of their needs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from harness.cluster import entries, scheduler, work
from harness.cluster.scheduler import Say, Submit, Tasks
from harness.cluster.work import RunKey
from harness.errors import HarnessError
from harness.progress import Progress
from harness.runs.run import Run
from harness.runs.store import Store
from harness.suite.claim import Claim
from harness.suite.judging import groups_of


@dataclass(frozen=True)
class Statement:
    """Claims with one function, which share its results.

    Attributes:
        ids: of the claims.
        groups: the runs that the function is called on, such as one run of each seed.
        needs: the runs that must be prepared before each call: a claim of one run may look at runs of its other experiments.
        controls: whether a claim has controls.
        seconds: expected for one call.
    """

    ids: tuple[str, ...]
    groups: Sequence[Sequence[RunKey]]
    needs: Sequence[Sequence[RunKey]]
    controls: bool
    seconds: float


@dataclass(frozen=True)
class Workload:
    """The work that a run will need.

    Attributes:
        runs: the run's own objects, and expected seconds to prepare them.
        statements: claims to be measured on them.
    """

    runs: Mapping[RunKey, tuple[Run, float]]
    statements: Sequence[Statement]


def workload(runs: Sequence[Run], claims: Sequence[Claim], expected: Callable[[str], float | None]) -> Workload:
    """The work that claims need of their runs.

    Args:
        runs: of all the claims' experiments.
        expected: gives the seconds of an experiment or a claim by its name or id; None where nobody knows.
    """
    families: dict[Any, list[Claim]] = defaultdict(list)
    for claim in claims:
        families[claim.function, claim.on, claim.over].append(claim)
    statements = []
    for (_, on, over), members in families.items():
        own = [run for name in on for run in runs if run.experiment.name == name]
        with suppress(HarnessError):  # the claims meet it again, and report it
            groups = [[_key(run) for run in group] for group in groups_of(members[0], own)]
            needs = groups if over in ("seeds", "pairs") else [[_key(run) for run in own]] * len(groups)
            seconds = max(expected(claim.id) or 0.0 for claim in members) / max(len(groups), 1)
            controls = any(claim.controls for claim in members)
            statements.append(Statement(tuple(claim.id for claim in members), groups, needs, controls, seconds))
    return Workload({_key(run): (run, expected(run.experiment.name) or 0.0) for run in runs}, statements)


def _key(run: Run) -> RunKey:
    return run.experiment.name, run.experiment.seed


def compute(address: str, request: work.Request, workload: Workload, progress: Progress, say: Say) -> None:
    """Let a cluster do the workload, into the store of the run; other arguments and errors as for :func:`scheduler.follow`."""
    store, token = Store(Path(request.store)), scheduler.token()

    def take(result: work.TaskResult) -> str:
        entries.unpack(result.packed, store)
        return result.problem

    (store.root / token).touch()
    try:
        submit = partial(hand_in, replace(request, token=token), workload)
        scheduler.follow(address, token, submit, take, progress, say)
    finally:
        (store.root / token).unlink(missing_ok=True)


def hand_in(request: work.Request, workload: Workload, submit: Submit, devices: int) -> Tasks:
    """A run waits for the blocks of its Jacobian, a claim for its runs, and its controls for the claim on all of its runs.

    The longest goes first, and runs go before claims. All blocks of a run are as wide as ``devices`` make them here, whoever
    computes them.
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
    for each in workload.statements:
        soon = {"priority": int(each.seconds)}
        measured = []
        for group, needs in zip(each.groups, each.needs, strict=True):
            future = submit(work.measure, request, each.ids, group, [prepared[run] for run in needs], **soon)
            tasks[future] = f"{each.ids[0]}, {', '.join(f'{name} with seed {seed}' for name, seed in group)}"
            measured.append(future)
        if each.controls:
            needed = [prepared[run] for run in dict.fromkeys(run for needs in each.needs for run in needs)]
            tasks[submit(work.control, request, each.ids, each.groups, needed + measured, **soon)] = f"{each.ids[0]}, controls"
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
