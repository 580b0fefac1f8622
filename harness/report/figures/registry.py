"""Which figure is drawn from which evidence: one table for all papers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.report.sentences import network
from harness.suite.records import ClaimRecord

Array = np.ndarray[Any, Any]
Draw = Callable[..., str]
PANEL = (4.3, 3.1)  # inches; text of 9 points is then readable at phone width and in two columns on A4


@dataclass(frozen=True)
class Source:
    """Where data of a figure comes from: the first of ``claims`` that has evidence with all of ``arrays``.

    ``required``: without this source there is no figure. The drawing function gets None for an optional source that is missing.
    ``quoted``: the figure needs the claim's record alone, and not its evidence. ``anywhere``: the claim for any network that has
    the same evidence, by its id without the network.
    """

    claims: tuple[str, ...]
    arrays: tuple[str, ...] = ()
    required: bool = True
    quoted: bool = False
    anywhere: str = ""


@dataclass(frozen=True)
class Data:
    """Evidence of one claim: its record, and one mapping of arrays a run or pair of runs, in the order of the runs.

    A quoted source has no runs.
    """

    record: ClaimRecord
    runs: list[Mapping[str, Array]]

    @property
    def published(self) -> float | None:
        """The number that the paper gives for what the claim measures."""
        return self.record.published

    @property
    def network(self) -> str:
        """The network that the claim was judged on; "" for the paper's own."""
        return network(self.record)

    @property
    def judged(self) -> Array:
        """What the claim judged, shape (values,); nothing where it was not judged."""
        values = self.record.measurements[0].values if self.record.judged and self.record.measurements else []
        return np.array([value for value in values if value is not None], float)

    def in_words(self, pattern: str) -> float | None:
        """The number that the pattern's group matches in the claim's quotation of the paper; None without a match."""
        found = re.search(pattern, self.record.quotes)
        return float(found[1]) if found else None

    def stack(self, name: str) -> Array:
        """The array of every run, shape (runs, ...)."""
        return np.stack([np.asarray(run[name], float) for run in self.runs])


@dataclass(frozen=True)
class Figure:
    """A figure of a paper as this run sees it.

    ``draw`` gets matplotlib axes (a list of them for several panels) and one keyword for each source. It draws, and returns a
    sentence with numbers that describes the figure. A ``number`` that is a letter marks a figure that the paper does not have.
    ``about`` lists statements (ids of claims without their readings) that the figure shows, although it is not drawn from their
    evidence. ``networks`` are shown in place of the paper's own network, a panel each.
    """

    paper: str
    number: str
    title: str
    caption: str
    sources: Mapping[str, Source]
    draw: Draw
    panels: int = 1
    about: tuple[str, ...] = ()
    networks: tuple[str, ...] = ()

    @property
    def wide(self) -> bool:
        return self.panels > 1

    @property
    def label(self) -> str:
        """``Figure 1a``, ``Figure A``, ``Table 1``."""
        label = f"Figure {self.number}" if self.number[:1].isdigit() or len(self.number) == 1 else self.number
        return f"{label} on other networks" if self.networks else label

    @property
    def name(self) -> str:
        """The figure's anchor in the page, e.g. ``figure-training-jacobian-1a``."""
        name = f"figure-{self.paper}-{self.number}{'-on-other-networks' if self.networks else ''}"
        return name.lower().replace(" ", "-").replace(",", "")


FIGURES: list[Figure] = []


def figure(
    paper: str,
    number: str,
    title: str,
    *,
    caption: str,
    sources: Mapping[str, Source],
    panels: int = 1,
    about: Sequence[str] = (),
) -> Callable[[Draw], Draw]:
    """Register the decorated function as the drawing of a paper's figure; it gets each of ``sources`` by its name."""

    def register(draw: Draw) -> Draw:
        FIGURES.append(Figure(paper, number, title, caption, sources, draw, panels, tuple(about)))
        return draw

    return register


def source(arrays: str, *claims: str, anywhere: str = "") -> Source:
    """The first of ``claims`` whose evidence has the arrays, named with spaces between them."""
    return Source(claims, tuple(arrays.split()), anywhere=anywhere)


def optional(arrays: str, *claims: str, anywhere: str = "") -> Source:
    """As :func:`source`, for data that a figure can do without."""
    return Source(claims, tuple(arrays.split()), required=False, anywhere=anywhere)


def quoted(*claims: str, anywhere: str = "") -> Source:
    """The record of the first of ``claims`` that the report has: for the number that the paper gives, and for what was judged."""
    return Source(claims, required=False, quoted=True, anywhere=anywhere)
