"""What a process leaves that dies without a word, of a signal or for want of memory: where it was, and with which libraries.

Nothing in the process itself can write that any more. So a small process of its own listens on a pipe, reads what is running, and
writes it down when the pipe ends without a farewell. It runs this file alone, without the harness and its libraries.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO, Any


class Witness:
    """Tells a process of its own what is running; that process is started with the first thing that is told.

    Args:
        folder: where ``died-<process>.json`` is written, if it comes to that.
        stream: where that is said, with a descriptor that pytest does not redirect; None says it nowhere.
    """

    def __init__(self, folder: Path, stream: IO[Any] | None = None) -> None:
        self._folder, self._stream = folder, stream
        self._child: subprocess.Popen[bytes] | None = None
        self._facts: dict[str, str] = {}

    def saw(self, running: list[str]) -> None:
        """The tasks and stages that are running, outermost first; [] between them."""
        if self._child is None:
            self._child = _listener(self._folder, self._stream)
        self._tell({"running": running, **self._news()})

    def close(self) -> None:
        """The process ends as it should."""
        if self._child is not None:
            self._tell({"end": True})
            if self._child.stdin:
                self._child.stdin.close()
            self._child.wait()
            self._child = None

    def _news(self) -> dict[str, Any]:
        """The environment, if it was not told or has changed: JAX and BLAS are loaded only when they are needed."""
        from harness.report import environment

        loaded = {name: value for name, value in environment.collect("").items() if name not in ("load", "precision")}
        if loaded == self._facts:
            return {}
        self._facts = loaded
        return {"environment": loaded}

    def _tell(self, what: dict[str, Any]) -> None:
        try:
            assert self._child is not None
            assert self._child.stdin is not None
            self._child.stdin.write(json.dumps(what).encode() + b"\n")
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
    """Read what is told until the pipe ends; the file that was written, None if the process took its leave."""
    known: dict[str, Any] = {"process": int(process), "running": [], "environment": {}}
    for line in stream:
        told = json.loads(line)
        if told.get("end"):
            return None
        known |= told
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"died-{process}.json"
    path.write_text(json.dumps(known, indent=1) + "\n", encoding="utf-8")
    return path


if __name__ == "__main__":
    written = listen(sys.stdin.buffer, Path(sys.argv[1]), sys.argv[2])
    if written is not None:
        print(f"claims: process {sys.argv[2]} died without a word; where it was, and its libraries: {written}")
