"""Figures G and H: softmax regression on Gaussian mixtures aligns with its outliers in O(d) steps."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Array, Data, figure, optional, source
from harness.report.figures.style import BLUE, GREY, LINES, ORANGE, legend, log_axis, one_scale, seeds, span, whole_numbers

PAPER = "outlier-eigenspaces"
MATRICES = {"hessian": "Hessian", "gradients": "gradients"}


@figure(
    PAPER,
    "G",
    "Alignment comes in O(d) steps",
    caption="Softmax regression on a Gaussian mixture: alignment of the first class's parameters with the outlier eigenspace "
    "of its block of the Hessian, mean over trajectories; median over seeds, band from the lowest to the highest. Left against "
    "steps, right against steps / d, where all dimensions would fall on one curve; thin: the second moment of gradients in the "
    "Hessian's place, at the largest d. Dotted: 0.9.",
    sources={
        "hessian": source("", f"{PAPER}/gmm-alignment-time[hessian]"),
        "gradients": optional("", f"{PAPER}/gmm-alignment-time[gradients]"),
    },
    panels=2,
    about=[f"{PAPER}/gmm-alignment", f"{PAPER}/gmm-span"],
)
def collapse(axes: list[Axes], hessian: Data, gradients: Data | None) -> str:
    said = []
    for d, style in zip(_dimensions(hessian), LINES, strict=False):
        times, curves = _curves(hessian, d)
        seeds(axes[0], times[1:] * d, curves[:, 1:], f"d = {d}", *style)
        seeds(axes[1], times, curves, f"d = {d}", *style)
        said.append(f"{span(np.array([_reaches(times, curve, 0.9) for curve in curves]), '.1f')} d at d = {d}")
    if gradients is not None:
        times, curves = _curves(gradients, _dimensions(gradients)[-1])
        axes[1].plot(times, np.median(curves, axis=0), color=GREY, linewidth=0.8, label="gradients")
    axes[0].set(xscale="log", xlabel="steps", ylabel="alignment")
    axes[1].set(xlabel="steps / d", ylabel="alignment")
    log_axis(axes[0].xaxis)
    for panel in axes:
        panel.axhline(0.9, color=GREY, linestyle=":", linewidth=1)
        panel.set_ylim(0, 1.03)
        legend(panel)
    return f"Steps to an alignment of 0.9: {', '.join(said)}."


@figure(
    PAPER,
    "H",
    "Outliers of every class's block",
    caption="Softmax regression: the largest eigenvalues of each class's block on fresh data, in units of the edge of its "
    "bulk, before the first step and at the end: median and 5 % to 95 % over classes, trajectories and seeds. Left: Hessian; "
    "right: second moment of gradients; both have one scale. Dotted: twice the edge, beyond which an eigenvalue counts as an outlier.",
    sources={
        f"{matrix}_{when}": optional("eigenvalues", f"{PAPER}/{claim}")
        for matrix in MATRICES
        for when, claim in (("start", f"gmm-emergence[{matrix}-in-time]"), ("end", f"gmm-outliers[{matrix}-test]"))
    },
    panels=2,
    about=[
        f"{PAPER}/{statement}" for statement in ("gmm-emergence", "gmm-outliers", "gmm-top-eigenvector", "gmm-late-eigenvalues")
    ],
)
def outliers(axes: list[Axes], **found: Data | None) -> str:
    said = []
    for panel, (matrix, words) in zip(axes, MATRICES.items(), strict=True):
        start, end = found[f"{matrix}_start"], found[f"{matrix}_end"]
        for data, label, shift, color, marker in (
            (start, "before the first step", -0.1, ORANGE, "s"),
            (end, "at the end", 0.1, BLUE, "o"),
        ):
            if data is not None:
                middle = _by_rank(panel, data.stack("eigenvalues"), label, shift, color, marker)
                said.append(f"{words} {label}: {', '.join(f'{value:.3g}' for value in middle)}")
        panel.axhline(2, color=GREY, linestyle=":", linewidth=1)
        whole_numbers(panel.xaxis)
        panel.set(xlabel="rank", ylabel=f"{words}: eigenvalue / edge", yscale="log")
        log_axis(panel.yaxis)
        legend(panel)
    one_scale(axes)
    return f"Median eigenvalues over the edge, by rank. {'; '.join(said)}."


def _dimensions(data: Data) -> list[int]:
    return sorted(int(name.rpartition("-")[2]) for name in data.runs[0] if name.startswith("alignment-"))


def _curves(data: Data, d: int) -> tuple[Array, Array]:
    return data.stack(f"steps-over-d-{d}")[0], data.stack(f"alignment-{d}")


def _reaches(times: Array, curve: Array, level: float) -> float:
    """Time at which the curve first reaches the level, interpolated; NaN if it never does."""
    above = np.flatnonzero(curve >= level)
    around = slice(max(above[0] - 1, 0), above[0] + 1) if above.size else slice(0, 0)
    return float(np.interp(level, curve[around], times[around])) if above.size else float("nan")


def _by_rank(axes: Axes, values: Array, label: str, shift: float, color: str, marker: str) -> Array:
    """Median and 5 % to 95 % of eigenvalues over all axes but the last; returns the medians."""
    low, middle, high = np.quantile(values.reshape(-1, values.shape[-1]), [0.05, 0.5, 0.95], axis=0)
    rank, error = np.arange(1, len(middle) + 1) + shift, [middle - low, high - middle]
    axes.errorbar(rank, middle, error, color=color, fmt=marker, markerfacecolor="white", capsize=3, label=label)
    return np.asarray(middle)
