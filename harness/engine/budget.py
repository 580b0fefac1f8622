"""Work within a time budget: tracks of steps share the budget and continue where an earlier run stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from harness.errors import InvalidInput


@dataclass
class Track:
    """One line of work in steps; each finished step is kept.

    Attributes:
        name: of the track, for messages.
        weight: its share of the time, relative to the other tracks.
        step: does the next step, or reads its result if an earlier run finished the step.
        full: whether no further step is possible.
        times: step number -> seconds that the step took, in this run or an earlier one.
        least: fewest steps that give a result.
    """

    name: str
    weight: float
    step: Callable[[], None]
    full: Callable[[], bool]
    times: MutableMapping[int, Any] = field(default_factory=dict)
    least: int = 2
    done: int = 0
    seconds: float = 0.0

    @property
    def known(self) -> bool:
        """Whether an earlier run finished the next step."""
        return not self.full() and self.done in self.times

    def advance(self, clock: Callable[[], float]) -> None:
        known, started = self.known, clock()
        self.step()
        if not known:
            self.times[self.done] = np.asarray(clock() - started)
        self.seconds += float(self.times[self.done])
        self.done += 1


def spend(
    tracks: Sequence[Track],
    seconds: float,
    price: Callable[[], float],
    report: Callable[[float], None] = lambda left: None,
    *,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Advance the tracks until another step would not fit; the track furthest behind its weight comes first.

    Time spent by earlier runs counts. The same budget does no more steps; a larger budget continues.

    Args:
        seconds: the budget.
        price: measures the seconds of a step; called only if a track has fewer than its least steps.
        report: called with the seconds left before the first step and after each.

    Raises:
        InvalidInput: the budget is too small for the least steps of all tracks.
    """
    for track in tracks:
        while track.known:
            track.advance(clock)
    spent = sum(track.seconds for track in tracks)
    missing = sum(max(0, track.least - track.done) for track in tracks)
    if missing and spent + missing * (each := price()) > seconds:
        more = 1.2 * (spent + missing * each) / seconds
        raise InvalidInput(
            f"{seconds / 60:.3g} minutes, this run's part of the budget, are too few: a step takes about {each:.3g} s and "
            f"{missing} more are the least; give {more:.1f} times as much or more (--claims-budget)"
        )
    while True:
        left = seconds - sum(track.seconds for track in tracks)
        report(max(0.0, left))
        able = [track for track in tracks if not track.full()]
        behind = [track for track in able if track.done < track.least]
        if not able:
            return
        track = min(behind or able, key=lambda one: one.seconds / one.weight)
        if not behind and left < track.seconds / track.done:
            return
        track.advance(clock)
