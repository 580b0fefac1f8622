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

from harness.engine.streams import numpy_stream
from harness.errors import DecompositionFailed, InvalidInput, NotFinite

Array = np.ndarray[Any, Any]
# Below this share of sigma_1 the squared spectrum is not used: eps * (sigma_1 / sigma)^2 is then 2e-10.
SQUARED_LIMIT = 1e-3
# Errors are measured by products with random vectors: three products with whole matrices would take a third of the time.
PROBES, MARGIN = 8, 10.0
# A stable method meets both bounds with a wide margin: N eps is 1e-12 at N = 4810. By squaring, entries of U^T U are off by up
# to 2e-10, which is 1.5e-8 along a unit vector. A vector in place of another moves the second by sqrt(2 / N).
RESIDUAL_BOUND, SKEW_BOUND = 1e-8, 1e-6


@dataclass(frozen=True, eq=False)
class Spectrum:
    """J = U diag(sigma) V^T.

    Attributes:
        sigma: singular values, descending, shape (N,).
        initial: right singular vectors v_i as columns (initial, i).
        final: left singular vectors u_i as columns (final, i).
        structural: which i are structural directions (carried exactly for trivial reasons), shape (N,).
        residual: bound of ||J V - U diag(sigma)||_F / ||J||_F outside the structural directions (:func:`_bound`).
        orthogonality: bound of ||V^T V - I||_F / sqrt(N) and ||U^T U - I||_F / sqrt(N), the root mean square of |V^T V x - x|
            over unit vectors x (:func:`_bound`).
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
        whole = checked_svd(full)
        flags = np.zeros(len(full), bool)
        return Spectrum(whole.sigma, whole.initial, whole.final, flags, structural_error=0.0, **whole.notes())
    drift = max(float(np.linalg.norm(full @ carried - carried)), float(np.linalg.norm(carried.T @ full - carried.T)))
    if not drift <= structural_bound:
        raise DecompositionFailed(
            f"structural directions move by {drift:.3g}, allowed {structural_bound:.3g}: J is wrong, or the optimiser mixes them"
        )
    inner = checked_svd(rest.T @ (full @ rest))
    basis = carried.toarray() if hasattr(carried, "toarray") else carried
    values = np.concatenate([inner.sigma, np.ones(basis.shape[1])])
    order = np.argsort(-values, kind="stable")
    flags = np.concatenate([np.zeros(len(inner.sigma), bool), np.ones(basis.shape[1], bool)])
    initial, final = (np.hstack([rest @ side, basis])[:, order] for side in (inner.initial, inner.final))
    return Spectrum(values[order], initial, final, flags[order], structural_error=drift, **inner.notes())


@dataclass(frozen=True, eq=False)
class CheckedSVD:
    """The singular value decomposition of a square matrix, with its errors and how it was made, as in :class:`Spectrum`."""

    sigma: Array
    initial: Array
    final: Array
    residual: float
    orthogonality: float
    method: str
    failures: str

    def notes(self) -> dict[str, Any]:
        """What is known of the errors and the method, by name."""
        return {name: getattr(self, name) for name in ("residual", "orthogonality", "method", "failures")}


def checked_svd(matrix: Array) -> CheckedSVD:
    """The decomposition of a square float64 matrix by the first method within bounds.

    Raises:
        DecompositionFailed: no method meets the bounds; the message gives every method's residual and orthogonality.
    """
    methods: dict[str, Callable[[Array], tuple[Array, Array, Array]]] = {
        "eigh of J^T J": _squared,
        "gesdd": _divide,
        "gesvd": _iterate,
    }
    scale, failures = max(float(np.linalg.norm(matrix)), np.finfo(float).tiny), []
    for name, method in methods.items():
        try:
            sigma, initial, final = method(matrix)
        except linalg.LinAlgError as error:
            failures.append(f"{name}: {error}")
            continue
        x = numpy_stream(0, "decomposition-probes").standard_normal((len(matrix), PROBES))
        along = initial @ x
        residual = _bound(matrix @ along - final @ (sigma[:, None] * x)) / scale
        skew = max(_bound(side.T @ there - x) for side, there in ((initial, along), (final, final @ x))) / np.sqrt(len(matrix))
        if residual <= RESIDUAL_BOUND and skew <= SKEW_BOUND:
            return CheckedSVD(sigma, initial, final, residual, float(skew), name, "; ".join(failures))
        failures.append(f"{name}: residual {residual:.3g}, orthogonality {skew:.3g}")
    allowed = f"residual {RESIDUAL_BOUND:.0e} and orthogonality {SKEW_BOUND:.0e}"
    raise DecompositionFailed(f"no decomposition of the {matrix.shape} Jacobian within {allowed}: " + "; ".join(failures))


def _bound(images: Array) -> float:
    """An upper bound of |A|_F from the images A x of :data:`PROBES` Gaussian vectors x, wrong with probability below 1e-6.

    The mean of |A x|^2 is |A|_F^2. The chance that m of them average less than a share c of it is at most (c e^(1 - c))^(m / 2),
    whatever A is (Chernoff, since prod (1 + 2 t a_i) >= 1 + 2 t sum a_i): 5e-7 for m = 8 and c = 1 / MARGIN^2.
    """
    return MARGIN * float(np.sqrt(np.sum(images**2) / PROBES))


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
