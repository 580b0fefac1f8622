"""Training confined to theta_0 + a subspace (Belrose & Scherlis 2024, 3.6, Eq. 3): all dimensions and regions as one batched run.

In the coordinates c = V^T (theta - theta_0) of an orthonormal basis V, training on the span of some columns is training with a
0/1 mask: theta = theta_0 + V (mask * c). Runs that share V differ by their mask alone, so a step of all of them is two products
with V. Each block of V's columns is multiplied only for the runs that may move along it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from harness.engine.precision import with_exact_dtypes
from harness.engine.spectrum import Spectrum
from harness.engine.training import Training
from harness.engine.trees import flatten, unflatten

# Dimensions as shares of N; at N = 4810 they are 96, 192, 289, ... 4570, and 7 % apart where the paper's bulk begins to work.
# The paper's bulk of 3000 is 0.62 of all dimensions and leaves 0.38.
SHARES = (0.02, 0.04, 0.06, 0.09, 0.12, 0.16, 0.21, 0.31, 0.38, 0.42, 0.62, 0.67, 0.72, 0.77, 0.83, 0.95)
BLOCK = 512  # columns of a block of V: splitting into narrower blocks costs more time than it saves
REGIONS = ("bulk", "complement", "chaotic", "stable")


def masks(spectrum: Spectrum, dimensions: Any) -> dict[str, Any]:
    """0/1 masks over singular directions, shape (dimensions, N), for each region.

    As in the paper: the k values nearest to one (bulk), the k farthest from one (complement of the bulk at N - k), the k
    largest (chaotic), and the k smallest (stable).
    """
    orders = {
        "bulk": spectrum.by_distance,
        "complement": spectrum.by_distance[::-1],
        "chaotic": np.arange(spectrum.size),
        "stable": np.arange(spectrum.size)[::-1],
    }
    out = {}
    for region, order in orders.items():
        rank = np.empty(spectrum.size, int)
        rank[order] = np.arange(spectrum.size)
        out[region] = (rank[None] < np.asarray(dimensions)[:, None]).astype(float)
    return out


@dataclass(frozen=True, eq=False)
class Restricted:
    """Test losses of training confined to subspaces.

    Attributes:
        dimensions: k, shape (dimensions,).
        unrestricted: test loss of training in the whole space.
        losses: by region, the test loss at each k.
    """

    dimensions: Any
    unrestricted: float
    losses: Mapping[str, Any]


@with_exact_dtypes
def restricted_losses(training: Training, theta_0: Any, test: Any, basis: Any, mask: Any) -> Any:
    """Test loss after training in the span of the masked columns of ``basis``, for each mask.

    Args:
        training: the training that is confined.
        theta_0: the start, a tree of arrays; all trainings run in its dtype.
        test: the batch that the test loss is taken on.
        basis: orthonormal columns, shape (N, N).
        mask: shape (runs, N).

    Returns:
        Test losses in the loss's unit, shape (runs,), in the precision of theta_0.
    """
    precision = jax.tree.leaves(theta_0)[0].dtype
    allowed = np.asarray(mask).T
    spread = spreading(allowed)

    # numbers are arguments, not constants of the program; which runs may move along which block is part of the program
    def final_losses(allowed: Any, origin: Any, split: Any, batches: Any, test: Any) -> Any:
        def each(c: Any, batch: Any) -> Any:
            theta = origin[:, None] + spread(allowed * c, *split)
            return jax.vmap(lambda t: training.loss(unflatten(t, theta_0), batch), in_axes=-1)(theta)

        # the gradient of the sum holds the gradient of every run
        confined = Training(lambda c, batch: each(c, batch).sum(), _each(training.optimiser), batches, training.epochs)
        return each(confined(jnp.zeros_like(allowed)), test)

    def real(values: Any) -> Any:
        return jnp.asarray(np.asarray(values), precision)

    columns = [np.asarray(basis[:, block], precision) for block in _blocks(len(basis))]
    split = ([real(part) for part in columns], [real(part.T) for part in columns])
    return np.asarray(jax.jit(final_losses)(real(allowed), real(flatten(theta_0)), split, training.batches, test))


def spreading(allowed: Any) -> Callable[[Any, Any, Any], Any]:
    """(c, blocks of V, blocks of V^T) -> V c, for coordinates c of shape (N, runs) that are zero where ``allowed`` is zero.

    Its derivative with respect to c is right where ``allowed`` is not zero, and has no meaning elsewhere. V^T is an argument
    too: a product with the transpose of V takes up to twice as long.
    """
    blocks = _blocks(len(allowed))
    active = [_ranges(np.any(allowed[block] != 0, axis=0)) for block in blocks]

    @jax.custom_vjp
    def spread(c: Any, v: Any, v_transposed: Any) -> Any:
        theta = jnp.zeros_like(c)
        for block, columns, runs in zip(blocks, v, active, strict=True):
            theta = _add(theta, runs, columns @ _taken(c[block], runs))
        return theta

    def forward(c: Any, v: Any, v_transposed: Any) -> Any:
        return spread(c, v, v_transposed), v_transposed

    def back(v_transposed: Any, gradient: Any) -> Any:
        rows = [
            _add(jnp.zeros((len(rows), gradient.shape[1]), gradient.dtype), runs, rows @ _taken(gradient, runs))
            for rows, runs in zip(v_transposed, active, strict=True)
        ]
        return jnp.concatenate(rows), None, None

    spread.defvjp(forward, back)
    return spread


def _taken(values: Any, runs: list[slice]) -> Any:
    """Some of the columns, side by side."""
    return jnp.concatenate([values[:, r] for r in runs], axis=1) if runs else values[:, :0]


def _add(values: Any, runs: list[slice], more: Any) -> Any:
    """``values`` with ``more`` added to some of its columns."""
    first = 0
    for r in runs:
        part = values[:, r] + more[:, first : first + r.stop - r.start]
        values, first = jax.lax.dynamic_update_slice_in_dim(values, part, r.start, 1), first + r.stop - r.start
    return values


def _blocks(size: int) -> list[slice]:
    return [slice(first, first + BLOCK) for first in range(0, size, BLOCK)]


def _ranges(flags: Any) -> list[slice]:
    """Slices of the indices at which the flags are set."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return [slice(int(first), int(last)) for first, last in edges.reshape(-1, 2)]


def _each(optimiser: optax.GradientTransformation) -> optax.GradientTransformation:
    """The rule, applied to every column separately."""
    return optax.GradientTransformation(jax.vmap(optimiser.init, -1, -1), jax.vmap(optimiser.update, -1, -1))


def random_basis(size: int, rng: np.random.Generator) -> Any:
    """A random orthonormal basis of R^size, Haar-distributed, shape (size, size)."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return q * np.sign(np.diag(r))


def loss_at(dimensions: Any, losses: Any, k: float) -> float:
    """The loss at k dimensions, interpolated in log k between the dimensions that were tried."""
    return float(np.interp(np.log(k), np.log(dimensions), losses))


def crossing_dimension(dimensions: Any, losses: Any, threshold: float) -> float:
    """Smallest k from which the loss stays at or below ``threshold``, interpolated in log k.

    Returns:
        k*; the smallest dimension if all losses are below, infinity if the last is above.
    """
    above = np.flatnonzero(~(np.asarray(losses) <= threshold))
    if not above.size:
        return float(dimensions[0])
    last = int(above[-1])
    if last + 1 == len(dimensions):
        return float("inf")
    share = (losses[last] - threshold) / (losses[last] - losses[last + 1]) if np.isfinite(losses[last]) else 1.0
    return float(np.exp(np.log(dimensions[last]) + share * np.log(dimensions[last + 1] / dimensions[last])))
