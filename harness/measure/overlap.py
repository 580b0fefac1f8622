"""How close two subspaces are: mean cosine of the principal angles, geodesic distance, random baselines.

Source: Belrose & Scherlis 2024, section 3.5.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import integrate, linalg

from harness.errors import InvalidInput

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

    C = V_1^T V_2 is formed once. For k > n / 2 the complements are smaller: 2k - n angles are zero, and the other angles are
    those of the complements.

    Args:
        cross: C of shape (n, n); both bases are in the order that defines "the first k".
        dimensions: values of k, 1 to n.
    """
    n = len(cross)
    if min(dimensions) < 1 or max(dimensions) > n:
        raise InvalidInput(f"dimensions from {min(dimensions)} to {max(dimensions)}: need 1 to {n}")
    means, distances = [], []
    for k in dimensions:
        block, equal = (cross[:k, :k], 0) if 2 * k <= n else (cross[k:, k:], 2 * k - n)
        # eigenvalues of C^T C suffice: only a cosine as small as sqrt(eps) has an error of sqrt(eps)
        cosines = np.sqrt(np.clip(linalg.eigvalsh(block.T @ block), 0.0, 1.0)) if block.size else np.zeros(0)
        means.append((equal + cosines.sum()) / k)
        distances.append(np.linalg.norm(np.arccos(cosines)) / (np.pi / 2 * np.sqrt(k)))
    return OverlapCurve(np.asarray(dimensions), np.array(means), np.array(distances), n)
