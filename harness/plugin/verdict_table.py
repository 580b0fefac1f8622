"""The verdicts as lines of a terminal: they fit its width, and neither an id nor a number is cut."""

from __future__ import annotations

import itertools
import re
import shutil
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

from harness.report.natural import natural
from harness.report.sentences import papers
from harness.report.text import SIGNS, accepted, command, measured, outcome, passed, reason, visible, worst_first
from harness.suite.records import ClaimRecord, Report

MARK = {"failed": "FAILED", "deviates": "listed", "refuted": "", "open": "open", "passed": "", "not run": ""}
ELSEWHERE = 120  # columns where the output is no terminal: a log, a pipe
NARROW = 24  # columns that the ids have at least; with fewer, numbers go on a line of their own
INDENT = 9  # columns before what stands below a statement
COLOURS = {"SUPPORTED": "green", "REFUTED": "yellow", "INCONCLUSIVE": "cyan"}
HEAD = re.compile(rf"(FAILED|listed|open)? +[{''.join(SIGNS.values())}] ({'|'.join(SIGNS)})(?= )")
PAGE = "report.html"


def width() -> int:
    """Columns of the terminal, at least 40; ``COLUMNS`` where it is set."""
    return max(40, shutil.get_terminal_size((ELSEWHERE, 24)).columns)


def lines(report: Report, columns: int) -> list[str]:
    """By paper, the main one first, worst last: mark, verdict, statement, interval, accepted region.

    Claims that were not run stand under their reasons. A statement that is too long for its column has a line of its own.
    """
    order = papers(report.claims)
    records = sorted(
        worst_first([natural(record) for record in report.claims], last=True), key=lambda record: order.index(record.paper)
    )
    layout = _layout(records, columns)
    found: list[str] = []
    for paper, members in itertools.groupby(records, key=lambda record: record.paper):
        found.append(f"{visible(paper)}/")
        rows: list[str] = []
        apart: dict[str, list[ClaimRecord]] = {}
        for record in members:
            if record.declared:
                apart.setdefault(reason(record), []).append(record)
            else:
                rows += _row(record, layout)
        found += [line for why, group in apart.items() for line in _not_run(group, why, layout)] + rows
    return found


@dataclass(frozen=True)
class _Layout:
    """Columns in all, of mark and verdict, of statements and of intervals; ``narrow``: numbers stand on lines of their own."""

    columns: int
    head: int
    name: int
    value: int
    narrow: bool

    def start(self, mark: str, verdict: str) -> str:
        return f"{mark:<6} {SIGNS[verdict]} {verdict}".ljust(self.head)


def _layout(records: Sequence[ClaimRecord], columns: int) -> _Layout:
    judged = [record for record in records if record.judged]
    head = 11 + max((len(record.verdict) for record in records), default=0)
    value = max((len(measured(record)) for record in judged), default=0)
    region = max((len(accepted(record)) for record in judged), default=0)
    longest = max((len(_name(record)) for record in judged), default=0)
    room = columns - head - value - region - 6
    return _Layout(columns, head, max(0, min(longest, room)), value, narrow=room < min(longest, NARROW))


def _name(record: ClaimRecord) -> str:
    return visible(record.id.removeprefix(f"{record.paper}/"))


def _row(record: ClaimRecord, layout: _Layout) -> list[str]:
    """One line where all fits; else the statement, and below it the numbers."""
    name, start = _name(record), layout.start(MARK[outcome(record)], record.verdict)
    tail = f"{measured(record):<{layout.value}}  in {accepted(record)}" if record.judged else visible(reason(record))
    line = f"{start}{name:<{layout.name}}  {tail}"
    if not layout.narrow and len(name) <= layout.name and len(line) <= layout.columns:
        return [line]
    narrow = layout.narrow or not record.judged
    below = f"{measured(record)}  in {accepted(record)}" if record.judged and narrow else tail
    indent = INDENT if narrow else layout.head + layout.name + 2
    return [f"{start}{shortened(name, layout.columns - layout.head)}", *_indented(below, indent, layout.columns)]


def _not_run(records: Sequence[ClaimRecord], why: str, layout: _Layout) -> list[str]:
    """Claims that were not run for one reason: a single claim stands before the reason, several stand below it."""
    start, names = layout.start("", "NOT_RUN"), [_name(record) for record in records]
    one = f"{start}{names[0]}  {visible(why)}"
    if len(names) == 1:
        split = [f"{start}{shortened(names[0], layout.columns - layout.head)}", *_indented(visible(why), INDENT, layout.columns)]
        return [one] if len(one) <= layout.columns else split
    head = textwrap.wrap(
        f"{start}{len(names)}: {visible(why)}", layout.columns, subsequent_indent=" " * layout.head, break_on_hyphens=False
    )
    below = "  ".join(shortened(name, layout.columns - INDENT) for name in names)
    return [*head, *_indented(below, INDENT, layout.columns)]


def painted(line: str) -> list[tuple[str, dict[str, bool]]]:
    """Parts of a line, each with its style on a terminal: verdicts in a colour, FAILED in red. Signs need no colour."""
    head = HEAD.match(line)
    if head is None:
        return [(line, {})]
    look = {"red": True, "bold": True} if head[1] == "FAILED" else {COLOURS[head[2]]: True} if head[2] in COLOURS else {}
    return [(head[0], look), (line[head.end() :], {})]


def shortened(name: str, columns: int) -> str:
    """The name in so many columns, cut in its middle: both ends say which it is."""
    if len(name) <= columns:
        return name
    left = (columns - 3) // 2
    return f"{name[:left]}...{name[len(name) - (columns - 3 - left) :]}"


def wrapped(line: str, columns: int) -> list[str]:
    """The line, going on indented where it is wider than the terminal."""
    return textwrap.wrap(visible(line), columns, subsequent_indent="  ", break_on_hyphens=False) or [""]


def _indented(text: str, indent: int, columns: int) -> list[str]:
    """Lines that begin at the indent. Blanks within stay as they are where nothing has to be wrapped."""
    space = " " * indent
    if indent + len(text) <= columns:
        return [space + text]
    return textwrap.wrap(text, columns, initial_indent=space, subsequent_indent=space, break_on_hyphens=False)


def next_steps(report: Report, folder: str) -> list[str]:
    """What "passed" means here, then what to read: the page, and the worst claim."""
    worst = [record for record in worst_first(report.claims) if outcome(record) in ("failed", "deviates", "refuted", "open")]
    found = [*filter(None, [passed(report)]), visible(f"read: {folder}/{PAGE}, the findings first")]
    for record in worst[:1]:
        found += [visible(f"why: python -m harness show '{record.id}'"), visible(f"again: {command(record, report)}")]
    return found
