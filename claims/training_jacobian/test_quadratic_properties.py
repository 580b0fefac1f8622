"""Sections 2 and 3.1 on losses that Hypothesis generates: properties of all losses, and edge cases that it finds itself."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from hypothesis import Phase, assume, example, find, given, settings
from hypothesis import strategies as st

from harness.closed_form import (
    Exact,
    Momentum,
    descend_batches,
    descend_least_squares,
    descend_softmax,
    softmax_smoothness,
    strategies,
)
from harness.closed_form.strategies import Batches, Descent, Regression

HEAVY_BALLS = strategies.dyadic(0.125, 0.875).map(Momentum)
NONEXPANSIVE = 1 + 1e-10  # rounding of at most 8 factors of norm 1 or less


def engine(run: Descent | Batches) -> np.ndarray:
    from harness.closed_form.problems import quadratic_jacobian

    return quadratic_jacobian(run.hessians, run.rates, run.momentum)


def least_squares_smoothness(x: np.ndarray) -> float:
    return float(np.linalg.norm(x, 2)) ** 2 / len(x)


def off_by(jacobian: np.ndarray, exact: Exact) -> float:
    """Frobenius error over its bound."""
    return float(np.linalg.norm(jacobian - exact.jacobian)) / (exact.error + np.finfo(float).tiny)


def measured_rank(run: Descent) -> int:
    """rank(J - I) of the engine's J."""
    change = np.linalg.svd(engine(run) - np.eye(strategies.SIZE), compute_uv=False)
    return int(np.count_nonzero(change > run.exact.error))


def resolved(exact: Exact) -> bool:
    """Whether every singular value of J - I, and every |sigma - 1|, is either zero to rounding or clearly above rounding."""
    margins = np.concatenate([exact.change, np.abs(exact.sigma - 1)])
    return not np.any((margins > exact.error / 100) & (margins < 100 * exact.error))


# --- J is known ---------------------------------------------------------------------------------------------------------


@given(run=strategies.descents(strategies.momenta() | strategies.plain))
def test_engine_is_the_closed_form(run: Descent) -> None:
    assert off_by(engine(run), run.exact) <= 1


@given(run=strategies.batch_sequences(strategies.momenta() | strategies.plain))
def test_engine_is_the_product_of_blocks(run: Batches) -> None:
    assert off_by(engine(run), descend_batches(run.hessians, run.rates, run.momentum)) <= 1


@given(run=strategies.regressions(highest=1.5), momentum=strategies.momenta() | strategies.plain)
def test_engine_is_the_closed_form_of_least_squares(run: Regression, momentum: Momentum) -> None:
    from harness.closed_form.problems import least_squares_jacobian

    rates = run.rates(least_squares_smoothness)
    jacobian = least_squares_jacobian(run.inputs, run.targets, rates, momentum)
    assert off_by(jacobian, descend_least_squares(run.inputs, rates, momentum)) <= 1


@given(run=strategies.regressions(highest=1.5))
def test_engine_is_the_closed_form_of_softmax_regression(run: Regression) -> None:
    from harness.closed_form.problems import softmax_jacobian

    rates = run.rates(softmax_smoothness)
    jacobian = softmax_jacobian(run.theta, run.inputs, run.labels, rates)
    assert off_by(jacobian, descend_softmax(run.theta, run.inputs, run.labels, rates)) <= 1


# --- the rank of J - I --------------------------------------------------------------------------------------------------


@example(run=Descent((0.0, 1.0, 4.0), 0, (0.5, 0.5)))
@example(run=Descent((0.0, 1.0, 4.0), 0, (0.5, 0.5, 0.5)))
@given(run=strategies.descents(constant=True, highest=1.0))
def test_rank_is_that_of_the_hessian_but_for_even_mirrors(run: Descent) -> None:
    mirrored = sum(run.rates[0] * h == 2 for h in run.eigenvalues) if len(run.rates) % 2 == 0 else 0
    assert measured_rank(run) == run.loss.rank - mirrored


@given(run=strategies.descents(strategies.momenta(lowest=0.125), constant=True))
def test_rank_under_momentum_is_the_closed_forms(run: Descent) -> None:
    assume(resolved(run.exact))
    assert measured_rank(run) == run.exact.change_rank()


def smallest(runs: st.SearchStrategy[Descent], condition: object) -> Descent:
    """The simplest run that Hypothesis finds; it is always the same."""
    phases = (Phase.generate, Phase.shrink)
    found = settings(max_examples=4000, derandomize=True, database=None, deadline=None, phases=phases)
    return find(runs, condition, settings=found)  # type: ignore[arg-type]


def test_hypothesis_finds_the_edge_of_the_naive_rank() -> None:
    found = smallest(strategies.descents(constant=True, highest=1.0), lambda run: measured_rank(run) != run.loss.rank)
    eta, steps = found.rates[0], len(found.rates)
    assert steps % 2 == 0
    assert 2.0 in [eta * h for h in found.eigenvalues]
    # reduced to the edge case: one mirrored direction, two steps
    assert steps == 2
    assert found.loss.rank == 1
    assert measured_rank(found) == 0


def test_hypothesis_finds_a_transient_of_momentum() -> None:
    def stable_and_wrong(run: Descent) -> bool:
        inside = 0 < run.rates[0] * max(run.eigenvalues) < 2 * (1 + run.momentum.mu)
        return inside and resolved(run.exact) and measured_rank(run) < run.loss.rank

    found = smallest(strategies.descents(HEAVY_BALLS, lowest=0.0, highest=1.0, constant=True), stable_and_wrong)
    assert any(h != 0 and position_after(found, h) == 1 for h in found.eigenvalues)


def position_after(run: Descent, h: float) -> Fraction:
    """theta_T from theta_0 = 1 on 1/2 h theta^2 by the heavy ball, in exact arithmetic."""
    theta, m = Fraction(1), Fraction(0)
    for rate in run.rates:
        m = Fraction(run.momentum.mu) * m + Fraction(h) * theta
        theta -= Fraction(rate) * m
    return theta


def test_two_heavy_ball_steps_at_two_plus_mu_come_back() -> None:
    run = Descent((2.5, 0.0, 0.0), 0, (1.0, 1.0), Momentum(0.5))
    assert position_after(run, 2.5) == 1
    assert (run.loss.rank, measured_rank(run)) == (1, 0)


def test_hypothesis_finds_where_sigma_one_is_not_a_fixed_direction() -> None:
    def kept(run: Descent) -> int:
        return int(np.count_nonzero(np.abs(np.linalg.svd(engine(run), compute_uv=False) - 1) <= run.exact.error))

    found = smallest(
        strategies.descents(constant=True, highest=1.0), lambda run: kept(run) != strategies.SIZE - measured_rank(run)
    )
    assert len(found.rates) == 1
    assert 2.0 in [found.rates[0] * h for h in found.eigenvalues]


# --- convex losses ------------------------------------------------------------------------------------------------------


@given(run=strategies.descents(lowest=0.0, highest=0.5) | strategies.batch_sequences(lowest=0.0, highest=0.5))
def test_stable_plain_descent_on_convex_quadratics_never_expands(run: Descent | Batches) -> None:
    assert np.linalg.norm(engine(run), 2) <= NONEXPANSIVE


@given(run=strategies.regressions())
def test_stable_plain_descent_on_least_squares_never_expands(run: Regression) -> None:
    from harness.closed_form.problems import least_squares_jacobian

    jacobian = least_squares_jacobian(run.inputs, run.targets, run.rates(least_squares_smoothness))
    assert np.linalg.norm(jacobian, 2) <= NONEXPANSIVE


@given(run=strategies.regressions())
def test_stable_plain_descent_on_softmax_regression_never_expands(run: Regression) -> None:
    from harness.closed_form.problems import softmax_jacobian

    jacobian = softmax_jacobian(run.theta, run.inputs, run.labels, run.rates(softmax_smoothness))
    assert np.linalg.norm(jacobian, 2) <= NONEXPANSIVE


def test_momentum_expands_at_the_known_counterexample() -> None:
    run = Descent((3.0, 0.0, 0.0), 0, (1.0,), Momentum(0.9))
    np.testing.assert_array_equal(np.diag(engine(run)), [-2.0, 1.0, 1.0])  # exact in float64: 1 - 3
    np.testing.assert_allclose(np.linalg.norm(engine(run), 2), 2, rtol=1e-15)


def test_hypothesis_finds_that_momentum_expands_where_plain_descent_does_not() -> None:
    convex = strategies.descents(HEAVY_BALLS, lowest=0.0, highest=0.5)
    found = smallest(convex, lambda run: np.linalg.norm(engine(run), 2) > NONEXPANSIVE)
    assert np.linalg.norm(engine(Descent(found.eigenvalues, found.basis, found.rates)), 2) <= NONEXPANSIVE
    assert len(found.rates) >= 2  # the heavy ball's first step is plain
