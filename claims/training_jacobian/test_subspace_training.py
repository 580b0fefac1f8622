"""Figure 3c and section 3.6: parameters barely move along the bulk, and training confined to it fails.

The paper's text, caption and published figure give three different dimensions from which a subspace suffices. Each is a
reading. The paper has no baseline: here random subspaces of the same dimension (Li et al. 2018) are trained beside the singular
ones.
"""

import math

import numpy as np

from harness.measure.measurement import Measurement
from harness.measure.restricted import crossing_dimension, loss_at
from harness.suite.claim import Control, claim
from harness.suite.verdict import Verdict, at_least, at_most, within

from .sentences import FIGURE_6, LITTLE, SMALL_K
from .test_influence import regions
from .test_training import random_move
from .worlds import swapped_losses, with_losses

FIGURE_6B = (
    "Restricting training to the chaotic subspace (dim ~ 750) or to the stable subspace (dim ~ 1000) does not significantly harm final "
    "test loss."
)
ACTIVE = 'a relatively low-dimensional subspace of parameters which ... are "active" during training, leaving the bulk largely untouched'
WORKS = 1.25  # times the unrestricted test loss: up to there a restricted training works


def barely_moves(against):
    return claim(
        f"training-jacobian/bulk-barely-moves[{against}]",
        where="Figure 3c",
        quotes=LITTLE,
        says="training moves the parameters less along the bulk than along the other regions",
        reading=f"median |v_i . (theta_T - theta_0)| over the bulk, structural directions left out, at most a quarter of that over the {against} "
        "directions",
        bounds=(0, math.inf),
        accept=at_most(0.25, reason="'little' against the others: a factor of four, our reading; the paper gives no number"),
        controls=[random_move],
        on="digits",
        given={"against": against},
        scales=("smoke", "paper"),
    )


@barely_moves("chaotic")
@barely_moves("stable")
def test_bulk_barely_moves(spectrum, trained, against):
    moved = np.abs(spectrum.initial.T @ (np.asarray(trained.theta_T, float) - np.asarray(trained.theta_0, float)))
    bulk, others = regions(spectrum, against)
    return Measurement(
        float(np.median(moved[bulk]) / np.median(moved[others])),
        counted=f"{len(bulk)} bulk directions against {len(others)} {against}",
        arrays={"moved": moved, "sigma": spectrum.sigma},
    )


def _threshold_at(region, dimension):
    """Training works from ``dimension`` on, and below it has the losses of the bulk."""

    def world(run):
        held = run.restricted
        return with_losses(run, **{region: np.where(held.dimensions >= dimension, held.unrestricted, held.losses["bulk"])})

    return world


def first_working(held, region):
    """log10 of the k from which the confined training works; 4 (beyond any k here) if it never works."""
    k = crossing_dimension(held.dimensions, held.losses[region], WORKS * held.unrestricted)
    return math.log10(min(k, 1e4))


def _curves(held):
    return {"dimensions": held.dimensions, **held.losses, "unrestricted": np.asarray(held.unrestricted)}


def _measured(held, region):
    return Measurement(
        first_working(held, region),
        unit="log10 k",
        counted=f"test loss within {WORKS} of unrestricted",
        arrays=_curves(held),
    )


@claim(
    "training-jacobian/bulk-training-fails[bulk]",
    where="Section 3.6, Figure 6a",
    quotes="Constraining training to the bulk prevents training from working unless k is very large (around 4000).",
    says="training confined to the bulk works from some 4000 dimensions on",
    reading="log10 of the k from which training in the span of the k directions closest to one has a test loss within 1.25 of unrestricted",
    accept=within(math.log10(3500), math.log10(4500), reason="'around 4000': one significant figure"),
    controls=[
        Control("the complement in place of the bulk", swapped_losses("bulk", "complement")),
        Control("a training that works from 3300 dimensions on", _threshold_at("bulk", 3300)),
    ],
    on="digits",
    unit="log10 k",
    published=math.log10(4000),
)
def test_bulk_training_fails(restricted):
    return _measured(restricted, "bulk")


BULK_SHARE = 3000 / 4810  # the paper's bulk


def _small_bulk(run):
    """The bulk's loss at a tenth of the dimensions, at every k."""
    held = run.restricted
    early = loss_at(held.dimensions, held.losses["bulk"], 0.1 * run.spectrum.size)
    return with_losses(run, bulk=np.full(len(held.dimensions), early))


@claim(
    "training-jacobian/bulk-training-fails[no-progress,share]",
    where="Section 3.6, Figure 6a",
    quotes=FIGURE_6,
    says="training confined to the bulk does not lower the loss",
    reading="confined to the 62 % of directions nearest one (the paper's 3000 of 4810), the test loss falls by at most a tenth of what it "
    "falls by without confinement",
    accept=at_most(0.1, reason="an order of magnitude less than training: 'impossible to make progress'; our reading"),
    controls=[
        Control("the complement in place of the bulk", swapped_losses("bulk", "complement")),
        Control("the bulk at a tenth of the dimensions", _small_bulk, Verdict.SUPPORTED),
    ],
    on="digits",
)
def test_no_progress(restricted, initial_test_loss, spectrum):
    loss = loss_at(restricted.dimensions, restricted.losses["bulk"], BULK_SHARE * spectrum.size)
    share = (initial_test_loss - loss) / (initial_test_loss - restricted.unrestricted)
    details = {"before": initial_test_loss, "confined": loss, "unrestricted": restricted.unrestricted}
    return Measurement(share, unit="share of the fall", counted="test loss", arrays=_curves(restricted), details=details)


def confined_loss(id, where, quotes, says, region, share, controls, scales=("paper",)):
    return claim(
        f"training-jacobian/{id}",
        where=where,
        quotes=quotes,
        says=says,
        reading=f"confined to the {region}{'' if region == 'complement' else ' subspace'} at k = {share * 4810:.0f} of 4810, the test loss, "
        "interpolated in log k, is at most 1.25 times the unrestricted one",
        bounds=(0, math.inf),
        accept=at_most(
            WORKS, reason="'just as well', 'not significantly': the test loss of seeds differs by several per cent; our reading"
        ),
        controls=controls,
        on="digits",
        scales=scales,
        given={"region": region, "share": share},
    )


CAPTION = "training confined to the chaotic or the stable directions ends as low as without confinement"


@confined_loss(
    "bulk-training-fails[complement-38]",
    "Section 3.6, Figure 6a",
    FIGURE_6,
    "training confined to what the bulk leaves ends as low as without confinement",
    "complement",
    1 - BULK_SHARE,
    [Control("the bulk in place of its complement", swapped_losses("bulk", "complement"))],
    ("smoke", "paper"),
)
@confined_loss(
    "active-training-works[at-750,chaotic]",
    "Figure 6b, caption",
    FIGURE_6B,
    CAPTION,
    "chaotic",
    750 / 4810,
    [Control("the bulk in its place", swapped_losses("bulk", "chaotic"))],
)
@confined_loss(
    "active-training-works[at-1000,stable]",
    "Figure 6b, caption",
    FIGURE_6B,
    CAPTION,
    "stable",
    1000 / 4810,
    [Control("the bulk in its place", swapped_losses("bulk", "stable"))],
)
def test_confined_loss(restricted, spectrum, region, share):
    loss = loss_at(restricted.dimensions, restricted.losses[region], share * spectrum.size)
    counted = f"at k = {share * spectrum.size:.0f}"
    return Measurement(loss / restricted.unrestricted, unit="ratio", counted=counted, arrays=_curves(restricted))


def works_from(reading, region, published, where, says, quotes="", between=None):
    low, high = between or (published / 1.5, published * 1.5)
    given = f"between {low} and {high}" if between else "within a factor of 1.5"
    return claim(
        f"training-jacobian/active-training-works[{reading}]",
        where=where,
        quotes=quotes,
        says=says,
        reading=f"log10 of the k from which training in the {region} subspace has a test loss within 1.25 of unrestricted: the paper's "
        f"number {given}",
        accept=within(
            math.log10(low),
            math.log10(high),
            reason="the paper's own span" if between else "'around': half again either way; the paper sweeps k in steps of 248",
        ),
        controls=[
            Control("the bulk in its place", swapped_losses("bulk", region)),
            Control(f"a training that works from {published} dimensions on", _threshold_at(region, published), Verdict.SUPPORTED),
        ],
        on="digits",
        unit="log10 k",
        given={"region": region},
        published=math.log10(published),
    )


@works_from(
    "text,stable", "stable", 300, "Section 3.6", "training confined to the stable directions works from some 300 on", SMALL_K
)
@works_from(
    "text,chaotic", "chaotic", 1000, "Section 3.6", "training confined to the chaotic directions works from some 1000 on", SMALL_K
)
@works_from(
    "figure,chaotic",
    "chaotic",
    200,
    "Figure 6b, published curve",
    "the published curve is flat from k ~ 100-350 on (chaotic)",
    between=(100, 350),
)
@works_from("figure,stable", "stable", 600, "Figure 6b, published curve", "the published curve is flat from k ~ 600 on (stable)")
def test_works_from(restricted, region):
    return _measured(restricted, region)


@claim(
    "training-jacobian/active-training-works[order]",
    where="Section 3.6",
    quotes=SMALL_K,
    says="fewer stable than chaotic directions suffice",
    reading="the stable subspace works from fewer dimensions than the chaotic one: log10 (k chaotic / k stable) is positive",
    accept=at_least(0, reason="'relatively small' against 'somewhat larger': the order alone"),
    controls=[
        Control("the stable subspace needs half as much again as the chaotic one", lambda run: _threshold_pair(run)),
        Control("the two labels swapped", swapped_losses("stable", "chaotic"), Verdict.SUPPORTED),
    ],
    on="digits",
    unit="log10 ratio",
    published=math.log10(1000 / 300),
)
def test_order(restricted):
    value = first_working(restricted, "chaotic") - first_working(restricted, "stable")
    return Measurement(value, unit="log10 ratio", arrays=_curves(restricted))


def _threshold_pair(run):
    """The chaotic subspace unchanged; the stable subspace works from 1.5 times as many dimensions."""
    later = 1.5 * 10 ** first_working(run.restricted, "chaotic")
    return _threshold_at("stable", later)(run)


@claim(
    "training-jacobian/active-training-works[swapped]",
    where="Section 3.6",
    quotes=SMALL_K,
    says="the text's two numbers, each for the other region",
    reading="with the two labels swapped the text's numbers hold: chaotic from 300 and stable from 1000, each within a factor of 1.5; the larger "
    "of the two |log10 (k / number)|",
    accept=at_most(math.log10(1.5), reason="'around': half again either way, as for the text's own numbers"),
    controls=[
        Control("the two labels as the text has them", swapped_losses("stable", "chaotic")),
        Control(
            "a training that works from 300 chaotic and from 1000 stable dimensions on",
            lambda run: _threshold_at("stable", 1000)(_threshold_at("chaotic", 300)(run)),
            Verdict.SUPPORTED,
        ),
    ],
    on="digits",
    unit="log10 ratio",
)
def test_swapped(restricted):
    found = {region: first_working(restricted, region) for region in ("chaotic", "stable")}
    errors = abs(found["chaotic"] - math.log10(300)), abs(found["stable"] - math.log10(1000))
    return Measurement(max(errors), unit="log10 ratio", arrays=_curves(restricted), details=found)


def against_random(region, says):
    return claim(
        f"training-jacobian/active-training-works[against-random,{region}]",
        where="Section 4 (baseline of Li et al. 2018, not in the paper)",
        quotes=ACTIVE,
        says=says,
        reading=f"the {region} subspace needs at least a quarter fewer dimensions than a random subspace: log10 (k random / k {region})",
        accept=at_least(
            math.log10(4 / 3), reason="a quarter fewer: seeds move k by less; our reading, the paper has no baseline"
        ),
        controls=[
            Control("the bulk in its place", swapped_losses(region, "bulk")),
            Control(
                "a training that works from 2 % of the dimensions",
                lambda run: _threshold_at(region, run.spectrum.size // 50)(run),
                Verdict.SUPPORTED,
            ),
        ],
        on="digits",
        unit="log10 ratio",
        given={"region": region},
    )


@against_random("chaotic", "chaotic directions are active ones: fewer suffice than of random directions")
@against_random("stable", "stable directions are active ones: fewer suffice than of random directions")
@against_random("complement", "directions outside of the bulk are active ones: fewer suffice than of random directions")
def test_against_random(restricted, region):
    return Measurement(
        first_working(restricted, "random") - first_working(restricted, region), unit="log10 ratio", arrays=_curves(restricted)
    )
