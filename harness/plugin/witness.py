"""What is written of a process that ends unexpectedly, by a signal or for want of memory: what ran, and with which libraries.

The process itself can write nothing then. So a small process of its own listens on a pipe, reads what is running, and writes it
down when the pipe ends before the message that says so. It runs this file alone, without the harness and its libraries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any


class Witness:
    """Sends what is running to a process of its own, which is started with the first message.

    Args:
        folder: where ``died-<process>.json`` is written, if it comes to that.
        stream: where that is printed, with a descriptor that pytest does not redirect; None prints it nowhere.
    """

    def __init__(self, folder: Path, stream: IO[Any] | None = None) -> None:
        self._folder, self._stream = folder, stream
        self._child: subprocess.Popen[bytes] | None = None
        self._known: dict[str, str] = {}
        self._collected: tuple[str, bool] | None = None  # the task, and whether JAX had its devices

    def running(self, running: list[str]) -> None:
        """The tasks and stages that are running, outermost first; [] between them."""
        if self._child is None:
            self._child = _listener(self._folder, self._stream)
        self._send({"running": running, **self._environment(running)})

    def close(self) -> None:
        """The process ends as it should."""
        if self._child is not None:
            self._send({"end": True})
            if self._child.stdin:
                self._child.stdin.close()
            self._child.wait()
            self._child = None

    def _environment(self, running: list[str]) -> dict[str, Any]:
        """The environment if it has changed, collected once a task and when JAX has started: collecting takes milliseconds."""
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
    """In a session of its own, so that Ctrl-C and what ends a group leave it alone."""
    command = [sys.executable, "-I", "-S", __file__, str(folder.absolute()), str(os.getpid())]
    said = subprocess.DEVNULL if stream is None else stream
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=said, stderr=subprocess.DEVNULL, bufsize=0, start_new_session=True
    )


def listen(stream: IO[bytes], folder: Path, process: str) -> Path | None:
    """Read messages until the pipe ends; the file that was written, None if the process ended as it should."""
    known: dict[str, Any] = {"process": int(process), "running": [], "environment": {}}
    for line in stream:
        message = json.loads(line)
        if message.get("end"):
            return None
        known |= message
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"died-{process}.json"
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    written = listen(sys.stdin.buffer, Path(sys.argv[1]), sys.argv[2])
    if written is not None:
        print(f"claims: process {sys.argv[2]} ended unexpectedly; what ran, and its libraries: {written}")
