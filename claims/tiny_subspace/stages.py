"""Stage records of the second paper's runs: data, theta_0, batch order, parameters and losses along training, eigenvalues.

Descent is repeated in float32 and float64 for as many steps as a second or so allows. The difference is the rounding error.
At the last of these steps the Hessian of a few examples is multiplied with fixed directions, at both parameters. Their distance
estimates the distance dH of the Hessians. An eigenvalue up to this horizon is off by no more than its residual and |dH| (Weyl).
There is no model of rounding beyond: later losses and eigenvalues are compared bit for bit only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np

from harness.engine import descent, hessian
from harness.engine.precision import with_exact_dtypes
from harness.engine.training import State
from harness.runs import probed
from harness.runs.experiment import PRECISIONS
from harness.runs.sketch import WIDTH, rms, vector
from harness.runs.stages import UNIT, Record, exact, record

from .experiments import STRIDE, SubspaceExperiment
from .run import CODE, Run, applied, linearised, trainer

# Multiplications of a replay: parameters x examples x steps
BUDGET = 4e8
LEAST = 50
SUMS = 400  # roundings of a Hessian product, the bound in tests/engine/test_hessian.py
EXAMPLES = 500  # of the Hessian at the horizon


def stage_records(run: Run) -> list[Record]:
    """Records of all measurements of a run, in the order of training."""
    e = run.experiment
    if "measured" not in vars(run):
        return []
    key, size = {"experiment": e.fingerprint(), "data": run.examples.digest}, run.network.size
    taken = partial(descend_in, run), partial(hessian_products, run)
    replay = with_exact_dtypes(lambda: replayed(e, size, len(run.examples.x), *taken))
    again = run.lab.store.arrays("replay", key, replay, modules=(*CODE, replayed))
    begun = start(e.precision, run.examples.digest, run.network.init(e.seed).astype(e.precision), run.order)
    return [*begun, *along(e.precision, size, run.measured, again)]


def descend_in(run: Run, precision: str, stops: list[int]) -> Iterator[Any]:
    """theta at each of the steps, without confinement, in ``precision``, which may differ from the run's."""
    e, data = run.experiment, run.examples
    update, forward = trainer(run.problem, e.optimiser, e.step_size, "whole")
    x, y = (jnp.asarray(part, precision if part.dtype.kind == "f" else None) for part in (data.x, data.y))
    theta = jnp.asarray(run.network.init(e.seed), precision)

    def segment(_: int, state: State, chosen: Any) -> State:
        return forward(state, chosen, x, y)

    for _, now in descent.stops(segment, (theta, update.init(theta)), run.order, stops, STRIDE):
        yield np.asarray(now)


def hessian_products(run: Run, theta: Any) -> Any:
    """H V at theta (N,) for the Hessian over the first :data:`EXAMPLES` examples, in float64, and fixed directions V, (N, 4)."""
    x, y = (part[:EXAMPLES] for part in (run.examples.x, run.examples.y))
    (chunk,) = hessian.chunks(np.asarray(x, np.float64), y, EXAMPLES)
    apply = applied(linearised(run.problem)(jnp.asarray(theta, np.float64), *chunk))
    return np.stack([apply(v) for v in probed.directions(len(theta)).T], axis=1)


def replayed(
    experiment: SubspaceExperiment,
    size: int,
    examples: int,
    descend: Callable[[str, list[int]], Iterable[Any]],
    products: Callable[[Any], Any],
) -> dict[str, Any]:
    """The run's first steps again in both precisions.

    Args:
        size: N, the number of parameters.
        examples: number of training examples.
        descend: (precision, steps) -> theta (N,) at each of those steps.
        products: theta (N,) -> products of the Hessian with a few unit vectors, (N, vectors).

    Returns:
        ``steps`` up to the horizon, ``sketches`` (steps, 16) of theta there, ``rounding`` (steps,) of theta (root mean square);
        ``products`` (16,), the sketches of the Hessian's products at the last of these steps, ``products_rounding`` of an entry
        (root mean square), and ``curvature``, an estimate of the Hessian's own rounding error there (Frobenius norm).
    """
    e = experiment
    horizon = min(e.steps, max(LEAST, int(BUDGET / (size * (e.batch or examples)))))
    horizon = min(horizon, e.confined_from) if e.side != "whole" else horizon
    stops = sorted({STRIDE * round(part * horizon / 4 / STRIDE) for part in (1, 2, 3, 4)} - {0})
    sketches, images = [], []
    for precision in PRECISIONS:
        thetas = list(descend(precision, stops))
        sketches.append([vector(theta) for theta in thetas])
        images.append(products(thetas[-1]) if thetas else np.zeros((size, probed.COUNT)))
    moved = [rms(a - b) for a, b in zip(*sketches, strict=True)]
    unit, own = UNIT[e.precision] / UNIT["float32"], PRECISIONS.index(e.precision)
    apart = max(unit * rms(images[0] - images[1]), SUMS * UNIT["float64"] * rms(images[own]))
    return {
        "steps": np.array(stops, int),
        "sketches": np.array(sketches[own]),
        "rounding": unit * np.maximum.accumulate(moved),
        "products": np.concatenate([vector(image, WIDTH // probed.COUNT) for image in images[own].T]),
        "products_rounding": np.array(apart),
        "curvature": np.array(size * apart),  # the mean of |dH v|^2 over unit vectors v is |dH|_F^2 / N
    }


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
        found += _eigenvalues(precision, measured, max(moved, default=0), float(again["curvature"]))
    for step in again["steps"][-1:].tolist():
        found.append(record("products with the Hessian", again["products"], again["products_rounding"], step=step))
    return found


def _eigenvalues(precision: str, measured: Mapping[str, Any], horizon: int, curvature: float) -> list[Record]:
    """The largest eigenvalues: up to the horizon with a model of their rounding, later without."""
    values, steps, found = np.asarray(measured["values"]), np.asarray(measured["eigen_steps"]), []
    known = int(np.count_nonzero(steps <= horizon))
    for step, at, residuals in zip(steps[:known].tolist(), values, np.asarray(measured["residuals"]), strict=False):
        # |lambda - lambda'| <= |H v - lambda' v| + |dH| (Weyl), or the rounding of the sums in H if that is larger
        off = max(float(np.max(residuals[:4])), SUMS * UNIT[precision]) * float(np.max(np.abs(at)))
        found.append(record("Hessian eigenvalues", at[:4], off + (curvature if step else 0.0), {"": at}, step=step))
    if len(values) > known:
        found.append(record("later Hessian eigenvalues", values[known:, :4].ravel(), None, {"": values[known:]}))
    return found


def _before(moved: dict[int, float], step: int) -> float:
    """Rounding error of theta at the first stop at or after that step."""
    return next((size for at, size in moved.items() if at >= step), 0.0)
