"""The largest eigenpairs of a symmetric operator that is given by its products, with a check that none is missing.

Lanczos from one vector sees one direction of an eigenspace. In exact arithmetic it never finds the other directions, and it
finds the directions of a tight cluster late. ARPACK then returns smaller eigenvalues in their place, all with small residuals.
So a second Lanczos run searches the space outside the found pairs, from a random vector. Its largest eigenvalue must not exceed
the smallest eigenvalue found. Larger eigenvalues are added (Rayleigh & Ritz on both spaces), until there are none. A bound, not
convergence, decides how many products the search takes: a Ritz value can stand still below an eigenvalue that it has not found
yet.

Sources: Gur-Ari, Roberts & Dyer 2018, appendix A (Lanczos on Hessian-vector products); Parlett, The Symmetric Eigenvalue
Problem, chapters 11 (residual bounds), 12 (Lanczos polynomials) and 13 (locking). Bound on the probability that a random vector
is deficient: Kuczynski & Wozniakowski, SIAM J. Matrix Anal. Appl. 13, 1992.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from threadpoolctl import threadpool_limits

from harness.engine.streams import numpy_stream
from harness.errors import DecompositionFailed, InvalidInput

Floats = NDArray[np.float64]
Product = Callable[[Floats], Floats]
MISSED = 1e-3  # probability that the search does not find an eigenpair that ARPACK missed
LONGEST = 500  # most products of the search


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """Largest eigenvalues, descending, with orthonormal eigenvectors as columns (N, k), and the number of products used.

    ``residuals`` are |A v - lambda v| / |lambda|_max, shape (k,). ``late`` is the number of pairs that ARPACK missed.
    """

    values: Floats
    vectors: Floats
    residuals: Floats
    products: int
    late: int = 0


class _Counted:
    """An operator that counts its products."""

    def __init__(self, apply: Product) -> None:
        self.apply, self.count = apply, 0

    def __call__(self, v: Floats) -> Floats:
        self.count += 1
        return self.apply(v.ravel())

    def columns(self, vectors: Floats) -> Floats:
        return np.stack([self(vector) for vector in vectors.T], axis=1)


def top_eigenpairs(
    apply: Product, size: int, k: int, *, start: Floats, tolerance: float = 1e-3, bound: float = 1e-2
) -> Eigenpairs:
    """The k algebraically largest eigenpairs of a symmetric operator: implicitly restarted Lanczos (ARPACK), and a check.

    No eigenvalue that exceeds the k-th by more than ``tolerance`` times the largest is missing, however tight its cluster. If
    ARPACK missed an eigenvalue, the check overlooks it with a probability of ``MISSED``. For twenty eigenpairs of a trained
    network the check adds a quarter to the products.

    Args:
        apply: v (N,) -> A v (N,).
        start: first Lanczos vector; the same start gives the same vectors.
        tolerance: ARPACK's, relative to each eigenvalue; the check's, relative to the largest.
        bound: largest residual |A v - lambda v| / |lambda|_max that passes. In float32 a product carries about 1e-6.

    Raises:
        InvalidInput: k is not below the number of dimensions N (ARPACK's own condition), or ``start`` is not (N,).
        DecompositionFailed: no convergence, vectors not orthonormal, or a residual above ``bound``.
    """
    if not 0 < k < size:
        raise InvalidInput(f"k = {k} eigenpairs of a Hessian with {size} parameters: need 1 to {size - 1}")
    if np.shape(start) != (size,):
        raise InvalidInput(f"start vector of shape {np.shape(start)}: need ({size},)")
    counted = _Counted(apply)
    # beside XLA's own threads, many small products would wait for BLAS threads thirty times longer than they compute
    with threadpool_limits(1, user_api="blas"):
        values, vectors = _arpack(counted, size, k, start, tolerance)
        images = counted.columns(vectors)
        pairs, late = _checked(Eigenpairs(values, vectors, np.zeros(k), 0), images, bound), 0
        for attempt in range(k + 1):
            more = _outside(counted, pairs, tolerance, numpy_stream(attempt, "eigenpairs-outside"))
            if not more.shape[1]:
                return replace(pairs, products=counted.count, late=late)
            pairs, images = _joined(pairs, images, more, counted.columns(more))
            pairs, late = _checked(pairs, images, bound), late + more.shape[1]
    raise DecompositionFailed(f"{k} eigenpairs: more turn up after {counted.count} products; is the operator symmetric?")


def check(apply: Product, pairs: Eigenpairs, bound: float) -> Eigenpairs:
    """The pairs with their residuals measured.

    Raises:
        DecompositionFailed: a residual or the departure from orthonormality is above ``bound``, or not finite.
    """
    counted = _Counted(apply)
    found = _checked(pairs, counted.columns(pairs.vectors), bound)
    return replace(found, products=pairs.products + counted.count)


def _arpack(counted: _Counted, size: int, k: int, start: Floats, tolerance: float) -> tuple[Floats, Floats]:
    operator = LinearOperator((size, size), matvec=counted, dtype=np.float64)
    try:
        values, vectors = eigsh(operator, k=k, which="LA", v0=start, tol=tolerance, ncv=min(size, 2 * k + 10))
    except ArpackNoConvergence as error:
        found = len(error.eigenvalues)
        raise DecompositionFailed(f"Lanczos: {found} of {k} eigenpairs after {counted.count} products; ask for fewer") from error
    order = np.argsort(-values)
    return values[order], vectors[:, order]


def _checked(pairs: Eigenpairs, images: Floats, bound: float) -> Eigenpairs:
    scale = max(float(np.max(np.abs(pairs.values))), np.finfo(float).tiny)
    residuals = np.linalg.norm(images - pairs.vectors * pairs.values, axis=0) / scale
    departure = float(np.max(np.abs(pairs.vectors.T @ pairs.vectors - np.eye(len(pairs.values)))))
    worst = float(np.max(residuals))
    if not (worst <= bound and departure <= bound):  # also when either is NaN
        raise DecompositionFailed(
            f"{len(residuals)} eigenpairs: residual {worst:.1e} of lambda_1, orthonormality {departure:.1e}; "
            f"allowed {bound:.0e}: lower the tolerance, or check that the loss is finite"
        )
    return replace(pairs, residuals=residuals)


def _outside(counted: _Counted, pairs: Eigenpairs, tolerance: float, rng: np.random.Generator) -> Floats:
    """Orthonormal columns outside the pairs along which the operator exceeds their smallest eigenvalue; usually none.

    Lanczos on P A P from a random vector v_1, with full reorthogonalisation; P projects the pairs out. Let u be an eigenvector
    with eigenvalue mu. Its component in Lanczos vector m + 1 is |<v_1, u>| prod_i (mu - theta_i) / beta_i, which is at most
    one. If mu is above an edge and all Ritz values theta_i are below, |<v_1, u>| is less than prod_i beta_i / (edge - theta_i).
    A random v_1 has so small a component with a probability of at most sqrt(2 N / pi) times that bound. The search ends when
    this probability is ``MISSED``, or when all Ritz values above the edge have converged.
    """
    size, k = pairs.vectors.shape
    margin = tolerance * float(np.max(np.abs(pairs.values)))
    edge = float(pairs.values[-1]) + margin
    basis = np.zeros((min(size - k, LONGEST), size))
    inner = np.zeros((len(basis), len(basis)))
    vector, chance = _without(pairs.vectors.T, rng.standard_normal((size,))), np.log(2 * size / np.pi) / 2
    for j in range(len(basis)):
        basis[j] = vector / np.linalg.norm(vector)
        image = _without(pairs.vectors.T, counted(basis[j]))
        inner[j, : j + 1] = inner[: j + 1, j] = basis[: j + 1] @ image
        vector = _without(basis[: j + 1], image)
        beta = max(float(np.linalg.norm(vector)), np.finfo(float).tiny)
        ritz, coordinates = np.linalg.eigh(inner[: j + 1, : j + 1])
        above, chance = ritz > edge, chance + np.log(beta)
        if above.any():
            settled = bool(np.all(beta * np.abs(coordinates[-1, above]) <= margin))
        else:
            settled = bool(chance - np.sum(np.log(np.maximum(edge - ritz, np.finfo(float).tiny))) <= np.log(MISSED))
        if settled or j + 1 == size - k:
            return np.asarray(basis[: j + 1].T @ coordinates[:, above])
    open_ = f"{k} eigenpairs: whether they are the largest is open after {counted.count} products"
    raise DecompositionFailed(f"{open_}; ask for fewer, or raise the tolerance")


def _without(rows: Floats, vector: Floats) -> Floats:
    """The vector without its part in the span of orthonormal rows; a second pass removes rounding errors (Kahan)."""
    for _ in range(2):
        vector = vector - rows.T @ (rows @ vector)
    return vector


def _joined(pairs: Eigenpairs, images: Floats, late: Floats, late_images: Floats) -> tuple[Eigenpairs, Floats]:
    """The largest Ritz pairs of both spaces, as many as there are pairs, and their images (Rayleigh & Ritz)."""
    basis, moved = np.column_stack([pairs.vectors, late]), np.column_stack([images, late_images])
    inner = basis.T @ moved
    values, coordinates = np.linalg.eigh((inner + inner.T) / 2)
    top = coordinates[:, ::-1][:, : len(pairs.values)]
    joined = Eigenpairs(values[::-1][: len(pairs.values)], basis @ top, pairs.residuals, pairs.products)
    return joined, moved @ top
