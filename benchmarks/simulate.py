"""A graph of tasks on a number of workers, simulated event by event: who does what, when, and what goes over the network.

The tasks are those of ``harness/cluster``. How Dask places them is simplified. A worker has one task at a time. Of the tasks
whose needs are done, the first in the list goes next, to the free worker that has most bytes of its needs. The worker fetches
what it lacks, and opens the task's run if it was at another run. Results that the run keeps arrive there one after another.
Nothing fails, and all workers are alike.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """A task.

    Attributes:
        seconds: that a worker computes.
        size: bytes of the result.
        needs: positions of the tasks whose results it needs; they stand before it.
        run: name of the run that the worker must have opened, "" if none.
        opening: seconds to open it.
        kept: whether the process that started the work takes the result.
    """

    seconds: float
    size: float = 0.0
    needs: tuple[int, ...] = ()
    run: str = ""
    opening: float = 0.0
    kept: bool = False


@dataclass(frozen=True)
class Cluster:
    """A cluster.

    Attributes:
        workers: their number.
        bandwidth: bytes a second into a machine.
        dispatch: seconds of the scheduler for each task.
    """

    workers: int
    bandwidth: float = float("inf")
    dispatch: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """The outcome of a simulation.

    Attributes:
        seconds: until the last result is where it belongs.
        useful: share of all workers' time in which they compute, openings and transfers left out.
        moved: bytes that went over the network.
    """

    seconds: float
    useful: float
    moved: float


def simulate(tasks: Sequence[Task], cluster: Cluster) -> Outcome:
    """What becomes of the tasks on the cluster."""
    followers: list[list[int]] = [[] for _ in tasks]
    for position, task in enumerate(tasks):
        for need in task.needs:
            followers[need].append(position)
    open_needs = [len(task.needs) for task in tasks]
    ready = [position for position, count in enumerate(open_needs) if not count]
    free, opened, place = dict.fromkeys(range(cluster.workers)), dict[int, str](), dict[int, int]()
    running: list[tuple[float, int]] = []
    now = scheduler = link = moved = 0.0
    while ready or running:
        while ready and free:
            position = heapq.heappop(ready)
            task = tasks[position]
            worker = place[position] = _chosen(task, tasks, free, place)
            del free[worker]
            scheduler = max(scheduler, now) + cluster.dispatch
            fetched = sum(tasks[need].size for need in task.needs if place[need] != worker)
            opening = task.opening if task.run and opened.get(worker) != task.run else 0.0
            opened[worker] = task.run or opened.get(worker, "")
            moved += fetched
            heapq.heappush(running, (scheduler + fetched / cluster.bandwidth + opening + task.seconds, position))
        now, position = heapq.heappop(running)
        free[place[position]] = None
        if tasks[position].kept:
            link = max(link, now) + tasks[position].size / cluster.bandwidth
            moved += tasks[position].size
        for follower in followers[position]:
            open_needs[follower] -= 1
            if not open_needs[follower]:
                heapq.heappush(ready, follower)
    seconds = max(now, link)
    return Outcome(seconds, work(tasks) / seconds / cluster.workers, moved)


def work(tasks: Iterable[Task]) -> float:
    """Seconds of computing in all."""
    return sum(task.seconds for task in tasks)


def _chosen(task: Task, tasks: Sequence[Task], free: dict[int, None], place: dict[int, int]) -> int:
    """The free worker with most bytes of the task's needs, else the one that has been free for longest."""
    held: dict[int, float] = {}
    for need in task.needs:
        if place[need] in free:
            held[place[need]] = held.get(place[need], 0.0) + tasks[need].size
    return max(held, key=lambda worker: held[worker]) if held else next(iter(free))
