"""What the processes of these tests share: a network of 2410 parameters on real digits, trained for 50 steps."""

from __future__ import annotations

from typing import Any

from harness import jacobian, train
from harness.config import Experiment, Model
from harness.data import load

EXPERIMENT = Experiment("digits", "smoke", model=Model(hidden=(32,)), epochs=2)
MODULES = (train, jacobian)


def world() -> tuple[Any, Any]:
    """Training as a map, and theta_0 in float32."""
    data = load(EXPERIMENT.data)
    f = train.training_map(*train.ingredients(EXPERIMENT, data))
    return f, train.cast(train.initial_parameters(EXPERIMENT, data), "float32")
