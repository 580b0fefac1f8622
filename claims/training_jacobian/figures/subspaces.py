"""Figures 4a, 4b and 5a: the null space of the parameter-function Jacobian, and the overlap of bulks."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Array, Data, figure, optional, quoted, source
from harness.report.figures.style import (
    BLUE,
    GREEN,
    GREY,
    INK,
    ORANGE,
    PURPLE,
    descending,
    judged,
    legend,
    published,
    seeds,
    span,
    thinned,
)

PAPER = "training-jacobian"
CURVE = "dimensions cosine baseline"
SEEDS, LABELS, LOSS = (f"{PAPER}/{name}" for name in ("bulk-seed-overlap", "bulk-label-overlap", "loss-independence[overlap]"))
ROUNDING = 1e-10  # a singular value this far below the largest is rounding of the Gram matrix


@figure(
    PAPER,
    "4a",
    "Singular values of the parameter-function Jacobian",
    caption="Jacobian of the log-probabilities on 600 images at initialisation, relative to its largest singular value: "
    "median over seeds, band from the lowest to the highest. Thin verticals: where the paper sees the drops. Dotted: 10⁻⁵, below which a direction counts as null here. Values below 10⁻¹⁰ are drawn there: they are "
    "rounding.",
    sources={
        "digits": source("sigma", f"{PAPER}/pfj-nullspace[digits]", f"{PAPER}/pfj-overlap[digits]"),
        "noise": optional("sigma", f"{PAPER}/pfj-nullspace[white-noise]", f"{PAPER}/pfj-overlap[white-noise]"),
    },
)
def function_spectrum(axes: Axes, digits: Data, noise: Data | None) -> str:
    null = [_null_space(axes, digits, "digits", BLUE, "-")]
    if noise is not None:
        null.append(_null_space(axes, noise, "white noise", ORANGE, "-."))
    axes.axhline(1e-5, color=GREY, linestyle=":", linewidth=1)
    descending(axes, "singular value / largest", ROUNDING / 2, 2)
    return f"{' and '.join(null)} have less than 10⁻⁵ of the largest singular value."


def _null_space(axes: Axes, data: Data, name: str, color: str, line: str) -> str:
    sigma = data.stack("sigma") / data.stack("sigma")[:, :1]
    keep = thinned(sigma.shape[1])
    seeds(axes, keep + 1, np.maximum(sigma, ROUNDING)[:, keep], name, color, line)
    number = published(data)
    if number is not None:
        axes.axvline(sigma.shape[1] - number, color=color, linestyle=line, linewidth=0.8)
    paper = "" if number is None else f" (the paper: {number:g})"
    return f"{span((sigma < 1e-5).sum(1), '.0f')} directions on {name}{paper}"


@figure(
    PAPER,
    "4b",
    "Null space of the parameter-function Jacobian and the bulk",
    caption="Mean cosine of the principal angles between its k smallest right singular directions and the bulk at k: median over "
    "seeds, band from the lowest to the highest. Dotted: random subspaces. Vertical: the k at which the claims judge. Directions that "
    "training carries exactly are in every null space and in every bulk, and raise both curves at small k.",
    sources={
        "digits": source(CURVE, f"{PAPER}/pfj-overlap[digits]"),
        "noise": optional(CURVE, f"{PAPER}/pfj-overlap[white-noise]"),
        "digits_alone": quoted(f"{PAPER}/pfj-overlap[digits,nontrivial]"),
        "noise_alone": quoted(f"{PAPER}/pfj-overlap[white-noise,nontrivial]"),
    },
)
def function_overlap(axes: Axes, digits: Data, noise: Data | None, digits_alone: Data | None, noise_alone: Data | None) -> str:
    k, words = digits.stack("dimensions")[0], []
    for data, alone, name, *how in (
        (digits, digits_alone, "digits", BLUE, "-", "o"),
        (noise, noise_alone, "white noise", ORANGE, "--", "s"),
    ):
        if data is not None:
            _overlap(axes, data, k, name, *how)
            free = f" ({judged(alone, '.2f')} without the directions carried exactly)" if judged(alone) else ""
            words.append(f"{name} {judged(data, '.2f')}{free}")
    _baseline(axes, digits, k)
    at = re.search(r"k = (\d+)", digits.record.measurements[0].counted) if digits.record.measurements else None
    if at:
        axes.axvline(float(at[1]), color=GREY, linewidth=0.8)
    axes.set(xlabel="k", ylabel="mean cosine", ylim=(0, 1.03), xlim=(0, None))
    legend(axes)
    return f"Mean cosine above that of random subspaces{f' at k = {at[1]}' if at else ''}: {', '.join(words)}."


@figure(
    PAPER,
    "5a",
    "Overlap of the bulks of different trainings",
    caption="Mean cosine of the principal angles between two bulks at k, against k as a share of the dimensions: median over "
    "pairs or seeds, band from the lowest to the highest. Dotted: random subspaces. “Nontrivial” leaves out the directions that "
    "training carries exactly, which all bulks share for trivial reasons: they are why the other curves rise at small k. Squared error "
    "is not in the paper's figure.",
    sources={
        "pairs": source(f"{CURVE} size", f"{SEEDS}[all]", anywhere=SEEDS),
        "nontrivial": optional(f"{CURVE} size", f"{SEEDS}[nontrivial]"),
        "labels": optional(f"{CURVE} size", f"{LABELS}[all]", anywhere=LABELS),
        "loss": optional(f"{CURVE} size", LOSS, anywhere=LOSS),
    },
)
def bulk_overlap(axes: Axes, pairs: Data, nontrivial: Data | None, labels: Data | None, loss: Data | None) -> str:
    kinds = (
        (pairs, "other seed", BLUE, "-", "o"),
        (nontrivial, "other seed, nontrivial", PURPLE, (0, (4, 1, 1, 1)), "D"),
        (labels, "shuffled labels", GREEN, "--", "s"),
        (loss, "squared error", ORANGE, "-.", "^"),
    )
    shown = [(data, label, how) for data, label, *how in kinds if data is not None]
    for data, label, how in shown:
        _overlap(axes, data, _share(data), label, *how)
    _baseline(axes, pairs, _share(pairs))
    axes.set(xlabel="k / number of dimensions", ylabel="mean cosine", ylim=(0, 1.03), xlim=(0, 1))
    legend(axes)
    least = ", ".join(f"{label} {judged(data, '.2f')}" for data, label, _ in shown if judged(data))
    return f"Mean cosine above that of random subspaces, where it is least from k = 10% to 80% of the dimensions: {least}."


def _share(data: Data) -> Array:
    share: Array = data.stack("dimensions")[0] / data.stack("size")[0]
    return share


def _overlap(axes: Axes, data: Data, x: Array, label: str, color: str, line: Any, marker: str) -> None:
    seeds(axes, x, data.stack("cosine"), label, color, line, marker)


def _baseline(axes: Axes, data: Data, x: Array) -> None:
    axes.plot(x, data.stack("baseline")[0], ":", color=INK, linewidth=1.2, label="random")
