"""Progress of long work. The default is silent; the pytest plugin brings one that prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Step:
    """A running stage; ``advance`` says how much of its total is done."""

    def advance(self, n: float = 1) -> None:
        """``n`` more units of the stage are done."""

    def left(self, seconds: float) -> None:
        """So many seconds are left, where the stage itself knows: it works within a budget."""

    def note(self, text: str) -> None:
        """What is known so far, to be shown beside how far the stage is."""


class Progress:
    """Sink of progress reports."""

    @contextmanager
    def stage(self, label: str, total: float = 1) -> Iterator[Step]:
        """A stage called ``label`` of ``total`` units; leave the context when it is done."""
        yield Step()
