"""Record what ran, and with which libraries, when a process dies (by a signal, or for want of memory) or hangs.

The process itself can write nothing then. So a second, small process listens on a pipe and reads what is running. The listener
writes this down if the pipe ends without a closing message, or if no message comes for far longer than the work should take. It
runs this file alone, without the harness and its libraries, and ends no process.
"""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from pathlib import Path
from typing import IO, Any

# Work that makes no step forward hangs after so many seconds, or after so many times what the task should take, if that is more.
SILENT, TIMES = 1800.0, 10.0


class Witness:
    """Sends what is running to a process of its own, which is started with the first message.

    Args:
        folder: where ``died-<process>.json`` or ``hung-<process>.json`` is written, if it comes to that.
        silent: seconds without a step forward that are no hang.
        stream: where the file's name is printed; its descriptor is one that pytest does not redirect. None prints nothing.
    """

    def __init__(self, folder: Path, stream: IO[Any] | None = None, silent: float = SILENT) -> None:
        self._folder, self._stream, self._silent = folder, stream, silent
        self._child: subprocess.Popen[bytes] | None = None
        self._possible = True
        self._known: dict[str, str] = {}
        self._collected: tuple[str, bool] | None = None  # the task, and whether JAX had its devices

    def running(self, running: list[str], expected: float | None = None) -> None:
        """Send that the running tasks and stages have changed, or made a step forward.

        Args:
            running: tasks and stages, outermost first; [] between them.
            expected: seconds that the task should take, where that is known.
        """
        if self._child is None and self._possible:
            try:
                self._child = _listener(self._folder, self._stream)
            except OSError as error:  # such as this Python's format, where an emulator runs it
                self._possible = False
                if self._stream is not None:
                    print(f"claims: no process can watch this one ({error})", file=self._stream, flush=True)
        if self._child is None:
            return
        allowed = max(self._silent, TIMES * (expected or 0.0))
        self._send({"running": running, "allowed": allowed, **self._environment(running)})

    def close(self) -> None:
        """Send the closing message: the process ends as it should."""
        if self._child is not None:
            self._send({"end": True})
            if self._child.stdin:
                self._child.stdin.close()
            self._child.wait()
            self._child = None

    def _environment(self, running: list[str]) -> dict[str, Any]:
        """The environment if it has changed. It is collected once a task and when JAX has started, as that takes milliseconds."""
        from harness.report import environment

        now = (running[0], environment.started()) if running else self._collected
        if now is None or now == self._collected:
            return {}
        self._collected = now
        found = environment.collect("", devices=now[1])
        found = {name: value for name, value in found.items() if name not in ("load", "precision")}
        if found == self._known:
            return {}
        self._known = found
        return {"environment": found}

    def _send(self, message: dict[str, Any]) -> None:
        try:
            assert self._child is not None
            assert self._child.stdin is not None
            self._child.stdin.write(json.dumps(message).encode() + b"\n")
            self._child.stdin.flush()
        except OSError:  # the listener was ended: nothing will be written, and the run goes on
            pass


def _listener(folder: Path, stream: IO[Any] | None) -> subprocess.Popen[bytes]:
    """The listening process, in a session of its own: Ctrl-C and signals to the process group do not reach it."""
    command = [sys.executable, "-I", "-S", __file__, str(folder.absolute()), str(os.getpid())]
    said = subprocess.DEVNULL if stream is None else stream
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.DEVNULL, bufsize=0, start_new_session=True
    )


def listen(descriptor: int, folder: Path, process: str) -> Path | None:
    """Read messages until the pipe ends.

    Returns:
        The file of a process that died; None if the process ended as it should.
    """
    known: dict[str, Any] = {"process": int(process), "running": [], "environment": {}}
    allowed: float | None = None  # seconds until the next message
    hung: Path | None = None
    unread = b""
    while True:
        wait = allowed if known["running"] and hung is None else None
        if not select.select([descriptor], [], [], wait)[0]:
            hung = _written(folder, "hung", {**known, "silent": wait}, f"has made no step forward for {wait:.0f} s and may hang")
            continue
        part = os.read(descriptor, 1 << 16)
        *lines, unread = (unread + part).split(b"\n")
        messages = [json.loads(line) for line in lines]
        if hung is not None and (messages or not part):
            hung.unlink(missing_ok=True)
            hung = None
            print(f"claims: process {process} {'goes on' if part else 'was ended'}", flush=True)
        for message in messages:
            if message.get("end"):
                return None
            allowed = message.pop("allowed", None)
            known |= message
        if not part:
            return _written(folder, "died", known, "ended unexpectedly")


def _written(folder: Path, what: str, known: dict[str, Any], said: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{what}-{known['process']}.json"
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    print(f"claims: process {known['process']} {said}; its tasks and libraries: {path}", flush=True)
    return path


if __name__ == "__main__":
    listen(sys.stdin.fileno(), Path(sys.argv[1]), sys.argv[2])
