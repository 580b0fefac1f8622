"""The Hessian of a loss over a whole data set, as products only: it is never formed.

The set is cut into chunks that a cache holds, so that memory does not grow with the number of examples. At one theta the
gradient is linearised once; every product then costs two passes over the inputs. :mod:`harness.engine.eigenpairs` finds
eigenpairs from the products.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from harness.engine.columns_last import columns_last
from harness.errors import InvalidInput

# losses(theta, x, y): the loss of each example, shape (examples,); theta is the flat vector of parameters
Losses = Callable[[Array, Array, Array], Array]


class Linearised(NamedTuple):
    """The mean loss, its gradient (N,) and the stored linearisation of each chunk's gradient at one theta."""

    loss: Array
    gradient: Array
    pushes: Any


def chunks(x: Any, y: Any, size: int) -> tuple[Array, Array, Array]:
    """Examples as (chunks, examples a chunk, ...) with weights of 1 / examples; the padding of the last chunk weighs nothing.

    Chunks have ``size`` examples, or a few less so that little is padding.
    """
    examples = len(x)
    if examples == 0 or size < 1:
        raise InvalidInput(f"{examples} examples in chunks of {size}: need at least one of each")
    count = -(-examples // size)
    size = -(-examples // count)
    rows = np.arange(count * size)
    weights = np.where(rows < examples, 1 / examples, 0.0)
    held = rows % examples
    cut = [np.asarray(part)[held].reshape(-1, size, *np.shape(part)[1:]) for part in (x, y)]
    return jnp.asarray(cut[0]), jnp.asarray(cut[1]), jnp.asarray(weights.reshape(-1, size), cut[0].dtype)


def linearise(losses: Losses) -> Callable[..., Linearised]:
    """(theta, *chunks) -> mean loss, gradient and linearised gradient over all examples of :func:`chunks`; the caller jits."""

    def chunk(theta: Float[Array, " N"], part: Any) -> Linearised:
        px, py, weight = part

        def gradient(at: Array) -> tuple[Array, Array]:
            value, slope = jax.value_and_grad(lambda t: jnp.vdot(weight, losses(t, px, py)))(at)
            return slope, value

        (slope, value), push = jax.linearize(gradient, theta)
        return Linearised(value, slope, push)

    def whole(theta: Float[Array, " N"], x: Array, y: Array, weights: Array) -> Linearised:
        loss, gradient, pushes = jax.lax.map(partial(chunk, theta), (x, y, weights))
        return Linearised(loss.sum(), gradient.sum(0), pushes)

    return whole


def mean_loss(losses: Losses) -> Callable[..., Array]:
    """(theta, *chunks) -> the mean loss over all examples of :func:`chunks`; the caller jits."""

    def whole(theta: Float[Array, " N"], x: Array, y: Array, weights: Array) -> Array:
        return jax.lax.map(lambda part: jnp.vdot(part[2], losses(theta, part[0], part[1])), (x, y, weights)).sum()

    return whole


def product(pushes: Any, v: Float[Array, " N"]) -> Float[Array, " N"]:
    """H v at the theta of :func:`linearise`."""
    return _summed(pushes, v, lambda push: push)


def products(pushes: Any, block: Float[Array, "N columns"]) -> Float[Array, "N columns"]:
    """H V at the theta of :func:`linearise`."""
    return _summed(pushes, block, columns_last)


def _summed(pushes: Any, tangents: Array, of: Callable[[Any], Any]) -> Array:
    def add(total: Array, push: Any) -> tuple[Array, None]:
        return total + of(lambda v: push(v)[0])(tangents), None

    return jax.lax.scan(add, jnp.zeros_like(tangents), pushes)[0]
