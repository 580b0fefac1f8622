"""Directions of a Jacobian that is not formed, out of the Krylov spaces that counted its singular values, with residuals.

Chaotic and stable directions are Ritz vectors of J^T J at either end of its spectrum. The bulk has too many directions for a
basis and is sampled: probes of the Krylov space of (J - I)^T (J - I), projected on its part below delta^2, are random vectors
of the bulk. What remains, the complement of the bulk, is the span of :meth:`harness.randomised.RangeFinder.decomposition`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from harness.errors import InvalidInput
from harness.krylov import Krylov, Products

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Directions:
    """Unit vectors of initial space with their images.

    Attributes:
        initial: v as columns, (N, k).
        images: J v as columns, (N, k).
        residuals: |J^T J v - sigma^2 v| / sigma_1^2 of Ritz vectors; |J v - v| of bulk vectors; shape (k,).
    """

    initial: Floats
    images: Floats
    residuals: Floats

    @property
    def gains(self) -> Floats:
        """|J v|, which is sigma for a singular vector, shape (k,)."""
        return np.asarray(np.linalg.norm(self.images, axis=0))

    @property
    def cosines(self) -> Floats:
        """cos(v, J v), shape (k,): for singular vectors that of v_i with u_i (paper, section 3.1)."""
        return np.asarray(np.einsum("nk,nk->k", self.initial, self.images) / self.gains)

    @property
    def final(self) -> Floats:
        """J v / |J v| as columns, (N, k): u_i for singular vectors."""
        return np.asarray(self.images / self.gains)


def extreme(gram: Krylov, products: Products, count: int, *, largest: bool) -> Directions:
    """The ``count`` directions that training magnifies most, or shrinks most.

    Raises:
        InvalidInput: more than the Krylov space holds.
    """
    if not 0 < count <= gram.depth * gram.width:
        raise InvalidInput(f"{count} directions of a Krylov space of {gram.depth * gram.width}: ask for fewer, or do more steps")
    values, coordinates, residuals = gram.ritz()
    chosen = slice(0, count) if largest else slice(-1, -count - 1, -1)
    initial = _unit(gram.vectors(coordinates[:, chosen]))
    return Directions(initial, products.forward(initial), residuals[chosen] / values[0])


def bulk_sample(moved: Krylov, products: Products, delta: float) -> Directions:
    """As many random vectors of the bulk as the Krylov space of (J - I)^T (J - I) has probes.

    Raises:
        InvalidInput: no Ritz value of J - I is below delta: there is no bulk to sample.
    """
    values, vectors = linalg.eigh(moved.tridiagonal(), driver="evd")
    below = vectors[:, values < delta**2]
    if not below.shape[1]:
        least = np.sqrt(max(0.0, float(values[0])))
        raise InvalidInput(f"no direction with |J v - v| < {delta} |v| was found: the smallest is {least:.3g}; do more steps")
    coordinates = below @ below[: moved.width].T
    initial = _unit(moved.vectors(coordinates))
    images = products.forward(initial)
    return Directions(initial, images, np.asarray(np.linalg.norm(images - initial, axis=0)))


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=0))
