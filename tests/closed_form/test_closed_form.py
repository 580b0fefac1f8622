"""The quadratic lab against exact rational arithmetic, finite differences and textbook identities: no engine is involved."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from scipy.linalg import expm
from scipy.special import logsumexp

from harness.closed_form import (
    Momentum,
    Quadratic,
    descend,
    descend_batches,
    descend_least_squares,
    descend_softmax,
    discretisation,
    flow,
    softmax_smoothness,
)
from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput

EIGENVALUES = np.array([-0.7, 0.0, 0.0, 1e-9, 0.3, 1.0, 1.0, 3.9])
RULES = [Momentum(), Momentum(0.9), Momentum(0.9, nesterov=True)]


def basis(n: int, name: str = "basis") -> np.ndarray:
    return np.linalg.qr(numpy_stream(0, f"closed-form/{name}").normal(size=(n, n)))[0]


def rational_gain(h: float, rates: list[float], rule: Momentum) -> Fraction:
    """theta_T from theta_0 = 1 on 1/2 h theta^2, in exact arithmetic, written as optax's update reads."""
    theta, m, mu = Fraction(1), Fraction(0), Fraction(rule.mu)
    for rate in rates:
        g = Fraction(h) * theta
        m = mu * m + g
        theta -= Fraction(rate) * (g + mu * m if rule.nesterov else m)
    return theta


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_gains_are_those_of_rational_arithmetic(rule: Momentum) -> None:
    rates = list(numpy_stream(0, "closed-form/rates").uniform(0.05, 0.5, size=12))
    exact = descend(Quadratic(EIGENVALUES, np.eye(8)), rates, rule)
    gains = np.array([float(rational_gain(float(h), rates, rule)) for h in EIGENVALUES])
    error = np.linalg.norm(np.diag(exact.jacobian) - gains)
    assert error <= exact.error
    # the change of a tiny eigenvalue is there as well, to the rounding of 1: rank(J - I) = rank(H) = 6
    assert exact.change_rank() == 6
    np.testing.assert_allclose(exact.sigma, np.sort(np.abs(gains))[::-1], rtol=0, atol=exact.error)


@pytest.mark.parametrize("rule", RULES, ids=str)
def test_a_sequence_of_one_hessian_is_training_on_that_hessian(rule: Momentum) -> None:
    loss = Quadratic(EIGENVALUES, basis(8))
    rates = np.linspace(0.4, 0.1, 10)
    one, many = descend(loss, rates, rule), descend_batches(np.array([loss.hessian] * 10), rates, rule)
    assert np.linalg.norm(one.jacobian - many.jacobian) <= one.error + many.error
    assert one.change_rank() == many.change_rank() == loss.rank
    assert one.bulk(1e-6) == many.bulk(1e-6) == 3  # two zero eigenvalues, and the one of 1e-9


def test_plain_descent_is_the_power_of_i_minus_eta_h() -> None:
    loss = Quadratic(EIGENVALUES, basis(8))
    power = np.linalg.matrix_power(np.eye(8) - 0.45 * loss.hessian, 20)
    exact = descend(loss, [0.45] * 20)
    assert np.linalg.norm(exact.jacobian - power) <= exact.error


def test_heavy_ball_step_has_determinant_mu_to_the_n() -> None:
    step = Momentum(0.9).step(Quadratic(EIGENVALUES, basis(8)).hessian, 0.3)
    # 16 x 16 and well-conditioned: LU loses a few hundred ulp at most
    assert np.linalg.det(step) == pytest.approx(0.9**8, rel=1e-12)


def test_flow_is_the_matrix_exponential() -> None:
    loss = Quadratic(EIGENVALUES, basis(8))
    exact = flow(loss, 2.0)
    # expm's own error is a few hundred ulp of its norm, here 4
    assert np.linalg.norm(exact.jacobian - expm(-2.0 * loss.hessian)) <= exact.error + 1e-13
    assert exact.change_rank() == loss.rank


@pytest.mark.parametrize("steps", [16, 64, 1024])
def test_flow_is_the_limit_of_descent_at_the_stated_rate(steps: int) -> None:
    loss = Quadratic(EIGENVALUES, basis(8))
    error = np.linalg.norm(descend(loss, [2.0 / steps] * steps).jacobian - flow(loss, 2.0).jacobian, 2)
    bound = discretisation(loss, 2.0, steps)
    assert 0.4 * bound < error <= bound  # to leading order half the bound; x = 7.8 in 16 steps is as coarse as it gets


def softmax_loss(theta: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    logits = x @ theta.reshape(x.shape[1], -1)
    return float(np.mean(logsumexp(logits, axis=1) - logits[np.arange(len(y)), y]))


def test_softmax_jacobian_is_that_of_differences_of_training() -> None:
    random = numpy_stream(0, "closed-form/softmax")
    inputs, labels, theta = random.normal(size=(3, 4, 2)), random.integers(0, 3, size=(3, 4)), random.normal(size=6)
    rates = [1.0 / softmax_smoothness(x) for x in inputs]

    def train(start: np.ndarray) -> np.ndarray:
        end = start
        for x, y, rate in zip(inputs, labels, rates, strict=True):
            h = 1e-5
            slope = [(softmax_loss(end + h * e, x, y) - softmax_loss(end - h * e, x, y)) / (2 * h) for e in np.eye(6)]
            end = end - rate * np.array(slope)
        return end

    h = 1e-3
    differences = np.array([(train(theta + h * e) - train(theta - h * e)) / (2 * h) for e in np.eye(6)]).T
    exact = descend_softmax(theta, inputs, labels, rates)
    # central differences: h^2 |f'''| / 6 = 1e-6 times O(1), and 1e-11 / h from the differenced gradients
    np.testing.assert_allclose(exact.jacobian, differences, rtol=0, atol=3e-6)
    assert exact.sigma[0] <= 1 + exact.error  # convex and stable


def test_least_squares_is_a_sequence_of_quadratics() -> None:
    inputs = numpy_stream(0, "closed-form/least-squares").normal(size=(5, 4, 3))
    hessians = np.array([x.T @ x / 4 for x in inputs])
    one, other = descend_least_squares(inputs, [0.3] * 5, Momentum(0.5)), descend_batches(hessians, [0.3] * 5, Momentum(0.5))
    assert np.linalg.norm(one.jacobian - other.jacobian) <= one.error + other.error


def test_bounds_are_small_when_nothing_grows_and_follow_the_growth() -> None:
    stable, unstable = (descend(Quadratic(np.array([0.0, 1.0, 4.0]), basis(3)), [rate] * 50) for rate in (0.4, 0.75))
    assert stable.error < 2e-12
    assert 2.0**50 * 1e-16 < unstable.error < 2.0**50 * 1e-11


def test_no_steps_leave_the_identity() -> None:
    exact = descend(Quadratic(EIGENVALUES, np.eye(8)), [])
    assert np.array_equal(exact.jacobian, np.eye(8))
    assert exact.change_rank() == 0
    assert exact.bulk(1e-12) == 8


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: Momentum(1.0), "momentum 1.0: give 0 <= mu < 1"),
        (lambda: Quadratic(np.ones(2), np.ones((2, 2))), r"give an orthogonal \(2, 2\) matrix"),
        (lambda: Quadratic(np.ones(3), np.eye(2)), r"basis of shape \(2, 2\) for 3 eigenvalues"),
        (lambda: descend_batches(np.zeros((3, 2, 2)), [0.1]), "1 step sizes for 3 batches"),
        (lambda: discretisation(Quadratic(np.array([8.0]), np.eye(1)), 1.0, 4), "4 steps for .h t. up to 8"),
    ],
)
def test_what_makes_no_sense_is_refused(build: object, message: str) -> None:
    with pytest.raises(InvalidInput, match=message):
        build()  # type: ignore[operator]
