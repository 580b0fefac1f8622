"""Figures 6a and 6b: training confined to the bulk, to its complement, and to chaotic, stable and random directions."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Array, Data, figure, quoted, source
from harness.report.figures.style import BLUE, GREEN, GREY, INK, ORANGE, PURPLE, judged, legend, log_axis, published, seeds

PAPER = "training-jacobian"
FAILS, WORKS = f"{PAPER}/bulk-training-fails", f"{PAPER}/active-training-works"
CURVES = "dimensions bulk complement chaotic stable random unrestricted"
HELD = source(
    CURVES,
    f"{FAILS}[complement-38]",
    f"{FAILS}[bulk]",
    f"{FAILS}[no-progress,share]",
    f"{WORKS}[text,stable]",
    anywhere=f"{FAILS}[no-progress]",
)
SAID = {
    f"{where}_{region}": quoted(f"{WORKS}[{where},{region}]") for where in ("text", "figure") for region in ("chaotic", "stable")
} | {f"caption_{region}": quoted(f"{WORKS}[at-{k},{region}]") for region, k in (("chaotic", 750), ("stable", 1000))}
READ = (
    "Test loss after training in θ₀ + the span of k directions: median over seeds, band from the lowest to the highest. "
    "Dashed: unrestricted; dotted: 1.25 times that, where training counts as working. Random subspaces (Li et al. 2018) "
    "are not in the paper. Figures 6a and 6b have one scale; losses below 0.45 times the unrestricted one are not shown."
)
STYLES: dict[str, tuple[str, Any, str]] = {
    "bulk": (BLUE, "-", "o"),
    "complement": (ORANGE, "-.", "s"),
    "chaotic": (ORANGE, "-", "^"),
    "stable": (GREEN, "-.", "D"),
    "random": (PURPLE, (0, (1.5, 1)), "v"),
}


@figure(
    PAPER,
    "6a",
    "Training confined to the bulk, and to its complement",
    caption=f"{READ} Verticals: the k from which the bulk works according to the paper, and the size of its bulk's complement.",
    sources={
        "held": HELD,
        "bulk": quoted(f"{FAILS}[bulk]"),
        "complement": quoted(f"{FAILS}[complement-38]"),
        "progress": quoted(f"{FAILS}[no-progress,share]"),
    },
    about=[FAILS],
)
def bulk_and_complement(axes: Axes, held: Data, bulk: Data | None, complement: Data | None, progress: Data | None) -> str:
    found = [_confined(axes, held, ("bulk", "complement", "random"))]
    works = published(bulk)
    for k, region in ((works, "bulk"), (_size(complement), "complement")):
        if k is not None:
            axes.axvline(k, color=STYLES[region][0], linestyle=STYLES[region][1], linewidth=0.8)
    if judged(bulk):
        paper = "" if works is None else f" (the paper: about {works:.0f})"
        found.append(f"Interpolated, by seed: bulk from k = {judged(bulk, '.0f')} on{paper}.")
    if judged(complement):
        at = "" if _size(complement) is None else f" at k = {_size(complement):.0f}"
        found.append(f"The complement{at} ends at {judged(complement, '.2f')} of the unrestricted loss.")
    if judged(progress):
        found.append(f"A bulk of the paper's size gives {judged(progress, '.0%')} of the fall in test loss.")
    return " ".join(found)


@figure(
    PAPER,
    "6b",
    "Training confined to the chaotic and to the stable directions",
    caption=f"{READ} Letters at the foot, chaotic below stable: from where on it works according to the paper's text (T) "
    "and published curves (F), and the sizes at which the caption says that it works (C).",
    sources={"held": HELD, **SAID},
    about=[WORKS],
)
def chaotic_and_stable(axes: Axes, held: Data, **said: Data | None) -> str:
    found, words = _confined(axes, held, ("chaotic", "stable", "random")), []
    for name, data in said.items():
        where, region = name.split("_")
        k = _size(data) if where == "caption" else published(data)
        if k is not None:
            y, text = 0.02 if region == "chaotic" else 0.09, where[0].upper()
            axes.text(k, y, text, ha="center", color=STYLES[region][0], transform=axes.get_xaxis_transform())
            words.append(f"{region} {'at' if where == 'caption' else 'from'} {k:.0f} ({where})")
    first = {region: judged(said.get(f"text_{region}"), ".0f") for region in ("chaotic", "stable")}
    ours = [f"{region} from {number}" for region, number in first.items() if number]
    found += f" Interpolated, by seed: {', '.join(ours)}." if ours else ""
    return f"{found} The paper: {', '.join(words)}." if words else found


def _size(data: Data | None) -> float | None:
    """The k at which a claim about one size was judged."""
    counted = data.record.measurements[0].counted if data is not None and data.record.measurements else ""
    at = re.search(r"at k = (\d+)", counted)
    return float(at[1]) if at else None


def _confined(axes: Axes, held: Data, regions: tuple[str, ...]) -> str:
    dimensions = held.stack("dimensions")[0]
    free = float(np.median(held.stack("unrestricted")))
    curves = {region: seeds(axes, dimensions, held.stack(region), region, *STYLES[region]) for region in regions}
    axes.axhline(free, color=INK, linestyle="--", linewidth=0.9)
    axes.axhline(1.25 * free, color=GREY, linestyle=":", linewidth=1)
    axes.set(xlabel="k, dimensions of the subspace", ylabel="test loss, nats", xscale="log", yscale="log")
    everything = np.concatenate([held.stack(region).ravel() for region in STYLES])
    axes.set_ylim(0.45 * free, 1.3 * np.max(everything[np.isfinite(everything)], initial=free))
    log_axis(axes.xaxis)
    log_axis(axes.yaxis)
    legend(axes)
    found = [_works(region, dimensions, losses, free) for region, losses in curves.items()]
    return f"Unrestricted test loss {free:.3g} nats. Of the dimensions tried, {', '.join(found)}."


def _works(region: str, dimensions: Array, losses: Array, free: float) -> str:
    """The dimension from which on the loss stays within 1.25 of the unrestricted loss."""
    above = np.flatnonzero(~(losses <= 1.25 * free))
    first = above[-1] + 1 if above.size else 0
    return f"{region} never works" if first == len(dimensions) else f"{region} works from k = {dimensions[first]:.0f} on"
