"""The Hessian of a user's network along training: its top eigenpairs, and how much of the gradient lies in them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.engine import eigenpairs
from harness.engine.precision import with_exact_dtypes
from harness.engine.streams import numpy_stream
from harness.engine.trees import flatten, unflatten
from harness.errors import NotRun, TooLarge
from harness.measure.hessian_subspace import History, cross_products, gradient_shares
from harness.runs.examples import Batch

if TYPE_CHECKING:
    from harness.runs.differentiated import DifferentiatedRun

TIMES = 5  # times at which eigenpairs are measured, evenly spaced from start to end
MOST = 2**31  # bytes of a trajectory


@with_exact_dtypes
def history(run: DifferentiatedRun) -> History:
    """Top eigenpairs, two for each class, of the loss over the training set, at five times from the first step to the last.

    Raises:
        NotRun: labels are not classes, there is no training, or there are fewer parameters than twice the classes.
        TooLarge: the trajectory does not fit.
    """
    network, k = run.network, run.network.classes
    if not k:
        raise NotRun(f"{run.label}: the top subspace has as many dimensions as there are classes, and its labels are none")
    if not network.steps or 2 * k >= run.size:
        raise NotRun(f"{run.label}: {network.steps} steps, {run.size} parameters: need a step, and more than {2 * k} parameters")
    steps = np.unique(np.round(np.linspace(0, network.steps, TIMES)).astype(int))
    loss = _loss(run)
    pairs, shares = [], []
    with run.lab.progress.stage(f"{run.label}: Hessian eigenpairs", len(steps)) as stage:
        for theta in _trajectory(run)[steps]:
            gradient, apply = loss(jnp.asarray(theta))
            found = eigenpairs.top_eigenpairs(apply, run.size, 2 * k, start=_start(run))
            pairs.append(found)
            shares.append(gradient_shares(found.vectors, gradient))
            stage.advance()
    cross = cross_products([found.vectors for found in pairs])
    leading = np.stack([found.vectors[:, 0] for found in pairs])
    return History(steps, np.stack([found.values for found in pairs]), np.stack(shares), cross, leading)


def _loss(run: DifferentiatedRun) -> Callable[[Any], tuple[Any, eigenpairs.Product]]:
    """theta (N,) -> the gradient of the loss over all training examples, and v -> H v; float64 out."""
    every = run.network.cast(Batch(*run.network.data[:2]))
    like = run.network.initial(run.seed)

    def mean(theta: Any, batch: Batch) -> Any:
        return run.network.mean_loss(unflatten(theta, like), batch)

    gradient = jax.jit(jax.grad(mean))
    product = jax.jit(lambda theta, v, batch: jax.jvp(lambda at: jax.grad(mean)(at, batch), (theta,), (v,))[1])

    def applied(theta: Any, v: Any) -> Any:
        return np.asarray(product(theta, jnp.asarray(v, theta.dtype), every), np.float64)

    return lambda theta: (np.asarray(gradient(theta, every), np.float64), partial(applied, theta))


def _trajectory(run: DifferentiatedRun) -> Any:
    """theta before the first step and after each, (steps + 1, N)."""
    start = run.network.initial(run.seed)
    first = flatten(start)
    if (size := first.nbytes * (run.network.steps + 1)) > MOST:
        raise TooLarge(f"{run.label}: its trajectory takes {size / 2**30:.1f} GiB, of which 2 are allowed: train for fewer steps")
    seen = jax.jit(lambda training, theta: training.observed(theta, lambda after, _: jax.flatten_util.ravel_pytree(after)[0])[1])
    return np.concatenate([first[None], np.asarray(seen(run.training, start))])


def _start(run: DifferentiatedRun) -> Any:
    return numpy_stream(run.seed, "network-lanczos-start").standard_normal(run.size)
