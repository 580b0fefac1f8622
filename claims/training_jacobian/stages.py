"""Stage records of the training-Jacobian paper's runs: data, theta_0, batches, trajectory, J, singular values and subspaces.

Rounding errors are measured, not assumed. The same steps are taken again in float32 and in float64, and so are a few columns of
J. The difference is float32's rounding error, including its growth in training. The error of float64 is 2^-29 of it, since
rounding errors are linear in the unit roundoff.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from harness.engine.precision import with_exact_dtypes
from harness.engine.spectrum import MARGIN, SQUARED_LIMIT, Spectrum
from harness.engine.training import Training
from harness.engine.trees import cast
from harness.runs import probed
from harness.runs.experiment import PRECISIONS
from harness.runs.sketch import SIDE, WIDTH, factored, folded, rms, vector, whole_signs
from harness.runs.stages import UNIT, Record, exact, method, record

from . import recipe
from .data import Dataset, batches
from .run import Run

COLUMNS = 4  # columns of J, in random directions, that are computed in both precisions


def stage_records(run: Run) -> list[Record]:
    """All stages up to theta_T, and J with its spectrum if this run has reached them."""
    if not (run.reached("training") or run.reached("spectrum")):
        return []
    key, held = {"experiment": run.experiment.fingerprint()}, run.lab.store.arrays
    replayed = held("replay", key, with_exact_dtypes(partial(_replayed, run)), modules=(recipe, replay))
    precision, trained = run.experiment.precision, run.trained
    begun = start(precision, run.dataset, run.experiment.batch, run.experiment.remainder, trained.theta_0)
    found = [*begun, *trajectory(precision, trained.theta_T, trained.losses, replayed)]
    if not run.reached("spectrum"):
        return found
    mapped, entry = "spectrum" in vars(run), float(replayed["jacobian"])
    sketches = held("spectrum-sketch", key, lambda: sketched(run.spectrum, entry), modules=(Run, sketched))
    found += spectrum_records(run.spectrum, sketches, entry)
    if not mapped:
        del run.spectrum  # as prepare() left it
    return [*found, *_measured(run)]


def _measured(run: Run) -> list[Record]:
    """The measurements that the run has reached, along fixed directions. Predictions are measured in float64 in any run."""
    precision, key = run.experiment.precision, {"experiment": run.experiment.fingerprint()}
    probes = {
        "response": (
            "responses along fixed directions",
            precision,
            lambda: probed.responses(partial(_training, run), run.theta_0),
        ),
        "influence": (
            "influence along fixed directions",
            "float64",
            lambda: probed.effects(run.apply, run.theta_0, run.dataset.x_test),
        ),
        "restricted": (
            "restricted training in a fixed basis",
            precision,
            lambda: probed.confined(partial(_training, run), run.theta_0, partial(run.batch, *run.test)),
        ),
    }
    found = []
    for kind, (name, computed, probe) in probes.items():
        if run.reached(kind):
            take = with_exact_dtypes(lambda probe=probe, computed=computed: probed.compared(probe(), computed))
            arrays = run.lab.store.arrays(f"probed-{kind}", key, take, modules=(Run, probed, _measured))
            found.append(probed.recorded(name, arrays))
    return found


def _training(run: Run, precision: str) -> Training:
    return recipe.training(dataclasses.replace(run.experiment, precision=precision), run.dataset)


def _replayed(run: Run) -> dict[str, Any]:
    """The run's steps again in both precisions."""

    def taken(precision: str) -> Any:
        return replay(_training(run, precision), cast(run.theta_0, precision))

    return compared(taken, run.experiment.precision)


@jax.jit
def replay(training: Training, theta: Any) -> tuple[Any, Any, Any]:
    """Sketches of theta after each step (steps, 16), losses (steps,), and J R (N, 4) for random directions R.

    One program serves all seeds and data sets.
    """
    flat, unravel = ravel_pytree(theta)
    projections = jnp.asarray(whole_signs(flat.size, WIDTH))
    directions = jnp.asarray(whole_signs(flat.size, COLUMNS, "columns"), flat.dtype)

    def observe(after: Any, value: Any) -> tuple[Any, Any]:
        # as harness.runs.sketch.vector: no library chooses the order of the sum
        return folded(ravel_pytree(after)[0].astype(float)[:, None] * projections) / np.sqrt(flat.size), value

    def run(at: Any) -> tuple[Any, Any]:
        final, seen = training.observed(unravel(at), observe)
        return ravel_pytree(final)[0], seen

    def push(direction: Any) -> tuple[Any, ...]:
        _, column, seen = jax.jvp(run, (flat,), (direction,), has_aux=True)
        return (*seen, column)

    found: tuple[Any, Any, Any] = jax.vmap(push, in_axes=-1, out_axes=(None, None, -1))(directions)
    return found


def compared(taken: Callable[[str], tuple[Any, Any, Any]], precision: str) -> dict[str, Any]:
    """The results of :func:`replay` in both precisions, compared.

    Args:
        taken: (precision) -> the replay in that precision.
        precision: the run's own.

    Returns:
        ``sketches`` (steps, 16) of theta after each step and ``products`` (32,) of J in the run's precision. Rounding errors in
        that precision: ``losses`` (steps,), ``parameters`` (steps,) as a root mean square, and ``jacobian`` as the root mean
        square of an entry of J.
    """
    low, high = (taken(each) for each in PRECISIONS)
    sketches, losses, columns = (np.asarray(a, np.float64) - b for a, b in zip(low, high, strict=True))
    unit = UNIT[precision] / UNIT["float32"]
    own = low if precision == "float32" else high
    size = len(columns)
    return {
        "sketches": np.asarray(own[0]),
        "products": _products(np.asarray(own[2], np.float64)),
        "losses": unit * np.maximum.accumulate(np.abs(losses)),
        "parameters": unit * np.maximum.accumulate(np.sqrt(np.mean(sketches**2, axis=1))),
        "jacobian": np.asarray(unit * rms(columns) / np.sqrt(size)),
    }


def _products(columns: Any) -> Any:
    """Sketch of columns of J, (N, 4), shape (32,)."""
    rows = whole_signs(len(columns), SIDE, "rows")
    return np.ravel(folded(rows[:, :, None] * columns[:, None, :])) / len(columns)


def start(precision: str, data: Dataset, batch: int, remainder: str, theta_0: Any) -> list[Record]:
    """Data, initial parameters and batch order."""
    theta = np.asarray(theta_0)
    x, y = batches(data, batch, remainder)
    # half an ulp from the cast, and a few ulp of float64 from the inverse distribution function of the draw
    rounding = (UNIT[precision] + 4 * UNIT["float64"]) * rms(theta)
    return [
        exact("data", x_train=data.x_train, y_train=data.y_train, x_test=data.x_test, y_test=data.y_test),
        record("initial parameters", vector(theta), rounding, {"": theta}, step=0),
        exact("batch order", x=x, y=y),
    ]


def trajectory(precision: str, theta_T: Any, losses: Any, replayed: Any) -> list[Record]:
    """Losses, parameters on the way, and products with J; ``replayed`` is from :func:`compared`."""
    unit, losses, final = UNIT[precision], np.asarray(losses), np.asarray(theta_T)
    rounding, steps = np.maximum(replayed["losses"], 4 * unit * np.abs(losses)), len(losses)
    found = [record("loss", losses, rounding, steps=list(range(steps)))]
    for k in sorted({1, steps // 4, steps // 2, 3 * steps // 4, steps} - {0}):
        values = np.asarray(replayed["sketches"])[k - 1] if k < steps else vector(final)
        size = max(float(replayed["parameters"][k - 1]), unit * rms(values))
        found.append(record("parameters", values, size, None if k < steps else {"": final}, step=k))
    return [*found, record("products with J", replayed["products"], float(replayed["jacobian"]))]


def spectrum_records(spectrum: Spectrum, sketches: Any, entry: float) -> list[Record]:
    """J (from its spectrum), singular values, and spans of singular vectors.

    Args:
        sketches: from :func:`sketched`.
        entry: rounding error of an entry of J (root mean square).
    """
    sigma, size = spectrum.sigma, spectrum.size
    norm = float(np.linalg.norm(sigma))
    residual = spectrum.residual / MARGIN * norm  # the estimate, of which the spectrum has a bound
    chosen = np.unique(np.concatenate([np.arange(min(size, 16)), np.linspace(0, size - 1, 49).round().astype(int)]))
    # Hoffman and Wielandt: sum (sigma_i - sigma_i')^2 <= |J - J'|_F^2; then the error of small values by squaring
    values = np.sqrt(size) * entry + np.finfo(float).eps * sigma[0] / SQUARED_LIMIT
    found = [
        method("method of the spectrum", spectrum.method, spectrum.failures),
        record("J rebuilt from its spectrum", [*sketches["jacobian"], norm / size], entry + residual / size),
        record("singular values", sigma[chosen], values, {"": np.asarray(sigma)}),
    ]
    for side in ("initial", "final"):
        for k, sketch, rounding in zip(sketches["cuts"], sketches[side], sketches["rounding"], strict=True):
            found.append(record(f"span of the top {k} {side} directions", sketch, float(rounding)))
    return found


def sketched(spectrum: Spectrum, entry: float) -> dict[str, Any]:
    """Sketches of J and of the projectors on its top singular vectors, cut where the spectrum has gaps.

    Vectors of nearly equal singular values may turn into each other, so spans are compared. Spans are cut at the largest gap in
    each of the ranges 1, 2-3, 4-7, ... By Wedin a span moves by at most 2 |dJ|_F / gap (the projector, in the Frobenius norm).

    Args:
        entry: rounding error of an entry of J (root mean square).

    Returns:
        ``jacobian`` (64,); ``cuts``; ``initial``, ``final`` (cuts, 16); ``rounding`` (cuts,), of the projectors' entries.
    """
    v, u, sigma, size = np.asarray(spectrum.initial), np.asarray(spectrum.final), np.asarray(spectrum.sigma), spectrum.size
    gaps = sigma[:-1] - sigma[1:]
    cuts, roundings = [], []
    first = 1
    while first < size // 2:
        k = first + int(np.argmax(gaps[first - 1 : min(2 * first, size) - 1]))
        moved = 2 * size * entry / max(float(gaps[k - 1]), np.finfo(float).tiny)
        if moved < 0.05 * np.sqrt(2 * k):
            cuts.append(k)
            roundings.append(moved / size + np.finfo(float).eps)
        first *= 2
    return {
        "jacobian": factored(u, sigma, v),
        "cuts": np.array(cuts, int),
        "rounding": np.array(roundings),
        "initial": np.array([factored(v[:, :k], 1.0, v[:, :k], 4) for k in cuts]),
        "final": np.array([factored(u[:, :k], 1.0, u[:, :k], 4) for k in cuts]),
    }
