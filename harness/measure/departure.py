"""How far training is from leaving perturbations unchanged: the singular values of J - I, whose number is rank(J - I)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from harness.engine.spectrum import Spectrum


def from_identity(spectrum: Spectrum) -> Any:
    """Singular values of J - I, descending, shape (N,).

    (J - I) V = U diag(sigma) - V, and a factor V changes no singular value. Its columns of structural directions are zero. The
    values come from the Gram matrix of the others: below about 1e-7 of the largest they are rounding errors.
    """
    kept = ~spectrum.structural
    if not kept.any():
        return np.zeros(len(kept))
    moved = spectrum.final[:, kept] * spectrum.sigma[kept] - spectrum.initial[:, kept]
    squares = linalg.eigvalsh(moved.T @ moved, overwrite_a=True, check_finite=False)[::-1]
    return np.sqrt(np.maximum(np.pad(squares, (0, len(kept) - len(squares))), 0.0))


def along_directions(spectrum: Spectrum) -> Any:
    """|J v_i - v_i| of each initial-space direction, shape (N,): sigma^2 - 2 sigma cos(u_i, v_i) + 1 is its square."""
    squares = spectrum.sigma**2 - 2 * spectrum.sigma * spectrum.cosines + 1
    return np.sqrt(np.maximum(squares, 0.0))
