"""The training map f: theta_0 -> theta_T, its step and its trajectory, as pure functions of the parameters.

The factories take the static choices; what they return is pure, and the caller decides on jit, jvp, vmap and sharding.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from harness import model as networks
from harness.columns import columns_last
from harness.config import Experiment, Optimiser
from harness.data import Dataset, batches
from harness.errors import NotFinite

Loss = Callable[[Array, Array], Array]
State = tuple[Any, Any]


def cross_entropy(logits: Float[Array, "batch classes"], y: Int[Array, " batch"]) -> Float[Array, ""]:
    """Mean over the batch of -log softmax(logits)[y], in nats."""
    one_hot = jax.nn.one_hot(y, logits.shape[-1], dtype=logits.dtype)
    return -jnp.mean(jnp.sum(one_hot * jax.nn.log_softmax(logits), axis=-1))


def squared_error(logits: Float[Array, "batch classes"], y: Int[Array, " batch"]) -> Float[Array, ""]:
    """Half the squared distance of the logits from the one-hot label, summed over classes, mean over the batch."""
    one_hot = jax.nn.one_hot(y, logits.shape[-1], dtype=logits.dtype)
    return jnp.mean(jnp.sum((logits - one_hot) ** 2, axis=-1)) / 2


LOSSES: dict[str, Loss] = {"cross-entropy": cross_entropy, "squared-error": squared_error}


def optimiser(config: Optimiser, steps: int) -> optax.GradientTransformation:
    """The optax optimiser of ``config`` for a run of ``steps`` steps.

    SGD is the heavy ball m <- mu m + g, theta <- theta - eta_t m (Nesterov: theta <- theta - eta_t (g + mu m)).
    """
    schedule: Any = config.step_size
    if config.schedule == "cosine" and steps:
        schedule = optax.cosine_decay_schedule(config.step_size, steps)
    if config.name == "adam":
        return optax.adam(schedule, eps_root=config.eps_root)
    return optax.sgd(schedule, momentum=config.momentum or None, nesterov=config.nesterov)


def training_step(
    apply: networks.Apply, loss: Loss, update: optax.GradientTransformation
) -> Callable[[State, Any], tuple[State, Array]]:
    """One optimiser step: ((params, optimiser state), (x, y)) -> (the next state, the loss before the step)."""

    def step(state: State, example: tuple[Array, Array]) -> tuple[State, Array]:
        params, memory = state
        value, gradient = jax.value_and_grad(lambda p: loss(apply(p, example[0]), example[1]))(params)
        change, memory = update.update(gradient, memory, params)
        return (optax.apply_updates(params, change), memory), value

    return step


def trajectory(
    apply: networks.Apply, loss: Loss, update: optax.GradientTransformation, x: Any, y: Any, epochs: int
) -> Callable[[Any], tuple[Any, Array]]:
    """theta_0 -> (theta_T, loss at every step).

    Args:
        x, y: batches in their fixed order, (steps an epoch, batch, ...) and (steps an epoch, batch).
        epochs: passes over the batches.

    Returns:
        A pure function of the parameter tree; losses have shape (epochs * steps an epoch,).
    """
    step = training_step(apply, loss, update)

    def epoch(state: State, _: None) -> tuple[State, Array]:
        return jax.lax.scan(step, state, (x, y))

    def run(params: Any) -> tuple[Any, Array]:
        (final, _), losses = jax.lax.scan(epoch, (params, update.init(params)), None, length=epochs)
        return final, losses.reshape(-1)

    return run


@partial(jax.tree_util.register_dataclass, data_fields=("x", "y"), meta_fields=("step", "start", "epochs"))
@dataclass(frozen=True, eq=False)
class TrainingMap:
    """f: theta_0 -> theta_T (paper, section 2), a pure function of the parameter tree that knows its own linearisation.

    It is a tree with its data as leaves: as an argument of what is compiled, it shares one program with other data.

    Attributes:
        step: as :func:`training_step` makes it.
        start: parameters -> the optimiser's memory before the first step.
        x, y, epochs: as in :func:`trajectory`.
    """

    step: Callable[[State, Any], tuple[State, Array]]
    start: Callable[[Any], Any]
    x: Any
    y: Any
    epochs: int

    def __call__(self, params: Any) -> Any:
        """theta_T."""
        return self._through(lambda state, example: self.step(state, example)[0], (params, self.start(params)))[0]

    def push(self, params: Any, block: Any) -> Any:
        """J V for a tree of tangents with leaves (..., columns): each step is linearised once, for all columns.

        What ``jax.jvp`` of the whole gives too, at two thirds of the time in float32 (N = 4810, two cores).
        """
        _, first = jax.linearize(lambda theta: (theta, floating(self.start(theta))), params)

        def step(carry: Any, example: Any) -> Any:
            (theta, memory), tangents = carry

            def advance(theta: Any, floats: Any) -> Any:
                after, memory_after = self.step((theta, refloated(memory, floats)), example)[0]
                return after, floating(memory_after)

            (after, floats), linear = jax.linearize(advance, theta, floating(memory))
            counters = self.step((theta, memory), example)[0][1]  # XLA drops all but what is not floating
            return (after, refloated(counters, floats)), columns_last(linear)(*tangents)

        return self._through(step, ((params, self.start(params)), columns_last(first)(block)))[1][0]

    def _through(self, step: Callable[[Any, Any], Any], start: Any) -> Any:
        """``step`` over all examples of all epochs."""

        def epoch(carry: Any, _: None) -> tuple[Any, None]:
            return jax.lax.scan(lambda c, example: (step(c, example), None), carry, (self.x, self.y))

        return jax.lax.scan(epoch, start, None, length=self.epochs)[0]


def floating(tree: Any) -> list[Array]:
    """The leaves of an optimiser's memory that have a derivative: not its counters."""
    return [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]


def refloated(tree: Any, floats: Any) -> Any:
    """The tree with its floating leaves replaced, in order."""
    leaves, structure = jax.tree.flatten(tree)
    new = iter(floats)
    return jax.tree.unflatten(
        structure, [next(new) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf for leaf in leaves]
    )


def training_map(
    apply: networks.Apply, loss: Loss, update: optax.GradientTransformation, x: Any, y: Any, epochs: int
) -> TrainingMap:
    """f: theta_0 -> theta_T. Arguments as in :func:`trajectory`."""
    return TrainingMap(training_step(apply, loss, update), update.init, x, y, epochs)


def ingredients(experiment: Experiment, data: Dataset) -> tuple[Any, ...]:
    """What :func:`training_map` and :func:`trajectory` take, in order, for an experiment, at its precision."""
    x, y = batches(data, experiment.batch, experiment.remainder)
    return (
        networks.apply(experiment.model),
        LOSSES[experiment.loss],
        optimiser(experiment.optimiser, experiment.steps),
        jnp.asarray(x, experiment.precision),
        jnp.asarray(y),
        experiment.epochs,
    )


def initial_parameters(experiment: Experiment, data: Dataset) -> networks.Params:
    """theta_0 in float64; the trainer casts it to the experiment's precision."""
    if experiment.initialisation == "published":
        return networks.published_init()
    return networks.init(experiment.model, data, experiment.seed)


def cast(params: Any, precision: str) -> Any:
    """The parameter tree as JAX arrays of ``precision``."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, precision), params)


def check_losses(losses: Any, name: str) -> None:
    """Raise NotFinite naming the first step at which the loss is NaN or infinite."""
    bad = np.flatnonzero(~np.isfinite(losses))
    if bad.size:
        raise NotFinite(
            f"{name}: the loss at step {bad[0]} of {len(losses)} is {losses[bad[0]]}; lower the step size or check the data"
        )
