"""How close two subspaces are: mean cosine of the principal angles, geodesic distance, random baselines.

Source: Belrose & Scherlis 2024, section 3.5.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import integrate, linalg

from harness.engine.spectrum import Spectrum
from harness.errors import InvalidInput

# Largest part of a unit vector outside a space that holds it.
HELD = 1e-6
# The grid of k, as shares of the dimension.
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.95)


def random_baseline(alpha: Any) -> Any:
    """Mean cosine of the principal angles between two random alpha N-dimensional subspaces of R^N, N large.

    With phi = arcsin sqrt(alpha) the limiting law of the angles gives (sin 2 phi - 2 phi cos 2 phi) / (pi sin^2 phi):
    8 sqrt(alpha) / (3 pi) near 0, 2 / pi at 1/2, 1 at 1.
    """
    alpha = np.asarray(alpha, float)
    if np.any((alpha <= 0) | (alpha > 1)):
        raise InvalidInput(f"share of dimensions {alpha}: need 0 < alpha <= 1")
    phi = np.arcsin(np.sqrt(alpha))
    return (np.sin(2 * phi) - 2 * phi * np.cos(2 * phi)) / (np.pi * alpha)


def random_geodesic(alpha: float) -> float:
    """Geodesic distance between two random alpha N-dimensional subspaces of R^N, N large, in the unit of :func:`overlap_curve`.

    x = cos^2 has the density sqrt(4 alpha (1 - alpha) - x) / (2 pi alpha sqrt(x) (1 - x)), and for alpha > 1/2 a share 2 - 1 /
    alpha of the angles is zero. The substitution x = top sin^2 t removes the square root from the density.
    """
    top = 4 * alpha * (1 - alpha)

    def squared_angle(t: float) -> float:
        x = top * math.sin(t) ** 2
        return math.acos(math.sqrt(x)) ** 2 * top * math.cos(t) ** 2 / (math.pi * alpha * (1 - x))

    return math.sqrt(float(integrate.quad(squared_angle, 0.0, math.pi / 2)[0])) / (math.pi / 2)


def principal_cosines(first: Any, second: Any) -> Any:
    """Cosines of the principal angles, descending, between the spans of orthonormal columns of shapes (N, k) and (N, l)."""
    return np.clip(linalg.svdvals(first.T @ second), 0.0, 1.0)


def cosines(cross: Any) -> Any:
    """:func:`principal_cosines` from the products of both bases, shape (k, l): min(k, l) of them, in ascending order.

    Eigenvalues of the products' squares suffice: only a cosine as small as sqrt(eps) has an error of sqrt(eps).
    """
    if not cross.size:
        return np.zeros(0)
    squares = cross.T @ cross if cross.shape[1] <= cross.shape[0] else cross @ cross.T
    return np.sqrt(np.clip(linalg.eigvalsh(squares), 0.0, 1.0))


@dataclass(frozen=True, eq=False)
class OverlapCurve:
    """Closeness of two subspaces of each dimension k.

    Attributes:
        dimensions: k, shape (dimensions,).
        cosine: mean cosine of the principal angles, shape (dimensions,).
        geodesic: distance on the Grassmann manifold over that of orthogonal subspaces (pi/2 sqrt k), shape (dimensions,).
        size: dimension of the space that holds both subspaces.
    """

    dimensions: Any
    cosine: Any
    geodesic: Any
    size: int


def overlap_curve(cross: Any, dimensions: Any) -> OverlapCurve:
    """Overlap of the spans of the first k vectors of two complete bases, for each k.

    Args:
        cross: C = V_1^T V_2 of shape (n, n); both bases are in the order that defines "the first k".
        dimensions: values of k, 1 to n.
    """
    return overlap_of_ends(cross, cross, dimensions, len(cross))


def overlap_of_ends(first: Any, last: Any, dimensions: Any, size: int) -> OverlapCurve:
    """:func:`overlap_curve` from two corners of C, all of it that the curve needs.

    For k > n / 2 the complements are smaller: 2k - n angles are zero, and the other angles are those of the complements.

    Args:
        first: upper left corner of C, as wide as the largest k up to n / 2, or wider.
        last: lower right corner of C, as wide as the complement of the smallest k above n / 2, or wider.
        size: n.
    """
    if min(dimensions) < 1 or max(dimensions) > size:
        raise InvalidInput(f"dimensions from {min(dimensions)} to {max(dimensions)}: need 1 to {size}")
    means, distances = [], []
    for k in dimensions:
        beyond = len(last) - (size - k)
        block, equal = (first[:k, :k], 0) if 2 * k <= size else (last[beyond:, beyond:], 2 * k - size)
        found = cosines(block)
        means.append((equal + found.sum()) / k)
        distances.append(np.linalg.norm(np.arccos(found)) / (np.pi / 2 * np.sqrt(k)))
    return OverlapCurve(np.asarray(dimensions), np.array(means), np.array(distances), size)


def bulk_ends(
    spectrum: Spectrum, size: int, dimensions: Any, carried: Any, turn: Callable[[Any], Any] = np.asarray
) -> tuple[Any, Any]:
    """The two ends of the basis of a run's initial space in which the bulk at k is the span of the first k vectors.

    Args:
        spectrum: of the run.
        size: n, the number of vectors of the basis. Below N the structural directions are left out.
        dimensions: values of k, 1 to n.
        carried: orthonormal columns (N, N - n), dense or sparse, that hold the structural directions. If the run has fewer of
            these, the basis is one of the space outside the columns.
        turn: an orthogonal map of columns, applied to the basis.

    Returns:
        The first vectors, as many as the largest k up to n / 2, and the last, from the smallest k above n / 2 on, (N, vectors).

    Raises:
        InvalidInput: a structural direction of the run lies outside ``carried``.
    """
    order = spectrum.by_distance
    if size < spectrum.size:
        _held(spectrum.initial[:, spectrum.structural], carried)
        order = order[~spectrum.structural[order]]
    few = max((k for k in dimensions if 2 * k <= size), default=0)
    many = min((k for k in dimensions if 2 * k > size), default=size)
    first, last = (turn(spectrum.initial[:, part]) for part in (order[:few], order[many:]))
    return (first, last) if size == len(order) else _outside(carried, first, last, size - many)


def _held(directions: Any, carried: Any) -> None:
    beyond = directions - carried @ (carried.T @ directions)
    if (outside := int((np.linalg.norm(beyond, axis=0) > HELD).sum())) > 0:
        raise InvalidInput(
            f"{outside} of {directions.shape[1]} structural directions lie outside the {carried.shape[1]} carried ones, so that "
            "the two bulks are not in one space: compare runs where the structural directions of one contain the other's"
        )


def _outside(carried: Any, first: Any, last: Any, left: int) -> tuple[Any, Any]:
    """The ends of the basis that the Gram-Schmidt process makes of all vectors' parts outside the carried directions.

    Its last vectors, ``left`` in number, are combinations of the old last vectors that meet no carried direction. The process on
    unit vectors of coefficients, with the other combinations taken out, keeps the order: a combination that is orthogonal to the
    first j of them has none of the first j vectors in it.
    """
    meet = linalg.svd(carried.T @ last, full_matrices=False)[2][: last.shape[1] - left]
    coefficients = np.linalg.qr((np.eye(last.shape[1]) - meet.T @ meet)[:, :left])[0]
    return np.linalg.qr(first - carried @ (carried.T @ first))[0], last @ coefficients
