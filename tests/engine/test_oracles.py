"""The engine against independent oracles: dense J and products, over optimisers, losses, activations, batch orders, precisions.

Errors are relative: the largest entry of the difference over the largest entry of J. The observed errors, with every bound and
its reason, are in ``docs/oracles.md``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from claims.training_jacobian.data import Dataset
from claims.training_jacobian.experiments import Model, Optimiser
from claims.training_jacobian.recipe import apply, init, optimiser
from harness.engine.jacobian import dense_jacobian, jvp, vjp
from harness.engine.losses import LOSSES, supervised
from harness.engine.streams import numpy_stream
from harness.engine.training import Training
from harness.engine.trees import cast, flatten

PIXELS, HIDDEN, CLASSES, BATCHES, BATCH, EPOCHS = 3, 4, 3, 2, 4, 2
STEPS = BATCHES * EPOCHS
UNIT = {"float64": 2.0**-53, "float32": 2.0**-24}
BY_HAND = "training by hand in complex extended precision"
SGD = Optimiser(step_size=0.3, momentum=0.0)
HEAVY_BALL = Optimiser(step_size=0.3, momentum=0.9)
NESTEROV = Optimiser(step_size=0.3, momentum=0.9, nesterov=True, schedule="constant")
ADAM = Optimiser("adam", step_size=0.03, eps_root=1e-4)


@dataclass(frozen=True)
class Setup:
    """One training map: a 3-4-3 network, N = 31, four steps on two batches of four random examples."""

    optimiser: Optimiser
    loss: str = "cross-entropy"
    activation: str = "gelu"
    order: tuple[int, ...] = (0, 1)
    precision: str = "float64"

    def __str__(self) -> str:
        rule = "nesterov" if self.optimiser.nesterov else f"{self.optimiser.name}-{self.optimiser.momentum}"
        return f"{rule}-{self.loss}-{self.activation}-{'reversed' if self.order[0] else 'forward'}-{self.precision}"

    @property
    def data(self) -> Dataset:
        random = numpy_stream(0, "oracles/data")
        x = random.uniform(size=(BATCHES * BATCH, PIXELS))
        return Dataset(x, random.integers(0, CLASSES, size=len(x)), x[:1], np.zeros(1, int), CLASSES)

    @property
    def batches(self) -> tuple[np.ndarray, np.ndarray]:
        x, y = self.data.x_train.reshape(BATCHES, BATCH, PIXELS), self.data.y_train.reshape(BATCHES, BATCH)
        return x[list(self.order)].astype(self.precision), y[list(self.order)]

    @property
    def theta(self) -> Any:
        return cast(init(Model((HIDDEN,), self.activation), self.data, 0), self.precision)

    @property
    def f(self) -> Training:
        loss = supervised(apply(Model((HIDDEN,), self.activation)), LOSSES[self.loss])
        return Training(loss, optimiser(self.optimiser, STEPS), tuple(map(jnp.asarray, self.batches)), EPOCHS)


RULES = [Setup(rule) for rule in (SGD, HEAVY_BALL, NESTEROV, ADAM)]
OTHERS = [
    Setup(HEAVY_BALL, "squared-error", "tanh"),
    Setup(HEAVY_BALL, "cross-entropy", "relu", (1, 0)),
    Setup(NESTEROV, "squared-error", "softplus", (1, 0)),
    Setup(ADAM, "squared-error", "relu"),
]
every_rule = pytest.mark.parametrize("setup", RULES, ids=str)
two_rules = pytest.mark.parametrize("setup", [RULES[1], RULES[3]], ids=str)  # the heavy ball, and Adam


@cache
def dense(setup: Setup) -> np.ndarray:
    """The engine's J."""
    return np.asarray(dense_jacobian(setup.f, setup.theta, chunk=8))


ROUNDINGS = 400
REASON = f"{ROUNDINGS} roundings: 4 steps of some 50 dependent operations on either side, with |J| near 1"


def rounding(precision: str) -> float:
    """Relative error of J, in roundings; see ``REASON``."""
    return ROUNDINGS * UNIT[precision]


def engine(precision: str = "float64") -> str:
    return f"dense J, {precision}"


# --- written by hand: training in complex extended precision ------------------------------------------------------------


def tanh_gelu(z: Any) -> tuple[Any, Any]:
    c = np.sqrt(np.longdouble(2) / np.longdouble(np.pi))
    t = np.tanh(c * (z + 0.044715 * z**3))
    return z * (1 + t) / 2, (1 + t) / 2 + z / 2 * (1 - t**2) * c * (1 + 3 * 0.044715 * z**2)


# z -> (activation, its derivative); analytic, so that the imaginary part carries the tangent
ACTIVATIONS: dict[str, Callable[[Any], tuple[Any, Any]]] = {
    "gelu": tanh_gelu,
    "relu": lambda z: (np.where(z.real > 0, z, 0), (z.real > 0) + 0 * z),
    "softplus": lambda z: (np.log(1 + np.exp(z)), 1 / (1 + np.exp(-z))),
    "tanh": lambda z: (np.tanh(z), 1 - np.tanh(z) ** 2),
}


def swap(a: Any) -> Any:
    return np.swapaxes(a, -1, -2)


def forward(theta: Any, x: Any, setup: Setup) -> tuple[Any, Any, Any, Any]:
    """(hidden units, their slopes, second kernel, logits) for a stack of parameter vectors (columns, N)."""
    cuts = np.cumsum([PIXELS * HIDDEN, HIDDEN, HIDDEN * CLASSES])
    k0, b0, k1, b1 = np.split(theta, cuts, axis=-1)
    k0, k1 = k0.reshape(-1, PIXELS, HIDDEN), k1.reshape(-1, HIDDEN, CLASSES)
    hidden, slope = ACTIVATIONS[setup.activation](x @ k0 + b0[:, None])
    return hidden, slope, k1, hidden @ k1 + b1[:, None]


def losses_by_hand(theta: Any, setup: Setup) -> Iterator[float]:
    """The cross-entropy before every step."""
    x, y = setup.batches
    for step, at in zip(range(STEPS), train_by_hand(theta, setup), strict=False):
        logits = forward(at, x[step % BATCHES].astype(np.longdouble), setup)[3][0]
        chosen = logits[np.arange(BATCH), y[step % BATCHES]]
        yield float(np.mean(np.log(np.exp(logits).sum(-1)) - chosen))


def gradient(theta: Any, x: Any, y: Any, setup: Setup) -> Any:
    """Back-propagation through the two layers, for a stack of parameter vectors (columns, N)."""
    hidden, slope, k1, logits = forward(theta, x, setup)
    if setup.loss == "cross-entropy":
        logits = np.exp(logits)
        logits = logits / logits.sum(-1, keepdims=True)
    out = (logits - np.eye(CLASSES)[y]) / len(y)
    back = (out @ swap(k1)) * slope
    parts = (swap(x) @ back, back.sum(1), swap(hidden) @ out, out.sum(1))
    return np.concatenate([part.reshape(len(theta), -1) for part in parts], axis=-1)


def rate(config: Optimiser, step: int) -> Any:
    half = np.cos(np.longdouble(np.pi) * step / STEPS) / 2
    return np.longdouble(config.step_size) * (half + np.longdouble(0.5) if config.schedule == "cosine" else 1)


def update(config: Optimiser, step: int, g: Any, m: Any, v: Any) -> tuple[Any, Any, Any]:
    """(step taken, m, v) of the heavy ball, Nesterov or Adam (b1 = 0.9, b2 = 0.999, eps = 1e-8), as their papers write them."""
    if config.name == "adam":
        m, v = 0.9 * m + (1 - 0.9) * g, 0.999 * v + (1 - 0.999) * g**2
        mean, square = m / (1 - 0.9 ** (step + 1)), v / (1 - 0.999 ** (step + 1))
        return mean / (np.sqrt(square + config.eps_root) + 1e-8), m, v
    m = config.momentum * m + g
    return (g + config.momentum * m if config.nesterov else m), m, v


def train_by_hand(theta: Any, setup: Setup) -> Iterator[Any]:
    """theta_0, ..., theta_T for a stack of parameter vectors (columns, N), in whatever precision they have."""
    m = v = np.zeros_like(theta)
    x, y = setup.batches
    for step in range(STEPS):
        yield theta
        g = gradient(theta, x[step % BATCHES].astype(np.longdouble), y[step % BATCHES], setup)
        taken, m, v = update(setup.optimiser, step, g, m, v)
        theta = theta - rate(setup.optimiser, step) * taken
    yield theta


@cache
def by_complex_step(setup: Setup) -> tuple[np.ndarray, np.ndarray]:
    """(theta_T, J): column j is Im f(theta + i h e_j) / h, which subtracts nothing, so that h = 1e-40 costs no digit."""
    theta = flatten(setup.theta).astype(np.clongdouble)
    h = np.longdouble(1e-40)
    *_, end = train_by_hand(theta + 1j * h * np.eye(len(theta)), setup)
    return end[0].real.astype(np.float64), (end.imag / h).T.astype(np.float64)


@pytest.mark.parametrize("setup", RULES + OTHERS, ids=str)
def test_dense_against_complex_step(setup: Setup, compare: Any) -> None:
    compare.entries(engine(), BY_HAND, dense(setup), by_complex_step(setup)[1], rounding("float64"), REASON)


@pytest.mark.parametrize("setup", [replace(setup, precision="float32") for setup in RULES], ids=str)
def test_single_precision_against_complex_step(setup: Setup, compare: Any) -> None:
    assert dense(setup).dtype == np.float32
    # by hand still in extended precision, from the very float32 theta_0 and inputs
    compare.entries(engine("float32"), BY_HAND, dense(setup), by_complex_step(setup)[1], rounding("float32"), REASON)


@two_rules
def test_the_trajectory_is_training_by_hand(setup: Setup, compare: Any) -> None:
    """Its end, and the loss before every step: the other function that trains must train alike."""
    final, losses = jax.jit(setup.f.trajectory)(setup.theta)
    compare.entries("theta_T of the trajectory", BY_HAND, flatten(final), by_complex_step(setup)[0], rounding("float64"), REASON)
    plain = list(losses_by_hand(flatten(setup.theta).astype(np.longdouble)[None], setup))
    compare.entries("losses of the trajectory", BY_HAND, losses, plain, rounding("float64"), REASON)


# --- other ways through JAX ---------------------------------------------------------------------------------------------


def flat(setup: Setup) -> tuple[Callable[[Any], Any], Any]:
    """f and theta_0 on flat vectors."""
    theta, unravel = ravel_pytree(setup.theta)
    return lambda vector: ravel_pytree(setup.f(unravel(vector)))[0], theta


@two_rules
def test_dense_against_forward_mode_in_one_piece(setup: Setup, compare: Any) -> None:
    f, theta = flat(setup)
    compare.entries(engine(), "jax.jacfwd in one piece", dense(setup), jax.jit(jax.jacfwd(f))(theta), rounding("float64"), REASON)


@two_rules
def test_dense_against_reverse_mode(setup: Setup, compare: Any) -> None:
    f, theta = flat(setup)
    compare.entries(engine(), "jax.jacrev", dense(setup), jax.jit(jax.jacrev(f))(theta), rounding("float64"), REASON)


@every_rule
def test_dense_against_product_of_steps(setup: Setup, compare: Any) -> None:
    training = setup.f
    leaves, structure = jax.tree.flatten(training.start(setup.theta))
    moving = [i for i, leaf in enumerate(leaves) if jnp.issubdtype(leaf.dtype, jnp.floating)]  # step counts stay outside
    _, unravel = ravel_pytree([leaves[i] for i in moving])

    @jax.jit
    def step(leaves: Any, example: Any) -> tuple[Any, Any]:
        def through(vector: Any) -> tuple[Any, Any]:
            filled = dict(enumerate(leaves)) | dict(zip(moving, unravel(vector), strict=True))
            after = jax.tree.leaves(training.step(jax.tree.unflatten(structure, filled.values()), example)[0])
            return ravel_pytree([after[i] for i in moving])[0], after

        return jax.jacfwd(through, has_aux=True)(ravel_pytree([leaves[i] for i in moving])[0])

    n, (x, y) = len(flatten(setup.theta)), setup.batches
    whole = np.eye(sum(leaves[i].size for i in moving))
    for t in range(STEPS):
        one, leaves = step(leaves, (x[t % BATCHES], y[t % BATCHES]))
        whole = np.asarray(one) @ whole
    compare.entries(engine(), "product of the steps' dense Jacobians", dense(setup), whole[:n, :n], rounding("float64"), REASON)
    if setup.optimiser == HEAVY_BALL:
        # det [[I - eta H, -eta mu I], [H, mu I]] = mu^N whatever the loss: what theta contracts, m must give back
        _, logarithm = np.linalg.slogdet(whole)
        error = abs(logarithm - n * STEPS * np.log(setup.optimiser.momentum))
        condition = float(np.linalg.cond(whole))
        reason = "LU of a 62 x 62 matrix: 62 roundings times its condition number, in the logarithm"
        compare.error("log det of J on (theta, m)", "N T log mu", error, 62 * UNIT["float64"] * condition, reason)


# --- finite differences -------------------------------------------------------------------------------------------------


@every_rule
def test_training_and_dense_against_central_differences(setup: Setup, compare: Any) -> None:
    f, theta = flat(setup)
    ends = jax.jit(jax.vmap(f))
    around = np.concatenate([np.zeros((1, len(theta))), np.eye(len(theta)), -np.eye(len(theta))])

    def differences(h: float) -> np.ndarray:
        middle, plus, minus = np.split(np.asarray(ends(theta + h * around)), [1, 1 + len(theta)])
        np.testing.assert_allclose(middle[0], by_complex_step(setup)[0], rtol=0, atol=rounding("float64"))
        return (plus - minus).T / (2 * h)

    h = 1e-5
    fine, coarse = differences(h), differences(2 * h)
    # D(h) = J + c h^2 + O(h^4): the truncation error of D(h) is a third of |D(2h) - D(h)|. The ends carry the roundings of
    # four steps in which theta, of size 2 at most, is rounded a few times. Twice the sum, for what is beyond h^2.
    truncation, noise = np.max(np.abs(coarse - fine)) / 3, 4 * STEPS * UNIT["float64"] * float(np.max(np.abs(theta))) / h
    bound = float(2 * (truncation + noise) / np.max(np.abs(fine)))
    assert bound < 1e-8  # or the oracle would say little
    reason = "twice: truncation, a third of the change on doubling h = 1e-5, and 4 roundings of theta a step, over h"
    compare.entries(engine(), "central differences", dense(setup), fine, bound, reason)


# --- products -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", [RULES[1], RULES[3], replace(RULES[1], precision="float32")], ids=str)
def test_vjp_is_the_transpose_of_jvp(setup: Setup, compare: Any) -> None:
    random = numpy_stream(0, "oracles/vectors")
    v, w = random.normal(size=31), random.normal(size=31)
    both = jax.jit(lambda theta: (jvp(setup.f, theta, v), vjp(setup.f, theta, w)))
    forward, backward = (np.asarray(product, np.float64) for product in both(setup.theta))
    bound = rounding(setup.precision)
    error = float(abs(w @ forward - backward @ v) / (np.linalg.norm(w) * np.linalg.norm(forward)))
    name = f"products, {setup.precision}"
    compare.error(name, "each other: w.(J v) = (J^T w).v", error, bound, REASON)
    compare.entries(name, "the complex step's J times v", forward, by_complex_step(setup)[1] @ v, bound, REASON)
    compare.entries(name, "the complex step's J^T times w", backward, by_complex_step(setup)[1].T @ w, bound, REASON)


# --- blocks -------------------------------------------------------------------------------------------------------------


def test_blocks_of_another_width_make_the_same_matrix(compare: Any) -> None:
    setup = RULES[1]
    narrow = dense_jacobian(setup.f, setup.theta, chunk=5)
    compare.entries(engine(), "itself in blocks of another width", narrow, dense(setup), rounding("float64"), REASON)


def test_finished_blocks_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.engine.jacobian.BLOCK", 1)
    setup, done = RULES[1], {0: np.full((31, 8 * jax.device_count()), 7.0)}
    jacobian = dense_jacobian(setup.f, setup.theta, chunk=8, done=done)
    np.testing.assert_array_equal(jacobian[:, : done[0].shape[1]], done[0][:, :31])
    np.testing.assert_array_equal(jacobian[:, done[0].shape[1] :], dense(setup)[:, done[0].shape[1] :])
