"""Figures I to K and M: layers of a network on the XOR mixture, their outliers, and the outcome of training."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Array, Data, figure, optional, source
from harness.report.figures.style import BLUE, GREY, INK, LINES, ORANGE, legend, log_axis

PAPER = "outlier-eigenspaces"
OUTCOMES = ("optimal", "suboptimal")
MATRICES = {"hessian": ("Hessian", BLUE, "o"), "gradients": ("gradients", ORANGE, "s")}


@figure(
    PAPER,
    "I",
    "The last layer's outlier space evolves",
    caption="Two-layer network on the XOR mixture. Left: share of the last layer's final outlier space that lies in its top four "
    "eigenvectors at each time; dotted: 1/2, as for unrelated spaces. Right: the five largest eigenvalues of its block of the "
    "Hessian. Medians over trajectories and seeds; bands from 5 % to 95 % of them.",
    sources={"hessian": source("times overlap eigenvalues", f"{PAPER}/xor-last-layer[hessian-evolves]")},
    panels=2,
    about=[f"{PAPER}/{statement}" for statement in ("xor-last-layer", "xor-late-eigenvalues")],
)
def last_layer(axes: list[Axes], hessian: Data) -> str:
    times = hessian.stack("times")[0]
    overlap = np.concatenate([run["overlap"] for run in hessian.runs], axis=1)
    values = np.concatenate([run["eigenvalues"] for run in hessian.runs], axis=1)
    _over_trajectories(axes[0], times, overlap, "overlap with the final space", *LINES[0])
    for i, style in enumerate(LINES[: min(5, values.shape[-1])]):
        _over_trajectories(axes[1], times, values[..., i], f"λ{'₁₂₃₄₅'[i]}", *style)
    axes[0].axhline(0.5, color=GREY, linestyle=":", linewidth=1)
    axes[0].set(xlabel="steps / d", ylabel="overlap", ylim=(0, 1.03))
    axes[1].set(xlabel="steps / d", ylabel="eigenvalue", yscale="log")
    log_axis(axes[1].yaxis)
    legend(axes[0])
    legend(axes[1])
    relative = np.median(values[-1], axis=0) / np.median(values[-1, :, 0])
    return (
        f"Median overlap with the final outlier space {np.median(overlap[0]):.2f} at the start. Eigenvalues at the end, relative "
        f"to the largest: {', '.join(f'{value:.2g}' for value in relative[:5])}."
    )


@figure(
    PAPER,
    "J",
    "Rank deficiency and the outcome of training",
    caption="XOR with K = 4 neurons, all trajectories: share of those that ended optimal, and of those that ended suboptimal, "
    "whose last layer's block has four outliers, with its 95 % interval (Clopper-Pearson) and the counts of the contingency "
    "table.",
    sources={
        matrix: optional("table rank-4-interval", *(f"{PAPER}/xor-rank-deficient[{matrix}-{which}]" for which in OUTCOMES))
        for matrix in MATRICES
    },
    about=[f"{PAPER}/xor-rank-types"],
)
def contingency(axes: Axes, **found: Data | None) -> str:
    said: list[str] = []
    for matrix, (words, color, marker) in MATRICES.items():
        data = found[matrix]
        if data is None:
            continue
        outcomes = [(name, row) for name, row in zip(OUTCOMES, data.runs[0]["table"], strict=True) if row.sum()]
        for (outcome, (full, less)), interval in zip(outcomes, data.runs[0]["rank-4-interval"], strict=True):
            y = -len(said)
            _interval(axes, full / (full + less), y, interval, color=color, fmt=marker)
            axes.text(0.5, y + 0.12, f"{words}, {outcome}: {full} of {full + less}", ha="center", color="#444444")
            said.append(f"{words}, {outcome}: {full} of {full + less} have four outliers")
    axes.set(xlabel="share with four outliers", xlim=(-0.04, 1.04), ylim=(0.5 - len(said), 0.6), yticks=[])
    axes.spines["left"].set_visible(False)
    return f"{'; '.join(said)}."


@figure(
    PAPER,
    "K",
    "How often SGD ends in an optimal classifier",
    caption="XOR: share of trajectories that end optimal, by number of neurons, with its 95 % interval (Clopper-Pearson). "
    "Diamonds below: the probability that random neurons cover all four types.",
    sources={f"k_{neurons}": optional("", f"{PAPER}/xor-probability[k-{neurons}]") for neurons in (4, 6, 8)},
)
def probability(axes: Axes, **found: Data | None) -> str:
    said: list[str] = []
    for name, data in found.items():
        if data is None or data.record.published is None or not data.record.measurements:
            continue
        neurons, predicted = name.removeprefix("k_"), data.record.published
        low, high = data.record.measurements[0].interval or (np.nan, np.nan)
        y = -len(said)
        _interval(axes, (low + high) / 2, y, (low, high), color=BLUE, fmt="o")
        axes.plot(predicted, y - 0.15, "D", color=INK, markerfacecolor="white")
        axes.text((low + high) / 2, y + 0.16, f"K = {neurons}", ha="center", color="#444444")
        said.append(f"K = {neurons}: {low:.3f} to {high:.3f}, predicted {predicted:.3f}")
    axes.set(xlabel="probability of the optimal classifier", xlim=(0, 1), ylim=(0.5 - len(said), 0.6), yticks=[])
    axes.spines["left"].set_visible(False)
    return f"95% intervals. {'; '.join(said)}."


LAYERS = {
    "two layers, first": (f"{PAPER}/xor-first-layer[hessian-test]", f"{PAPER}/xor-first-layer[gradients-test]"),
    "three layers, first": (f"{PAPER}/xor-three-layers[hessian-first]", f"{PAPER}/xor-three-layers[gradients-first]"),
    "three layers, middle": (f"{PAPER}/xor-three-layers[hessian-middle]", f"{PAPER}/xor-three-layers[gradients-middle]"),
}


@figure(
    PAPER,
    "M",
    "Alignment of every neuron with its outlier space",
    caption="Networks on the XOR mixture: alignment of a neuron's parameters with the outlier space of its block of the Hessian on fresh "
    "data, as the share of live neurons (of all trajectories and seeds) that are aligned at most so well.",
    sources={name.replace(", ", "_").replace(" ", "_"): optional("alignment live", *claims) for name, claims in LAYERS.items()},
    about=[
        f"{PAPER}/{statement}"
        for statement in ("xor-first-layer", "xor-first-layer-outliers", "xor-first-layer-stays", "xor-three-layers")
    ],
)
def neurons(axes: Axes, **found: Data | None) -> str:
    said = []
    for (words, data), (color, line, _) in zip(zip(LAYERS, found.values(), strict=True), LINES, strict=False):
        if data is not None:
            values = np.sort(np.concatenate([run["alignment"][run["live"]] for run in data.runs]))
            axes.step(values, np.arange(1, len(values) + 1) / len(values), where="post", color=color, linestyle=line, label=words)
            low, middle = np.quantile(values, [0.05, 0.5])
            said.append(f"{words}: median {middle:.3f}, 5% of the neurons below {low:.3f}")
    axes.set(xlabel="alignment", ylabel="share of live neurons", ylim=(0, 1.02), xlim=(None, 1))
    axes.locator_params(axis="x", nbins=5)
    legend(axes)
    return f"{'; '.join(said)}."


def _interval(axes: Axes, value: float, y: float, interval: Any, *, color: str, fmt: str) -> None:
    error = [[value - interval[0]], [interval[1] - value]]
    axes.errorbar(value, y, xerr=error, color=color, fmt=fmt, markerfacecolor="white", capsize=4)


def _over_trajectories(axes: Axes, times: Array, values: Array, label: str, color: str, line: Any, marker: str) -> None:
    """Median and 5 % to 95 % of values of shape (times, trajectories)."""
    low, middle, high = np.quantile(values, [0.05, 0.5, 0.95], axis=1)
    axes.fill_between(times, low, high, color=color, alpha=0.12, linewidth=0)
    axes.plot(times, middle, color=color, linestyle=line, marker=marker, markersize=3, markerfacecolor="white", label=label)
