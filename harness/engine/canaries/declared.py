"""The engine's declarations: the precision of products, float64 where requested, and random numbers by name.

(1 + a)(1 - a) - 1 is -a^2. If a is a small power of two, each step is exact in the declared precision. Factors that are cut to
bf16 or TF32, or from float64 to float32, lose a and give 0.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from scipy.linalg import blas

from harness.engine.canaries.canary import Canary, Measured, exact
from harness.engine.streams import numpy_stream, stream

HALVES = {"float32": 2.0**-11, "float64": 2.0**-26}  # a; 1 - a^2 is still exact
REASON = "every product and sum is exact in the declared precision and lost in a lower one"
SHAPES = ((2, 3, 2), (64, 64, 10), (33, 257, 17))  # rows, terms, columns

# first numbers of the stream "canary" of seed 0, the same on every platform
WORDS = (15431544305168981274, 2634950644326417561, 8122315152742300773)
NORMALS = (-0.5265255838836426, 0.2440485926812245, 0.707583283467032)
KEY = (3526870715, 3786826631)
# keyed by JAX's setting jax_threefry_partitionable, which a report names
BITS = {False: (1095593920, 2821305105, 1557988058), True: (2470160456, 3663937954, 496004378)}


def precision(multiply: Callable[[Any, Any], Any], dtype: str) -> Measured:
    """Products whose entries are -k a^2, k a power of -2, in three shapes, with zeros for the other terms."""
    pairs = []
    for rows, terms, columns in SHAPES:
        k = np.add.outer(np.zeros(rows), (-2.0) ** (np.arange(columns) % 5))
        left, right = np.zeros((rows, terms), dtype), np.zeros((terms, columns), dtype)
        left[:, 0], left[:, -1] = 1 + HALVES[dtype], 1
        right[0], right[-1] = k[0] * (1 - HALVES[dtype]), -k[0]
        pairs.append((multiply(left, right), (-k * HALVES[dtype] ** 2).astype(dtype)))
    return exact(pairs, REASON)


def derivatives(dtype: str) -> Measured:
    """The same check for forward and reverse derivatives, whose products JAX makes itself."""
    a = HALVES[dtype]
    left, right = np.array([[1 + a, 1.0]] * 3, dtype), np.array([[1 - a], [-1.0]], dtype)
    forward = jax.jit(lambda x, v: jax.jvp(lambda x: jnp.matmul(x, right), (x,), (v,))[1])(np.zeros_like(left), left)
    back = jax.jit(jax.grad(lambda x: jnp.matmul(right.T, x).sum()))(np.zeros((2, 4), dtype))
    pulled = jax.jit(lambda w: jax.vjp(lambda x: jnp.matmul(x, left), np.zeros((1, 3), dtype))[1](w)[0])(right.T)
    known = -np.full((3, 1), a * a, dtype)
    return exact([(forward, known), (back, np.repeat(right, 4, axis=1)), (pulled, known.T)], REASON)


def written() -> Measured:
    """(1 + y) - 1 and y - ((1 + y) - 1), whose first sum rounds. A compiler that rearranges sums gives y and 0."""
    y = np.arange(0.25, 32, 0.5)
    known = np.round(y)  # the last place of 1 is eps; halves round to even
    pairs = []
    for dtype in HALVES:
        eps = float(np.finfo(dtype).eps)
        found = jax.jit(lambda one, y: ((one + y) - one, y - ((one + y) - one)))(np.ones_like(y, dtype), (y * eps).astype(dtype))
        pairs += [(found[0], (known * eps).astype(dtype)), (found[1], ((y - known) * eps).astype(dtype))]
    return exact(pairs, "sums are rounded in the order in which they are written")


def float64() -> Measured:
    """In the engine's scope float64 stays float64: in arrays, constants, loops and compiled programs."""
    one = jnp.asarray(np.float64(1))
    found, lost = jax.jit(
        lambda x: ([x * 1, jnp.ones(2) * 1.0, jax.lax.fori_loop(0, 2, lambda _, y: y * 1.0, x)], (x + 2.0**-52) - x)
    )(one)
    narrow = sum(array.dtype != np.float64 for array in [one, jnp.asarray([0.5]), *found, lost])
    lost = int(float(lost) != 2.0**-52)
    return Measured(narrow + lost, 0, "arrays in another precision", "the scope says float64")


def numpys_stream() -> Measured:
    """Raw words of NumPy's generator, and normal numbers."""
    words = numpy_stream(0, "canary").bit_generator.random_raw(3)
    normals = numpy_stream(0, "canary").standard_normal(3)
    off = np.abs(normals - NORMALS) > 4 * np.spacing(np.abs(NORMALS))  # drawn with the platform's log and exp
    wrong = exact([(words, np.array(WORDS, np.uint64))]).error + np.count_nonzero(off)
    return Measured(float(wrong), 0, "wrong numbers", "a stream is the same on every platform; normal numbers within 4 ulp")


def jaxs_stream() -> Measured:
    """The key of JAX's stream, and bits drawn from it."""
    key = stream(0, "canary")
    setting = bool(getattr(jax.config, "jax_threefry_partitionable", False))
    bits = jax.jit(lambda key: jax.random.bits(key, (3,), "uint32"))(key)
    pairs = [(jax.random.key_data(key), np.array(KEY, np.uint32)), (bits, np.array(BITS[setting], np.uint32))]
    return exact(pairs, "threefry counts in whole numbers, the same on every platform")


def _products() -> tuple[Canary, ...]:
    found = []
    for dtype, scipys in (("float32", "sgemm"), ("float64", "dgemm")):
        found += [
            Canary(
                f"precision of products of XLA in {dtype}",
                "jaxlib",
                _J,
                partial(precision, lambda a, b: jax.jit(jnp.matmul)(a, b), dtype),
            ),
            Canary(f"precision of derivatives of products in {dtype}", "jaxlib", _J, partial(derivatives, dtype)),
            Canary(
                f"precision of products of NumPy in {dtype}", "numpy", _M, partial(precision, lambda a, b: np.matmul(a, b), dtype)
            ),
            Canary(f"precision of products of SciPy in {dtype}", "scipy", _M, partial(precision, partial(_gemm, scipys), dtype)),
        ]
    return tuple(found)


def _gemm(name: str, left: Any, right: Any) -> Any:
    return getattr(blas, name)(1.0, left, right)


_J, _M = "Jacobian, training", "spectrum, measurements"
CANARIES = (
    *_products(),
    Canary("sums as written", "jaxlib", _J, written),
    Canary("float64", "jax", "everything in float64", float64),
    Canary("random stream of NumPy", "numpy", "initial parameters, data, probes", numpys_stream),
    Canary("random stream of JAX", "jax", "draws inside of training", jaxs_stream),
)
