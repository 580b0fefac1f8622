"""Table 1 and Figure 12: the Hessian-gradient overlap of many trainings; and two figures that the paper does not have."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Data, Source, figure, optional, quoted, source
from harness.report.figures.style import GREY, INK, LINES, legend, one_scale, seeds

from .data import DATA, PAPER, SPREAD, STYLES, as_judged, nothing

FAMILY = f"{PAPER}/hessian-gradient-overlap"
# experiment: the table's row, and the claim on the paper's number, if there is a number
ROWS = {
    "softmax": ("softmax regression", "mnist,softmax"),
    "softplus": ("softplus", "mnist,softplus"),
    "slow": ("η = 0.01", "mnist,slow"),
    "batch-256": ("batch 256", "mnist,batch-256"),
    "random-labels": ("random labels", "mnist,random-labels"),
    "adam": ("Adam", ""),
    "convnet-random-labels": ("ConvNet, random labels", "cifar10,random-labels"),
    "convnet-adam": ("ConvNet, Adam", "cifar10,adam"),
    "regression": ("sine regression", "regression"),
}
KINDS = {**DATA, "sine": "sine"}
ALONG = ("slow", "batch-256", "softmax", "softplus", "random-labels", "adam")
LAST = 1000  # steps over which the table averages
BATCHES = ("16", "64", "256", "whole set")


def _source(data: str, row: str) -> Source:
    """Evidence of a row: the claim about its number if there is one, else the claim about its size."""
    numbered = [f"{FAMILY}[{ROWS[row][1]}]"] if data == "mnist" and ROWS[row][1] else []
    return optional("steps overlap", *numbered, f"{FAMILY}[{data},{row},large]")


@figure(
    PAPER,
    "Table 1",
    "Mean Hessian-gradient overlap",
    caption="g·Hg / (|g| |Hg|), mean over the last 1000 steps, with the 95 % interval of the mean over seeds. Diamonds: the "
    "paper's numbers (ConvNet rows: its CIFAR10 ones, beside a port to digits). Its row with dropout and batch-norm (0.93) is not run.",
    sources={
        **{f"{data}_{row}": _source(data, row) for row in ALONG for data in DATA},
        **{f"digits_{row}": _source("digits", row) for row in ("convnet-random-labels", "convnet-adam")},
        "sine_regression": optional("steps overlap", f"{FAMILY}[regression]"),
        **{f"paper_{row}": quoted(f"{FAMILY}[{claim}]") for row, (_, claim) in ROWS.items() if claim},
    },
    about=[f"{PAPER}/overlap-proxy", f"{PAPER}/random-in-top"],
)
def table(axes: Axes, **found: Data | None) -> str:
    said: list[str] = []
    for y, (row, (words, _)) in enumerate(ROWS.items()):
        ours, paper = [], found.get(f"paper_{row}")
        for kind, shift in (("mnist", -0.14), ("digits", 0.14), ("sine", 0.0)):
            data = found.get(f"{kind}_{row}")
            interval = data.record.measurements[0].interval if data is not None and data.record.measurements else None
            if interval is not None:
                _interval(axes, y + shift, interval, kind)
                ours.append(f"{interval[0]:.2f} to {interval[1]:.2f} on {KINDS[kind]}")
        number = None if paper is None else paper.published
        if number is not None:
            label = "" if "the paper" in axes.get_legend_handles_labels()[1] else "the paper"
            axes.plot(number, y, "D", color=INK, markerfacecolor="none", markersize=6, label=label)
        said.append(f"{words}: {' and '.join(ours) or 'not in this report'}, paper {number or 'without a number'}")
    axes.set_yticks(range(len(ROWS)), [words for words, _ in ROWS.values()])
    axes.set(xlabel="mean overlap", xlim=(min(0.0, axes.get_xlim()[0]), 1.03), ylim=(len(ROWS) - 0.5, -0.6))
    legend(axes)
    return "; ".join(said) + "."


def _interval(axes: Axes, y: float, interval: list[float], kind: str) -> None:
    color, _, marker = {**STYLES, "sine": LINES[2]}[kind]
    middle, half = sum(interval) / 2, (interval[1] - interval[0]) / 2
    label = "" if KINDS[kind] in axes.get_legend_handles_labels()[1] else KINDS[kind]
    axes.errorbar(middle, y, xerr=half, fmt=marker, color=color, markerfacecolor="white", capsize=2.5, label=label)


@figure(
    PAPER,
    "12",
    "The gradient along other trainings",
    caption="f_top, which the paper shows, at the steps whose eigenvectors were computed (dotted: 0.9), and the overlap that it uses as "
    f"a proxy for it (Eq. 3), over the last 1000 steps: {SPREAD}. Panels of one quantity have one scale. The paper's network under Adam "
    "is a ConvNet on CIFAR10; here it is the fully connected one. The claims judge the smaller of two means of f_top: up to step 600, and "
    "from step 1000 on.",
    sources={
        **{
            f"top_{data}_{row}": optional("steps f_top", f"{PAPER}/gradient-in-top[{data},{row},stays]")
            for data in DATA
            for row in ALONG
        },
        **{f"late_{data}_{row}": _source(data, row) for data in DATA for row in ALONG},
    },
    panels=4,
    about=[f"{PAPER}/overlap-proxy", f"{PAPER}/test-set-overlap"],
)
def along_training(axes: list[Axes], **found: Data | None) -> str:
    said = []
    for panel, (kind, name) in zip(axes, ((kind, name) for kind in ("top", "late") for name in DATA), strict=True):
        rows = {row: data for row in ALONG if (data := found[f"{kind}_{name}_{row}"]) is not None}
        for (row, data), (color, line, marker) in zip(rows.items(), LINES, strict=False):
            steps, values = data.stack("steps")[0], data.stack("f_top" if kind == "top" else "overlap")
            shown = steps > (0 if kind == "top" else steps[-1] - LAST)
            seeds(panel, steps[shown], values[:, shown], ROWS[row][0], color, line, marker if kind == "top" else "")
            ends = np.median(values[:, shown][:, [0, -1]], axis=0)
            what, beside = ("f_top", as_judged(data)) if kind == "top" else ("overlap", "")
            said.append(f"{DATA[name]}, {ROWS[row][0]}, {what}: {ends[0]:.2f}, {ends[1]:.2f}{beside}")
        if rows:
            panel.set(xlabel="step", ylabel=f"{DATA[name]}: {'f_top' if kind == 'top' else 'overlap'}", ylim=(None, 1.03))
            if kind == "top":
                panel.axhline(0.9, color=GREY, linestyle=":", linewidth=1)
            legend(panel)
        else:
            nothing(panel)
    for pair in (axes[:2], axes[2:]):
        one_scale([panel for panel in pair if panel.get_visible()])
    return f"At the first and the last of these steps: {'; '.join(said)}."


@figure(
    PAPER,
    "E",
    "Overlap against the batch size",
    caption=f"Hessian-gradient overlap, mean over every 20th of the steps 200 to 600: {SPREAD}. The training-Jacobian paper "
    "says that the effect disappears as the batch grows, this one that it does not.",
    sources={data: Source((f"{PAPER}/batch-size[{data},disappears]",), ("overlap by batch",), required=False) for data in DATA},
    about=[f"{PAPER}/batch-size"],
)
def by_batch(axes: Axes, **found: Data | None) -> str:
    said = []
    for name, data in found.items():
        if data is not None:
            middle = seeds(axes, np.arange(len(BATCHES)), data.stack("overlap by batch"), DATA[name], *STYLES[name])
            by_size = [f"{value:.2f} ({batch})" for value, batch in zip(middle, BATCHES, strict=True)]
            said.append(f"{DATA[name]} {', '.join(by_size)}")
    axes.set_xticks(range(len(BATCHES)), BATCHES)
    axes.set(xlabel="batch size", ylabel="overlap", ylim=(0, 1.03))
    legend(axes)
    return f"Median overlap: {'; '.join(said)}."


@figure(
    PAPER,
    "F",
    "Training confined to the top subspace, and to its complement",
    caption=f"Training loss on digits; from step 100 on each gradient is projected (Song, Ahn & Yun 2024): {SPREAD}.",
    sources={"digits": source("steps", *(f"{PAPER}/confined-training[digits,top-{tag}]" for tag in ("suffices", "plateaus")))},
)
def confined(axes: Axes, digits: Data) -> str:
    said, steps = [], digits.stack("steps")[0]
    for side, words, style in zip(("whole", "dominant", "complement"), ("SGD", "top ten", "complement"), LINES, strict=False):
        middle = seeds(axes, steps, digits.stack(f"loss, {side}"), words, *style)
        said.append(f"{words} {middle[-1]:.3g}")
    axes.axvline(100, color="#757575", linestyle=":", linewidth=1)
    axes.set(xlabel="step", ylabel="training loss, nats", ylim=(0, None))
    legend(axes)
    return f"Training loss at the last step: {', '.join(said)}."
