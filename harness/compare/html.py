"""A comparison as one offline page: the differences by claim and by run, and where each value moved against its region."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare import text
from harness.compare.comparison import ClaimChange, Comparison
from harness.compare.differences import State
from harness.compare.identity import Change
from harness.report import pages
from harness.report.text import measured

NAME = "compare.html"
TEMPLATE = Path(__file__).with_name("compare.html")
WIDTH, PAD = 220, 12


def render(found: Comparison) -> str:
    """The whole page; the same comparison gives the same bytes."""
    by_id = {claim.before.id: claim for claim in found.claims}
    return pages.render(
        TEMPLATE,
        found=found,
        **{f.__name__: f for f in (text.headline, text.stages_line, text.chance_line, bars_of, kind)},
        sides=("", "baseline", "new"),
        identity=_sides(found.identity),
        incidental=_sides(found.incidental),
        run_header=text.RUNS,
        runs=text.run_rows(found),
        claim_header=(*text.HEADER, "before and now"),
        claims=[(row, by_id[row[1]]) for row in text.rows(found.claims, every=True)],
        uncompared=[(line,) for line in [*found.uncompared, *text.unlocalised(found.runs)]],
    )


@dataclass(frozen=True)
class Bars:
    """Both intervals against the accepted region, as places along a strip; ``band`` is its beginning and width."""

    band: tuple[float, float]
    old: tuple[float, float]
    new: tuple[float, float]
    words: str
    width: int = WIDTH


def bars_of(claim: ClaimChange) -> Bars | None:
    """None where an interval is missing."""
    held = [record.measurements[0].interval for record in (claim.before, claim.after) if record.measurements]
    intervals = [interval for interval in held if interval is not None]
    if len(intervals) < 2:
        return None
    low, high = claim.after.rule.accept
    ends = [end for interval in intervals for end in interval] + [edge for edge in (low, high) if edge is not None]
    first, span = min(ends), (max(ends) - min(ends)) or 1.0

    def at(value: float) -> float:
        return PAD + (WIDTH - 2 * PAD) * (value - first) / span

    left, right = (0.0 if low is None else at(low)), (float(WIDTH) if high is None else at(high))
    old, new = ((round(at(a), 1), round(max(at(b), at(a) + 0.1), 1)) for a, b in intervals)
    words = f"{measured(claim.before)} before, {measured(claim.after)} now"
    return Bars((round(left, 1), round(max(right - left, 1), 1)), old, new, words)


def kind(claim: ClaimChange) -> str:
    """The class of a claim's row."""
    return "turned" if claim.turned else "moved" if claim.shift.state is State.MOVED else ""


def _sides(changes: Sequence[Change]) -> list[tuple[str, str, str]]:
    return [(change.key, change.before, change.after) for change in changes]
