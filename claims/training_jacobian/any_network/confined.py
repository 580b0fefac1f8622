"""Section 3.6: training confined to a region; and how far parameters move at all."""

import math

import jax
import numpy as np

from harness.errors import NotRun
from harness.measure.measurement import Measurement
from harness.measure.restricted import crossing_dimension, loss_at
from harness.suite.claim import Control
from harness.suite.verdict import at_least, at_most

from .. import sentences
from ..test_training import random_move
from ..worlds import swapped_losses, with_losses
from .shared import on_any

# Share of the initial test loss: seeds' test losses differ by several per cent, and shares of a smaller fall are noise.
LEAST_FALL = 0.1
WORKS = 0.9  # share of the fall in test loss by unconfined training from which on a confined training works


def _fall(run):
    """The fall of the test loss by unconfined training.

    Raises:
        NotRun: no fall, or a fall too small to be a measure.
    """
    before, after = run.initial_test_loss, run.restricted.unrestricted
    fall = before - after
    if not fall > LEAST_FALL * abs(before):
        much = (
            "no fall"
            if not fall > 0
            else f"a fall of {fall / before:.1%}, and of less than {LEAST_FALL:.0%} no share can be told"
        )
        raise NotRun(f"training takes the test loss from {before:.4g} to {after:.4g}: {much}")
    return fall


def confined(reading, says, region, accept, control):
    return on_any(
        f"training-jacobian/bulk-training-fails[{reading}]",
        where="Section 3.6, Figure 6a",
        quotes=sentences.FIGURE_6,
        says=says,
        reading=f"confined to the {region}, the test loss falls by {'at most' if math.isinf(accept.low) else 'at least'} "
        f"{accept.high if math.isinf(accept.low) else accept.low:g} of what it falls by without confinement",
        accept=accept,
        controls=[Control(control, swapped_losses("bulk", "complement"))],
        unit="share of the fall",
        given={"region": region},
    )


@confined(
    "no-progress",
    "training confined to the bulk hardly lowers the loss",
    "bulk",
    at_most(0.1, reason="an order of magnitude less than training: 'impossible'; our reading"),
    "the complement in place of the bulk",
)
@confined(
    "complement",
    "training confined to what the bulk leaves lowers the loss as without confinement",
    "complement",
    at_least(WORKS, reason="'essentially just as well': all but a tenth; our reading"),
    "the bulk in place of its complement",
)
def test_confined(run, region):
    bulk = len(run.bulk) + int(np.count_nonzero(run.spectrum.structural))
    held, fall = run.restricted, _fall(run)
    k = bulk if region == "bulk" else run.spectrum.size - bulk
    if k < 1:
        raise NotRun("every singular value is near one: the bulk has no complement")
    share = (run.initial_test_loss - loss_at(held.dimensions, held.losses[region], k)) / fall
    arrays = {"dimensions": held.dimensions, **held.losses, "unrestricted": np.asarray(held.unrestricted)}
    return Measurement(share, unit="share of the fall", counted=f"at k = {k}", arrays=arrays)


def _later(run):
    """The stable subspace works from 1.5 times as many dimensions as the chaotic subspace."""
    held = run.restricted
    start = 1.5 * 10 ** _works_from(run, "chaotic")
    return with_losses(run, stable=np.where(held.dimensions >= start, held.unrestricted, run.initial_test_loss))


def _works_from(run, region):
    """log10 of the smallest k at which training in the region works; log10 N if it never works.

    On small data training overfits in many dimensions, so that the test loss rises again with k. The least loss up to k never rises.
    """
    held = run.restricted
    threshold = run.initial_test_loss - WORKS * _fall(run)
    k = crossing_dimension(held.dimensions, np.fmin.accumulate(held.losses[region]), threshold)
    return math.log10(min(k, run.spectrum.size))


@on_any(
    "training-jacobian/active-training-works[order]",
    where="Section 3.6",
    quotes=sentences.SMALL_K,
    says="fewer stable than chaotic directions suffice",
    reading="the smallest k at which training in a subspace takes nine tenths of the fall of the test loss: log10 (k chaotic / k stable) "
    "is positive",
    accept=at_least(0, reason="'relatively small' against 'somewhat larger': the order alone"),
    controls=[Control("the stable subspace needs half as much again as the chaotic one", _later)],
    unit="log10 ratio",
)
def test_order_of_regions(run):
    return Measurement(_works_from(run, "chaotic") - _works_from(run, "stable"), unit="log10 ratio")


@on_any(
    "training-jacobian/stays-close",
    where="summary of prior work (not in the paper's text)",
    says="most parameters end close to where they began",
    reading="at least half of the parameters move by less than a tenth of the root mean square initial value of their array",
    accept=at_least(0.5, reason="'most': more than half; 'close': an order of magnitude below their own size; our reading"),
    bounds=(0, 1),
    controls=[random_move],
)
def test_most_stay_close(run):
    before, after = (jax.tree.leaves(run.tree(theta)) for theta in (run.trained.theta_0, run.trained.theta_T))
    # an array that begins at zero has no initial size: all its parameters count as moved
    sizes = [np.sqrt(np.mean(np.square(a))) for a in before]
    moved = np.concatenate([np.ravel(np.abs(b - a) < 0.1 * s) for a, b, s in zip(before, after, sizes, strict=True)])
    return Measurement(float(moved.mean()), unit="share", counted=f"of {len(moved)} parameters")
