"""report.md: the verdicts on one page, small enough for a CI step summary."""

from __future__ import annotations

from html import escape
from pathlib import Path

from harness.report import canaries, findings
from harness.report.natural import naturally
from harness.report.plain import cell, code, text
from harness.report.text import (
    TWO_QUESTIONS,
    accepted,
    belonging,
    command,
    counts,
    facts,
    marks,
    measured,
    outcome,
    reason,
    said,
    visible,
    worst_first,
)
from harness.suite.evidence import slug
from harness.suite.records import ClaimRecord, Report

MARK = {
    "failed": "**FAILED**",
    "deviates": "deviates, as listed",
    "refuted": "does not hold",
    "open": "left open",
    "passed": "",
    "not run": "declared",
}


NAMED = 10  # failed claims at the top


def write(report: Report, folder: Path) -> None:
    """Write report.md, whose verdicts lead to the cards of the report.html beside it."""
    (folder / "report.md").write_text(render(report, findings.PAGE), encoding="utf-8", errors="backslashreplace")


def render(report: Report, page: str = "") -> str:
    """The whole page: the findings, what to know about them, and their details in folded sections.

    Args:
        page: file of the report's page, for links; "" for a step summary, which has no such page.
    """
    report = naturally(report)
    folded = [_table(report, page), _experiments(report), _ledger(report), _environment(report)]
    sections = [_top(report), _findings(report, page), _details(report), *(_folded(section) for section in folded if section)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _folded(section: str) -> str:
    """A section that its heading unfolds. The heading is HTML, where Markdown's escapes have no meaning."""
    heading, _, body = section.partition("\n\n")
    return f"<details><summary>{escape(heading.removeprefix('## '), quote=False)}</summary>\n\n{body}\n\n</details>"


def _findings(report: Report, page: str) -> str:
    """A line a paper: how many of its sentences hold; folded below, its sentences."""
    lines = findings.lines(report)
    if not lines:
        return ""
    tables = [_folded("\n".join([f"## {visible(title)}", "", *rows])) for title, _, rows in findings.by_paper(report, page)]
    return "\n\n".join(["## Findings", "\n".join(lines), *tables])


def _top(report: Report) -> str:
    warnings = []
    if not report.complete:
        unreached = f" Not reached: {text(', '.join(report.unreached))}." if report.unreached else ""
        warnings.append(f"**Incomplete**: the run was stopped before every selected claim was judged.{unreached}")
    if report.partial:
        warnings.append("**Partial**: some claims were left out of this run.")
    failed = [record.id for record in report.claims if outcome(record) == "failed"]
    if failed:
        more = f" and {len(failed) - NAMED} more" if len(failed) > NAMED else ""
        warnings.append(f"**Failed**: {text(', '.join(failed[:NAMED]))}{more}. The reasons stand under What to know.")
    if report.canaries is not None:
        warnings += [f"**Red**: {text(canaries.line(red))}." for red in report.canaries.failing]
    ran = ", ".join([*facts(report), f"{report.seconds:.0f} s"])
    ran = ran[0].upper() + ran[1:] + ("." if report.peak_memory is None else f", at most {report.peak_memory} MiB.")
    asked = belonging(report)
    return "\n\n".join(
        ["# Claims", *warnings, f"{counts(report)}. {ran}", *([f"{text(asked)}."] if asked else []), TWO_QUESTIONS]
    )


def _table(report: Report, page: str) -> str:
    rows = [
        f"| {record.verdict} | {_card(record, page)} | {measured(record)} {cell(_unit(record))} | {cell(accepted(record))} | "
        f"{_controls(record)} | {', '.join(filter(None, [MARK[outcome(record)], *marks(record)]))} |"
        for record in worst_first(report.claims)
    ]
    header = "| verdict | claim | measured (95 %) | accepted | controls | |"
    return "\n".join(["## Every claim", "", header, "|---|---|---|---|---|---|", *rows]) if rows else ""


def _card(record: ClaimRecord, page: str) -> str:
    return f"[{cell(record.id)}]({page}#{slug(record.id)})" if page else cell(record.id)


def _details(report: Report) -> str:
    """Claims that failed, that deviate and why, that were not run, and whose spread is borrowed."""
    lines = [f"- {_story(record, report)}" for record in worst_first(report.claims) if outcome(record) != "passed"]
    lent = [(record.id, record.ensemble) for record in report.claims if record.ensemble is not None and record.ensemble.spread]
    lines += [f"- {text(id)}: spread from {text(ensemble.provenance)}" for id, ensemble in lent]
    asked = [(record.id, record.membership) for record in report.claims if record.membership is not None]
    lines += [f"- {text(id)}: not tested, {text(found.message)}" for id, found in asked if found.state == "outdated"]
    unconfirmed = [text(record.id) for record in report.claims if record.ensemble is not None and record.ensemble.unconfirmed]
    lines += [f"- Unconfirmed, their ensembles were measured by other code: {', '.join(unconfirmed)}"] if unconfirmed else []
    blind = [text(record.id) for record in report.claims if record.power is not None and record.power.blind]
    lines += [f"- Only an absurdly large change of these would be seen: {', '.join(blind)}"] if blind else []
    return "\n".join(["## What to know", "", *lines]) if lines else ""


def _story(record: ClaimRecord, report: Report) -> str:
    match outcome(record):
        case "failed":
            alone = code(command(record, report))
            return f"**{text(record.id)}** ({text(record.where)}): {text(reason(record))}. Alone: {alone}"
        case "deviates":
            why = text(record.expected_reason or "")
            return f"{text(record.id)} ({text(record.where)}): {text(said(record))} is {record.verdict}: {why}"
        case _:
            return f"{text(record.id)}: {text(reason(record))}"


def _experiments(report: Report) -> str:
    header = ["name", "seed", "seconds", "fingerprint", "notes"]
    rows = [
        [entry.name, str(entry.seed), f"{sum(entry.seconds.values()):.1f}", entry.fingerprint[:12], "; ".join(entry.notes)]
        for entry in report.experiments
    ]
    return _section("Experiments", header, rows)


def _ledger(report: Report) -> str:
    rows = [[entry.id, entry.where, entry.says, entry.reason] for entry in report.ledger]
    return _section("Not judged", ["id", "where", "the paper", "why not"], rows)


def _environment(report: Report) -> str:
    found = canaries.said(report.canaries)
    rows = [list(item) for item in report.environment.items()] + ([["canaries", found]] if found else [])
    return _section("Environment", ["", ""], rows)


def _section(title: str, header: list[str], rows: list[list[str]]) -> str:
    """A titled table, nothing without rows."""
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *(list(map(cell, row)) for row in rows)]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines)])


def _controls(record: ClaimRecord) -> str:
    if not record.controls:
        return ""
    waiting = sum(control.open for control in record.controls)
    held = sum(not control.message for control in record.controls) - waiting
    return f"{held} of {len(record.controls)} held" + (f", {waiting} open" if waiting else "")


def _unit(record: ClaimRecord) -> str:
    return record.measurements[0].unit if record.measurements else ""
