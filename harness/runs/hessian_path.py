"""J as predicted by the path of Hessians: the product of a linear rule's steps, each with the Hessian of the mean loss.

J is exactly the product of the linearised steps of training, each with the Hessian of its own batch at its own parameters: prod
(I - eta_t H_t), with momentum on (theta, memory). Here training is cut into segments. All steps of a segment take the Hessian
of the mean loss over all training examples at the segment's middle. The prediction differs from J by differences between
batches and within a segment. In the eigenbasis of a Hessian, the steps of its segment act on each eigenvalue separately.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from scipy import linalg

from harness.engine.columns_last import columns_last
from harness.engine.precision import with_exact_dtypes
from harness.engine.streams import numpy_stream
from harness.engine.trees import flatten, floating, refloated, unflatten
from harness.errors import NotRun
from harness.runs.examples import Batch

if TYPE_CHECKING:
    from harness.runs.differentiated import DifferentiatedRun

SEGMENTS = 25
COLUMNS = 256  # columns of a Hessian that are formed at once
ROUNDING = 1e-5  # of one step in float32


@dataclass(frozen=True, eq=False)
class HessianPath:
    """The prediction from the Hessians of a training, in float64.

    Attributes:
        predicted: the product of all steps, (final, initial).
        memoryless: the same product with the rule's memory set to zero before each step: momentum left out.
        squares: sum over steps of (eta H)^2, (N, N); its null space is the common null space of all Hessians.
    """

    predicted: Any
    memoryless: Any
    squares: Any


@with_exact_dtypes
def hessian_path(run: DifferentiatedRun, segments: int = SEGMENTS) -> HessianPath:
    """The product of the steps, with the Hessians of ``segments`` parts of training.

    Raises:
        NotRun: no step, or a rule that is not linear in gradient and memory, or not the same for all parameters.
    """
    steps, size = run.network.steps, run.size
    if not steps:
        raise NotRun(f"{run.label}: no step, and so no Hessian")
    rule = coefficients(run.network.optimiser, run.network.initial(run.seed), steps)
    alone = rule * [1, 0, 1]  # the memory before a step does not count
    whole, memory = np.eye(size), np.zeros((size, size))
    short, squares = np.eye(size), np.zeros((size, size))
    with run.lab.progress.stage(f"{run.label}: path of Hessians", segments) as stage:
        for first, stop, hessian in _hessians(run, segments):
            values, basis = linalg.eigh(hessian, check_finite=False)
            (a, b), (c, d) = transfer(rule[first:stop], values)[..., None]
            theta, old = basis.T @ whole, basis.T @ memory
            whole, memory = basis @ (a * theta + b * old), basis @ (c * theta + d * old)
            short = basis @ (transfer(alone[first:stop], values)[0, 0][:, None] * (basis.T @ short))
            squares += np.sum(rule[first:stop, 0, 2] ** 2) * (basis * values**2) @ basis.T
            stage.advance()
    return HessianPath(whole, short, squares)


def transfer(rule: Any, values: Any) -> Any:
    """The product of the steps ``rule`` (steps, 2, 3) on (theta, memory) for each eigenvalue, shape (2, 2, n)."""
    held = np.zeros((2, 2, len(values)))
    held[0, 0] = held[1, 1] = 1
    for (a, b, c), (d, e, f) in np.asarray(rule, np.float64):
        theta, memory = held
        held = np.stack([(a + c * values) * theta + b * memory, (d + f * values) * theta + e * memory])
    return held


def coefficients(optimiser: optax.GradientTransformation, params: Any, steps: int) -> Any:
    """theta' = a theta + b m + c g and m' = d theta + e m + f g of each step: ((a, b, c), (d, e, f)), shape (steps, 2, 3).

    Raises:
        NotRun: the rule is not of this form (Adam is not), or its coefficients are not the same for all parameters.
    """
    leaves = len(jax.tree.leaves(params))
    refused = NotRun("its optimiser's step is not linear in parameters, memory and gradient: the Hessians' product is not J")
    if len(floating(optimiser.init(params))) not in (0, leaves):
        raise refused
    kind = jax.tree.leaves(params)[0].dtype
    # each leaf becomes three parameters: theta alone is one in the first, memory in the second, the gradient in the third
    theta, m, g = (jax.tree.map(lambda _, row=row: row, params) for row in jnp.eye(3, dtype=kind))

    def step(memory: Any, _: Any) -> tuple[Any, Any]:
        change, after = optimiser.update(g, refloated(memory, jax.tree.leaves(m)), theta)
        moved = jnp.stack(jax.tree.leaves(optax.apply_updates(theta, change)))
        return after, jnp.stack([moved, jnp.stack(floating(after)) if floating(after) else jnp.zeros_like(moved)], axis=1)

    found = np.asarray(jax.lax.scan(step, optimiser.init(theta), length=steps)[1], np.float64)  # (steps, leaves, 2, 3)
    alike = np.abs(found - found[:, :1]).max() <= ROUNDING
    if not alike or not _predicts(found[0, 0], optimiser, params):
        raise refused
    return found[:, 0]


def _predicts(first: Any, optimiser: optax.GradientTransformation, params: Any) -> bool:
    """Whether the coefficients predict the first step of the whole tree, for a random gradient and memory."""
    draw, memory = numpy_stream(0, "hessian-path-probe"), optimiser.init(params)
    gradient, held = (
        jax.tree.map(lambda leaf: jnp.asarray(draw.standard_normal(leaf.shape), leaf.dtype), params) for _ in range(2)
    )
    change, after = optimiser.update(gradient, refloated(memory, jax.tree.leaves(held)), params)
    parts = np.stack([flatten(tree).astype(np.float64) for tree in (params, held, gradient)])
    moved = [flatten(optax.apply_updates(params, change)), *([flatten(floating(after))] if floating(after) else [])]
    return all(np.abs(row @ parts - one).max() <= ROUNDING * np.abs(parts).max() for row, one in zip(first, moved, strict=False))


def _hessians(run: DifferentiatedRun, segments: int) -> Iterator[tuple[int, int, Any]]:
    """For each segment: first step, step after the last, and the Hessian (N, N) at the parameters before the middle step."""
    like, every = run.network.initial(run.seed), run.network.cast(Batch(*run.network.data[:2]))
    edges = np.unique(np.round(np.linspace(0, run.network.steps, segments + 1)).astype(int))
    middles = (edges[:-1] + edges[1:] - 1) // 2
    trajectory = np.concatenate([flatten(like)[None], _after_steps(run, like)])

    @jax.jit
    def columns(theta: Any, batch: Batch, block: Any) -> Any:
        slope = jax.grad(lambda at: run.network.mean_loss(unflatten(at, like), batch))
        return columns_last(jax.linearize(slope, theta)[1])(block)

    identity = jnp.eye(run.size, dtype=trajectory.dtype)
    for first, stop, middle in zip(edges[:-1], edges[1:], middles, strict=True):
        parts = [columns(trajectory[middle], every, identity[:, i : i + COLUMNS]) for i in range(0, run.size, COLUMNS)]
        hessian = np.concatenate([np.asarray(part, np.float64) for part in parts], axis=1)
        yield int(first), int(stop), (hessian + hessian.T) / 2


def _after_steps(run: DifferentiatedRun, like: Any) -> Any:
    """theta after each step, (steps, N)."""
    seen = jax.jit(lambda training, theta: training.observed(theta, lambda after, _: jax.flatten_util.ravel_pytree(after)[0])[1])
    return np.asarray(seen(run.training, like))
