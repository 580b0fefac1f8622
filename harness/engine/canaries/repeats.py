"""Repeated computations give the same bits: from two threads at once, and from one compiled program that is called again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import blas

from harness.engine.canaries.canary import Canary, Measured

SIZES = ((64, 64, 10), (129, 257, 65), (300, 300, 300))
ROUNDS = 4
REASON = "the same operations on the same numbers; the store and the comparison of reports rest on it"


def threads(multiply: Callable[[Any, Any], Any], dtype: str) -> Measured:
    """Products in sequence, then from two threads at once: no call may disturb another or change the order of its sums."""
    rng = np.random.default_rng(len(dtype))
    factors = [(_drawn(rng, m, k, dtype), _drawn(rng, k, n, dtype)) for m, k, n in SIZES for _ in range(2)]
    alone = [np.asarray(multiply(*pair)).tobytes() for pair in factors]
    with ThreadPoolExecutor(2) as pool:
        together = [
            found for _ in range(ROUNDS) for found in pool.map(lambda pair: np.asarray(multiply(*pair)).tobytes(), factors)
        ]
    return _other_bits(together, alone * ROUNDS)


def twice() -> Measured:
    """A few training steps, their derivatives along many directions, and long sums; compiled once, called several times."""
    rng = np.random.default_rng(1)
    x, start, directions = (_drawn(rng, *shape, "float32") for shape in ((6, 64, 17), (17, 10), (16, 170)))

    def trained(theta: Any) -> Any:
        def step(theta: Any, batch: Any) -> tuple[Any, Any]:
            loss, slope = jax.value_and_grad(lambda theta: jnp.mean(jax.nn.logsumexp(jnp.tanh(batch @ theta), axis=-1)))(theta)
            return theta - 0.1 * slope, loss

        return jax.lax.scan(step, theta.reshape(17, 10), x)

    program = jax.jit(lambda theta, vs: jax.vmap(lambda v: jax.jvp(trained, (theta,), (v,)))(vs))
    total = jax.jit(lambda x: (jnp.sum(x), x.T @ x))
    long = _drawn(rng, 65_537, 3, "float32")
    every = [
        [np.asarray(leaf).tobytes() for leaf in jax.tree.leaves((program(start.ravel(), directions), total(long)))]
        for _ in range(ROUNDS)
    ]
    return _other_bits([found for one in every for found in one], every[0] * ROUNDS)


def _drawn(rng: np.random.Generator, *shape: Any) -> Any:
    *size, dtype = shape
    return rng.standard_normal(size).astype(dtype)


def _other_bits(found: Sequence[bytes], known: Sequence[bytes]) -> Measured:
    return Measured(sum(a != b for a, b in zip(found, known, strict=True)), 0, "results with other bits", REASON)


_T = "spectrum, measurements"
CANARIES = (
    Canary("products of NumPy from two threads", "numpy", _T, partial(threads, lambda a, b: np.matmul(a, b), "float64")),
    Canary("products of SciPy from two threads", "scipy", _T, partial(threads, lambda a, b: blas.dgemm(1.0, a, b), "float64")),
    Canary(
        "products of XLA from two threads",
        "jaxlib",
        "Jacobian, training",
        partial(threads, lambda a, b: jax.jit(jnp.matmul)(a, b), "float32"),
    ),
    Canary("one program, several calls", "jaxlib", "everything that is computed twice", twice),
)
