"""Sections 1 and 4: a step along the gradient's part in the top Hessian subspace lowers the loss as a step along the gradient."""

from __future__ import annotations

from typing import Any

from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World
from harness.suite.verdict import within

from .worlds import both, supported

SIMILAR_DECREASE = (
    "If the gradient is mostly contained within this subspace, then doing gradient descent with g_top instead of g will yield a "
    "similar decrease in the loss, assuming the linear approximation is valid."
)
SIMILAR = within(0.9, 1.1, reason="a similar decrease: the same to one decimal")


def along(part: str) -> Any:
    """The step along another part of the gradient."""
    return lambda run: World(run, part=part)


def readings(function: Any) -> Any:
    """One claim for each step at which the single step is tried."""
    for step in (100, 200, 600):
        later = [supported("two steps: along g_top, then along the rest", along("both"))] if step < 600 else []
        both(
            "one-step",
            tag=str(step),
            where="Section 1; section 4",
            quotes=SIMILAR_DECREASE,
            says="a step along the gradient's part in the top subspace lowers the loss as the whole gradient does",
            reading=f"after {step} steps of SGD we take one step of the same size along the gradient of the whole set, and one along its "
            "projection on the top ten eigenvectors: the fall of the training loss along the projection over that along the gradient; "
            "supported if 0.9 to 1.1",
            accept=SIMILAR,
            controls=[
                Control("the next ten eigenvectors in the place of the top ten", along("next")),
                Control("a random subspace of ten dimensions", along("random")),
                *later,
            ],
            given={"step": step},
        )(function)
    return function


@readings
def test_one_step(run: Any, step: int) -> Measurement:
    falls, history = run.falls[step], run.history
    part = getattr(run, "part", "top")
    fall = falls["top"] + falls["complement"] if part == "both" else falls[part]
    slope = float(run.overlaps.gradient_norm[run.overlaps.steps == step][0]) ** 2
    details = {
        "f_top, the ratio of the linear approximation": float(history.shares[history.at(step), : run.experiment.outputs].sum()),
        "fall along g over eta |g|^2, 1 if the approximation is valid": falls["whole"] / (run.experiment.step_size * slope),
        "fall along the complement over that along g": falls["complement"] / falls["whole"],
    }
    return Measurement(fall / falls["whole"], "", f"one step after step {step}", None, {}, details)
