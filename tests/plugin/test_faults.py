"""Real faults while claims run: a small experiment in a child process that is stopped, killed or deprived of resources.

The experiment goes through the paper's own pipeline (digits, training, Jacobian in blocks of columns, spectrum, claims, report)
with four hidden units, so that every fault meets the code of a real run. ``FAULT`` names the moment at which the child waits in
its work for the test's fault.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from harness.report import json_file
from harness.suite.records import Report

PYTEST_INI = """
[pytest]
claims_paths = claims
claims_canaries = off
addopts = --import-mode=importlib
pythonpath = .
"""
EXPERIMENTS = """
from dataclasses import replace
from claims.training_jacobian.experiments import Experiment, Model
from harness.runs.experiment import register

TINY = Experiment("tiny", "smoke", model=Model(hidden=(4,)), epochs=1, fixed_seed=True)  # N = 310
register("tiny", {"smoke": TINY})
register("other", {"smoke": replace(TINY, name="other", epochs=2)})
"""
CLAIMS = """
import functools
from types import SimpleNamespace as World
import tiny_experiments
import conftest
from harness.suite.claim import Control, claim
from harness.suite.verdict import at_most

nothing_near_one = Control("sigma = 0", lambda run: World(spectrum=World(sigma=0 * run.spectrum.sigma)))
declare = functools.partial(
    claim, where="Section 1", says="most singular values are near one", reading="share of |sigma - 1| > 0.1, at most one half",
    accept=at_most(0.5, reason="most"), scales=["smoke"], over="once", controls=[nothing_near_one],
)

def share(spectrum):
    return float((abs(spectrum.sigma - 1) > 0.1).mean())

@declare("tiny/first", on="tiny")
def test_first(spectrum):
    return share(spectrum)

@declare("tiny/second", on="tiny")
def test_second(spectrum):
    conftest.here("judging")
    return share(spectrum)

@declare("tiny/third", on=["other", "tiny"])
def test_third(spectrum):
    return share(spectrum)
"""
CONFTEST = """
import os, signal, time
from pathlib import Path
from types import SimpleNamespace
import jax
import numpy as np
from harness.engine import jacobian
from harness import report
from harness.runs import store
from claims.training_jacobian import run as training_run
from harness.report import html

FAULT = os.environ.get("FAULT", "")
signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored by what a shell starts in the background

def here(moment):
    if FAULT == moment and not Path("waited").exists():
        Path("waited").touch()
        Path("waiting").write_text(str(os.getpid()))
        while Path("waiting").exists():
            time.sleep(0.02)

def before(owner, name, moment):
    inner = getattr(owner, name)
    def outer(*arguments, **options):
        here(moment)
        return inner(*arguments, **options)
    setattr(owner, name, outer)

def kept(blocks, number, block, inner=store.Blocks.__setitem__):
    inner(blocks, number, block)
    if len(blocks) == 3:
        here("blocks")

def write_page(report, folder, inner=html.write):
    here("writing")
    inner(report, folder)

def finite(block, first, label, inner=jacobian._finite):
    with Path("blocks").open("a") as log:
        log.write(f"{label} {first}\\n")
    return inner(block, first, label)

def save(path, array, allow_pickle, inner=np.save):
    inner(path, array, allow_pickle=allow_pickle)
    if FAULT == "storing" and path.name == "initial.npy":
        os.truncate(path, path.stat().st_size // 2)
        here("storing")

def pytest_collect_file(file_path):
    here("collecting")

def keep_compilations(_):
    jax.config.update("jax_compilation_cache_dir", os.environ["COMPILED"])
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)

store.Store.keep_compilations = keep_compilations  # shared by all tests: what is compiled is none of their business
before(training_run.Run, "_train", "training")
before(training_run, "decompose", "spectrum")
store.Blocks.__setitem__ = kept
jacobian._finite = finite
jacobian.BLOCK = 32  # ten blocks
store.np = SimpleNamespace(**{**vars(np), "save": save})
report.WRITERS[:] = [write_page if writer is html.write else writer for writer in report.WRITERS]
"""
PATIENCE = 300  # seconds: a machine that is busy with other work is no fault
ONE_DEVICE = "--xla_force_host_platform_device_count=1 --xla_cpu_multi_thread_eigen=false"
COLUMNS = list(range(0, 310, 32))  # the first of each block


class Project:
    """A folder with the small claims, and the runs that are made in it."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, root / "store"
        self.children: list[subprocess.Popen[str]] = []
        for path, text in {
            "pytest.ini": PYTEST_INI,
            "conftest.py": CONFTEST,
            "tiny_experiments.py": EXPERIMENTS,
            "claims/test_tiny.py": CLAIMS,
        }.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")

    def start(self, *arguments: str, fault: str = "", prefix: Sequence[str] = (), **environment: str) -> subprocess.Popen[str]:
        """A run as a child with a process group of its own, as a shell would start it."""
        if fault:  # a child without one leaves another where it waits
            for left in ("waiting", "waited"):
                (self.root / left).unlink(missing_ok=True)
        hidden = ("PYTEST_", "MNIST_DIR", "COV_")
        clean = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
        # several children share the cores with each other and with other tests: one thread each, which never waits for another
        threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        compiled = str(self.root.parent / "compiled")
        compilation = f"{os.environ.get('XLA_FLAGS', '')} {ONE_DEVICE}"
        flags = {"XLA_FLAGS": compilation, "JAX_PLATFORMS": "cpu", "FAULT": fault, "COMPILED": compiled, **threads}
        command = [*prefix, sys.executable, "-m", "pytest", "claims", "--claims-scale", "smoke"]
        child = subprocess.Popen(
            [*command, "--claims-store", str(self.store), *arguments],
            cwd=self.root,
            env={**clean, **flags, **environment},
            text=True,
            start_new_session=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self.children.append(child)
        return child

    def clear(self) -> None:
        """End what a failed test left running, and free its space."""
        for child in self.children:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        shutil.rmtree(self.root, ignore_errors=True)

    def run(self, *arguments: str, prefix: Sequence[str] = (), **environment: str) -> tuple[int, str]:
        """A run that nobody disturbs: exit code and output."""
        return ended(self.start(*arguments, prefix=prefix, **environment))

    def waits(self, child: subprocess.Popen[str]) -> int:
        """Wait until the child is where its fault is; the id of the process that is there."""
        end = time.monotonic() + PATIENCE
        path = self.root / "waiting"
        while not (path.exists() and path.read_text()):
            assert child.poll() is None, child.stdout and child.stdout.read()
            assert time.monotonic() < end, "the child never came to where it should be stopped"
            time.sleep(0.02)
        return int(path.read_text())

    def stopped(self, fault: str, *arguments: str) -> tuple[int, str]:
        """A run that gets Ctrl-C at the moment, as a terminal sends it: to every process of the group."""
        child = self.start(*arguments, fault=fault)
        self.waits(child)
        os.killpg(child.pid, signal.SIGINT)
        return ended(child)

    def goes_on(self) -> None:
        """Let the child that waits go on."""
        (self.root / "waiting").unlink()

    @property
    def report(self) -> Report:
        return self.latest("latest")

    def latest(self, folder: str) -> Report:
        return json_file.read(self.root / "reports" / folder)

    @property
    def page(self) -> str:
        return (self.root / "reports" / "latest" / "report.html").read_text(encoding="utf-8")

    def blocks(self, name: str = "tiny") -> list[int]:
        """First columns of the blocks that were computed for an experiment since the last time of asking."""
        log = self.root / "blocks"
        lines = log.read_text().splitlines() if log.exists() else []
        self._forget(log, lines, name)
        return sorted(int(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}: "))

    def _forget(self, log: Path, lines: list[str], name: str) -> None:
        log.write_text("".join(f"{line}\n" for line in lines if not line.startswith(f"{name}: ")))

    def entries(self, kind: str) -> list[Path]:
        return sorted(path for path in self.store.glob(f"{kind}-*") if path.suffix != ".blocks")


def ended(child: subprocess.Popen[str]) -> tuple[int, str]:
    output, _ = child.communicate(timeout=PATIENCE)
    return child.returncode, output


def numbers(report: Report) -> dict[str, object]:
    """What a report says that must not depend on what happened on the way."""
    values = {claim.id: (claim.verdict, [m.values for m in claim.measurements]) for claim in report.claims}
    return {**values, **{run.name: run.fingerprint for run in report.experiments}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """A run that nothing happened to, with its store."""
    project = Project(tmp_path_factory.mktemp("undisturbed"))
    code, output = project.run()
    assert code == 0, output
    assert project.report.complete
    assert project.blocks() == project.blocks("other") == COLUMNS
    yield project
    project.clear()


@pytest.fixture
def project(tmp_path: Path, undisturbed: Project) -> Iterator[Project]:
    """A project with an empty store but for compiled programs, which take most of the time and are not at stake."""
    fresh = Project(tmp_path)
    for compiled in undisturbed.store.glob("compiled-*"):
        shutil.copytree(compiled, fresh.store / compiled.name)
    yield fresh
    fresh.clear()


@pytest.fixture
def warm(tmp_path: Path, undisturbed: Project) -> Iterator[Project]:
    """A project with a copy of the whole store."""
    copied = Project(tmp_path)
    shutil.copytree(undisturbed.store, copied.store)
    yield copied
    copied.clear()


class TestStopping:
    """Ctrl-C: the report says how far the run came, and the next run goes on from there."""

    def test_while_preparing_again_and_again(self, project, undisturbed):
        """Each run goes on where the one before was stopped, and is stopped a little later; nothing is computed twice."""
        everything = ["tiny/first", "tiny/second", "tiny/third"]
        for moment, new in {"training": [], "blocks": COLUMNS[:3], "spectrum": COLUMNS[3:], "storing": []}.items():
            code, output = project.stopped(moment)
            assert code == pytest.ExitCode.INTERRUPTED, output
            assert output.splitlines()[-1] == "report (incomplete): reports/latest"
            assert "stopped early: 3 selected claim(s) were not reached" in output
            assert "the same command goes on from there" in output
            assert project.report.unreached == everything
            assert "Incomplete report." in project.page
            assert "0 of 3 claims judged, then stopped" in project.page
            assert project.blocks() == new
        code, output = project.run()
        assert code == 0, output
        assert project.blocks() == [], "a finished block was computed again"
        assert project.report.complete
        assert numbers(project.report) == numbers(undisturbed.report)
        assert not list(project.store.glob(".*")), "what was half-written is still there"

    def test_while_collecting_there_is_nothing_to_report(self, warm):
        code, output = warm.stopped("collecting")
        assert code == pytest.ExitCode.INTERRUPTED, output
        assert not (warm.root / "reports").exists()

    def test_while_judging(self, warm):
        code, output = warm.stopped("judging")
        assert code == pytest.ExitCode.INTERRUPTED, output
        assert [claim.id for claim in warm.report.claims] == ["tiny/first"]
        assert warm.report.unreached == ["tiny/second", "tiny/third"]
        assert "1 of 3 claims judged, then stopped" in warm.page

    def test_while_the_report_is_written(self, warm, undisturbed):
        """Once: it is finished first. Twice: it is left, and the one before stays."""
        child = warm.start(fault="writing")
        warm.waits(child)
        child.send_signal(signal.SIGINT)
        time.sleep(0.2)
        warm.goes_on()
        code, output = ended(child)
        assert code == pytest.ExitCode.INTERRUPTED, output
        assert "the report is being written" in output
        assert warm.report.complete
        assert numbers(warm.report) == numbers(undisturbed.report)
        before = warm.report.created
        child = warm.start(fault="writing")
        warm.waits(child)
        for _ in range(2):
            child.send_signal(signal.SIGINT)
            time.sleep(0.2)
        code, output = ended(child)
        assert code not in (0, 1), output
        assert warm.report.created == before
        assert not list((warm.root / "reports").glob(".writing-*"))

    def test_two_workers(self, project):
        code, output = project.stopped("blocks", "-n", "2")
        assert code == pytest.ExitCode.INTERRUPTED, output
        assert not project.report.complete
        assert "report (incomplete): reports/latest" in output
        finished = project.blocks() + project.blocks("other")
        assert len(finished) >= 3
        assert project.run()[0] == 0
        again = project.blocks() + project.blocks("other")
        assert len(finished) + len(again) <= 2 * len(COLUMNS) + 1, "more was lost than the block that was being computed"


class TestKilled:
    """kill -9, against which there is nothing but to leave nothing half-written where it could be read."""

    def test_the_next_run_goes_on(self, project, undisturbed):
        for moment, new in {"storing": COLUMNS, "writing": []}.items():
            child = project.start(fault=moment)
            project.waits(child)
            child.kill()
            assert ended(child)[0] == -signal.SIGKILL
            assert project.blocks() == new
        code, output = project.run()
        assert code == 0, output
        assert project.blocks() == []
        assert numbers(project.report) == numbers(undisturbed.report)
        assert not list(project.store.glob(".*")), "what was half-written is still there"
        assert not list((project.root / "reports").glob(".writing-*"))

    def test_a_worker_may_be_replaced_and_its_claims_are_judged_by_another(self, project, undisturbed):
        """The run fails, since a crash is no success, with every claim in its report."""
        child = project.start("-n", "2", "--max-worker-restart=1", fault="storing")
        os.kill(project.waits(child), signal.SIGKILL)
        code, output = ended(child)
        assert code == 1, output
        assert "crashed" in output
        assert project.report.complete
        assert numbers(project.report) == numbers(undisturbed.report)
        assert not list(project.store.glob(".*"))


class TestTogether:
    def test_two_runs_on_one_store_compute_everything_once(self, project, undisturbed):
        children = [project.start(), project.start()]
        for child in children:
            code, output = ended(child)
            assert code == 0, output
        assert project.blocks() == COLUMNS
        assert project.blocks("other") == COLUMNS
        assert numbers(project.report) == numbers(undisturbed.report)
        assert len(list((project.root / "reports").glob("2*"))) == 2

    def test_one_that_waits_says_for_what_and_goes_on_when_the_other_dies(self, project, undisturbed):
        first = project.start(fault="spectrum")
        project.waits(first)
        second = project.start()
        said = "another run is computing spectrum-"
        lines = list(iter_until(second, said))
        assert said in lines[-1], "".join(lines)
        first.kill()
        first.communicate()
        code, output = ended(second)
        assert code == 0, output
        assert project.blocks() == COLUMNS
        assert numbers(project.report) == numbers(undisturbed.report)

    def test_two_workers_on_one_store(self, project, undisturbed):
        code, output = project.run("-n", "2")
        assert code == 0, output
        assert project.blocks() == COLUMNS
        assert numbers(project.report) == numbers(undisturbed.report)


def iter_until(child: subprocess.Popen[str], text: str) -> Iterator[str]:
    """The child's lines up to the first that holds the text."""
    assert child.stdout is not None
    for line in child.stdout:
        yield line
        if text in line:
            return


class Trap:
    """Unpickled, it leaves a folder behind."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def cut_short(entry: Path) -> str:
    path = entry / "initial.npy"
    os.truncate(path, path.stat().st_size // 2)
    return "checksum of initial.npy does not match"


def pickled(entry: Path) -> str:
    """With a manifest that vouches for it."""
    path = entry / "losses.npy"
    np.save(path, np.array([Trap(entry.parent / "sprung")], dtype=object), allow_pickle=True)
    manifest = json.loads((entry / "manifest.json").read_text())
    manifest["arrays"]["losses"] = hashlib.sha256(path.read_bytes()).hexdigest()
    (entry / "manifest.json").write_text(json.dumps(manifest))
    return "Python objects in dtype"


def a_file_in_its_place(entry: Path) -> str:
    shutil.rmtree(entry)
    entry.write_bytes(b"not a folder")
    return "NotADirectoryError"


def of_another_experiment(entry: Path) -> str:
    manifest = json.loads((entry / "manifest.json").read_text())
    manifest["key"]["key"]["experiment"] = "0" * 64
    (entry / "manifest.json").write_text(json.dumps(manifest))
    return "it answers another key"


def test_what_is_not_the_stores_own_is_named_and_computed_again(warm, undisturbed):
    training, spectrum = warm.entries("training"), warm.entries("spectrum")
    damage = {spectrum[0]: cut_short, spectrum[1]: of_another_experiment, training[0]: pickled, training[1]: a_file_in_its_place}
    reasons = {entry: spoil(entry) for entry, spoil in damage.items()}
    foreign = [warm.store / path for path in ("notes.txt", "spectrum-mine", "locks/notes.txt")]
    for path in foreign:
        path.write_text("mine")
    code, output = warm.run()
    assert code == 0, output
    for entry, why in reasons.items():
        found = re.search(rf"warning: store: {entry} is not trusted \((.*)\); it is computed again", output)
        assert found, output
        assert why in found[1]
    assert numbers(warm.report) == numbers(undisturbed.report)
    assert not (warm.store / "sprung").exists()
    assert all(path.read_text() == "mine" for path in foreign), "files of somebody else were touched"
    assert "not trusted" not in warm.run()[1]


@contextlib.contextmanager
def small_disk(folder: Path, options: str, limit: int) -> Iterator[list[str]]:
    """A real file system of that size on ``folder``, mounted here or in the child's own name space; a command's prefix.

    Where neither is allowed, the child gets a limit of ``limit`` KiB on the size of a file: another errno, the same way out.
    """
    folder.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if succeeds(mount):
        try:
            yield []
        finally:
            subprocess.run(["umount", str(folder)], check=True)
    elif succeeds(["unshare", "-rm", *mount]):
        yield ["unshare", "-rm", "sh", "-c", f'{shlex.join(mount)} && exec "$@"', "sh"]
    else:
        yield ["sh", "-c", f'ulimit -f {limit}; exec "$@"', "sh"]


def succeeds(command: list[str]) -> bool:
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        return False


class TestNoSpace:
    def test_the_run_goes_on_says_so_once_and_keeps_the_blocks_that_found_room(self, project, undisturbed):
        """Room for ten blocks (40 KiB each) and the trained networks, not for a spectrum (1.5 MiB)."""
        with small_disk(project.store, "size=1500k", 700) as prefix:
            code, output = project.run("-k", "not third", prefix=prefix, JAX_ENABLE_COMPILATION_CACHE="0")
            assert code == 0, output
            assert project.blocks() == COLUMNS
            said = [line for line in output.splitlines() if "could not be kept" in line]
            assert len(said) == 1, output
            assert f"warning: store: {project.store}/spectrum-" in said[0]
            assert f"Free or repair {project.store}, or give another folder with --claims-store" in said[0]
            assert numbers(project.latest("partial")).items() <= numbers(undisturbed.report).items()
            assert not list(project.store.glob(f"spectrum-{'[0-9a-f]' * 32}")), "a half-written spectrum stayed"
            if not prefix:
                (project.store / "more room").touch()
                subprocess.run(["mount", "-o", "remount,size=8m", str(project.store)], check=True)
                assert project.run("-k", "not third", JAX_ENABLE_COMPILATION_CACHE="0")[0] == 0
                assert project.blocks() == [], "the blocks that found room were computed again"

    def test_no_room_for_anything(self, warm, undisturbed):
        """Not even for a lock or a compiled program."""
        store = warm.root / "tiny"
        with small_disk(store, "size=64k,nr_inodes=6", 0) as prefix:
            warm.store = store
            code, output = warm.run(prefix=prefix, TMPDIR=str(warm.root))
            assert code == (0 if prefix[:1] != ["sh"] else 1), output
            assert "could not be kept" in output
            assert "--claims-store" in output

    def test_no_room_for_the_report(self, warm, undisturbed):
        (warm.root / "spare").mkdir()
        with small_disk(warm.root / "reports", "size=16k", 8) as prefix:
            code, output = warm.run(prefix=prefix, TMPDIR=str(warm.root / "spare"))
            assert code == 1, output
            assert f"the report could not be written to {warm.root / 'reports'} (" in output
            assert not list((warm.root / "reports").glob("latest"))
        if prefix[:1] != ["sh"]:
            written = next((warm.root / "spare").glob("claims-report-*/latest"))
            assert output.splitlines()[-1] == f"report: {written.relative_to(warm.root)}"
            assert numbers(json_file.read(written)) == numbers(undisturbed.report)


def test_folders_that_vanish_during_the_run_cost_nothing(warm, undisturbed):
    """The folder of reports and the store, while a claim is judged; the next claim needs what was in the store."""
    (warm.root / "reports" / "latest").mkdir(parents=True)
    child = warm.start(fault="judging")
    warm.waits(child)
    shutil.rmtree(warm.root / "reports")
    shutil.rmtree(warm.store)
    warm.goes_on()
    code, output = ended(child)
    assert code == 0, output
    assert warm.report.complete
    assert numbers(warm.report) == numbers(undisturbed.report)
