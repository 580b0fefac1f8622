"""Stage records of the third paper's runs: examples, theta_0, and the parameters after some of the snapshots.

The first trajectories are taken again in float32 and in float64 on the same examples; what lies between is the rounding error.
Examples are drawn in the run's precision, so that a run in another precision sees others, and differs from there on.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from claims.outlier_eigenspaces.run import CODE, OnePassRun, _trainer
from harness.config import PRECISIONS
from harness.one_pass import CHUNK, Params
from harness.stages import Record, definition, exact, record, stages_of
from harness.stages.sketch import rms, vector
from harness.stages.training import UNIT

FEW = 4  # trajectories that are taken again
LOOKS = 4  # snapshots that are compared


@stages_of.register(OnePassRun)
def one_pass_stages(run: OnePassRun) -> list[Record]:
    """Everything from the first example to the last snapshot."""
    if ("one-pass",) not in run._held:
        return [definition(run)]
    key = {"experiment": run.experiment.fingerprint()}
    again = run.lab.store.arrays("replay", key, lambda: replayed(run), modules=(*CODE, stages_of, replayed))
    unit, first = UNIT[run.experiment.precision], run._stream("examples", next(run._groups())).chunk(0)
    theta = [np.asarray(run.trajectory[name][0]) for name in Params._fields]
    joined = np.concatenate([leaf.ravel() for leaf in theta])
    found = [
        definition(run),
        exact("data", x=first[0], y=first[1]),
        record("initial parameters", vector(joined), 2 * unit * rms(joined), {"": joined}, step=0),
    ]
    for snapshot, moved in zip(again["snapshots"].tolist(), again["rounding"].tolist(), strict=True):
        now = np.concatenate([np.asarray(run.trajectory[name][snapshot]).ravel() for name in Params._fields])
        step = int(run._chunks[snapshot]) * CHUNK
        found.append(record("parameters", vector(now), max(moved, unit * rms(now)), {"": now}, step=step))
    return found


def replayed(run: OnePassRun) -> dict[str, Any]:
    """``snapshots`` looked at, and ``rounding`` (snapshots,) of a parameter there (root mean square over the first trajectories)."""
    e = run.experiment
    looks = sorted({round(part * e.snapshots / LOOKS) for part in range(1, LOOKS + 1)} - {0})
    group = next(run._groups())
    train, few = _trainer(e.task), slice(0, min(FEW, group.stop))
    start = Params(*(np.asarray(run.trajectory[name][0][few], np.float64) for name in Params._fields))
    now = {precision: Params(*(leaf.astype(precision) for leaf in start)) for precision in PRECISIONS}
    moved: list[float] = []
    for done, (x, y) in enumerate(run._stream("examples", group).chunks(0, int(run._chunks[-1])), start=1):
        for precision in PRECISIONS:
            rates = np.array([e.step / e.dimension, e.ridge], precision)
            now[precision] = train(now[precision], x[:, few].astype(precision), y[:, few], *rates)
        moved += [_distance(now)] * sum(int(run._chunks[look]) == done for look in looks)
    return {"snapshots": np.array(looks), "rounding": np.maximum.accumulate(moved) * UNIT[e.precision] / UNIT["float32"]}


def _distance(now: dict[str, Params]) -> float:
    low, high = (np.concatenate([np.asarray(leaf, np.float64).ravel() for leaf in now[precision]]) for precision in PRECISIONS)
    return rms(low - high)
