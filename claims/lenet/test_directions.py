"""Sections 3.1 to 3.3 on LeNet-5: its chaotic directions, and what a sample of its bulk does, feels and shows."""

import numpy as np

from claims.lenet.worlds import chaotic_for_bulk, zero_steps
from harness.claim import claim
from harness.verdict import Measurement, at_least, at_most

A_TENTH = "'almost no effect': a tenth of what chaotic directions have; our reading"


@claim(
    "training-jacobian/lenet-5-chaotic",
    where="Section 3.1 and appendix A.1",
    says="the first singular values are greater than one: perturbations along these directions are magnified by training",
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
    return Measurement(float(held.gains[0]), counted=run.origin, details=details, arrays={"gains": held.gains, "cosines": held.cosines})


@claim(
    "training-jacobian/lenet-5-linear-bulk",
    where="Section 3.2",
    says="along the bulk training responds linearly to perturbations of its initial parameters",
    reading="a step of length 1 along a random vector v with |J v - v| < 0.1 moves the final parameters by J v to within 5 %, on average",
    accept=at_most(0.05, reason="5 %, as in the linearity claims of the small network"),
    controls=[chaotic_for_bulk],
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
    says="a bulk direction has almost no effect on in-distribution predictions",
    reading="median KL on held-out images after a unit step along random v with |J v - v| < 0.1, over that along chaotic directions, at most 0.1",
    accept=at_most(0.1, reason=A_TENTH),
    controls=[chaotic_for_bulk],
    on="lenet-5",
    over="once",
    scales=("large",),
)
def test_invisible_bulk(run):
    medians = {name: float(np.median(values)) for name, values in run.influence.items()}
    return Measurement(medians["bulk"] / medians["chaotic"], counted=run.origin, details=medians)
