"""The training that the processes of these tests share: a network of 2410 parameters on real digits, trained for 50 steps."""

from __future__ import annotations

from typing import Any

from claims.training_jacobian import recipe
from claims.training_jacobian.data import load
from claims.training_jacobian.experiments import Experiment, Model
from harness.engine import jacobian
from harness.engine.trees import cast

EXPERIMENT = Experiment("digits", "smoke", model=Model(hidden=(32,)), epochs=2)
MODULES = (recipe, jacobian)


def world() -> tuple[Any, Any]:
    """Training as a map, and theta_0 in float32."""
    data = load(EXPERIMENT.data)
    return recipe.training(EXPERIMENT, data), cast(recipe.initial_parameters(EXPERIMENT, data), "float32")
