"""The effect of a unit step along each singular direction on the trained network's predictions.

Source: Belrose & Scherlis 2024, section 3.3, Eq. 2.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.engine.devices import over_devices
from harness.engine.training import Apply
from harness.engine.trees import unflatten
from harness.progress import Progress

# Perturbed networks that a device evaluates at once: their activations on 200 inputs stay in the second-level cache.
BATCH = 8
SIDES, MEASURES = ("final", "initial"), ("mean", "max")


@dataclass(frozen=True, eq=False)
class Divergences:
    """KL divergences after a unit step along each direction, in nats, by the name of the inputs, shape (directions,).

    Attributes:
        mean: over the inputs (Eq. 2).
        max: over the inputs (as in the notebook).
    """

    mean: dict[str, Any]
    max: dict[str, Any]


@dataclass(frozen=True, eq=False)
class Influence:
    """Effects on predictions of a step along each u_i (``final``) and each v_i (``initial``)."""

    final: Divergences
    initial: Divergences

    def of(self, side: str, inputs: str, how: str) -> Any:
        """Divergences in nats, shape (directions,): ``final`` or ``initial``, on which inputs, ``mean`` or ``max`` over them."""
        return getattr(getattr(self, side), how)[inputs]

    def arrays(self) -> dict[str, Any]:
        """All divergences, each array by one name."""
        each = itertools.product(SIDES, self.final.mean, MEASURES)
        return {f"{side}_{name}_{how}": self.of(side, name, how) for side, name, how in each}

    @classmethod
    def of_arrays(cls, held: Mapping[str, Any], names: Iterable[str]) -> Influence:
        """The influence from the result of :meth:`arrays`, for inputs of these names."""
        known = list(names)
        return cls(*(Divergences(*({n: held[f"{side}_{n}_{how}"] for n in known} for how in MEASURES)) for side in SIDES))

    def changed(self, change: Callable[[str, str, str], Any]) -> Influence:
        """The influence with ``change(side, inputs, measure)`` in place of each array."""
        return Influence(
            *(Divergences(*({n: change(side, n, how) for n in self.final.mean} for how in MEASURES)) for side in SIDES)
        )


def divergences(apply: Apply, theta: Any, directions: Any, inputs: dict[str, Any], progress: Progress, label: str) -> Divergences:
    """KL(g(x; theta) || g(x; theta + d)), averaged over +d and -d since a singular vector's sign is arbitrary.

    Args:
        theta: parameter tree of the trained network.
        directions: unit vectors as columns, shape (N, directions).
        inputs: name -> images of shape (examples, pixels).
    """

    def log_softmax(theta: Any, x: Any) -> Any:
        # classes in front: vector units then work across examples, and a sum over ten classes is no loop of ten
        return jax.nn.log_softmax(jnp.moveaxis(apply(theta, x), -1, 0), axis=0)

    def kl(theta: Any, step: Any, x: Any) -> Any:
        log_p, log_q = log_softmax(theta, x), log_softmax(jax.tree.map(jnp.add, theta, step), x)
        return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=0)

    def both(direction: Any, theta: Any, x: Any) -> tuple[Any, Any]:
        step = unflatten(direction, theta)
        values = (kl(theta, step, x) + kl(theta, jax.tree.map(jnp.negative, step), x)) / 2
        return values.mean(), values.max()

    return along_each(both, theta, directions, inputs, progress, label)


def along_each(
    effect: Callable[[Any, Any, Any], tuple[Any, Any]],
    theta: Any,
    directions: Any,
    inputs: dict[str, Any],
    progress: Progress,
    label: str,
) -> Divergences:
    """``effect(direction, theta, x)``, a mean and a maximum over the inputs, along each direction, on all devices.

    Args:
        directions: unit vectors as columns, shape (N, directions).
        inputs: name -> inputs, trees of arrays (examples, ...).
    """
    vectors = np.ascontiguousarray(directions.T)
    out = Divergences(*({name: np.empty(len(vectors)) for name in inputs} for _ in range(2)))
    with progress.stage(label, len(vectors) * len(inputs)) as step:
        for name, x in inputs.items():
            for rows, (mean, maximum) in over_devices(effect, vectors, BATCH, theta, x):
                out.mean[name][rows], out.max[name][rows] = mean, maximum
                step.advance(len(mean))
    return out


def ratio_of_medians(values: Any, bulk: Any, others: Any) -> float:
    """Median over the bulk directions divided by the median over the others."""
    return float(np.median(values[bulk]) / np.median(values[others]))
