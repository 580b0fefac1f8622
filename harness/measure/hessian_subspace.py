"""Where gradient descent happens: shares of the gradient in Hessian eigenvectors, and how the spans of eigenvectors move.

Source: Gur-Ari, Roberts & Dyer 2018; equation numbers are the paper's. Eigenvalues descend; eigenvectors are columns.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InvalidInput, NotFinite

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class History:
    """Top Hessian eigenpairs along training.

    Attributes:
        steps: steps at which the eigenpairs were measured, ascending, shape (times,).
        values: eigenvalues, shape (times, m).
        shares: c_i^2 = (v_i . g)^2 / |g|^2 (equation 12), shape (times, m).
        cross: V_t1^T V_t2 for all pairs of times, shape (times, times, m, m).
        leading: eigenvector of the largest eigenvalue, shape (times, N).
    """

    steps: NDArray[np.int64]
    values: Floats
    shares: Floats
    cross: Floats
    leading: NDArray[Any]

    @property
    def parameters(self) -> int:
        """N, the number of parameters."""
        return int(self.leading.shape[1])

    def at(self, step: int) -> int:
        """Index of a measured step.

        Raises:
            InvalidInput: nothing was measured at that step.
        """
        found = np.flatnonzero(self.steps == step)
        if not found.size:
            raise InvalidInput(f"no eigenpairs at step {step}; there are at {', '.join(map(str, self.steps))}")
        return int(found[0])

    def overlaps(self, first: int, last: int, dimensions: slice) -> Floats:
        """Overlap (equation 5) of the span at step ``first`` with each later one up to step ``last``, shape (later times,)."""
        start, stop = self.at(first), self.at(last)
        blocks = self.cross[start, start + 1 : stop + 1, dimensions, dimensions]
        return np.asarray(np.sum(blocks**2, axis=(-2, -1)) / blocks.shape[-1])


@dataclass(frozen=True, eq=False)
class Overlaps:
    """Hessian-gradient overlap (equation 3), loss and |g| at the measured steps; random vectors' overlaps at the last step."""

    steps: NDArray[np.int64]
    values: Floats
    loss: Floats
    gradient_norm: Floats
    random: Floats

    def mean(self, first: int, last: int) -> float:
        """Mean overlap over the measured steps from ``first`` to ``last``."""
        return float(self.values[(self.steps >= first) & (self.steps <= last)].mean())


def cross_products(frames: Sequence[Any]) -> Floats:
    """V_t1^T V_t2 for all pairs of ``frames`` V_t (N, m), shape (times, times, m, m): one product of two matrices."""
    together, times = np.concatenate(frames, axis=1), len(frames)
    return np.asarray((together.T @ together).reshape(times, -1, times, together.shape[1] // times).swapaxes(1, 2))


def gradient_shares(vectors: Any, gradient: Any) -> Floats:
    """c_i^2 of equation 12 for orthonormal columns (N, m) and a gradient (N,): their sum over the top k is f_top (equation 2).

    Raises:
        NotFinite: the gradient is zero or not finite, so that it has no direction.
    """
    norm = float(np.linalg.norm(gradient))
    if not 0 < norm < np.inf:
        raise NotFinite(f"gradient of norm {norm}: its direction is undefined; train less, or check the loss")
    return np.asarray((vectors.T @ (gradient / norm)) ** 2)


def overlap(vector: Any, image: Any) -> float:
    """v . Hv / (|v| |Hv|) (equation 3), in [-1, 1].

    Raises:
        NotFinite: v or Hv is zero or not finite.
    """
    norms = float(np.linalg.norm(vector)) * float(np.linalg.norm(image))
    if not 0 < norms < np.inf:
        raise NotFinite(f"|v| |Hv| = {norms}: the overlap is undefined; train less, or check the loss")
    return float(vector @ image) / norms


def spectrum_overlap(values: Any) -> float:
    """Equation 4: overlap(w, Hw) of w = sum_i +-v_i, whatever the signs: mean(lambda) / sqrt(mean(lambda^2))."""
    values = np.asarray(values, float)
    return float(np.mean(values) / np.sqrt(np.mean(values**2)))


def random_vector_overlap(values: Any, rng: np.random.Generator, draws: int) -> Floats:
    """overlap(w, Hw) of isotropic random vectors w in the span of the eigenvectors, shape (draws,)."""
    values = np.asarray(values, float)
    weights = rng.standard_normal((draws, len(values))) ** 2
    return np.asarray((weights @ values) / np.sqrt(weights.sum(axis=1) * (weights @ values**2)))


def subspace_overlap(first: Any, second: Any) -> float:
    """Tr(P P') / k of the spans of orthonormal columns (N, k) (equation 5): 1 if equal, k / N on average if random."""
    return float(np.sum((first.T @ second) ** 2) / first.shape[1])


def dimension_curve(history: History, first: int, last: int, dimensions: Sequence[int]) -> Floats:
    """Overlap averaged over the later steps up to ``last``, for the top d eigenvectors (Figure 3), shape (dimensions,)."""
    return np.array([history.overlaps(first, last, slice(0, d)).mean() for d in dimensions])


def gradient_parts(gradient: Floats, vectors: Floats, k: int, random: Floats) -> dict[str, Floats]:
    """The gradient (N,) and its projections, each of shape (N,).

    ``top``: on the first k of the orthonormal ``vectors`` (N, m); ``next``: on the next k (fewer, if m < 2 k); ``complement``:
    on the orthogonal complement of ``top``; ``random``: on the orthonormal columns ``random`` (N, k).
    """

    def onto(basis: Floats) -> Floats:
        return np.asarray(basis @ (basis.T @ gradient))

    top = onto(vectors[:, :k])
    later = onto(vectors[:, k : 2 * k])
    return {"whole": gradient, "top": top, "next": later, "complement": gradient - top, "random": onto(random)}


def bulk_edge(values: Any, k: int) -> float:
    """The largest eigenvalue on the bulk's own trend.

    log lambda_i is fitted by a line in i from i = 2 k + 1, well inside the bulk, to the last eigenvalue. The line is extended
    to i = 0.

    Args:
        values: the largest eigenvalues, descending, 4 k of them or more for a good fit.

    Raises:
        InvalidInput: fewer than three eigenvalues beyond the first 2 k, or one that is not positive.
    """
    beyond = np.asarray(values, float)[2 * k :]
    if len(beyond) < 3 or np.any(beyond <= 0):
        raise InvalidInput(
            f"{len(beyond)} eigenvalues beyond the first {2 * k}, least {min(beyond, default=0)}: need three above 0"
        )
    _, height = np.polyfit(np.arange(2 * k + 1, len(beyond) + 2 * k + 1), np.log(beyond), 1)
    return float(np.exp(height))


def outliers(values: Any, k: int) -> int:
    """Number of outliers: eigenvalues above :func:`bulk_edge`. The paper gives no threshold."""
    return int(np.sum(np.asarray(values, float) > bulk_edge(values, k)))


def participation(weights: Any) -> float:
    """Participation ratio of weights >= 0: (sum w)^2 / sum w^2, from 1 (one weight holds all) to their number (all equal)."""
    weights = np.asarray(weights, np.float64)
    return float(weights.sum() ** 2 / np.sum(weights**2))


def layer_shares(vector: Any, layers: Mapping[str, slice]) -> dict[str, float]:
    """Share of a vector's squared norm in each layer."""
    total = float(np.sum(np.square(vector, dtype=np.float64)))
    return {name: float(np.sum(np.square(vector[part], dtype=np.float64))) / total for name, part in layers.items()}


def root_mean_square(values: Any) -> float:
    """Typical size of the coefficients that are not exactly zero (a pixel that is always black has no coefficient)."""
    values = np.asarray(values, np.float64)
    return float(np.sqrt(np.mean(np.square(values[values != 0]))))
