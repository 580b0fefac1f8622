"""report.md: the verdicts on one page, small enough for a CI step summary."""

from __future__ import annotations

from pathlib import Path

from harness.report.text import (
    TWO_QUESTIONS,
    accepted,
    belonging,
    counts,
    marks,
    measured,
    options,
    outcome,
    reason,
    said,
    seeds,
    worst_first,
)
from harness.suite.records import ClaimRecord, Report

MARK = {
    "failed": "**FAILED**",
    "deviates": "deviates, as listed",
    "refuted": "does not hold",
    "open": "left open",
    "passed": "",
    "not run": "declared",
}


def write(report: Report, folder: Path) -> None:
    (folder / "report.md").write_text(render(report), encoding="utf-8", errors="backslashreplace")


def render(report: Report) -> str:
    """The whole page."""
    sections = [_top(report), _table(report), _details(report), _experiments(report), _ledger(report), _environment(report)]
    return "\n\n".join(section for section in sections if section) + "\n"


def _top(report: Report) -> str:
    warnings = []
    if not report.complete:
        unreached = f" Not reached: {', '.join(report.unreached)}." if report.unreached else ""
        warnings.append(f"**Incomplete**: the run was stopped before every selected claim was judged.{unreached}")
    if report.partial:
        warnings.append("**Partial**: some claims were left out of this run.")
    ran = seeds(report.seeds, report.first_seed, report.until_decided)
    facts = f"Scale {report.scale}, {ran}, {report.precision}, {report.created}, {report.seconds:.0f} s"
    facts += "." if report.peak_memory is None else f", at most {report.peak_memory} MiB."
    asked = belonging(report)
    return "\n\n".join(["# Claims", *warnings, f"{counts(report)}. {facts}", *([f"{asked}."] if asked else []), TWO_QUESTIONS])


def _table(report: Report) -> str:
    rows = [
        f"| {record.verdict} | {_cell(record.id)} | {measured(record)} {_cell(_unit(record))} | {accepted(record)} | "
        f"{_controls(record)} | {', '.join(filter(None, [MARK[outcome(record)], *marks(record)]))} |"
        for record in worst_first(report.claims)
    ]
    return "\n".join(["| verdict | claim | measured (95 %) | accepted | controls | |", "|---|---|---|---|---|---|", *rows])


def _details(report: Report) -> str:
    """What failed, what deviates and why, what was not run, whose spread is borrowed."""
    lines = [f"- {_story(record, report)}" for record in worst_first(report.claims) if outcome(record) != "passed"]
    lent = [(record.id, record.ensemble) for record in report.claims if record.ensemble is not None and record.ensemble.spread]
    lines += [f"- {id}: spread from {_text(ensemble.provenance)}" for id, ensemble in lent]
    unconfirmed = [(record.id, record.membership) for record in report.claims if record.membership is not None]
    lines += [f"- {id}: unconfirmed, {_text(found.message)}" for id, found in unconfirmed if found.state == "unconfirmed"]
    return "\n".join(["## What to know", "", *lines]) if lines else ""


def _story(record: ClaimRecord, report: Report) -> str:
    match outcome(record):
        case "failed":
            return f"**{record.id}** ({record.where}): {_text(reason(record))}. Alone: `{_alone(record, report)}`"
        case "deviates":
            why = _text(record.expected_reason or "")
            return f"{record.id} ({record.where}): {_text(said(record))} is {record.verdict}: {why}"
        case _:
            return f"{record.id}: {_text(reason(record))}"


def _alone(record: ClaimRecord, report: Report) -> str:
    return " ".join(["pytest", f"'{record.node}'", *options(report)])


def _experiments(report: Report) -> str:
    header = ["name", "seed", "seconds", "fingerprint", "failure"]
    rows = [
        [entry.name, str(entry.seed), f"{sum(entry.seconds.values()):.1f}", f"`{entry.fingerprint[:12]}`", entry.failure or ""]
        for entry in report.experiments
    ]
    return _section("Experiments", header, rows)


def _ledger(report: Report) -> str:
    rows = [[entry.id, entry.where, entry.says, entry.reason] for entry in report.ledger]
    return _section("Not judged", ["id", "where", "the paper", "why not"], rows)


def _environment(report: Report) -> str:
    return _section("Environment", ["", ""], [list(item) for item in report.environment.items()])


def _section(title: str, header: list[str], rows: list[list[str]]) -> str:
    """A titled table, nothing without rows."""
    if not rows:
        return ""
    lines = [header, ["---"] * len(header), *([_cell(cell) for cell in row] for row in rows)]
    return "\n".join([f"## {title}", "", *(f"| {' | '.join(line)} |" for line in lines)])


def _controls(record: ClaimRecord) -> str:
    held = sum(not control.message for control in record.controls)
    return f"{held} of {len(record.controls)} held" if record.controls else ""


def _unit(record: ClaimRecord) -> str:
    return record.measurements[0].unit if record.measurements else ""


def _text(text: str) -> str:
    return " ".join(text.split()).rstrip(".")


def _cell(text: str) -> str:
    return _text(text).replace("|", "\\|")
