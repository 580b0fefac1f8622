"""Figures 3a to 3d: what each singular direction does to predictions, and how far training moves along it."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Array, Data, Source, figure, source
from harness.report.figures.style import cloud, legend, log_axis, shade, span

PAPER = "training-jacobian"
EACH = (
    "Points: every direction of every seed; lines: each seed's running median, interrupted where it is nothing but rounding, "
    "along directions that training carries exactly. Shaded: |σ − 1| < 0.1."
)
EFFECT = f"KL divergence after a unit step along uᵢ (Eq. 2: mean over inputs, and here over both signs). {EACH}"


def _influence(family: str, *readings: str) -> Source:
    return source("kl sigma", *(f"{PAPER}/{family}[{reading}]" for reading in readings))


@figure(
    PAPER,
    "3a",
    "Effect on test images",
    caption=EFFECT,
    sources={"test": _influence("invisible-in-distribution", "eq-2,stable", "eq-2,chaotic")},
)
def on_test_images(axes: Axes, test: Data) -> str:
    return _by_direction(axes, test, "kl", "KL divergence, nats")


@figure(
    PAPER,
    "3b",
    "Effect on white noise",
    caption=EFFECT,
    sources={"noise": _influence("visible-far-ood", "noise,uniform,stable", "larger-than-in-distribution,noise")},
)
def on_white_noise(axes: Axes, noise: Data) -> str:
    return _by_direction(axes, noise, "kl", "KL divergence, nats")


@figure(
    PAPER,
    "3c",
    "How far training moves along each direction",
    caption=f"|vᵢ · (θ_T − θ₀)|. {EACH}",
    sources={"moves": source("moved sigma", f"{PAPER}/bulk-barely-moves[stable]", f"{PAPER}/bulk-barely-moves[chaotic]")},
)
def displacement(axes: Axes, moves: Data) -> str:
    return _by_direction(axes, moves, "moved", "displacement along vᵢ")


@figure(
    PAPER,
    "3d",
    "Effect on inverted images",
    caption=EFFECT,
    sources={"inverted": _influence("visible-far-ood", "inverted,stable", "larger-than-in-distribution")},
)
def on_inverted_images(axes: Axes, inverted: Data) -> str:
    return _by_direction(axes, inverted, "kl", "KL divergence, nats")


def _by_direction(axes: Axes, data: Data, name: str, label: str) -> str:
    """One value a direction, log scale; the few that are zero up to rounding are left below the axis."""
    values, sigma = data.stack(name), data.stack("sigma")
    floor = 10.0 ** np.floor(np.log10(np.nanquantile(values[values > 0], 0.1)) - 1)
    cloud(axes, values, floor)
    axes.set(xlabel="index i, largest σ first", ylabel=label, yscale="log", xlim=(0, None))
    axes.set_ylim(floor, 2 * np.nanmax(values))
    log_axis(axes.yaxis)
    shade(axes, sigma)
    legend(axes)
    bulk, others = (_medians(values, mask) for mask in (np.abs(sigma - 1) < 0.1, np.abs(sigma - 1) >= 0.1))
    return (
        f"Median over the bulk {span(bulk)}, over the other directions {span(others)}: a ratio of {span(bulk / others)} by seed. "
        f"{(values < floor).mean():.0%} of the points lie below the axis."
    )


def _medians(values: Array, masks: Array) -> Array:
    return np.array([np.nanmedian(row[mask]) if mask.any() else np.nan for row, mask in zip(values, masks, strict=True)])
