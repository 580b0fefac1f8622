"""Which figure goes with which claim, so that every card can lead to its figure and every figure to its cards."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from harness.report.sentences import network
from harness.suite.records import ClaimRecord

if TYPE_CHECKING:
    from harness.report.figures import Drawing

NAMED = re.compile(r"\b(figure|table)s? ([\w ,]*)", re.IGNORECASE)
NUMBER = re.compile(r"\b\d+[a-z]?\b")
RANGE = re.compile(r"\b(\d+)([a-z]) to (?:\1)([a-z])\b")
Links = Mapping[str, list["Drawing"]]


def figures_of(records: Sequence[ClaimRecord], drawings: Sequence[Drawing]) -> Links:
    """The figures of each claim by its id, those that could be drawn.

    A claim's figures are those that are or could be drawn from its evidence, those that its ``where`` names, and those that are
    about its statement. A claim without figures has those of the other readings of its statement. A claim on another network has
    only figures that show this network.
    """
    shown = [drawing for drawing in drawings if drawing.svg]
    found = {record.id: [drawing for drawing in shown if _belongs(record, drawing)] for record in records}
    shared: dict[tuple[str, str], dict[str, Drawing]] = {}
    for record in records:
        known = {drawing.figure.name: drawing for drawing in found[record.id]}
        shared.setdefault((_statement(record), network(record)), {}).update(known)
    return {record.id: found[record.id] or list(shared[_statement(record), network(record)].values()) for record in records}


def claims_of(links: Links) -> dict[str, list[str]]:
    """The ids of the claims that lead to each figure, by its name."""
    found: dict[str, list[str]] = {}
    for id, drawings in links.items():
        for drawing in drawings:
            found.setdefault(drawing.figure.name, []).append(id)
    return found


def named(where: str) -> set[str]:
    """The figures in words such as ``Section 3.1, Figures 1a and 5b``: ``{"1a", "5b"}``; ``11b to 11d`` is three; ``Table 1``."""
    numbers: set[str] = set()
    for kind, words in NAMED.findall(where):
        text = re.split(r"\b(?:section|appendix|equation|footnote|caption)", words, flags=re.IGNORECASE)[0]
        found = set(NUMBER.findall(text))
        for number, first, last in RANGE.findall(text):
            found |= {f"{number}{chr(letter)}" for letter in range(ord(first), ord(last) + 1)}
        numbers |= {f"Table {number}" for number in found} if kind.lower() == "table" else found
    return numbers


def _belongs(record: ClaimRecord, drawing: Drawing) -> bool:
    if record.id in drawing.claims or any(record.id in source.claims for source in drawing.figure.sources.values()):
        return True
    if record.paper != drawing.figure.paper or not _shows(drawing, network(record)):
        return False
    if _statement(record) in drawing.figure.about:
        return True
    return any(_same(number, drawing.figure.number) for number in named(record.where))


def _shows(drawing: Drawing, name: str) -> bool:
    """Whether the figure shows this network; "" is the paper's own."""
    return name in drawing.figure.networks if name else not drawing.figure.networks


def _same(number: str, figure: str) -> bool:
    """Whether both numbers name one figure, where ``3`` stands for the whole of 3a, and 11 of 11b. A table is no figure."""
    if number.startswith("Table") or figure.startswith("Table"):
        return number == figure
    parts = NUMBER.findall(figure)
    return any(number == part or number == part.rstrip("abcdefghij") or part == number.rstrip("abcdefghij") for part in parts)


def _statement(record: ClaimRecord) -> str:
    return record.id.partition("[")[0]
