"""Measurements of predictions for networks whose outputs are plain numbers: regression, scores, any output without a softmax.

Outputs are taken as means of normal distributions of variance one. The Kullback-Leibler divergence of two such distributions is
half the squared distance of their means. So both kinds of network have divergences in nats.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.engine.devices import over_devices
from harness.engine.training import Apply
from harness.engine.trees import flatten, unflatten
from harness.errors import NotFinite
from harness.measure.influence import Divergences, along_each
from harness.progress import Progress

EXAMPLES = 8  # examples whose rows a device forms at once


def flat(outputs: Any) -> Any:
    """A tree of outputs (examples, ...) as one array (examples, numbers)."""
    return jnp.concatenate([leaf.reshape(len(leaf), -1) for leaf in jax.tree.leaves(outputs)], axis=1)


def squared_changes(
    apply: Apply, theta: Any, directions: Any, inputs: dict[str, Any], progress: Progress, label: str
) -> Divergences:
    """Half the squared change of the outputs after a unit step along each direction, averaged over + and -.

    Args:
        theta: parameter tree of the trained network.
        directions: unit vectors as columns, shape (N, directions).
        inputs: name -> inputs, trees of arrays (examples, ...).
    """

    def both(direction: Any, theta: Any, x: Any) -> tuple[Any, Any]:
        step, before = unflatten(direction, theta), flat(apply(theta, x))
        moved = jnp.stack([flat(apply(jax.tree.map(move, theta, step), x)) for move in (jnp.add, jnp.subtract)])
        values = jnp.sum((moved - before) ** 2, axis=(0, 2)) / 4
        return values.mean(), values.max()

    return along_each(both, theta, directions, inputs, progress, label)


def squared_jacobian(apply: Apply, params: Any, x: Any, progress: Progress, label: str) -> Any:
    """F^T F in float64, shape (N, N), for the Jacobian F (examples * outputs, N) of ``apply`` with respect to params.

    Args:
        x: a tree of arrays (examples, ...).

    Raises:
        NotFinite: an output has no finite derivative.
    """
    theta = flatten(params).astype(np.float64)
    examples = len(jax.tree.leaves(x)[0])

    def rows(index: Any, at: Any, x: Any) -> Any:
        one = jax.tree.map(lambda leaf: jax.lax.dynamic_slice_in_dim(leaf, index, 1), x)
        return jax.jacrev(lambda t: flat(apply(unflatten(t, params), one))[0])(at)

    total = np.zeros((theta.size, theta.size))
    with progress.stage(label, examples) as step:
        for _, block in over_devices(rows, np.arange(examples), EXAMPLES, theta, x):
            flattened = block.reshape(-1, theta.size)
            total += flattened.T @ flattened
            step.advance(len(block))
    if not np.isfinite(total).all():
        raise NotFinite(f"{label}: a derivative of the outputs is not finite")
    return total
