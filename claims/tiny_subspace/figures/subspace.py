"""Figures 2 and 3: how the top subspace moves along training, and at which dimension it stops being preserved."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Array, Data, figure, optional, quoted
from harness.report.figures.style import GREY, LINES, legend, seeds, whole_numbers

from .data import DATA, PAPER, SPREAD, STYLES, as_judged, nothing, on_both

STARTS = (100, 200)


@figure(
    PAPER,
    "2",
    "Overlap of Hessian subspaces along training",
    caption=f"Tr(P P′) / 10 of the subspaces at steps t₁ and t₂, for the top ten eigenvectors and for the next ten: {SPREAD}. "
    "Subspaces that have nothing to do with each other overlap by 10 / N. The claims judge means over the steps up to 600.",
    sources={
        f"{data}_{part}_{start}": optional("steps cross", f"{PAPER}/top-preserved[{data},{part},{start}]")
        for data in DATA
        for part in ("top", "next")
        for start in STARTS
    },
    panels=2,
)
def preserved(axes: list[Axes], **found: Data | None) -> str:
    said = []
    for panel, name in zip(axes, DATA, strict=True):
        kinds = [(part, start) for part in ("top", "next") for start in STARTS]
        for (part, start), style in zip(kinds, LINES, strict=False):
            data = found[f"{name}_{part}_{start}"]
            if data is not None:
                apart, overlaps = _overlaps(data, start)
                middle = seeds(panel, apart, overlaps, f"{part} ten, t₁ = {start}", *style)
                said.append(f"{DATA[name]}, {part} ten from step {start}: {middle[0]:.2f} to {middle[-1]:.2f}{as_judged(data)}")
        if panel.lines:
            panel.set(xlabel="t₂ − t₁, steps", ylabel=f"{DATA[name]}: overlap", ylim=(0, 1.03), xlim=(0, None))
            whole_numbers(panel.xaxis)
            legend(panel)
        else:
            nothing(panel)
    return f"First and last overlap: {'; '.join(said)}."


def _overlaps(data: Data, start: int) -> tuple[Array, Array]:
    """Later steps minus the first step, and the overlap with each (equation 5), shape (runs, later steps)."""
    steps, cross = data.stack("steps")[0], data.stack("cross")
    first = int(np.flatnonzero(steps == start)[0])
    return steps[first + 1 :] - start, np.sum(cross[:, first, first + 1 :] ** 2, axis=(-2, -1)) / cross.shape[-1]


@figure(
    PAPER,
    "3",
    "Overlap against the dimension of the subspace",
    caption=f"Overlap of the top d eigenvectors at step 100 with those at later steps up to 600, averaged: {SPREAD}. Dotted: the "
    "dimension up to which the paper sees it flat, and that from which on it sees it fall.",
    sources={
        **on_both("dimensions overlap", "kink-at-classes", "peak", "falls", "flat"),
        "flat": quoted(*(f"{PAPER}/kink-at-classes[{data},flat]" for data in DATA)),
        "falls": quoted(*(f"{PAPER}/kink-at-classes[{data},falls]" for data in DATA)),
    },
)
def kink(axes: Axes, flat: Data | None, falls: Data | None, **found: Data | None) -> str:
    said = []
    for name, data in found.items():
        if data is not None:
            dimensions = data.stack("dimensions")[0]
            middle = seeds(axes, dimensions, data.stack("overlap"), DATA[name], *STYLES[name])
            best = dimensions[middle.argmax()]
            said.append(f"{DATA[name]} {middle.max():.2f} at d = {best:.0f}, {middle[-1]:.2f} at d = {dimensions[-1]:.0f}")
    for data, words in ((flat, "until"), (falls, "At")):
        at = None if data is None else data.in_words(rf"{words} d = (\d+)")
        if at is not None:
            axes.axvline(at, color=GREY, linestyle=":", linewidth=1)
    whole_numbers(axes.xaxis)
    axes.set(xlabel="dimension d", ylabel="mean overlap", ylim=(0, 1.03))
    legend(axes)
    return f"Largest and last mean overlap: {'; '.join(said)}."
