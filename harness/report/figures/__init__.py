"""The papers' figures from a report's own evidence. A figure that cannot be drawn says why, and does not stop the others."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from harness.errors import HarnessError
from harness.report.figures import svg
from harness.report.figures.elsewhere import elsewhere
from harness.report.figures.registry import FIGURES, Data, Figure, Source
from harness.report.natural import natural
from harness.report.sentences import network
from harness.suite.evidence import by_run, unpack
from harness.suite.paper import PAPERS
from harness.suite.records import Report

__all__ = ["FIGURES", "Drawing", "draw_all", "export", "figures_of"]


@dataclass(frozen=True)
class Drawing:
    """A figure as the page shows it: its SVG, or the problem with it, or the claims whose evidence is missing.

    ``claims`` are the ids that it was drawn from, ``without`` those whose curves are not in it for want of evidence.
    """

    figure: Figure
    svg: str = ""
    alt: str = ""
    problem: str = ""
    missing: str = ""
    claims: tuple[str, ...] = ()
    without: tuple[str, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether several panels stand side by side."""
        return self.svg.count("<svg ") > 1


def draw_all(report: Report, folder: Path, figures: Sequence[Figure] | None = None) -> list[Drawing]:
    """Every figure of the papers that the report has claims of."""
    evidence = Evidence(report, folder)
    return [_drawing(figure, evidence) for figure in (figures_of(report) if figures is None else figures)]


def figures_of(report: Report) -> list[Figure]:
    """The figures of the papers that the report has claims of: each paper has them in its package ``figures``.

    Figures for which other networks have the evidence follow again, drawn for those networks. A report on other networks alone
    has only these, and the figures that are drawn from its own claims.
    """
    papers = dict.fromkeys(record.paper for record in report.claims)
    for known in (PAPERS[id] for id in papers if id in PAPERS):
        if importlib.util.find_spec(f"{known.package}.figures") is not None:
            importlib.import_module(f"{known.package}.figures")
    figures = [figure for figure in FIGURES if figure.paper in papers]
    own, ids = {record.paper for record in report.claims if not network(record)}, {record.id for record in report.claims}
    shown = [figure for figure in figures if figure.paper in own or ids & _claims(figure)]
    return [*shown, *elsewhere(figures, report.claims, shown)]


def _claims(figure: Figure) -> set[str]:
    return {id for source in figure.sources.values() for id in source.claims}


def export(report: Report, folder: Path, into: Path, figures: Sequence[Figure] | None = None) -> list[Path]:
    """Write every figure that the evidence in ``folder`` gives as SVG files, one a panel, e.g. ``training-jacobian-1a.svg``."""
    evidence, written = Evidence(report, folder), []
    into.mkdir(parents=True, exist_ok=True)
    for figure in figures_of(report) if figures is None else figures:
        found = {name: evidence.find(source) for name, source in figure.sources.items()}
        if _absent(figure, found) is None:
            panels = svg.documents(figure, found)
            name = figure.name.removeprefix("figure-")
            paths = [into / f"{name}{f'-{number}' if figure.wide else ''}.svg" for number in range(1, len(panels) + 1)]
            for path, document in zip(paths, panels, strict=True):
                path.write_text(document, encoding="utf-8")
            written += paths
    return written


class Evidence:
    """The report's evidence by claim, each file read and checked once; records are in the quantity's own unit."""

    def __init__(self, report: Report, folder: Path) -> None:
        self.records = {record.id: natural(record) for record in report.claims}
        self.folder = folder
        self._of = cache(self._read)

    def find(self, source: Source) -> Data | None:
        """The data of a source; None if none of its claims has the evidence.

        Raises:
            InvalidInput: a file of evidence is missing or damaged.
        """
        for record in (self.records[id] for id in source.claims if id in self.records):
            if source.quoted:
                return Data(record, [])
            data = self._of(record.id) if record.evidence is not None else None
            if data is not None and data.runs and all(name in run for run in data.runs for name in source.arrays):
                return data
        return None

    def _read(self, id: str) -> Data:
        record = self.records[id]
        return Data(record, by_run(unpack(self.folder, record)))


def _drawing(figure: Figure, evidence: Evidence) -> Drawing:
    """Draw one figure; an error message takes the place of a figure that fails."""
    try:
        found = {name: evidence.find(source) for name, source in figure.sources.items()}
        missing = _absent(figure, found)
        if missing is not None:
            return Drawing(figure, missing=" or ".join(missing.claims))
        picture, alt = svg.render(figure, found)
    except Exception as error:
        cause = str(error) if isinstance(error, HarnessError) else f"{type(error).__name__}: {error}"
        return Drawing(figure, problem=" ".join(cause.split()))
    used = dict.fromkeys(data.record.id for data in found.values() if data is not None)
    without = tuple(source.claims[0] for name, source in _drawn_from(figure).items() if found[name] is None)
    return Drawing(figure, picture, alt, claims=tuple(used), without=without)


def _drawn_from(figure: Figure) -> dict[str, Source]:
    return {name: source for name, source in figure.sources.items() if not source.quoted}


def _absent(figure: Figure, found: Mapping[str, Data | None]) -> Source | None:
    """The source whose absence prevents the figure: a required source, or the first if no source is there at all."""
    wanted = _drawn_from(figure)
    absent = [source for name, source in wanted.items() if found[name] is None]
    return next((source for source in absent if source.required or len(absent) == len(wanted)), None)
