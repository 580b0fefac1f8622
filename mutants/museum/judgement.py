"""What the suite said of an entry: whether it raised an alarm, and what it named first."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass

from harness.compare.comparison import Comparison, compare
from harness.compare.text import say
from harness.errors import HarnessError
from harness.suite.records import Report
from mutants.museum.entries import Entry, Regression
from mutants.museum.run import Left

PASSED = 0


class Status(enum.StrEnum):
    """What became of an entry; a regression must be caught, a harmless change must stay quiet."""

    CAUGHT = "caught"
    MISSED = "missed"
    QUIET = "quiet"
    ALARM = "alarm"
    NOT_RUN = "NOT_RUN"


@dataclass(frozen=True)
class Outcome:
    """What became of one entry.

    Attributes:
        named: what the suite named first, in its words; for NOT_RUN the reason.
        rightly: whether the named thing is one that had to be named.
        unreported: how the process ended, if it left no report; else "".
        seconds: how long the suite ran.
    """

    name: str
    status: Status
    named: str = ""
    rightly: bool = False
    unreported: str = ""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        """Whether the outcome is as demanded; an entry that was not run demands nothing."""
        if self.status is Status.CAUGHT:
            return self.rightly and not self.unreported
        return self.status in (Status.QUIET, Status.NOT_RUN)


@dataclass(frozen=True)
class Alarm:
    """The first thing that the suite says is wrong.

    Attributes:
        kind: ``canary``, ``died``, ``broke`` or ``moved``.
        subject: the canary's or the stage's name, or the message of what broke.
        says: a line for the table.
    """

    kind: str
    subject: str
    says: str


def judge(entry: Entry, left: Left, reference: Report) -> Outcome:
    """Compare what a run left behind with the reference of the unchanged libraries."""
    wanted = entry.wanted if isinstance(entry, Regression) else ()
    alarm, unreported = first_alarm(left, reference, wanted), _unreported(left)
    if not isinstance(entry, Regression):
        status = Status.ALARM if alarm or unreported else Status.QUIET
        return Outcome(entry.name, status, alarm.says if alarm else "", not alarm, unreported, left.seconds)
    if alarm is None:
        return Outcome(entry.name, Status.MISSED, "", False, unreported, left.seconds)
    return Outcome(entry.name, Status.CAUGHT, alarm.says, names(alarm, entry), unreported, left.seconds)


def names(alarm: Alarm, entry: Regression) -> bool:
    """Whether the alarm names what the entry wants named first: a canary, a stage, or a part of the message of what broke."""
    if alarm.kind == "canary" or entry.canaries:
        return alarm.kind == "canary" and alarm.subject in entry.canaries
    if alarm.kind == "moved":
        return any(f"{alarm.subject}:".startswith((f"{stage}:", f"{stage} ")) for stage in entry.stages)
    return any(stage in alarm.subject for stage in entry.stages)


def first_alarm(left: Left, reference: Report, wanted: Sequence[str] = ()) -> Alarm | None:
    """The first alarm in the run's output and in its comparison with the reference; None if nothing is wrong.

    Args:
        wanted: canaries that count even if they are listed as known, and so fail nothing.
    """
    if left.died:
        running = [str(one) for one in left.died.get("running", [])] or ["nothing"]
        return Alarm("died", running[-1], f"died in {running[-1]}")
    report = left.report
    if report is None:
        return None if left.ended.code == PASSED else Alarm("broke", left.ended.line, f"no report: {left.ended.line}")
    for red in report.canaries.red if report.canaries else []:
        if not red.known or red.name in wanted:
            listed = f", listed as {red.known.partition(': ')[0]}" if red.known else ""
            version = red.version.partition(" on ")[0]  # without its BLAS
            return Alarm("canary", red.name, f"canary {red.name} of {red.library} {version}{listed}")
    try:
        found = compare(reference, report)
    except HarnessError as error:
        return _broken(report) or Alarm("broke", str(error), f"not comparable: {error}")
    return _stage(found) or _broken(report) or _claim(found) or _failed(left, report)


def _stage(found: Comparison) -> Alarm | None:
    """The stage that the comparison names first: the first that moved, else the first whose own rounding error grew."""
    for run in found.moved_runs:
        assert run.moved is not None
        return Alarm("moved", run.moved.stage, f"{run.label}: {say(run.moved)}")
    for run in found.wider_runs:
        return Alarm("moved", run.wider, f"{run.label}: {run.wider}")
    return None


def _broken(report: Report) -> Alarm | None:
    """The message of the first experiment or claim that broke."""
    broken = [f"{run.name}[{run.seed}]: {run.failure}" for run in report.experiments if run.failure]
    broken += [record.message for record in report.claims if record.verdict == "NOT_RUN" and not record.declared]
    return Alarm("broke", broken[0], f"broke: {broken[0]}") if broken else None


def _claim(found: Comparison) -> Alarm | None:
    """A claim that moved although no stage did."""
    for claim in [*found.turned, *found.moved]:
        return Alarm("moved", "measurement", f"measurement of {claim.before.id}")
    for claim in found.changed_beside:
        return Alarm("moved", claim.beside[0], f"{claim.before.id}: {claim.beside[0]}")
    return None


def _failed(left: Left, report: Report) -> Alarm | None:
    """A run that failed for another reason: a verdict, values that are not of the ensemble, a control."""
    failing = [record.message for record in report.claims if not record.passed and not record.declared]
    if failing:
        return Alarm("broke", failing[0], f"failed: {failing[0]}")
    return None if left.ended.code == PASSED else Alarm("broke", left.ended.line, f"failed: {left.ended.line}")


def _unreported(left: Left) -> str:
    """How the process ended, if neither a report nor a witness says so."""
    if left.report is not None or left.died:
        return ""
    if left.ended.code is None:
        return left.ended.line
    return f"exit code {left.ended.code} and no report: {left.ended.line}"
