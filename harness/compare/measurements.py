"""What a claim measured in two reports: how far it moved, how near its verdict is to turning, whether chance explains it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np

from harness.compare.differences import State, spacing
from harness.compare.exchange import LEAST_PAIRS, Exchange, paired, proportions, unpaired
from harness.errors import InvalidInput
from harness.suite.records import ClaimRecord, MeasurementRecord
from harness.suite.rejudge import Pairs, interval_again, pseudo_values

Values = Mapping[tuple[str, ...], float]
# Half of the digits of the precision. A measurement's conditioning is not known, so no rounding bound holds for all measurements.
# Where it is as bad as at a double root, half of the digits are lost; a larger loss is worth a look.
HALF = {"float32": float(np.finfo(np.float32).eps) ** 0.5, "float64": float(np.finfo(np.float64).eps) ** 0.5}

# For a claim that measures rounding itself, in units of the allowed rounding: machines differ, and a tenth of a unit is no move.
# A control's value is many units. The unit differs between machines by a sixth or more, so a factor of two is no move.
OF_THE_BOUND = "of the bound"
TENTH, FACTOR = 0.1, 0.5

# An estimate brings its own interval, which narrows with the work that is done. The experiment fixes the random vectors. So a
# quarter more width after as much work is a worse estimator.
WIDER = 1.25
WORK = "block steps"  # the detail that counts the work of an estimate with a budget


@dataclass(frozen=True)
class Shift:
    """How far a claim's judged quantity moved.

    Attributes:
        state: same bits, within rounding (half of the digits), or moved.
        largest: the largest change of one value; ``relative`` to the scale of the claim (value or bound); in ``ulps``.
        compared: values that both reports hold.
    """

    state: State
    largest: float
    relative: float
    ulps: float
    compared: int


def shift_between(before: ClaimRecord, after: ClaimRecord, precision: str) -> Shift:
    """The shift over the runs that both reports measured; the shift of the means where they have no run in common."""
    a, b = values_of(before), values_of(after)
    common = [key for key in a if key in b]
    pairs = [(a[key], b[key]) for key in common] or [(_mean(a), _mean(b))]
    moved = [abs(y - x) for x, y in pairs]
    largest = max(moved)
    x, y = pairs[moved.index(largest)]
    scale = _scale(before, x, y)
    size = max(abs(x), abs(y))
    ulps = largest / spacing(size, precision)
    allowed = TENTH if _of_the_bound(before, after) else HALF[precision] * scale
    state = State.SAME if largest == 0 else State.ROUNDING if largest <= allowed else State.MOVED
    return Shift(state, largest, largest / scale if scale else 0.0, ulps, len(common))


def _of_the_bound(before: ClaimRecord, after: ClaimRecord) -> bool:
    return before.measurements[0].unit == after.measurements[0].unit == OF_THE_BOUND


def beside(before: ClaimRecord, after: ClaimRecord, shift: Shift, precision: str) -> tuple[str, ...]:
    """What differs beside the values: a line for an interval that the values do not explain, for its method, for each control."""
    if before.over != after.over:
        return ()
    width = widened(before, after)
    others = (*_intervals(before, after, shift, precision), *_controls(before, after, precision))
    return (width, *others) if width else others


def widened(before: ClaimRecord, after: ClaimRecord) -> str:
    """A line if an estimate's interval is wider than as much work, or less, gave before; else ""."""
    if not before.over == after.over == "interval" or not after.measurements:
        return ""
    was, now = before.measurements[0].interval, after.measurements[0].interval
    if was is None:
        return ""
    works = [[entry.values[0] for entry in record.measurements[1:] if entry.name == WORK] for record in (before, after)]
    if all(works) and (works[1][0] or 0) < (works[0][0] or 0):  # a smaller budget, or a slower machine
        return ""
    if now is None:
        return "an estimate without the interval that it had before"
    if now[1] - now[0] > WIDER * (was[1] - was[0]):
        return f"an interval {now[1] - now[0]:.3g} wide, where no more work gave one of {was[1] - was[0]:.3g} before"
    return ""


def _scale(record: ClaimRecord, *values: float) -> float:
    """The size of a claim's numbers: that of its region's edges, or of the values if they are larger."""
    edges = [edge for edge in record.rule.accept if edge is not None]
    return max((abs(number) for number in (*values, *edges) if math.isfinite(number)), default=0.0)


def _intervals(before: ClaimRecord, after: ClaimRecord, shift: Shift, precision: str) -> Iterator[str]:
    """Lines for the interval, only where the same runs gave the same values to rounding: else the interval moves with them."""
    a, b = before.measurements[0], after.measurements[0]
    if shift.state > State.ROUNDING or a.runs != b.runs:
        return
    if a.method != b.method:
        yield f"interval by {b.method}, not {a.method}"
    ends, wanted = b.interval or [-math.inf, math.inf], _moved_ends(before, b)
    slack = HALF[precision] * _scale(before, *values_of(before).values(), *ends, *wanted)
    if any(x != y and not abs(x - y) <= slack for x, y in zip(ends, wanted, strict=True)):
        yield f"interval [{ends[0]:.6g}, {ends[1]:.6g}] of the same values, not [{wanted[0]:.6g}, {wanted[1]:.6g}]"


def _moved_ends(before: ClaimRecord, now: MeasurementRecord) -> list[float]:
    """The baseline's interval, moved as its own rule moves the interval from the baseline's values to the new values."""
    judged = before.measurements[0]
    ends = judged.interval or [-math.inf, math.inf]
    if before.over == "interval":  # the ends are measured values
        return ends
    try:
        was, new = (interval_again(replace(before, measurements=[one])) for one in (judged, now))
    except InvalidInput:  # values that have no interval by the present rule
        return ends
    if was.bounded != new.bounded and was.bounded == (judged.interval is not None):  # equal values that rounding told apart
        return [new.low, new.high]
    moves = (new.low - was.low, new.high - was.high) if was.bounded and new.bounded else (0.0, 0.0)
    return [end + move for end, move in zip(ends, moves, strict=True)]


def _controls(before: ClaimRecord, after: ClaimRecord, precision: str) -> Iterator[str]:
    here, there = ({control.name: control for control in record.controls} for record in (before, after))
    for name in dict.fromkeys([*here, *there]):
        if name not in here or name not in there:
            yield f"control '{name}' only in the {'baseline' if name in here else 'new report'}"
            continue
        a, b = here[name], there[name]
        if a.expect != b.expect:
            yield f"control '{name}' must be {b.expect}, not {a.expect}"
        if a.verdict != b.verdict:
            yield f"control '{name}' {b.verdict or 'crashed'}, not {a.verdict or 'crashed'}"
            continue
        if a.value is None or b.value is None or before.measurements[0].runs != after.measurements[0].runs:
            continue
        scale = _scale(before, a.value, b.value)
        slack = max(TENTH, FACTOR * scale) if _of_the_bound(before, after) else HALF[precision] * scale
        if abs(a.value - b.value) > slack:
            yield f"control '{name}' at {b.value:.6g}, not {a.value:.6g}"


def margin(record: ClaimRecord) -> float | None:
    """How far the interval is from turning the verdict, over the size of the region's edges: 0.1 is a tenth of the bound.

    0 for INCONCLUSIVE, None where nothing was judged or no bound is finite.
    """
    if not record.judged or record.measurements[0].interval is None:
        return None
    low, high = record.measurements[0].interval
    first, last = (math.inf * sign if edge is None else edge for edge, sign in zip(record.rule.accept, (-1, 1), strict=True))
    inside, outside = min(low - first, last - high), max(first - high, low - last)
    distance = {"SUPPORTED": inside, "REFUTED": outside}.get(record.verdict, 0.0)
    scale = max((abs(edge) for edge in record.rule.accept if edge), default=1.0)
    return distance / scale if math.isfinite(distance) else None


def exchangeable(before: ClaimRecord, after: ClaimRecord, shift: Shift, same_start: bool) -> Exchange:
    """The statistical question for one claim; ``same_start`` if the runs of one seed began at the same theta_0."""
    a, b = values_of(before), values_of(after)
    if before.over != after.over:
        return Exchange(f"judged over {before.over} before and over {after.over} now: not the same quantity")
    if before.over == "once":
        return Exchange("deterministic: there is no chance in it")
    if before.over == "trials":
        return proportions(_counts(before.measurements[0]), _counts(after.measurements[0]))
    if before.over == "pairs":
        a, b = (_by_seed(values) for values in (a, b))
    common = [key for key in a if key in b] if same_start else []
    if shift.state <= State.ROUNDING and common:
        return Exchange("the same within rounding", len(common), 1.0)
    if len(common) >= LEAST_PAIRS:
        return paired([b[key] - a[key] for key in common])
    found = unpaired(list(a.values()), list(b.values()))
    return found if found.p is not None or not same_start else paired([b[key] - a[key] for key in common])


def values_of(record: ClaimRecord) -> Values:
    """The judged values by the runs behind them."""
    measured = record.measurements[0]
    keys = measured.runs or [[] for _ in measured.values]
    return {tuple(runs): float("nan") if value is None else value for runs, value in zip(keys, measured.values, strict=True)}


def _by_seed(values: Values) -> Values:
    """Jackknife pseudo-values of the seeds behind pairs; {} without three seeds."""
    runs = sorted({run for pair in values for run in pair})
    if len(runs) < LEAST_PAIRS:
        return {}
    pairs: Pairs = {(runs.index(a), runs.index(b)): value for (a, b), value in values.items()}
    return {(run,): value for run, value in zip(runs, pseudo_values(pairs), strict=True)}


def _counts(measured: MeasurementRecord) -> tuple[int, int]:
    trials = measured.trials or []
    return sum(round((value or 0.0) * n) for value, n in zip(measured.values, trials, strict=True)), sum(trials)


def _mean(values: Values) -> float:
    return float(np.mean(list(values.values())))
