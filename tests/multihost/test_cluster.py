"""Claims on a Dask cluster: the same values as without one, whoever dies, and nobody who does not fit."""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from claims.training_jacobian.atlas.__main__ import TABLE
from harness.cluster import atlas, entries, fit, work
from harness.cluster import claims as cluster
from harness.engine.jacobian import Columns
from harness.report import json_file
from harness.report.atlas import command as command_line
from harness.runs.lab import Lab
from harness.runs.store import Store
from harness.suite import catalogue
from harness.suite.catalogue import PATTERNS
from harness.suite.claim import REGISTRY, Claim
from harness.suite.paper import home

ROOT = Path(__file__).resolve().parents[2]
# N = 640, three blocks of columns of some seconds each
PROJECT = {  # whoever computes a block writes a line into the file blocks
    "pytest.ini": "[pytest]\nclaims_paths = claims\nclaims_canaries = off\naddopts = --import-mode=importlib\n",
    "claims/test_it.py": """
import hashlib
import os
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax

from harness import Control, Network, at_least, claim
from harness.engine import jacobian

finite = jacobian._finite


def logged(block, first, label):
    line = f"{os.getpid()} {first} {hashlib.sha256(np.ascontiguousarray(block)).hexdigest()} {label}"
    with (Path(__file__).parents[1] / "blocks").open("a") as log:
        log.write(line + chr(10))
    return finite(block, first, label)


if finite.__name__ != "logged":
    jacobian._finite = logged


def init(key):
    hidden, output = jax.random.split(key)
    return {"hidden": jax.random.normal(hidden, (13, 40)) / 4, "output": jax.random.normal(output, (40, 3)) / 6}


def apply(params, x):
    return jnp.tanh(x @ params["hidden"]) @ params["output"]


def loss(logits, y):
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def net():
    random = np.random.default_rng(0)
    x, y = random.normal(size=(140, 13)), random.integers(0, 3, 140)
    data, optimiser = (x[:100], y[:100], x[100:], y[100:]), optax.sgd(0.05)
    return Network(init=init, apply=apply, loss=loss, data=data, optimiser=optimiser, epochs=EPOCHS, batch=10, name="net")


@claim(
    "mine/bulk", where="here", says="some directions stay", reading="share of sigma within 0.5 of one",
    accept=at_least(0.0, reason="any"), controls=[Control("untrained", lambda run: run.untrained)], on=net,
)
def test_bulk(run):
    return float(np.mean(np.abs(run.spectrum.sigma - 1) < 0.5))
""",
}
# with ELSEWHERE set, a run that differentiates anything itself breaks
CONFTEST = """
import os

if os.environ.get("ELSEWHERE"):
    from harness.runs import differentiated

    def refuse(*arguments, **options):
        raise AssertionError("the run computes a Jacobian itself")

    differentiated.dense_jacobian = refuse
"""
LONG, SHORT = 1500, 50  # epochs
SEEDS, BLOCKS = 3, 3


@pytest.fixture
def project(tmp_path: Path) -> Callable[[int], Path]:
    """The project in a folder, with a network that trains for so many epochs."""

    def made(epochs: int) -> Path:
        for name, text in PROJECT.items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_text(text.replace("EPOCHS", str(epochs)), encoding="utf-8")
        (tmp_path / "conftest.py").write_text(CONFTEST, encoding="utf-8")
        return tmp_path

    return made


def environment(**more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "XLA_"))}
    return {**clean, "PYTHONPATH": str(ROOT), "XLA_FLAGS": "--xla_force_host_platform_device_count=1", **more}


def begun(
    project: Path, *arguments: str, store: str = "store", report: str = "reports", elsewhere: str = ""
) -> subprocess.Popen[str]:
    """The project's claims, being judged."""
    command = [sys.executable, "-m", "pytest", "claims", "-v", f"--claims-seeds={SEEDS}", f"--claims-store={project / store}"]
    command += [f"--claims-report={project / report}", *arguments]
    here = environment(ELSEWHERE=elsewhere)
    return subprocess.Popen(command, cwd=project, env=here, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def said(process: subprocess.Popen[str]) -> str:
    return process.communicate(timeout=280)[0]


def computed(project: Path) -> list[tuple[int, str, str]]:
    """Process, place and bits of every block that was computed since the last time of asking, but those of controls."""
    log = project / "blocks"
    lines = [line.split(" ", 3) for line in log.read_text().splitlines()]
    log.unlink()
    return sorted(
        (int(process), f"{label}, {first}", bits) for process, first, bits, label in lines if label.startswith("net, seed")
    )


def values(folder: Path) -> list[float | None]:
    (record,) = json_file.read(folder / "latest").claims
    return record.measurements[0].values


@contextmanager
def serving(*command: str, **more: str) -> Iterator[subprocess.Popen[str]]:
    """A scheduler or worker of Dask's own command line."""
    process = subprocess.Popen(
        [sys.executable, "-m", "dask", *command],
        env=environment(**more),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.fixture
def scheduler() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Its address, and its process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with serving("scheduler", "--host", "127.0.0.1", "--port", str(port), "--no-dashboard") as process:
        yield f"tcp://127.0.0.1:{port}", process


def worker(address: str, **more: str) -> Any:
    return serving("worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--host", "127.0.0.1", **more)


def first_block(project: Path) -> None:
    """Wait until a worker has kept a block of columns and is at the next one."""
    end = time.monotonic() + 120
    while not list(project.glob("store/*.blocks/*/manifest.json")):
        assert time.monotonic() < end, "no block of a Jacobian was kept"
        time.sleep(0.05)


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_any_number_of_workers_gives_the_same_bits(project: Callable[[int], Path], workers: int) -> None:
    """Also of J: every block has the bits that the run itself computes, and is computed once."""
    folder = project(SHORT)
    with_cluster = said(begun(folder, f"--claims-scheduler=local:{workers}", elsewhere="yes"))
    assert re.search(r"cluster: tcp://127\.0\.0\.1:\d+, dashboard http://127\.0\.0\.1:\d+/status", with_cluster), with_cluster
    assert "1 of 1 claims judged: 1 SUPPORTED" in with_cluster
    apart = computed(folder)
    said(begun(folder, store="alone", report="alone-reports"))
    assert len(apart) == SEEDS * BLOCKS
    assert sorted(one[1:] for one in apart) == sorted(one[1:] for one in computed(folder))
    assert values(folder / "reports") == values(folder / "alone-reports")
    assert not list(folder.glob("store/cluster-*"))


def test_what_a_killed_worker_was_at_is_done_by_another(
    project: Callable[[int], Path], scheduler: tuple[str, subprocess.Popen[str]]
) -> None:
    folder, (address, _) = project(LONG), scheduler
    with worker(address) as first, worker(address):
        running = begun(folder, f"--claims-scheduler={address}", elsewhere="yes")
        first_block(folder)
        first.send_signal(signal.SIGKILL)
        output = said(running)
    assert "1 of 1 claims judged: 1 SUPPORTED" in output, output
    places = [place for _, place, _ in computed(folder)]
    assert len(set(places)) == SEEDS * BLOCKS
    assert len(places) <= SEEDS * BLOCKS + 1, "more was computed again than the block that the worker was at"


def test_one_jacobian_is_spread_over_the_workers(
    project: Callable[[int], Path], scheduler: tuple[str, subprocess.Popen[str]]
) -> None:
    folder, (address, _) = project(LONG), scheduler
    with worker(address), worker(address):
        output = said(begun(folder, f"--claims-scheduler={address}", "--claims-seeds=1", elsewhere="yes"))
    assert "experiment net FAILED" not in output, output
    found = computed(folder)
    assert [place.rpartition(" ")[2] for _, place, _ in sorted(found, key=lambda one: one[1])] == ["0", "256", "512"]
    assert len({process for process, _, _ in found}) == 2


def test_a_run_goes_on_without_its_scheduler(
    project: Callable[[int], Path], scheduler: tuple[str, subprocess.Popen[str]]
) -> None:
    folder, (address, process) = project(LONG), scheduler
    with worker(address):
        running = begun(folder, f"--claims-scheduler={address}")
        first_block(folder)
        process.kill()
        output = said(running)
    assert "the run goes on alone" in output, output
    assert "1 of 1 claims judged: 1 SUPPORTED" in output


OTHER = "import importlib.metadata as m\nown = m.version\nm.version = lambda name: '0.0.1' if name == 'optax' else own(name)\n"


def test_a_worker_with_other_libraries_is_refused_by_name(
    project: Callable[[int], Path], scheduler: tuple[str, subprocess.Popen[str]], tmp_path: Path
) -> None:
    folder, (address, _) = project(SHORT), scheduler
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "sitecustomize.py").write_text(OTHER, encoding="utf-8")
    with worker(address, PYTHONPATH=f"{tmp_path / 'other'}:{ROOT}"):
        alone = begun(folder, f"--claims-scheduler={address}")
        assert "optax 0.0.1 in place of" in said(alone)
        assert alone.returncode == pytest.ExitCode.USAGE_ERROR
        with worker(address):
            output = said(begun(folder, f"--claims-scheduler={address}", elsewhere="yes"))
    assert "1 of 1 claims judged: 1 SUPPORTED" in output, output


def test_nobody_there_is_named(project: Callable[[int], Path]) -> None:
    running = begun(project(SHORT), "--claims-scheduler=tcp://127.0.0.1:9")
    assert "no scheduler answers at tcp://127.0.0.1:9" in said(running)
    assert running.returncode == pytest.ExitCode.USAGE_ERROR


def test_entries_go_from_store_to_store(tmp_path: Path) -> None:
    there, here = Store(tmp_path / "there"), Store(tmp_path / "here")
    made = there.arrays("sums", {"of": 1}, lambda: {"sum": np.arange(3.0)}, modules=(np.sum,))
    packed = entries.pack(there, there.used)
    entries.unpack({**packed, "../outside-0": {"manifest.json": b""}}, here)
    found = here.arrays("sums", {"of": 1}, lambda: pytest.fail("computed again"), modules=(np.sum,))
    np.testing.assert_array_equal(found["sum"], made["sum"])
    assert {path.name for path in tmp_path.iterdir()} == {"there", "here"}


def test_a_worker_that_does_not_see_the_store_sends_what_it_used(tmp_path: Path) -> None:
    papers = home()
    request = work.Request(
        str(papers), str(papers.parent), fit.digest(papers), PATTERNS, str(tmp_path / "gone"), "no-token", {"scale": "smoke"}
    )
    try:
        result = work.prepare(request, "gmm-late", 0, None, ())
        assert not result.problem
        assert any(name.startswith("one-pass-") for name in result.packed)
        late = ["outlier-eigenspaces/gmm-late-eigenvalues[hessian-top]"]
        again = work.measure(request, late, [("gmm-late", 0)], [result])
        assert not again.problem
        assert again.packed.keys().isdisjoint(result.packed)
        assert not work.control(request, late, [[("gmm-late", 0)]], [result, again]).problem
        assert "has no claim mine/none: give it the folder" in work.measure(request, ["mine/none"], [], []).problem
        assert "has other claims in" in work.prepare(replace(request, code="0"), "gmm-late", 0, None, ()).problem
    finally:
        shutil.rmtree(fit.folder("no-token"), ignore_errors=True)


def handed_in(claims: list[Claim], runs: list[Any]) -> list[tuple[Any, ...]]:
    """The tasks of these claims, with their arguments; a future is the task's place in the list."""
    tasks: list[tuple[Any, ...]] = []

    def submit(task: Any, request: Any, *arguments: Any, priority: int) -> int:
        tasks.append((task, *arguments))
        return len(tasks) - 1

    todo = cluster.workload(runs, claims, lambda name: 3.0)
    labels = cluster.hand_in(work.Request("", "", "", (), "", "", {}), todo, submit, 1)
    assert sorted(labels) == list(range(len(tasks)))
    assert len(set(labels.values())) == len(tasks)
    return tasks


@pytest.mark.parametrize(("over", "groups"), [("seeds", [[0], [1], [2]]), ("pairs", [[0, 1], [0, 2], [1, 2]]), ("once", [[0]])])
def test_claims_with_one_function_are_a_task_for_each_group_of_runs(over: str, groups: list[list[int]]) -> None:
    """It waits for these runs alone; the controls wait for all of them."""
    catalogue.declare_all(home(), home().parent, PATTERNS)
    of_kind = [claim for claim in REGISTRY.values() if claim.over == over and claim.on == ("digits",) and claim.controls]
    chosen = [claim for claim in of_kind if claim.function is of_kind[0].function]
    seeds = 1 if over == "once" else 3
    tasks = handed_in(chosen, Lab(scale="smoke", seeds=seeds).runs("digits"))
    run_of = {number: rest[1] for number, (task, *rest) in enumerate(tasks) if task is work.prepare}
    measured = {number: rest for number, (task, *rest) in enumerate(tasks) if task is work.measure}
    assert [group for _, group, _ in measured.values()] == [[("digits", seed) for seed in group] for group in groups]
    assert [sorted(run_of[future] for future in needed) for _, _, needed in measured.values()] == groups
    ((ids, _, needed),) = [rest for task, *rest in tasks if task is work.control]
    assert set(ids) == {claim.id for claim in chosen}
    assert set(needed) == {*run_of, *measured}


def test_a_claim_that_looks_at_other_experiments_waits_for_them() -> None:
    catalogue.declare_all(home(), home().parent, PATTERNS)
    claim = REGISTRY["training-jacobian/lenet-5-seed-overlap[more]"]
    assert len(claim.on) == 2
    lab = Lab(scale="large")
    tasks = handed_in([claim], [run for name in claim.on for run in lab.runs(name)])
    prepared = {number for number, (task, *_) in enumerate(tasks) if task is work.prepare}
    ((_, group, needed),) = [rest for task, *rest in tasks if task is work.measure]
    assert len(group) == 1
    assert set(needed) == prepared
    assert len(prepared) == 2


def test_a_claim_that_cannot_be_measured_is_no_task() -> None:
    """The run says why, in its own way: a pair of one seed, or an experiment without runs."""
    catalogue.declare_all(home(), home().parent, PATTERNS)
    pairs = next(claim for claim in REGISTRY.values() if claim.over == "pairs" and claim.on == ("digits",))
    tasks = handed_in([pairs], Lab(scale="smoke", seeds=1).runs("digits"))
    assert {task for task, *_ in tasks} == {work.block, work.prepare}
    assert not handed_in([pairs], [])


def test_blocks_go_from_worker_to_worker_without_a_common_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    papers, tokens = home(), ("no-token-0", "no-token-1", "no-token-2")
    request = work.Request(
        str(papers), str(papers.parent), fit.digest(papers), PATTERNS, str(tmp_path / "gone"), "", {"scale": "smoke"}
    )
    monkeypatch.setattr("harness.engine.jacobian.BLOCK", 8)
    first, second, third = (replace(request, token=token) for token in tokens)
    run = Lab(scale="smoke").run("digits", 0)
    run.width = width = run.columns_of(1)
    left = run.blocks_left()
    assert len(left) > 2
    try:
        results = [work.block((first, second)[number % 2], "digits", 0, width, column) for number, column in enumerate(left)]
        sent = [sum(".blocks/" in name for name in result.packed) for result in results]
        assert sent == [1] * len(left), "each result has its own block"
        monkeypatch.setattr(Columns, "block", lambda *_: pytest.fail("a block was computed again"))
        last = work.prepare(third, "digits", 0, width, results)
        assert not last.problem
        assert any(name.startswith("spectrum-") for name in last.packed)
    finally:
        for token in tokens:
            shutil.rmtree(fit.folder(token), ignore_errors=True)


def test_a_process_that_differs_is_named() -> None:
    assert not fit.mismatch(fit.facts())
    assert fit.mismatch({**fit.facts(), "optax": "0.0.1"}).endswith("in place of 0.0.1")


def swept(folder: Path, *arguments: str) -> tuple[str, dict[str, Any]]:
    """The output of the smallest atlas, and its rows without their seconds."""
    command = [sys.executable, "-m", "claims.training_jacobian.atlas", "--smoke", "--claims-of=0", "--only=adam", *arguments]
    command += [f"--into={folder}", f"--store={folder / 'store'}"]
    one_thread = environment(**command_line.ONE_THREAD)  # another number moves the last bits of a decomposition
    done = subprocess.run(command, cwd=ROOT, env=one_thread, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(path.read_text()) for path in folder.with_name(f"{folder.name}-smoke").glob("rows/*.json")]
    return done.stdout, {one["row"].pop("variant"): one | {"row": one["row"] | {"seconds": 0}} for one in found}


def test_an_atlas_has_the_same_rows_from_a_cluster(tmp_path: Path) -> None:
    alone, rows = swept(tmp_path / "alone", "--jobs=1")
    output, measured = swept(tmp_path / "cluster", f"--scheduler=local:{os.cpu_count()}")  # one thread each
    assert sorted(re.findall(r"(\d) of 2 on the cluster", output)) == ["1", "2"], output
    assert output.count(": kept") == 2
    assert "kept" not in alone
    assert measured == rows
    assert set(rows) == {"base", "adam"}


def test_a_worker_says_why_it_has_no_row() -> None:
    options = argparse.Namespace(smoke=True, seeds=1, claims_of=0, mnist=None, paper_width=False, store=None)
    request = atlas.Request(TABLE, str(ROOT), fit.digest(home()), "no-token", tuple(vars(options).items()))
    other = atlas.measure(replace(request, code="0"), "base", 0)
    assert "this worker has another claims.training_jacobian.atlas.tables" in other.fault
    assert "this worker's table has no variant none: give the worker the sweep's code" in atlas.measure(request, "none", 0).fault
    nowhere = replace(request, table="nowhere.atlas:table")
    assert "this worker cannot import nowhere.atlas" in atlas.measure(nowhere, "base", 0).fault


def test_without_dask_the_command_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "distributed.py").write_text("raise ImportError('no Dask')\n", encoding="utf-8")
    command = [
        sys.executable,
        "-m",
        "claims.training_jacobian.atlas",
        "--smoke",
        "--scheduler=local:1",
        f"--into={tmp_path / 'a'}",
    ]
    here = environment(PYTHONPATH=f"{tmp_path}:{ROOT}")
    done = subprocess.run(command, cwd=ROOT, env=here, capture_output=True, text=True, timeout=120)
    assert done.returncode == 2
    assert "a cluster needs Dask (no Dask): pip install 'training-jacobian-claims[cluster]'" in done.stderr
