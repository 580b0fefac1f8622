"""The paper's experiments as networks, open to every measurement and every claim for any network."""

from __future__ import annotations

from dataclasses import replace

from harness.engine.losses import LOSSES
from harness.runs.network import Network

from ..networks import Params
from . import recipe
from .data import load
from .experiments import Experiment


def network(experiment: Experiment) -> Network:
    """The experiment as a network, on the data that the experiment's seed draws: theta_T and J have the same bits."""
    data = load(experiment.data, experiment.seed)

    def initial(seed: int) -> Params:
        return recipe.initial_parameters(replace(experiment, seed=seed), data)

    return Network(
        init=initial,
        apply=recipe.apply(experiment.model),
        loss=LOSSES[experiment.loss],
        data=(data.x_train, data.y_train, data.x_test, data.y_test),
        optimiser=recipe.optimiser(experiment.optimiser, experiment.steps),
        epochs=experiment.epochs,
        batch=experiment.batch,
        remainder=experiment.remainder,
        precision=experiment.precision,
        name=experiment.name,
    )
