"""Special values: NaN, infinities and both zeros through comparisons, choices, largest entries and sorting.

Answers are those of IEEE 754 and of the libraries' documentation. Maximum, minimum and every reduction pass NaN on, and NaN is
sorted last.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.engine.canaries.canary import Canary, Measured, exact

SPECIAL = (np.nan, np.inf, -np.inf, 0.0, -0.0, 1.0, -1.0, 0.5)
COPIES = 3  # copies of all pairs
IEEE = "IEEE 754 leaves no choice"


def pairs_of(values: Any, dtype: str) -> tuple[Any, Any]:
    """Every ordered pair of the values a few times, and one more pair, so that a vector loop leaves a remainder."""
    left, right = np.array(list(itertools.product(values, repeat=2)) * COPIES + [(1.0, -1.0)], dtype).T
    return np.ascontiguousarray(left), np.ascontiguousarray(right)


def choices(xp: Any, run: Callable[[Any], Any], dtype: str) -> Measured:
    """Comparisons, ``where``, ``isfinite``, maximum and minimum."""
    left, right = pairs_of(SPECIAL, dtype)
    less = np.array([a < b for a, b in zip(left.tolist(), right.tolist(), strict=True)])
    equal = np.array([a == b for a, b in zip(left.tolist(), right.tolist(), strict=True)])
    nan = np.array([a != a or b != b for a, b in zip(left.tolist(), right.tolist(), strict=True)])
    got = run(partial(_choices, xp))(left, right)
    larger = [np.nan if n else max(a, b) for a, b, n in zip(left.tolist(), right.tolist(), nan, strict=True)]
    smaller = [np.nan if n else min(a, b) for a, b, n in zip(left.tolist(), right.tolist(), nan, strict=True)]
    chosen = [a if flag else b for a, b, flag in zip(left.tolist(), right.tolist(), less, strict=True)]
    finite = [a not in (np.inf, -np.inf) and a == a for a in left.tolist()]
    known = [less, equal, ~equal, less | equal, np.array(chosen, dtype), np.array(finite), np.array(larger), np.array(smaller)]
    # the order of 0 and -0 is left open: x + 0 is 0 for both
    found = [
        *zip(got[:6], known[:6], strict=True),
        *((a + 0, b.astype(dtype) + 0) for a, b in zip(got[6:], known[6:], strict=True)),
    ]
    return exact(found, IEEE)


def orders(xp: Any, run: Callable[[Any], Any], dtype: str) -> Measured:
    """Sorting with NaN and infinities, the stable order of equal values, the largest and the smallest."""
    found = []
    for size in (33, 16_385):
        values = np.random.default_rng(size).integers(-3, 4, size).astype(dtype)
        mixed = values.copy()
        mixed[:: size // 3 + 1], mixed[size // 2] = np.inf, np.nan
        ranked = [*sorted(x for x in mixed.tolist() if x == x), np.nan]
        order = sorted(range(size), key=values.tolist().__getitem__)
        extremes = np.array([max(values.tolist()), min(values.tolist())], dtype)
        got = run(partial(_orders, xp))(mixed, values)
        found += [(got[0] + 0, np.array(ranked, dtype) + 0), (got[1], np.array(order)), (got[2] + 0, extremes + 0)]
    return exact(found, f"{IEEE}; NaN is sorted last, as documented")


def largest(xp: Any, run: Callable[[Any], Any], dtype: str) -> Measured:
    """Maximum and minimum of a long array, of its rows and of its columns are NaN where an entry is NaN."""
    found = []
    for shape in ((16_385,), (5, 4_097), (65_537, 2)):
        x = np.ones(shape, dtype)
        x.flat[7] = np.nan
        got = run(lambda x: [reduce(x, axis=axis) for reduce in (xp.max, xp.min) for axis in (None, 0, x.ndim - 1)])(x)
        found += [(one, x.sum(axis=axis) * 0 + 1) for one, axis in zip(got, (None, 0, x.ndim - 1) * 2, strict=True)]
    return exact(found, "NaN comes out of every reduction, as documented")


def _choices(xp: Any, a: Any, b: Any) -> Any:
    return [a < b, a == b, a != b, a <= b, xp.where(a < b, a, b), xp.isfinite(a), xp.maximum(a, b), xp.minimum(a, b)]


def _orders(xp: Any, mixed: Any, values: Any) -> Any:
    return [
        xp.sort(mixed),
        xp.argsort(values, kind="stable") if xp is np else xp.argsort(values, stable=True),
        xp.stack([xp.max(values), xp.min(values)]),
    ]


def _plain(function: Any) -> Any:
    return function


def _canaries(name: str, xp: Any, run: Any, library: str, rests: str) -> tuple[Canary, ...]:
    """The checks of one library in both precisions; sorting by XLA takes long to compile and is checked in float32 alone."""
    checks: dict[str, Callable[..., Measured]] = {"special values": choices, "NaN in long arrays": largest, "sorting": orders}
    kinds = [
        (what, dtype) for what in checks for dtype in ("float32", "float64") if (what, dtype, xp) != ("sorting", "float64", jnp)
    ]
    return tuple(
        Canary(f"{what} of {name} in {dtype}", library, rests, partial(checks[what], xp, run, dtype)) for what, dtype in kinds
    )


CANARIES = (
    *_canaries("XLA", jnp, jax.jit, "jaxlib", "Jacobian, training"),
    *_canaries("NumPy", np, _plain, "numpy", "spectrum, measurements"),
)
