"""What a report found of each paper, as Markdown: a tally, and a row for each sentence in the paper's order."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report import sentences as said
from harness.report.natural import natural
from harness.report.plain import cell, text
from harness.report.sentences import Sentence
from harness.suite.evidence import slug
from harness.suite.paper import title
from harness.suite.records import ClaimRecord, Report

COLUMNS = (
    "where",
    "what the paper says",
    "verdict, and other readings",
    "what was measured; for listed readings, the finding in words",
)
PAGE = "report.html"


def lines(report: Report) -> list[str]:
    """One line a paper: how many of its sentences hold."""
    return [f"- {text(line)}" for line in said.tallies(report.claims)]


def by_paper(report: Report, page: str = "") -> list[tuple[str, str, list[str]]]:
    """Title, tally and the lines of a table for each paper that has a judged sentence.

    Args:
        page: file of the report's page, where each verdict links to its card; "" makes no links.
    """
    found, records = [], [natural(record) for record in report.claims]
    for paper in said.papers(records):
        theirs, ours = (said.sentences(records, paper, derived=derived) for derived in (False, True))
        shown = [sentence for sentence in [*theirs, *ours] if sentence.state != "not run"]
        if shown:
            own = f" Of our own: {said.tally(ours, 'statements')}." if ours else ""
            found.append((title(paper), f"{said.tally(theirs)}.{own}", table(shown, page)))
    return found


def table(found: Sequence[Sentence], page: str = "") -> list[str]:
    """The sentences as lines of a Markdown table."""
    rows = [_row(sentence, page) for sentence in found]
    return [_line(COLUMNS), _line(["---"] * len(COLUMNS)), *map(_line, rows)]


def _row(sentence: Sentence, page: str) -> list[str]:
    plain, deviant = sentence.plain, sentence.deviant
    words = f"“{cell(plain.quotes)}”" if plain.quotes else cell(plain.says)
    mark = " (our statement)" if plain.derived else "" if plain.quotes else " (our words)"
    variants = [f"{cell(said.variant(record) or 'plain')}: {_verdict(record, page)}" for record in sentence.variants]
    verdicts = "<br>".join([f"**{_verdict(plain, page)}**", *variants])
    reading = said.variant(deviant) if deviant is not None and deviant is not plain else ""
    instead = (
        ""
        if deviant is None
        else f" **Instead{f' ({cell(reading)})' if reading else ''}:** {cell(deviant.expected_reason or '')}."
    )
    return [cell(plain.where), words + mark, verdicts, f"{cell(said.finding(plain))}.{instead}"]


def _verdict(record: ClaimRecord, page: str) -> str:
    return f"[{record.verdict}]({page}#{slug(record.id)})" if page else record.verdict


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
