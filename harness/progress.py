"""Progress of long work. The default is silent; a call can have a line a stage, and the pytest plugin brings more."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO


class Step:
    """A running stage; ``advance`` says how much of its total is done."""

    def advance(self, n: float = 1) -> None:
        """``n`` more units of the stage are done."""

    def left(self, seconds: float) -> None:
        """``seconds`` are left. Stages that work within a budget know this."""

    def note(self, text: str) -> None:
        """Show ``text``, the result so far, beside the stage's progress."""


class Progress:
    """Sink of progress reports."""

    @contextmanager
    def stage(self, label: str, total: float = 1) -> Iterator[Step]:
        """A stage called ``label`` of ``total`` units; leave the context when it is done."""
        yield Step()


class StageLines(Progress):
    """A line for each finished stage, with the seconds that it took; stages shorter than ``least`` seconds have no line."""

    def __init__(self, stream: TextIO | None = None, least: float = 1.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._stream, self._least, self._clock = stream, least, clock

    @contextmanager
    def stage(self, label: str, total: float = 1) -> Iterator[Step]:
        began = self._clock()
        yield Step()
        if (took := self._clock() - began) >= self._least:
            self.say(f"{label}: {took:.1f} s")

    def say(self, text: str) -> None:
        """Print a line; on standard error unless another stream was given."""
        print(text, file=self._stream or sys.stderr, flush=True)
