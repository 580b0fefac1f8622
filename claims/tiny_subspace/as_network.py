"""The paper's experiments as networks, open to every measurement and every claim for any network."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import jax.numpy as jnp
import numpy as np
import optax

from harness.engine import descent
from harness.engine.trees import unflatten
from harness.errors import InvalidInput
from harness.runs.lab import Lab
from harness.runs.network import Network

from ..networks import Classifier, Params
from .experiments import SubspaceExperiment
from .run import Run


def network(experiment: SubspaceExperiment, options: Mapping[str, Any] = MappingProxyType({})) -> Network:
    """The experiment as a network: theta_T is the same to rounding.

    A training that is confined on the way (``side``) has no network, since its steps depend on the Hessian. The paper has no
    test examples: an experiment's held-out examples take their place, else the training examples themselves. The paper's Adam
    has no ``eps_root``, so that J does not exist where a gradient is zero; gradient and Hessian exist.

    Args:
        experiment: the experiment that is trained.
        options: places of the user's data sets, such as ``{"mnist": DIR}``.

    Raises:
        InvalidInput: a confined training.
        NotRun: the data set is missing.
    """
    e, run = experiment, Run(experiment, Lab(options=options))
    if e.side != "whole":
        raise InvalidInput(
            f"{e.name} confines its steps to the {e.side} part of the gradient: a Network trains in the whole space"
        )
    made, data, regression = run.network, run.examples, e.data == "sine"
    test = run.held_out if len(run.held_out.x) else data
    given: dict[str, Any] = {"epochs": e.steps}
    if e.batch:  # else every step takes the whole set
        given = {"epochs": 1, "order": descent.batch_order(len(data.x), e.batch, e.steps, e.data_seed)}
    return Network(
        init=lambda seed: _layers(made, seed),
        apply=(lambda params, x: made.apply(params, x)[:, 0]) if regression else made.apply,
        loss=_squared if regression else _cross_entropy,
        data=(data.x, data.y, test.x, test.y),
        optimiser=optax.adam(e.step_size) if e.optimiser == "adam" else optax.sgd(e.step_size),
        precision=e.precision,
        name=e.name,
        **given,
    )


def _layers(made: Classifier, seed: int) -> Params:
    """theta_0 of the seed as kernels and biases."""
    leaves = unflatten(made.init(seed), [np.empty(shape) for shape in made.shapes.values()])
    return tuple(zip(leaves[::2], leaves[1::2], strict=True))


def _cross_entropy(logits: Any, y: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()


def _squared(outputs: Any, y: Any) -> Any:
    return jnp.mean((outputs - y) ** 2)
