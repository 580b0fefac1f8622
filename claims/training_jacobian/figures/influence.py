"""Figures 3a to 3d: what each singular direction does to predictions, and how far training moves along it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from harness.report.figures.registry import Data, Source, figure, quoted, source
from harness.report.figures.style import cloud, judged, legend, log_axis, shade

PAPER = "training-jacobian"
EACH = (
    "Points: every direction of every seed; lines: each seed's running median, interrupted where it is nothing but rounding, "
    "along directions that training carries exactly. Shaded: |σ − 1| < 0.1."
)
EFFECT = (
    f"KL divergence after a unit step along uᵢ (Eq. 2: mean over inputs, and here over both signs). {EACH} Figures 3a, 3b and 3d have "
    "one scale; it ends at 10⁻⁸."
)
KL = (1e-8, 10.0)  # nats: what the three figures show, so that they can be compared
OOD = f"{PAPER}/visible-far-ood"


def _influence(family: str, *readings: str) -> Source:
    return source("kl sigma", *(f"{PAPER}/{family}[{reading}]" for reading in readings))


def _against(statement: str, readings: str = "{}") -> dict[str, Source]:
    """What the claims judge: the bulk's median over that of the chaotic, and of the stable directions."""
    return {region: quoted(f"{statement}[{readings.format(region)}]") for region in ("chaotic", "stable")}


@figure(
    PAPER,
    "3a",
    "Effect on test images",
    caption=EFFECT,
    sources={
        "test": _influence("invisible-in-distribution", "eq-2,stable", "eq-2,chaotic"),
        **_against(f"{PAPER}/invisible-in-distribution", "eq-2,{}"),
    },
)
def on_test_images(axes: Axes, test: Data, **ratios: Data | None) -> str:
    return _effect(axes, test, ratios)


@figure(
    PAPER,
    "3b",
    "Effect on white noise",
    caption=EFFECT,
    sources={
        "noise": _influence("visible-far-ood", "noise,uniform,stable", "larger-than-in-distribution,noise"),
        **_against(OOD, "noise,uniform,{}"),
        "test": quoted(f"{OOD}[larger-than-in-distribution,noise]"),
    },
)
def on_white_noise(axes: Axes, noise: Data, test: Data | None, **ratios: Data | None) -> str:
    return _effect(axes, noise, ratios, test)


@figure(
    PAPER,
    "3c",
    "How far training moves along each direction",
    caption=f"|vᵢ · (θ_T − θ₀)|. {EACH}",
    sources={
        "moves": source("moved sigma", f"{PAPER}/bulk-barely-moves[stable]", f"{PAPER}/bulk-barely-moves[chaotic]"),
        **_against(f"{PAPER}/bulk-barely-moves"),
    },
    about=[f"{PAPER}/stays-close"],
)
def displacement(axes: Axes, moves: Data, **ratios: Data | None) -> str:
    values = moves.stack("moved")
    floor = 10.0 ** np.floor(np.log10(np.nanquantile(values[values > 0], 0.1)) - 1)
    return _by_direction(axes, moves, "moved", "displacement along vᵢ", (floor, 2 * np.nanmax(values)), ratios)


@figure(
    PAPER,
    "3d",
    "Effect on inverted images",
    caption=EFFECT,
    sources={
        "inverted": _influence("visible-far-ood", "inverted,stable", "larger-than-in-distribution"),
        **_against(OOD, "inverted,{}"),
        "test": quoted(f"{OOD}[larger-than-in-distribution]"),
    },
)
def on_inverted_images(axes: Axes, inverted: Data, test: Data | None, **ratios: Data | None) -> str:
    return _effect(axes, inverted, ratios, test)


def _effect(axes: Axes, data: Data, ratios: Mapping[str, Data | None], test: Data | None = None) -> str:
    limits = KL[0], max(KL[1], 2 * np.nanmax(data.stack("kl")))
    words = _by_direction(axes, data, "kl", "KL divergence, nats", limits, ratios)
    return f"{words} The bulk's median is {judged(test)} times that on test images." if judged(test) else words


def _by_direction(
    axes: Axes, data: Data, name: str, label: str, limits: tuple[float, float], ratios: Mapping[str, Data | None]
) -> str:
    """One value a direction, log scale; the few that are zero up to rounding are left below the axis."""
    values, sigma = data.stack(name), data.stack("sigma")
    cloud(axes, values, limits[0])
    axes.set(xlabel="index i, largest σ first", ylabel=label, yscale="log", xlim=(0, None))
    axes.set_ylim(*limits)
    log_axis(axes.yaxis)
    shade(axes, sigma)
    legend(axes)
    found = [f"{judged(ratio)} of that over the {region} directions" for region, ratio in ratios.items() if judged(ratio)]
    share = f"{(values < limits[0]).mean():.0%} of the points lie below the axis."
    return f"Median over the bulk, by seed: {', '.join(found)}. {share}" if found else share
