"""The parameter-function Jacobian: log-probabilities on a whole data set with respect to the parameters.

Source: Belrose & Scherlis 2024, section 3.4.

With n images and c classes it has n c rows, of which the softmax leaves n (c - 1) independent. So fewer than N / (c - 1) images
have a null space merely because there are too few rows (at N = 4810 and ten classes, fewer than 535 images).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from scipy import linalg

from harness.engine.devices import over_devices
from harness.engine.spectrum import Spectrum
from harness.engine.training import Apply
from harness.engine.trees import flatten, unflatten
from harness.errors import NotFinite
from harness.measure.overlap import cosines, random_baseline
from harness.progress import Progress

# Images whose rows are formed at once on a device: 8 x 10 rows of N doubles are 3 MB at N = 4810.
IMAGES = 8
# Rows of F whose products are added at once: fewer would not run at the peak of the machine.
ROWS = 1024
# Singular values from F^T F, relative to the largest, below which they are rounding noise.
ROUNDING = 1e-7


def squared_jacobian(apply: Apply, params: Any, x: Any, progress: Progress, label: str) -> Any:
    """F^T F in float64, shape (N, N), for F of shape (images * classes, N), summed over blocks of images.

    Raises:
        NotFinite: a log-probability has no finite derivative.
    """
    theta = flatten(params).astype(np.float64)

    def image_rows(image: Any, at: Any) -> Any:
        return jax.jacrev(lambda t: jax.nn.log_softmax(apply(unflatten(t, params), image[None])[0]))(at)

    total = np.zeros((theta.size, theta.size), order="F")
    held: list[Any] = []
    with progress.stage(label, len(x)) as step:
        for rows, block in over_devices(image_rows, np.asarray(x, np.float64), IMAGES, theta):
            held.append(block.reshape(-1, theta.size))
            if sum(map(len, held)) >= ROWS or rows.stop >= len(x):
                stacked = np.concatenate(held)
                total = linalg.blas.dsyrk(1.0, stacked, trans=1, beta=1.0, c=total, overwrite_c=1)
                held.clear()
            step.advance(len(block))
    if not np.isfinite(total).all():
        raise NotFinite(f"{label}: a derivative of the log-probabilities is not finite")
    return np.triu(total) + np.triu(total, 1).T


def singular_values(gram_matrix: Any) -> Any:
    """Singular values of F, descending, from F^T F; below about 1e-7 of the largest they are rounding noise.

    Columns of zeros, such as those of inputs that are zero in all examples, are left out of the decomposition.
    """
    moving = np.flatnonzero(gram_matrix.diagonal() != 0)
    if not len(moving):
        return np.zeros(len(gram_matrix))
    squares = linalg.eigvalsh(gram_matrix[np.ix_(moving, moving)], overwrite_a=True, check_finite=False)[::-1]
    return np.sqrt(np.maximum(np.pad(squares, (0, len(gram_matrix) - len(moving))), 0.0))


@dataclass(frozen=True, eq=False)
class FunctionJacobians:
    """Parameter-function Jacobians on several kinds of inputs, beside the bulk.

    Attributes:
        dimensions: k, shape (dimensions,).
        null_dimensions: k, starting at the dimension of the null space, structural directions left out, shape (null
            dimensions,).
        sigma: singular values by kind of inputs, ascending, (N,).
        cosine: by kind of inputs, mean cosine of the k smallest right singular directions with the bulk at k, (dimensions,).
        strength: by kind of inputs, |F v_i| along the training Jacobian's right singular directions, (N,).
        null_cosine: as ``cosine``, at ``null_dimensions`` and with the structural directions projected out of both sides.
    """

    dimensions: Any
    null_dimensions: Any
    sigma: dict[str, Any]
    cosine: dict[str, Any]
    strength: dict[str, Any]
    null_cosine: dict[str, Any]


@dataclass(frozen=True, eq=False)
class FunctionOverlaps:
    """Parameter-function Jacobians on several kinds of inputs, beside the bulk.

    Attributes:
        sigma: singular values by kind of inputs, ascending, (N,).
        strength: by kind of inputs, |F v_i| along the training Jacobian's right singular directions, (N,).
        closeness: by kind of inputs, (mean cosine - chance) / (1 - chance) of the bulk with as many weakest directions,
            structural directions left out: 0 by chance, 1 if they span the bulk.
    """

    sigma: dict[str, Any]
    strength: dict[str, Any]
    closeness: dict[str, Any]


def beside(spectrum: Spectrum, gram_matrix: Any, near: float) -> dict[str, Any]:
    """Singular values, strength and closeness (:class:`FunctionOverlaps`) of one parameter-function Jacobian F, from F^T F."""
    moved, kept = gram_matrix @ spectrum.initial, ~spectrum.structural
    strength = np.sqrt(np.maximum(np.einsum("ni,ni->i", spectrum.initial, moved), 0.0))
    bulk = np.flatnonzero(np.abs(spectrum.sigma[kept] - 1) < near)
    if not 0 < len(bulk) < kept.sum():
        return {"sigma": singular_values(gram_matrix)[::-1], "strength": strength, "closeness": np.asarray(np.nan)}
    # in the coordinates of the training Jacobian's directions the bulk is a set of axes
    sigma, vectors = right_vectors(spectrum.initial[:, kept].T @ moved[:, kept])
    cosine, chance = cosines(vectors[bulk, : len(bulk)]).mean(), random_baseline(len(bulk) / kept.sum())
    if strength[~kept].max(initial=0.0) <= ROUNDING * strength.max():
        sigma = np.pad(sigma, (len(kept) - len(sigma), 0))
    else:
        sigma = singular_values(gram_matrix)[::-1]
    return {"sigma": sigma, "strength": strength, "closeness": np.asarray((cosine - chance) / (1 - chance))}


@dataclass(frozen=True, eq=False)
class NullSweep:
    """Null directions of a parameter-function Jacobian against the number of images.

    Attributes:
        images: numbers of images, shape (sweep,).
        null: number of null directions, shape (sweep,).
        gap: directions below the largest gap, shape (sweep,).
    """

    images: Any
    null: Any
    gap: Any


def right_vectors(gram_matrix: Any) -> tuple[Any, Any]:
    """Singular values of F ascending, and the right singular vectors as columns in that order."""
    squares, vectors = linalg.eigh(gram_matrix, driver="evd", check_finite=False)
    return np.sqrt(np.maximum(squares, 0.0)), vectors


def null_count(sigma: Any, relative: float = 1e-5) -> int:
    """Number of singular values below ``relative`` times the largest."""
    return int(np.count_nonzero(sigma < relative * np.max(sigma)))


def largest_gap(sigma: Any, floor: float = 1e-8) -> int:
    """How many values lie below the largest gap of the logarithmic spectrum.

    Values under ``floor`` of the largest are rounding noise of F^T F and count as equal to the floor.
    """
    descending = np.sort(np.maximum(sigma, floor * np.max(sigma)))[::-1]
    return len(descending) - 1 - int(np.argmax(-np.diff(np.log(descending))))
