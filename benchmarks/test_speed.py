"""The harness against the notebook's loops at paper scale (N = 4810, 625 steps), in the same session on the same machine."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import notebook
from claims.training_jacobian.data import load
from claims.training_jacobian.experiments import Experiment, Model
from claims.training_jacobian.recipe import initial_parameters, training
from harness.engine.jacobian import dense_jacobian, layout, pusher, tangents
from harness.engine.spectrum import Spectrum, decompose
from harness.engine.streams import numpy_stream
from harness.engine.trees import cast
from harness.measure import overlap
from harness.measure.influence import divergences
from harness.measure.response import COARSE, responses
from harness.measure.restricted import REGIONS, SHARES, masks, restricted_losses
from harness.progress import Progress

Once = Callable[..., Any]
PRECISIONS = ("float32", "float64")
SIZE, BATCH, PIXELS, CLASSES = 4810, 64, 64, 10


def flop(hidden: int, steps: int, size: int, batch: int = BATCH) -> float:
    """Floating-point operations of J: each layer's tangent takes two matrix products forward, two for the gradient and two
    backward, less those with the constant input of the first layer."""
    return 2.0 * batch * steps * size * (2 * PIXELS * hidden + 6 * hidden * CLASSES)


PAPER = flop(64, 625, SIZE)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_matrix_product(once: Once, precision: str) -> None:
    """The machine's peak: ten products of 4096 x 4096 matrices."""
    a = jnp.ones((4096, 4096), precision)
    power = jax.jit(lambda m: jax.lax.fori_loop(0, 10, lambda _, p: m @ p / 4096, m))
    power(a).block_until_ready()
    once(lambda: power(a).block_until_ready(), role="peak", group=f"matrix product, {precision}", flop=20 * 4096.0**3)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_jacobian(once: Once, paper_run: Any, precision: str) -> None:
    run = paper_run(precision)
    theta = cast(run.theta_0, precision)
    once(lambda: dense_jacobian(run.training, theta), role="harness", group=f"Jacobian, {precision}", flop=PAPER)


@pytest.mark.parametrize("precision", PRECISIONS)
def test_jacobian_of_the_notebook(once: Once, paper_run: Any, precision: str) -> None:
    run = paper_run(precision)
    once(lambda: notebook.jacobian(run), role="notebook", group=f"Jacobian, {precision}", flop=PAPER)


def rebuilt(spectrum: Spectrum) -> Any:
    return (spectrum.final * spectrum.sigma) @ spectrum.initial.T


def test_spectrum(once: Once, planted: Spectrum) -> None:
    matrix = rebuilt(planted)
    found = once(lambda: decompose(matrix), role="harness", group="spectrum, both sides, checked")
    assert np.allclose(found.sigma, planted.sigma, atol=1e-6)


def test_spectrum_of_the_notebook(once: Once, planted: Spectrum) -> None:
    matrix = rebuilt(planted)
    once(lambda: notebook.spectrum(matrix), role="notebook", group="spectrum, both sides, checked")


def test_restricted(once: Once, paper_run: Any, planted: Spectrum) -> None:
    """All regions and dimensions of one seed."""
    run = paper_run("float32")
    theta, test = cast(run.theta_0, "float32"), (jnp.asarray(run.dataset.x_test, "float32"), jnp.asarray(run.dataset.y_test))
    every = np.concatenate(list(masks(planted, np.round(SIZE * np.array(SHARES)).astype(int)).values()))
    once(
        lambda: restricted_losses(run.training, theta, test, planted.initial, every),
        role="harness",
        group="restricted training",
    )


def test_restricted_of_the_notebook(once: Once, paper_run: Any, planted: Spectrum) -> None:
    """Three of the trainings, one by one; their mean stands for all."""
    run, dimensions = paper_run("float32"), (289, 1491, 3704)
    once(
        lambda: [notebook.restricted_loss(run, planted.initial[:, :k]) for k in dimensions],
        role="notebook",
        group="restricted training",
        scale=len(SHARES) * len(REGIONS) / len(dimensions),
    )


def test_influence(once: Once, paper_run: Any, planted: Spectrum) -> None:
    """Eq. 2 for every direction, on the test images and three other kinds of inputs."""
    run = paper_run("float32")
    once(
        lambda: divergences(run.apply, run.theta_T, planted.final, run.probe_inputs, Progress(), ""),
        role="harness",
        group="influence",
    )


def test_responses(once: Once, paper_run: Any, planted: Spectrum) -> None:
    """Trainings from 48 displaced starts at 13 stimuli and both signs."""
    run = paper_run("float32")
    once(
        lambda: responses(run.training, run.theta_0, planted, range(1000, 1048), COARSE, (1, -1), "float32", Progress(), ""),
        role="harness",
        group="responses",
    )


def test_overlap(once: Once, planted: Spectrum) -> None:
    """Overlap of the bulks of two spectra, over the grid of dimensions."""
    dimensions = np.round(SIZE * np.array(overlap.SHARES)).astype(int)
    other = replace(planted, initial=planted.final)

    def measured() -> overlap.OverlapCurve:
        ends = (overlap.bulk_ends(each, SIZE, dimensions, None) for each in (planted, other))
        first, last = (mine.T @ theirs for mine, theirs in zip(*ends, strict=True))
        return overlap.overlap_of_ends(first, last, dimensions, SIZE)

    once(measured, role="harness", group="overlap")


PEAK = """
import json, resource, sys
from harness.runs.lab import Lab
from harness.runs.store import Store
import claims.training_jacobian.experiments
run = Lab(Store(sys.argv[1]), seeds=1, precision="float64").run("digits")
run.spectrum
print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))
"""


def test_peak_memory(once: Once, benchmark: Any, tmp_path: Path) -> None:
    """A process of its own that goes from nothing to the checked spectrum in float64."""
    command = [sys.executable, "-c", PEAK, str(tmp_path)]
    done = once(
        lambda: subprocess.run(command, check=True, capture_output=True, text=True),
        role="memory",
        group="J and its spectrum in float64",
    )
    benchmark.extra_info["bytes"] = 1024 * int(done.stdout.split()[-1])


# (what is varied, hidden units, steps, batch): each curve goes through the middle one, N = 2410, 50 steps of 64
CURVES = [
    *(("N", hidden, 50, 64) for hidden in (6, 16, 32, 64, 134)),
    *(("steps", 32, steps, 64) for steps in (25, 50, 100, 200)),
    *(("batch", 32, 50, batch) for batch in (16, 32, 64, 128, 256)),
]


@pytest.mark.parametrize(("varied", "hidden", "steps", "batch"), CURVES)
def test_scaling(once: Once, varied: str, hidden: int, steps: int, batch: int) -> None:
    """256 columns of J, float32, compiled beforehand: time against floating-point operations, memory against the tangents'."""
    experiment = Experiment("digits", "smoke", model=Model(hidden=(hidden,)))
    data = load(experiment.data)
    theta = cast(initial_parameters(experiment, data), "float32")
    draw = numpy_stream(0, "benchmarks/scaling").integers(0, len(data.x_train), (steps, batch))
    x, y = jnp.asarray(data.x_train[draw], "float32"), jnp.asarray(data.y_train[draw])
    f = replace(training(experiment, data), batches=(x, y), epochs=1)
    size, width = sum(leaf.size for leaf in jax.tree.leaves(theta)), layout(theta)[0]
    push = pusher(f, theta, jax.devices())
    push(np.arange(width)).block_until_ready()
    columns = max(256, width)
    once(
        lambda: [push(np.arange(first, first + width)).block_until_ready() for first in range(0, columns, width)],
        role="scaling",
        rounds=9,
        group=f"{varied}: N = {size}, {steps} steps of {batch}",
        flop=flop(hidden, steps, columns, batch),
        varied=varied,
        value={"N": size, "steps": steps, "batch": batch}[varied],
        bytes=temporary(f, theta, width),
        modelled=tangent_bytes(size, hidden, batch, width),
    )


def temporary(f: Any, theta: Any, width: int) -> int:
    """Bytes that XLA sets aside for one block of columns on one device, beside its argument and its result."""
    block = jax.tree.map(lambda leaf: jax.ShapeDtypeStruct((*leaf.shape, width // len(jax.devices())), leaf.dtype), theta)
    analysis: Any = jax.jit(tangents(f)).lower(theta, block).compile().memory_analysis()
    return int(analysis.temp_size_in_bytes)


def tangent_bytes(size: int, hidden: int, batch: int, width: int) -> int:
    """Bytes on one device of the tangents of parameters, momentum and gradient, and of a batch's activations: before and after
    the nonlinearity, and their gradient."""
    return 4 * (width // len(jax.devices())) * (3 * size + batch * (3 * hidden + 2 * CLASSES))
