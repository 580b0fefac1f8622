"""Decompositions of planted matrices, whose singular values or eigenvalues are known, with clusters of (nearly) equal values.

Each decomposition is judged by the planted values, by its residual and by the orthogonality of its vectors. Single vectors of a
cluster are not unique, so no vectors are compared.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from scipy import linalg

from harness.engine.canaries.canary import Canary, Measured

SIZES = (1, 33, 129)
EPS = float(np.finfo(np.float64).eps)
REASON = "a backward stable method is off by a modest multiple of eps times the norm, and N + 10 of them is more than any needs"
Decompose = Callable[[Any], tuple[Any, Any, Any]]


def values(size: int) -> Any:
    """Descending values: outliers, a cluster of pairs 1e-9 apart, half of all exactly 1, and small values, some equal."""
    ones = np.ones(size)
    ones[: size // 8] = np.linspace(300, 2, size // 8)
    ones[size // 8 : size // 4] += 1e-9 * (np.arange(size // 4 - size // 8) // 2)
    ones[size - size // 4 :] = np.repeat(np.geomspace(0.5, 1e-6, -(-(size // 4) // 3)), 3)[: size // 4]
    return np.sort(ones)[::-1]


def orthogonal(size: int, salt: int) -> Any:
    """A product of three reflections, which is orthogonal to rounding even if a library is at fault."""
    found = np.eye(size)
    for number in range(3):
        v = 1 + (np.arange(size) * (2 * number + 3) + salt) % 7
        found -= np.multiply.outer((found * v).sum(axis=1), v * (2.0 / (v * v).sum()))
    return found


def symmetric(decompose: Callable[[Any], tuple[Any, Any]]) -> Measured:
    """Eigenvalues, ascending as documented, and eigenvectors of Q diag(values) Q^T."""
    return _worst(lambda matrix: _sides(*decompose(matrix)), lambda size: (orthogonal(size, 1),) * 2)


def singular(decompose: Decompose) -> Measured:
    """Singular values, descending as documented, and vectors of P diag(values) Q^T.

    Args:
        decompose: gives left vectors, values, right vectors as rows.
    """
    return _worst(decompose, lambda size: (orthogonal(size, 1), orthogonal(size, 5)))


def triangular(decompose: Callable[[Any], tuple[Any, Any]]) -> Measured:
    """Q and R of tall matrices: Q R is the matrix, Q orthonormal, |R| as planted."""
    errors = []
    for size in SIZES:
        matrix = np.vstack([orthogonal(size, 1) * values(size), orthogonal(size, 5)])
        q, r = decompose(matrix)
        # the columns of both halves are orthogonal, so that R is diagonal up to signs
        off = _norm(_product(q, r) - matrix), _norm(np.abs(r) - np.diag(np.sqrt(values(size) ** 2 + 1)))
        errors += [error / _norm(matrix) / _allowed(size) for error in off]
        errors.append(np.abs(_product(q.T, q) - np.eye(size)).max() / _allowed(size))
    return Measured(float(np.max(errors)), 1, "(N + 10) eps", REASON)


def _worst(decompose: Decompose, sides: Callable[[int], tuple[Any, Any]]) -> Measured:
    errors = []
    for size in SIZES:
        planted, (left, right) = values(size), sides(size)
        matrix = _product(left * planted, right.T)
        u, found, v = decompose(matrix.copy())
        errors.append(np.abs(found - planted).max() / planted[0])
        errors.append(_norm(_product(u * found, v) - matrix) / _norm(matrix))
        errors += [np.abs(_product(w.T, w) - np.eye(size)).max() for w in (u, v.T)]
        errors[-4:] = [error / _allowed(size) for error in errors[-4:]]
    return Measured(float(np.max(errors)), 1, "(N + 10) eps", REASON)


def _sides(found: Any, vectors: Any) -> tuple[Any, Any, Any]:
    """Ascending eigenvalues and eigenvectors in the form of a singular value decomposition, whose values descend."""
    vectors = vectors[:, ::-1]
    return vectors, found[::-1], vectors.T


def _allowed(size: int) -> float:
    return (size + 10) * EPS


def _product(left: Any, right: Any) -> Any:
    """The matrix product without BLAS, since BLAS may be at fault."""
    return np.einsum("ij,jk->ik", left, right, optimize=False)


def _norm(matrix: Any) -> float:
    return float(np.sqrt((matrix**2).sum()))


_S, _M = "spectrum, range finder, Krylov spaces", "measurements, subspaces"
CANARIES = (
    Canary("eigh of SciPy", "scipy", _S, lambda: symmetric(lambda matrix: linalg.eigh(matrix, driver="evd"))),
    Canary("gesdd of SciPy", "scipy", _S, lambda: singular(lambda matrix: linalg.svd(matrix, lapack_driver="gesdd"))),
    Canary("gesvd of SciPy", "scipy", _S, lambda: singular(lambda matrix: linalg.svd(matrix, lapack_driver="gesvd"))),
    Canary("qr of SciPy", "scipy", _S, lambda: triangular(lambda matrix: linalg.qr(matrix, mode="economic"))),
    Canary("eigh of NumPy", "numpy", _M, lambda: symmetric(lambda matrix: np.linalg.eigh(matrix))),
    Canary("svd of NumPy", "numpy", _M, lambda: singular(lambda matrix: np.linalg.svd(matrix))),
    Canary("qr of NumPy", "numpy", _M, lambda: triangular(lambda matrix: np.linalg.qr(matrix))),
)
