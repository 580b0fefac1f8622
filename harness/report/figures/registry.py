"""Which figure is drawn from which evidence: one table for all papers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.suite.records import ClaimRecord

Array = np.ndarray[Any, Any]
Draw = Callable[..., str]
PANEL = (4.3, 3.1)  # inches; text of 9 points is then readable at phone width and in two columns on A4


@dataclass(frozen=True)
class Source:
    """Where data of a figure comes from: the first of ``claims`` that has evidence with all of ``arrays``.

    ``required``: without it there is no figure; otherwise the drawing function is given None.
    """

    claims: tuple[str, ...]
    arrays: tuple[str, ...]
    required: bool = True


@dataclass(frozen=True)
class Data:
    """Evidence of one claim: its record, and one mapping of arrays a run or pair of runs, in the order of the runs."""

    record: ClaimRecord
    runs: list[Mapping[str, Array]]

    def stack(self, name: str) -> Array:
        """The array of every run, shape (runs, ...)."""
        return np.stack([np.asarray(run[name], float) for run in self.runs])


@dataclass(frozen=True)
class Figure:
    """A figure of a paper as this run sees it.

    ``draw`` gets matplotlib axes (several panels: a list of them) and one keyword a source, draws, and returns what is to be
    seen in a sentence with numbers. A ``number`` that is a letter marks a figure that the paper does not have.
    """

    paper: str
    number: str
    title: str
    caption: str
    sources: Mapping[str, Source]
    draw: Draw
    panels: int = 1

    @property
    def wide(self) -> bool:
        return self.panels > 1

    @property
    def label(self) -> str:
        """``Figure 1a``, ``Figure A``, ``Table 1``."""
        return f"Figure {self.number}" if self.number[:1].isdigit() or len(self.number) == 1 else self.number

    @property
    def name(self) -> str:
        """Its place in the page, e.g. ``figure-training-jacobian-1a``."""
        return f"figure-{self.paper}-{self.number}".lower().replace(" ", "-").replace(",", "")


FIGURES: list[Figure] = []


def figure(
    paper: str, number: str, title: str, *, caption: str, sources: Mapping[str, Source], panels: int = 1
) -> Callable[[Draw], Draw]:
    """Register the decorated function as the drawing of a paper's figure; it gets each of ``sources`` by its name."""

    def register(draw: Draw) -> Draw:
        FIGURES.append(Figure(paper, number, title, caption, sources, draw, panels))
        return draw

    return register


def source(arrays: str, *claims: str) -> Source:
    """The first of ``claims`` whose evidence has the arrays, named with spaces between them."""
    return Source(claims, tuple(arrays.split()))


def optional(arrays: str, *claims: str) -> Source:
    """As :func:`source`, for what a figure can do without."""
    return Source(claims, tuple(arrays.split()), required=False)
