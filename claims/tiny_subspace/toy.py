"""The toy model of section 3: d = 1000, k = 2, 5, 10, sigma = 0 or 0.02; states of its gradient flow, computed once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.engine.streams import numpy_stream

from . import softmax_flow as flow

DIMENSION = 1000
CLASSES = (2, 5, 10)
SIGMA = 0.02
TIMES = (1.0, 10.0, 100.0, 1000.0, 10_000.0)
LATE = 1000.0
SAMPLES = 10  # a class, if there is noise; the paper does not say how many
# at first a start of this size dominates the flow, not the means
START = 0.1


@dataclass(frozen=True, eq=False)
class State:
    """A point of the flow: theta (k, features) in an orthonormal basis of the samples' span, with its samples and eta t."""

    theta: Any
    sample: flow.Sample
    eta_t: float

    @functools.cached_property
    def eigenpairs(self) -> tuple[Any, Any]:
        return flow.eigenpairs(self.theta, self.sample)

    @property
    def shares(self) -> Any:
        """c_i^2 of the gradient over all eigenvectors."""
        gradient = flow.gradient(self.theta, self.sample).ravel()
        return (self.eigenpairs[1].T @ gradient) ** 2 / (gradient @ gradient)


@functools.cache
def states(
    k: int,
    *,
    orthonormal: bool = True,
    sigma: float = 0.0,
    bias: bool = False,
    start: float = 0.0,
    times: tuple[float, ...] = TIMES,
    draw: int = 0,
) -> tuple[State, ...]:
    """The flow at ``times`` from theta_0 = start * N(0, 1), on orthonormal means or random unit vectors.

    ``draw`` is the number of an independent draw of means, samples and start.
    """
    rng = numpy_stream(k, f"toy-model/{draw}" if draw else "toy-model")
    means = (flow.orthonormal_means if orthonormal else flow.random_unit_vectors)(k, DIMENSION, rng)
    sample = flow.mixture(means, sigma, SAMPLES if sigma else 1, rng)
    sample = (sample.with_bias() if bias else sample).in_its_span()
    theta_0 = start * rng.standard_normal((k, sample.x.shape[1]))
    found = flow.flow(theta_0, sample, times, 1e-10 if sigma == 0 else 1e-7)
    return tuple(State(theta, sample, eta_t) for theta, eta_t in zip(found, times, strict=True))


@functools.cache
def two_classes() -> tuple[Any, Any, Any]:
    """The two-class flow in R^1000 from a random start: constants c (2,), e^m (times, 2), thetas (times, 2, 1000)."""
    rng = numpy_stream(2, "two-classes")
    means = flow.orthonormal_means(2, DIMENSION, rng)
    theta_0 = rng.standard_normal((2, DIMENSION))
    thetas = flow.flow(theta_0, flow.mixture(means), TIMES)
    return flow.two_class_constants(theta_0, means), np.exp(flow.margins(thetas, means)), thetas


def two_class_eigenvalues() -> Any:
    """The two largest Hessian eigenvalues along :func:`two_classes`, shape (times, 2), in the order of the classes.

    They are computed in an orthonormal basis of the two means and of the rest of theta, which does not move and which no sample
    sees.
    """
    rng = numpy_stream(2, "two-classes")
    means = flow.orthonormal_means(2, DIMENSION, rng)
    values = []
    for theta in two_classes()[2]:
        inside = flow.Sample(np.eye(2), np.arange(2), 2)
        found, vectors = flow.eigenpairs(theta @ means.T, inside)
        class_of = np.argmax(np.abs(vectors[:, :2].reshape(2, 2, 2)).sum(axis=0), axis=0)
        values.append(found[:2][np.argsort(class_of)])
    return np.array(values)


def two_class_gradients() -> Any:
    """The gradient's component -grad_theta1 L . mu_1 and grad_theta1 L . mu_2 along :func:`two_classes`, shape (times, 2)."""
    means = flow.orthonormal_means(2, DIMENSION, numpy_stream(2, "two-classes"))
    slopes = np.stack([flow.gradient(theta, flow.mixture(means))[0] for theta in two_classes()[2]])
    return slopes @ means.T * [-1, 1]


def leading_order_gradient(eta_t: Any, c: Any) -> Any:
    """The paper's 1 / (2 (eta t + c)) (equation 17)."""
    return leading_order_eigenvalue(eta_t, c) / 2


def leading_order(eta_t: Any, c: Any) -> Any:
    """The paper's e^m = eta t + c (equation 7)."""
    return np.asarray(eta_t, float) + c


def leading_order_eigenvalue(eta_t: Any, c: Any) -> Any:
    """The paper's 1 / (eta t + c) (appendix E, before equation 19)."""
    return 1 / (np.asarray(eta_t, float) + c)


def relative_error(measured: Any, formula: Callable[[Any, Any], Any]) -> Any:
    """|measured / formula - 1| along :func:`two_classes`, shape (times, 2)."""
    return np.abs(measured / formula(np.array(TIMES)[:, None], two_classes()[0]) - 1)
