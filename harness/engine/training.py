"""The training map f: theta_0 -> theta_T (Belrose & Scherlis 2024, 2), the basis of all measurements.

J, its products, trajectories, trainings in subspaces and records of stages are functions of one :class:`Training`. Its
methods are pure; the caller decides on jit, jvp, vmap and sharding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np
import optax
from jaxtyping import Array, Float

from harness.engine.columns_last import columns_last
from harness.engine.precision import eagerly_with_exact_dtypes
from harness.engine.trees import as_floating, floating, refloated
from harness.errors import NotFinite

Apply = Callable[[Any, Any], Any]
State = tuple[Any, Any]  # the parameters and the optimiser's memory
Kind = TypeVar("Kind")


class HessianProduct(NamedTuple):
    """Products with the Hessian of a loss by a network's own code, where it is faster than the derivative of the gradient.

    The shared tree is kept for every step, on every device, as long as there is memory for it: it should be small.
    ``HessianProduct(lambda params, batch: (), lambda params, batch, shared, v: jax.jvp(gradient_on(batch), (params,), (v,))[1])``
    is what a training without it does.

    Attributes:
        linearise: (params, batch) -> a tree of arrays that all products at these parameters share.
        product: (params, batch, the shared tree, v) -> H v, with v and H v trees like the parameters. H is symmetric.
    """

    linearise: Callable[[Any, Any], Any]
    product: Callable[[Any, Any, Any, Any], Any]


def as_tree(kind: type[Kind]) -> type[Kind]:
    """Register a kind of :class:`Training` as a JAX tree with its batches as leaves."""
    return jax.tree_util.register_dataclass(kind, ["batches"], ["loss", "optimiser", "epochs", "hessian"])


@as_tree
@dataclass(frozen=True, eq=False)
class Training:
    """f: theta_0 -> theta_T, a function of the parameter tree that knows its own linearisation.

    It is a JAX tree with its batches as leaves. As an argument of a compiled function it shares one program with other data.

    Attributes:
        loss: (params, batch) -> mean loss of the batch, a scalar.
        optimiser: an optax rule, such as ``optax.sgd(0.1, momentum=0.9)`` or ``optax.adam(0.01, eps_root=1e-8)``.
        batches: a tree of arrays in their fixed order, (steps an epoch, ...); a step's batch is one index of all arrays.
            Floating arrays are cast to the dtype of the parameters.
        epochs: passes over the batches.
        hessian: products with the Hessian of ``loss`` for :class:`.products.TrainingProducts`; None differentiates the gradient.
    """

    loss: Callable[[Any, Any], Array]
    optimiser: optax.GradientTransformation
    batches: Any
    epochs: int
    hessian: HessianProduct | None = None

    @property
    def steps_an_epoch(self) -> int:
        return len(jax.tree.leaves(self.batches)[0])

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return self.epochs * self.steps_an_epoch

    def start(self, params: Any) -> State:
        """The state before the first step."""
        return params, self.optimiser.init(params)

    def step(self, state: State, batch: Any) -> tuple[State, Float[Array, ""]]:
        """One optimiser step: the next state, and the loss before the step."""
        params, memory = state
        value, gradient = jax.value_and_grad(self.loss)(params, batch)
        change, memory = self.optimiser.update(gradient, memory, params)
        return (optax.apply_updates(params, change), memory), value

    @eagerly_with_exact_dtypes
    def __call__(self, params: Any) -> Any:
        """theta_T."""
        return self.advance(self.start(params))[0]

    def advance(self, state: State) -> State:
        """The state after all steps."""
        return self._over_all(lambda state, batch: (self.step(state, batch)[0], None), state)[0]

    @eagerly_with_exact_dtypes
    def observed(self, params: Any, observe: Callable[[Any, Array], Any]) -> tuple[Any, Any]:
        """theta_T, and ``observe(parameters after the step, loss before it)`` of every step, a tree of (steps, ...)."""

        def step(state: State, batch: Any) -> tuple[State, Any]:
            after, value = self.step(state, batch)
            return after, observe(after[0], value)

        (final, _), seen = self._over_all(step, self.start(params))
        return final, jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), seen)

    def trajectory(self, params: Any) -> tuple[Any, Float[Array, " steps"]]:
        """theta_T, and the loss before every step."""
        return self.observed(params, lambda _, value: value)

    @eagerly_with_exact_dtypes
    def push(self, params: Any, block: Any) -> Any:
        """J V for a tree of tangents with leaves (..., columns): each step is linearised once, for all columns.

        ``jax.jvp`` of the whole training gives the same; this method takes two thirds of the time in float32 (N = 4810, two
        cores).
        """
        _, first = jax.linearize(lambda theta: (theta, floating(self.start(theta)[1])), params)

        def step(carry: Any, batch: Any) -> tuple[Any, None]:
            (theta, memory), tangents = carry

            def advance(theta: Any, floats: Any) -> Any:
                after, memory_after = self.step((theta, refloated(memory, floats)), batch)[0]
                return after, floating(memory_after)

            (after, floats), linear = jax.linearize(advance, theta, floating(memory))
            counters = self.step((theta, memory), batch)[0][1]  # XLA drops all but the leaves that are not floating
            return ((after, refloated(counters, floats)), columns_last(linear)(*tangents)), None

        return self._over_all(step, (self.start(params), columns_last(first)(block)))[0][1][0]

    def _over_all(self, step: Callable[[Any, Any], tuple[Any, Any]], start: Any) -> tuple[Any, Any]:
        """``step`` scanned over all batches of all epochs."""
        batches = as_floating(self.batches, floating(start)[0].dtype)
        return jax.lax.scan(lambda carry, _: jax.lax.scan(step, carry, batches), start, None, length=self.epochs)


def check_losses(losses: Any, name: str) -> None:
    """Raise NotFinite naming the first step at which the loss is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise NotFinite(
            f"{name}: the loss at step {bad[0]} of {len(losses)} is {losses[bad[0]]}; lower the step size or check the data"
        )
