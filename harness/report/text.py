"""How a claim's numbers are written for people, the same in terminal, Markdown and JUnit."""

from __future__ import annotations

from collections.abc import Sequence

from harness.suite.claim import Claim
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


def marks(stated: Claim | ClaimRecord) -> list[str]:
    """``derived`` for a statement that is not the paper's, ``calibrated`` for a region that was set to the paper's number."""
    return [mark for mark in ("derived", "calibrated") if getattr(stated, mark)]


def said(stated: Claim | ClaimRecord) -> str:
    """Our words and the claim's marks, then the paper's words in quotation marks."""
    return " ".join([stated.says, *(f"[{mark}]" for mark in marks(stated)), *([f'"{stated.quotes}"'] if stated.quotes else [])])


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
    verdicts = sorted({record.verdict for record in report.claims}, reverse=True)
    parts = [_count([record for record in report.claims if record.verdict == verdict]) for verdict in verdicts]
    failed = sum(outcome(record) == "failed" for record in report.claims)
    listed = sum(outcome(record) == "deviates" for record in report.claims)
    judged = sum(record.judged for record in report.claims)
    selected = len(report.claims) + len(report.unreached)
    total = f"{judged} of {selected} claims judged: {', '.join(parts) or 'none'}"
    return f"{total}; {listed} deviate as listed, {failed} failed"


def _count(records: Sequence[ClaimRecord]) -> str:
    """How many came out alike; those whose region was set to the paper's number apart."""
    calibrated = sum(record.calibrated and record.judged for record in records)
    return f"{len(records)} {records[0].verdict}" + (f" ({calibrated} calibrated)" if calibrated else "")
