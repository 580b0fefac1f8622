"""Losses of a batch of outputs, and how a network and a loss make the loss of a batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

OutputLoss = Callable[[Any, Any], Array]


def cross_entropy(logits: Float[Array, "batch classes"], y: Int[Array, " batch"]) -> Float[Array, ""]:
    """Mean over the batch of -log softmax(logits)[y], in nats."""
    one_hot = jax.nn.one_hot(y, logits.shape[-1], dtype=logits.dtype)
    return -jnp.mean(jnp.sum(one_hot * jax.nn.log_softmax(logits), axis=-1))


def squared_error(logits: Float[Array, "batch classes"], y: Int[Array, " batch"]) -> Float[Array, ""]:
    """Half the squared distance of the logits from the one-hot label, summed over classes, mean over the batch."""
    one_hot = jax.nn.one_hot(y, logits.shape[-1], dtype=logits.dtype)
    return jnp.mean(jnp.sum((logits - one_hot) ** 2, axis=-1)) / 2


LOSSES: dict[str, OutputLoss] = {"cross-entropy": cross_entropy, "squared-error": squared_error}


def supervised(apply: Callable[[Any, Any], Any], loss: OutputLoss) -> Callable[[Any, Any], Array]:
    """(params, (x, y)) -> loss(apply(params, x), y)."""
    return lambda params, batch: loss(apply(params, batch[0]), batch[1])
