"""Stage records of the third paper's runs: examples, theta_0, and the parameters after some of the snapshots.

All trajectories are trained again in the other precision on the same examples. The distance between the two is the rounding
error of each trajectory. If the input of a ReLU is within rounding of zero, the two precisions may take different sides of the
kink, and the trajectory goes another way from there on. So trajectories are sketched in groups, and each group has its own
rounding error. A kink widens the allowance of one group, and a fault in all trajectories is still seen in the others.

Float64 stands for the exact result of a float32 run. Two machines that take different sides of a kink cannot both agree with
it, so one of their two reports has the rounding error that covers their difference. Float64 runs have no such reference; their
kinks are 2^-29 times as frequent.

Examples are drawn in the run's precision, so that a run in another precision sees others, and differs from there on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from harness.engine.precision import with_exact_dtypes
from harness.runs import probed
from harness.runs.experiment import PRECISIONS
from harness.runs.sketch import WIDTH, rms, vector
from harness.runs.stages import UNIT, Record, exact, record

from .experiments import OnePass
from .mixtures import Examples
from .one_pass import CHUNK, Params
from .run import CODE, Run, trainer

GROUPS = 16  # of trajectories, at most
FEW = 8  # trajectories whose blocks are compared
SUMS = 400  # roundings of a block's sums over examples
LOOKS = 4  # snapshots that are compared
# A trajectory whose rounding error is so many times the median one took another side of a kink: without kinks, that of the
# worst of 1,000 is a few times the median.
KINKED = 30.0


def stage_records(run: Run) -> list[Record]:
    """Everything from the first example to the last snapshot."""
    e = run.experiment
    if not run.reached("one-pass"):
        return []

    @with_exact_dtypes
    def replay() -> dict[str, Any]:
        parts = []
        for group in run.groups():
            own = {name: run.trajectory[name][:, group] for name in Params._fields}
            examples = run.stream("examples", group).chunks(0, int(run.chunks[-1]))
            parts.append(rounding(e, own, examples, run.chunks, trainer(e.task)))
        first = {f"others-{name}": np.asarray(leaf[:FEW], np.float64) for name, leaf in parts[0][1]._asdict().items()}
        return {
            "snapshots": np.array(looks(e.snapshots)),
            "rounding": np.concatenate([part[0] for part in parts], axis=1),
            **first,
        }

    again = run.lab.store.arrays("replay", {"experiment": e.fingerprint()}, replay, modules=(*CODE, rounding))
    first = run.stream("examples", next(run.groups())).chunk(0)
    return [*records(e.precision, first, run.trajectory, run.chunks, again), *_blocks(run, again)]


def _blocks(run: Run, again: Mapping[str, Any]) -> list[Record]:
    """Top eigenvalues of the first layer's blocks at the end: a sketch for each of a few trajectories.

    Their rounding error is their distance from those at the parameters of the other precision: blocks themselves are taken in
    float64.
    """
    e = run.experiment
    if not run.reached("blocks"):
        return []

    @with_exact_dtypes
    def taken() -> dict[str, Any]:
        ours = Params(*(np.asarray(run.trajectory[name][-1][:FEW], np.float64) for name in Params._fields))
        theirs = Params(*(again[f"others-{name}"] for name in Params._fields))
        tops = (np.swapaxes(run.block_tops(params), 0, 1) for params in (ours, theirs))
        own, other = (each.reshape(len(each), -1) for each in tops)  # a group is a trajectory: one may take a kink's other side
        found = probed.grouped(own, other, e.precision, SUMS * UNIT["float64"])
        rounding = found["rounding"].reshape(own.shape)[:, :2]
        return {**found, "values": np.concatenate([vector(tops, 2) for tops in own]), "rounding": rounding.ravel()}

    key = {"experiment": e.fingerprint()}
    return [probed.recorded("blocks' eigenvalues", run.lab.store.arrays("blocks-record", key, taken, modules=(Run, _blocks)))]


def records(
    precision: str, first: Examples, trajectory: Mapping[str, Any], chunks: Any, again: Mapping[str, Any]
) -> list[Record]:
    """Everything from the first examples to the last snapshot.

    Args:
        first: the first chunk of examples.
        trajectory: parameters by name, (snapshots + 1, trajectories, ...).
        chunks: how many chunks were taken before each snapshot.
        again: ``snapshots`` looked at, and ``rounding`` (snapshots, trajectories) of a parameter there, from :func:`rounding`.
    """
    unit = UNIT[precision]

    def record_at(name: str, snapshot: int, moved: Any, **more: Any) -> Record:
        theta = parameters(trajectory, snapshot)
        groups = np.array_split(np.arange(len(theta)), min(GROUPS, len(theta)))
        values = np.concatenate([vector(theta[group], -(-WIDTH // len(groups))) for group in groups])
        sizes = [max(rms(moved[group]), unit * rms(theta[group])) for group in groups]
        more |= {"step": int(chunks[snapshot]) * CHUNK, "groups": len(groups)}
        return record(name, values, np.repeat(sizes, len(values) // len(groups)), {"": theta}, **more)

    start = parameters(trajectory, 0)
    found = [
        exact("data", x=first[0], y=first[1]),
        record_at("initial parameters", 0, 2 * unit * np.sqrt(np.mean(start**2, axis=1))),
    ]
    for snapshot, moved in zip(again["snapshots"].tolist(), again["rounding"], strict=True):
        kinks = int(np.count_nonzero(moved > KINKED * np.median(moved))) if precision == "float32" else 0
        note = {"note": f"{kinks} of {len(moved)} trajectories took another side of a kink in float64"} if kinks else {}
        found.append(record_at("parameters", snapshot, moved, **note))
    return found


def parameters(trajectory: Mapping[str, Any], snapshot: int) -> Any:
    """The parameters of every trajectory after a snapshot, (trajectories, parameters)."""
    return _flat(Params(*(trajectory[name][snapshot] for name in Params._fields)))


def looks(snapshots: int) -> list[int]:
    """The snapshots that are compared; the last one is among them."""
    return sorted({round(part * snapshots / LOOKS) for part in range(1, LOOKS + 1)} - {0})


def rounding(
    experiment: OnePass,
    trajectory: Mapping[str, Any],
    examples: Iterable[Examples],
    chunks: Any,
    train: Callable[..., Params],
) -> tuple[Any, Params]:
    """Root mean square rounding error of a parameter after each of :func:`looks`, (snapshots looked at, trajectories); and the
    parameters of the other precision at the end.

    The trajectories are taken again in the other precision. Theirs being float64, the error is that of float32 times the ratio of
    both units of rounding.

    Args:
        trajectory: parameters of some trajectories by name, (snapshots + 1, trajectories, ...).
        examples: all chunks of their examples.
        chunks: as in :func:`records`.
        train: (parameters, x, y, step size, ridge) -> the parameters after a chunk.
    """
    e = experiment
    other = next(precision for precision in PRECISIONS if precision != e.precision)
    again = Params(*(np.asarray(trajectory[name][0]).astype(other) for name in Params._fields))
    rates = np.array([e.step / e.dimension, e.ridge], other)
    left, moved = looks(e.snapshots), []
    for done, (x, y) in enumerate(examples, start=1):
        again = train(again, x.astype(other), y, *rates)
        while left and int(chunks[left[0]]) == done:
            apart = parameters(trajectory, left.pop(0)) - _flat(again)
            moved.append(np.sqrt(np.mean(apart**2, axis=1)))
    return np.maximum.accumulate(moved) * UNIT[e.precision] / UNIT["float32"], again


def _flat(params: Params) -> Any:
    """Leaves of a leading axis of trajectories as one row a trajectory, float64."""
    return np.concatenate([np.asarray(leaf, np.float64).reshape(len(leaf), -1) for leaf in params], axis=1)
