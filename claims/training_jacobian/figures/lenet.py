"""Appendix A.1's two figures, LeNet-5's spectrum from the Ritz values of one run at scale ``large``, and a third of our own: its
bulk after few and after many training steps."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Array, Data, figure, quoted, source
from harness.report.figures.style import BLUE, GREY, INK, LINES, judged, log_axis

from ..lenet.experiments import WORLDS

PAPER = "training-jacobian"
RITZ = source("ritz weights", f"{PAPER}/lenet-5[near]", f"{PAPER}/lenet-5[very-near]")
HOW = (
    "From products with J, without J: each step is a Ritz value of JᵀJ with its weight in random vectors, which is an estimate of "
    "the share of singular values near it (docs/large.md). Fewer training steps than the paper's."
)


@figure(
    PAPER,
    "Appendix a",
    "Singular values of LeNet-5's training Jacobian",
    caption=f"{HOW} Dashed: one. Values below 10⁻⁴ are drawn there.",
    sources={"ritz": RITZ, "near": quoted(f"{PAPER}/lenet-5[near]")},
    about=[f"{PAPER}/lenet-5", f"{PAPER}/lenet-5-chaotic", f"{PAPER}/lenet-5-noise-no-bulk"],
)
def lenet_spectrum(axes: Axes, ritz: Data, near: Data | None) -> str:
    sigma, share = _estimated(ritz)
    axes.step(share, np.maximum(sigma, 1e-4), where="post", color=BLUE)
    axes.axhline(1, color=INK, linestyle="--", linewidth=0.9)
    axes.set(xlabel="share of singular values, largest first", ylabel="singular value σ", xlim=(0, 1), yscale="log")
    log_axis(axes.yaxis)
    return f"Share within 0.1 of one: {judged(near, '.0%')}; largest Ritz value {sigma.max():.3g}."


@figure(
    PAPER,
    "Appendix b",
    "How far LeNet-5's singular values are from one",
    caption=f"{HOW} Dotted: 0.1 and 0.01. Distances below 10⁻⁶ are drawn there.",
    sources={"ritz": RITZ, "very_near": quoted(f"{PAPER}/lenet-5[very-near]")},
    about=[f"{PAPER}/lenet-5"],
)
def lenet_distance(axes: Axes, ritz: Data, very_near: Data | None) -> str:
    sigma, share = _estimated(ritz)
    axes.step(share, np.maximum(np.abs(sigma - 1), 1e-6), where="post", color=BLUE)
    for delta in (0.01, 0.1):
        axes.axhline(delta, color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="share of singular values, largest first", ylabel="|σ − 1|", xlim=(0, 1), yscale="log")
    log_axis(axes.yaxis)
    return f"Share within 0.01 of one: {judged(very_near, '.0%')}."


@figure(
    PAPER,
    "O",
    "LeNet-5's bulk by the number of training steps",
    caption=(
        "Share of singular values within 0.1 of one, with its 95 % interval, after trainings of three epochs over more and more images: "
        "on the images, on white noise, and on the images with shuffled labels. Dashed: one half."
    ),
    sources={
        "shares": source("on-images on-white-noise", f"{PAPER}/lenet-5-noise-no-bulk[fewer]"),
        "less": quoted(f"{PAPER}/lenet-5-noise-no-bulk[fewer]"),
    },
    about=[f"{PAPER}/lenet-5", f"{PAPER}/lenet-5-noise-no-bulk"],
)
def lenet_horizons(axes: Axes, shares: Data, less: Data | None) -> str:
    held = shares.runs[0]
    for world, shift, (color, line, marker) in zip(WORLDS, (1, 1.04, 0.96), LINES, strict=False):
        if (name := f"on-{world}") in held:  # beside each other, so that no interval hides another
            steps, low, middle, high = held[name].T
            style = {"color": color, "linestyle": line, "marker": marker, "capsize": 2, "label": world.replace("-", " ")}
            axes.errorbar(steps * shift, middle, [middle - low, high - middle], **style)
    axes.axhline(0.5, color=INK, linestyle="--", linewidth=0.9)
    axes.set(xlabel="training steps", ylabel="share with |σ − 1| < 0.1", ylim=(0, 1), xscale="log")
    steps = held["on-images"][:, 0]
    axes.set_xticks(steps, [f"{step:.0f}" for step in steps])
    axes.minorticks_off()
    axes.legend()
    return f"On images less on white noise: {judged(less, '.0%')}."


def _estimated(data: Data) -> tuple[Array, Array]:
    """Singular values, descending, and the share of all that is larger than each; the last again, so that its step ends at 1."""
    sigma, weights = np.sqrt(np.maximum(data.runs[0]["ritz"], 0)), data.runs[0]["weights"]
    order = np.argsort(-sigma)
    return sigma[[*order, order[-1]]], np.append(np.cumsum(weights[order]) - weights[order], 1)
