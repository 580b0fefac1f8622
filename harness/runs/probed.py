"""Measurements taken again along fixed directions, in both precisions: what a report compares of them, with rounding errors.

A singular vector turns within its cluster from machine to machine, so that measurements along it differ. Directions of random
signs are the same everywhere. A few of them show whether the code of a measurement still computes the same. Float32 against
float64 gives the rounding error, as for trajectories (:mod:`harness.runs.stages`).
"""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from harness.engine.training import Apply
from harness.engine.trees import cast, flatten
from harness.measure import influence, response, restricted
from harness.progress import Progress
from harness.runs.experiment import PRECISIONS
from harness.runs.sketch import whole_signs
from harness.runs.stages import UNIT, Record, record

COUNT = 4  # directions
STIMULI = (0.1, 1.0, 10.0)  # within and beyond the linear range of the papers' networks
DIMENSIONS = (32, 128, 512)  # of confined trainings; one block of columns, so that a step multiplies no more than it must
Taken = Callable[[str], Any]  # precision -> values, (groups, values of a group); each group has one rounding error


def compared(taken: Taken, precision: str) -> dict[str, Any]:
    """Values in a precision, flat, and their rounding errors there: the root mean square of each group's."""
    low, high = (np.asarray(taken(each), np.float64) for each in PRECISIONS)
    own, unit = low if precision == "float32" else high, UNIT[precision]
    moved = np.sqrt(np.mean((low - high) ** 2, axis=1)) * unit / UNIT["float32"]
    least = unit * np.sqrt(np.mean(own**2, axis=1))
    return {"values": own.ravel(), "rounding": np.repeat(np.maximum(moved, least), own.shape[1])}


def recorded(name: str, found: dict[str, Any]) -> Record:
    """The stage record of what :func:`compared` gives."""
    return record(name, found["values"], found["rounding"])


def directions(size: int, count: int = COUNT) -> Any:
    """Unit vectors of random signs as columns, (size, count)."""
    return whole_signs(size, count, "probed") / np.sqrt(size)


def reflection(size: int) -> Any:
    """A dense orthogonal matrix that is the same everywhere: I - 2 w w^T for a unit vector w of random signs, (size, size)."""
    w = directions(size, 1)
    return np.eye(size) - 2 * w * w.T


def responses(training: Callable[[str], Any], theta_0: Any) -> Taken:
    """Responses of training, along the stimulus and across it: a group for each stimulus, of both.

    Args:
        training: precision -> f.
        theta_0: initial parameters, a float64 tree.
    """
    along = directions(len(flatten(theta_0)))
    fixed: Any = SimpleNamespace(initial=along, final=along, sigma=np.ones(COUNT))

    def taken(precision: str) -> Any:
        label, stimuli, signs = "probed", np.array(STIMULI), (1,)
        found = response.responses(
            training(precision), theta_0, fixed, range(COUNT), stimuli, signs, precision, Progress(), label
        )
        return np.concatenate([found.along[:, 0].T, found.orthogonal[:, 0].T])

    return taken


def effects(apply: Apply, theta: Any, inputs: Any) -> Taken:
    """Divergences of predictions, a group of the means over the inputs and one of the maxima.

    Args:
        theta: parameters, a float64 tree.
        inputs: (examples, ...), float64.
    """

    def taken(precision: str) -> Any:
        along = directions(len(flatten(theta))).astype(precision)
        named = {"inputs": np.asarray(inputs, precision)}
        found = influence.divergences(apply, cast(theta, precision), along, named, Progress(), "probed")
        return [found.mean["inputs"], found.max["inputs"]]

    return taken


def confined(training: Callable[[str], Any], theta_0: Any, test: Callable[[str], Any]) -> Taken:
    """Test losses of trainings confined to the first columns of :func:`reflection`, each a group of its own.

    Args:
        test: precision -> the batch that the test loss is taken on.
    """
    size = len(flatten(theta_0))
    masks = np.arange(size)[None] < np.minimum(DIMENSIONS, size // 2)[:, None]

    def taken(precision: str) -> Any:
        start = cast(theta_0, precision)
        losses = restricted.restricted_losses(training(precision), start, test(precision), reflection(size), masks.astype(float))
        return losses[:, None]

    return taken
