"""Subnormal numbers through comparisons, choices, maximum, minimum and doubling.

NumPy keeps subnormal numbers, unless a loaded library has set the processor to flush them for the whole process. XLA may
replace each by zero, before or after an operation. The answers are whole numbers (ranks and bit patterns), since a process that
flushes would flush floating-point answers as well.
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

# by precision: the unsigned integer type; bit patterns of the sign, of the smallest normal number, and of 1
PATTERNS = {"float32": ("uint32", 1 << 31, 1 << 23, 127 << 23), "float64": ("uint64", 1 << 63, 1 << 52, 1023 << 52)}
RANK = np.arange(7)  # of the values, which ascend
ZERO = 2
FLUSHED = np.array([ZERO] * 5 + [5, 6])
COPIES = 3  # copies of all pairs; one more pair lets a vector loop leave a remainder
KEPT = "IEEE 754 leaves no choice, and NumPy flushes none"
EITHER = "a subnormal number is itself or, where the processor is set so, zero"


def subnormal(xp: Any, run: Callable[[Any], Any], dtype: str, flush: bool) -> Measured:
    """All pairs of subnormal numbers of both signs, zero, the smallest normal number and 1.

    With ``flush`` zeros in place of subnormal numbers are right as well.
    """
    kind, sign, normal, one = PATTERNS[dtype]
    bits = np.array([sign + normal // 2, sign + 1, 0, 1, normal // 2, normal, one], kind)
    # bit patterns are proportional to values below the smallest normal number; above it, doubling raises the exponent by one
    doubled = np.array([sign + normal, sign + 2, 0, 2, normal, 2 * normal, one + normal], kind)
    i, j = np.array([*itertools.product(RANK, repeat=2)] * COPIES + [(5, 6)]).T
    found = run(partial(_computed, xp))(bits[i].view(dtype), bits[j].view(dtype))
    truths, values = [np.asarray(one) for one in found[:2]], [np.asarray(one).view(kind) for one in found[2:]]

    def small(pattern: Any) -> Any:
        return (pattern & np.array(sign - 1, kind)) < normal

    def right(rank: Any) -> Any:
        """Whether each result is right for values of these ranks; with ``flush`` one small result may stand for another."""
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
