"""Stage records of the second paper's runs: data, theta_0, batch order, parameters and losses along training, eigenvalues.

Descent is repeated in float32 and float64 for as many steps as a second or so allows. The difference is the rounding error.
There is no model of rounding beyond that horizon, nor for eigenvalues after the first step: such stages are compared bit for
bit only. Before the first step the parameters are equal up to a cast, and an eigenvalue is off by no more than its residual and
the rounding of H.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from harness.runs.experiment import PRECISIONS
from harness.runs.sketch import rms, vector
from harness.runs.stages import UNIT, Record, exact, record

from .experiments import STRIDE, SubspaceExperiment

# Multiplications of a replay: parameters x examples x steps
BUDGET = 4e8
LEAST = 50
SUMS = 400  # roundings of a Hessian product, the bound in tests/engine/test_hessian.py


def replayed(
    experiment: SubspaceExperiment, size: int, examples: int, descend: Callable[[str, list[int]], Iterable[Any]]
) -> dict[str, Any]:
    """The run's first steps again in both precisions.

    Args:
        size: N, the number of parameters.
        examples: number of training examples.
        descend: (precision, steps) -> theta (N,) at each of those steps.

    Returns:
        ``steps`` up to the horizon, ``sketches`` (steps, 16) of theta there, ``rounding`` (steps,) of theta (root mean square).
    """
    e = experiment
    horizon = min(e.steps, max(LEAST, int(BUDGET / (size * (e.batch or examples)))))
    horizon = min(horizon, e.confined_from) if e.side != "whole" else horizon
    stops = sorted({STRIDE * round(part * horizon / 4 / STRIDE) for part in (1, 2, 3, 4)} - {0})
    low, high = ([vector(theta) for theta in descend(precision, stops)] for precision in PRECISIONS)
    moved = [rms(a - b) for a, b in zip(low, high, strict=True)]
    unit = UNIT[e.precision] / UNIT["float32"]
    own = low if e.precision == "float32" else high
    return {"steps": np.array(stops, int), "sketches": np.array(own), "rounding": unit * np.maximum.accumulate(moved)}


def start(precision: str, digest: str, theta: Any, order: Any) -> list[Record]:
    """Data by its digest, initial parameters (N,) in the run's precision, and batch order."""
    return [
        {"name": "data", "digest": digest, "exact": True},
        record("initial parameters", vector(theta), 2 * UNIT[precision] * rms(theta), {"": theta}, step=0),
        exact("batch order", order=order),
    ]


def along(precision: str, size: int, measured: Mapping[str, Any], again: Mapping[str, Any]) -> list[Record]:
    """Parameters, losses and eigenvalues along training; ``again`` is from :func:`replayed`."""
    unit, found = UNIT[precision], []
    moved = dict(zip(again["steps"].tolist(), again["rounding"].tolist(), strict=True))
    for step, sketch in zip(again["steps"].tolist(), again["sketches"], strict=True):
        found.append(record("parameters", sketch, max(moved[step], unit * rms(sketch)), step=step))
    loss, slope, steps = (np.asarray(measured[name]) for name in ("loss", "gradient_norm", "steps"))
    reach = np.array([_before(moved, int(step)) for step in steps])
    known = int(np.count_nonzero(steps <= max(moved, default=0)))
    # to first order a loss moves by |g| |d theta|; its evaluation adds a few roundings
    rounding = slope * reach * np.sqrt(size) + 8 * unit * np.abs(loss)
    for name, part in (("loss", slice(0, known)), ("later loss", slice(known, None))):
        if len(loss[part]):
            found.append(record(name, loss[part], rounding[part] if name == "loss" else None, steps=steps[part].tolist()))
    if "values" in measured:
        found += _eigenvalues(precision, measured)
    return found


def _eigenvalues(precision: str, measured: Mapping[str, Any]) -> list[Record]:
    """The largest eigenvalues: at theta_0 with a model of their rounding, later without."""
    values, steps = np.asarray(measured["values"]), np.asarray(measured["eigen_steps"])
    found, first = [], int(len(steps) > 0 and steps[0] == 0)
    if first:
        # |lambda - lambda'| <= |H v - lambda' v| (Weyl), or the rounding of the sums in H if that is larger
        off = max(float(np.max(np.asarray(measured["residuals"])[0, :4])), SUMS * UNIT[precision]) * float(
            np.max(np.abs(values[0]))
        )
        found.append(record("Hessian eigenvalues", values[0, :4], off, {"": values[0]}, step=0))
    if len(values) > first:
        found.append(record("later Hessian eigenvalues", values[first:, :4].ravel(), None, {"": values[first:]}))
    return found


def _before(moved: dict[int, float], step: int) -> float:
    """Rounding error of theta at the first stop at or after that step."""
    return next((size for at, size in moved.items() if at >= step), 0.0)
