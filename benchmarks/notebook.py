"""What the authors' notebook does, restated plainly as the baseline: jacfwd in one piece, trainings one by one, a full SVD."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from harness import train
from harness.training_run import TrainingRun


def flat_map(run: TrainingRun) -> tuple[Any, Any]:
    """Training as a function of the flat parameter vector, and the vector that it starts from."""
    theta, unravel = ravel_pytree(train.cast(run.theta_0, run.experiment.precision))
    return (lambda flat: ravel_pytree(run.training_map(unravel(flat)))[0]), theta


def jacobian(run: TrainingRun) -> Any:
    """J by ``jax.jacfwd`` of the whole of training, all columns at once."""
    f, theta = flat_map(run)
    return np.asarray(jax.jit(jax.jacfwd(f))(theta))


def spectrum(matrix: Any) -> Any:
    """All singular values and both sides' vectors, by NumPy (LAPACK's gesdd)."""
    return np.linalg.svd(np.asarray(matrix, np.float64))


def restricted_loss(run: TrainingRun, basis: Any) -> float:
    """Test loss after training theta_0 + V c in the coordinates c of ``basis`` V (N, k); compiled for this k alone."""
    apply, loss, update, x, y, epochs = train.ingredients(run.experiment, run.dataset)
    origin, unravel = ravel_pytree(train.cast(run.theta_0, run.experiment.precision))
    columns = jnp.asarray(np.asarray(basis), origin.dtype)

    def confined(c: Any, images: Any) -> Any:
        return apply(unravel(origin + columns @ c), images)

    start = jnp.zeros(columns.shape[1], origin.dtype)
    final = jax.jit(train.training_map(confined, loss, update, x, y, epochs))(start)
    return float(loss(confined(final, jnp.asarray(run.dataset.x_test, origin.dtype)), jnp.asarray(run.dataset.y_test)))
