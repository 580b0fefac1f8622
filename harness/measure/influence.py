"""What a unit step along each singular direction does to the trained network's predictions (paper, section 3.3, Eq. 2)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.model import Apply, unflatten
from harness.progress import Progress

# Perturbed networks evaluated at once: keeps the activations of 200 inputs within a few tens of MB.
BATCH = 256


def divergences(
    apply: Apply, theta: Any, directions: Any, inputs: dict[str, Any], progress: Progress, label: str
) -> dict[str, Any]:
    """KL(g(x; theta) || g(x; theta + d)), averaged over +d and -d since a singular vector's sign is arbitrary.

    Args:
        theta: parameter tree of the trained network.
        directions: unit vectors as columns, shape (N, directions).
        inputs: name -> images of shape (examples, pixels).

    Returns:
        ``<name>_mean`` (Eq. 2) and ``<name>_max`` (what the notebook takes) over the inputs, in nats, shape (directions,).
    """

    def kl(step: Any, x: Any) -> Any:
        log_p = jax.nn.log_softmax(apply(theta, x))
        log_q = jax.nn.log_softmax(apply(jax.tree.map(jnp.add, theta, step), x))
        return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1)

    def both(step: Any, x: Any) -> tuple[Any, Any]:
        values = (kl(step, x) + kl(jax.tree.map(jnp.negative, step), x)) / 2
        return values.mean(), values.max()

    batched = jax.jit(jax.vmap(both, in_axes=(0, None)))
    out: dict[str, list[Any]] = {f"{name}_{how}": [] for name in inputs for how in ("mean", "max")}
    count = directions.shape[1]
    with progress.stage(label, count * len(inputs)) as step:
        for first in range(0, count, BATCH):
            part = unflatten(np.ascontiguousarray(directions[:, first : first + BATCH].T), theta)
            for name, x in inputs.items():
                mean, maximum = batched(part, x)
                out[f"{name}_mean"].append(np.asarray(mean))
                out[f"{name}_max"].append(np.asarray(maximum))
                step.advance(min(BATCH, count - first))
    return {name: np.concatenate(parts) for name, parts in out.items()}


def ratio_of_medians(values: Any, bulk: Any, others: Any) -> float:
    """Median over the bulk directions divided by the median over the others."""
    return float(np.median(values[bulk]) / np.median(values[others]))
