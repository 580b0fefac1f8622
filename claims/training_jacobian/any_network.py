"""What the paper says of networks without naming a number of its own, as claims on any network.

The paper's numbers stay with the paper's network. Where a sentence compares, the reading compares; where the suite's reading of the
paper's network has a region that is ours, the region is the same here. Directions that training carries exactly are left out.
"""

import functools
import math
from dataclasses import replace

import jax
import numpy as np
from scipy.stats import spearmanr

from harness.engine.streams import numpy_stream
from harness.errors import NotRun
from harness.measure.measurement import Measurement
from harness.measure.response import crossing
from harness.measure.restricted import crossing_dimension, loss_at
from harness.runs.shown import NEAR
from harness.suite.claim import ANY_NETWORK, Control, World, claim
from harness.suite.verdict import at_least, at_most, within

from . import sentences
from .test_influence import _on, regions, shuffled_influence
from .test_influence import test_inverted as against_others
from .test_influence import test_larger_than_in_distribution as larger_on
from .test_influence import test_notable_in_distribution as notable_effect
from .test_linearity import _even
from .test_linearity import test_linear_bulk as linear_share
from .test_linearity import test_surgical_bulk as orthogonal_share
from .test_overlap import excess_overlap
from .test_regions import test_bulk_unmoved as unmoved
from .test_regions import test_peak_of_the_bulk as peak
from .test_spectrum import test_alignment_bulk as alignment
from .test_spectrum import test_noise_no_bulk as share_near_one
from .test_subspace_training import _swap, _with_losses
from .test_subspace_training import test_bulk_barely_moves as moves
from .test_training import random_move
from .worlds import gaussian_matrix, gaussian_sigma, scaled, shuffled_vectors, turned_vectors

LEAST = 10  # directions of a region that is compared; a median over fewer says nothing
WORKS = 0.9  # of what unconfined training takes from the test loss: from there on a confined training works
EXCESS = at_least(0.05, reason="as on the paper's network: far beyond the sampling spread of chance; our reading of 'much'")

on_any = functools.partial(claim, on=ANY_NETWORK)


def _noise(run):
    return World(run.white_noise, white_noise=run.more_white_noise)


def _share(spectrum):
    return float(np.mean(spectrum.distance[~spectrum.structural] < NEAR))


# --- section 3.1: a bulk exists, its vectors agree, perturbations along it stay -----------------------------------------


@on_any(
    "training-jacobian/bulk-exists[more-than-on-noise]",
    where="Section 3.5, Figure 5b",
    quotes="depends strongly on the data distribution; in particular, random data does not have a bulk",
    says="the data give a larger bulk than white noise",
    reading="share of |sigma - 1| < 0.1, less that of the same network trained on white-noise inputs, is at least 0.05",
    accept=at_least(0.05, reason="one direction in twenty: more than seeds move the share; our reading"),
    controls=[Control("white noise in the data's place, another draw beside it", _noise)],
)
def test_more_than_on_noise(run):
    shares = {"data": _share(run.spectrum), "white noise": _share(run.white_noise.spectrum)}
    arrays = {"sigma": run.spectrum.sigma}
    return Measurement(shares["data"] - shares["white noise"], counted="shares of directions", arrays=arrays, details=shares)


@on_any(
    "training-jacobian/bulk-exists[more-than-random-matrix]",
    where="Section 3.1, Figure 1a",
    quotes='a large "bulk" region of values extremely close to one',
    says="more singular values are near one than those of a random matrix",
    reading="share of |sigma - 1| < 0.1, less that of a Gaussian random matrix of the same size, is at least 0.05",
    accept=at_least(0.05, reason="one direction in twenty: more than seeds move the share; our reading"),
    controls=[gaussian_matrix],
)
def test_more_than_random_matrix(spectrum):
    random = float(np.mean(np.abs(gaussian_sigma(spectrum.size, seed=1) - 1) < NEAR))
    return Measurement(_share(spectrum) - random, counted="shares of directions", details={"random matrix": random})


@on_any(
    "training-jacobian/three-regions[peak]",
    where="Abstract",
    quotes=sentences.THREE,
    says="singular values are dense around one, and sparse on either side",
    reading="the density of log sigma within 10 % of one is at least ten times that of the windows of the same width above and below",
    accept=at_least(10, reason="an order of magnitude: 'distinctive' as seen on a logarithmic axis; our reading"),
    controls=[scaled(1.1)],
)
def test_three_regions(spectrum):
    return peak(spectrum)


@on_any(
    "training-jacobian/noise-no-bulk[strict]",
    where="Section 3.5, Figure 5b",
    quotes=sentences.NOISE,
    says="trained on white noise, the network has no bulk",
    reading="share of |sigma - 1| < 0.01 on white-noise inputs is at most 5 %",
    accept=at_most(0.05, reason="'very few': one in twenty, our reading"),
    controls=[Control("the network's own data in place of noise", lambda run: World(run, white_noise=run))],
)
def test_noise_has_no_bulk(run):
    return share_near_one(run.white_noise.spectrum, 0.01)


@on_any(
    "training-jacobian/alignment-bulk[median]",
    where="Section 3.1, Figure 1b",
    quotes=sentences.IDENTICAL,
    says="along the bulk u_i and v_i nearly agree",
    reading="median of cos(u_i, v_i) over |sigma_i - 1| < 0.1 is at least 0.99",
    accept=at_least(0.99, reason="an angle of 8 degrees or less: 'nearly identical', our reading"),
    controls=[turned_vectors(0.98), shuffled_vectors],
)
def test_bulk_is_aligned(run):
    _require_bulk(run)
    return alignment(run.spectrum, structural=False, above=None)


@on_any(
    "training-jacobian/bulk-unmoved[median]",
    where="Section 3.1",
    quotes=sentences.ALMOST_UNCHANGED,
    says="J v is nearly v along the bulk",
    reading="median of |J v_i - v_i| over the bulk is at most 0.1",
    accept=at_most(0.1, reason="the bulk's own width: as much as sigma alone may be off"),
    controls=[turned_vectors(0.98)],
)
def test_bulk_is_unmoved(run):
    _require_bulk(run)
    return unmoved(run.spectrum, run.moved, None)


def _require_bulk(run):
    run.bulk  # noqa: B018 - raises where there is none


# --- section 3.2: how far the linearisation of training holds ------------------------------------------------------------


def linear(reading, up_to):
    return on_any(
        f"training-jacobian/linear-bulk[{reading}]",
        where="Section 3.2, Figure 2a",
        quotes=sentences.SEVEN_ORDERS,
        says="along the bulk the response is lambda sigma_i, over orders of magnitude of lambda",
        reading=f"at every lambda up to {up_to:g} at least 80 % of directions drawn from the bulk respond within 5 % of lambda sigma_i, with "
        "either sign",
        accept=at_least(0.8, reason="4 of 5 directions, as on the paper's network; our reading"),
        controls=[Control("an even term of 6 % added to every response", _even)],
        given={"up_to": up_to},
    )


@linear("strict", 1e3)
@linear("lenient", 1)
def test_bulk_is_linear(bulk_responses, spectrum, up_to):
    return linear_share(bulk_responses, spectrum, up_to, structural=False, each=True)


def _spread(run):
    """The response along u_i joined by an orthogonal part of 30 %."""
    held = run.bulk_responses
    return World(run, bulk_responses=replace(held, orthogonal=np.hypot(held.orthogonal, 0.3 * np.abs(held.along))))


def surgical(reading, power, what):
    return on_any(
        f"training-jacobian/surgical-bulk[{reading}]",
        where="Section 3.2, Figure 2a",
        quotes=sentences.SURGICAL,
        says="along the bulk hardly any of the response is orthogonal to u_i",
        reading=f"the median, over drawn bulk directions, of the share of the response's {what} orthogonal to u_i is at most 5 % at every lambda "
        "from 0.01 to 1000",
        accept=at_most(0.05, reason="the 5 % that linear-bulk allows the response itself; the paper gives no number"),
        controls=[Control("an orthogonal part of 30 % added to every response", _spread)],
        given={"power": power},
    )


@surgical("strict,amplitude", 1, "norm")
@surgical("lenient,squared", 2, "squared norm")
def test_bulk_is_surgical(bulk_responses, spectrum, power):
    return orthogonal_share(_diverged(bulk_responses), spectrum, power)


def _diverged(held):
    """A training that diverged answers along no direction: all of it counts as orthogonal."""
    finite = np.isfinite(held.along) & np.isfinite(held.orthogonal)
    return replace(held, along=np.where(finite, held.along, 0), orthogonal=np.where(finite, held.orthogonal, 1))


@on_any(
    "training-jacobian/nonlinear-top[before-bulk]",
    where="Section 3.2, Figure 2",
    quotes=sentences.LONGER,
    says="training along v_1 leaves the line while the bulk is still linear",
    reading="log10 of the lambda at which the response along v_1 is 20 % off, less that of the median bulk direction, is at most -1",
    accept=at_most(-1, reason="an order of magnitude; the paper's are 0.1 to 1 and more than 1000"),
    controls=[Control("the bulk's responses in place of the top's", lambda run: World(run, top_responses=run.bulk_responses))],
    unit="log10 ratio",
)
def test_top_leaves_first(top_responses, bulk_responses):
    return Measurement(_leaves(top_responses) - _leaves(bulk_responses), unit="log10 ratio", counted="mean over both signs")


def _leaves(held):
    """log10 of the lambda at which the median response is 20 % off the line; 4 where it never is."""
    linear = np.multiply.outer(held.sigma, held.stimulus)
    off = np.abs(held.along.mean(axis=1) - linear) / linear
    return math.log10(min(crossing(held.stimulus, np.median(off, axis=0) - 0.2), 1e4))


# --- section 3.3: predictions in and far out of distribution -------------------------------------------------------------


def each_region(declare):
    """Against chaotic and against stable directions, each on its own: pooled, their mixture would decide."""
    return lambda function: declare("chaotic")(declare("stable")(function))


def _log10(measured):
    """A positive quantity on the scale on which seeds spread it evenly.

    Raises:
        NotRun: it is zero or not finite, as where a step changes no prediction at all.
    """
    if not 0 < measured.value < math.inf:
        raise NotRun(f"it is {measured.value}, which has no logarithm: a median of one side is zero or not finite")
    return replace(measured, value=math.log10(measured.value), unit=f"log10 {measured.unit or 'ratio'}")


def _compared(run, against):
    bulk, others = regions(run.spectrum, against)
    if min(len(bulk), len(others)) < LEAST:
        raise NotRun(f"{len(bulk)} bulk and {len(others)} {against} directions: need {LEAST} of each to compare medians")


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
    _compared(run, against)
    return _log10(against_others(run.influence, run.spectrum, ("final", "test", "mean"), against))


def _in_place(region):
    """The bulk's median effect in place of the region's."""

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
    _compared(run, against)
    return _log10(notable_effect(run.influence, run.spectrum, against))


@on_any(
    "training-jacobian/visible-far-ood[larger-than-in-distribution,noise]",
    where="Section 3.3",
    quotes=sentences.FAR,
    says="a step along the bulk changes predictions far from the distribution more than within it",
    reading="log10 of the median over the bulk of the mean divergence on white noise, divided by that on test examples, is at least 1",
    accept=at_least(1, reason="an order of magnitude: 'much larger'; our reading"),
    controls=[Control("training examples in place of noise", _on("train"))],
)
def test_visible_on_noise(run):
    _require_bulk(run)
    return _log10(larger_on(run.influence, run.spectrum, ("final", "white", "mean")))


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
        controls=[Control("test examples in place of noise", _on("test"))],
        given={"against": against},
    )


@same_on_noise
def test_same_effect_on_noise(run, against):
    _compared(run, against)
    return _log10(against_others(run.influence, run.spectrum, ("final", "white", "mean"), against))


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
    _compared(run, against)
    return _log10(moves(run.spectrum, run.trained, against))


# --- section 3.4: the parameter-function Jacobian ------------------------------------------------------------------------


def _with_closeness(run, **changes):
    held = run.function_overlaps
    return World(run, function_overlaps=replace(held, closeness={**held.closeness, **changes}))


@on_any(
    "training-jacobian/pfj-overlap[data]",
    where="Section 3.4, Figure 4b",
    quotes=sentences.NULLSPACES,
    says="directions that hardly move predictions on the data lie in the bulk",
    reading="the weakest directions at initialisation, as many as the bulk has: their mean cosine with the bulk is at least 0.4 of the way from "
    "chance to one",
    accept=at_least(
        0.4, reason="as far as the paper's network is asked to go: 0.3 above a chance of 0.27; our reading of 'strongly'"
    ),
    controls=[
        Control(
            "the directions weakest on white noise",
            lambda run: _with_closeness(run, data=run.function_overlaps.closeness["noise"]),
        )
    ],
    given={"inputs": "data"},
)
@on_any(
    "training-jacobian/pfj-overlap[white-noise]",
    where="Section 3.4, Figure 4b",
    quotes=sentences.NULLSPACES,
    says="directions that hardly move predictions on white noise lie in the bulk no more than chance",
    reading="the directions weakest on white noise, as many as the bulk has: their mean cosine with the bulk is at most 0.1 of the way from "
    "chance to one",
    accept=at_most(0.1, reason="a tenth: the edge below which an overlap cannot be seen in the paper's figure; our reading"),
    controls=[
        Control(
            "the directions weakest on the data", lambda run: _with_closeness(run, noise=run.function_overlaps.closeness["data"])
        )
    ],
    given={"inputs": "noise"},
)
def test_function_overlap(run, inputs):
    _require_bulk(run)
    return Measurement(float(run.function_overlaps.closeness[inputs]), counted=f"{len(run.bulk)} directions")


def _shuffled_strength(run):
    held = run.function_overlaps
    order = numpy_stream(run.experiment.seed, "shuffled-strength").permutation(run.spectrum.size)
    return World(run, function_overlaps=replace(held, strength={name: each[order] for name, each in held.strength.items()}))


@on_any(
    "training-jacobian/active-by-strength",
    where="Section 4",
    quotes=sentences.STRENGTH,
    says="training stretches or shrinks those directions that move predictions at initialisation",
    reading="the rank correlation of |F v_i|, F the parameter-function Jacobian at initialisation, with |sigma_i - 1| is at least 0.3",
    accept=at_least(0.3, reason="'in part': what Cohen calls a medium correlation"),
    controls=[Control("strengths shuffled among directions", _shuffled_strength)],
)
def test_active_is_strong(function_overlaps, spectrum):
    kept = ~spectrum.structural
    found = spearmanr(function_overlaps.strength["data"][kept], spectrum.distance[kept])[0]
    return Measurement(float(found), unit="rank correlation", counted=f"{kept.sum()} directions")


# --- section 3.5: what the bulk depends on -------------------------------------------------------------------------------


@on_any(
    "training-jacobian/bulk-seed-overlap",
    where="Section 3.5, Figure 5a",
    quotes=sentences.SIMILAR,
    says="bulks of independent initialisations overlap beyond chance",
    reading="mean cosine of the principal angles between bulks at k: excess over chance, smallest over k from 10 % to 80 % of the dimensions, is "
    "at least 0.05",
    accept=EXCESS,
    controls=[
        Control("the run on white noise in the second run's place", lambda first, second: (first, first.white_noise)),
    ],
    over="pairs",
)
def test_seeds_share_a_bulk(first, second):
    return excess_overlap(first.overlap(second, structural=False))


def other_world(id, where, quotes, says, world, what):
    return on_any(
        f"training-jacobian/{id}",
        where=where,
        quotes=quotes,
        says=says,
        reading=f"mean cosine of the principal angles between the bulks at k of the network and of the same {what}, from one initialisation: "
        "excess over chance, smallest over k from 10 % to 80 % of the dimensions, is at least 0.05",
        accept=EXCESS,
        controls=[Control("the run on white noise in the other's place", lambda run: World(run, **{world: run.white_noise}))],
        given={"world": world},
    )


@other_world(
    "bulk-label-overlap",
    "Section 3.5, Figure 5a",
    sentences.NOT_ON_LABELS,
    "bulks of real and of shuffled labels overlap beyond chance",
    "shuffled_labels",
    "with shuffled labels",
)
@other_world(
    "loss-independence[overlap]",
    "Section 1",
    sentences.WEAKLY,
    "bulks of two loss functions overlap beyond chance",
    "squared_error",
    "with squared error",
)
def test_same_bulk(run, world):
    return excess_overlap(run.overlap(getattr(run, world), structural=False))


# --- section 3.6: training confined to a region --------------------------------------------------------------------------


def _fall(run):
    """What unconfined training takes from the test loss.

    Raises:
        NotRun: nothing.
    """
    fall = run.initial_test_loss - run.restricted.unrestricted
    if not fall > 0:
        raise NotRun(
            f"training takes the test loss from {run.initial_test_loss:.4g} to {run.restricted.unrestricted:.4g}: no fall"
        )
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
        controls=[Control(control, _swap("bulk", "complement"))],
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
    """The stable subspace works from half as many dimensions again as the chaotic one does."""
    held = run.restricted
    start = 1.5 * 10 ** _works_from(run, "chaotic")
    return _with_losses(run, stable=np.where(held.dimensions >= start, held.unrestricted, run.initial_test_loss))


def _works_from(run, region):
    """log10 of the k from which training in the region works; that of N if it never does."""
    held = run.restricted
    threshold = run.initial_test_loss - WORKS * _fall(run)
    k = crossing_dimension(held.dimensions, held.losses[region], threshold)
    return math.log10(min(k, run.spectrum.size))


@on_any(
    "training-jacobian/active-training-works[order]",
    where="Section 3.6",
    quotes=sentences.SMALL_K,
    says="fewer stable than chaotic directions suffice",
    reading="from some k on training in a subspace takes nine tenths of the fall of the test loss: log10 (k chaotic / k stable) is positive",
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
    controls=[random_move],
)
def test_most_stay_close(run):
    before, after = (jax.tree.leaves(run.tree(theta)) for theta in (run.trained.theta_0, run.trained.theta_T))
    # an array that begins at zero has no size of its own: all of it counts as moved
    sizes = [np.sqrt(np.mean(np.square(a))) for a in before]
    moved = np.concatenate([np.ravel(np.abs(b - a) < 0.1 * s) for a, b, s in zip(before, after, sizes, strict=True)])
    return Measurement(float(moved.mean()), unit="share", counted=f"of {len(moved)} parameters")
