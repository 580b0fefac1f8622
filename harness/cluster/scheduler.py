"""The run's side: a scheduler, workers that fit, tasks by what they need, and how it goes."""

from __future__ import annotations

import importlib
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from harness.cluster import entries, work
from harness.errors import HarnessError, InvalidInput
from harness.progress import Progress

LOCAL = "local:"
LOOK = 0.2  # seconds between looks at the tasks
GONE = 20.0  # seconds without the scheduler after which the run goes on alone
ARRIVING = 60.0  # seconds that a first worker has to arrive
RETRIES = 3  # workers that a task may lose


class SchedulerGone(HarnessError):
    """The scheduler cannot be reached any more; what was stored is kept."""


@dataclass(frozen=True)
class Wanted:
    """What a run will need.

    Attributes:
        runs: experiments with a seed -> seconds that preparing takes, where that is known.
        claims: ids -> (experiments that they are on, seconds).
    """

    runs: Mapping[tuple[str, int], float]
    claims: Mapping[str, tuple[Sequence[str], float]]


def compute(address: str, session: work.Session, wanted: Wanted, progress: Progress, say: Callable[[str], None]) -> None:
    """Let a cluster do all that is wanted, into the store of the run.

    Args:
        address: of a scheduler, or ``local:N`` for N processes of this machine.
        say: told where the dashboard is, which workers are refused, and what went wrong.

    Raises:
        InvalidInput: no scheduler there, or no worker that fits.
    """
    token = f"cluster-{uuid.uuid4().hex}"
    (Path(session.store) / token).touch()
    try:
        with _client(address) as client:
            say(f"cluster: {client.scheduler.address}, dashboard {client.dashboard_link}")
            _refuse_others(client, say)
            _follow(client, _submitted(client, replace(session, token=token), wanted), Path(session.store), progress, say)
    except SchedulerGone as error:
        say(f"cluster: {error}; the run goes on alone")
    finally:
        (Path(session.store) / token).unlink(missing_ok=True)


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
            workers = int(address.removeprefix(LOCAL))
            cores = max(1, (os.cpu_count() or 1) // workers)
            # the loopback address alone; each process has its share of the cores
            environment = {
                "XLA_FLAGS": f"--xla_force_host_platform_device_count={cores}",
                **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), str(cores)),
            }
            address = held.enter_context(
                dask.LocalCluster(
                    n_workers=workers,
                    threads_per_worker=1,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    env=environment,
                    silence_logs=50,
                )
            )
        try:
            client = held.enter_context(dask.Client(address, timeout="10s"))
        except OSError as error:
            raise InvalidInput(f"--claims-scheduler {address}: no scheduler answers there ({error})") from error
        yield client


def _refuse_others(client: Any, say: Callable[[str], None]) -> None:
    """Close workers whose libraries or processor are others, now and whenever one arrives.

    Raises:
        InvalidInput: no worker arrives, or none that fits.
    """
    from harness.cluster.refusal import TOPIC, Refusal

    try:
        client.wait_for_workers(1, timeout=ARRIVING)
    except TimeoutError as error:
        raise InvalidInput(f"no worker came to {client.scheduler.address} within {ARRIVING:.0f} s: start some") from error
    client.subscribe_topic(TOPIC, lambda event: say("cluster: worker {worker} is refused: {differs}".format(**event[1])))
    client.register_plugin(Refusal(work.facts()))
    different = client.run(work.unlike, work.facts(), on_error="return")
    if all(different.values()):
        first = next(iter(different.values()))
        raise InvalidInput(f"no worker of {client.scheduler.address} has the libraries and the processor of this run: {first}")


def _submitted(client: Any, session: work.Session, wanted: Wanted) -> dict[Any, str]:
    """Tasks by their futures: a claim waits for the runs that it is on; what takes longest goes first."""
    options = {"retries": RETRIES, "pure": False}
    prepared = {
        (name, seed): client.submit(work.prepare, session, name, seed, priority=int(1e6 + seconds), **options)
        for (name, seed), seconds in wanted.runs.items()
    }
    tasks = {future: f"{name}, seed {seed}" for (name, seed), future in prepared.items()}
    for claim, (names, seconds) in wanted.claims.items():
        needed = [future for (name, _), future in prepared.items() if name in names]
        tasks[client.submit(work.measure, session, claim, needed, priority=int(seconds), **options)] = claim
    return tasks


def _follow(client: Any, tasks: dict[Any, str], store: Path, progress: Progress, say: Callable[[str], None]) -> None:
    """Wait for all tasks; what they pack is added to the store as soon as it is there.

    Raises:
        SchedulerGone: it lost the tasks, or does not answer for :data:`GONE` seconds.
    """
    left, answered = dict(tasks), time.monotonic()
    with progress.stage("cluster", len(tasks)) as step:
        while left:
            for future in [one for one in left if one.status in ("finished", "error")]:
                _taken(future, left.pop(future), store, say)
                step.advance()
            now, lost = time.monotonic(), any(one.status in ("cancelled", "lost") for one in left)
            answered = now if client.status == "running" else answered
            if lost or now - answered > GONE:
                raise SchedulerGone(f"the scheduler does not answer or lost its tasks, {len(left)} of {len(tasks)} are left")
            step.note(f"{len(client.nthreads())} workers" if client.status == "running" else "no scheduler")
            time.sleep(LOOK)


def _taken(future: Any, what: str, store: Path, say: Callable[[str], None]) -> None:
    if future.status == "error":
        say(f"cluster: {what} is left to the run: {type(future.exception()).__name__}: {future.exception()}")
        return
    done: work.Done = future.result()
    entries.unpack(done.packed, store)
    if done.problem:
        say(f"cluster: {what}: {done.problem}")
