"""Random-projection sketches: a few numbers that move whenever a long vector or a large matrix does.

The projections are rows of random signs over sqrt(N), taken from SHAKE-256, so that no change of a random number generator,
a library or a machine can move the sketch itself. For signs s, E[(s . d)^2] / N = |d|^2 / N: sixteen projections know the
root mean square of a difference d to about 18 %, whichever entries moved.
"""

from __future__ import annotations

import functools
import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
WIDTH = 16  # projections of a vector
SIDE = 8  # projections on each side of a matrix


@functools.lru_cache(maxsize=8)  # a few sizes come in turn; 10 MB each at 75,000 numbers
def signs(size: int, width: int, name: str = "vector") -> Floats:
    """Random signs over sqrt(size), shape (size, width), the same everywhere."""
    seed = hashlib.shake_256(f"{name}/{size}/{width}".encode())
    bits = np.unpackbits(np.frombuffer(seed.digest(-(-size * width // 8)), np.uint8))[: size * width]
    return (2.0 * bits.reshape(size, width) - 1) / np.sqrt(size)


def vector(values: Any) -> Floats:
    """Sketch of an array of N numbers, shape (16,); its root mean square estimates that of the array."""
    flat = np.ravel(np.asarray(values)).astype(np.float64)
    return flat @ signs(len(flat), WIDTH)


def factored(left: Any, middle: Any, right: Any, side: int = SIDE) -> Floats:
    """Sketch of left @ diag(middle) @ right.T for factors (N, k), shape (side^2,); its root mean square estimates an entry's."""
    rows, columns = signs(len(left), side, "rows"), signs(len(right), side, "columns")
    return np.ravel(((rows.T @ left) * middle) @ (right.T @ columns))


def rms(values: Any) -> float:
    """Root mean square, 0 for nothing."""
    array = np.asarray(values, np.float64)
    return float(np.sqrt(np.mean(array**2))) if array.size else 0.0
