"""The strip plot of one claim as inline SVG: seeds and their interval against the accepted region, the paper's number, controls.

Written without matplotlib: a report has hundreds of them, of two kilobytes each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from harness.report.text import accepted, measured
from harness.suite.records import ClaimRecord

WIDTH, LEFT, RIGHT, AXIS = 360, 62, 344, 24
MANY = 40  # values beyond which points become thin ticks
SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
Row = tuple[int, str]  # height, and what is drawn around the middle of its left end


@dataclass(frozen=True)
class Scale:
    """Data to horizontal position; logarithmic where positive values span more than a factor of 20."""

    low: float
    high: float
    log: bool

    def __call__(self, value: float) -> float:
        low, high, value = (_log(x) if self.log else x for x in (self.low, self.high, value))
        return LEFT + (RIGHT - LEFT) * min(max((value - low) / (high - low), -1.0), 2.0)

    def shows(self, value: float) -> bool:
        return self.low <= value <= self.high


def strip(record: ClaimRecord) -> str:
    """The claim's strip plot, "" if nothing was measured."""
    if not record.measurements or not _values(record):
        return ""
    scale = scale_for(record)
    placed, bottom = "", 0
    for height, row in filter(None, (draw(record, scale) for draw in (_paper, _seeds, _borrowed, _controls))):
        placed += f'<g transform="translate(0 {bottom + height // 2})">{row}</g>'
        bottom += height
    body = _region(record.rule.accept, scale, bottom) + _guide(record, scale, bottom) + placed + _axis(scale, bottom)
    box = f'viewBox="0 0 {WIDTH} {bottom + AXIS}"'
    return f'<svg class="strip" {box} role="img" aria-label="{escape(describe(record))}">{body}</svg>'


def describe(record: ClaimRecord) -> str:
    """The strip plot in words."""
    values = _values(record)
    shown = ", ".join(f"{value:.4g}" for value in values[:8]) + (", ..." if len(values) > 8 else "")
    paper = "" if record.published is None else f"; the paper's number is {record.published:.4g}"
    return f"Measured {shown}; 95 % interval {measured(record)}; accepted {accepted(record)}{paper}"


def scale_for(record: ClaimRecord) -> Scale:
    """A scale that holds everything that decides, and controls and borrowed values only where they do not squeeze it."""
    interval, accept = record.measurements[0].interval or [], record.rule.accept
    core = [*_values(record), *interval, *_finite([record.published, *accept])]
    log = min(core) > 0 and max(core) > 20 * min(core)
    inside = _log if log else float
    low, high = min(map(inside, core)), max(map(inside, core))
    span = max(high - low, 1e-3 * max(abs(low), abs(high))) or 1.0
    beside = _finite([control.value for control in record.controls]) + (record.ensemble.values if record.ensemble else [])
    near = [inside(x) for x in beside if low - span <= inside(x) <= high + span]
    low, high = min([low, *near]), max([high, *near])
    margin = 0.1 * max(high - low, span)
    below, above = (2 if bound is None else 1 for bound in accept)
    low, high = low - below * margin, high + above * margin
    return Scale(10**low, 10**high, True) if log else Scale(low, high, False)


def ticks(scale: Scale) -> list[tuple[float, str]]:
    """Three to six round values and their labels."""
    return _log_ticks(scale) if scale.log else _linear_ticks(scale)


def _log_ticks(scale: Scale) -> list[tuple[float, str]]:
    """Powers of ten; 1, 2, 5 where fewer than three of them are in sight."""
    first, last = math.ceil(_log(scale.low)), math.floor(_log(scale.high))
    if last - first >= 2:
        return [(10.0**k, _power(k)) for k in range(first, last + 1, math.ceil((last - first) / 4))]
    values = [m * 10.0**k for k in range(first - 1, last + 1) for m in (1, 2, 5)]
    return [(value, f"{value:.3g}") for value in values if scale.shows(value)]


def _linear_ticks(scale: Scale) -> list[tuple[float, str]]:
    raw = (scale.high - scale.low) / 4
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(m * magnitude for m in (1, 2, 2.5, 5, 10) if m * magnitude >= raw * 0.999)
    first, last = math.ceil(scale.low / step), math.floor(scale.high / step)
    return [(k * step, f"{k * step:.6g}") for k in range(first, last + 1)]


def _region(accept: Sequence[float | None], scale: Scale, bottom: int) -> str:
    """The accepted region: a band, closed by a bracket where it ends, with an arrow where it goes on."""
    low, high = (None if bound is None else scale(bound) for bound in accept)
    left, right = float(LEFT) if low is None else low, float(RIGHT) if high is None else high
    band = f'<rect class="band" x="{left:.1f}" y="0" width="{max(right - left, 1):.1f}" height="{bottom}"/>'
    ends = []
    for bound, edge, way in ((low, LEFT, 1), (high, RIGHT, -1)):
        bracket = "" if bound is None else f"M{bound + 5 * way:.1f} .8H{bound:.1f}V{bottom - 0.8}h{5 * way}"
        ends.append(bracket or f"M{edge + 5 * way} 3l{-5 * way} 5l{5 * way} 5")
    return f'{band}<path class="bound" d="{"".join(ends)}"/>'


def _guide(record: ClaimRecord, scale: Scale, bottom: int) -> str:
    """A dashed line at the paper's number through all rows."""
    return "" if record.published is None else f'<path class="guide" d="M{scale(record.published):.1f} 9V{bottom}"/>'


def _paper(record: ClaimRecord, scale: Scale) -> Row | None:
    """The paper's number as a diamond, with its value."""
    if record.published is None:
        return None
    x = scale(record.published)
    anchor, at = ("end", x - 8) if x > (LEFT + RIGHT) / 2 else ("start", x + 8)
    label = f'<text class="number" x="{at:.1f}" y="4" text-anchor="{anchor}">{record.published:.4g}</text>'
    return 18, f'{_name("paper")}<path class="paper" d="M{x:.1f} -5l5 5l-5 5l-5 -5z"/>{label}'


def _seeds(record: ClaimRecord, scale: Scale) -> Row:
    """Each value as a point, and the interval as a capped bar below them."""
    values = _values(record)
    left, right = (scale(bound) for bound in record.measurements[0].interval or [0, 0])
    bar = f'<path class="interval" d="M{left:.1f} 10H{right:.1f}M{left:.1f} 6v8M{right:.1f} 6v8"/>' if left < right else ""
    what = {"once": "measured", "interval": "measured", "pairs": "pairs"}.get(record.over, "seeds")
    return 34, f"{_name(what)}<g>{_points(values, scale)}</g>{bar}"


def _borrowed(record: ClaimRecord, scale: Scale) -> Row | None:
    """The reference ensemble, as hollow points."""
    if record.ensemble is None:
        return None
    values = [value for value in record.ensemble.values if scale.shows(value)]
    return 26, f'{_name("reference")}<g class="borrowed" transform="translate(0 3)">{_points(values, scale)}</g>'


def _points(values: Sequence[float], scale: Scale) -> str:
    """Points, moved apart where they would hide each other; ticks where there are too many."""
    if len(values) > MANY:
        return f'<path class="tick" d="{"".join(f"M{scale(value):.1f} -9v12" for value in values)}"/>'
    placed = sorted(scale(value) for value in values)
    return "".join(f'<circle cx="{x:.1f}" cy="{y}" r="3.2"/>' for x, y in zip(placed, _lanes(placed), strict=True))


def _lanes(positions: Sequence[float]) -> list[int]:
    """Heights that keep neighbours apart."""
    free = {-3: -math.inf, -9: -math.inf, 3: -math.inf}
    lanes: list[int] = []
    for x in positions:
        lane = next((y for y, last in free.items() if x - last >= 6), min(free, key=lambda y: free[y]))
        free[lane] = x
        lanes.append(lane)
    return lanes


def _controls(record: ClaimRecord, scale: Scale) -> Row | None:
    """Letters that the list of controls explains; an arrow where a control lies beyond the scale."""
    finite = [(c.value, letter(i)) for i, c in enumerate(record.controls) if c.value is not None and math.isfinite(c.value)]
    if not finite:
        return None
    marks: list[tuple[float, str]] = []
    for value, name in sorted(finite):
        shown = name if scale.shows(value) else (f"◂{name}" if value < scale.low else f"{name}▸")
        x = min(max(scale(value), LEFT + 7), RIGHT - 7)
        marks.append((max(x, marks[-1][0] + 8 + 6 * len(shown)) if marks else x, shown))
    over = max(0.0, marks[-1][0] - (RIGHT - 7))
    return 18, _name("controls") + "".join(f'<text class="control" x="{x - over:.1f}" y="4">{shown}</text>' for x, shown in marks)


def letter(index: int) -> str:
    """The letter by which a control is known: a, b, ..."""
    return chr(ord("a") + index % 26)


def _axis(scale: Scale, bottom: int) -> str:
    marks = ticks(scale)
    lines = "".join(f"M{scale(value):.1f} {bottom}v4" for value, _ in marks)
    labels = "".join(f'<text class="number" x="{scale(value):.1f}" y="{bottom + 16}">{label}</text>' for value, label in marks)
    return f'<path class="axis" d="M{LEFT} {bottom}H{RIGHT}{lines}"/>{labels}'


def _name(text: str) -> str:
    return f'<text class="row" x="{LEFT - 8}" y="4">{text}</text>'


def _power(k: int) -> str:
    return "1" if k == 0 else f"10{str(k).translate(SUPERSCRIPTS)}"


def _log(value: float) -> float:
    return math.log10(value) if value > 0 else -math.inf


def _values(record: ClaimRecord) -> list[float]:
    return _finite(record.measurements[0].values)


def _finite(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None and math.isfinite(value)]
