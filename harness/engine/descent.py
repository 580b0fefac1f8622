"""Mini-batch descent on a flat parameter vector, with stops at which the loss landscape can be measured."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array
from numpy.typing import NDArray

from harness.engine.streams import numpy_stream
from harness.engine.training import State, Training
from harness.errors import InvalidInput, NotFinite

Losses = Callable[[Array, Array, Array], Array]
Advance = Callable[..., State]


def batch_order(examples: int, batch: int, steps: int, seed: int) -> NDArray[np.int32]:
    """Examples of each step, (steps, batch). Every epoch is a new permutation, and its incomplete last batch is dropped.

    Raises:
        InvalidInput: fewer examples than a batch.
    """
    if not 0 < batch <= examples:
        raise InvalidInput(f"batch {batch} of {examples} examples: choose 1 to {examples}")
    rng, an_epoch = numpy_stream(seed, "batch-order"), examples // batch
    epochs = [rng.permutation(examples)[: an_epoch * batch].reshape(-1, batch) for _ in range(-(-steps // an_epoch))]
    return np.concatenate(epochs)[:steps].astype(np.int32)


def advance(losses: Losses, optimiser: optax.GradientTransformation, side: str = "whole") -> Advance:
    """((theta, optimiser state), indices (steps, batch), x, y, basis) -> the state after those steps.

    Empty batches stand for the whole set. Pure; the caller jits.

    Args:
        side: the part of each gradient that is followed: ``whole``; ``dominant``, the projection on the span of the orthonormal
            columns of ``basis`` (N, k); or ``complement``, the part orthogonal to that span. Source: Song, Ahn & Yun 2024.
    """
    follow = SIDES[side]

    def forward(state: State, order: Array, x: Array, y: Array, basis: Any = None) -> State:
        def loss(theta: Array, chosen: Array) -> Array:
            px, py = (x[chosen], y[chosen]) if len(chosen) else (x, y)
            return jnp.mean(losses(theta, px, py))

        def update(gradient: Array, memory: Any, theta: Any = None) -> Any:
            return optimiser.update(follow(gradient, basis), memory, theta)

        return Training(loss, optax.GradientTransformation(optimiser.init, update), order, 1).advance(state)

    return forward


SIDES: dict[str, Callable[[Array, Any], Array]] = {
    "whole": lambda g, _: g,
    "dominant": lambda g, basis: basis @ (basis.T @ g),
    "complement": lambda g, basis: g - basis @ (basis.T @ g),
}


def stops(
    segment: Callable[[int, State, Array], State], state: State, order: NDArray[np.int32], at: Iterable[int], stride: int
) -> Iterator[tuple[int, Array]]:
    """Descend and yield (step, theta) at each of the steps ``at``, multiples of ``stride``.

    Args:
        segment: (first step, state, indices (stride, batch)) -> the state after them; one compiled segment serves all.

    Raises:
        NotFinite: a parameter is NaN or infinite at a stop.
    """
    now = 0
    for stop in sorted(set(at)):
        for start in range(now, stop, stride):
            state = segment(start, state, jnp.asarray(order[start : start + stride]))
        now = stop
        if not bool(jnp.isfinite(state[0]).all()):
            raise NotFinite(f"training: a parameter is not finite at step {stop}; lower the step size or check the data")
        yield stop, state[0]
