"""Shared parts of the second paper's figures: two data sets, each in a style of its own, and steps on an axis."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from harness.report.figures.registry import Data, Source, optional
from harness.report.figures.style import BLUE, ORANGE, judged

PAPER = "tiny-subspace"
K = 10  # classes
DATA = {"mnist": "MNIST", "digits": "digits (port)"}
STYLES: dict[str, tuple[str, Any, str]] = {"mnist": (BLUE, "-", "o"), "digits": (ORANGE, "--", "s")}
SPREAD = "median over seeds, band from the lowest to the highest"
UNEVEN = "The axis of steps is linear up to 50 and logarithmic beyond."


def on_both(arrays: str, statement: str, *readings: str) -> dict[str, Source]:
    """A source for each data set: the statement's first reading that has the arrays."""
    return {data: optional(arrays, *(f"{PAPER}/{statement}[{data},{reading}]" for reading in readings)) for data in DATA}


def as_judged(data: Data) -> str:
    """What the claim judged and of what it was taken, in brackets; "" where it was not judged."""
    counted = data.record.measurements[0].counted if data.judged.size else ""
    return f" (judged: {judged(data, '.2f')}, {counted})" if counted else ""


def from_step_0(axes: Axes, last: float) -> None:
    """Steps on an axis that is linear up to 50 and logarithmic beyond, so that it includes the start."""
    axes.set_xscale("symlog", linthresh=50, linscale=0.5)
    axes.xaxis.set_major_locator(FixedLocator([x for x in (0, 50, 100, 200, 500, 1000, 2000, 5000) if x <= last]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    axes.set(xlabel="step", xlim=(-3, last * 1.08))


def nothing(axes: Axes) -> None:
    """Leave out a panel without evidence; the caption names the missing panels."""
    axes.set_visible(False)
