"""A comparison as one offline page: what differs, claim by claim and run by run, and where each value went against its region."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from harness.compare import text
from harness.compare.comparison import ClaimChange, Comparison
from harness.compare.stages import State
from harness.report.text import measured

NAME = "compare.html"
WIDTH, PAD = 220, 12
STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:1400px;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;margin:.5rem 0 2rem;width:100%}th,td{text-align:left;padding:.25rem .6rem;
border-bottom:1px solid #ddd;vertical-align:top;font-size:13.5px}th{background:#f2f4f5}
.turned td:first-child{color:#a3210f;font-weight:600}.moved td:first-child{color:#8a5a00}
.note{border-left:4px solid #d55e00;padding-left:.7rem}svg{display:block}.scroll{overflow-x:auto}
.band{fill:#cfe3d6}.old{stroke:#757575;stroke-width:5;stroke-linecap:round}.new{stroke:#0072b2;stroke-width:2.5;stroke-linecap:round}
@media(prefers-color-scheme:dark){body{background:#16191b;color:#ddd}th{background:#23282b}td,th{border-color:#3a4145}.band{fill:#274a36}
.new{stroke:#5cb3e6}.turned td:first-child{color:#ff8d7a}.moved td:first-child{color:#e9b44c}}
"""


def render(found: Comparison) -> str:
    """The whole page; the same comparison gives the same bytes."""
    facts, aside = ([(c.key, c.before, c.after) for c in changes] for changes in (found.identity, found.incidental))
    lines = [(line,) for line in [*found.uncompared, *(f"{run.label}: {line}" for run in found.runs for line in run.uncompared)]]
    parts = [
        f"<h1>{escape(text.headline(found))}</h1>",
        f"<p>{escape(text.stages_line(found))}.</p><p>{escape(text.chance_line(found))}.</p>",
        *(f'<p class="note">{escape(line)}.</p>' for line in found.warnings),
        _table("What the machines differ in", ("", "baseline", "new"), facts or [("", "nothing", "")]),
        _table("Runs: the first stage that moved", text.RUNS, text.run_rows(found)),
        _claims(found.claims),
        _table("Not compared", ("",), lines),
        _table("Incidental", ("", "baseline", "new"), aside),
    ]
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>Comparison</title><style>{STYLE}</style></head>'
    return f"{head}<body>{''.join(parts)}</body></html>\n"


def bars(claim: ClaimChange) -> str:
    """Both intervals against the accepted region, the baseline thick and grey, the new one thin; "" where one is missing."""
    held = [record.measurements[0].interval for record in (claim.before, claim.after) if record.measurements]
    intervals = [interval for interval in held if interval is not None]
    if len(intervals) < 2:
        return ""
    low, high = claim.after.rule.accept
    ends = [end for interval in intervals for end in interval] + [edge for edge in (low, high) if edge is not None]
    first, span = min(ends), (max(ends) - min(ends)) or 1.0

    def at(value: float) -> float:
        return PAD + (WIDTH - 2 * PAD) * (value - first) / span

    left, right = (0.0 if low is None else at(low)), (float(WIDTH) if high is None else at(high))
    lines = [
        f'<path class="{kind}" d="M{at(a):.1f} {y}H{max(at(b), at(a) + 0.1):.1f}"/>'
        for kind, y, (a, b) in zip(("old", "new"), (8, 16), intervals, strict=True)
    ]
    words = escape(f"{measured(claim.before)} before, {measured(claim.after)} now")
    band = f'<rect class="band" x="{left:.1f}" width="{max(right - left, 1):.1f}" height="24"/>'
    return f'<svg viewBox="0 0 {WIDTH} 24" width="{WIDTH}" role="img" aria-label="{words}">{band}{"".join(lines)}</svg>'


def _claims(claims: Sequence[ClaimChange]) -> str:
    by_id = {claim.before.id: claim for claim in claims}
    turned = {id for id, claim in by_id.items() if claim.turned}
    moved = {id for id, claim in by_id.items() if claim.shift.state is State.MOVED}
    body = "".join(
        f'<tr class="{"turned" if row[1] in turned else "moved" if row[1] in moved else ""}">'
        f"{''.join(f'<td>{escape(cell)}</td>' for cell in row)}<td>{bars(by_id[row[1]])}</td></tr>"
        for row in text.rows(claims, every=True)
    )
    head = "".join(f"<th>{escape(cell)}</th>" for cell in (*text.HEADER, "before and now"))
    return f'<h2>Claims</h2><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _table(title: str, header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    if not body:
        return ""
    rows = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in body)
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    return f'<h2>{escape(title)}</h2><div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'
