"""Put Ctrl-C off while a report is written."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any


@dataclass
class Interruption:
    """Whether Ctrl-C was pressed."""

    asked: bool = False


@contextmanager
def deferred(say: Callable[[], None]) -> Iterator[Interruption]:
    """Put a first Ctrl-C off until the block is done, and call ``say`` at once; a second one raises KeyboardInterrupt.

    Side effect: replaces the handler of SIGINT meanwhile (in the main thread; elsewhere no signal arrives).
    """
    noted = Interruption()
    if threading.current_thread() is not threading.main_thread():
        yield noted
        return
    before = signal.getsignal(signal.SIGINT) or signal.default_int_handler

    def note(number: int, frame: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        noted.asked = True
        say()

    signal.signal(signal.SIGINT, note)
    try:
        yield noted
    finally:
        signal.signal(signal.SIGINT, before)
