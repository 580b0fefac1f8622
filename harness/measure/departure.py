"""How far training is from leaving perturbations unchanged: the singular values of J - I, whose number is rank(J - I)."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import linalg

from harness.engine.spectrum import Spectrum


def from_identity(spectrum: Spectrum) -> Any:
    """Singular values of J - I, descending, shape (N,).

    (J - I) V = U diag(sigma) - V, and a factor V changes no singular value. They come from the Gram matrix of this product:
    values below about 1e-7 of the largest are rounding errors.
    """
    moved = spectrum.final * spectrum.sigma - spectrum.initial
    squares = linalg.eigvalsh(moved.T @ moved, overwrite_a=True, check_finite=False)[::-1]
    return np.sqrt(np.maximum(squares, 0.0))


def along_directions(spectrum: Spectrum) -> Any:
    """|J v_i - v_i| of each initial-space direction, shape (N,): sigma^2 - 2 sigma cos(u_i, v_i) + 1 is its square."""
    squares = spectrum.sigma**2 - 2 * spectrum.sigma * spectrum.cosines + 1
    return np.sqrt(np.maximum(squares, 0.0))
