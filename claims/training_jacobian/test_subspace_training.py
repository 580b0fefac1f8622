"""Figure 3c and section 3.6: parameters barely move along the bulk, and training confined to it fails.

The paper's text, caption and published figure give three different dimensions from which a subspace suffices; each is a reading.
It has no baseline either: random subspaces of the same dimension (Li et al. 2018) are trained beside the singular ones.
"""

import math
from dataclasses import replace

import numpy as np

from harness.engine.streams import numpy_stream
from harness.measure.measurement import Measurement
from harness.measure.restricted import crossing_dimension
from harness.suite.claim import Control, World, claim
from harness.suite.verdict import Verdict, at_least, at_most, within

WORKS = 1.25  # times the unrestricted test loss: where a restricted training counts as working


def _random_move(run):
    """A displacement of the same length in a random direction."""
    start, end = (np.asarray(theta, float) for theta in (run.trained.theta_0, run.trained.theta_T))
    step = numpy_stream(run.experiment.seed, "random-move").normal(size=start.shape)
    moved = start + step * np.linalg.norm(end - start) / np.linalg.norm(step)
    return World(run, trained=replace(run.trained, theta_T=moved))


def barely_moves(reading, structural, what):
    return claim(
        f"training-jacobian/bulk-barely-moves[{reading}]",
        where="Figure 3c",
        says="parameters change little along the bulk subspace compared to the chaotic and stable subspaces",
        reading=f"median |v_i . (theta_T - theta_0)| over the bulk{what} at most a quarter of that over the other directions",
        accept=at_most(0.25, reason="'little' against the others: a factor of four, our reading; the paper gives no number"),
        controls=[Control("a random displacement of the same length", _random_move)],
        on="digits",
        given={"structural": structural},
        scales=("smoke", "paper"),
    )


@barely_moves("all", True, "")
@barely_moves("nontrivial", False, ", structural directions left out,")
def test_bulk_barely_moves(spectrum, trained, structural):
    moved = np.abs(spectrum.initial.T @ (np.asarray(trained.theta_T, float) - np.asarray(trained.theta_0, float)))
    bulk = spectrum.region(0.9, 1.1, structural=structural)
    others = np.setdiff1d(np.arange(spectrum.size), spectrum.region(0.9, 1.1))
    return Measurement(
        float(np.median(moved[bulk]) / np.median(moved[others])),
        counted=f"{len(bulk)} bulk directions against {len(others)} others",
        arrays={"moved": moved, "sigma": spectrum.sigma},
    )


def _with_losses(run, **losses):
    return World(run, restricted=replace(run.restricted, losses={**run.restricted.losses, **losses}))


def _swap(first, second):
    def world(run):
        losses = run.restricted.losses
        return _with_losses(run, **{first: losses[second], second: losses[first]})

    return world


def _threshold_at(region, dimension):
    """Training works exactly from ``dimension`` on."""

    def world(run):
        good = run.restricted.unrestricted
        return _with_losses(run, **{region: np.where(run.restricted.dimensions >= dimension, good, 10 * good)})

    return world


def first_working(held, region):
    """log10 of the k from which the confined training works; 4 (beyond any k here) if it never does."""
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
    says="constraining training to the bulk prevents training from working unless k is very large (around 4000)",
    reading="log10 of the k from which training in the span of the k directions closest to one has a test loss within 1.25 of unrestricted",
    accept=within(math.log10(3500), math.log10(4500), reason="'around 4000': one significant figure"),
    controls=[
        Control("the complement in place of the bulk", _swap("bulk", "complement")),
        Control("a training that works from 3900 dimensions on", _threshold_at("bulk", 3900), Verdict.SUPPORTED),
    ],
    on="digits",
    unit="log10 k",
    published=math.log10(4000),
)
def test_bulk_training_fails(restricted):
    return _measured(restricted, "bulk")


@claim(
    "training-jacobian/bulk-training-fails[no-progress]",
    where="Section 3.6, Figure 6a",
    says="restricting training to the bulk makes it impossible for SGD to make progress",
    reading="confined to the 62 % of directions nearest one (the paper's 3000 of 4810), the test loss stays above half of guessing, ln 10",
    accept=at_least(
        0.5 * math.log(10), reason="less than half of the way from guessing to zero loss: 'no progress' read leniently"
    ),
    controls=[Control("the complement in place of the bulk", _swap("bulk", "complement"))],
    on="digits",
    unit="nats",
    given={"region": "bulk", "share": 0.62, "relative": False},
)
@claim(
    "training-jacobian/bulk-training-fails[complement]",
    where="Section 3.6, Figure 6a",
    says="training restricted to the complement of the bulk performs essentially just as well as unconstrained training",
    reading="confined to the 42 % of directions farthest from one, the test loss is at most 1.25 times the unrestricted one",
    accept=at_most(WORKS, reason="'essentially just as well': the test loss of seeds differs by several per cent; our reading"),
    controls=[Control("the bulk in place of its complement", _swap("bulk", "complement"))],
    on="digits",
    scales=("smoke", "paper"),
    given={"region": "complement", "share": 0.42, "relative": True},
)
def test_confined_loss(restricted, spectrum, region, share, relative):
    dimensions = restricted.dimensions
    index = int(np.argmin(np.abs(dimensions - share * spectrum.size)))
    loss = float(restricted.losses[region][index])
    value = loss / restricted.unrestricted if relative else loss
    return Measurement(value, counted=f"at k = {dimensions[index]}", arrays=_curves(restricted))


def works_from(reading, region, published, where, says, between=None):
    low, high = between or (published / 1.5, published * 1.5)
    given = f"between {low} and {high}" if between else "within a factor of 1.5"
    return claim(
        f"training-jacobian/active-training-works[{reading}]",
        where=where,
        says=says,
        reading=f"log10 of the k from which training in the {region} subspace has a test loss within 1.25 of unrestricted: the paper's "
        f"number {given}",
        accept=within(
            math.log10(low),
            math.log10(high),
            reason="the paper's own span" if between else "'around': half again either way; the paper sweeps k in steps of 248",
        ),
        controls=[
            Control("the bulk in its place", _swap("bulk", region)),
            Control(f"a training that works from {published} dimensions on", _threshold_at(region, published), Verdict.SUPPORTED),
        ],
        on="digits",
        unit="log10 k",
        given={"region": region},
        published=math.log10(published),
    )


TEXT = (
    "constrained to the stable subspace, training is effective for relatively small values of k (around 300), and on the chaotic "
    "subspace for somewhat larger values (around 1000)"
)
CAPTION = "restricting training to the chaotic subspace (dim ~ 750) or to the stable subspace (dim ~ 1000) does not significantly harm test loss"


@works_from("text,stable", "stable", 300, "Section 3.6", TEXT)
@works_from("text,chaotic", "chaotic", 1000, "Section 3.6", TEXT)
@works_from("caption,chaotic", "chaotic", 750, "Figure 6b, caption", CAPTION)
@works_from("caption,stable", "stable", 1000, "Figure 6b, caption", CAPTION)
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


def against_random(region, says):
    return claim(
        f"training-jacobian/active-training-works[against-random,{region}]",
        where="Section 3.6 (baseline of Li et al. 2018, not in the paper)",
        says=says,
        reading=f"the {region} subspace needs at least a quarter fewer dimensions than a random subspace: log10 (k random / k {region})",
        accept=at_least(
            math.log10(4 / 3), reason="a quarter fewer: seeds move k by less; our reading, the paper has no baseline"
        ),
        controls=[
            Control("the random subspace in its place", _swap(region, "random")),
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


@against_random("chaotic", "the chaotic subspace is one of the directions that are active during training")
@against_random("stable", "the stable subspace is one of the directions that are active during training")
@against_random("complement", "the active subspace is selected by training")
def test_against_random(restricted, region):
    return Measurement(
        first_working(restricted, "random") - first_working(restricted, region), unit="log10 ratio", arrays=_curves(restricted)
    )
