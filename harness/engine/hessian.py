"""The Hessian of a loss over a whole data set, as products only: it is never formed.

The set is cut into chunks that a cache holds. One program serves all chunks: a scan over them would copy each chunk's stored
linearisation before every use. At one theta the gradient is linearised once, and every product then costs two passes over the
inputs. The linearisations of all chunks are held at once, so memory grows with the data. :mod:`harness.engine.eigenpairs`
finds eigenpairs from the products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial, reduce
from operator import add
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
    pushes: list[Any]


Chunk = tuple[Array, Array, Array]


def chunks(x: Any, y: Any, size: int) -> list[Chunk]:
    """Examples cut into chunks of (x, y, weights of 1 / examples); the padding of the last chunk weighs nothing.

    Chunks have ``size`` examples, or a few less so that little is padding. All have one shape, and so share one program.
    """
    examples = len(x)
    if examples == 0 or size < 1:
        raise InvalidInput(f"{examples} examples in chunks of {size}: need at least one of each")
    count = -(-examples // size)
    rows = np.arange(count * -(-examples // count))
    weights = np.where(rows < examples, 1 / examples, 0.0).astype(np.asarray(x).dtype)
    cut = [np.split(part, count) for part in (np.asarray(x)[rows % examples], np.asarray(y)[rows % examples], weights)]
    return [(jnp.asarray(px), jnp.asarray(py), jnp.asarray(weight)) for px, py, weight in zip(*cut, strict=True)]


def linearise(losses: Losses) -> Callable[..., Linearised]:
    """(theta, *chunk) -> the chunk's part of the mean loss and its gradient, with the gradient linearised; the caller jits."""

    def chunk(theta: Float[Array, " N"], x: Array, y: Array, weights: Array) -> Linearised:
        def gradient(at: Array) -> tuple[Array, Array]:
            value, slope = jax.value_and_grad(partial(mean_loss(losses), x=x, y=y, weights=weights))(at)
            return slope, value

        (slope, value), push = jax.linearize(gradient, theta)
        return Linearised(value, slope, [push])

    return chunk


def mean_loss(losses: Losses) -> Callable[..., Array]:
    """(theta, *chunk) -> the chunk's part of the mean loss; the caller jits."""

    def chunk(theta: Float[Array, " N"], x: Array, y: Array, weights: Array) -> Array:
        return jnp.vdot(weights, losses(theta, x, y))

    return chunk


def joined(parts: Sequence[Linearised]) -> Linearised:
    """The mean loss over all chunks."""
    return Linearised(
        summed(p.loss for p in parts), summed(p.gradient for p in parts), [push for p in parts for push in p.pushes]
    )


def product(push: Any, v: Float[Array, " N"]) -> Float[Array, " N"]:
    """A chunk's part of H v at the theta of :func:`linearise`; the caller jits and sums."""
    image: Array = push(v)[0]
    return image


def products(push: Any, block: Float[Array, "N columns"]) -> Float[Array, "N columns"]:
    """A chunk's part of H V at the theta of :func:`linearise`; the caller jits and sums."""
    images: Array = columns_last(lambda v: push(v)[0])(block)
    return images


def summed(parts: Iterable[Array]) -> Array:
    """The sum over chunks, in their order."""
    return reduce(add, parts)
