"""Subnormal numbers through comparisons, choices, maximum, minimum and doubling.

NumPy keeps them, unless a library that was loaded has set the processor to flush them for the whole process. XLA may take each
for a zero, before or after it computes. The answers are ranks and bit patterns, in whole numbers: a process that flushes would
flush answers in floating point as well.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.engine.canaries.canary import Canary, Measured

# unsigned whole numbers of a precision; bit patterns of its sign, its smallest normal number, and 1
PATTERNS = {"float32": ("uint32", 1 << 31, 1 << 23, 127 << 23), "float64": ("uint64", 1 << 63, 1 << 52, 1023 << 52)}
RANK = np.arange(7)  # of the values, which ascend
ZERO = 2
FLUSHED = np.array([ZERO] * 5 + [5, 6])
COPIES = 3  # of all pairs, and one more: after a vector loop there is a rest
KEPT = "IEEE 754 leaves no choice, and NumPy flushes none"
EITHER = "a subnormal number is itself or, where the processor is set so, zero"


def subnormal(xp: Any, run: Callable[[Any], Any], dtype: str, flush: bool) -> Measured:
    """All pairs of subnormal numbers of both signs, zero, the smallest normal number and 1; with ``flush`` as zeros as well."""
    kind, sign, normal, one = PATTERNS[dtype]
    bits = np.array([sign + normal // 2, sign + 1, 0, 1, normal // 2, normal, one], kind)
    # below the smallest normal number bit patterns are proportional to values, above it the exponent follows
    doubled = np.array([sign + normal, sign + 2, 0, 2, normal, 2 * normal, one + normal], kind)
    i, j = np.array([*itertools.product(RANK, repeat=2)] * COPIES + [(5, 6)]).T
    found = run(partial(_computed, xp))(bits[i].view(dtype), bits[j].view(dtype))
    truths, values = [np.asarray(one) for one in found[:2]], [np.asarray(one).view(kind) for one in found[2:]]

    def small(pattern: Any) -> Any:
        return (pattern & np.array(sign - 1, kind)) < normal

    def right(rank: Any) -> Any:
        """Which results are those of values of these ranks, a small one for another where small ones are flushed."""
        a, b = rank[i], rank[j]
        known = [bits[np.where(first, i, j)] for first in (a > b, a > b, a < b)] + [np.where(a == ZERO, 0, doubled[i])]
        alike = [(got == answer) | (flush & small(got) & small(answer)) for got, answer in zip(values, known, strict=True)]
        return np.array([truths[0] == (a < b), truths[1] == (a == b), *alike])

    wrong = ~(right(RANK) | right(FLUSHED)) if flush else ~right(RANK)
    return Measured(int(np.count_nonzero(wrong)), 0, "wrong entries", EITHER if flush else KEPT)


def _computed(xp: Any, a: Any, b: Any) -> Any:
    return [a < b, a == b, xp.where(a > b, a, b), xp.maximum(a, b), xp.minimum(a, b), a + a]


CANARIES = (
    Canary("subnormal numbers of XLA", "jaxlib", "Jacobian, training", partial(subnormal, jnp, jax.jit, "float32", True)),
    *(
        Canary(
            f"subnormal numbers of NumPy in {dtype}",
            "numpy",
            "spectrum, measurements",
            partial(subnormal, np, lambda f: f, dtype, False),
        )
        for dtype in PATTERNS
    ),
)
