"""Directions of a Jacobian that is not formed, with residuals, from the Krylov spaces that counted its singular values.

Chaotic and stable directions are Ritz vectors of J^T J at either end of its spectrum. The bulk has too many directions for a
basis and is sampled. The probes' parts along Ritz vectors whose values are near one are random vectors of the bulk. The probes'
other parts are random vectors of its complement. Two runs' bulks are compared by samples of one run and the operator of the
other (:func:`harness.engine.matrix_free.compare_bulks`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.engine.krylov import Krylov, Products
from harness.errors import InvalidInput

Floats = NDArray[np.float64]
NOTHING = 1e-4  # of a unit vector: a thousand roundings of the float32 blocks


class Unresolved(InvalidInput):
    """Too few Lanczos steps for the vectors that are asked for."""


@dataclass(frozen=True, eq=False)
class Directions:
    """Unit vectors of initial space with their images.

    Attributes:
        initial: v as columns, (N, k).
        images: J v as columns, (N, k).
        residuals: |J^T J v - sigma^2 v| / sigma_1^2 of Ritz vectors; |J^T J v - v| of bulk vectors; shape (k,).
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
        """cos(v, J v), shape (k,): for singular vectors that of v_i with u_i (Belrose & Scherlis 2024, 3.1)."""
        return np.asarray(np.einsum("nk,nk->k", self.initial, self.images) / self.gains)

    @property
    def final(self) -> Floats:
        """J v / |J v| as columns, (N, k): u_i for singular vectors."""
        return np.asarray(self.images / self.gains)


def extreme(gram: Krylov, products: Products, count: int, *, largest: bool) -> Directions:
    """The ``count`` directions that training magnifies most, or shrinks most.

    Raises:
        InvalidInput: more directions than the Krylov space holds.
    """
    if not 0 < count <= gram.depth * gram.width:
        raise InvalidInput(f"{count} directions of a Krylov space of {gram.depth * gram.width}: ask for fewer, or do more steps")
    values, coordinates, residuals = gram.ritz()
    chosen = slice(0, count) if largest else slice(-1, -count - 1, -1)
    initial = _unit(gram.vectors(coordinates[:, chosen]))
    return Directions(initial, products.forward(initial), residuals[chosen] / values[0])


def bulk_sample(gram: Krylov, products: Products, delta: float) -> Directions:
    """Random vectors of the bulk, |sigma - 1| < delta: as many as the Krylov space of J^T J has probes.

    The mean over them of cos(v, J v) estimates that of cos(u_i, v_i) over the bulk, each weighted by its sigma.

    Raises:
        Unresolved: the steps do not resolve the bulk, or there is no bulk.
    """
    coordinates, residuals = _bulk_parts(gram, delta)
    initial = _unit(gram.vectors(coordinates))
    return Directions(initial, products.forward(initial), residuals)


def bulk_and_complement(gram: Krylov, delta: float) -> tuple[Floats, Floats]:
    """Orthonormal columns (N, b) that span the probes' parts in the bulk, and (N, b) that span their other parts.

    Raises:
        Unresolved: as for :func:`bulk_sample`.
        InvalidInput: the other parts vanish.
    """
    inside = gram.vectors(_bulk_parts(gram, delta)[0])
    rest = gram.blocks[0] - inside
    if (least := float(np.linalg.svd(rest, compute_uv=False)[-1])) < NOTHING:
        raise InvalidInput(f"the bulk has no complement to sample: of some vector all but {least:.1g} lies within {delta} of one")
    return np.linalg.qr(inside)[0], np.linalg.qr(rest)[0]


def contrast_of_layers(inside: Floats, outside: Floats, sizes: Sequence[int], share: float) -> float:
    """Contrast (:attr:`.matrix_free.Compared.contrast`) of bulks that share only how much of each layer lies in them.

    Two seeds share an architecture. Suppose that training leaves nine tenths of one kernel alone and a tenth of another.
    Vectors of one bulk then lie in the other more than by chance, even if the bulks are independent within each kernel.

    Args:
        inside, outside: as from :func:`bulk_and_complement`.
        sizes: numbers of parameters of the leaves, in the order of the flat vector.
        share: the bulk's share of all directions, in both runs.
    """
    edges = np.cumsum(sizes)[:-1]
    held, left = (np.array([np.sum(leaf**2) for leaf in np.split(part, edges)]) / part.shape[1] for part in (inside, outside))
    filled = np.minimum(1, share * len(inside) * held / np.asarray(sizes))
    return float(np.sum((held - left) * filled))


def _bulk_parts(gram: Krylov, delta: float) -> tuple[Floats, Floats]:
    """Coordinates of the probes' parts along the Ritz vectors with |sigma - 1| < delta, as columns (depth * b, b), and the
    residuals |J^T J v - v| of the unit vectors v along them, shape (b,)."""
    values, vectors, _ = gram.ritz()
    near = vectors[:, np.abs(np.sqrt(np.maximum(values, 0)) - 1) < delta]
    if near.shape[1] < gram.width:
        found = f"{near.shape[1]} of {len(values)} Ritz values lie within {delta} of one"
        raise Unresolved(f"{found}, too few for {gram.width} samples of the bulk: it takes more steps, if there is one")
    parts = near @ near[: gram.width].T
    residuals = gram.residuals(_unit(parts))
    if (worst := float(residuals.max())) > (allowed := farthest(delta)):
        found = f"|J^T J v - v| is {worst:.2g} where the bulk has at most {allowed:.2g}"
        raise Unresolved(f"{found}: {gram.depth} steps do not tell it from what lies beside it; it takes more")
    return parts, residuals


def farthest(delta: float) -> float:
    """Largest |J^T J v - v| of a unit vector v in the span of all v_i with |sigma_i - 1| < delta."""
    return (1 + delta) ** 2 - 1


def _unit(vectors: Floats) -> Floats:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=0))
