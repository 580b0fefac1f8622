"""The checked singular value decomposition of a training Jacobian, with named sides.

J v_i = sigma_i u_i: v_i are initial-space directions, u_i final-space directions; the two never mix.

On this matrix NumPy's float32 SVD does not converge, and JAX's returns NaN without an error. So everything here is float64, and
every result is checked. The eigenvectors of J^T J give the large singular values twice as fast as gesdd. Squaring loses digits
of the small singular values, so J is decomposed again on the span of their vectors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from scipy import linalg

from harness.errors import DecompositionFailed, InvalidInput, NotFinite

Array = np.ndarray[Any, Any]
# Below this share of sigma_1 the squared spectrum is not used: eps * (sigma_1 / sigma)^2 is then 2e-10.
SQUARED_LIMIT = 1e-3
# Residual and orthogonality that a stable method meets with a wide margin (N eps is 1e-12 at N = 4810; squaring adds 2e-10).
CHECK_BOUND = 1e-8


@dataclass(frozen=True, eq=False)
class Spectrum:
    """J = U diag(sigma) V^T.

    Attributes:
        sigma: singular values, descending, shape (N,).
        initial: right singular vectors v_i as columns (initial, i).
        final: left singular vectors u_i as columns (final, i).
        structural: which i are structural directions (carried exactly for trivial reasons), shape (N,).
        residual: ||J V - U diag(sigma)||_F / ||J||_F outside the structural directions.
        orthogonality: largest entry of |V^T V - I| and |U^T U - I|.
        structural_error: max(||J S - S||_F, ||S^T J - S^T||_F), which bounds the error of setting the structural sigma to 1.
        method: what decomposed it.
        failures: why other methods did not, "" where the first one did.
    """

    sigma: Array
    initial: Array
    final: Array
    structural: Array
    residual: float
    orthogonality: float
    structural_error: float
    method: str = ""
    failures: str = ""

    @property
    def size(self) -> int:
        return len(self.sigma)

    @cached_property
    def cosines(self) -> Array:
        """cos(u_i, v_i), shape (N,); the common sign of u_i and v_i cancels."""
        return np.einsum("ni,ni->i", self.final, self.initial)

    @cached_property
    def distance(self) -> Array:
        """|sigma_i - 1|, shape (N,)."""
        return np.abs(self.sigma - 1)

    @cached_property
    def by_distance(self) -> Array:
        """Indices in ascending order of |sigma_i - 1|: the bulk at k is the span of the first k."""
        return np.argsort(self.distance, kind="stable")

    def region(self, low: float, high: float, *, structural: bool = True) -> Array:
        """Indices with low < sigma < high, without the structural ones if ``structural`` is False."""
        return np.flatnonzero((self.sigma > low) & (self.sigma < high) & (structural | ~self.structural))


def decompose(jacobian: Array, carried: Any = None, rest: Any = None, *, structural_bound: float = 1e-3) -> Spectrum:
    """The spectrum of a square J of shape (final, initial), checked.

    Args:
        carried, rest: orthonormal bases (N, s) and (N, N - s) of structural directions and their complement, dense or sparse.
            If both J S = S and S^T J = S^T hold, J is the identity on S, and the rest is decomposed separately. This keeps the
            structural vectors, which are exact in any precision, out of the cluster at sigma = 1.
        structural_bound: largest allowed distance of J S from S; 1e-3 is a thousand float32 roundings of a column of J.

    Raises:
        InvalidInput: J is not a square matrix.
        NotFinite: J holds NaN or infinity.
        DecompositionFailed: no method met the residual and orthogonality bounds, or the structural directions are not carried.
    """
    if jacobian.ndim != 2 or jacobian.shape[0] != jacobian.shape[1]:
        raise InvalidInput(f"Jacobian of shape {jacobian.shape}: need a square matrix")
    if not np.isfinite(jacobian).all():
        raise NotFinite(f"Jacobian: {np.count_nonzero(~np.isfinite(jacobian))} entries are not finite")
    full = np.asarray(jacobian, np.float64)
    if carried is None or carried.shape[1] == 0:
        sigma, initial, final, residual, skew, *how = checked_svd(full)
        return Spectrum(sigma, initial, final, np.zeros(len(sigma), bool), residual, skew, 0.0, *how)
    drift = max(float(np.linalg.norm(full @ carried - carried)), float(np.linalg.norm(carried.T @ full - carried.T)))
    if not drift <= structural_bound:
        raise DecompositionFailed(
            f"structural directions move by {drift:.3g}, allowed {structural_bound:.3g}: J is wrong, or the optimiser mixes them"
        )
    sigma, initial, final, residual, skew, *how = checked_svd(rest.T @ (full @ rest))
    basis = carried.toarray() if hasattr(carried, "toarray") else carried
    values = np.concatenate([sigma, np.ones(basis.shape[1])])
    order = np.argsort(-values, kind="stable")
    flags = np.concatenate([np.zeros(len(sigma), bool), np.ones(basis.shape[1], bool)])
    return Spectrum(
        values[order],
        np.hstack([rest @ initial, basis])[:, order],
        np.hstack([rest @ final, basis])[:, order],
        flags[order],
        residual,
        skew,
        drift,
        *how,
    )


def checked_svd(matrix: Array) -> tuple[Array, Array, Array, float, float, str, str]:
    """(sigma, V, U, residual, orthogonality, method, failures) of a square float64 matrix by the first method within bounds.

    Raises:
        DecompositionFailed: no method meets the bounds; the message gives every method's residual and orthogonality.
    """
    methods: dict[str, Callable[[Array], tuple[Array, Array, Array]]] = {
        "eigh of J^T J": _squared,
        "gesdd": _divide,
        "gesvd": _iterate,
    }
    failures = []
    for name, method in methods.items():
        try:
            sigma, initial, final = method(matrix)
        except linalg.LinAlgError as error:
            failures.append(f"{name}: {error}")
            continue
        residual = float(
            np.linalg.norm(matrix @ initial - final * sigma) / max(float(np.linalg.norm(matrix)), np.finfo(float).tiny)
        )
        skew = max(_skew(initial), _skew(final))
        if residual <= CHECK_BOUND and skew <= CHECK_BOUND:
            return sigma, initial, final, residual, skew, name, "; ".join(failures)
        failures.append(f"{name}: residual {residual:.3g}, orthogonality {skew:.3g}")
    raise DecompositionFailed(f"no decomposition of the {matrix.shape} Jacobian within {CHECK_BOUND:.0e}: " + "; ".join(failures))


def _skew(basis: Array) -> float:
    gram = basis.T @ basis
    gram.flat[:: len(gram) + 1] -= 1
    return float(np.abs(gram).max(initial=0.0))


def _squared(matrix: Array) -> tuple[Array, Array, Array]:
    squares, initial = linalg.eigh(matrix.T @ matrix, driver="evd", overwrite_a=True, check_finite=False)
    sigma = np.sqrt(np.maximum(squares[::-1], 0.0))
    initial = np.ascontiguousarray(initial[:, ::-1])
    large = int(np.count_nonzero(sigma > SQUARED_LIMIT * sigma[0])) if sigma[0] > 0 else 0
    final = np.empty_like(initial)
    final[:, :large] = matrix @ initial[:, :large] / sigma[:large]
    if large < len(sigma):
        small = matrix @ initial[:, large:]
        for _ in range(2):  # one pass leaves rounding errors; two are enough (Kahan)
            small -= final[:, :large] @ (final[:, :large].T @ small)
        left, sigma[large:], right = linalg.svd(small, full_matrices=False, check_finite=False)
        left -= final[:, :large] @ (final[:, :large].T @ left)
        final[:, large:] = left
        initial[:, large:] = initial[:, large:] @ right.T
    return sigma, initial, final


def _divide(matrix: Array) -> tuple[Array, Array, Array]:
    final, sigma, initial = linalg.svd(matrix, lapack_driver="gesdd", check_finite=False)
    return sigma, initial.T, final


def _iterate(matrix: Array) -> tuple[Array, Array, Array]:
    final, sigma, initial = linalg.svd(matrix, lapack_driver="gesvd", check_finite=False)
    return sigma, initial.T, final
