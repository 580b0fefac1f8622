"""The run's side of a cluster: a scheduler, workers that fit, tasks until they are done, and their progress."""

from __future__ import annotations

import importlib
import os
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import CancelledError
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

from harness.errors import HarnessError, InvalidInput
from harness.progress import Progress

LOCAL = "local:"
LOOK = 0.5  # seconds between looks at the tasks
GONE = 20.0  # seconds without the scheduler after which the run goes on alone
ARRIVING = 60.0  # seconds without a worker that fits after which the run goes on alone, or does not begin
CHECKING = 10.0  # seconds that workers who are there have to say whether they fit
Say = Callable[[str], None]
Tasks = dict[Any, str]  # futures, each with the name of its task
# (function, arguments..., priority=) -> the future of a task that a fitting worker does; larger priorities go first
Submit = Callable[..., Any]


class ClusterGone(HarnessError):
    """The scheduler or all workers cannot be reached any more; stored results are kept."""


def checked(option: str, got: str) -> str:
    """The text, if it is an address.

    Raises:
        InvalidInput: the text is no address.
    """
    if not re.fullmatch(r"local:[1-9]\d*|(?!local:)((tcp|tls|ucx|ws|wss)://)?[\w.\[\]:-]+:\d+", got):
        raise InvalidInput(f"{option} {got!r} is no address: give host:port, tls://host:port, or local:N for N processes")
    return got


def token() -> str:
    """A new name for a run."""
    return f"cluster-{uuid.uuid4().hex}"


def follow(
    address: str, token: str, submit: Callable[[Submit, int], Tasks], take: Callable[[Any], str], progress: Progress, say: Say
) -> None:
    """Let a cluster do tasks, and take their results as they come. A failed task is reported and left to the run.

    Args:
        address: of a scheduler, or ``local:N`` for N processes of this machine.
        token: the run's own name.
        submit: hands the tasks in; its second argument is the largest number of JAX's devices that a fitting worker has.
        take: gets the result of a task; returns a line to say, or "".
        say: told the dashboard's address, the workers that do not fit, and problems.

    Raises:
        InvalidInput: no scheduler there, or no worker that fits.
    """
    try:
        with _client(address) as client, _fitting(client, token, say):
            say(f"cluster: {client.scheduler.address}, dashboard {client.dashboard_link}")
            tasks = submit(partial(client.submit, pure=False, resources={token: 1}), _devices(client, token))
            _follow(client, tasks, token, take, progress, say)
    except ClusterGone as error:
        say(f"cluster: {error}; the run goes on alone")


@contextmanager
def _client(address: str) -> Iterator[Any]:
    dask: Any = importlib.import_module("distributed")
    with ExitStack() as held:
        if address.startswith(LOCAL):
            address = held.enter_context(_local(dask, int(address.removeprefix(LOCAL))))
        try:
            client = held.enter_context(dask.Client(address, timeout="10s"))
        except (OSError, ValueError) as error:
            raise InvalidInput(
                f"no scheduler answers at {address} ({error}): give the address that `dask scheduler` prints"
            ) from error
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
    return sum(bool(one.get(token)) for one in _resources(client))


def _devices(client: Any, token: str) -> int:
    from harness.cluster.fit import devices

    return int(max((one.get(devices(token), 1) for one in _resources(client)), default=1))


def _resources(client: Any) -> list[dict[str, float]]:
    return [worker["resources"] for worker in client.scheduler_info(n_workers=-1)["workers"].values()]


def _follow(client: Any, tasks: Tasks, token: str, take: Callable[[Any], str], progress: Progress, say: Say) -> None:
    """Wait for all tasks and empty the mapping.

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
                    _taken(future, tasks.pop(future), take, say)
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


def _taken(future: Any, what: str, take: Callable[[Any], str], say: Say) -> None:
    if future.status == "error":
        say(f"cluster: {what} is left to the run: {type(future.exception()).__name__}: {future.exception()}")
    elif said := take(future.result()):
        say(f"cluster: {what}: {said}")
