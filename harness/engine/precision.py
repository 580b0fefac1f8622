"""The arithmetic of the engine: dtypes as declared, and float32 products in float32, whatever the caller's settings.

By default JAX turns float64 into float32 without a warning, and accelerators multiply float32 with ten bits (TF32). Both are
settings of the whole process, which the caller owns. So the engine computes in a scope of its own.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar

import jax

from harness.errors import WrongPrecision

PRODUCTS = "highest"  # precision of matrix products: that of their dtype
P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def exact_dtypes() -> Iterator[None]:
    """A scope in which float64 is float64, and matrix products have the precision of their dtype.

    Raises:
        WrongPrecision: JAX goes on computing in float32 where float64 is asked for.
    """
    with _enable_x64(True), jax.default_matmul_precision(PRODUCTS):
        if (got := jax.dtypes.canonicalize_dtype("float64")) != "float64":
            raise WrongPrecision(
                f"JAX computes in {got} where float64 is asked for: something turned its setting jax_enable_x64 off for good; "
                "run the claims in a process of their own, and look for what imports JAX before them"
            )
        yield


def with_exact_dtypes(function: Callable[P, R]) -> Callable[P, R]:
    """The function in the scope of :func:`exact_dtypes`."""

    @functools.wraps(function)
    def scoped(*arguments: P.args, **options: P.kwargs) -> R:
        with exact_dtypes():
            return function(*arguments, **options)

    return scoped


def eagerly_with_exact_dtypes(function: Callable[P, R]) -> Callable[P, R]:
    """The function in the scope of :func:`exact_dtypes` when it computes; when it is traced, the tracer's scope applies."""

    @functools.wraps(function)
    def scoped(*arguments: P.args, **options: P.kwargs) -> R:
        if any(isinstance(leaf, jax.core.Tracer) for leaf in jax.tree.leaves((arguments, options))):
            return function(*arguments, **options)
        with exact_dtypes():
            return function(*arguments, **options)

    return scoped


def _enable_x64(on: bool) -> Any:
    """JAX's ``enable_x64``, which JAX 0.8 moved from ``jax.experimental``."""
    home: Any = jax if hasattr(jax, "enable_x64") else importlib.import_module("jax.experimental")
    return home.enable_x64(on)
