"""What is asked of all variants; every region was written down before the first sweep.

``near`` is the share of free directions within 0.1 of one, ``near_all`` that of all directions; both are explained in the pages.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy.stats import spearmanr

from harness.report.atlas.table import Question, Rows, World
from harness.suite.verdict import at_least, at_most, within

from .variants import (
    ACTS,
    BATCHES,
    CROSSED,
    DIGITS_RANKS,
    EQUAL_STEPS,
    NEIGHBOURS,
    NOISES,
    OPTIMISERS,
    RANKS,
    SCALES,
    STEP_SIZES,
    TIMES,
    WIDTH,
    WIDTHS,
)

PIXELS = 64
THERE = at_least(0.05, reason="one direction in twenty, as the claim bulk-exists[more-than-on-noise] asks; our reading")
SAME = at_most(0.05, reason="less than the least difference from noise that counts as a bulk")
LITTLE = at_most(0.1, reason="a tenth of all directions, twice the least bulk: a choice that changes more than that matters")


def _excess(names: Sequence[str], rows: Rows) -> float:
    """The smallest excess of the bulk's share over that on white noise."""
    return min(rows.fact(name, "near") - rows.fact(name, "near_noise") for name in names)


def _range(names: Sequence[str], rows: Rows, fact: str = "near") -> float:
    found = [rows.fact(name, fact) for name in names]
    return max(found) - min(found)


def _apart(name: str, rows: Rows, fact: str = "near_all") -> float:
    return abs(rows.fact(name, fact) - rows.fact("base", fact))


def _slope(names: Sequence[str], x: Sequence[float], rows: Rows, fact: str = "near_all") -> float:
    """Least-squares slope of a fact on numbers that belong to the places, not to the rows."""
    return float(np.polyfit(x, [rows.fact(name, fact) for name in names], 1)[0])


def _noise_in_place(*names: str, noise: str = "white-noise") -> World:
    return World("white noise in the data's place", lambda rows: rows.swapped(names, noise))


def _reversed(names: Sequence[str], what: str) -> World:
    return World(f"{what} in the opposite order", lambda rows: rows.reversed(names))


def questions(width: int = WIDTH) -> tuple[Question, ...]:
    """All questions, for the table of that width."""
    return (*_what_it_is(), *_rank(width), *_choices(), *_survives(), *_time(), *_directions())


def _what_it_is() -> list[Question]:
    shifts, white = ("apart", "borderless-apart"), ("borderless-whitened-apart",)
    return [
        Question(
            "beyond-blank-pixels-and-shifts",
            "Is the bulk more than blank pixels and logit shifts?",
            "without border pixels and with shifts of all logits apart there is still a larger bulk than on white noise",
            "near, less near_noise, the smaller of apart and borderless-apart",
            THERE,
            partial(_excess, shifts),
            _noise_in_place(*shifts, noise="white-noise-apart"),
        ),
        Question(
            "beyond-covariance",
            "Is there a bulk when the inputs are whitened as well?",
            "whitened, without border and shifts, there is still a larger bulk than on white noise",
            "near, less near_noise, of borderless-whitened-apart",
            THERE,
            partial(_excess, white),
            _noise_in_place(*white, noise="white-noise-apart"),
        ),
        Question(
            "rotation",
            "Does a random rotation of the input space change the bulk?",
            "it does not",
            "absolute difference of near_all between rotated and base",
            SAME,
            partial(_apart, "rotated"),
            _noise_in_place("rotated"),
        ),
        Question(
            "pixel-permutation",
            "Does one permutation of the pixels change the bulk?",
            "it does not",
            "absolute difference of near_all between pixels-shuffled and base",
            SAME,
            partial(_apart, "pixels-shuffled"),
            _noise_in_place("pixels-shuffled"),
        ),
        Question(
            "own-permutations",
            "Does a permutation of its own for each image take from the bulk?",
            "it does",
            "near_all of base, less near_all of pixels-shuffled-each",
            THERE,
            lambda rows: rows.fact("base", "near_all") - rows.fact("pixels-shuffled-each", "near_all"),
            World("one permutation for all images", lambda rows: rows.swapped(["pixels-shuffled-each"], "pixels-shuffled")),
        ),
        Question(
            "second-moments",
            "Do mean and covariance of the inputs make the bulk?",
            "normal inputs with the digits' mean and covariance have as large a bulk",
            "absolute difference of near_all between gaussian and base",
            LITTLE,
            partial(_apart, "gaussian"),
            _noise_in_place("gaussian"),
        ),
    ]


def _rank(width: int) -> list[Question]:
    noise, digits = ([f"{kind}-rank-{rank}" for rank in ranks] for kind, ranks in (("noise", RANKS), ("digits", DIGITS_RANKS)))
    falls = at_most(-0.5, reason="at least half of the directions that a first layer loses with the inputs' rank; ours")
    narrow, wide = NEIGHBOURS[width]
    low, high = CROSSED

    def cross(rank: int, other: int) -> str:
        return f"noise-rank-{rank}-width-{other}"

    def effects(rows: Rows) -> tuple[float, float]:
        share = {(r, w): rows.fact(cross(r, w), "near_all") for r in CROSSED for w in (narrow, wide)}
        of_width = np.mean([abs(share[r, wide] - share[r, narrow]) for r in CROSSED])
        of_rank = np.mean([abs(share[high, w] - share[low, w]) for w in (narrow, wide)])
        return float(of_width), float(of_rank)

    def ratio(over: float, under: float) -> float:
        return over / under if under else math.inf

    sizes = [f"pixels-16-width-{other}" for other in WIDTHS]
    return [
        Question(
            "falls-with-rank",
            "Does the bulk of noise follow the rank of the inputs?",
            "it falls as the rank grows",
            "least-squares slope of near_all on rank / 64 over noise of rank 1, 4, 16 and 64",
            falls,
            partial(_slope, noise, [rank / PIXELS for rank in RANKS]),
            _reversed(noise, "ranks"),
        ),
        Question(
            "falls-with-rank-of-digits",
            "Does the bulk of the digits follow their rank?",
            "it falls as the rank of the digits' projection grows",
            "least-squares slope of near_all on rank / 64 over digits of rank 4, 8, 16 and 32",
            falls,
            partial(_slope, digits, [rank / PIXELS for rank in DIGITS_RANKS]),
            _reversed(digits, "ranks"),
        ),
        Question(
            "rank-not-width",
            "Does the bulk follow the rank of the inputs rather than the width?",
            f"a rank of {high} in place of {low} changes it four times as much as a width of {wide} in place of {narrow}",
            "mean change of near_all with width, divided by that with rank, over the four crosses",
            at_most(0.25, reason="a quarter: rank decides, width corrects; ours"),
            lambda rows: ratio(*effects(rows)),
            World("rank and width exchanged", lambda rows: ratio(*effects(rows)[::-1])),
        ),
        Question(
            "width",
            "Does the bulk's share depend on the width?",
            "it changes by at most 0.03 with each doubling",
            "least-squares slope of near on log2 width, digits of 16 pixels, width 8 to 128",
            within(-0.03, 0.03, reason="at most 0.12 over the four doublings; ours"),
            partial(_slope, sizes, [math.log2(other) for other in WIDTHS], fact="near"),
            World("ranks of noise in the widths' place", partial(_slope, noise, [math.log2(rank) for rank in RANKS])),
        ),
    ]


def _choices() -> list[Question]:
    axes: dict[str, tuple[str, Sequence[str]]] = {
        "activation": ("activation", [name for name in ACTS if name != "gelu"]),
        "depth": ("depth", ["depth-2", "depth-3"]),
        "optimiser": ("optimiser", list(OPTIMISERS)),
        "step-size": ("step size", [f"step-{size:g}" for size in STEP_SIZES]),
        "schedule": ("schedule of the step size", ["constant-step-0.1"]),
        "batch": ("batch size at equal epochs", [f"batch-{batch}" for batch in BATCHES]),
        "batch-equal-steps": ("batch size at equal steps", [f"batch-{batch}-equal-steps" for batch in EQUAL_STEPS]),
        "loss": ("loss", ["squared-error"]),
        "initial-scale": ("initial scale", [f"scale-{scale:g}" for scale in SCALES]),
        "label-noise": ("share of wrong labels", [f"label-noise-{share:.0%}".rstrip("%") for share in NOISES]),
    }
    return [
        Question(
            f"depends-on-{id}",
            f"Does the bulk's share depend on the {what}?",
            "it changes by at most a tenth of the free directions",
            f"largest less smallest near over base, {', '.join(names)}",
            LITTLE,
            partial(_range, ["base", *names]),
            _noise_in_place(names[0]),
        )
        for id, (what, names) in axes.items()
    ]


def _survives() -> list[Question]:
    cases = {"adam": ["adam"], "no momentum": ["no-momentum"], "any batch size": [f"batch-{batch}" for batch in BATCHES]}
    return [
        Question(
            f"survives-{what.replace(' ', '-')}",
            f"Is there a bulk with {what}?",
            "a larger one than on white noise",
            f"near, less near_noise, the smallest of {', '.join(names)}",
            THERE,
            partial(_excess, names),
            _noise_in_place(*names),
        )
        for what, names in cases.items()
    ]


def _time() -> list[Question]:
    names, epochs = [*(f"time-{epoch}" for epoch in TIMES), "base"], [*TIMES, 25]

    def trend(rows: Rows) -> float:
        return float(spearmanr(epochs, [rows.fact(name, "near_all") for name in names])[0])

    return [
        Question(
            "shrinks",
            "When does the bulk form?",
            "it is what is left: it shrinks along training",
            "rank correlation of near_all with the epoch after which training is stopped, over 1, 3, 6, 12, 18 and 25",
            at_most(-0.8, reason="all but one pair of neighbours in order; ours"),
            trend,
            _reversed(names, "times"),
        ),
        Question(
            "early-bulk-is-the-final-one",
            "Is the bulk of a quarter of the training that of all of it?",
            "they overlap beyond chance",
            "base_overlap of time-6",
            THERE,
            lambda rows: rows.fact("time-6", "base_overlap"),
            _noise_in_place("time-6"),
        ),
    ]


def _directions() -> list[Question]:
    return [
        Question(
            "chaotic-in-common",
            "Have the chaotic directions of two seeds anything in common?",
            "they overlap beyond chance",
            "chaotic_overlap of base",
            THERE,
            lambda rows, other: rows.common("base", other, "chaotic_overlap"),
            World(
                "the other seed's bulk in its chaotic directions' place",
                lambda rows, other: rows.common("base", other, "chaotic_in_bulk"),
            ),
            over="pairs",
        ),
        Question(
            "local-volume",
            "Does log abs det J over the non-bulk differ between real and shuffled labels?",
            "it does",
            "absolute difference of log_volume and log_volume_shuffled of base, a direction",
            at_least(0.1, reason="a tenth of a nat a direction: volumes differ by e to the N / 10; ours"),
            partial(_volume, "base"),
            World("labels that were shuffled before", partial(_volume, "label-noise-100")),
        ),
    ]


def _volume(name: str, rows: Rows) -> float:
    return abs(rows.fact(name, "log_volume") - rows.fact(name, "log_volume_shuffled"))
