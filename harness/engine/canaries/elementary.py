"""Elementary functions of XLA and NumPy, and JAX's derivatives of them, compared with sixty exact digits.

Errors are measured in units in the last place (ulp) of the value; for values left by a cancellation, in ulp of 1.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.engine.canaries import references as ref
from harness.engine.canaries.canary import Canary, Measured

DTYPES = ("float32", "float64")


@dataclass(frozen=True)
class Function:
    """An elementary function of the libraries, with its exact values.

    Attributes:
        name: of the function.
        program: the function for an array module, JAX's or NumPy's.
        value, slope: the function and its derivative, exactly.
        points: intervals of arguments; points are spaced geometrically between positive numbers, else evenly.
        ulp: largest allowed error of a value.
        slope_ulp: largest allowed error of a derivative.
        floor: errors of smaller values are measured in ulp of ``floor``; for derivatives the floor is 1.
        numpy: whether NumPy has the function.
    """

    name: str
    program: Callable[[Any, Any], Any]
    value: ref.Function
    slope: ref.Function
    points: tuple[tuple[float, float], ...]
    ulp: float
    slope_ulp: float
    floor: float = 0.0
    numpy: bool = False

    def arguments(self, dtype: str) -> Any:
        """Forty-one points an interval, the same in both precisions; the odd number leaves vector loops a remainder."""
        spread = [(np.geomspace if low > 0 else np.linspace)(low, high, 41) for low, high in self.points]
        return np.concatenate(spread).astype("float32").astype(dtype)


FUNCTIONS = (
    Function("exp", lambda xp, x: xp.exp(x), Decimal.exp, Decimal.exp, ((-80, 80), (-1, 1)), 2, 2, numpy=True),
    Function("log", lambda xp, x: xp.log(x), Decimal.ln, lambda x: 1 / x, ((1e-30, 1e30), (0.6, 1.7)), 2, 2, numpy=True),
    Function("tanh", lambda xp, x: xp.tanh(x), ref.tanh, ref.tanh_slope, ((-6, 6), (1e-6, 0.7)), 4, 4, numpy=True),
    Function("sqrt", lambda xp, x: xp.sqrt(x), Decimal.sqrt, ref.sqrt_slope, ((1e-30, 1e30),), 1, 2, numpy=True),
    Function("rsqrt", lambda xp, x: jax.lax.rsqrt(x), ref.rsqrt, ref.rsqrt_slope, ((1e-12, 1e12),), 2, 4),
    Function("erf", lambda xp, x: jax.lax.erf(x), ref.erf, ref.erf_slope, ((-3, 3),), 4, 4),
    Function("softplus", lambda xp, x: jax.nn.softplus(x), ref.softplus, ref.sigmoid, ((-20, 20),), 4, 8),
    Function("gelu", lambda xp, x: jax.nn.gelu(x, approximate=False), ref.gelu, ref.gelu_slope, ((-5, 5),), 4, 4, 1.0),
    Function("gelu by tanh", lambda xp, x: jax.nn.gelu(x), ref.gelu_by_tanh, ref.gelu_by_tanh_slope, ((-5, 5),), 4, 32, 1.0),
)
REASON = (
    "vendors' kernels keep to 1 to 4 units in the last place, and a derivative multiplies a few rounded factors, up to 32 units "
    "of 1 where it cancels; the largest that was measured is 0.9 of what is allowed"
)


def compiled(function: Function) -> Measured:
    """Errors of a function and its derivative in both precisions, as shares of the allowed errors."""
    arguments = [function.arguments(dtype) for dtype in DTYPES]

    def program(arguments: Any) -> Any:
        def one(x: Any) -> Any:
            return function.program(jnp, x)

        return [(one(x), jax.vmap(jax.grad(one))(x)) for x in arguments]

    shares = []
    for x, (value, slope) in zip(arguments, jax.jit(program)(arguments), strict=True):
        shares.append(ref.off(value, function.value, x, function.floor) / function.ulp)
        shares.append(ref.off(slope, function.slope, x, 1.0) / function.slope_ulp)
    return _share(shares)


def numpys() -> Measured:
    """Errors of NumPy's functions in both precisions, as shares of the allowed errors."""
    shares = []
    for function, dtype in itertools.product((one for one in FUNCTIONS if one.numpy), DTYPES):
        x = function.arguments(dtype)
        shares.append(ref.off(function.program(np, x), function.value, x, function.floor) / function.ulp)
    return _share(shares)


def log_softmax() -> Measured:
    """Errors of log softmax of rows of ten numbers, some large, and of its derivative delta_ij - softmax(x)_j."""
    rows = np.linspace(-30, 30, 50).reshape(10, 5).T.astype("float32")
    arguments, shares = [rows.astype(dtype) for dtype in DTYPES], []
    program = jax.jit(lambda xs: [(jax.nn.log_softmax(x), jax.vmap(jax.jacrev(jax.nn.log_softmax))(x)) for x in xs])
    for x, (value, slope) in zip(arguments, program(arguments), strict=True):
        with ref.precisely():
            known = [ref.log_softmax([Decimal(float(entry)) for entry in row]) for row in x]
            slopes = [(i == j) - entry.exp() for row in known for i in range(len(row)) for j, entry in enumerate(row)]
            shares += [ref.ulps(value, list(itertools.chain(*known)), 32.0) / 4, ref.ulps(slope, slopes, 1.0) / 32]
    return _share(shares)


def _share(shares: list[float]) -> Measured:
    return Measured(max(shares), 1, "of the allowed units in the last place", REASON)


CANARIES = (
    *(Canary(function.name, "jaxlib", "Jacobian, training", partial(compiled, function)) for function in FUNCTIONS),
    Canary("log softmax", "jaxlib", "losses, Jacobian, training", log_softmax),
    Canary("elementary functions of NumPy", "numpy", "measurements", numpys),
)
