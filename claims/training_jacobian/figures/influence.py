"""Figures 3a to 3d: effect of each singular direction on predictions, and how far training moves along it."""

from __future__ import annotations

from collections.abc import Mapping

from matplotlib.axes import Axes

from harness.report.figures.registry import Data, Source, figure, quoted, source
from harness.report.figures.style import decade_below, each_direction, judged

PAPER = "training-jacobian"
EACH = (
    "Points: every direction of every seed; lines: each seed's running median, interrupted where it is nothing but rounding, "
    "along directions that training carries exactly. Shaded: |σ − 1| < 0.1."
)
EFFECT = (
    f"KL divergence after a unit step along uᵢ (Eq. 2: mean over inputs, and here over both signs). {EACH} Figures 3a, 3b and 3d have "
    "one scale; it ends at 10⁻⁸."
)
KL = (1e-8, 10.0)  # nats: the same axis in the three figures, for comparison
TEST, OOD, MOVES = (f"{PAPER}/{name}" for name in ("invisible-in-distribution", "visible-far-ood", "bulk-barely-moves"))
LARGER = f"{OOD}[larger-than-in-distribution,noise]"


def _influence(family: str, *readings: str, anywhere: str = "") -> Source:
    return source("kl sigma", *(f"{PAPER}/{family}[{reading}]" for reading in readings), anywhere=anywhere)


def _against(statement: str, readings: str = "{}", anywhere: str = "") -> dict[str, Source]:
    """The values that the claims judge: the bulk's median over that of the chaotic, and of the stable directions."""
    return {
        region: quoted(f"{statement}[{readings.format(region)}]", anywhere=anywhere and f"{statement}[{anywhere.format(region)}]")
        for region in ("chaotic", "stable")
    }


@figure(
    PAPER,
    "3a",
    "Effect on the test set",
    caption=EFFECT,
    about=[f"{PAPER}/notable-in-distribution"],
    sources={
        "test": _influence("invisible-in-distribution", "eq-2,stable", "eq-2,chaotic", anywhere=f"{TEST}[stable]"),
        **_against(TEST, "eq-2,{}", "{}"),
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
        "noise": _influence("visible-far-ood", "noise,uniform,stable", "larger-than-in-distribution,noise", anywhere=LARGER),
        **_against(OOD, "noise,uniform,{}", "noise,{}"),
        "test": quoted(LARGER, anywhere=LARGER),
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
        "moves": source("moved sigma", f"{MOVES}[stable]", f"{MOVES}[chaotic]", anywhere=f"{MOVES}[stable]"),
        **_against(MOVES, anywhere="{}"),
    },
    about=[f"{PAPER}/stays-close"],
)
def displacement(axes: Axes, moves: Data, **ratios: Data | None) -> str:
    values = moves.stack("moved")
    return _by_direction(axes, moves, "moved", "displacement along vᵢ", decade_below(values), ratios)


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
    words = _by_direction(axes, data, "kl", "KL divergence, nats", KL[0], ratios)
    axes.set_ylim(top=max(KL[1], axes.get_ylim()[1]))
    return f"{words} The bulk's median is {judged(test)} times that on the test set." if judged(test) else words


def _by_direction(axes: Axes, data: Data, name: str, label: str, bottom: float, ratios: Mapping[str, Data | None]) -> str:
    """One value a direction, log scale; the few values that are zero up to rounding lie below the axis."""
    values = data.stack(name)
    each_direction(axes, values, data.stack("sigma"), label, bottom)
    found = [f"{judged(ratio)} of that over the {region} directions" for region, ratio in ratios.items() if judged(ratio)]
    share = f"{(values < bottom).mean():.0%} of the points lie below the axis."
    return f"Median over the bulk, by seed: {', '.join(found)}. {share}" if found else share
