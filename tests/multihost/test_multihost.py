"""One Jacobian by any number of devices, after a death, or sharded over the processes of a jax.distributed job: same numbers."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]
# float32 with sums in another order, over 50 steps: a hundred eps of the largest entry
ROUNDING = 100 * np.finfo(np.float32).eps
BLOCKS = 10  # of 256 columns, for 2410


def start(module: str, *arguments: object, devices: int = 1) -> subprocess.Popen[str]:
    """A process of its own with this number of simulated devices."""
    environment = os.environ | {
        "XLA_FLAGS": f"--xla_force_host_platform_device_count={devices}",
        "PYTHONPATH": str(ROOT),
    }
    command = [sys.executable, "-m", f"tests.multihost.{module}", *map(str, arguments)]
    return subprocess.Popen(command, env=environment, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What the process says in its last line."""
    out, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    result: dict[str, Any] = json.loads(out.strip().splitlines()[-1])
    return result


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """J by one process with one device."""
    folder = tmp_path_factory.mktemp("alone")
    result = ended(start("columns", folder / "store", folder / "J.npy"))
    assert len(result["computed"]) == BLOCKS
    return np.load(folder / "J.npy")


@pytest.mark.parametrize("devices", [2, 8])
def test_any_number_of_devices_gives_the_same_numbers(tmp_path: Path, alone: Any, devices: int) -> None:
    result = ended(start("columns", tmp_path / "store", tmp_path / "J.npy", devices=devices))
    assert result["devices"] == devices
    assert np.max(np.abs(np.load(tmp_path / "J.npy") - alone)) <= ROUNDING * np.max(np.abs(alone))


def test_a_process_that_dies_costs_its_unfinished_block_alone(tmp_path: Path, alone: Any) -> None:
    dying = start("columns", tmp_path / "store", tmp_path / "dead.npy", "--die-after", 3)
    assert dying.wait(timeout=300) == -signal.SIGKILL
    result = ended(start("columns", tmp_path / "store", tmp_path / "J.npy"))
    assert len(result["computed"]) == BLOCKS - 3
    assert np.array_equal(np.load(tmp_path / "J.npy"), alone)


@pytest.mark.parametrize(("processes", "devices"), [(1, 2), (2, 1), (2, 2)])
def test_a_jacobian_stays_sharded_over_a_job(tmp_path: Path, alone: Any, processes: int, devices: int) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    job = [start("sharded", address, processes, i, tmp_path / f"{i}.npz", devices=devices) for i in range(processes)]
    for process in job:
        _, errors = process.communicate(timeout=300)
        assert process.returncode == 0, errors
    found = [np.load(tmp_path / f"{i}.npz") for i in range(processes)]
    inside = np.mean(np.abs(np.linalg.svd(alone, compute_uv=False) - 1) < 0.1)
    for one in found:
        assert one["devices"] == processes * devices
        assert one["kept"] <= alone.nbytes / processes * 1.01, "a process keeps its part alone"
        # sums of 2410 products of float32, in another order
        for name, dense in (("forward", alone), ("adjoint", alone.T)):
            expected = dense.astype(np.float64) @ one["block"]
            assert np.linalg.norm(one[name] - expected) <= 1e-5 * np.linalg.norm(expected)
        low, _, high = one["counted"]
        assert low <= inside <= high
        assert np.array_equal(one["forward"], found[0]["forward"]), "every process gets the same"
