"""All judged claims on one scale: how far each lies inside or outside its accepted region, in half-widths of its interval.

One half-width inside or more is SUPPORTED, one outside or more is REFUTED, anything between is INCONCLUSIVE: the plot shows the
rule that gives the verdicts. Each row is a small SVG of its own, and so rows wrap and link like text.
"""

from __future__ import annotations

import math

from harness.suite.records import ClaimRecord

WIDTH, HEIGHT, MIDDLE, REACH = 240, 14, 120, 112
MOST = 1000.0  # half-widths at the ends of the scale


def distance(record: ClaimRecord) -> float | None:
    """From the interval's middle to the nearest accepted edge, in half-widths of the interval: positive inside of the region.

    Infinite where the interval is a point off the edge, or the region has no edge; None where nothing was judged.
    """
    if not record.judged or not record.measurements or record.measurements[0].interval is None:
        return None
    low, high = record.measurements[0].interval
    edges = [edge for edge in record.rule.accept if edge is not None]
    if not edges:
        return math.inf
    middle, half = (low + high) / 2, (high - low) / 2
    bottom, top = record.rule.accept
    inside = (bottom is None or middle >= bottom) and (top is None or middle <= top)
    gap = min(abs(middle - edge) for edge in edges)
    far = gap / half if half > 0 else (math.inf if gap > 0 or inside else 0.0)
    return far if inside else -far


def position(far: float) -> float:
    """Where a distance lies on the drawing: linear between -1 and 1, logarithmic beyond, cut at the ends."""
    size = min(abs(far), MOST)
    scaled = size if size <= 1 else 1 + math.log10(size)
    return MIDDLE + math.copysign(REACH * scaled / (1 + math.log10(MOST)), far)


def words(far: float) -> str:
    """The distance as text: ``+3.2``, ``-12``; ``inside`` or ``outside`` where it is infinite."""
    if math.isinf(far):
        return "inside" if far > 0 else "outside"
    if abs(far) >= 9.95:
        return f"{far:+.0f}"
    # enough digits to show whether the distance is above or below one, since that decides the verdict
    return next(text for text in (f"{far:+.{n}f}" for n in range(1, 18)) if (abs(float(text)) >= 1) == (abs(far) >= 1))


def row(record: ClaimRecord) -> str:
    """The claim's row, "" where nothing was judged. A disc holds, a square does not, a ring is open: no colour is needed."""
    far = distance(record)
    if far is None:
        return ""
    x, y = position(far), HEIGHT / 2
    mark = {
        "SUPPORTED": f'<circle class="holds" cx="{x:.1f}" cy="{y}" r="4"/>',
        "REFUTED": f'<rect class="fails" x="{x - 4:.1f}" y="{y - 4}" width="8" height="8"/>',
    }.get(record.verdict, f'<circle class="between" cx="{x:.1f}" cy="{y}" r="3.5"/>')
    edges = "".join(f"M{position(at):.1f} 0v{HEIGHT}" for at in (-1.0, 1.0))
    line = f'<path class="axis" d="M{MIDDLE} 0v{HEIGHT}"/><path class="edge" d="{edges}"/>'
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}"'
    return f'<svg {box} aria-hidden="true">{line}<path class="stem" d="M{MIDDLE} {y}H{x:.1f}"/>{mark}</svg>'
