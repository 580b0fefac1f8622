"""Softmax regression: the first convex loss whose Hessian moves, with J a product of I - eta_t H(theta_t)."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.linalg import svdvals
from scipy.special import softmax

from harness.closed_form.exact import Array, Exact, gamma, product

THIRD = 2**-0.5  # bound on the third derivative of log-sum-exp


def softmax_smoothness(inputs: Array) -> float:
    """L: no Hessian of this batch's loss exceeds it. diag(p) - p p^T has norm at most 1/2, so L = |X^T X| / (2b)."""
    return float(np.linalg.norm(inputs, 2)) ** 2 / (2 * len(inputs))


def descend_softmax(theta: Array, inputs: Array, labels: Array, rates: Sequence[float] | Array) -> Exact:
    """T plain steps on the mean cross-entropy of logits X_t W, one mini-batch a step.

    J = (I - eta_T H_T(theta_{T-1})) ... (I - eta_1 H_1(theta_0)), with H = 1/b sum_n (x_n x_n^T) (x) (diag(p_n) - p_n p_n^T).

    Error bound, from R = max |x_n|. Since 0 <= H <= L (:func:`softmax_smoothness`) a step multiplies distances by at most g_t =
    max(1, eta_t L_t - 1): 1 for a stable step. Rounding moves theta by at most e_t a step (:func:`_roundings`), so two float64
    trajectories stay within 2 d_t, d_{t+1} = g_t d_t + e_t. The third derivative of log-sum-exp is a third central moment, at
    most 1/sqrt(2) in norm, so |H(theta) - H(theta')| <= R^3 |theta - theta'| / sqrt(2). Let z be the error of the logits. The
    step matrix is then off by l_t = eta_t R^2 (2 (R d_t + z) / sqrt(2) + gamma_n) + gamma_4. J is off by sqrt(N) sum_t l_t
    prod_{s != t} g_s; twice that covers the second order.

    Args:
        theta: W_0 by rows, (d k,).
        inputs: X_t, (T, b, d).
        labels: class of each input, (T, b), integers in 0..k-1.
        rates: eta_t, (T,).
    """
    n = len(theta)
    steps, gained, position_error, matrix_error = [], 1.0, 0.0, 0.0
    for x, y, rate in zip(inputs, labels, rates, strict=True):
        gradient, hessian = _derivatives(theta, x, y)
        growth = max(1.0, rate * softmax_smoothness(x) - 1)
        moved, bent = _roundings(theta, x, rate, position_error)
        matrix_error, position_error = growth * matrix_error + gained * bent, growth * position_error + moved
        gained *= growth
        steps.append(np.eye(n) - rate * hessian)
        theta = theta - rate * gradient
    jacobian = product(steps, np.eye(n))
    return Exact(jacobian, svdvals(jacobian), svdvals(jacobian - np.eye(n)), float(2 * math.sqrt(n) * matrix_error))


def _derivatives(theta: Array, x: Array, y: Array) -> tuple[Array, Array]:
    """Gradient (d k,) and Hessian (d k, d k) of the mean cross-entropy on one batch."""
    b, d = x.shape
    p = softmax(x @ theta.reshape(d, -1), axis=1)
    k = p.shape[1]
    gradient = x.T @ (p - np.eye(k)[y]) / b
    fisher = p[:, :, None] * np.eye(k) - p[:, :, None] * p[:, None, :]
    return gradient.ravel(), np.einsum("ni,nj,nce->icje", x, x, fisher).reshape(d * k, d * k) / b


def _roundings(theta: Array, x: Array, rate: float, position_error: float) -> tuple[float, float]:
    """(e_t, l_t): additions of one float64 step to the errors of theta and of its own matrix; see :func:`descend_softmax`.

    The logits are off by z = gamma_{d+2} R |theta|, which softmax halves (its derivative has norm at most 1/2).
    """
    (b, d), size, reach = x.shape, float(np.linalg.norm(theta)), float(np.max(np.linalg.norm(x, axis=1)))
    n = b + d + len(theta) // d + 16
    logits = gamma(d + 2) * reach * size
    moved = rate * reach * (logits / 2 + math.sqrt(2) * gamma(n)) + gamma(2) * (size + math.sqrt(2) * rate * reach)
    bent = rate * reach**2 * (2 * THIRD * (reach * position_error + logits) + gamma(n)) + gamma(4)
    return float(moved), float(bent)
