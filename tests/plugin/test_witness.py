"""The record of a process that a signal ends."""

import io
import json
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from harness.plugin.plan import Plan
from harness.plugin.terminal import PrintedProgress
from harness.plugin.witness import Witness, listen
from harness.report import environment

PROJECT = {
    "pytest.ini": "[pytest]\nclaims_paths = claims\nclaims_canaries = off\naddopts = --import-mode=importlib\n",
    "claims/test_it.py": """
        import os, signal
        from harness import claim, within
        from harness.suite.claim import Control

        @claim(
            "paper/size", where="Section 1", says="it is one", reading="size", accept=within(0, 1, reason="ours"),
            controls=[Control("none", dict)], scales=("smoke",), over="once",
        )
        def test_size():
            if os.environ.get("SIGNAL"):
                os.kill(os.getpid(), int(os.environ["SIGNAL"]))
            return 1.0
        """,
}


@pytest.fixture
def project(tmp_path):
    for path, text in PROJECT.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(textwrap.dedent(text))
    return tmp_path


def judged(project, number="", *more):
    """A run of the project's claim, which sends itself that signal."""
    hidden = ("PYTEST_", "MNIST_DIR", "COV_")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    command = [sys.executable, "-m", "pytest", "claims", "--claims-scale=smoke", f"--claims-store={project / 'store'}", *more]
    home = str(Path(__file__).parents[2])
    environment = {**clean, "SIGNAL": str(number), "PYTHONPATH": home}
    return subprocess.run(command, cwd=project, env=environment, capture_output=True, text=True, timeout=120, check=False)


def found(folder, patience=20.0):
    """What the witness wrote, once it has."""
    end = time.monotonic() + patience
    while not (written := list(folder.glob("reports/died-*.json"))):
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.02)
    time.sleep(0.1)
    return json.loads(written[0].read_text())


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_run_that_dies_names_the_claim_and_the_libraries(project, number):
    done = judged(project, int(number))
    assert done.returncode == -number
    died = found(project)
    assert died["running"] == ["paper/size"]
    assert died["environment"]["numpy"]
    assert died["environment"]["blas"]
    assert "ended unexpectedly" in done.stdout


def test_a_worker_that_dies_is_not_started_for_ever(project):
    """Four claims, each of which ends its worker: one is enough, and what ran is written."""
    text = (project / "claims/test_it.py").read_text()
    copies = [text, *(f"\n{text.partition(chr(10) + '@')[1]}{text.partition(chr(10) + '@')[2]}" for _ in range(3))]
    named = "".join(
        part.replace("paper/size", f"paper/size-{n}").replace("test_size", f"test_size_{n}") for n, part in enumerate(copies)
    )
    (project / "claims/test_it.py").write_text(named)
    done = judged(project, int(signal.SIGKILL), "-n", "1")
    assert "crashed and worker restarting disabled" in done.stdout
    assert found(project)["running"] == ["paper/size-0"]
    assert json.loads((project / "reports/latest/report.json").read_text())["complete"] is False


def test_a_run_that_ends_leaves_none(project):
    done = judged(project)
    assert "report: reports/latest" in done.stdout
    assert not list(project.glob("reports/died-*"))


def test_what_runs_is_sent_outermost_first():
    sent = []
    progress = PrintedProgress(io.StringIO(), seen=lambda running, expected: sent.append(running))
    with progress.task("digits[0]"), progress.stage("digits[0]: spectrum"):
        pass
    progress.close()
    assert sent == [["digits[0]"], ["digits[0]", "digits[0]: spectrum"], ["digits[0]"], []]


@pytest.fixture
def pipe():
    """Write messages to a listener, and end the pipe; the listener's end of it."""
    reading, writing = os.pipe()

    def write(*messages, end=True):
        os.write(writing, b"".join(json.dumps(message).encode() + b"\n" for message in messages))
        if end:
            os.close(writing)

    yield write, reading
    os.close(reading)


def test_the_last_message_counts(tmp_path, pipe):
    write, reading = pipe
    write({"running": ["a"], "environment": {"jax": "1"}}, {"running": ["a", "b"], "allowed": 100.0})
    path = listen(reading, tmp_path, "7")
    assert json.loads(path.read_text()) == {"process": 7, "running": ["a", "b"], "environment": {"jax": "1"}}


def test_a_step_forward_is_told_and_how_long_a_task_should_take():
    now, sent = [0.0], []
    progress = PrintedProgress(
        io.StringIO(), clock=lambda: now[0], plan=Plan({"digits": 40.0}), seen=lambda *told: sent.append(told)
    )
    with progress.task("digits, seed 0", "digits"), progress.stage("Jacobian", 100) as stage:
        for now[0] in (5.0, 20.0, 40.0):  # too early; a step forward; none since
            stage.advance(10 * (now[0] < 30))
            progress.beat()
    progress.close()
    inside = [told for told in sent if told[0] == ["digits, seed 0", "Jacobian"]]
    assert inside == [(["digits, seed 0", "Jacobian"], 40.0)] * 2


def silent(tmp_path, pipe):
    """A listener that has written of a silence."""
    write, reading = pipe
    listener = threading.Thread(target=listen, args=(reading, tmp_path, "7"))
    listener.start()
    write({"running": ["a", "b"], "allowed": 0.05}, end=False)
    path, end = tmp_path / "hung-7.json", time.monotonic() + 20
    while not (path.exists() and path.read_text().endswith("}\n")):
        assert time.monotonic() < end, "nothing was written"
        time.sleep(0.01)
    assert json.loads(path.read_text())["running"] == ["a", "b"]
    return listener


def test_silence_is_told_and_taken_back_when_it_is_broken(tmp_path, pipe, capsys):
    listener = silent(tmp_path, pipe)
    pipe[0]({"running": ["a"], "allowed": 100.0}, {"running": [], "allowed": 0.01}, {"end": True})
    listener.join(20)
    assert not list(tmp_path.iterdir())
    said = capsys.readouterr().out
    assert "process 7 has made no step forward for 0 s and may hang" in said
    assert "process 7 goes on" in said


def test_a_silent_process_that_is_ended_has_died(tmp_path, pipe, capsys):
    listener = silent(tmp_path, pipe)
    pipe[0]()
    listener.join(20)
    assert [path.name for path in tmp_path.iterdir()] == ["died-7.json"]
    assert "goes on" not in capsys.readouterr().out


def test_a_task_may_take_ten_times_as_long_as_it_should(tmp_path):
    sent = []
    witness = Witness(tmp_path, silent=60.0)
    witness._child = SimpleNamespace(stdin=SimpleNamespace(write=sent.append, flush=lambda: None))
    for expected in (None, 1.0, 100.0):
        witness.running(["a"], expected)
    assert [json.loads(line)["allowed"] for line in sent] == [60.0, 60.0, 1000.0]


def test_a_process_that_says_it_ends_leaves_nothing(tmp_path, pipe):
    write, reading = pipe
    write({"running": ["a"]}, {"end": True})
    assert listen(reading, tmp_path, "7") is None
    assert not list(tmp_path.iterdir())


def test_a_run_goes_on_where_no_process_can_watch_it(tmp_path, monkeypatch):
    """Under an emulator the system cannot start the emulated Python by its name."""
    other = tmp_path / "python"
    other.write_bytes(b"\x7fOTHER")
    other.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(other))
    with (tmp_path / "told").open("w") as told:
        witness = Witness(tmp_path, told)
        for task in ("one", "two"):
            witness.running([task])
        witness.close()
    said = (tmp_path / "told").read_text()
    assert said.count("claims: no process can watch this one ([Errno 8] Exec format error") == 1


def test_a_witness_that_was_ended_stops_nothing(tmp_path):
    witness = Witness(tmp_path)
    witness.running(["a"])
    witness._child.kill()
    witness._child.wait()
    for _ in range(3):
        witness.running(["b"])
    witness.close()
    assert not list(tmp_path.iterdir())


def test_the_environment_is_collected_once_a_task_and_when_jax_has_started(tmp_path, monkeypatch):
    """And JAX's devices are asked for only then: asking starts it."""
    collected, started = [], [False]
    monkeypatch.setattr(environment, "started", lambda: started[0])
    monkeypatch.setattr(environment, "collect", lambda precision, *, devices: collected.append(devices) or {"jax": "1"})
    witness = Witness(tmp_path)
    for running in (["a"], ["a", "training"], ["a"], ["a", "spectrum"], ["a"], [], ["b"], ["b", "training"]):
        witness.running(running)
    assert collected == [False, False]
    started[0] = True
    witness.running(["b"])
    witness.running(["b", "spectrum"])
    witness.close()
    assert collected == [False, False, True]


def test_jax_is_imported_and_not_started_by_who_asks_whether_it_has():
    code = """if True:
        import jax
        from harness.report import environment
        assert not environment.started()
        assert environment.collect("", devices=environment.started())["device"] == ""
        assert not environment.started()
        jax.devices()
        assert environment.started()
        assert environment.collect("", devices=environment.started())["device"]
    """
    home = str(Path(__file__).parents[2])
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": home}, check=True, timeout=120)
