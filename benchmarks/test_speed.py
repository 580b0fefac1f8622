"""The harness against the notebook's loops at paper scale (N = 4810, 625 steps), in the same session on the same machine."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import notebook
from harness import train
from harness.config import Experiment, Model
from harness.data import load
from harness.jacobian import dense_jacobian
from harness.measure.influence import divergences
from harness.measure.subspace_training import REGIONS, SHARES, masks, restricted_losses
from harness.progress import Progress
from harness.spectrum import Spectrum, decompose

Once = Callable[..., Any]
PRECISIONS = ("float32", "float64")
SIZE, BATCH, PIXELS, CLASSES = 4810, 64, 64, 10


def flop(hidden: int, steps: int, size: int) -> float:
    """Floating-point operations of J: each layer's tangent takes two matrix products forward, two for the gradient and two
    backward, less those with the constant input of the first layer."""
    return 2.0 * BATCH * steps * size * (2 * PIXELS * hidden + 6 * hidden * CLASSES)


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
    theta = train.cast(run.theta_0, precision)
    once(lambda: dense_jacobian(run.training_map, theta), role="harness", group=f"Jacobian, {precision}", flop=PAPER)


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
    every = np.concatenate(list(masks(planted, np.round(SIZE * np.array(SHARES)).astype(int)).values()))
    once(
        lambda: restricted_losses(run.experiment, run.dataset, run.theta_0, planted.initial, every),
        role="harness", group="restricted training",
    )


def test_restricted_of_the_notebook(once: Once, paper_run: Any, planted: Spectrum) -> None:
    """Three of the trainings, one by one; their mean stands for all."""
    run, dimensions = paper_run("float32"), (289, 1491, 3704)
    once(
        lambda: [notebook.restricted_loss(run, planted.initial[:, :k]) for k in dimensions],
        role="notebook", group="restricted training", scale=len(SHARES) * len(REGIONS) / len(dimensions),
    )


def test_influence(once: Once, paper_run: Any, planted: Spectrum) -> None:
    """Eq. 2 for every direction, on the test images and three other kinds of inputs."""
    run = paper_run("float32")
    once(
        lambda: divergences(run.apply, run.theta_T, planted.final, run.probe_inputs, Progress(), ""),
        role="harness", group="influence",
    )


@pytest.mark.parametrize("hidden", [8, 16, 32, 64])
def test_scaling_with_width(once: Once, hidden: int) -> None:
    """J of networks of other widths, 50 steps, float32: time against floating-point operations."""
    experiment = Experiment("digits", "smoke", model=Model(hidden=(hidden,)), epochs=2)
    data = load(experiment.data)
    theta = train.cast(train.initial_parameters(experiment, data), "float32")
    size, steps = sum(leaf.size for leaf in jax.tree.leaves(theta)), experiment.steps
    f = train.training_map(*train.ingredients(experiment, data))
    work = flop(hidden, steps, size)
    once(lambda: dense_jacobian(f, theta), role="scaling", group=f"Jacobian, N = {size}, {steps} steps", flop=work)
