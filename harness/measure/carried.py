"""Directions that training carries exactly, whatever it learns: found for any training, or given by symmetry.

A parameter is idle if its gradient is exactly zero in every batch, at every step of the training and at random points theta. At
random points, units that are dead along the training are alive. Weights that leave an input which is zero in every training
example are idle, and so are embeddings of tokens that never occur. An idle parameter i is carried if the rule leaves it alone
and no other parameter moves with it: J e_i = e_i and e_i^T J = e_i^T. Products with J decide that. Weight decay shrinks idle
parameters, which are then not carried. J is the derivative that JAX takes. It does not see through ``stop_gradient``, so
parameters behind ``stop_gradient`` are carried in J although training depends on them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import linalg
from scipy.sparse import identity

from harness.engine.precision import with_exact_dtypes
from harness.engine.products import TrainingProducts
from harness.engine.streams import numpy_stream
from harness.engine.training import Training
from harness.engine.trees import flatten, unflatten
from harness.errors import InvalidInput, NotFinite

PAIRS = 4  # random points theta and -theta: a unit that takes the inputs is alive at one point of each pair
PROBES = 4  # random vectors that J and its transpose are applied to
# Largest move of all structural directions together that `decompose` allows: sqrt of the sum of |J e_i - e_i|^2.
TOGETHER = 1e-3


@dataclass(frozen=True, eq=False)
class Carried:
    """Attributes:
    coordinates: flat indices of the parameters that training carries exactly, ascending.
    idle: number of parameters whose gradient is exactly zero at every point that was tried.
    moved: the largest row or column of J - I among idle parameters, estimated with random vectors. It is rounding error if all
        are carried, 0 if none is idle, and infinite if the rule allows no products with J.
    """

    coordinates: Any
    idle: int
    moved: float


@with_exact_dtypes
def idle_and_carried(training: Training, params: Any, products: Callable[[], TrainingProducts], seed: int = 0) -> Carried:
    """The parameters that a training carries exactly.

    Nothing is found if training has no step or every parameter is idle: J is then the identity, or nearly so.

    Args:
        training: the training map.
        params: theta_0, a tree of arrays of one floating dtype.
        products: makes the products with J; called only if there are idle parameters.
        seed: of the random parameters and vectors.
    """
    idle = _idle(training, params, seed) if training.steps else np.zeros(0, bool)
    if not idle.any() or idle.all():
        return Carried(np.zeros(0, int), int(np.count_nonzero(idle)), 0.0)
    try:
        moved = _moved(products(), seed)
    except (InvalidInput, NotFinite):  # nothing is claimed without confirmation; J itself may exist, or its error says why not
        moved = np.full(len(idle), np.inf)
    allowed = rounding(params, training.steps, int(np.count_nonzero(idle)))
    return Carried(np.flatnonzero(idle & (moved <= allowed)), int(np.count_nonzero(idle)), float(moved[idle].max()))


def rounding(params: Any, steps: int, directions: int) -> float:
    """Largest move of a carried direction by rounding, for several directions: half a unit in the last place at each step."""
    return min(steps * float(np.finfo(jax.tree.leaves(params)[0].dtype).eps) / 2, TOGETHER / (2 * directions) ** 0.5)


def _idle(training: Training, params: Any, seed: int) -> Any:
    """Which parameters have no gradient, (N,): first at fixed points, which is cheap, then along training."""
    frozen = dataclasses.replace(training, optimiser=_recording(optax.set_to_zero()), epochs=1)
    recorded = dataclasses.replace(training, optimiser=_recording(training.optimiser))
    idle = np.ones(sum(leaf.size for leaf in jax.tree.leaves(params)), bool)
    run = jax.jit(lambda training, params: training.advance(training.start(params))[1][0])
    for point in _points(params, seed):
        idle &= ~flatten(run(frozen, point))
        if not idle.any():
            return idle
    return idle & ~flatten(run(recorded, params))


def _recording(rule: optax.GradientTransformation) -> optax.GradientTransformation:
    """The rule, which also records where a gradient was not zero; NaN and infinity do not count."""

    def start(params: Any) -> Any:
        return jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, bool), params), rule.init(params)

    def update(gradient: Any, state: Any, params: Any = None) -> Any:
        used = jax.tree.map(lambda old, g: old | ((g != 0) & jnp.isfinite(g)), state[0], gradient)
        change, memory = rule.update(gradient, state[1], params)
        return change, (used, memory)

    return optax.GradientTransformation(start, update)


def _points(params: Any, seed: int) -> Iterator[Any]:
    """theta_0, then random parameters in pairs theta and -theta: normal, each leaf with its root mean square.

    A leaf of zeros, such as biases, gets the root mean square of all parameters.
    """
    yield params
    draw = numpy_stream(seed, "structural-points")
    whole = float(np.sqrt(np.mean(flatten(params).astype(np.float64) ** 2))) or 1.0

    def normal(leaf: Any) -> Any:
        size = float(np.sqrt(np.mean(np.asarray(leaf, np.float64) ** 2))) or whole
        return np.asarray(size * draw.standard_normal(leaf.shape), leaf.dtype)

    for _ in range(PAIRS):
        point = jax.tree.map(normal, params)
        yield point
        yield jax.tree.map(np.negative, point)


def _moved(products: TrainingProducts, seed: int) -> Any:
    """For each i the size of row i and of column i of J - I, (N,), estimated with random vectors.

    Entry i of (J - I) v is row i times v, and entry i of (J - I)^T v is column i times v. With normal v neither product is zero
    by chance, so a few products judge every parameter separately.
    """
    probes = numpy_stream(seed, "structural-probes").standard_normal((products.size, PROBES)).astype(products.dtype)
    differences = np.stack([products.forward(probes) - probes, products.adjoint(probes) - probes])
    return np.abs(differences).max(axis=(0, 2)) / np.abs(probes).max(axis=1)


def split(size: int, coordinates: Any, directions: Any = None) -> tuple[Any, Any]:
    """Orthonormal bases of all carried directions, (size, s), and of the rest, for ``decompose``; (None, None) without any.

    Args:
        size: N.
        coordinates: flat indices of parameters that are carried.
        directions: further directions, (size, columns); their parts along other directions are left out.

    Raises:
        InvalidInput: no other direction is left.
    """
    units = np.zeros((size, len(coordinates)))
    units[coordinates, np.arange(len(coordinates))] = 1
    others = np.setdiff1d(np.arange(size), coordinates)
    kept = _independent(np.zeros((len(others), 0)) if directions is None else directions[others])
    if (count := kept.shape[1]) >= len(others):
        raise InvalidInput(f"carried directions fill all {size} dimensions, so that J is the identity: give fewer as carried=")
    if not count:
        return (units, identity(size, format="csr")[:, others]) if len(coordinates) else (None, None)
    q = np.zeros((size, len(others)))
    q[others] = linalg.qr(kept)[0]
    return np.hstack([q[:, :count], units]), q[:, count:]


def _independent(directions: Any) -> Any:
    """The columns without linearly dependent ones, in their order."""
    if not directions.any():
        return directions[:, :0]
    r, order = linalg.qr(directions, mode="r", pivoting=True)
    weights = np.abs(np.diag(r))
    rank = np.count_nonzero(weights > 1e-10 * weights[0])  # rounding leaves 1e-14 of a dependent column
    return directions[:, np.sort(order[:rank])]


def shifts_of(select: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """Directions that add one constant to a row of weights, for ``Network(carried=...)``. They do not change cross-entropy.

    An output layer (in, classes) with biases has one direction for each hidden unit and one for the biases. SGD carries them;
    rules that scale each coordinate, such as Adam, do not.

    Args:
        select: (params) -> the leaves whose last axis is the axis of outputs, such as ``lambda p: (p["kernel"], p["bias"])``.

    Returns:
        (theta_0) -> orthonormal columns (N, rows of those leaves).
    """

    def columns(theta_0: Any) -> Any:
        size = len(flatten(theta_0))
        leaves = jax.tree.leaves(select(unflatten(np.arange(size), theta_0)))
        rows = [row for leaf in leaves for row in leaf.reshape(-1, leaf.shape[-1])]
        found = np.zeros((size, len(rows)))
        for column, row in enumerate(rows):
            found[row, column] = len(row) ** -0.5
        return found

    return columns
