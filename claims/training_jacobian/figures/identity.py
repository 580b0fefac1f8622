"""Figures A to D, L and N, which the paper does not have: regions, J against the identity, strength, other data, updates."""

from __future__ import annotations

import re

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Data, Source, figure, optional, quoted, source
from harness.report.figures.style import (
    BLUE,
    GREY,
    INK,
    LINES,
    decade_below,
    descending,
    each_direction,
    judged,
    log_axis,
    published,
    seeds,
    span,
    thinned,
)

PAPER = "training-jacobian"
REGIONS, UNMOVED, DIMENSION = (f"{PAPER}/{name}" for name in ("three-regions", "bulk-unmoved", "dimension-of-training"))
FLOOR = 1e-6  # rounding of J - I in float32
NEAR = 1e-4  # hardly a direction lies between here and rounding


@figure(
    PAPER,
    "A",
    "Density of the singular values",
    caption="Number of singular values under a Gaussian kernel of a tenth of a decade, structural directions left out: median over "
    "seeds, band from the lowest to the highest. Dotted: one. Three distinct regions would be three modes with valleys between. "
    "Heights below 1 are not shown.",
    sources={
        "regions": Source((f"{REGIONS}[valleys]",), ("log sigma", "density")),
        "peak": quoted(f"{REGIONS}[peak]"),
    },
    about=[REGIONS],
)
def density(axes: Axes, regions: Data, peak: Data | None) -> str:
    seeds(axes, 10 ** regions.stack("log sigma")[0], regions.stack("density"), "singular values", BLUE)
    axes.axvline(1, color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="singular value σ", ylabel="singular values under the kernel", xscale="log", yscale="log")
    axes.set_ylim(bottom=1)
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    height = judged(peak)
    beside = f" The peak at one is {height} times as high as its neighbourhood." if height else ""
    return f"The shallower valley beside the peak at one is {judged(regions, '.1%')} deep.{beside}"


@figure(
    PAPER,
    "B",
    "How far each direction is moved",
    caption="|J vᵢ − vᵢ| by index, every seed (points), and each seed's running median (lines). Shaded: |σ − 1| < 0.1. Dotted: 0.1. "
    "Values below 10⁻⁴, mostly along directions that training carries exactly, are not shown.",
    sources={
        "moved": source("shift sigma", f"{UNMOVED}[median]", f"{UNMOVED}[each]", anywhere=f"{UNMOVED}[median]"),
        "median": quoted(f"{UNMOVED}[median]", anywhere=f"{UNMOVED}[median]"),
        "each": quoted(f"{UNMOVED}[each]"),
    },
    about=[f"{PAPER}/structural-bulk"],
)
def unmoved(axes: Axes, moved: Data, median: Data | None, each: Data | None) -> str:
    shift = moved.stack("shift")
    each_direction(axes, shift, moved.stack("sigma"), "|J vᵢ − vᵢ|", NEAR)
    axes.axhline(0.1, color=GREY, linestyle=":", linewidth=1)
    share = f"; {judged(each, '.0%')} of the directions are below 0.1" if judged(each) else ""
    return f"Median over the bulk {judged(median)}{share}; {(shift < NEAR).mean():.0%} of all points lie below the axis."


@figure(
    PAPER,
    "C",
    "Singular values of J − I",
    caption="Descending: median over seeds, band from the lowest to the highest. Dotted: 0.1. Dashed: the number of directions that "
    "the paper's bulk leaves. Values below 10⁻⁶ are rounding and are not shown.",
    sources={
        "departure": source("departure", f"{DIMENSION}[0.1]", f"{DIMENSION}[0.001]"),
        "strict": quoted(f"{DIMENSION}[0.001]"),
        "bulk": quoted(f"{DIMENSION}[0.1]"),
    },
)
def dimension(axes: Axes, departure: Data, strict: Data | None, bulk: Data | None) -> str:
    values = departure.stack("departure")
    size, keep = values.shape[1], thinned(values.shape[1])
    seeds(axes, keep + 1, np.maximum(values, FLOOR / 2)[:, keep], "J − I", BLUE)
    axes.axhline(0.1, color=GREY, linestyle=":", linewidth=1)
    share = published(bulk)
    if share is not None:
        axes.axvline(share * size, color=INK, linestyle="--", linewidth=0.9)
    descending(axes, "singular value of J − I", FLOOR)
    paper = "" if share is None else f"; the paper's bulk leaves {share:.1%}"
    return f"{judged(bulk, '.1%')} of {size} are above 0.1, {judged(strict, '.1%')} above 0.001{paper}."


@figure(
    PAPER,
    "D",
    "Strength at initialisation",
    caption="|F vᵢ| by index, F the parameter-function Jacobian on 600 digits at initialisation: how strongly each direction moves "
    "predictions before training. Every seed (points), and each seed's running median (lines). Shaded: |σ − 1| < 0.1.",
    sources={"strength": source("strength sigma", f"{PAPER}/active-by-strength")},
)
def strength(axes: Axes, strength: Data) -> str:
    values = strength.stack("strength")
    floor = decade_below(values)
    each_direction(axes, values, strength.stack("sigma"), "|F vᵢ|, nats", floor)
    below = f"{(values < floor).mean():.0%} of the points lie below the axis"
    return f"Rank correlation with |σᵢ − 1|, structural directions left out: {judged(strength, '.2f')}; {below}."


NETWORKS = ("wine", "breast-cancer", "diabetes")
SEEN = ("alignment-bulk[median", "bulk-exists[more-than-on-noise", "bulk-exists[more-than-random-matrix", "three-regions[peak")


@figure(
    PAPER,
    "L",
    "Singular values on other data sets",
    caption="The paper's recipe, half as wide, on three other data sets, against the index as a share of the dimensions: median over "
    "seeds, band from the lowest to the highest. Dashed: one. Values below 10⁻⁴ are not shown.",
    sources={
        name.replace("-", "_"): optional("sigma", *(f"{PAPER}/{reading},on-{name}]" for reading in SEEN)) for name in NETWORKS
    },
)
def other_data(axes: Axes, **found: Data | None) -> str:
    said = []
    for (name, data), style in zip(found.items(), LINES, strict=False):
        if data is not None:
            sigma, words = data.stack("sigma"), name.replace("_", " ")
            keep = thinned(sigma.shape[1])
            seeds(axes, (keep + 0.5) / sigma.shape[1], np.maximum(sigma, 1e-4 / 2)[:, keep], words, *style[:2])
            near = np.mean(np.abs(sigma - 1) < 0.1, axis=1)
            said.append(f"{words} {span(near, '.0%')} of {sigma.shape[1]}")
    axes.axhline(1, color=INK, linestyle="--", linewidth=0.9)
    descending(axes, "singular value σ", 1e-4, xlabel="index / number of dimensions", right=1)
    return f"Share of singular values within 0.1 of one: {', '.join(said)}."


@figure(
    PAPER,
    "N",
    "Rank of the change that training makes",
    caption="Share of the squared norm of the change of the first layer's weights, θ_T − θ₀ as a matrix, in its first r singular directions: "
    "median over seeds, band from the lowest to the highest. Vertical: the r of the claim.",
    sources={"updates": source("share", f"{PAPER}/low-rank-updates")},
)
def low_rank(axes: Axes, updates: Data) -> str:
    share = updates.stack("share")
    rank = np.arange(1, share.shape[1] + 1)
    middle = seeds(axes, rank, share, "share", BLUE)
    at = re.match(r"(\d+) of", updates.record.measurements[0].counted) if updates.record.measurements else None
    if at:
        axes.axvline(float(at[1]), color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="r, number of singular directions", ylabel="share of the squared norm", ylim=(0, 1.02), xlim=(1, None))
    enough = rank[np.argmax(middle >= 0.9)]
    return f"{judged(updates, '.0%')} in the first {at[1] if at else '?'} of {len(rank)} directions; nine tenths in the first {enough}."
