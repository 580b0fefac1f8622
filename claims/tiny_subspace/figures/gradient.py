"""Figures 1 and 11: how much of the gradient lies in the top Hessian subspace, and how it is spread over the eigenvectors."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Data, figure, quoted
from harness.report.figures.style import INK, LINES, legend, log_axis, one_scale, published, seeds, span, whole_numbers

from .data import DATA, PAPER, SPREAD, STYLES, UNEVEN, K, as_judged, from_step_0, nothing, on_both


@figure(
    PAPER,
    "1",
    "Fraction of the gradient in the top subspace",
    caption=f"f_top = |P g|² / |g|² along training, P the projection on the top ten Hessian eigenvectors: {SPREAD}. A random "
    f"gradient would have 10 / N. {UNEVEN} The paper's figure shows training loss and accuracy as well.",
    sources=on_both("steps f_top", "gradient-in-top", "training", "start"),
)
def in_top(axes: Axes, **found: Data | None) -> str:
    said, last = [], 0.0
    for name, data in found.items():
        if data is not None:
            steps, f_top = data.stack("steps")[0], data.stack("f_top")
            seeds(axes, steps, f_top, DATA[name], *STYLES[name])
            last = max(last, float(steps[-1]))
            ends = f"{span(f_top[:, 0], '.2f')} at step 0, {span(f_top[:, -1], '.2f')} at step {steps[-1]:.0f}"
            said.append(f"{DATA[name]} {ends}{as_judged(data)}")
    from_step_0(axes, last)
    axes.set(ylabel="f_top", ylim=(0, 1.03))
    legend(axes)
    return f"Fraction of the gradient: {'; '.join(said)}."


# sums of shares that the paper gives: the claim that judges each, and its meaning
SUMS = {
    "top-twenty-at-start": "first 20, step 0",
    "top-twenty": "first 20, step 50",
    "top-ten": "first 10, step 50",
    "next-ten": "next 10, step 50",
}


@figure(
    PAPER,
    "11",
    "The gradient over the Hessian's eigenvectors",
    caption="Panels of cᵢ²: the share of the gradient's squared norm along the i-th eigenvector, at the paper's four steps: "
    "median over seeds; dotted: the number of classes; shares below 10⁻⁵ are not shown; all have one scale. Panel of sums: those "
    "that the paper gives (diamonds), and ours on MNIST with the 95 % interval of their mean over seeds.",
    sources={
        **on_both("steps shares", "gradient-in-top", "training", "start"),
        **{tag: quoted(f"{PAPER}/gradient-in-top[mnist,{tag}]") for tag in SUMS},
    },
    panels=3,
)
def over_eigenvectors(axes: list[Axes], **found: Data | None) -> str:
    said, shown = [], []
    for panel, name in zip(axes, DATA, strict=False):
        data = found[name]
        if data is None:
            nothing(panel)
            continue
        steps, shares = data.stack("steps")[0], data.stack("shares")
        for step, (color, line, marker) in zip((0, 50, 100, 200), LINES, strict=False):
            nearest = np.argmin(np.abs(steps - step))
            row, label = np.median(shares[:, nearest], axis=0), f"step {steps[nearest]:.0f}"
            look = {"color": color, "linestyle": line, "marker": marker, "markerfacecolor": "white", "linewidth": 0.9}
            panel.plot(np.arange(1, len(row) + 1), row, label=label, **look)
            first, following = (np.median(shares[:, nearest, part].sum(axis=1)) for part in (slice(K), slice(K, 2 * K)))
            said.append(f"{DATA[name]}, {label}: {first:.2f} and {following:.2f}")
        panel.axvline(K + 0.5, color="#757575", linestyle=":", linewidth=1)
        whole_numbers(panel.xaxis)
        panel.set(xlabel="i", ylabel=f"{DATA[name]}: cᵢ²", yscale="log")
        panel.set_ylim(bottom=1e-5)
        log_axis(panel.yaxis)
        legend(panel)
        shown.append(panel)
    one_scale(shown)
    words = _sums(axes[-1], {SUMS[tag]: found[tag] for tag in SUMS})
    return f"Sums of the first ten and of the next ten, median over seeds. {'; '.join(said)}.{words}"


def _sums(axes: Axes, sums: dict[str, Data | None]) -> str:
    """The paper's sums beside ours; nothing if none was judged."""
    judged = {words: (data, at) for words, data in sums.items() if data is not None and (at := published(data)) is not None}
    if not judged:
        nothing(axes)
        return ""
    said: list[str] = []
    color, _, marker = STYLES["mnist"]
    for y, (words, (data, paper)) in enumerate(judged.items()):
        low, high = data.record.measurements[0].interval or (np.nan, np.nan)
        half, label = (high - low) / 2, "" if said else DATA["mnist"]
        axes.errorbar((low + high) / 2, y, xerr=half, fmt=marker, color=color, markerfacecolor="white", capsize=2.5, label=label)
        axes.plot(paper, y, "D", color=INK, markerfacecolor="none", label="" if said else "the paper")
        said.append(f"{words}: {span(data.judged, '.2f')} (the paper: {paper:g})")
    axes.set_yticks(range(len(judged)), list(judged))
    axes.set(xlabel="sum of cᵢ²", xlim=(-0.03, 1.03), ylim=(len(judged) - 0.5, -0.5))
    legend(axes)
    return f" Sums that the paper gives, on MNIST. {'; '.join(said)}."
