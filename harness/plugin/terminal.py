"""What a person sees while claims run: the running stage, how far it is, how long it still takes."""

from __future__ import annotations

import io
import itertools
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TextIO

from harness.plugin.plan import Plan
from harness.progress import Progress, Step
from harness.report.text import visible

BEAT = 0.2  # seconds between looks at the clock; a stage shorter than this is not worth a line
REWRITE_EVERY = 1.0  # seconds between updates of the one line on a terminal
LINE_EVERY = 10.0  # seconds between lines elsewhere
QUIET_EVERY = 60.0  # seconds between lines where only long experiments are reported
LONG = 10.0  # seconds from which on an experiment or a claim has a line of its own
STORED = 1.0  # seconds after which an experiment's results do not come from the store


def uncaptured(stream: TextIO) -> TextIO:
    """A copy of ``stream`` that pytest's capture does not redirect (the stream itself if it has no descriptor)."""
    try:
        return os.fdopen(os.dup(stream.fileno()), "w", buffering=1, encoding="utf-8", errors="replace")
    except (AttributeError, OSError, ValueError, io.UnsupportedOperation):
        return stream


def duration(seconds: float) -> str:
    """Seconds for people: 0.4 s, 42 s, 3 min 20 s, 1 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    return f"{whole // 60} min {whole % 60} s" if whole < 3600 else f"{whole // 3600} h {whole % 3600 // 60} min"


def _kind(label: str) -> str:
    """The label of a stage without its run: a stage takes about as long for the next seed."""
    return label.rpartition(": ")[2]


@dataclass
class _Frame(Step):
    """A task or stage that is running."""

    label: str
    total: float
    clock: Callable[[], float]
    quiet_for: float = BEAT
    done: float = 0.0
    shown: bool = False
    known: str = ""
    ends: float | None = None
    kind: str = ""
    started: float = field(init=False)

    def __post_init__(self) -> None:
        self.started = self.clock()

    def advance(self, n: float = 1) -> None:
        self.done = min(self.total, self.done + n)

    def left(self, seconds: float) -> None:
        self.ends = self.clock() + seconds

    def note(self, text: str) -> None:
        self.known = text


@dataclass
class _Announcement:
    """A line on an experiment that has begun, and when it is printed if the experiment then still runs."""

    text: str
    name: str
    runs: int
    due: float


class PrintedProgress(Progress):
    """Progress as text: one rewritten line on a terminal, elsewhere a line a stage and at least one every 10 s of work.

    Elsewhere and not ``verbose``, a line for each minute of work that goes on. Everywhere a long experiment has a line of its own
    when it has begun.

    A thread looks at the clock and shows that a stage which cannot be interrupted (a decomposition) is alive. ``seen`` is called
    with the running tasks and stages, outermost first, and with the seconds that the outermost should take. It is called
    whenever these change, and at most every 10 s while a stage goes forward. ``interrupts`` is called before a line is printed
    while pytest's own line may be open; it returns whether that line was open.
    """

    def __init__(
        self,
        stream: TextIO,
        prefix: str = "",
        clock: Callable[[], float] = time.monotonic,
        plan: Plan | None = None,
        *,
        verbose: bool = True,
        seen: Callable[[list[str], float | None], None] = lambda running, expected: None,
        interrupts: Callable[[], bool] = lambda: True,
    ) -> None:
        self._seen, self._interrupts = seen, interrupts
        self.plan = plan or Plan({})
        self._stream, self._prefix, self._clock = stream, prefix, clock
        self._tty = stream.isatty()
        self._quiet = not (self._tty or verbose)
        self._frames: list[_Frame] = []
        self._begun: _Announcement | None = None
        self._took: dict[str, float] = {}
        self._told: tuple[float, float, str] = (clock(), 0.0, "")  # when, and how far the innermost stage was
        self._printed = clock()
        self._dirty = False
        self._midline = False
        self._lock = threading.RLock()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def say(self, text: str) -> None:
        """Print a line that is not overwritten."""
        with self._lock:
            self._print(text, stays=True)

    def after_pytest(self) -> None:
        """pytest may have left its line open: whatever is printed next ends it first."""
        with self._lock:
            self._midline = True

    @contextmanager
    def experiment(self, name: str, runs: int, why: str = "") -> Iterator[None]:
        """So many tasks of an experiment; if they take long, a line says so when they have begun."""
        with self._lock:
            expected = (self.plan.expected(name) or 0.0) * runs
            text = f"{name}, {runs} {why or ('run' if runs == 1 else 'runs')}"
            self._begun = _Announcement(text, name, runs, self._clock() + (STORED if expected >= LONG else LONG))
        try:
            yield
        finally:
            with self._lock:
                self._begun = None

    @contextmanager
    def task(self, label: str, kind: str = "") -> Iterator[Step]:
        """One task of an experiment; ``kind`` is its kind in the plan."""
        outer = list(self._frames)
        with self._running(_Frame(label, 1, self._clock, quiet_for=STORED if self._tty else 0, kind=kind or label)) as frame:
            self.beat()
            yield frame
            with self._lock:
                took = self._clock() - frame.started
                self.plan.done(frame.kind, took)
                for one in outer:  # a claim that asked for more runs does not take their time
                    one.started += took

    @contextmanager
    def quiet_task(self, label: str) -> Iterator[Step]:
        """A task that is shown only if it takes long. pytest's own line is open then, and is ended first."""
        frame = _Frame(label, 1, self._clock, quiet_for=LONG, kind=label)
        self.after_pytest()
        with self._lock:
            self._printed = self._clock()
        with self._running(frame):
            yield frame
        with self._lock:
            self.plan.done(label, self._clock() - frame.started)
            self._midline = False

    @contextmanager
    def stage(self, label: str, total: float = 1) -> Iterator[Step]:
        with self._running(_Frame(label, max(total, 1), self._clock)) as frame:
            yield frame
        self._took[_kind(label)] = self._clock() - frame.started

    def beat(self) -> None:
        """Print the running stage if it has no line yet, or if its last line is old."""
        with self._lock:
            if not self._frames:
                return
            frame, now = self._frames[-1], self._clock()
            self._announce(now)
            if now - self._told[0] >= LINE_EVERY and (frame.done, frame.known) != self._told[1:]:
                self._tell()
            if self._quiet:
                due = now - self._printed >= QUIET_EVERY
            elif frame.shown:
                due = now - self._printed >= (REWRITE_EVERY if self._tty else LINE_EVERY)
            else:
                calm = now - max(frame.started, self._printed) >= frame.quiet_for
                due = calm and now - self._frames[0].started >= self._frames[0].quiet_for
            if due:
                frame.shown = True
                self._print(self._status(frame, now))

    def _announce(self, now: float) -> None:
        """Print the line of an experiment that has been running for long enough."""
        begun = self._begun
        if begun is None or now < begun.due:
            return
        self._begun, expected = None, self.plan.expected(begun.name)
        left = "" if expected is None else f", ~{duration(expected * begun.runs)}"
        self._print(f"{self._in_all(now)}{begun.text}{left}", stays=True)

    def close(self) -> None:
        """Stop the clock and leave the terminal on a fresh line."""
        self._stop.set()
        if self._thread:
            self._thread.join()
        with self._lock:
            self._clear()

    @contextmanager
    def _running(self, frame: _Frame) -> Iterator[_Frame]:
        self._start_clock()
        with self._lock:
            self._frames.append(frame)
            self._tell()
        try:
            yield frame
        finally:
            with self._lock:
                self._frames.remove(frame)
                self._tell()
                self._finished(frame)

    def _tell(self) -> None:
        frames = self._frames
        self._told = (self._clock(), frames[-1].done, frames[-1].known) if frames else (self._clock(), 0.0, "")
        self._seen([one.label for one in frames], self.plan.expected(frames[0].kind) if frames else None)

    def _finished(self, frame: _Frame) -> None:
        took = self._clock() - frame.started
        if frame.shown and took >= 1 and not (self._tty or self._quiet):
            self._print(f"{self._labels([*self._frames, frame])}: took {duration(took)}")
        elif self._tty and not self._frames:
            self._clear()

    def _start_clock(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run_clock, name="claims-progress", daemon=True)
            self._thread.start()

    def _run_clock(self) -> None:
        while not self._stop.wait(BEAT):
            self.beat()

    def _status(self, frame: _Frame, now: float) -> str:
        done = f" {frame.done:.0f} of {frame.total:.0f}" if frame.total > 1 else ""
        elapsed = now - frame.started
        known = f" | {frame.known}" if frame.known else ""
        return f"{self._in_all(now)}{self._labels(self._frames)}{done}, {duration(elapsed)}{self._left(frame, elapsed)}{known}"

    def _labels(self, frames: list[_Frame]) -> str:
        """The labels of nested frames, each said once (a run's stages may name their run themselves)."""
        inner = [frame.label.removeprefix(f"{outer.label}: ") for outer, frame in itertools.pairwise(frames)]
        return ": ".join([frames[0].label, *inner])

    def _left(self, frame: _Frame, elapsed: float) -> str:
        """Time left in the stage: as the stage says, else by its own pace, else by the time of the same stage before."""
        if frame.ends is not None:
            left = max(0.0, frame.ends - self._clock())
        elif frame.done:
            left = elapsed * (frame.total - frame.done) / frame.done
        elif _kind(frame.label) in self._took:
            left = max(0.0, self._took[_kind(frame.label)] - elapsed)
        else:
            return ""
        return f", ~{duration(left)} left"

    def _in_all(self, now: float) -> str:
        """The time that everything planned still takes."""
        task = next((frame for frame in reversed(self._frames) if frame.kind), None)
        left = self.plan.left(task.kind, now - task.started) if task else None
        return "" if left is None else f"~{duration(left)} left in all | "

    def _print(self, text: str, stays: bool = False) -> None:
        self._printed = self._clock()
        line = visible(f"{self._prefix}{text}")
        if self._midline and self._interrupts():
            self._stream.write("\n")
        self._midline = False
        if not self._tty:
            self._stream.write(f"{line}\n")
        else:
            width = shutil.get_terminal_size().columns - 1
            self._clear()
            self._stream.write(f"{line}\n" if stays else line[:width])
            self._dirty = not stays
        self._stream.flush()

    def _clear(self) -> None:
        if self._dirty:
            self._stream.write("\r\x1b[2K")
            self._stream.flush()
            self._dirty = False
