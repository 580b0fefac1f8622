"""Quadratic losses: one Hessian given by its spectrum and eigenbasis, or one Hessian a mini-batch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.linalg import svdvals

from harness.closed_form.exact import PLAIN, Array, Exact, Momentum, gamma, product, propagated
from harness.errors import InvalidInput


@dataclass(frozen=True, eq=False)
class Quadratic:
    """The loss 1/2 theta.H.theta with H = Q diag(h) Q^T: any symmetric H (definite, singular, indefinite, repeated, zero).

    Attributes:
        eigenvalues: h, (N,), in any order, of any sign.
        basis: Q, (N, N), orthogonal; column i belongs to eigenvalue i.
    """

    eigenvalues: Array
    basis: Array

    def __post_init__(self) -> None:
        n = len(self.eigenvalues)
        if self.basis.shape != (n, n) or not self.defect < gamma(100 * (n + 1)):
            raise InvalidInput(f"basis of shape {self.basis.shape} for {n} eigenvalues: give an orthogonal ({n}, {n}) matrix")

    @property
    def hessian(self) -> Array:
        """H, symmetric to the last bit, (N, N)."""
        rough = (self.basis * self.eigenvalues) @ self.basis.T
        return (rough + rough.T) / 2

    @property
    def rank(self) -> int:
        """rank(H): the number of eigenvalues that are not zero."""
        return int(np.count_nonzero(self.eigenvalues))

    @property
    def defect(self) -> float:
        """How far the basis is from orthogonal: the spectral norm of Q^T Q - I."""
        return float(np.linalg.norm(self.basis.T @ self.basis - np.eye(len(self.basis)), 2))

    @property
    def majorant(self) -> float:
        """Spectral norm of |Q| |diag h| |Q^T|, which is entrywise above |H|: the scale of rounding errors."""
        return float(np.linalg.norm((np.abs(self.basis) * np.abs(self.eigenvalues)) @ np.abs(self.basis.T), 2))

    def with_gains(self, gains: Array, error: float) -> Exact:
        """Q diag(gains) Q^T as an :class:`Exact`; ``error`` is the engine's share, and the error of this product is added.

        Forming the product costs gamma_{N+2} |Q| |gains| |Q^T| and the defect of Q once on each side.
        """
        n, largest = len(gains), float(np.max(np.abs(gains)))
        own = n * (gamma(n + 2) + 2 * self.defect) * largest
        jacobian = (self.basis * gains) @ self.basis.T
        return Exact(jacobian, _descending(np.abs(gains)), _descending(np.abs(gains - 1)), error + own)


def flow(loss: Quadratic, time: float) -> Exact:
    """Gradient flow to ``time``: J = exp(-H t) (section 2). ``error`` covers rounding only: see :func:`discretisation`."""
    exponents = loss.eigenvalues * time
    gains = np.exp(-exponents)
    return loss.with_gains(gains, gamma(4) * len(gains) * float(np.max(gains * (1 + np.abs(exponents)))))


def discretisation(loss: Quadratic, time: float, steps: int) -> float:
    """Bound on |exp(-Ht) - (I - Ht/T)^T| in the spectral norm, T = ``steps``: the largest x^2 exp(-x) / T over x = h t.

    From exp(-x) (1 - x^2/T) <= (1 - x/T)^T <= exp(-x) for |x| <= T, T > 1 (Mitrinovic, Analytic Inequalities, 3.6.2).
    """
    x = loss.eigenvalues * time
    if steps < 2 or np.max(np.abs(x)) > steps:
        raise InvalidInput(f"{steps} steps for |h t| up to {np.max(np.abs(x)):.3g}: the bound needs at least as many, and 2")
    return float(np.max(x**2 * np.exp(-x))) / steps


def descend(loss: Quadratic, rates: Sequence[float] | Array, momentum: Momentum = PLAIN) -> Exact:
    """T steps of gradient descent on one quadratic; step t has size ``rates[t]``.

    Each eigenvalue evolves on its own, by its 1x1 or 2x2 block: J = Q diag(p_T(h)) Q^T, p_T the corner of the product of
    the blocks. Plain and constant: p_T(h) = (1 - eta h)^T, so J = (I - eta H)^T.

    Error bound. A column of J is the state s_T of s_{t+1} = A_t s_t. In float64 step t commits at most gamma_{N+6} |A_t| |s_t|
    (an inner product of length N in H s, six roundings in the update). H itself is off by gamma_{N+3} |Q| |diag h| |Q^T| from
    its formation and by 2 |Q^T Q - I| |H| from its basis. The closed form's blocks commit gamma_4 a product. Each is at most
    a_t = (gamma_{2N+13} + 2 |Q^T Q - I|) |abs(A_t)|, where abs(A_t) is A_t with ``majorant`` in place of H and all signs
    positive. Carried to the end (:func:`propagated`) and summed over the N columns in the Frobenius norm: sqrt(N) sum_t
    |A_T..A_{t+1}| a_t |A_{t-1}..A_1|; twice that covers the terms beyond second order. When nothing grows this is about 4
    N^(3/2) T u |abs(A)|.
    """
    n = len(loss.eigenvalues)
    diagonal = loss.eigenvalues[:, None, None]
    steps = _steps(momentum, np.broadcast_to(diagonal, (len(rates), n, 1, 1)), rates)
    gains = product(steps, momentum.step(diagonal, 0.0))[:, 0, 0]
    local = (gamma(2 * n + 13) + 2 * loss.defect) * _magnitudes(momentum, np.full(len(rates), loss.majorant), rates)
    return loss.with_gains(gains, 2 * math.sqrt(n) * propagated(steps, local))


def descend_batches(
    hessians: Array,
    rates: Sequence[float] | Array,
    momentum: Momentum = PLAIN,
    *,
    majorants: Sequence[float] | Array | None = None,
    length: int | None = None,
) -> Exact:
    """T steps, step t on its own quadratic: J is the theta-theta corner of A_T ... A_1, and need not be symmetric.

    The error bound is that of :func:`descend`, with the closed form's own products of (2N, 2N) matrices (gamma_{2N}) in place of
    the basis.

    Args:
        hessians: H_1, ..., H_T, (T, N, N), symmetric.
        rates: eta_1, ..., eta_T.
        majorants: spectral norms of matrices that are entrywise above |H_t| in the engine's arithmetic (default |abs(H_t)|).
        length: inner products in the engine's H s (default N).
    """
    n = hessians.shape[-1]
    bounds = np.linalg.norm(np.abs(hessians), 2, axis=(-2, -1)) if majorants is None else np.asarray(majorants)
    steps = _steps(momentum, hessians, rates)
    jacobian = product(steps, momentum.step(np.eye(n), 0.0))[:n, :n]
    local = gamma((length or n) + 2 * n + 8) * _magnitudes(momentum, bounds, rates)
    change = svdvals(jacobian - np.eye(n))
    return Exact(jacobian, svdvals(jacobian), change, float(2 * math.sqrt(n) * propagated(steps, local)))


def descend_least_squares(inputs: Array, rates: Sequence[float] | Array, momentum: Momentum = PLAIN) -> Exact:
    """T steps on 1/(2b) |X_t theta - y_t|^2: Hessians X_t^T X_t / b whatever the targets. ``inputs``: X_t, (T, b, N)."""
    batch, n = inputs.shape[1:]
    gram = np.einsum("tbi,tbj->tij", inputs, inputs) / batch
    absolute = np.einsum("tbi,tbj->tij", np.abs(inputs), np.abs(inputs)) / batch
    majorants = np.linalg.norm(absolute, 2, axis=(-2, -1))
    return descend_batches(gram, rates, momentum, majorants=majorants, length=2 * (batch + n))


def _steps(momentum: Momentum, hessians: Array, rates: Sequence[float] | Array) -> Array:
    if len(hessians) != len(rates):
        raise InvalidInput(f"{len(rates)} step sizes for {len(hessians)} batches: give one a step")
    return momentum.step(hessians, np.reshape(np.asarray(rates, float), (-1, *[1] * (hessians.ndim - 1))))


def _magnitudes(momentum: Momentum, majorants: Array, rates: Sequence[float] | Array) -> Array:
    """|abs(A_t)| for every step: the step of minus the majorant is the majorant of the step, up to signs."""
    steps = _steps(momentum, -majorants[:, None, None], rates)
    return np.linalg.norm(np.abs(steps), ord=2, axis=(-2, -1)) if len(steps) else np.zeros(0)


def _descending(values: Array) -> Array:
    return np.sort(values)[::-1]
