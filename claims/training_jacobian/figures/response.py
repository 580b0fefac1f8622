"""Figures 2a and 2b: how far from theta_0 the linearisation of training holds."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Data, figure, quoted, source
from harness.report.figures.style import BAND, BLUE, INK, ORANGE, SHADE, judged, legend, log_axis, seeds

PAPER = "training-jacobian"
TOP = ("leaves", "overtakes", "rapidly")
LINEAR = [f"{PAPER}/linear-bulk[{which},{how}]" for which in ("nontrivial", "all") for how in ("strict", "lenient")]
SURGICAL = f"{PAPER}/surgical-bulk[strict,amplitude]"
SIZES = (1e-6, 1e5)  # of responses: what both figures show, so that they can be compared


@figure(
    PAPER,
    "2a",
    "Response along bulk directions",
    caption="How far a step λ along bulk directions vᵢ moves the final parameters; directions drawn at random, structural ones "
    "left out. Lines: median over all directions of all seeds; bands: 5 % to 95 % of them. Linear training would respond with "
    "λσᵢ along uᵢ (dashed), and with nothing orthogonal to it. Below λ = 0.01 the orthogonal part is float32 rounding of θ_T. The paper "
    "speaks of seven orders of magnitude up to 10³; six of them are drawn, and trainings in float64 judge the seventh, from 10⁻⁴ on. "
    "Figures 2a and 2b have one scale.",
    sources={
        "bulk": source("stimulus along orthogonal sigma", *LINEAR, anywhere=f"{PAPER}/linear-bulk[lenient]"),
        "strict": quoted(LINEAR[0], anywhere=f"{PAPER}/linear-bulk[strict]"),
        "surgical": quoted(SURGICAL, anywhere=SURGICAL),
        "seven": quoted(f"{PAPER}/linear-bulk[seven-decades]"),
    },
)
def along_the_bulk(axes: Axes, bulk: Data, strict: Data | None, surgical: Data | None, seven: Data | None) -> str:
    stimulus = bulk.stack("stimulus")[0]
    along, orthogonal = (
        np.abs(np.concatenate([run[name].mean(axis=1) for run in bulk.runs])) for name in ("along", "orthogonal")
    )
    sigma = np.concatenate([run["sigma"] for run in bulk.runs])
    for values, label, color, line, marker in (
        (along, "along uᵢ", BLUE, "-", "o"),
        (orthogonal, "orthogonal to uᵢ", ORANGE, "-.", "s"),
    ):
        low, middle, high = np.nanquantile(values, [0.05, 0.5, 0.95], axis=0)
        axes.fill_between(stimulus, low, high, color=color, alpha=BAND, linewidth=0)
        axes.plot(stimulus, middle, color=color, linestyle=line, marker=marker, markerfacecolor="white", label=label)
    axes.plot(stimulus, stimulus * np.median(sigma), color=INK, linestyle="--", linewidth=1, label="linear: λσᵢ")
    _response_axes(axes)
    within = (np.abs(along / np.multiply.outer(sigma, stimulus) - 1) <= 0.05).mean(0)
    share = [f"{within[np.argmin(np.abs(stimulus - at))]:.0%} at λ = {at:g}" for at in (0.01, 1, 100, 1000)]
    least = f" By seed, at the λ where it is least: {judged(strict, '.0%')}." if judged(strict) else ""
    least += f" Over seven orders of magnitude: {judged(seven, '.0%')}." if judged(seven) else ""
    aside = f" Largest median share of the response orthogonal to uᵢ: {judged(surgical, '.0%')}." if judged(surgical) else ""
    return f"{len(sigma)} directions; share that responds within 5% of λσ: {', '.join(share)}.{least}{aside}"


@figure(
    PAPER,
    "2b",
    "Response along the top singular direction",
    caption="The same along v₁, mean over both signs: median over seeds, band from the lowest to the highest. Shaded: where the "
    "paper sees training leave the linear regime. Vertical: from where on, in the paper, the orthogonal part is the larger one. "
    "Figures 2a and 2b have one scale.",
    sources={
        "top": source("stimulus along orthogonal linear", *(f"{PAPER}/nonlinear-top[{reading}]" for reading in TOP)),
        "leaves": quoted(f"{PAPER}/nonlinear-top[leaves]"),
        "overtakes": quoted(f"{PAPER}/nonlinear-top[overtakes]"),
    },
)
def along_the_top(axes: Axes, top: Data, leaves: Data | None, overtakes: Data | None) -> str:
    stimulus = top.stack("stimulus")[0]
    low, high = (_power(leaves, rf"{name} lambda = 10\^(-?\d+)") for name in ("between", "and"))
    if low is not None and high is not None:
        axes.axvspan(low, high, color=SHADE, linewidth=0, zorder=0)
    larger = None if overtakes is None else overtakes.in_words(r"when lambda > (\d+)")
    if larger is not None:
        axes.axvline(larger, color=INK, linestyle=":", linewidth=1)
    along = seeds(axes, stimulus, np.abs(top.stack("along")), "along u₁", BLUE, "-", "o")
    seeds(axes, stimulus, top.stack("orthogonal"), "orthogonal to u₁", ORANGE, "-.", "s")
    linear = seeds(axes, stimulus, top.stack("linear"), "linear: λσ₁", INK, "--")
    _response_axes(axes)
    at = [f"{np.interp(x, stimulus, along / linear):.2f} at λ = {x:g}" for x in (0.01, 0.1, 1, 10)]
    found = [f"Response along u₁ relative to the linear one: {', '.join(at)}."]
    if judged(leaves):
        paper = "" if low is None or high is None else f" (the paper: between {low:g} and {high:g})"
        found.append(f"By seed, the response along u₁ falls to 80% of the linear one at λ = {judged(leaves, '.2g')}{paper}.")
    if judged(overtakes):
        paper = "" if larger is None else f" (the paper: from {larger:g} on)"
        found.append(f"By seed, the orthogonal part exceeds the one along u₁ from λ = {judged(overtakes, '.2g')} on{paper}.")
    return " ".join(found)


def _power(data: Data | None, pattern: str) -> float | None:
    """Ten to the power in the paper's words."""
    exponent = None if data is None else data.in_words(pattern)
    return None if exponent is None else 10.0**exponent


def _response_axes(axes: Axes) -> None:
    axes.set(xlabel="size of the step, λ", ylabel="size of the response", xscale="log", yscale="log")
    low, high = axes.get_ylim()
    axes.set_ylim(min(low, SIZES[0]), max(high, SIZES[1]))
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    legend(axes)
