"""One canary: its check of a library, the stages that depend on the answer, and the largest error that is allowed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

EXACT = "each is a whole number or a copied value, which no order of operations rounds"


@dataclass(frozen=True)
class Measured:
    """The error that a canary measured, and its bound.

    Attributes:
        error: distance from the known answer; NaN is never within a bound.
        bound: the largest error that is allowed.
        unit: of error and bound, such as ``ulp`` or ``wrong entries``.
        reason: why the bound has this value.
    """

    error: float
    bound: float
    unit: str
    reason: str

    @property
    def green(self) -> bool:
        return self.error <= self.bound


@dataclass(frozen=True)
class Canary:
    """A check with a known answer.

    Attributes:
        name: of the computation.
        library: the distribution that computes it; a release of it may be listed as red.
        rests: the stages of a run that depend on the answer.
        check: measures the error; an exception counts as red.
    """

    name: str
    library: str
    rests: str
    check: Callable[[], Measured]


def exact(pairs: Iterable[tuple[Any, Any]], reason: str = EXACT) -> Measured:
    """Counts the entries in which the two arrays of a pair differ; none may differ."""
    return Measured(sum(wrong(got, expected) for got, expected in pairs), 0, "wrong entries", reason)


def wrong(got: Any, expected: Any) -> int:
    """Number of entries with another value or sign; all entries if shape or kind differ. NaN equals NaN, 0 is not -0."""
    found, known = np.asarray(got), np.asarray(expected)
    if found.shape != known.shape or found.dtype.kind != known.dtype.kind:
        return max(1, known.size)
    if known.dtype.kind != "f":
        return int(np.count_nonzero(found != known))
    nan = np.isnan(known)
    same = (found == known) & (np.signbit(found) == np.signbit(known))
    return int(np.count_nonzero(np.where(nan, ~np.isnan(found), ~same)))


def whole(*shape: int) -> Any:
    """Whole numbers from -8 to 8, the same for the same shape, int64."""
    return np.random.default_rng(shape).integers(-8, 9, shape)
