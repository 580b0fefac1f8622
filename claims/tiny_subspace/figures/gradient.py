"""Figures 1 and 11: how much of the gradient lies in the top Hessian subspace, and how it is spread over the eigenvectors."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Data, figure
from harness.report.figures.style import LINES, legend, log_axis, seeds, span, whole_numbers

from .data import DATA, PAPER, SPREAD, STYLES, K, from_step_0, nothing, on_both


@figure(
    PAPER,
    "1",
    "Fraction of the gradient in the top subspace",
    caption=f"f_top = |P g|² / |g|² along training, P the projection on the top ten Hessian eigenvectors: {SPREAD}. A random "
    "gradient would have 10 / N.",
    sources=on_both("steps f_top", "gradient-in-top", "training", "start"),
)
def in_top(axes: Axes, **found: Data | None) -> str:
    said, last = [], 0.0
    for name, data in found.items():
        if data is not None:
            steps, f_top = data.stack("steps")[0], data.stack("f_top")
            seeds(axes, steps, f_top, DATA[name], *STYLES[name])
            last = max(last, float(steps[-1]))
            said.append(f"{DATA[name]} {span(f_top[:, 0], '.2f')} at step 0, {span(f_top[:, -1], '.2f')} at step {steps[-1]:.0f}")
    from_step_0(axes, last)
    axes.set(ylabel="f_top", ylim=(0, 1.03))
    legend(axes)
    return f"Fraction of the gradient: {'; '.join(said)}."


@figure(
    PAPER,
    "11",
    "The gradient over the Hessian's eigenvectors",
    caption="cᵢ², the share of the gradient's squared norm along the i-th eigenvector, at some of the measured steps: median "
    "over seeds. Dotted: the number of classes.",
    sources=on_both("steps shares", "gradient-in-top", "training", "start"),
    panels=2,
)
def over_eigenvectors(axes: list[Axes], **found: Data | None) -> str:
    said = []
    for panel, (name, data) in zip(axes, found.items(), strict=True):
        if data is None:
            nothing(panel)
            continue
        steps, shares = data.stack("steps")[0], np.median(data.stack("shares"), axis=0)
        for step, (color, line, marker) in zip((0, 50, 200, steps[-1]), LINES, strict=False):
            nearest = np.argmin(np.abs(steps - step))
            row, label = shares[nearest], f"step {steps[nearest]:.0f}"
            look = {"color": color, "linestyle": line, "marker": marker, "markerfacecolor": "white", "linewidth": 0.9}
            panel.plot(np.arange(1, len(row) + 1), row, label=label, **look)
            said.append(f"{DATA[name]}, {label}: {row[:K].sum():.2f} and {row[K : 2 * K].sum():.2f}")
        panel.axvline(K + 0.5, color="#757575", linestyle=":", linewidth=1)
        whole_numbers(panel.xaxis)
        panel.set(xlabel="i", ylabel=f"{DATA[name]}: cᵢ²", yscale="log")
        panel.set_ylim(bottom=1e-5)
        log_axis(panel.yaxis)
        legend(panel)
    return f"Sums of the first ten and of the next ten. {'; '.join(said)}."
