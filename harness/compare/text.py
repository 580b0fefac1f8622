"""A comparison in words and tables: for the terminal and as Markdown for a step summary."""

from __future__ import annotations

import math
from collections.abc import Sequence

from harness.compare.comparison import MEANING, ClaimChange, Comparison, Exit
from harness.compare.differences import Difference, State
from harness.compare.exchange import ALPHA
from harness.compare.localise import RunChange
from harness.report.text import accepted, measured

NAME = "compare.md"
FEW = 10  # claims that were not compared, named in the terminal
HEADER = ("verdict", "claim", "baseline", "new", "accepted", "largest change", "margin used", "p (corrected)", "look first at")
RUNS = ("run", "first stage that moved", "first of other bits", "largest within rounding")
Row = tuple[str, ...]


def headline(found: Comparison) -> str:
    """One line: how many verdicts changed, what moved."""
    states = [claim.shift.state for claim in found.claims]
    moved, rounded, same = (states.count(state) for state in (State.MOVED, State.ROUNDING, State.SAME))
    moves = f"{moved} moved beyond rounding, {rounded} within rounding, {same} of the same bits"
    verdicts = f"{len(found.claims)} claims compared: {len(found.turned)} changed verdict"
    others = f"; {len(found.changed_beside)} with another interval or control" if found.changed_beside else ""
    return f"{verdicts}, {moves}{others}; {len(found.uncompared)} not compared"


def stages_line(found: Comparison) -> str:
    """One line: how many runs moved, and in which stage first."""
    known = [run for run in found.runs if not any("no stage records" in line for line in run.uncompared)]
    if not known:
        return "no run has stage records in both reports: nothing can be localised (what a run writes has them; copies may not)"
    moved, bits = found.moved_runs, [run for run in known if run.bits]
    wide = found.wider_runs
    grown = f"; in {len(wide)} what is allowed grew, first {wide[0].label}: {wide[0].wider}" if wide else ""
    if moved:
        first = ", ".join(f"{run.label}: {say(run.moved)}" for run in moved[:3] if run.moved)
        return f"{len(moved)} of {len(known)} runs moved; first in {first}{' ...' if len(moved) > 3 else ''}{grown}"
    return f"{len(known)} runs: none moved beyond rounding, {len(known) - len(bits)} of the same bits throughout{grown}"


def chance_line(found: Comparison) -> str:
    """One line: the statistical answer, and the shifts that it could have seen."""
    tested = [claim for claim in found.claims if claim.corrected is not None]
    drifted = [claim.before.id for claim in tested if claim.drifted]
    named = f": {', '.join(drifted)}" if drifted else ""
    tests = f"{len(tested)} of {len(found.claims)} claims tested for exchangeability"
    return f"{tests}, {len(drifted)} below {ALPHA} after correction (Benjamini-Hochberg){named}{_power(tested)}"


def _power(tested: Sequence[ClaimChange]) -> str:
    """What the tests could have seen: a shift of one claim alone, and of a tenth of them together."""
    count = len(tested)
    alone, tenth = (
        [size for claim in tested if (size := claim.exchange.detectable(count, together)) is not None]
        for together in (1, max(1, count // 10))
    )
    if not alone:
        return ""
    one, some = max(alone), max(tenth)
    if math.isinf(some):
        return f"; these {count} claims have too few values to show a shift of any size after it"
    seen = f"a shift of {some:.2g} standard deviations is seen 4 times in 5 if a tenth of them do"
    return f"; after it {_far(one)} if one claim moves alone, {seen}"


def _far(shift: float) -> str:
    return "no shift is seen" if math.isinf(shift) else f"one of {shift:.2g}"


def rows(claims: Sequence[ClaimChange], every: bool = False) -> list[Row]:
    """A row a claim, worst first; those of the same bits only if ``every``."""
    shown = [claim for claim in _worst_first(claims) if every or _changed(claim)]
    return [_row(claim) for claim in shown]


def run_rows(found: Comparison) -> list[Row]:
    """A row for each run that is not the same throughout."""
    off = [run for run in found.runs if run.bits or run.uncompared or run.wider]
    return [(run.label, say(run.moved), say(run.bits), _inside(run)) for run in off]


def table(found: Comparison, every: bool = False) -> list[str]:
    """The comparison as aligned lines."""
    lines = [f"{change.key}: {change.before or '?'} -> {change.after or '?'}" for change in found.identity]
    lines = [*(lines or ["identity: the same machine and versions"]), *(f"warning: {line}" for line in found.warnings), ""]
    for header, body in ((RUNS, run_rows(found)), (HEADER, rows(found.claims, every))):
        if body:
            lines += [*_aligned([header, *body]), ""]
    left, shown = len(found.uncompared) - FEW, found.uncompared[:FEW]
    lines += [f"not compared: {line}" for line in shown] + [f"not compared: {left} more, listed in {NAME}"] * (left > 0)
    return [*lines, headline(found), stages_line(found), chance_line(found)]


def markdown(found: Comparison, limit: int = 200) -> str:
    """The comparison as Markdown; at most ``limit`` rows a table, saying how many are left out."""
    parts = ["# Comparison with the baseline", f"{headline(found)}.", f"{stages_line(found)}.", f"{chance_line(found)}."]
    parts += [f"**Note**: {line}." for line in found.warnings]
    sides = ("", "baseline", "new")
    facts, aside = ([(c.key, c.before, c.after) for c in changes] for changes in (found.identity, found.incidental))
    parts.append(_section("What the machines differ in", sides, facts, limit))
    parts.append(_section("Claims", HEADER, rows(found.claims), limit))
    parts.append(_section("Runs", RUNS, run_rows(found), limit))
    parts.append(_section("Not compared", ("",), [(line,) for line in [*found.uncompared, *unlocalised(found.runs)]], limit))
    parts.append(_section("Incidental", sides, aside, limit))
    return "\n\n".join(part for part in parts if part) + "\n"


def say(difference: Difference | None) -> str:
    """A stage and how far it is off."""
    if difference is None:
        return ""
    far = "" if math.isnan(difference.relative) else f" by {difference.relative:.2g} ({difference.ulps:.3g} ULP"
    if far and not math.isnan(difference.ratio):
        far += f", {difference.ratio:.2g} x allowed"
    note = f"; {difference.note}" if difference.note else ""
    return f"{difference.stage}{far}{')' if far else ''}{note}"


def unlocalised(runs: Sequence[RunChange]) -> list[str]:
    """A line for each thing that could not be compared between the runs."""
    return [f"{run.label}: {line}" for run in runs for line in run.uncompared]


def verdict(claim: ClaimChange) -> str:
    return f"{claim.before.verdict} -> {claim.after.verdict}" if claim.turned else claim.after.verdict


def exit_line(code: Exit) -> str:
    return f"exit code {code.value}: {MEANING[code]}"


def _row(claim: ClaimChange) -> Row:
    shift = claim.shift
    far = "" if math.isnan(shift.largest) or not shift.largest else f"{shift.largest:.2g} ({shift.ulps:.3g} ULP), "
    change = "; ".join([f"{far}{shift.state}", *claim.beside])
    lost = "" if claim.margin_lost is None else f"{claim.margin_lost:.1%}"
    p = "" if claim.corrected is None else f"{claim.corrected:.2g}"
    return (
        verdict(claim),
        claim.before.id,
        measured(claim.before),
        measured(claim.after),
        accepted(claim.after),
        change,
        lost,
        p,
        claim.first if shift.state is not State.SAME else "",
    )


def _changed(claim: ClaimChange) -> bool:
    return claim.turned or claim.shift.state is not State.SAME or bool(claim.beside)


def _inside(run: RunChange) -> str:
    if run.wider:
        return run.wider
    return f"{run.ratio:.2g} of what is allowed" if run.ratio else "; ".join(run.uncompared[:1])


def _worst_first(claims: Sequence[ClaimChange]) -> list[ClaimChange]:
    return sorted(claims, key=lambda claim: (not claim.turned, -claim.shift.state, not claim.drifted, -(claim.margin_lost or 0)))


def _section(title: str, header: Row, body: Sequence[Row], limit: int) -> str:
    if not body:
        return ""
    whole = [header, ("---",) * len(header), *body[:limit]]
    cells = [[" ".join(cell.split()).replace("|", "\\|") for cell in row] for row in whole]
    more = [f"\n{len(body) - limit} more are in the comparison's own page."] if len(body) > limit else []
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(row)} |" for row in cells), *more])


def _aligned(body: Sequence[Row]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*body, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in body]
