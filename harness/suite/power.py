"""What a claim can detect: how far its value must move before a run reports a change, in standard deviations between seeds."""

from __future__ import annotations

import functools
import math
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np

from harness.engine.streams import numpy_stream
from harness.suite.membership import CHANCE, FALSE_ALARMS, NEARLY, critical_shift, others_of, outside
from harness.suite.records import PowerRecord
from harness.suite.verdict import CONFIDENCE, Ensemble, Region, on_log_scale, quantile

SEEN = 0.8  # share of runs in which a detected shift raises an alarm, or turns the verdict
NORMAL_SEEN = 0.8416  # the normal distribution's quantile at SEEN
DRAWS = 4000  # simulated runs
FINE = 0.01  # standard deviations between seeds
ABSURD = 2  # times the larger of the value itself and its distance from the region's edge
TENFOLD = math.log(10)
MEANS_ABSURD = (
    "a change of twice the value and of twice its distance from the region's edge; tenfold, where logarithms are judged; "
    "all seeds coming out the other way, where a share of them is judged"
)


@dataclass(frozen=True)
class _Scale:
    """Mean and standard deviation between the ensemble's seeds, and the accepted region, on the scale that is judged."""

    mean: float
    spread: float
    region: Region
    logarithms: bool

    @property
    def to_edge(self) -> float:
        """Distance from the mean to the nearest edge of the region."""
        return min(abs(self.mean - edge) for edge in (self.region.low, self.region.high))


def power(
    over: str,
    region: Region,
    ensemble: Ensemble,
    seeds: int,
    tests: int,
    here: Collection[str] = (),
    confidence: float = CONFIDENCE,
) -> PowerRecord | None:
    """The power of a claim in a run of ``seeds`` seeds; None if too few of the ensemble's seeds are outside the run.

    Args:
        over: ``seeds``, ``pairs``, ``trials`` or ``share``.
        tests: number of claims of the run, which share its false alarms.
        here: names of the run's own runs; the ensemble's values of these are not tested against.
        confidence: of the interval that the verdict is taken from.
    """
    logarithms = over == "seeds" and ensemble.skewed
    others = others_of(over, ensemble.logarithms if logarithms else ensemble, seeds, here)
    if others is None:
        return None
    scale = _Scale(others.mean, others.spread, on_log_scale(region) if logarithms else region, logarithms)
    alarm = alarm_shift(seeds, others.seeds, FALSE_ALARMS / max(1, tests))
    # verdict_shift assumes Student's interval, and those of shares and of trials are others
    verdict = None if over in ("share", "trials") else verdict_shift(scale, seeds, others.seeds, confidence)
    # a verdict that turns is reported if the means differ at the level CHANCE as well
    differ = (quantile(others.seeds - 1, 1 - CHANCE) + NORMAL_SEEN) * math.sqrt(1 / seeds + 1 / others.seeds)
    turned = None if verdict is None else max(verdict, differ)
    seen = min((shift for shift in (alarm, turned) if shift is not None), default=math.inf)
    return PowerRecord(alarm, verdict, scale.spread, _blind(over, scale, seen))


@functools.cache
def alarm_shift(seeds: int, others: int, level: float) -> float | None:
    """The smallest shift of ``seeds`` seeds that raises an alarm in four of five runs, against ``others`` seeds at this level.

    The shift is in standard deviations between seeds, for normal values; None beyond 8192.

    An alarm needs two things at once, so the shift is found by simulation with a fixed stream, to 0.05 of the shift.
    """
    draw = numpy_stream(0, "power")
    here, there = (draw.standard_normal((DRAWS, count)) for count in (seeds, others))
    critical = critical_shift(seeds, others, level)
    spread, centre, low, high = there.std(axis=1, ddof=1), there.mean(axis=1), there.min(axis=1), there.max(axis=1)
    needed = outside(seeds, others)

    def seen(shift: float) -> bool:
        far = np.abs(here.mean(axis=1) + shift - centre) >= critical * spread
        outer = (here + shift < low[:, None]) | (here + shift > high[:, None])
        beyond = outer & (np.abs(here + shift - centre[:, None]) >= NEARLY * critical * spread[:, None])
        return float(np.mean(far & (beyond.sum(axis=1) >= needed))) >= SEEN

    above = next((2.0**power for power in range(14) if seen(2.0**power)), None)
    below = 0.0
    while above is not None and above - below > FINE:
        middle = (above + below) / 2
        below, above = (below, middle) if seen(middle) else (middle, above)
    return above


def verdict_shift(scale: _Scale, seeds: int, others: int, confidence: float = CONFIDENCE) -> float | None:
    """The smallest shift that takes the whole interval across the region's nearest edge in four of five runs.

    The shift is in standard deviations between seeds; the interval's half-width follows from the ensemble's spread.

    None where the region is narrower than the interval: then no interval can lie inside.
    """
    error = scale.spread / math.sqrt(seeds)
    half = quantile(seeds - 1 if seeds >= 3 else others - 1, confidence) * error
    narrow = scale.region.high - scale.region.low < 2 * half
    if scale.mean not in scale.region and narrow:
        return None
    return (scale.to_edge + half + NORMAL_SEEN * error) / scale.spread if scale.spread else None


def _blind(over: str, scale: _Scale, shift: float) -> str:
    """Why a claim that sees only shifts of this size or more sees nothing short of absurd; "" if it sees smaller changes."""
    change = shift * scale.spread
    if over == "share":
        return "not even all seeds coming out the other way would be seen" if change > 1 else ""
    if scale.logarithms:
        return "no change of less than tenfold would be seen" if change > TENFOLD else ""
    absurd = change > ABSURD * max(abs(scale.mean), scale.to_edge)
    return "neither a change of twice its value nor one of twice its distance from the edge would be seen" if absurd else ""
