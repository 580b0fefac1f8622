"""The engine on the problems of :mod:`harness.closed_form`: the same training map and tangents as any experiment.

Each shape is compiled once, so that thousands of cases cost milliseconds each. To limit the shapes, a run is filled up to a
multiple of 32 steps with steps of size zero, which do not move theta. Arguments and layouts are those of the closed forms.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from harness.closed_form import PLAIN, Momentum
from harness.engine.jacobian import tangents
from harness.engine.losses import cross_entropy
from harness.engine.precision import with_exact_dtypes
from harness.engine.training import Training
from harness.engine.trees import rows, unit_vectors

Floats = NDArray[np.float64]
FILL = 32
Wrap = Callable[[optax.GradientTransformation], optax.GradientTransformation]


def faithful(update: optax.GradientTransformation) -> optax.GradientTransformation:
    """The optimiser as it is."""
    return update


def momentum_left_out(update: optax.GradientTransformation) -> optax.GradientTransformation:
    """A broken engine: the same training, but the tangent does not pass through the momentum buffer."""

    def forget(gradient: Any, state: Any, params: Any = None) -> Any:
        return update.update(gradient, jax.lax.stop_gradient(state), params)

    return optax.GradientTransformation(update.init, forget)


def quadratic_jacobian(hessians: Any, rates: Any, momentum: Momentum = PLAIN, *, wrap: Wrap = faithful) -> Floats:
    """The engine's J of T steps, step t on 1/2 theta.H_t.theta; hessians (T, N, N), rates (T,)."""
    return _run("quadratic", np.ones(hessians.shape[-1]), hessians, np.zeros(len(hessians)), rates, momentum, wrap)


def least_squares_jacobian(inputs: Any, targets: Any, rates: Any, momentum: Momentum = PLAIN) -> Floats:
    """The engine's J of T steps on 1/(2b) |X_t theta - y_t|^2; inputs (T, b, N), targets (T, b), rates (T,)."""
    return _run("least squares", np.zeros(inputs.shape[-1]), inputs, targets, rates, momentum, faithful)


def softmax_jacobian(theta: Any, inputs: Any, labels: Any, rates: Any, momentum: Momentum = PLAIN) -> Floats:
    """The engine's J of T steps of softmax regression from ``theta`` (d k,); inputs (T, b, d), labels (T, b), rates (T,)."""
    return _run("softmax", theta, inputs, labels, rates, momentum, faithful)


# loss(theta, (x, y)) of each problem; a quadratic's x is its Hessian
PROBLEMS: dict[str, Callable[[Any, Any], Any]] = {
    "quadratic": lambda theta, batch: theta @ batch[0] @ theta / 2,
    "least squares": lambda theta, batch: jnp.mean((batch[0] @ theta - batch[1]) ** 2) / 2,
    "softmax": lambda theta, batch: cross_entropy(batch[0] @ theta.reshape(batch[0].shape[-1], -1), batch[1]),
}


@with_exact_dtypes
def _run(problem: str, theta: Any, x: Any, y: Any, rates: Any, momentum: Momentum, wrap: Wrap) -> Floats:
    y, x, rates = (_filled(np.asarray(values), more=-len(rates) % FILL) for values in (y, x, rates))
    reals = (np.asarray(value, np.float64) for value in (theta, x, rates, momentum.mu))
    return np.asarray(_jacobian(problem, wrap, momentum.nesterov, y, *reals))


def _filled(values: Any, more: int) -> Any:
    return np.concatenate([values, np.zeros((more, *values.shape[1:]), values.dtype)])


@partial(jax.jit, static_argnums=(0, 1, 2))
def _jacobian(problem: str, wrap: Wrap, nesterov: bool, y: Any, theta: Any, x: Any, rates: Any, mu: Any) -> Any:
    update = wrap(optax.sgd(lambda count: rates[count], momentum=mu, nesterov=nesterov))
    f = Training(PROBLEMS[problem], update, (x, y), epochs=1)
    return rows(tangents(f)(theta, unit_vectors(theta, jnp.arange(theta.size))))
