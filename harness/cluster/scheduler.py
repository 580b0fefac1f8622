"""The run's side of a cluster: a scheduler, workers that fit, tasks in the order of their needs, and their progress."""

from __future__ import annotations

import importlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.cluster import entries, work
from harness.errors import HarnessError, InvalidInput
from harness.progress import Progress
from harness.runs.store import Store

LOCAL = "local:"
LOOK = 0.5  # seconds between looks at the tasks
GONE = 20.0  # seconds without the scheduler after which the run goes on alone
ARRIVING = 60.0  # seconds without a worker that fits after which the run goes on alone, or does not begin
CHECKING = 10.0  # seconds that workers who are there have to say whether they fit
Say = Callable[[str], None]


class ClusterGone(HarnessError):
    """The scheduler or all workers cannot be reached any more; stored results are kept."""


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
    """Let a cluster do the workload, into the store of the run.

    Args:
        address: of a scheduler, or ``local:N`` for N processes of this machine.
        say: told the dashboard's address, the workers that do not fit, and problems.

    Raises:
        InvalidInput: no scheduler there, or no worker that fits.
    """
    store, token = Store(Path(request.store)), f"cluster-{uuid.uuid4().hex}"
    (store.root / token).touch()
    try:
        with _client(address) as client, _fitting(client, token, say):
            say(f"cluster: {client.scheduler.address}, dashboard {client.dashboard_link}")
            _follow(client, _submitted(client, replace(request, token=token), workload), store, token, progress, say)
    except ClusterGone as error:
        say(f"cluster: {error}; the run goes on alone")
    finally:
        (store.root / token).unlink(missing_ok=True)


@contextmanager
def _client(address: str) -> Iterator[Any]:
    try:
        dask: Any = importlib.import_module("distributed")
    except ImportError as error:
        raise InvalidInput(
            f"--claims-scheduler {address} needs Dask ({error}): pip install 'training-jacobian-claims[cluster]'"
        ) from error
    with ExitStack() as held:
        if address.startswith(LOCAL):
            address = held.enter_context(_local(dask, int(address.removeprefix(LOCAL))))
        try:
            client = held.enter_context(dask.Client(address, timeout="10s"))
        except (OSError, ValueError) as error:
            raise InvalidInput(f"--claims-scheduler {address}: no scheduler answers there ({error})") from error
        yield client


def _local(dask: Any, workers: int) -> Any:
    """Processes of this machine on the loopback address alone, each with its share of the cores and no limit of memory."""
    cores = max(1, (os.cpu_count() or 1) // workers)
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={cores}".strip()
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(cores))
    here = {"host": "127.0.0.1", "dashboard_address": "127.0.0.1:0"}
    process = {"threads_per_worker": 1, "memory_limit": None, "env": {"XLA_FLAGS": flags, **threads}}
    return dask.LocalCluster(n_workers=workers, silence_logs=50, **here, **process)


@contextmanager
def _fitting(client: Any, token: str, say: Say) -> Iterator[None]:
    """Workers that fit take the run's tasks, now and whenever one arrives.

    Raises:
        InvalidInput: none has come.
    """
    from harness.cluster.fit import TOPIC, FitCheck, facts

    mismatches: list[str] = []

    def told(event: tuple[float, dict[str, str]]) -> None:
        mismatches.append("worker {worker} does not fit: {differs}".format(**event[1]))
        say(f"cluster: {mismatches[-1]}")

    client.subscribe_topic(TOPIC, told)
    client.register_plugin(FitCheck(token, facts()))
    try:
        end = time.monotonic() + (CHECKING if client.nthreads() else ARRIVING)
        while not _workers(client, token):
            if time.monotonic() > end:
                why = mismatches[-1] if mismatches else "there is none"
                raise InvalidInput(f"no worker of {client.scheduler.address} fits this run ({why}): start one that does")
            time.sleep(LOOK)
        yield
    finally:
        if client.status == "running":
            client.unregister_worker_plugin(token)


def _workers(client: Any, token: str) -> int:
    """Number of workers that take the run's tasks."""
    return sum(bool(worker["resources"].get(token)) for worker in client.scheduler_info(n_workers=-1)["workers"].values())


def _submitted(client: Any, request: work.Request, workload: Workload) -> dict[Any, str]:
    """Tasks by their futures: a claim waits for the runs that it is on; the longest goes first, and runs before claims."""
    options = {"pure": False, "resources": {request.token: 1}}
    prepared = {
        (name, seed): client.submit(work.prepare, request, name, seed, priority=int(1e6 + seconds), **options)
        for (name, seed), seconds in workload.runs.items()
    }
    tasks = {future: f"{name}, seed {seed}" for (name, seed), future in prepared.items()}
    for claim, (names, seconds) in workload.claims.items():
        needed = [future for (name, _), future in prepared.items() if name in names]
        tasks[client.submit(work.measure, request, claim, needed, priority=int(seconds), **options)] = claim
    return tasks


def _follow(client: Any, tasks: dict[Any, str], store: Store, token: str, progress: Progress, say: Say) -> None:
    """Wait for all tasks and empty the mapping; packed entries are added to the store as they come.

    Raises:
        ClusterGone: the scheduler, or every worker that fits, is gone for too long.
    """
    total, began = len(tasks), time.monotonic()
    answered = served = began
    with progress.stage("cluster", total) as step:
        while tasks:
            now = time.monotonic()
            try:
                for future in [one for one in tasks if one.status in ("finished", "error")]:
                    _taken(future, tasks.pop(future), store, say)
                    step.advance()
                lost = any(future.status == "cancelled" for future in tasks)
                if client.status == "running" and not lost:
                    workers, answered = _workers(client, token), now
                    served = now if workers else served
                    step.note(f"{workers} workers, {(now - began) / 60:.0f} min")
            except (OSError, CancelledError) as error:
                raise ClusterGone(f"the scheduler is gone ({type(error).__name__}), {_left(tasks, total)}") from error
            if lost or now - answered > GONE:
                raise ClusterGone(f"the scheduler is gone, {_left(tasks, total)}")
            if now - served > ARRIVING:
                raise ClusterGone(f"all workers are gone, {_left(tasks, total)}")
            time.sleep(LOOK)


def _left(tasks: Mapping[Any, str], total: int) -> str:
    return f"{len(tasks)} of {total} tasks are left"


def _taken(future: Any, what: str, store: Store, say: Say) -> None:
    if future.status == "error":
        say(f"cluster: {what} is left to the run: {type(future.exception()).__name__}: {future.exception()}")
        return
    result: work.TaskResult = future.result()
    entries.unpack(result.packed, store)
    if result.problem:
        say(f"cluster: {what}: {result.problem}")
