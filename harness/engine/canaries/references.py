"""Elementary functions and their derivatives to sixty digits, by Python's decimal arithmetic, which has exp, ln and sqrt.

Every floating-point number is an exact decimal fraction, so the argument is exactly the number that the library got.
"""

from __future__ import annotations

import decimal
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from decimal import Decimal
from typing import Any

import numpy as np

DIGITS = 60
# pi to sixty-six digits; Decimal has no constant for it
PI = Decimal("3.14159265358979323846264338327950288419716939937510582097494459231")
Function = Callable[[Decimal], Decimal]
TWO, HALF = Decimal(2), Decimal("0.5")
CUBIC = Decimal("0.044715")  # of gelu by tanh, Hendrycks & Gimpel, arXiv:1606.08415


def tanh(x: Decimal) -> Decimal:
    square = (2 * x).exp()
    return (square - 1) / (square + 1)


def tanh_slope(x: Decimal) -> Decimal:
    return 1 - tanh(x) ** 2


def sqrt_slope(x: Decimal) -> Decimal:
    return 1 / (2 * x.sqrt())


def rsqrt(x: Decimal) -> Decimal:
    return 1 / x.sqrt()


def rsqrt_slope(x: Decimal) -> Decimal:
    return -1 / (2 * x * x.sqrt())


def sigmoid(x: Decimal) -> Decimal:
    return 1 / (1 + (-x).exp())


def softplus(x: Decimal) -> Decimal:
    return (1 + x.exp()).ln()


def erf(x: Decimal) -> Decimal:
    """erf(x) by its Taylor series, which loses fewer than twenty of the sixty digits for |x| below 6."""
    term = total = x
    n = 0
    while abs(term) > Decimal(10) ** -DIGITS:
        n += 1
        term = -term * x * x / n
        total += term / (2 * n + 1)
    return 2 * total / PI.sqrt()


def erf_slope(x: Decimal) -> Decimal:
    return 2 * (-x * x).exp() / PI.sqrt()


def gelu(x: Decimal) -> Decimal:
    return x * HALF * (1 + erf(x / TWO.sqrt()))


def gelu_slope(x: Decimal) -> Decimal:
    return HALF * (1 + erf(x / TWO.sqrt())) + x * (-x * x / 2).exp() / (2 * PI).sqrt()


def gelu_by_tanh(x: Decimal) -> Decimal:
    return x * HALF * (1 + tanh((2 / PI).sqrt() * (x + CUBIC * x**3)))


def gelu_by_tanh_slope(x: Decimal) -> Decimal:
    scale = (2 / PI).sqrt()
    inner = tanh(scale * (x + CUBIC * x**3))
    return HALF * (1 + inner) + x * HALF * (1 - inner**2) * scale * (1 + 3 * CUBIC * x**2)


def log_softmax(row: Sequence[Decimal]) -> list[Decimal]:
    total = sum((x.exp() for x in row), Decimal(0)).ln()
    return [x - total for x in row]


def precisely() -> AbstractContextManager[decimal.Context]:
    """The scope in which decimal arithmetic has sixty digits."""
    return decimal.localcontext(prec=DIGITS)


def off(got: Any, function: Function, points: Any, floor: float) -> float:
    """The largest |got - function(points)| in units in the last place of the value, or of ``floor`` where the value is smaller.

    Args:
        got: floats of the library, shape (points,).
        points: floats, shape (points,).
        floor: 0 asks for the relative error of every value.

    Returns:
        The error; infinity if a value is not finite.
    """
    with precisely():
        return ulps(got, [function(Decimal(float(x))) for x in np.ravel(points)], floor)


def ulps(got: Any, known: Sequence[Decimal], floor: float) -> float:
    """As :func:`off`, for ``known`` values of the function."""
    found = np.ravel(np.asarray(got))
    if not np.isfinite(found).all() or len(found) != len(known):
        return float("inf")
    worst = 0.0
    for value, exact in zip(found, known, strict=True):
        unit = np.spacing(found.dtype.type(max(abs(float(exact)), floor)))
        worst = max(worst, abs(float((Decimal(float(value)) - exact) / Decimal(float(unit)))))
    return worst
