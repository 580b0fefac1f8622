"""Stage records of the second paper's runs: data, theta_0, batch order, parameters and losses along training, eigenvalues.

Descent is taken again in float32 and float64 for as many steps as a second or so allows; what lies between is the rounding
error. Beyond that horizon, and for eigenvalues, there is no model: such stages are compared bit for bit only.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import jax.numpy as jnp
import numpy as np

from harness import descent
from harness.config import PRECISIONS
from harness.stages import Record, definition, exact, record, stages_of
from harness.stages.sketch import rms, vector
from harness.stages.training import UNIT
from harness.subspace import STRIDE
from harness.subspace_run import CODE, SubspaceRun, trainer

# Multiplications of a replay: parameters x examples x steps
BUDGET = 4e8
LEAST = 50


@stages_of.register(SubspaceRun)
def subspace_stages(run: SubspaceRun) -> list[Record]:
    """Everything that this run has measured, in the order of training."""
    if "measured" not in run.__dict__:
        return [definition(run)]
    e, held = run.experiment, run.measured
    key = {"experiment": e.fingerprint(), "data": run.examples.digest}
    code = (*CODE, stages_of, replayed)
    again = run.lab.store.arrays("replay", key, lambda: replayed(run), modules=code)
    unit = UNIT[e.precision]
    theta = run.network.init(e.seed).astype(e.precision)
    found = [
        definition(run),
        {"name": "data", "digest": run.examples.digest, "exact": True},
        record("initial parameters", vector(theta), 2 * unit * rms(theta), {"": theta}, step=0),
        exact("batch order", order=_order(run)),
    ]
    moved = dict(zip(again["steps"].tolist(), again["rounding"].tolist(), strict=True))
    for step, sketch in zip(again["steps"].tolist(), again["sketches"], strict=True):
        found.append(record("parameters", sketch, max(moved[step], unit * rms(sketch)), step=step))
    loss, slope, steps = (np.asarray(held[name]) for name in ("loss", "gradient_norm", "steps"))
    reach = np.array([_before(moved, int(step)) for step in steps])
    known = int(np.count_nonzero(steps <= max(moved, default=0)))
    # to first order a loss moves by |g| |d theta|; evaluating it costs a few roundings more
    rounding = slope * reach * np.sqrt(run.network.size) + 8 * unit * np.abs(loss)
    for name, part in (("loss", slice(0, known)), ("later loss", slice(known, None))):
        if len(loss[part]):
            found.append(record(name, loss[part], rounding[part] if name == "loss" else None, steps=steps[part].tolist()))
    if "values" in held:
        values = np.asarray(held["values"])
        found.append(record("Hessian eigenvalues", values[:, :4].ravel(), None, {"": values}))
    return found


def replayed(run: SubspaceRun) -> dict[str, Any]:
    """``steps`` up to the horizon, ``sketches`` (steps, 16) of theta there, ``rounding`` (steps,) of theta (root mean square)."""
    e = run.experiment
    cost = run.network.size * (e.batch or len(run.examples.x))
    horizon = min(e.steps, max(LEAST, int(BUDGET / cost)))
    horizon = min(horizon, e.confined_from) if e.side != "whole" else horizon
    stops = sorted({STRIDE * round(part * horizon / 4 / STRIDE) for part in (1, 2, 3, 4)} - {0})
    low, high = ([vector(theta) for theta in _descent(run, precision, stops)] for precision in PRECISIONS)
    moved = [rms(a - b) for a, b in zip(low, high, strict=True)]
    unit = UNIT[e.precision] / UNIT["float32"]
    own = low if e.precision == "float32" else high
    return {"steps": np.array(stops, int), "sketches": np.array(own), "rounding": unit * np.maximum.accumulate(moved)}


def _descent(run: SubspaceRun, precision: str, stops: list[int]) -> Iterator[Any]:
    e, data = run.experiment, run.examples
    update, forward = trainer(run._problem, e.optimiser, e.step_size, "whole")
    x, y = (jnp.asarray(part, precision if part.dtype.kind == "f" else None) for part in (data.x, data.y))
    theta = jnp.asarray(run.network.init(e.seed), precision)

    def segment(_: int, state: descent.State, chosen: Any) -> descent.State:
        return forward(state, chosen, x, y)

    for _, now in descent.stops(segment, (theta, update.init(theta)), _order(run), stops, STRIDE):
        yield np.asarray(now)


def _order(run: SubspaceRun) -> Any:
    e = run.experiment
    if not e.batch:
        return np.zeros((e.steps, 0), np.int32)
    return descent.batch_order(len(run.examples.x), e.batch, e.steps, e.data_seed)


def _before(moved: dict[int, float], step: int) -> float:
    """Rounding error of theta at the first look at or after that step."""
    return next((size for at, size in moved.items() if at >= step), 0.0)
