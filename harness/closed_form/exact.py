"""A training map with a known Jacobian, one step of training as a matrix, and how rounding errors add up."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from harness.errors import InvalidInput

Array = NDArray[np.float64]
UNIT = 2.0**-53


@dataclass(frozen=True, eq=False)
class Exact:
    """A training Jacobian that is known.

    Attributes:
        jacobian: J, (N, N).
        sigma: singular values of J, descending, (N,).
        change: singular values of J - I, descending, (N,).
        error: bound on the Frobenius distance between ``jacobian`` and the J of a float64 engine. By Weyl's theorem it
            bounds the error of every singular value as well.
    """

    jacobian: Array
    sigma: Array
    change: Array
    error: float

    def bulk(self, delta: float) -> int:
        """Number of singular values with |sigma - 1| < delta."""
        return int(np.count_nonzero(np.abs(self.sigma - 1) < delta))

    def change_rank(self, tolerance: float | None = None) -> int:
        """rank(J - I): singular values of J - I above ``tolerance`` (default ``error``: smaller ones look like zero)."""
        return int(np.count_nonzero(self.change > (self.error if tolerance is None else tolerance)))


@dataclass(frozen=True)
class Momentum:
    """SGD with momentum as optax writes it: m <- mu m + g; theta <- theta - eta (m, or g + mu m for Nesterov); m_0 = 0."""

    mu: float = 0.0
    nesterov: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.mu < 1:
            raise InvalidInput(f"momentum {self.mu}: give 0 <= mu < 1")

    def step(self, hessian: Array, rate: float | Array) -> Array:
        """One step on 1/2 theta.H.theta as a matrix acting on (theta, m), or on theta alone without momentum.

        Args:
            hessian: H, (..., n, n).
            rate: eta, a number or an array that is broadcast against H.

        Returns:
            (..., 2n, 2n): [[I - eta (a + b) H, -eta b mu I], [H, mu I]] with (a, b) = (0, 1) for the heavy ball and (1, mu) for
            Nesterov; both are theta <- theta - eta (a g + b m). Without momentum I - eta H, (..., n, n).
        """
        if self.mu == 0:
            return np.eye(hessian.shape[-1]) - rate * hessian
        hessian = np.broadcast_to(hessian, np.broadcast_shapes(hessian.shape, np.shape(rate)))
        eye = np.broadcast_to(np.eye(hessian.shape[-1]), hessian.shape)
        a, b = (1.0, self.mu) if self.nesterov else (0.0, 1.0)
        return np.block([[eye - rate * (a + b) * hessian, -rate * b * self.mu * eye], [hessian, self.mu * eye]])


PLAIN = Momentum()


def product(steps: Iterable[Array], like: Array) -> Array:
    """A_T ... A_2 A_1, for matrices (or stacks of them) of the shape of ``like``."""
    *_, last = partial_products(steps, like)
    return last


def partial_products(steps: Iterable[Array], like: Array) -> Iterator[Array]:
    """I, A_1, A_2 A_1, ..., A_T ... A_1."""
    identity = np.broadcast_to(np.eye(like.shape[-1]), like.shape)
    return accumulate(steps, lambda done, step: step @ done, initial=identity)


def gamma(n: int) -> float:
    """Higham's gamma_n = n u / (1 - n u): relative error of n roundings, or of an inner product of length n in any order."""
    return n * UNIT / (1 - n * UNIT)


def propagated(steps: Array, local: Array) -> float:
    """Local errors carried to the end of training: sum over t of |A_T..A_{t+1}| local_t (|A_{t-1}..A_1| + drift_t).

    The growth of the powers enters here: each factor is the spectral norm of a partial product. Step t acts on the computed
    state, which has drifted by the earlier local errors times their growth. This drift is of second order. It is all that is
    left if the steps annihilate each other, as (I - H / h)^2 does at H = h I.

    Args:
        steps: A_1, ..., A_T, (T, ..., k, k); over the middle axes (one block an eigenvalue) the largest norm counts.
        local: bound on the error that step t commits, relative to the state it acts on, (T,).
    """
    if not len(steps):
        return 0.0
    before = _norms(partial_products(steps, steps[0]))[:-1]
    after = _norms(partial_products(np.swapaxes(steps[::-1], -1, -2), steps[0]))[-2::-1]
    drift = np.cumsum(local) * np.maximum.accumulate(before)
    return float(np.sum(after * local * (before + drift)))


def _norms(matrices: Iterable[Array]) -> Array:
    stack = np.array(list(matrices))
    return np.asarray(np.linalg.norm(stack, ord=2, axis=(-2, -1)).reshape(len(stack), -1).max(axis=1))
