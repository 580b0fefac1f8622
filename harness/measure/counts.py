"""How many singular values lie in a region of the spectrum (Belrose & Scherlis 2024, 3.1)."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.engine.spectrum import Spectrum
from harness.measure.measurement import Measurement


def count(spectrum: Spectrum, low: float, high: float, *, structural: bool = True) -> Measurement:
    """Number of low < sigma < high, with the whole curve over |sigma - 1| < delta as evidence.

    Args:
        structural: count the structural directions as well (the paper does).
    """
    kept = structural | ~spectrum.structural
    number = len(spectrum.region(low, high, structural=structural))
    deltas = np.logspace(-6, 0, 61)
    return Measurement(
        number,
        unit="singular values",
        counted=f"of {int(np.count_nonzero(kept))}",
        arrays={"sigma": spectrum.sigma[kept], "delta": deltas, "within": near_one_curve(spectrum.sigma[kept], deltas)},
    )


def near_one(spectrum: Spectrum, delta: float, *, structural: bool = True) -> Measurement:
    """Number of |sigma - 1| < delta."""
    return count(spectrum, 1 - delta, 1 + delta, structural=structural)


def near_one_curve(sigma: Any, deltas: Any) -> Any:
    """Number of |sigma - 1| < delta for each delta, shape of ``deltas``."""
    return np.searchsorted(np.sort(np.abs(sigma - 1)), deltas)
