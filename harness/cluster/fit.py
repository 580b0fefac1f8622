"""Whether a worker computes what the run would: the same libraries, machine, settings and code."""

from __future__ import annotations

import hashlib
import platform
import shutil
import tempfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jax

from harness.errors import InvalidInput
from harness.runs import provenance

try:
    from distributed.diagnostics.plugin import WorkerPlugin
except ImportError as error:
    raise InvalidInput(f"a cluster needs Dask ({error}): pip install 'training-jacobian-claims[cluster]'") from error

TOPIC = "claims-mismatch"


def digest(folder: Path) -> str:
    """SHA-256 over the Python sources below a folder."""
    found = hashlib.sha256()
    for path in sorted(folder.rglob("*.py")):
        found.update(f"{path.relative_to(folder).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


@cache
def imported(folder: Path) -> str:
    """The digest of a folder's sources, taken before its modules are imported: a later edit is not what runs."""
    return digest(folder)


HARNESS = digest(Path(__file__).resolve().parents[1])  # when this process imported it: a later edit is not what runs


def facts() -> dict[str, str]:
    """The facts that decide a result beside the claims: they must be the same on all workers."""
    settings = " ".join(f"{name}={value}" for name, value in provenance.settings().items())
    here = {**provenance.versions(), **provenance.machine(), "settings": settings}
    return {"Python": platform.python_version(), **here, "code of the harness": HARNESS[:12]}


def mismatch(wanted: Mapping[str, str]) -> str:
    """The facts in which this process differs from those that are wanted, in one line; "" if there are none."""
    here = facts()
    return ", ".join(
        f"{name} {here.get(name) or 'none'} in place of {value or 'none'}"
        for name, value in wanted.items()
        if here.get(name) != value
    )


def folder(token: str) -> Path:
    """Where a worker that does not see the run's store keeps its own."""
    return Path(tempfile.gettempdir()) / f"claims-{token}"


def devices(token: str) -> str:
    """The name of the resource that says a worker's number of devices."""
    return f"{token}-devices"


class FitCheck(WorkerPlugin):  # type: ignore[misc]
    """Lets fitting workers offer a resource that all tasks of the run ask for, and reports the others by an event.

    The resource also gives each worker one task at a time: JAX and BLAS share out the cores themselves. A second resource, which
    no task asks for, says how many devices JAX has there.

    Args:
        token: the name of the run, and of the resource.
        wanted: the run's own :func:`facts`.
    """

    def __init__(self, token: str, wanted: Mapping[str, str]) -> None:
        self.name, self.token, self.wanted = token, token, dict(wanted)

    async def setup(self, worker: Any) -> None:
        if differs := mismatch(self.wanted):
            worker.log_event(TOPIC, {"worker": worker.address, "differs": differs})
        else:
            await worker.set_resources(**{self.token: 1, devices(self.token): jax.local_device_count()})

    async def teardown(self, worker: Any) -> None:
        shutil.rmtree(folder(self.token), ignore_errors=True)
        await worker.set_resources(**{self.token: 0, devices(self.token): 0})
