"""Stage records of measurements: the same measurement along fixed directions, in both precisions.

A singular vector turns within its cluster from machine to machine, so that measurements along it differ. Directions of random
signs are the same everywhere. A few of them show whether the code of a measurement still computes the same. Float32 against
float64 gives the rounding error, as for trajectories (:mod:`harness.runs.stages`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
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
# Dimensions of confined trainings. The largest take two blocks of columns (harness.measure.restricted), the others one.
DIMENSIONS = (32, 64, 128, 256, 384, 512, 640, 768)
Taken = Callable[[str], Any]  # precision -> values, (groups, values of a group)


def compared(taken: Taken, precision: str) -> dict[str, Any]:
    """:func:`grouped` values of a measurement in the run's precision and in the other one."""
    low, high = (np.asarray(taken(each), np.float64) for each in PRECISIONS)
    own, other = (low, high) if precision == "float32" else (high, low)
    return grouped(own, other, precision, UNIT[precision])


def grouped(own: Any, other: Any, precision: str, least: float) -> dict[str, Any]:
    """Values with one rounding error for each group: the root mean square of their distance from those of the other precision.

    Args:
        own, other: values in the run's ``precision`` and in the other one, (groups, values of a group).
        least: the smallest relative error that a group may have.
    """
    moved = np.sqrt(np.mean((own - other) ** 2, axis=1)) * UNIT[precision] / UNIT["float32"]
    size = np.sqrt(np.mean(own**2, axis=1))
    rounding = np.repeat(np.maximum(moved, least * size), own.shape[1])
    return {"values": own.ravel(), "rounding": rounding, "groups": np.array(len(own))}


def recorded(name: str, found: Mapping[str, Any]) -> Record:
    """The stage record of :func:`grouped` values."""
    return record(name, found["values"], found["rounding"], groups=int(found["groups"]))


def directions(size: int, count: int = COUNT) -> Any:
    """Unit vectors of random signs as columns, (size, count)."""
    return whole_signs(size, count, "probed") / np.sqrt(size)


def fixed_basis(size: int) -> Any:
    """An orthogonal matrix that is the same everywhere, (size, size).

    It is I - 2 w w^T for a unit vector w of random signs. Its columns are near unit vectors; they come in an order that spreads
    the first of them, however many, over all parameters.
    """
    w = directions(size, 1)
    stride = next(step for step in range(round(0.618 * size), 2 * size) if math.gcd(step, size) == 1)
    return (np.eye(size) - 2 * w * w.T)[:, np.arange(size) * stride % size]


def responses(training: Callable[[str], Any], theta_0: Any) -> Taken:
    """Responses of training: a group for each stimulus along the direction, and one for each stimulus across it.

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
    """Test losses of trainings confined to the first columns of :func:`fixed_basis`, one group.

    Args:
        training: precision -> f.
        theta_0: initial parameters, a float64 tree.
        test: precision -> the batch that the test loss is taken on.
    """
    size = len(flatten(theta_0))
    basis = fixed_basis(size)
    masks = np.arange(size)[None] < np.minimum(DIMENSIONS, size * np.arange(1, 9) // 9)[:, None]

    def taken(precision: str) -> Any:
        start = cast(theta_0, precision)
        found = restricted.restricted_losses(training(precision), start, test(precision), basis, masks.astype(float))
        return found[None]

    return taken
