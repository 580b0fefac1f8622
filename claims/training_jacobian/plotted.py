"""Data of the authors' notebook that claims on our own seeds do not have: one numbered direction, and 20 dimensions."""

from __future__ import annotations

from typing import Any

import jax.numpy as jnp
import numpy as np

from harness.engine.trees import cast
from harness.measure import response, restricted
from harness.measure.response import Responses
from harness.measure.restricted import Restricted

from .run import SPECTRUM_CODE

# Figure 2a's "randomly selected bulk singular vector", counted from 0 in descending order of sigma.
DIRECTION = 2000
# Figure 6's dimensions of the subspaces.
DIMENSIONS = np.linspace(100, 4810, 20).round().astype(int)
GRID = (4810 - 100) / 19


def responses(run: Any, index: int) -> Responses:
    """Responses along v_index of that run, with either sign, to the notebook's 30 stimuli from 1e-3 to 1e3."""

    def compute() -> Responses:
        precision, progress = run.experiment.precision, run.lab.progress
        label = f"{run.label}: trainings along direction {index}"
        return response.responses(
            run.training, run.theta_0, run.spectrum, [index], response.FINE, (1, -1), precision, progress, label
        )

    return run.result("response-plotted", Responses, compute, modules=(*SPECTRUM_CODE, response, responses), index=index)


def confined(run: Any) -> Restricted:
    """Test losses of training confined to the regions, at the notebook's dimensions."""

    def compute() -> dict[str, Any]:
        masks = restricted.masks(run.spectrum, DIMENSIONS)
        precision, data = run.experiment.precision, run.dataset
        test = jnp.asarray(data.x_test, precision), jnp.asarray(data.y_test)
        with run.lab.progress.stage(f"{run.label}: {len(masks) * len(DIMENSIONS)} trainings in subspaces"):
            losses = restricted.restricted_losses(
                run.training, cast(run.theta_0, precision), test, run.spectrum.initial, np.concatenate(list(masks.values()))
            )
        return dict(zip(masks, np.split(losses, len(masks)), strict=True))

    modules = (*SPECTRUM_CODE, restricted, confined)
    held = run.arrays("restricted-plotted", compute, modules=modules, dimensions=DIMENSIONS.tolist())
    return Restricted(DIMENSIONS, run.trained.test_loss, held)
