"""How a claim's numbers are written for people, the same in terminal, Markdown and JUnit."""

from __future__ import annotations

from collections.abc import Sequence

from harness.suite.records import ClaimRecord, Report

WORST_FIRST = ("failed", "deviates", "refuted", "open", "passed", "not run")


def measured(record: ClaimRecord) -> str:
    """The interval of the judged quantity, or its point."""
    if not record.measurements or record.measurements[0].interval is None:
        return "-"
    low, high = record.measurements[0].interval
    return f"{low:.4g}" if low == high else f"[{low:.4g}, {high:.4g}]"


def accepted(record: ClaimRecord) -> str:
    """The accepted region."""
    low, high = record.rule.accept
    if low is None or high is None:
        return "anything" if low == high else (f"<= {high:.4g}" if low is None else f">= {low:.4g}")
    return f"[{low:.4g}, {high:.4g}]"


def outcome(record: ClaimRecord) -> str:
    """``failed``, ``not run`` (declared), ``deviates`` (as listed), ``refuted`` (where nothing was expected), ``open`` (too few
    seeds to decide) or ``passed``."""
    if record.declared:
        return "not run"
    if not record.passed:
        return "failed"
    if record.deviates:
        return "deviates"
    return {"INCONCLUSIVE": "open", "REFUTED": "refuted"}.get(record.verdict, "passed")


def reason(record: ClaimRecord) -> str:
    """The message without the id and verdict that are already shown beside it."""
    for start in (f"{record.id}: not run: ", f"{record.id} "):
        if record.message.startswith(start):
            return record.message.removeprefix(start).rpartition("NOT_RUN by failure: ")[2]
    return record.message


def worst_first(records: Sequence[ClaimRecord], *, last: bool = False) -> list[ClaimRecord]:
    """Failures, then known deviations, then the rest, each in its own order; with ``last`` the other way round."""
    return sorted(records, key=lambda record: WORST_FIRST.index(outcome(record)) * (-1 if last else 1))


def counts(report: Report) -> str:
    """How many claims came out how, in one line."""
    verdicts = [record.verdict for record in report.claims]
    parts = [f"{verdicts.count(verdict)} {verdict}" for verdict in dict.fromkeys(sorted(verdicts, reverse=True))]
    failed = sum(outcome(record) == "failed" for record in report.claims)
    listed = sum(outcome(record) == "deviates" for record in report.claims)
    judged = sum(record.judged for record in report.claims)
    selected = len(report.claims) + len(report.unreached)
    total = f"{judged} of {selected} claims judged: {', '.join(parts) or 'none'}"
    return f"{total}; {listed} deviate as listed, {failed} failed"
