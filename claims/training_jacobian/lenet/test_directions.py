"""Sections 3.1 to 3.5 on LeNet-5: its chaotic directions, and measurements on a sample of its bulk."""

import numpy as np

from harness.engine.counting import difference
from harness.measure.measurement import Measurement
from harness.suite.claim import claim
from harness.suite.verdict import at_least, at_most

from ..sentences import ALIGNED, IDENTICAL, LONGER, MAGNIFIED, SIMILAR
from .worlds import (
    all_aligned,
    chaotic_for_bulk,
    equal_bulks,
    exactly,
    independent_bulks,
    layers_alone,
    linear_training,
    measured,
    sampled,
    turned,
    zero_steps,
)

A_TENTH = "'almost no effect': a tenth of what chaotic directions have; our reading"


@claim(
    "training-jacobian/lenet-5-chaotic",
    where="Section 3.1 and appendix A.1",
    quotes=MAGNIFIED,
    says="LeNet-5 has chaotic directions, too",
    reading="|J v| of the leading Ritz vector of J^T J, a lower bound of sigma_1, is at least 1.5, where section 3.1's chaotic region starts",
    accept=at_least(1.5, reason="the threshold that makes section 3.1's count of chaotic directions come out"),
    controls=[zero_steps],
    on="lenet-5",
    over="once",
    scales=("large",),
)
def test_chaotic(run):
    held = run.chaotic
    details = {"residual": float(held.residuals[0])}
    return Measurement(
        float(held.gains[0]), counted=run.origin, details=details, arrays={"gains": held.gains, "cosines": held.cosines}
    )


@claim(
    "training-jacobian/lenet-5-alignment[bulk]",
    where="Section 3.1, on LeNet-5",
    quotes=IDENTICAL,
    says="along the bulk of LeNet-5 u_i and v_i nearly agree",
    reading="cos(v, J v), on average over random vectors v of the bulk (|sigma - 1| < 0.1): the mean of cos(u_i, v_i) weighted by sigma_i",
    accept=at_least(
        0.995, reason="cosines are at most 1, so at least nine in ten are above 0.95, as is asked of the small network"
    ),
    controls=[turned("bulk")],
    on="lenet-5",
    over="interval",
    scales=("large",),
)
def test_alignment_of_the_bulk(run):
    held = run.bulk
    details = {"largest |J^T J v - v|": float(held.residuals.max())}
    return sampled(run, held.cosines, details)


@claim(
    "training-jacobian/lenet-5-alignment[chaotic]",
    where="Section 3.1, on LeNet-5",
    quotes=ALIGNED,
    says="along the chaotic directions of LeNet-5 u_i and v_i still point the same way",
    reading="smallest cos(v, J v) among the eight leading Ritz vectors of J^T J is at least 0.6",
    accept=at_least(0.6, reason="the paper's own number"),
    controls=[turned("chaotic"), all_aligned],
    on="lenet-5",
    over="once",
    scales=("large",),
)
def test_alignment_of_chaotic_directions(run):
    held = run.chaotic
    details = {"largest residual": float(held.residuals.max())}
    return Measurement(float(held.cosines.min()), counted=run.origin, details=details, arrays={"cosines": held.cosines})


@claim(
    "training-jacobian/lenet-5-linear-bulk",
    where="Section 3.2",
    quotes=LONGER,
    says="along the bulk of LeNet-5 training is linear for steps of length 1",
    reading="a step of length 1 along a random vector v of the bulk (|sigma - 1| < 0.1) moves the final parameters by J v to within 5 %, on average",
    accept=at_most(0.05, reason="5 %, as in the linearity claims of the small network"),
    controls=[chaotic_for_bulk, linear_training],
    on="lenet-5",
    over="once",
    scales=("large",),
)
def test_linear_bulk(run):
    errors = np.asarray(run.responses["bulk"])
    details = {"of a step of 0.1": float(errors[0].mean())}
    return Measurement(float(errors[1].mean()), counted=run.origin, details=details, arrays={"errors": errors})


@claim(
    "training-jacobian/lenet-5-invisible-bulk",
    where="Section 3.3",
    quotes="the bulk has virtually no effect on in-distribution behavior",
    says="a step along the bulk of LeNet-5 hardly changes predictions",
    reading="median KL on held-out images after a unit step along J v of random bulk vectors v, over that along chaotic directions, at most 0.1",
    accept=at_most(0.1, reason=A_TENTH),
    controls=[chaotic_for_bulk],
    on="lenet-5",
    over="once",
    scales=("large",),
)
def test_invisible_bulk(run):
    medians = {name: float(np.median(values)) for name, values in run.influence.items()}
    return Measurement(medians["bulk"] / medians["chaotic"], counted=run.origin, details=medians)


def seed_overlap(reading, least, control, beyond, reason):
    over = " beyond what the layers alone have in common" if beyond else ""
    return claim(
        f"training-jacobian/lenet-5-seed-overlap[{reading}]",
        where="Section 3.5, on LeNet-5",
        quotes=SIMILAR,
        says="bulks of independent initialisations of LeNet-5 overlap beyond chance",
        reading="for one pair of seeds: mean squared cosine with one's bulk, of random vectors of the other's bulk less that of random "
        f"vectors of its complement (|sigma - 1| < 0.1): 0 by chance, 1 for equal bulks; at least {least}{over}",
        accept=at_least(least, reason=reason),
        controls=[control, equal_bulks],
        on=("lenet-5", "lenet-5-other-seed"),
        over="interval",
        given={"beyond": beyond},
        scales=("large",),
    )


@seed_overlap(
    "more",
    0.02,
    independent_bulks,
    False,
    "chance is 0; two hundredths keep rounding and what samples leak across the bulk's edge out",
)
@seed_overlap(
    "much-more",
    0.25,
    independent_bulks,
    False,
    "where the bulk has four fifths of all directions this is a mean squared cosine 0.05 above chance; our reading of 'much'",
)
@seed_overlap(
    "beyond-layers",
    0.1,
    layers_alone,
    True,
    "two bulks with the same share of every kernel and bias, random to each other within it, have nothing beyond; a tenth is our reading",
)
def test_seed_overlap(run, beyond):
    compared = run.sibling("lenet-5-other-seed").compared
    layers = run.contrast_of_layers
    inside, outside = compared.shares
    contrast = difference(inside, outside)
    if beyond:
        contrast = difference(contrast, exactly(layers))
    steps = min(compared.inside.depth, compared.outside.depth)
    found = measured(
        run, contrast, steps, f"{compared.inside.width} random vectors of a bulk and as many of its complement, one pair of seeds"
    )
    samples = {"sampled after steps": float(run.parts.steps), "of the layers alone": layers}
    found.details.update({"of bulk vectors": inside.estimate, "of the complement's": outside.estimate, **samples})
    return found
