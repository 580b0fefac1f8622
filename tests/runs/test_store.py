"""The store trusts nothing: truncated, altered or foreign entries are reported and computed again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import jax
import numpy as np
import pytest

from harness.errors import InvalidInput
from harness.runs import experiment as config
from harness.runs import provenance
from harness.runs import store as stores
from harness.runs.store import Store, StoreWarning
from harness.suite import verdict

KEY = {"experiment": "abc"}
MODULES = (verdict,)


class Counted:
    """A computation that counts its calls."""

    def __init__(self, value=1.0):
        self.calls, self.value = 0, value

    def __call__(self):
        self.calls += 1
        return {"a": np.full(5, self.value), "b": np.arange(3)}


def entry(root: Path) -> Path:
    return next(path for path in root.iterdir() if path.name.startswith("thing-"))


def test_damage_that_cannot_be_replaced_is_not_trusted(tmp_path, monkeypatch):
    """A damaged entry, and no room for a whole one: what was computed is returned, each time."""
    Store(tmp_path).arrays("thing", KEY, Counted(1.0), modules=MODULES)
    np.save(entry(tmp_path) / "a.npy", np.full(5, 7.0))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(stores, "write_entry", full)
    store = Store(tmp_path)
    for _ in range(2):
        with pytest.warns(StoreWarning):
            assert store.arrays("thing", KEY, Counted(2.0), modules=MODULES)["a"][0] == 2.0


def test_computed_once_and_read_back(tmp_path):
    compute = Counted()
    first = Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    again = Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    assert compute.calls == 1
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
    with pytest.raises(ValueError, match="read-only"):
        again["a"][0] = 2


def test_another_key_another_entry(tmp_path):
    one, two = Counted(1.0), Counted(2.0)
    Store(tmp_path).arrays("thing", KEY, one, modules=MODULES)
    assert Store(tmp_path).arrays("thing", {"experiment": "abd"}, two, modules=MODULES)["a"][0] == 2.0


def test_other_code_another_entry(tmp_path):
    compute = Counted()
    Store(tmp_path).arrays("thing", KEY, compute, modules=(verdict,))
    Store(tmp_path).arrays("thing", KEY, compute, modules=(config,))
    assert compute.calls == 2


def computed_without_and_with(tmp_path, monkeypatch, name, value) -> int:
    """How often a store computes an entry that is asked for without any setting, and again with this one."""
    for held in [name for name in os.environ if name.startswith(provenance.MOVERS)]:
        monkeypatch.delenv(held)
    compute = Counted()
    Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    monkeypatch.setenv(name, value)
    Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    return compute.calls


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XLA_FLAGS", "--xla_cpu_enable_fast_math=true"),
        ("XLA_FLAGS", "--xla_force_host_platform_device_count=2 --xla_cpu_max_isa=AVX2"),
        ("OPENBLAS_CORETYPE", "Haswell"),
        ("NPY_DISABLE_CPU_FEATURES", "AVX512F"),
        ("MKL_CBWR", "COMPATIBLE"),
        ("JAX_DEFAULT_PRNG_IMPL", "rbg"),
        ("NVIDIA_TF32_OVERRIDE", "1"),
    ],
)
def test_a_setting_that_can_move_a_number_is_another_entry(tmp_path, monkeypatch, name, value):
    """Else what an earlier run left would answer for a compiler or a BLAS that has not run."""
    assert computed_without_and_with(tmp_path, monkeypatch, name, value) == 2
    (setting,) = provenance.settings().items()
    assert setting == (name, value.replace("--xla_force_host_platform_device_count=2 ", ""))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("XLA_FLAGS", "--xla_force_host_platform_device_count=2 --xla_dump_to=/nowhere"),
        ("OPENBLAS_NUM_THREADS", "1"),
        ("JAX_ENABLE_X64", "0"),
        ("XLA_PYTHON_CLIENT_PREALLOCATE", "false"),
    ],
)
def test_a_setting_that_moves_none_is_the_same_entry(tmp_path, monkeypatch, name, value):
    assert computed_without_and_with(tmp_path, monkeypatch, name, value) == 1


@pytest.mark.parametrize("fact", ["processor", "instructions", "blas"])
def test_another_machine_or_blas_is_another_entry(tmp_path, monkeypatch, fact):
    """Two virtual machines of one processor's name may hide other instructions; a distribution may bring a BLAS of its own."""
    compute = Counted()
    Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    monkeypatch.setattr(provenance, fact, lambda: "another")
    Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    assert compute.calls == 2


def test_a_setting_without_a_variable_is_another_entry(tmp_path):
    compute = Counted()
    Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    with jax.disable_jit():
        Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    assert compute.calls == 2


def test_fresh_forgets_what_was_there_before_but_not_its_own(tmp_path):
    compute = Counted()
    Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    fresh = Store(tmp_path, fresh=True)
    fresh.arrays("thing", KEY, compute, modules=MODULES)
    fresh.arrays("thing", KEY, compute, modules=MODULES)
    assert compute.calls == 2


def truncate(folder):
    path = folder / "a.npy"
    path.write_bytes(path.read_bytes()[:-8])


def flip(folder):
    path = folder / "a.npy"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def pickled(folder):
    np.save(folder / "a.npy", np.array([{}], dtype=object), allow_pickle=True)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["arrays"]["a"] = stores._checksum(folder / "a.npy")
    (folder / "manifest.json").write_text(json.dumps(manifest))


def foreign(folder):
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["key"]["key"] = {"experiment": "somebody else's"}
    (folder / "manifest.json").write_text(json.dumps(manifest))


def no_manifest(folder):
    (folder / "manifest.json").unlink()


def a_list(folder):
    (folder / "manifest.json").write_text("[]")


@pytest.mark.parametrize("damage", [truncate, flip, pickled, foreign, no_manifest, a_list], ids=lambda f: f.__name__)
def test_damage_is_reported_and_computed_again(tmp_path, damage):
    compute = Counted()
    Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    damage(entry(tmp_path))
    with pytest.warns(StoreWarning, match=r"thing-\w+ is not trusted .* computed again"):
        found = Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    assert compute.calls == 2
    np.testing.assert_array_equal(found["a"], np.ones(5))
    Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)
    assert compute.calls == 2


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    with pytest.raises(InvalidInput, match=r"cannot be written .* --claims-store"):
        Store(blocker / "below")


def test_blocks_are_taken_up_again(tmp_path):
    Store(tmp_path).blocks("thing", KEY, MODULES)[64] = np.ones((2, 3))
    again = Store(tmp_path).blocks("thing", KEY, MODULES)
    assert 64 in again
    assert 0 not in again
    np.testing.assert_array_equal(again[64], np.ones((2, 3)))
    again.clear()
    assert 64 not in Store(tmp_path).blocks("thing", KEY, MODULES)


def test_a_fresh_store_does_not_take_blocks_up(tmp_path):
    Store(tmp_path).blocks("thing", KEY, MODULES)[64] = np.ones((2, 3))
    assert 64 not in Store(tmp_path, fresh=True).blocks("thing", KEY, MODULES)


def test_three_processes_compute_once(tmp_path):
    script = textwrap.dedent(
        f"""
        import os, sys, time
        import numpy as np
        from harness.suite import verdict
        from harness.runs.store import Path, Store
        def compute():
            Path({str(tmp_path)!r}, f"computed-by-{{os.getpid()}}").touch()
            time.sleep(1)
            return {{"a": np.ones(3)}}
        Store(Path({str(tmp_path / "store")!r})).arrays("thing", {KEY!r}, compute, modules=(verdict,))
        """
    )
    workers = [subprocess.Popen([sys.executable, "-c", script]) for _ in range(3)]
    assert [worker.wait(120) for worker in workers] == [0, 0, 0]
    assert len(list(tmp_path.glob("computed-by-*"))) == 1


def test_killed_while_storing_leaves_nothing_that_is_read(tmp_path):
    """kill -9 in the middle of a write: the next run computes again, since nothing was renamed into place."""
    script = textwrap.dedent(
        f"""
        import os, signal
        import numpy as np
        from harness.runs import store
        from harness.suite import verdict
        def save(path, array, allow_pickle):
            path.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)
        store.np.save = save
        store.Store(store.Path({str(tmp_path)!r})).arrays("thing", {KEY!r}, lambda: {{"a": np.ones(5)}}, modules=(verdict,))
        """
    )
    done = subprocess.run([sys.executable, "-c", script], env={**os.environ, "JAX_PLATFORMS": "cpu"}, timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    compute = Counted()
    np.testing.assert_array_equal(Store(tmp_path).arrays("thing", KEY, compute, modules=MODULES)["a"], np.ones(5))
    assert compute.calls == 1


def test_a_full_disk_costs_the_entry_and_not_the_numbers(tmp_path):
    """A real file system of one megabyte; where none can be mounted, the same error from a file-size limit."""
    script = textwrap.dedent(
        f"""
        import resource, signal, warnings
        import numpy as np
        from harness.suite import verdict
        from harness.runs.store import Store, StoreWarning, Path
        store = Store(Path({str(tmp_path / "disk")!r}))
        store._key("thing", {KEY!r}, (verdict,))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        if {not _tiny_disk(tmp_path / "disk")}:
            resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            found = store.arrays("thing", {KEY!r}, lambda: {{"a": np.ones(1 << 18)}}, modules=(verdict,))
        assert found["a"].sum() == 1 << 18
        assert any("could not be kept" in str(w.message) and "--claims-store" in str(w.message) for w in caught), caught
        print("computed")
        """
    )
    try:
        done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=120, check=False)
    finally:
        if os.path.ismount(tmp_path / "disk"):
            subprocess.run(["umount", str(tmp_path / "disk")], check=True)
    assert done.stdout == "computed\n", done.stderr
    assert not list((tmp_path / "disk").glob("thing-*"))


def _tiny_disk(folder: Path) -> bool:
    """Mount a file system of 1 MiB on ``folder``; False where that is not allowed."""
    folder.mkdir()
    if shutil.which("mount") is None:
        return False
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder)]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0
