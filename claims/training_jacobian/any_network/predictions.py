"""Section 3.3: effect on predictions of a step along a direction, in and far out of distribution; how far training moves."""

import math

import numpy as np

from harness.suite.claim import Control, World
from harness.suite.verdict import at_least, at_most, within

from .. import sentences
from ..test_influence import regions, shuffled_influence
from ..test_influence import test_inverted as against_others
from ..test_influence import test_larger_than_in_distribution as larger_on
from ..test_influence import test_notable_in_distribution as notable_effect
from ..test_subspace_training import test_bulk_barely_moves as moves
from ..test_training import random_move
from ..worlds import effects_on
from .shared import compared, each_region, log10, on_any, require_bulk


@each_region
def invisible(against):
    return on_any(
        f"training-jacobian/invisible-in-distribution[{against}]",
        where="Section 3.3, Eq. 2, Figure 3a",
        quotes=sentences.FIGURE_3A,
        says="a step along the bulk changes predictions far less than one along the other regions",
        reading="mean divergence over test examples after a unit step along u_i: log10 of the median over the bulk, divided by that over the "
        f"{against} directions, is at most -1",
        accept=at_most(-1, reason="an order of magnitude: 'virtually no' against 'notable'; our reading"),
        controls=[shuffled_influence],
        given={"against": against},
    )


@invisible
def test_invisible(run, against):
    compared(run, against)
    return log10(against_others(run.influence, run.spectrum, ("final", "test", "mean"), against))


def _in_place(region):
    """The bulk's median effect in place of the region's effects."""

    def world(run):
        bulk, _ = regions(run.spectrum, region)
        change = lambda *probe: np.full(run.spectrum.size, np.median(run.influence.of(*probe)[bulk]))  # noqa: E731
        return World(run, influence=run.influence.changed(change))

    return world


@each_region
def notable(region):
    return on_any(
        f"training-jacobian/notable-in-distribution[{region}]",
        where="Section 3.3, Eq. 2, Figure 3a",
        quotes=sentences.FIGURE_3A,
        says="a step along a chaotic or stable direction changes predictions visibly",
        reading=f"log10 of the median over the {region} directions of the mean divergence, in nats, over test examples after a unit step along u_i "
        "is at least -2",
        accept=at_least(-2, reason="by Pinsker's inequality up to 7 % of the probability moves; our reading"),
        controls=[Control("the bulk in the region's place", _in_place(region))],
        unit="log10 nats",
        given={"against": region},
    )


@notable
def test_notable(run, against):
    compared(run, against)
    return log10(notable_effect(run.influence, run.spectrum, against))


@on_any(
    "training-jacobian/visible-far-ood[larger-than-in-distribution,noise]",
    where="Section 3.3",
    quotes=sentences.FAR,
    says="a step along the bulk changes predictions far from the distribution more than within it",
    reading="log10 of the median over the bulk of the mean divergence on white noise, divided by that on test examples, is at least 1",
    accept=at_least(1, reason="an order of magnitude: 'much larger'; our reading"),
    controls=[Control("training examples in place of noise", effects_on("train"))],
)
def test_visible_on_noise(run):
    require_bulk(run)
    return log10(larger_on(run.influence, run.spectrum, ("final", "white", "mean")))


@each_region
def same_on_noise(against):
    return on_any(
        f"training-jacobian/visible-far-ood[noise,{against}]",
        where="Section 3.3, Figure 3b",
        quotes=sentences.FIGURE_3B,
        says="on white noise the bulk moves predictions about as much as the other regions",
        reading=f"mean divergence on white noise: log10 of the bulk median, divided by the {against} directions' median, is that of a factor of at "
        "most 3 either way",
        accept=within(-math.log10(3), math.log10(3), reason="'roughly the same': half an order of magnitude either way"),
        controls=[Control("test examples in place of noise", effects_on("test"))],
        given={"against": against},
    )


@same_on_noise
def test_same_effect_on_noise(run, against):
    compared(run, against)
    return log10(against_others(run.influence, run.spectrum, ("final", "white", "mean"), against))


@each_region
def barely_moves(against):
    return on_any(
        f"training-jacobian/bulk-barely-moves[{against}]",
        where="Figure 3c",
        quotes=sentences.LITTLE,
        says="training moves the parameters less along the bulk than along the other regions",
        reading=f"log10 of the median |v_i . (theta_T - theta_0)| over the bulk, divided by that over the {against} directions, is at most that of a "
        "quarter",
        accept=at_most(
            math.log10(0.25), reason="'little' against the others: a factor of four, our reading; the paper gives no number"
        ),
        controls=[random_move],
        given={"against": against},
    )


@barely_moves
def test_moves_little(run, against):
    compared(run, against)
    return log10(moves(run.spectrum, run.trained, against))
