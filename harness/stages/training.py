"""Stage records of the training-Jacobian paper's runs: data, theta_0, batches, trajectory, J, singular values and subspaces.

How large rounding errors are is measured, not assumed: the same steps are taken again in float32 and in float64, and so are a
few columns of J. What lies between the two is float32's rounding error, with everything that training does to it; float64's is
2^-29 of it, since rounding errors are linear in the unit roundoff.
"""

from __future__ import annotations

import dataclasses
import functools
import sys
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from harness import data, train
from harness.config import PRECISIONS, Data, Experiment
from harness.data import batches
from harness.spectrum import SQUARED_LIMIT, Spectrum
from harness.stages import Record, definition, exact, record, stages_of
from harness.stages.sketch import SIDE, WIDTH, factored, rms, signs, vector
from harness.training_run import SPECTRUM_CODE, TrainingRun

UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}  # unit roundoff
COLUMNS = 4  # columns of J, in random directions, that are computed in both precisions
CODE = (train, data, stages_of, sys.modules[__name__], signs)


@stages_of.register(TrainingRun)
def training_stages(run: TrainingRun) -> list[Record]:
    """Everything up to theta_T, and J with its spectrum if this run has got so far."""
    reached = {stage["name"] for stage in run.stages}  # in this session, whether computed or from the store
    if not {"training", "spectrum"} & reached:
        return [definition(run)]
    held = run.lab.store.arrays("replay", {"experiment": run.experiment.fingerprint()}, lambda: replayed(run), modules=CODE)
    found = [definition(run), *_start(run), *_trajectory(run, held)]
    if "spectrum" not in reached:
        return found
    mapped = "spectrum" in run.__dict__
    try:
        return [*found, *_spectrum(run, held)]
    finally:
        if not mapped:
            run.__dict__.pop("spectrum", None)  # as run.prepare() left it


def replayed(run: TrainingRun) -> dict[str, Any]:
    """The run's steps again in both precisions.

    Returns:
        ``sketches`` (steps, 16) of theta after each step and ``products`` (32,) of J in the run's precision; rounding errors in
        that precision: ``losses`` (steps,), ``parameters`` (steps,) as a root mean square, ``jacobian`` as that of an entry of J.
    """
    low, high = (_replay(run, precision) for precision in PRECISIONS)
    sketches, losses, columns = (np.asarray(a, np.float64) - b for a, b in zip(low, high, strict=True))
    unit = UNIT[run.experiment.precision] / UNIT["float32"]
    own = low if run.experiment.precision == "float32" else high
    size = len(columns)
    return {
        "sketches": np.asarray(own[0]),
        "products": np.ravel(signs(size, SIDE, "rows").T @ np.asarray(own[2], np.float64)) / np.sqrt(size),
        "losses": unit * np.maximum.accumulate(np.abs(losses)),
        "parameters": unit * np.maximum.accumulate(np.sqrt(np.mean(sketches**2, axis=1))),
        "jacobian": np.asarray(unit * rms(columns) / np.sqrt(size)),
    }


def _replay(run: TrainingRun, precision: str) -> tuple[Any, Any, Any]:
    e = run.experiment
    data = Data(test_size=e.data.test_size)
    precise = dataclasses.replace(e, precision=precision)
    alike = dataclasses.replace(precise, name="", scale="", seed=0, data=data, initialisation="seed", fixed_seed=False)
    *_, x, y, _ = train.ingredients(precise, run.dataset)
    return _program(alike)(train.cast(run.theta_0, precision), x, y)


@functools.cache
def _program(experiment: Experiment) -> Any:
    """(theta_0, x, y) -> sketches of theta (steps, 16), losses (steps,), J R (N, 4); one program for all seeds and data sets."""
    apply, loss, update, *_ = train.ingredients(experiment, _no_data(experiment))
    step = train.training_step(apply, loss, update)

    def run(theta: Any, x: Any, y: Any) -> Any:
        projections = jnp.asarray(signs(ravel_pytree(theta)[0].size, WIDTH))

        def body(state: Any, example: Any) -> Any:
            after, value = step(state, example)
            return after, (ravel_pytree(after[0])[0].astype(float) @ projections, value)

        def epoch(state: Any, _: None) -> Any:
            return jax.lax.scan(body, state, (x, y))

        (final, _), (sketches, losses) = jax.lax.scan(epoch, (theta, update.init(theta)), None, length=experiment.epochs)
        return ravel_pytree(final)[0], (sketches.reshape(-1, WIDTH), losses.reshape(-1))

    def program(theta: Any, x: Any, y: Any) -> Any:
        flat, unravel = ravel_pytree(theta)
        directions = jnp.asarray(signs(flat.size, COLUMNS, "columns"), flat.dtype) * float(np.sqrt(flat.size))

        def push(direction: Any) -> Any:
            _, column, aside = jax.jvp(lambda t: run(unravel(t), x, y), (flat,), (direction,), has_aux=True)
            return (*aside, column)

        return jax.vmap(push, in_axes=-1, out_axes=(None, None, -1))(directions)

    return jax.jit(program)


def _no_data(experiment: Experiment) -> Any:
    from harness.data import Dataset

    images, labels = np.zeros((1797 - experiment.data.test_size, 1)), np.zeros(1797 - experiment.data.test_size, np.int64)
    return Dataset(images, labels, images[:0], labels[:0], classes=10)


def _start(run: TrainingRun) -> list[Record]:
    d, theta = run.dataset, np.asarray(run.training["theta_0"])
    x, y = batches(d, run.experiment.batch, run.experiment.remainder)
    # half an ulp when cast, and a few of float64 in the inverse distribution function that draws it
    rounding = (UNIT[run.experiment.precision] + 4 * UNIT["float64"]) * rms(theta)
    return [
        exact("data", x_train=d.x_train, y_train=d.y_train, x_test=d.x_test, y_test=d.y_test),
        record("initial parameters", vector(theta), rounding, {"": theta}, step=0),
        exact("batch order", x=x, y=y),
    ]


def _trajectory(run: TrainingRun, held: Any) -> list[Record]:
    unit, losses = UNIT[run.experiment.precision], np.asarray(run.training["losses"])
    rounding = np.maximum(held["losses"], 4 * unit * np.abs(losses))
    final, steps = np.asarray(run.training["theta_T"]), len(losses)
    found = [record("loss", losses, rounding, steps=list(range(steps)))]
    for k in sorted({1, steps // 4, steps // 2, 3 * steps // 4, steps} - {0}):
        values = np.asarray(held["sketches"])[k - 1] if k < steps else vector(final)
        size = max(float(held["parameters"][k - 1]), unit * rms(values))
        found.append(record("parameters", values, size, None if k < steps else {"": final}, step=k))
    return [*found, record("products with J", held["products"], float(held["jacobian"]))]


def _spectrum(run: TrainingRun, held: Any) -> list[Record]:
    key, entry, sigma = {"experiment": run.experiment.fingerprint()}, float(held["jacobian"]), run.spectrum.sigma
    code = (*CODE, *SPECTRUM_CODE)
    made = run.lab.store.arrays("spectrum-sketch", key, lambda: sketched(run.spectrum, entry), modules=code)
    norm, size = float(np.linalg.norm(sigma)), run.spectrum.size
    residual = run.spectrum.residual * norm
    chosen = np.unique(np.concatenate([np.arange(min(size, 16)), np.linspace(0, size - 1, 49).round().astype(int)]))
    # Hoffman and Wielandt: sum (sigma_i - sigma_i')^2 <= |J - J'|_F^2; then what squaring costs the small ones
    values = np.sqrt(size) * entry + np.finfo(float).eps * sigma[0] / SQUARED_LIMIT
    found = [
        record("J rebuilt from its spectrum", [*made["jacobian"], norm / size], entry + residual / size),
        record("singular values", sigma[chosen], values, {"": np.asarray(sigma)}),
    ]
    for side in ("initial", "final"):
        for k, sketch, rounding in zip(made["cuts"], made[side], made["rounding"], strict=True):
            found.append(record(f"span of the top {k} {side} directions", sketch, float(rounding)))
    return found


def sketched(spectrum: Spectrum, entry: float) -> dict[str, Any]:
    """Sketches of J and of the projectors on its top singular vectors, cut where the spectrum has gaps.

    Vectors that belong to nearly equal singular values may turn into each other, so spans are compared: in each of 1, 2-3, 4-7,
    ... the cut with the largest gap. By Wedin a span moves by at most 2 |dJ|_F / gap (the projector, in the Frobenius norm).

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
