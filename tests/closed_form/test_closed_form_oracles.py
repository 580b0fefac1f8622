"""The engine on losses whose training Jacobian is known: a fixed family, so that the largest error can be recorded.

The same statements on losses that Hypothesis generates are in ``claims/training_jacobian/test_quadratic_properties.py``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from harness.closed_form import (
    PLAIN,
    Exact,
    Momentum,
    descend_batches,
    descend_least_squares,
    descend_softmax,
    discretisation,
    flow,
    softmax_smoothness,
)
from harness.closed_form.problems import least_squares_jacobian, quadratic_jacobian, softmax_jacobian
from harness.closed_form.strategies import Batches, Descent, Regression

SPECTRA = {
    "definite": (0.5, 2.0, 4.0),
    "singular": (0.0, 0.0, 4.0),
    "indefinite": (-1.0, 0.0, 3.0),
    "ill-conditioned": (4.0, 2.0**-10, 2.0**-20),
    "repeated": (3.0, 3.0, 3.0),
    "zero": (0.0, 0.0, 0.0),
}
RULES = [PLAIN, Momentum(0.875), Momentum(0.875, nesterov=True)]
CONSTANT, DECAYING, UNSTABLE = (0.25,) * 8, (0.5, 0.5, 0.375, 0.25, 0.25, 0.125, 0.0625, 0.0), (0.75,) * 8
BOUND = "N steps' roundings, carried to the end by the growth of the powers (derived in harness.closed_form)"
every_rule = pytest.mark.parametrize("momentum", RULES, ids=str)


def within(compare: Any, engine: str, oracle: str, jacobian: np.ndarray, exact: Exact, reason: str = BOUND) -> None:
    compare.error(engine, oracle, float(np.linalg.norm(jacobian - exact.jacobian)), exact.error, reason)


@every_rule
@pytest.mark.parametrize("rates", [CONSTANT, DECAYING, UNSTABLE], ids=["constant", "decaying", "unstable"])
def test_one_quadratic(momentum: Momentum, rates: tuple[float, ...], compare: Any) -> None:
    for number, eigenvalues in enumerate(SPECTRA.values(), 1):
        run = Descent(eigenvalues, number, rates, momentum)
        jacobian = quadratic_jacobian(run.hessians, run.rates, momentum)
        within(compare, "J of a quadratic", "Q diag(p_T(h)) Q^T", jacobian, run.exact)


@every_rule
def test_a_quadratic_a_mini_batch(momentum: Momentum, compare: Any) -> None:
    run = Batches(tuple(SPECTRA.values()), tuple(range(1, 7)), DECAYING[:6], momentum)
    jacobian = quadratic_jacobian(run.hessians, run.rates, momentum)
    exact = descend_batches(run.hessians, run.rates, momentum)
    within(compare, "J of a quadratic a mini-batch", "corner of the product of blocks", jacobian, exact)


def test_small_steps_are_gradient_flow(compare: Any) -> None:
    steps, time = 64, 2.0
    for number, eigenvalues in enumerate(SPECTRA.values(), 1):
        run = Descent(eigenvalues, number, (time / steps,) * steps)
        limit = flow(run.loss, time)
        error = float(np.linalg.norm(quadratic_jacobian(run.hessians, run.rates) - limit.jacobian, 2))
        bound = discretisation(run.loss, time, steps) + run.exact.error + limit.error
        reason = f"discretisation, max x^2 exp(-x) / T at T = {steps}, to leading order twice the error; and rounding"
        compare.error("J of a quadratic in small steps", "exp(-H t)", error, bound, reason)


@every_rule
def test_least_squares(momentum: Momentum, compare: Any) -> None:
    run = Regression(1, 1.0, CONSTANT)
    rates = run.rates(lambda x: np.linalg.norm(x, 2) ** 2 / len(x))
    jacobian = least_squares_jacobian(run.inputs, run.targets, rates, momentum)
    within(compare, "J of least squares", "H_t = X^T X / b", jacobian, descend_least_squares(run.inputs, rates, momentum))


@pytest.mark.parametrize("scale", [0.25, 1.0, 4.0])
def test_softmax_regression(scale: float, compare: Any) -> None:
    run = Regression(2, scale, CONSTANT)
    rates = run.rates(softmax_smoothness)
    jacobian = softmax_jacobian(run.theta, run.inputs, run.labels, rates)
    exact = descend_softmax(run.theta, run.inputs, run.labels, rates)
    reason = "roundings of theta, bounded through the third derivative of log-sum-exp (harness.closed_form.softmax)"
    within(compare, "J of softmax regression", "product of I - eta_t H(theta_t)", jacobian, exact, reason)
