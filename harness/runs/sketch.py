"""Random-projection sketches: a few numbers that move whenever a long vector or a large matrix does.

The projections are rows of random signs over sqrt(N), taken from SHAKE-256. Sums are taken in an order of our own, entry by
entry (:func:`folded`). So no random number generator, BLAS, instruction set or thread count can move the sketch itself: an
addition of two float64 is the same everywhere. For signs s, E[(s . d)^2] / N = |d|^2 / N: sixteen projections give the root
mean square of a difference d to about 18 %, whichever entries moved.
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


def vector(values: Any, width: int = WIDTH) -> Floats:
    """Sketch of an array of N numbers, shape (width,); the root mean square of the sketch estimates that of the array."""
    flat = np.ravel(np.asarray(values)).astype(np.float64)
    return np.asarray(folded(flat[:, None] * whole_signs(len(flat), width)) / np.sqrt(len(flat)))


def factored(left: Any, middle: Any, right: Any, side: int = SIDE) -> Floats:
    """Sketch of left @ diag(middle) @ right.T for factors (N, k), shape (side^2,); its root mean square is about an entry's."""
    rows, columns = (_projected(np.asarray(one, np.float64), side, name) for one, name in ((left, "rows"), (right, "columns")))
    return np.ravel([[folded(row * middle * column) for column in columns] for row in rows]) / np.sqrt(len(left) * len(right))


def folded(terms: Any) -> Any:
    """The sum over the first axis: the second half is added to the first, and so on. The order is the same everywhere."""
    left = None  # remainder of an odd number
    while (size := len(terms)) > 1:
        half = size // 2
        if size % 2:
            left = terms[-1] if left is None else left + terms[-1]
        terms = terms[:half] + terms[half : 2 * half]
    return terms[0] if left is None else terms[0] + left


def _projected(factor: Floats, side: int, name: str) -> list[Floats]:
    """The sums of the factor's rows with random signs, ``side`` of shape (k,)."""
    chosen = whole_signs(len(factor), side, name)
    return [np.asarray(folded(factor * chosen[:, i : i + 1])) for i in range(side)]


@functools.lru_cache(maxsize=8)  # a few sizes alternate; 10 MB each at 75,000 numbers
def whole_signs(size: int, width: int, name: str = "vector") -> Floats:
    """The random signs themselves, 1 and -1: products with them are exact."""
    seed = hashlib.shake_256(f"{name}/{size}/{width}".encode())
    bits = np.unpackbits(np.frombuffer(seed.digest(-(-size * width // 8)), np.uint8))[: size * width]
    return np.asarray(2.0 * bits.reshape(size, width) - 1, np.float64)


def rms(values: Any) -> float:
    """Root mean square, 0 for nothing."""
    array = np.asarray(values, np.float64)
    return float(np.sqrt(np.mean(array**2))) if array.size else 0.0
