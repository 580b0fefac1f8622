"""Figures 1a, 1b and 5b: the spectrum, the alignment of its two sides, and the spectrum on white noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Array, Data, figure, optional, quoted, source
from harness.report.figures.style import (
    BLUE,
    GREY,
    INK,
    ORANGE,
    cloud,
    descending,
    judged,
    legend,
    log_axis,
    published,
    seeds,
    shade,
    span,
    thinned,
)

PAPER = "training-jacobian"
ALIGNED = f"{PAPER}/alignment-bulk[median]"
SPECTRUM = source(
    "sigma",
    f"{PAPER}/chaotic-magnitude[top-weak]",
    f"{PAPER}/bulk-count[all]",
    ALIGNED,
    f"{PAPER}/chaotic-count[1.5]",
)
NOISE = (f"{PAPER}/noise-no-bulk[strict]", f"{PAPER}/noise-no-bulk[lenient]")
FLOOR = 1e-4  # below this the smallest singular values would take most of the axis


@figure(
    PAPER,
    "1a",
    "Singular values of the training Jacobian",
    caption="Descending: median over seeds, with the band from the lowest to the highest seed. Dashed: one. Shaded: the bulk as "
    "|σ − 1| < 0.1. Baseline, dotted: a Gaussian random matrix of the same size (quarter-circle law). Bars at the foot: how many "
    "values the paper counts as above, near and below one; it does not say where the middle bar begins. Diamond: the largest one in the "
    "authors' own run. Values below 10⁻⁴ are not shown.",
    sources={
        "digits": SPECTRUM,
        "chaotic": quoted(f"{PAPER}/chaotic-count[1.1]"),
        "bulk": quoted(f"{PAPER}/bulk-count[all]"),
        "stable": quoted(f"{PAPER}/stable-count[0.9]"),
        "authors": quoted(f"{PAPER}/as-published[sigma-1]"),
    },
    about=[f"{PAPER}/{statement}" for statement in ("chaotic-count", "stable-count", "region-sizes")],
)
def singular_values(axes: Axes, digits: Data, authors: Data | None, **regions: Data | None) -> str:
    sigma = digits.stack("sigma")
    _spectrum(axes, sigma, "training Jacobian", BLUE, "-")
    keep = thinned(sigma.shape[1])
    axes.plot(keep + 1, quarter_circle(sigma.shape[1])[keep], ":", color=GREY, label="Gaussian matrix")
    shade(axes, sigma)
    _spectral_axes(axes)
    _sizes(axes, sigma.shape[1], *map(published, regions.values()))
    above, near, below = (sigma > 1.1).sum(1), (np.abs(sigma - 1) < 0.1).sum(1), (sigma < 0.9).sum(1)
    words = [
        f"{span(count, '.0f')} are {where}{_of_paper(published(data))}"
        for count, where, data in zip(
            (above, near, below), ("above 1.1", "within 0.1 of one", "below 0.9"), regions.values(), strict=True
        )
    ]
    theirs, ours = published(authors), judged(authors, ".5g")
    if theirs is not None:
        axes.plot(1, theirs, "D", color=INK, markerfacecolor="white", clip_on=False)
    beside = "" if theirs is None else f" ({theirs:g} in the authors' own run, {ours} here from their parameters)"
    return f"Of {sigma.shape[1]} singular values {', '.join(words)}; the largest is {span(sigma[:, 0])}{beside}."


def _of_paper(number: float | None) -> str:
    return "" if number is None else f" (the paper: {number:g})"


def _sizes(axes: Axes, size: int, above: float | None, near: float | None, below: float | None) -> None:
    """The paper's numbers of directions as bars over the indices, the bulk between the other regions."""
    if above is None or near is None or below is None:
        return
    middle = (above + size - below) / 2
    for start, end, number in ((0, above, above), (middle - near / 2, middle + near / 2, near), (size - below, size, below)):
        axes.plot(
            [start, end], [0.06, 0.06], color=INK, linewidth=2.5, solid_capstyle="butt", transform=axes.get_xaxis_transform()
        )
        axes.text((start + end) / 2, 0.085, f"{number:g}", ha="center", transform=axes.get_xaxis_transform())


@figure(
    PAPER,
    "1a, any threshold",
    "How many singular values count as one",
    caption="Share of singular values with |σ − 1| < δ for every δ: the paper names no threshold, and its count depends on it. "
    "Circles: δ = 0.01 and 0.1. Dotted: the paper's count as a share.",
    sources={
        "digits": SPECTRUM,
        "noise": optional("sigma", *NOISE),
        "count": quoted(f"{PAPER}/bulk-count[nontrivial]"),
    },
    about=[f"{PAPER}/{statement}" for statement in ("bulk-count", "region-joint", "noise-no-bulk")],
)
def near_one(axes: Axes, digits: Data, noise: Data | None, count: Data | None) -> str:
    deltas = np.logspace(-6, 0, 121)
    middle = seeds(axes, deltas, _shares(digits.stack("sigma"), deltas), "digits", BLUE)
    if noise is not None:
        seeds(axes, deltas, _shares(noise.stack("sigma"), deltas), "white noise", ORANGE, "--")
    share = published(count)
    if share is not None:
        axes.axhline(share, color=GREY, linestyle=":", linewidth=1)
    axes.plot([0.01, 0.1], np.interp([0.01, 0.1], deltas, middle), "o", color=BLUE, markerfacecolor="white")
    axes.set(xlabel="δ", ylabel="share of |σ − 1| < δ", ylim=(0, 1), xlim=(1e-6, 1))
    log_axis(axes.xaxis)
    legend(axes)
    at = [f"{np.interp(delta, deltas, middle):.0%} within {delta:g}" for delta in (1e-3, 0.01, 0.1)]
    paper = "" if share is None else f" The paper's count is {share:.0%}."
    return f"Median share of singular values near one: {', '.join(at)}.{paper}"


@figure(
    PAPER,
    "1b",
    "Cosine of corresponding left and right singular vectors",
    caption="By index, every seed (points), and each seed's running median (lines). Shaded: |σ − 1| < 0.1. Between the dotted "
    "lines, ±2/√N, lie 95 % of the cosines of independent random directions. Short dashes, over σ > 1.5: the cosine that the paper "
    "says is exceeded there.",
    sources={
        "digits": source("cosine sigma", ALIGNED, f"{PAPER}/alignment-bulk[fraction]", anywhere=ALIGNED),
        "chaotic": quoted(f"{PAPER}/alignment-chaotic"),
    },
)
def alignment(axes: Axes, digits: Data, chaotic: Data | None) -> str:
    cosine, sigma = digits.stack("cosine"), digits.stack("sigma")
    cloud(axes, cosine)
    for level in (-2, 2):
        axes.axhline(level / np.sqrt(cosine.shape[1]), color=GREY, linestyle=":", linewidth=1)
    shade(axes, sigma)
    least = None if chaotic is None else chaotic.in_words(r"in excess of (\d[\d.]*\d)")
    if least is not None:
        axes.plot([0, np.median((sigma > 1.5).sum(1))], [least, least], color=ORANGE, linestyle="--", linewidth=1.4)
    axes.set(xlabel="index i, largest σ first", ylabel="cos(uᵢ, vᵢ)", ylim=(min(-0.1, np.nanmin(cosine)), 1.05), xlim=(0, None))
    legend(axes)
    bulk = np.array([np.median(c[np.abs(s - 1) < 0.1]) for c, s in zip(cosine, sigma, strict=True)])
    lowest = np.array([np.min(c[s > 1.5], initial=1) for c, s in zip(cosine, sigma, strict=True)])
    paper = "" if least is None else f" (the paper: above {least:g})"
    return f"The median cosine over the bulk is {span(bulk, '.4f')}; the smallest over σ > 1.5 is {span(lowest)}{paper}."


@figure(
    PAPER,
    "5b",
    "White noise in place of the data",
    caption="Singular values in descending order for real images and for uniform white noise with the same labels. Dashed: one. "
    "Values below 10⁻⁴ are not shown.",
    sources={
        "data": replace(SPECTRUM, anywhere=ALIGNED),
        "noise": source("sigma", *NOISE, anywhere=NOISE[0]),
    },
)
def white_noise(axes: Axes, data: Data, noise: Data) -> str:
    near = []
    for name, shown, color, line in ((data.network or "digits", data, BLUE, "-"), ("white noise", noise, ORANGE, "-.")):
        sigma = shown.stack("sigma")
        _spectrum(axes, sigma, name, color, line)
        near.append(f"{span((np.abs(sigma - 1) < 0.01).mean(1), '.1%')} on {name}")
    _spectral_axes(axes)
    return f"Share of singular values within 0.01 of one: {', '.join(near)}."


def quarter_circle(size: int) -> Array:
    """Expected singular values, descending, of a size x size matrix of N(0, 1/size) entries (Marchenko & Pastur 1967)."""
    s = np.linspace(0, 2, 4001)
    below = (s * np.sqrt(4 - s**2) / 2 + 2 * np.arcsin(s / 2)) / np.pi
    quantiles: Array = np.interp(1 - (np.arange(size) + 0.5) / size, below, s)
    return quantiles


def _shares(sigma: Array, deltas: Array) -> Array:
    return np.stack([np.searchsorted(np.sort(np.abs(row - 1)), deltas) / len(row) for row in sigma])


def _spectrum(axes: Axes, sigma: Array, label: str, color: str, line: str) -> None:
    keep = thinned(sigma.shape[1])
    seeds(axes, keep + 1, np.maximum(sigma, FLOOR / 2)[:, keep], label, color, line)


def _spectral_axes(axes: Axes) -> None:
    axes.axhline(1, color=INK, linestyle="--", linewidth=0.9)
    descending(axes, "singular value σ", FLOOR)
