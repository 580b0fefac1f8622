"""Identities of every training Jacobian, for any loss, checked on trainings that Hypothesis generates."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from jax.flatten_util import ravel_pytree

from claims.training_jacobian.data import Dataset
from claims.training_jacobian.experiments import Model, Optimiser
from claims.training_jacobian.recipe import apply, init, optimiser, widths
from harness.closed_form import descend_batches, gamma, softmax_smoothness
from harness.closed_form import strategies as lab
from harness.closed_form.problems import quadratic_jacobian, softmax_jacobian
from harness.closed_form.strategies import Batches, Descent, Regression, orthogonal
from harness.engine.jacobian import tangents
from harness.engine.losses import LOSSES, supervised
from harness.engine.training import Training
from harness.engine.trees import cast, rows, unit_vectors
from harness.measure.structural import structural_split


def engine(run: Descent | Batches) -> np.ndarray:
    return quadratic_jacobian(run.hessians, run.rates, run.momentum)


def exact_bound(run: Batches) -> float:
    return descend_batches(run.hessians, run.rates, run.momentum).error


@given(first=lab.batch_sequences(steps=st.sampled_from((1, 5))), second=lab.batch_sequences(steps=st.just(3)))
def test_composed_runs_multiply(first: Batches, second: Batches) -> None:
    joined = Batches(first.eigenvalues + second.eigenvalues, first.bases + second.bases, first.rates + second.rates)
    whole, parts = engine(joined), [engine(second), engine(first)]
    # either side is within the bound of the joined run, and the product adds one rounding of its own
    bound = 2 * exact_bound(joined) + gamma(lab.SIZE) * np.linalg.norm(parts[0]) * np.linalg.norm(parts[1])
    assert np.linalg.norm(whole - parts[0] @ parts[1]) <= bound


@given(run=lab.descents(lab.momenta() | lab.plain), seed=lab.bases())
def test_rotating_the_parameters_conjugates_j(run: Descent, seed: int) -> None:
    q = orthogonal(seed)
    rotated = q @ run.hessians @ q.T
    difference = quadratic_jacobian((rotated + rotated.swapaxes(1, 2)) / 2, run.rates, run.momentum) - q @ engine(run) @ q.T
    # forming q H q' costs as much as H = Q diag(h) Q' did, which the bound counts once: twice more, and once a side
    assert np.linalg.norm(difference) <= 4 * run.exact.error


@given(run=lab.regressions(), seed=lab.bases())
def test_rotating_the_inputs_of_softmax_regression_conjugates_j(run: Regression, seed: int) -> None:
    q, rates = orthogonal(seed, lab.FEATURES), run.rates(softmax_smoothness)
    theta = (q @ run.theta.reshape(lab.FEATURES, -1)).ravel()
    big = np.kron(q, np.eye(lab.CLASSES))
    turned = softmax_jacobian(theta, run.inputs @ q.T, run.labels, rates)
    still = softmax_jacobian(run.theta, run.inputs, run.labels, rates)
    # stable steps on logits of size |x| |theta| < 100: 8 steps lose at most a few hundred ulp each
    np.testing.assert_allclose(turned, big @ still @ big.T, rtol=0, atol=1e-11)


@given(run=lab.batch_sequences(lab.momenta() | lab.plain), power=st.integers(-8, 8))
def test_scaling_the_loss_and_dividing_the_step_cancels(run: Batches, power: int) -> None:
    scale = 2.0**power  # exact, so that not one bit may differ
    scaled = quadratic_jacobian(scale * run.hessians, np.array(run.rates) / scale, run.momentum)
    np.testing.assert_array_equal(scaled, engine(run))


@given(run=lab.batch_sequences())
def test_determinant_is_the_product_of_the_steps(run: Batches) -> None:
    factors = [np.prod(1 - rate * np.array(h)) for rate, h in zip(run.rates, run.eigenvalues, strict=True)]
    jacobian = engine(run)
    # |det(A + E) - det A| <= N |E| max(|A|, |A + E|)^(N - 1), and det by LU and the factors' own roundings add as much
    bound = 4 * lab.SIZE * exact_bound(run) * max(1, np.linalg.norm(jacobian)) ** (lab.SIZE - 1)
    assert abs(np.linalg.det(jacobian) - np.prod(factors)) <= bound


@given(run=lab.descents(lab.momenta() | lab.plain))
def test_trace_is_the_sum_of_the_gains(run: Descent) -> None:
    diagonal = Descent(run.eigenvalues, 0, run.rates, run.momentum)
    # |tr E| <= sqrt(N) |E|_F, for either side; without an eigenbasis J is diagonal, of the gains
    bound = np.sqrt(lab.SIZE) * (run.exact.error + diagonal.exact.error)
    assert abs(np.trace(engine(run)) - np.sum(np.diag(engine(diagonal)))) <= bound


@given(run=lab.descents(lab.momenta() | lab.plain))
def test_j_of_one_quadratic_is_symmetric_and_commutes_with_h(run: Descent) -> None:
    jacobian, hessian = engine(run), run.loss.hessian
    assert np.linalg.norm(jacobian - jacobian.T) <= 2 * run.exact.error
    assert np.linalg.norm(jacobian @ hessian - hessian @ jacobian) <= 2 * np.linalg.norm(hessian) * run.exact.error + 1e-13


# --- networks -----------------------------------------------------------------------------------------------------------

KINDS = ((Model((3,), "gelu"), "squared-error"), (Model((3, 2), "tanh"), "cross-entropy"))
HEAVY_BALL = Optimiser(step_size=0.2, momentum=0.75)
STATELESS = Optimiser(step_size=0.2, momentum=0.0, schedule="constant")


@dataclass(frozen=True)
class Network:
    """A random network on random data: the seed of both, the inputs that are dead, architecture and loss."""

    seed: int
    dead: tuple[bool, bool, bool]
    kind: tuple[Model, str]

    @property
    def data(self) -> Dataset:
        """Two batches of four."""
        random = np.random.Generator(np.random.PCG64(self.seed))
        x = random.uniform(size=(8, 3)) * ~np.array(self.dead)
        return Dataset(x, random.integers(0, 3, size=8), x[:1], np.zeros(1, int), 3)

    @property
    def theta(self) -> Any:
        return cast(init(self.kind[0], self.data, self.seed), "float64")

    def train(self, update: Optimiser, epochs: int, start: Any = None) -> tuple[Any, np.ndarray]:
        """(theta_T, J)."""
        data, theta = self.data, self.theta if start is None else start
        end, jacobian = compiled(self.kind, update, epochs)(theta, data.x_train.reshape(2, 4, 3), data.y_train.reshape(2, 4))
        return end, np.asarray(jacobian)


@cache
def compiled(kind: tuple[Model, str], update: Optimiser, epochs: int) -> Any:
    """(theta_0, x, y) -> (theta_T, J), compiled once."""

    def train(theta: Any, x: Any, y: Any) -> tuple[Any, Any]:
        f = Training(supervised(apply(kind[0]), LOSSES[kind[1]]), optimiser(update, epochs * len(x)), (x, y), epochs)
        return f(theta), rows(tangents(f)(theta, unit_vectors(theta, jnp.arange(ravel_pytree(theta)[0].size))))

    return jax.jit(train)


networks = st.builds(Network, lab.bases(), st.tuples(st.booleans(), st.booleans(), st.booleans()), st.sampled_from(KINDS))


@given(run=networks)
def test_structural_directions_are_carried(run: Network) -> None:
    _, jacobian = run.train(HEAVY_BALL, 2)
    model, loss = run.kind
    carried, _ = structural_split(widths(model, run.data), run.data.dead_inputs, shift_invariant=loss == "cross-entropy")
    s = carried.toarray()
    # four steps of a smooth network of some 25 parameters: |J| stays near 1 and a step costs a few ulp
    np.testing.assert_allclose(jacobian @ s, s, rtol=0, atol=1e-14)
    np.testing.assert_allclose(s.T @ jacobian, s.T, rtol=0, atol=1e-14)


@given(run=networks)
def test_dead_inputs_are_carried_to_the_last_bit(run: Network) -> None:
    _, jacobian = run.train(HEAVY_BALL, 2)
    width, eye = run.kind[0].hidden[0], np.eye(len(jacobian))
    dead = [pixel * width + unit for pixel in np.flatnonzero(run.dead) for unit in range(width)]
    np.testing.assert_array_equal(jacobian[dead], eye[dead])
    np.testing.assert_array_equal(jacobian[:, dead], eye[:, dead])


@given(run=networks)
def test_two_epochs_of_a_network_are_one_after_another(run: Network) -> None:
    middle, first = run.train(STATELESS, 1)
    _, second = run.train(STATELESS, 1, start=middle)
    _, whole = run.train(STATELESS, 2)
    # the same operations but for the last product and for how the compiler fuses: a few ulp of |J| near 1
    np.testing.assert_allclose(whole, second @ first, rtol=0, atol=1e-13)
