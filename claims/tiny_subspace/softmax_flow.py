"""The toy model: softmax regression on a mixture of k classes, trained by gradient flow.

L(theta) = -(1/n) sum_a log softmax(theta x_a)[y_a], theta of shape (k, features), d theta / d(eta t) = -grad L.
Time is eta t throughout. Source: Gur-Ari, Roberts & Dyer 2018, section 3 and appendix E.

With one sample mu_a a class, the means orthonormal and theta_0 = 0, all classes share one margin
m = theta_y . mu_y - theta_c . mu_y with dm/d(eta t) = 1 / (e^m + k - 1), so that e^m + (k - 1) m = eta t + 1 and, with
w + log w = s  <=>  w = wrightomega(s),

    e^m = (k - 1) w,    w = wrightomega((eta t + 1) / (k - 1) - log(k - 1)).

For k = 2 each class has its own margin and its own constant: e^m = w = wrightomega(eta t + c), c = e^m(0) + m(0).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from scipy.special import softmax, wrightomega
from threadpoolctl import threadpool_limits

from harness.errors import DecompositionFailed, InvalidInput

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Inputs (samples, features) and labels (samples,) of ``classes`` classes.

    Raises:
        InvalidInput: shapes that do not fit, or labels outside 0 to classes - 1.
    """

    x: Floats
    y: NDArray[np.int64]
    classes: int

    def __post_init__(self) -> None:
        if self.x.ndim != 2 or self.y.shape != self.x.shape[:1]:
            raise InvalidInput(f"{self.x.shape} inputs and {self.y.shape} labels; need (samples, features) and (samples,)")
        if self.classes < 2 or not np.isin(self.y, np.arange(self.classes)).all():
            raise InvalidInput(f"labels {np.unique(self.y)} of {self.classes} classes; need 0 to classes - 1, two or more")

    def with_bias(self) -> Sample:
        """The same samples with a constant feature, so that theta's last column is the bias."""
        return Sample(np.column_stack([self.x, np.ones(len(self.x))]), self.y, self.classes)

    def in_its_span(self) -> Sample:
        """The same samples in an orthonormal basis of their span: theta never moves outside it and the Hessian is zero there."""
        return Sample(np.linalg.qr(self.x.T)[1].T, self.y, self.classes)


def mixture(means: Floats, sigma: float = 0.0, samples: int = 1, rng: np.random.Generator | None = None) -> Sample:
    """``samples`` a class, x ~ N(mu_y, sigma^2 I), for means (k, d)."""
    y = np.repeat(np.arange(len(means)), samples)
    noise = 0.0 if rng is None or sigma == 0 else sigma * rng.standard_normal((len(y), means.shape[1]))
    return Sample(means[y] + noise, y, len(means))


def random_unit_vectors(k: int, d: int, rng: np.random.Generator) -> Floats:
    """k random unit vectors of R^d, shape (k, d), not constrained to be orthogonal (footnote 13)."""
    drawn = rng.standard_normal((k, d))
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def orthonormal_means(k: int, d: int, rng: np.random.Generator) -> Floats:
    """k random orthonormal vectors of R^d, shape (k, d).

    Raises:
        InvalidInput: more classes than dimensions.
    """
    if k > d:
        raise InvalidInput(f"{k} orthonormal means in {d} dimensions: need k <= d")
    return np.asarray(np.linalg.qr(rng.standard_normal((d, k)))[0].T)


def gradient(theta: Floats, sample: Sample) -> Floats:
    """grad L, shape (k, features)."""
    error = softmax(sample.x @ theta.T, axis=1) - np.eye(sample.classes)[sample.y]
    return np.asarray(error.T @ sample.x / len(sample.x))


def hessian_product(theta: Floats, sample: Sample, v: Floats) -> Floats:
    """H v, shape (k, features), without forming H."""
    p, moved = softmax(sample.x @ theta.T, axis=1), sample.x @ v.T
    return np.asarray((p * (moved - np.sum(p * moved, axis=1, keepdims=True))).T @ sample.x / len(sample.x))


def hessian(theta: Floats, sample: Sample) -> Floats:
    """H = mean_a (diag p_a - p_a p_a^T) (x) x_a x_a^T, dense, shape (k features, k features): for few features."""
    p = softmax(sample.x @ theta.T, axis=1)
    covariance = p[:, :, None] * np.eye(sample.classes) - p[:, :, None] * p[:, None, :]
    full = np.einsum("abc,ai,aj->bicj", covariance, sample.x, sample.x, optimize=True) / len(p)
    return np.asarray(full.reshape(theta.size, theta.size))


def eigenpairs(theta: Floats, sample: Sample) -> tuple[Floats, Floats]:
    """All Hessian eigenvalues, descending, and eigenvectors as columns, for a model with few features."""
    with threadpool_limits(1, user_api="blas"):
        values, vectors = np.linalg.eigh(hessian(theta, sample))
    return values[::-1], vectors[:, ::-1]


def flow(theta: Floats, sample: Sample, times: Any, tolerance: float = 1e-10) -> Floats:
    """Gradient flow integrated numerically from ``theta`` at eta t = 0, shape (times, k, features).

    Raises:
        DecompositionFailed: the integrator gave up.
    """
    times = np.asarray(times, float)
    # for thousands of small products BLAS threads would wait for each other longer than they compute
    with threadpool_limits(1, user_api="blas"):
        found = solve_ivp(
            lambda _, flat: -gradient(flat.reshape(theta.shape), sample).ravel(),
            (0.0, float(times[-1])),
            theta.ravel(),
            method="DOP853",
            t_eval=times,
            rtol=tolerance,
            atol=tolerance,
        )
    if not found.success:
        raise DecompositionFailed(f"gradient flow to eta t = {times[-1]}: {found.message}; raise the tolerance {tolerance:.0e}")
    return np.asarray(found.y.T.reshape(-1, *theta.shape))


def margins(theta: Floats, means: Floats) -> Floats:
    """theta_y . mu_y minus the mean of the other logits at mu_y, shape (..., k): for k = 2 the paper's exponent."""
    logits = np.einsum("...cf,yf->...yc", theta, means)
    k = len(means)
    own = np.diagonal(logits, axis1=-2, axis2=-1)
    return np.asarray((k * own - logits.sum(axis=-1)) / (k - 1))


def two_class_constants(theta: Floats, means: Floats) -> Floats:
    """c_1, c_2 of the two-class solution that starts at ``theta``: e^m(0) + m(0)."""
    start = margins(theta, means)
    return np.asarray(np.exp(start) + start)


def two_class_exponential(eta_t: Any, c: Any) -> Any:
    """e^m = W = wrightomega(eta t + c), exactly; the paper gives the leading order, eta t + c (equation 7)."""
    return wrightomega(np.asarray(eta_t, float) + c)


def two_class_eigenvalue(eta_t: Any, c: Any) -> Any:
    """The Hessian eigenvalue W / (1 + W)^2 of a class; the paper gives 1 / (eta t) (equation 18)."""
    w = two_class_exponential(eta_t, c)
    return w / (1 + w) ** 2


def symmetric_exponential(eta_t: Any, k: int) -> Any:
    """e^m of k orthonormal classes from theta_0 = 0: (k - 1) wrightomega((eta t + 1) / (k - 1) - log(k - 1))."""
    return (k - 1) * wrightomega((np.asarray(eta_t, float) + 1) / (k - 1) - np.log(k - 1))


def symmetric_eigenvalues(eta_t: Any, k: int) -> tuple[Any, Any]:
    """Hessian eigenvalues from theta_0 = 0: e^m / (e^m + k - 1)^2, k times, and 1 / (k (e^m + k - 1)), k (k - 2) times.

    Let u = 1 / (e^m + k - 1) be the probability of each wrong class. Then diag p - p p^T has eigenvalue k u (1 - (k - 1) u)
    along e_y - sum_(c != y) e_c / (k - 1), and eigenvalue u on the wrong classes orthogonal to it. The loss averages over k
    samples.
    """
    exponential = symmetric_exponential(eta_t, k)
    return exponential / (exponential + k - 1) ** 2, 1 / (k * (exponential + k - 1))
