"""The questions for all variants; every region was written down before the first sweep.

``near`` is the share of free directions within 0.1 of one, ``near_all`` the share of all directions; the pages explain both.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial

import numpy as np
from scipy.stats import linregress, spearmanr, t

from harness.engine.streams import numpy_stream
from harness.report.atlas.table import Question, Rows, World
from harness.suite import portable
from harness.suite.claim import Claim
from harness.suite.verdict import CONFIDENCE, at_least, at_most, proportion_interval, within

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

MEASURABLE = "; of those that could be measured"


def _excess(names: Sequence[str], rows: Rows) -> float:
    """The smallest excess of the bulk's share over its share on white noise, of the variants that could be measured."""
    return min(rows.fact(name, "near") - rows.fact(name, "near_noise") for name in rows.measured(names))


def _range(names: Sequence[str], rows: Rows, fact: str = "near") -> float:
    """The largest less the smallest, of the variants that could be measured."""
    found = [rows.fact(name, fact) for name in rows.measured(names, least=2)]
    return max(found) - min(found)


def _apart(name: str, rows: Rows, fact: str = "near_all") -> float:
    return abs(rows.fact(name, fact) - rows.fact("base", fact))


def _of_base(fact: str, rows: Rows) -> float:
    return rows.fact("base", fact)


def _slope(names: Sequence[str], x: Sequence[float], rows: Rows, fact: str = "near_all") -> float:
    """Least-squares slope of a fact on ``x``, a number for each of the names."""
    return float(linregress(x, [rows.fact(name, fact) for name in names]).slope)


def _slope_alone(names: Sequence[str], x: Sequence[float], rows: Rows, fact: str = "near_all") -> tuple[float, float]:
    """The slope's 95 % interval from one seed, by the residuals of the points from a line."""
    found = linregress(x, [rows.fact(name, fact) for name in names])
    half = float(t.ppf((1 + CONFIDENCE) / 2, len(x) - 2) * found.stderr)
    return float(found.slope) - half, float(found.slope) + half


def _no_larger(names: Sequence[str], rows: Rows) -> list[str]:
    """The variants whose bulk is no larger than on white noise."""
    return [name for name in rows.measured(names) if _excess([name], rows) not in THERE]


# data sets of 64 inputs in place of the base's, all else equal
ALIKE = (
    *("base", "pixels-shuffled", "pixels-shuffled-each", "rotated", "gaussian", "white-noise"),
    *(f"noise-rank-{rank}" for rank in RANKS),
    *(f"digits-rank-{rank}" for rank in DIGITS_RANKS),
)


def _follows(rows: Rows, *, shuffled: bool = False) -> float:
    """Rank correlation of the bulk's share with the participation ratio of the inputs' covariance."""
    ratios, shares = ([rows.fact(name, fact) for name in ALIKE] for fact in ("input_participation", "near_all"))
    order = numpy_stream(0, "atlas-participation").permutation(len(ALIKE)) if shuffled else range(len(ALIKE))
    return float(spearmanr([ratios[i] for i in order], shares)[0])


def _noise_in_place(*names: str, noise: str = "white-noise") -> World:
    return World("white noise in the data's place", lambda rows: rows.swapped(names, noise))


def _reversed(names: Sequence[str], what: str) -> World:
    return World(f"{what} in the opposite order", lambda rows: rows.reversed(names))


def questions(width: int = WIDTH) -> tuple[Question, ...]:
    """All questions, for the table of that width."""
    return (*_what_it_is(), *_rank(width), *_choices(), *_survives(), *_time(), *_directions(), *_hessians(), *_where())


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
            otherwise="without border pixels and with shifts of all logits apart the bulk is no larger than on white noise",
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
            "a random rotation of the input space changes the bulk's share by at most 0.05",
            "absolute difference of near_all between rotated and base",
            SAME,
            partial(_apart, "rotated"),
            _noise_in_place("rotated"),
        ),
        Question(
            "pixel-permutation",
            "Does one permutation of the pixels change the bulk?",
            "one permutation of all images' pixels changes the bulk's share by at most 0.05",
            "absolute difference of near_all between pixels-shuffled and base",
            SAME,
            partial(_apart, "pixels-shuffled"),
            _noise_in_place("pixels-shuffled"),
        ),
        Question(
            "own-permutations",
            "Does a permutation of its own for each image take from the bulk?",
            "a permutation of its own for each image makes the bulk smaller",
            "near_all of base, less near_all of pixels-shuffled-each",
            THERE,
            lambda rows: rows.fact("base", "near_all") - rows.fact("pixels-shuffled-each", "near_all"),
            World("one permutation for all images", lambda rows: rows.swapped(["pixels-shuffled-each"], "pixels-shuffled")),
        ),
        Question(
            "second-moments",
            "Do mean and covariance of the inputs make the bulk?",
            "normally distributed inputs with the digits' mean and covariance have as large a bulk",
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
            "the bulk on noise falls as the rank of the noise grows",
            "least-squares slope of near_all on rank / 64 over noise of rank 1, 4, 16 and 64",
            falls,
            partial(_slope, noise, [rank / PIXELS for rank in RANKS]),
            _reversed(noise, "ranks"),
            alone=partial(_slope_alone, noise, [rank / PIXELS for rank in RANKS]),
        ),
        Question(
            "falls-with-rank-of-digits",
            "Does the bulk of the digits follow their rank?",
            "the bulk falls as the rank of the digits' projection grows",
            "least-squares slope of near_all on rank / 64 over digits of rank 4, 8, 16 and 32",
            falls,
            partial(_slope, digits, [rank / PIXELS for rank in DIGITS_RANKS]),
            _reversed(digits, "ranks"),
            alone=partial(_slope_alone, digits, [rank / PIXELS for rank in DIGITS_RANKS]),
        ),
        Question(
            "rank-not-width",
            "Does the bulk follow the rank of the inputs rather than the width?",
            f"a rank of {high} in place of {low} changes the bulk at least four times as much as a width of {wide} in place of {narrow}",
            "mean change of near_all with width, divided by that with rank, over the four crosses",
            at_most(0.25, reason="a quarter: rank decides, width corrects; ours"),
            lambda rows: ratio(*effects(rows)),
            World("rank and width exchanged", lambda rows: ratio(*effects(rows)[::-1])),
            otherwise=f"a rank of {high} in place of {low} changes the bulk less than four times as much as a width of {wide} in place of "
            f"{narrow}",
        ),
        Question(
            "follows-participation",
            "Does the bulk's size follow the participation ratio of the inputs' covariance?",
            "the larger the ratio, the smaller the bulk",
            f"rank correlation of near_all with input_participation over {', '.join(ALIKE)}",
            at_most(-0.8, reason="strong, as for times: few of the pairs out of order; ours"),
            _follows,
            World("participation ratios shuffled among the data sets", partial(_follows, shuffled=True)),
        ),
        Question(
            "width",
            "Does the bulk's share depend on the width?",
            "the bulk's share changes by at most 0.03 with each doubling of the width",
            "least-squares slope of near on log2 width, digits of 16 pixels, width 8 to 128",
            within(-0.03, 0.03, reason="at most 0.12 over the four doublings; ours"),
            partial(_slope, sizes, [math.log2(other) for other in WIDTHS], fact="near"),
            World("ranks of noise in the widths' place", partial(_slope, noise, [math.log2(rank) for rank in RANKS])),
            alone=partial(_slope_alone, sizes, [math.log2(other) for other in WIDTHS], fact="near"),
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
            f"the {what} changes the bulk by at most a tenth of the free directions",
            f"largest less smallest near over base, {', '.join(names)}{MEASURABLE}",
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
            f"with {what} there is a larger bulk than on white noise",
            f"near, less near_noise, the smallest of {', '.join(names)}{MEASURABLE * (len(names) > 1)}",
            THERE,
            partial(_excess, names),
            _noise_in_place(*names),
            against=partial(_no_larger, names),
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
            "the bulk shrinks along training",
            "rank correlation of near_all with the epoch after which training is stopped, over 1, 3, 6, 12, 18 and 25",
            at_most(-0.8, reason="all but one pair of neighbours in order; ours"),
            trend,
            _reversed(names, "times"),
        ),
        Question(
            "early-bulk-is-the-final-one",
            "Is the bulk of a quarter of the training that of all of it?",
            "the bulk of a quarter of the training overlaps with that of all of it beyond chance",
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
            "the chaotic directions of two seeds overlap beyond chance",
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
            "training on real labels and on shuffled ones changes volumes by different factors, outside the bulk",
            "absolute difference of log_volume and log_volume_shuffled of base, a free direction",
            at_least(0.1, reason="a tenth of a nat a direction: volumes differ by e to the N / 10; ours"),
            partial(_volume, "base"),
            World("labels that were shuffled before", partial(_volume, "label-noise-100")),
            otherwise="real and shuffled labels change volumes by less than a tenth of a nat a direction of each other",
        ),
    ]


def _hessians() -> list[Question]:
    return [
        Question(
            "hessians-give-the-regions",
            "Are the regions what the path of Hessians predicts, prod(I - eta H) with momentum?",
            "25 Hessians of the mean loss along training give the sizes of the three regions",
            "path_regions of base",
            at_most(0.05, reason="less than the least difference from noise that counts as a bulk; ours"),
            partial(_of_base, "path_regions"),
            World("momentum left out of the product", partial(_of_base, "path_regions_memoryless")),
            otherwise="25 Hessians of the mean loss along training do not give the sizes of the three regions",
        ),
        Question(
            "hessians-give-sigma",
            "Is sigma what the path of Hessians predicts?",
            "outside the bulk, 25 Hessians of the mean loss along training give singular values within a quarter",
            "path_sigma of base",
            at_most(math.log(1.25), reason="a factor of 1.25, where values spread over orders of magnitude; ours"),
            partial(_of_base, "path_sigma"),
            World("momentum left out of the product", partial(_of_base, "path_sigma_memoryless")),
        ),
        Question(
            "bulk-is-common-null-space",
            "Is the bulk the Hessians' common null space?",
            "the directions that all Hessians move least, as many as the bulk has, are at least halfway from chance to the bulk",
            "path_null of base",
            at_least(0.5, reason="halfway between no relation and the same space; ours"),
            partial(_of_base, "path_null"),
            World("the directions that they move most", partial(_of_base, "path_null_strongest")),
        ),
    ]


# claims whose limits are asked for: (name of the question, claim, the claim's statement)
LIMITS = (
    (
        "invisible-in-distribution-against-chaotic",
        "training-jacobian/invisible-in-distribution[chaotic]",
        "a step along the bulk changes predictions on test examples ten times less than one along chaotic directions",
    ),
    (
        "invisible-in-distribution-against-stable",
        "training-jacobian/invisible-in-distribution[stable]",
        "a step along the bulk changes predictions on test examples ten times less than one along stable directions",
    ),
    (
        "training-in-the-bulk-fails",
        "training-jacobian/bulk-training-fails[no-progress]",
        "training confined to the bulk takes at most a tenth of the fall of the test loss",
    ),
)
MOST = at_least(0.9, reason="nine variants in ten: rules have exceptions, and a claim with more is none; ours")


def _where() -> list[Question]:
    return [
        Question(
            f"limits-of-{name}",
            f"Under which variants does it stop holding that {says}?",
            f"on nine variants in ten it holds that {says}",
            f"share of variants on which the value of {id} is in its region, of those on which it was measured",
            MOST,
            partial(_held, id),
            World("the claim's own controls in its place", partial(_held, id, controls=True)),
            otherwise=f"this fails on more than one variant in ten: {says}",
            alone=partial(_held_alone, id),
            bounds=(0, 1),
            against=partial(_outside, id),
        )
        for name, id, says in LIMITS
    ]


def _claim(id: str) -> Claim:
    return next(claim for claim in portable.of_paper(id.partition("/")[0]) if claim.id == id)


def _outside(id: str, rows: Rows) -> list[str]:
    """Variants on which the claim's value is outside its region."""
    accept = _claim(id).accept
    return [name for name, one in rows.claims(id).items() if one.value is not None and one.value not in accept]


def _held(id: str, rows: Rows, *, controls: bool = False) -> float:
    """The share of variants on which the claim's value is in its region; with ``controls``, the same share for its controls."""
    held, accept = rows.claims(id).values(), _claim(id).accept
    values = [control.value for one in held for control in one.controls] if controls else [one.value for one in held]
    return float(np.mean([value is not None and value in accept for value in values]))


def _held_alone(id: str, rows: Rows) -> tuple[float, float]:
    """Clopper-Pearson's 95 % interval, with the variants as a sample of all possible variants."""
    total = len(rows.claims(id))
    found = proportion_interval(total - len(_outside(id, rows)), total)
    return found.low, found.high


def _volume(name: str, rows: Rows) -> float:
    return abs(rows.fact(name, "log_volume") - rows.fact(name, "log_volume_shuffled"))
