"""What the authors' notebook does, restated plainly as the baseline: jacfwd in one piece, trainings one by one, a full SVD.

Network and loop are written out here, with JAX's own activation, so that nothing of the harness speeds the baseline up.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.flatten_util import ravel_pytree

from claims.training_jacobian.run import Run
from harness.engine.losses import LOSSES
from harness.engine.trees import cast


def apply(params: Any, images: Any) -> Any:
    """Logits of the one hidden layer's network."""
    (kernel, bias), (output_kernel, output_bias) = params
    return jax.nn.gelu(images @ kernel + bias) @ output_kernel + output_bias


def training(run: Run, network: Any) -> Any:
    """f: parameters -> parameters after all steps, as one loop."""
    loss, update, (x, y) = LOSSES[run.experiment.loss], run.training.optimiser, run.training.batches

    def step(state: Any, batch: Any) -> Any:
        params, memory = state
        gradient = jax.grad(lambda p: loss(network(p, batch[0]), batch[1]))(params)
        change, memory = update.update(gradient, memory, params)
        return (optax.apply_updates(params, change), memory), None

    order = jnp.tile(jnp.arange(len(x)), run.training.epochs)
    return lambda params: jax.lax.scan(lambda s, i: step(s, (x[i], y[i])), (params, update.init(params)), order)[0][0]


def flat_map(run: Run) -> tuple[Any, Any]:
    """Training as a function of the flat parameter vector, and the vector that it starts from."""
    theta, unravel = ravel_pytree(cast(run.theta_0, run.experiment.precision))
    f = training(run, apply)
    return (lambda flat: ravel_pytree(f(unravel(flat)))[0]), theta


def jacobian(run: Run) -> Any:
    """J by ``jax.jacfwd`` of the whole of training, all columns at once."""
    f, theta = flat_map(run)
    return np.asarray(jax.jit(jax.jacfwd(f))(theta))


def spectrum(matrix: Any) -> Any:
    """All singular values and both sides' vectors, by NumPy (LAPACK's gesdd)."""
    return np.linalg.svd(np.asarray(matrix, np.float64))


def restricted_loss(run: Run, basis: Any) -> float:
    """Test loss after training theta_0 + V c in the coordinates c of ``basis`` V (N, k); compiled for this k alone."""
    loss = LOSSES[run.experiment.loss]
    origin, unravel = ravel_pytree(cast(run.theta_0, run.experiment.precision))
    columns = jnp.asarray(np.asarray(basis), origin.dtype)

    def confined(c: Any, images: Any) -> Any:
        return apply(unravel(origin + columns @ c), images)

    start = jnp.zeros(columns.shape[1], origin.dtype)
    final = jax.jit(training(run, confined))(start)
    return float(loss(confined(final, jnp.asarray(run.dataset.x_test, origin.dtype)), jnp.asarray(run.dataset.y_test)))
