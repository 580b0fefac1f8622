"""report.html: the whole report on one page. Nothing is fetched, and the page works without its script."""

from __future__ import annotations

import itertools
import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.report import canaries, forest, links, pages
from harness.report import sentences as said
from harness.report.natural import naturally
from harness.report.strip import letter, strip
from harness.report.text import (
    SIGNS,
    TWO_QUESTIONS,
    WORST_FIRST,
    accepted,
    belonging,
    command,
    counts,
    detects,
    marks,
    measured,
    others_of,
    outcome,
    reason,
    to_decide,
)
from harness.suite.evidence import slug
from harness.suite.paper import title
from harness.suite.records import ClaimRecord, ControlRecord, Report

if TYPE_CHECKING:
    from harness.report.figures import Drawing

NAME = "report.html"
TEMPLATE = Path(__file__).with_name("template.html")
VERDICTS = ("NOT_RUN", "REFUTED", "INCONCLUSIVE", "SUPPORTED")
GROUPS = {
    "failed": (
        "Failed",
        "the verdict or the values contradict the reference ensemble, a control comes out on the wrong side, or the claim broke",
    ),
    "deviates": (
        "Listed",
        "found refuted, or open at the edge of the region, and on record; each card says what was measured instead",
    ),
    "refuted": ("Do not hold elsewhere", "on other networks: the verdict is the finding, and no deviation is listed"),
    "open": ("Left open", "too few seeds to decide, or an opposite verdict that may be the chance of the seeds"),
    "passed": ("Hold", "supported, as published"),
}
STATES = {
    "every": "hold in every reading",
    "some": "hold in some readings",
    "none": "hold in no reading",
    "open": "left open",
    "broken": "could not be judged",
    "not run": "not run",
}


def write(report: Report, folder: Path) -> None:
    """Write report.html; figures are drawn from the evidence in ``folder``."""
    (folder / NAME).write_text(render(report, folder), encoding="utf-8", errors="backslashreplace")


def render(report: Report, folder: Path) -> str:
    """The whole page. The same report and evidence give the same bytes."""
    drawings, problem = _drawings(report, folder)
    report = naturally(report)
    figures = links.figures_of(report.claims, drawings)
    functions = (measured, accepted, marks, outcome, reason, complaint, letter, strip, held, rank, title)
    page = pages.render(
        TEMPLATE,
        {"anchor": slug} | {f.__name__: f for f in (number, duration, breakable, typeset)},
        report=report,
        summary=counts(report),
        belonging=belonging(report),
        two_questions=TWO_QUESTIONS,
        tally=tally(report),
        papers=[
            paper for paper in (_paper(report.claims, id) for id in said.papers(report.claims)) if paper["count"] or paper["own"]
        ],
        networks=said.networks(report.claims),
        groups=groups(report.claims),
        skipped=skipped(report.claims),
        figures=by_paper(drawings),
        figures_problem=problem,
        figures_of=figures,
        claims_of=links.claims_of(figures),
        forests=forests(report.claims),
        command=lambda record: command(record, report),
        signs=SIGNS,
        canaries=canaries.said(report.canaries),
        red=[canaries.line(red) for red in report.canaries.failing] if report.canaries is not None else [],
        states=STATES,
        said=said,
        forest=forest,
        detects=detects,
        others_of=others_of,
        to_decide=to_decide,
        **{f.__name__: f for f in functions},
    )
    return page.replace(" %", "\N{NO-BREAK SPACE}%")


def _paper(records: Sequence[ClaimRecord], id: str) -> dict[str, Any]:
    """A paper's sentences that were judged or broke, our own statements, and the tally of both."""
    theirs, ours = (said.sentences(records, id, derived=derived) for derived in (False, True))
    parts = [("The paper's sentences", theirs), ("Statements of our own", ours)]
    return {
        "id": id,
        "title": title(id),
        "count": said.count(theirs),
        "tally": said.tally(theirs),
        "own": said.tally(ours, "statements") if ours else "",
        "parts": [(heading, [one for one in found if one.state != "not run"]) for heading, found in parts],
    }


def forests(records: Sequence[ClaimRecord]) -> list[tuple[str, list[ClaimRecord]]]:
    """The judged claims by paper and then by network, each in the order of the sentences."""
    found = []
    for id in said.papers(records):
        order = [*said.sentences(records, id), *said.sentences(records, id, derived=True)]
        found.append((title(id), [record for sentence in order for record in sentence.readings]))
    found += [(f"On {name}", members) for name, members in said.networks(records)]
    judged = [(heading, [record for record in members if forest.distance(record) is not None]) for heading, members in found]
    return [(heading, members) for heading, members in judged if members]


def _drawings(report: Report, folder: Path) -> tuple[list[Drawing], str]:
    """The figures, and the error if none could be drawn; the page has every verdict without figures too."""
    if not any(record.evidence for record in report.claims):
        return [], ""
    try:
        from harness.report.figures import draw_all

        return draw_all(report, folder), ""
    except Exception as error:
        return [], f"{type(error).__name__}: {error}"


def groups(records: Sequence[ClaimRecord]) -> list[tuple[str, str, str, list[ClaimRecord]]]:
    """Outcome, heading, meaning and claims, the worst outcome first; in an outcome broken claims, then bad to good verdicts."""
    ranked = sorted(records, key=lambda record: (WORST_FIRST.index(outcome(record)), VERDICTS.index(record.verdict)))
    grouped = {name: list(members) for name, members in itertools.groupby(ranked, key=outcome)}
    return [(name, *GROUPS[name], grouped[name]) for name in GROUPS if name in grouped]


def rank(record: ClaimRecord) -> int:
    """Sorts the worst first: failed claims, then by verdict."""
    return VERDICTS.index(record.verdict) + len(VERDICTS) * (outcome(record) != "failed")


def skipped(records: Sequence[ClaimRecord]) -> list[tuple[str, list[ClaimRecord]]]:
    """Claims that are NOT_RUN as declared, under their reasons, the most frequent reason first."""
    by_reason: dict[str, list[ClaimRecord]] = defaultdict(list)
    for record in records:
        if outcome(record) == "not run":
            by_reason[reason(record)].append(record)
    return sorted(by_reason.items(), key=lambda item: -len(item[1]))


def tally(report: Report) -> list[tuple[str, int, str]]:
    """Class, number and words of each outcome that occurs; claims that broke are counted apart from verdicts that failed."""
    broken = sum(outcome(record) == "failed" and not record.judged for record in report.claims)
    of = {name: sum(outcome(record) == name for record in report.claims) for name in WORST_FIRST}
    entries = [
        ("broken", broken, "NOT RUN by failure"),
        ("failed", of["failed"] - broken, "failed"),
        ("deviates", of["deviates"], "listed: refuted or at the edge"),
        ("refuted", of["refuted"], "do not hold on other networks"),
        ("open", of["open"], "left open"),
        ("passed", of["passed"], "hold"),
        ("skipped", of["not run"], "not run"),
    ]
    return [entry for entry in entries if entry[1]]


def by_paper(drawings: Sequence[Drawing]) -> list[tuple[str, list[Drawing]]]:
    """Figures under their paper, in the order of their numbers."""
    ranked = sorted(drawings, key=lambda drawing: _rank(drawing.figure.number))
    return [
        (paper, [drawing for drawing in ranked if drawing.figure.paper == paper])
        for paper in said.order(d.figure.paper for d in drawings)
    ]


def complaint(record: ClaimRecord) -> str:
    """Why the claim failed, without the measurement that stands beside it."""
    complaints = "; ".join(record.complaints) or reason(record).partition("; ")[2]
    return f"{record.verdict}; {complaints}" if record.judged and complaints else reason(record)


def held(control: ControlRecord) -> bool:
    return not control.message


def number(value: float | None) -> str:
    """Four significant digits, or a dash."""
    return "–" if value is None else f"{value:.4g}"


def duration(seconds: float) -> str:
    """``3.2 s``, ``4 min 5 s`` or ``2 h 3 min``."""
    if seconds < 60:
        return "< 0.1 s" if seconds < 0.1 else f"{seconds:.{1 if seconds < 9.95 else 0}f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def typeset(region: str) -> str:
    return region.replace("<=", "≤").replace(">=", "≥")


def breakable(id: str) -> Any:
    """An id that may break after its slash and before its reading."""
    from markupsafe import Markup, escape

    return Markup(str(escape(id)).replace("/", "/<wbr>").replace("[", "<wbr>[").replace(",", ",<wbr>"))


def _rank(figure_number: str) -> tuple[bool, int, str]:
    digits = re.search(r"\d+", figure_number)
    return not figure_number[:1].isdigit(), int(digits.group()) if digits else 0, figure_number
