"""Stage records of the third paper's runs: examples, theta_0, and the parameters after some of the snapshots.

The first trajectories are taken again in float32 and in float64 on the same examples; what lies between is the rounding error.
Examples are drawn in the run's precision, so that a run in another precision sees others, and differs from there on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from harness.runs.experiment import PRECISIONS
from harness.runs.sketch import rms, vector
from harness.runs.stages import UNIT, Record, exact, record

from .experiments import OnePass
from .mixtures import Examples
from .one_pass import CHUNK, Params

FEW = 4  # trajectories that are taken again
LOOKS = 4  # snapshots that are compared


def records(
    precision: str, first: Examples, trajectory: Mapping[str, Any], chunks: Any, again: Mapping[str, Any]
) -> list[Record]:
    """Everything from the first examples to the last snapshot.

    Args:
        first: the first chunk of examples.
        trajectory: parameters by name, (snapshots + 1, ...).
        chunks: how many chunks were taken before each snapshot.
        again: from :func:`replayed`.
    """
    unit = UNIT[precision]

    def parameters(snapshot: int) -> Any:
        return np.concatenate([np.asarray(trajectory[name][snapshot]).ravel() for name in Params._fields])

    theta = parameters(0)
    found = [
        exact("data", x=first[0], y=first[1]),
        record("initial parameters", vector(theta), 2 * unit * rms(theta), {"": theta}, step=0),
    ]
    for snapshot, moved in zip(again["snapshots"].tolist(), again["rounding"].tolist(), strict=True):
        now = parameters(snapshot)
        step = int(chunks[snapshot]) * CHUNK
        found.append(record("parameters", vector(now), max(moved, unit * rms(now)), {"": now}, step=step))
    return found


def replayed(
    experiment: OnePass, start: Params, examples: Iterable[Examples], chunks: Any, train: Callable[..., Params]
) -> dict[str, Any]:
    """The first trajectories again in both precisions.

    Args:
        start: their initial parameters, float64.
        examples: all chunks of examples.
        chunks: as in :func:`records`.
        train: (parameters, x, y, step size, ridge) -> the parameters after a chunk.

    Returns:
        ``snapshots`` looked at, and ``rounding`` (snapshots,) of a parameter there (root mean square over the trajectories).
    """
    e, few = experiment, slice(0, len(start.rows))
    looks = sorted({round(part * e.snapshots / LOOKS) for part in range(1, LOOKS + 1)} - {0})
    now = {precision: Params(*(leaf.astype(precision) for leaf in start)) for precision in PRECISIONS}
    moved: list[float] = []
    for done, (x, y) in enumerate(examples, start=1):
        for precision in PRECISIONS:
            rates = np.array([e.step / e.dimension, e.ridge], precision)
            now[precision] = train(now[precision], x[:, few].astype(precision), y[:, few], *rates)
        moved += [_distance(now)] * sum(int(chunks[look]) == done for look in looks)
    return {"snapshots": np.array(looks), "rounding": np.maximum.accumulate(moved) * UNIT[e.precision] / UNIT["float32"]}


def _distance(now: dict[str, Params]) -> float:
    low, high = (np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in now[precision]]) for precision in PRECISIONS)
    return rms(low - high)
