"""From an :class:`Experiment` to the parts of its training: network, data, optimiser, initial parameters."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from harness.engine.losses import LOSSES, supervised
from harness.engine.precision import with_exact_dtypes
from harness.engine.training import Training
from harness.errors import InvalidInput

from ..networks import Params, activation, lecun_normal, normal_bias, perceptron
from ..places import FIXTURES
from .data import Dataset, batches
from .experiments import Experiment, Model, Optimiser


def widths(model: Model, data: Dataset) -> tuple[int, ...]:
    """Sizes of all layers, from pixels to classes."""
    return (data.pixels, *model.hidden, data.classes)


def init(model: Model, data: Dataset, seed: int) -> Params:
    """theta_0 in float64: lecun-normal kernels, biases N(0, 1/w) with w the last hidden width, as in the authors' notebook."""
    return tuple(
        (
            lecun_normal(seed, f"kernel-{i}", (n_in, n_out)),
            normal_bias(seed, f"bias-{i}", n_out, model.hidden[min(i, len(model.hidden) - 1)]),
        )
        for i, (n_in, n_out) in enumerate(pairwise(widths(model, data)))
    )


def apply(model: Model) -> Callable[[Params, Any], Any]:
    """The network g: (params, x of shape (examples, pixels)) -> logits of shape (examples, classes)."""
    return perceptron(activation(model.activation))


def published_init(path: Path = FIXTURES / "published_init.npz") -> Params:
    """The authors' own theta_0 of seed 0 (64-64-10), float64 from float32.

    Raises:
        InvalidInput: the fixture is missing, or its arrays do not have the network's shapes.
    """
    names = ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias")
    try:
        with np.load(path, allow_pickle=False) as held:
            leaves = [np.asarray(held[name], np.float64) for name in names]
    except (OSError, KeyError, ValueError) as error:
        raise InvalidInput(
            f"published initialisation {path}: {error}; make it again with fixtures/make_published_init.py"
        ) from error
    shapes = [leaf.shape for leaf in leaves]
    if shapes != [(64, 64), (64,), (64, 10), (10,)]:
        raise InvalidInput(f"published initialisation {path}: shapes {shapes}; need (64, 64), (64,), (64, 10), (10,)")
    return ((leaves[0], leaves[1]), (leaves[2], leaves[3]))


def initial_parameters(experiment: Experiment, data: Dataset) -> Params:
    """theta_0 in float64; the trainer casts it to the experiment's precision."""
    if experiment.initialisation == "published":
        return published_init()
    return init(experiment.model, data, experiment.seed)


@cache
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


@cache
def batch_loss(model: Model, loss: str) -> Callable[[Params, Any], Any]:
    """(params, (x, y)) -> the mean loss of a batch; the same function for the same network, so that runs share compiled programs."""
    return supervised(apply(model), LOSSES[loss])


@with_exact_dtypes
def training(experiment: Experiment, data: Dataset) -> Training:
    """f: theta_0 -> theta_T, on batches (x, y) at the experiment's precision."""
    x, y = batches(data, experiment.batch, experiment.remainder)
    loss = batch_loss(experiment.model, experiment.loss)
    rule = optimiser(experiment.optimiser, experiment.steps)
    return Training(loss, rule, (jnp.asarray(x, experiment.precision), jnp.asarray(y)), experiment.epochs)
