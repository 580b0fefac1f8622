"""Everything that two reports share or differ in, as values, and the exit code that sums it up."""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from harness.compare.differences import State
from harness.compare.exchange import ALPHA, Exchange, corrected
from harness.compare.identity import Change, identity_changes, incidental_changes
from harness.compare.localise import RunChange, localise
from harness.compare.measurements import Shift, beside, exchangeable, margin, shift_between, widened
from harness.errors import Incomparable
from harness.runs.experiment import PRECISIONS
from harness.suite.records import ClaimRecord, Report


class Exit(enum.IntEnum):
    """Exit codes; each means one thing."""

    SAME = 0
    VERDICT = 1
    USAGE = 2
    MOVED = 3
    INCOMPARABLE = 4
    UNREADABLE = 5
    PARTLY = 6


MEANING = {
    Exit.SAME: "no verdict changed, and no estimate's interval is wider by more than a quarter after as much work",
    Exit.VERDICT: "a claim changed its verdict",
    Exit.USAGE: "a command line that makes no sense",
    Exit.MOVED: "every verdict is the same, but an estimate's interval is wider by more than a quarter after as much work; with "
    "--strict also: a stage, a value, an interval or a control moved beyond rounding, or a stage's own rounding error grew",
    Exit.INCOMPARABLE: "nothing could be compared (another scale, or no claim judged in both)",
    Exit.UNREADABLE: "a report, baseline or evidence file is missing, cut short, of another schema, or not as it was written",
    Exit.PARTLY: "with --strict: what was compared is the same, but claims of the baseline were not judged here",
}


@dataclass(frozen=True)
class ClaimChange:
    """One claim in both reports.

    Attributes:
        first: the stage to look at, with its run: the first that moved in any run of the claim, else the first of other bits.
        margins: how far each report's interval is from turning the verdict (:func:`harness.compare.measurements.margin`).
        beside: what differs beside the values (:func:`harness.compare.measurements.beside`).
        corrected: the p-value, corrected for all claims of the comparison (Benjamini & Hochberg).
    """

    before: ClaimRecord
    after: ClaimRecord
    shift: Shift
    exchange: Exchange
    first: str
    margins: tuple[float | None, float | None]
    beside: tuple[str, ...] = ()
    corrected: float | None = None

    @property
    def turned(self) -> bool:
        return self.before.verdict != self.after.verdict

    @property
    def widened(self) -> str:
        """A line if the interval of an estimate is wider than before, so that it decides less; else ""."""
        return widened(self.before, self.after)

    @property
    def margin_lost(self) -> float | None:
        """Share of the baseline's margin that is gone; None where there was no margin."""
        before, after = self.margins
        return None if before is None or after is None or before <= 0 else (before - after) / before

    @property
    def drifted(self) -> bool:
        """Whether chance does not explain the move."""
        return self.corrected is not None and self.corrected < ALPHA


@dataclass(frozen=True)
class Comparison:
    """Two reports against each other; see :func:`compare`.

    Attributes:
        uncompared: a line for each claim that only one report judged, or that is on another experiment now.
        warnings: reasons why the comparison says less than it seems to.
    """

    before: Report
    after: Report
    identity: list[Change]
    incidental: list[Change]
    claims: list[ClaimChange]
    runs: list[RunChange]
    uncompared: list[str]
    warnings: list[str]

    @property
    def turned(self) -> list[ClaimChange]:
        return [claim for claim in self.claims if claim.turned]

    @property
    def widened(self) -> list[ClaimChange]:
        """Claims whose estimate became worse, whatever their verdict."""
        return [claim for claim in self.claims if claim.widened]

    @property
    def moved(self) -> list[ClaimChange]:
        return [claim for claim in self.claims if claim.shift.state is State.MOVED]

    @property
    def moved_runs(self) -> list[RunChange]:
        return [run for run in self.runs if run.moved is not None]

    @property
    def wider_runs(self) -> list[RunChange]:
        """Runs whose own rounding error grew. This error decides what counts as moved."""
        return [run for run in self.runs if run.wider]

    @property
    def changed_beside(self) -> list[ClaimChange]:
        """Claims whose interval or controls changed without their values."""
        return [claim for claim in self.claims if claim.beside]

    @property
    def lost(self) -> bool:
        """Whether claims of the baseline were not judged here."""
        return any("only in the baseline" in line for line in self.uncompared)

    def code(self, strict: bool = False) -> Exit:
        """The exit code."""
        if self.turned:
            return Exit.VERDICT
        if self.widened or (strict and (self.moved or self.moved_runs or self.wider_runs or self.changed_beside)):
            return Exit.MOVED
        return Exit.PARTLY if strict and self.lost else Exit.SAME


def compare(before: Report, after: Report) -> Comparison:
    """A baseline and a new report.

    Raises:
        Incomparable: they are of different scales, or no claim was judged in both on the same experiments.
        Unreadable: a stage record that is not one.
    """
    if before.scale != after.scale:
        scales = f"the baseline is of scale {before.scale}, the new report of scale {after.scale}"
        raise Incomparable(f"{scales}: compare reports of one scale")
    runs = localise(before, after)
    redefined = {run.name for run in runs if run.redefined}
    held = {record.id: record for record in before.claims}
    both = [(held[record.id], record) for record in after.claims if record.id in held]
    common = [pair for pair in both if _comparable(*pair, redefined)]
    if not common:
        raise Incomparable(_nothing(both, redefined))
    precision = next(name for name in PRECISIONS if name in (before.precision, after.precision))
    claims = [_changed(a, b, runs, precision) for a, b in common]
    p_values = corrected([claim.exchange.p for claim in claims])
    claims = [replace(claim, corrected=p) for claim, p in zip(claims, p_values, strict=True)]
    compared = {a.id for a, _ in common}
    return Comparison(
        before,
        after,
        identity_changes(before, after),
        incidental_changes(before, after),
        claims,
        runs,
        _uncompared(before, after, compared, redefined),
        _warnings(before, after),
    )


def _comparable(before: ClaimRecord, after: ClaimRecord, redefined: set[str]) -> bool:
    """Whether both reports judged the claim on the same experiments, or it broke in the new one, which is a change of verdict."""
    return before.judged and not after.declared and not redefined & {*before.experiments, *after.experiments}


def _changed(before: ClaimRecord, after: ClaimRecord, runs: Sequence[RunChange], precision: str) -> ClaimChange:
    mine = [run for run in runs if run.name in before.experiments]
    moved = [run for run in mine if run.moved] or [run for run in mine if run.bits]
    first = f"{moved[0].label}: {moved[0].first.stage}" if moved and moved[0].first else ""
    if not after.judged:
        broken = Shift(State.MOVED, math.nan, math.nan, math.nan, 0)
        return ClaimChange(before, after, broken, Exchange("not judged any more"), first, (margin(before), None))
    shift = shift_between(before, after, precision)
    exchange = exchangeable(before, after, shift, all(run.same_start for run in mine))
    others = beside(before, after, shift, precision)
    return ClaimChange(before, after, shift, exchange, first, (margin(before), margin(after)), others)


def _nothing(both: Sequence[tuple[ClaimRecord, ClaimRecord]], redefined: set[str]) -> str:
    if redefined:
        return f"no claim can be compared: {', '.join(sorted(redefined))} is another experiment now; accept a new baseline"
    before, after = sum(a.judged for a, _ in both), sum(b.judged for _, b in both)
    return f"no claim was judged in both: of {len(both)} common claims the baseline judged {before}, the new report {after}"


def _uncompared(before: Report, after: Report, compared: set[str], redefined: set[str]) -> list[str]:
    lines = []
    here, there = ({record.id: record for record in report.claims} for report in (before, after))
    for id in dict.fromkeys([*here, *there]):
        a, b = here.get(id), there.get(id)
        if id in compared or not any(record is not None and record.judged for record in (a, b)):
            continue
        if a is not None and b is not None and a.judged and b.judged:
            lines.append(f"{id}: on another experiment now ({', '.join(sorted(redefined & {*a.experiments, *b.experiments}))})")
        else:
            side, other = ("baseline", b) if a is not None and a.judged else ("new report", a)
            lines.append(f"{id}: judged only in the {side} ({_why(other)})")
    return lines


def _why(record: ClaimRecord | None) -> str:
    if record is None:
        return "not selected in the other"
    return record.message.partition("not run: ")[2] or record.message or "not judged"


def _warnings(before: Report, after: Report) -> list[str]:
    sides = (("baseline", before), ("new report", after))
    found = [f"the {name} is incomplete: its run was stopped" for name, report in sides if not report.complete]
    if before.precision != after.precision:
        precisions = f"the baseline is in {before.precision}, the new report in {after.precision}"
        found.append(f"{precisions}: judged by the rounding of the coarser")
    if before.seeds != after.seeds:
        found.append(f"the baseline has {before.seeds} seed(s), the new report {after.seeds}: intervals differ for that alone")
    changed = [a.id for a in before.claims for b in after.claims if a.id == b.id and a.rule.accept != b.rule.accept]
    return found + [f"{id} is judged against another region now" for id in changed]
