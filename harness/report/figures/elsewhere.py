"""Figures of a paper drawn again for other networks: the same function, a panel a network, from the claims of any network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from harness.report.figures.registry import Data, Figure, Source
from harness.report.sentences import network, unbound
from harness.suite.records import ClaimRecord

Sources = Mapping[str, Source]


def elsewhere(figures: Sequence[Figure], records: Sequence[ClaimRecord], shown: Sequence[Figure] = ()) -> list[Figure]:
    """Each figure that other networks have the evidence for, with all of those networks side by side.

    Args:
        shown: figures on the same page, whose captions need not be said again.
    """
    found: dict[str, dict[str, ClaimRecord]] = {}
    for record in records:
        if network(record):
            found.setdefault(network(record), {})[unbound(record)] = record
    drawn = ({name: _sources(figure, of) for name, of in found.items()} for figure in figures)
    return [
        _side_by_side(figure, {n: s for n, s in on.items() if s}, figure in shown)
        for figure, on in zip(figures, drawn, strict=True)
        if any(on.values())
    ]


def _sources(figure: Figure, records: Mapping[str, ClaimRecord]) -> dict[str, Source]:
    """The figure's sources among one network's claims, by the id without the network; {} where a required one is not there."""
    sources = {}
    for name, source in figure.sources.items():
        record = records.get(source.anywhere)
        if record is not None and (source.quoted or record.evidence is not None):
            sources[name] = replace(source, claims=(record.id,))
        elif source.required:
            return {}
    return sources if any(not source.quoted for source in sources.values()) else {}


def _side_by_side(figure: Figure, on: Mapping[str, Sources], explained: bool) -> Figure:
    def draw(axes: Any, **found: Data | None) -> str:
        said = []
        for panel, name in zip(axes if len(on) > 1 else [axes], on, strict=True):
            panel.set_title(name, loc="left", fontsize=9)
            data = {key: found.get(f"{name}/{key}") for key in figure.sources}
            said.append(f"On {name}: {figure.draw(panel, **data)}")
        return " ".join(said)

    names, scales = ", ".join(on), " Panels may differ in scale." if len(on) > 1 else ""
    return replace(
        figure,
        caption=(f"As {figure.label}, which explains the lines, on {names}." if explained else f"On {names}. {figure.caption}")
        + scales,
        sources={f"{name}/{key}": source for name, sources in on.items() for key, source in sources.items()},
        draw=draw,
        panels=len(on),
        networks=tuple(on),
    )
