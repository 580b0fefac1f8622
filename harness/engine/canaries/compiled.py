"""Compiled reductions, products, convolutions and scans of whole numbers, whose answers float32 holds exactly.

Sums of whole numbers below 2^24 (float32) or 2^53 (float64) are exact in any order, so a wrong entry is a fault and not
rounding. Some shapes are those of training in batches. Others are awkward: one entry, odd sizes, or just more than 16,384 or
65,536 rows, where compilers choose another loop.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from harness.engine.canaries.canary import Canary, Measured, exact, whole

SHAPES = {
    "float32": ((7,), (65_537,), (64, 10), (3, 5, 7), (16_385, 3), (65_537, 2), (2, 65_537), (129, 257)),
    "float64": ((1,), (16_385,), (129, 65), (65_537, 2)),
}
PRODUCTS = {
    "float32": (
        ("ij,jk->ik", (64, 64), (64, 10)),
        ("ji,jk->ik", (16_385, 3), (16_385, 5)),
        ("ij,jk->ik", (65_537, 2), (2, 3)),
        ("bij,bjk->bik", (5, 7, 3), (5, 3, 9)),
        ("bij,kj->bik", (33, 17, 13), (11, 13)),
    ),
    "float64": (
        ("ij,jk->ik", (61, 65), (65, 7)),
        ("ij,j->i", (257, 129), (129,)),
        ("ji,jk->ik", (65_537, 3), (65_537, 5)),
        ("bij,bjk->bik", (5, 7, 3), (5, 3, 9)),
    ),
}
LENGTHS = (7, 625, 16_385)
WINDOW = 5


def reductions(dtype: str) -> Measured:
    """Sums, sums of squares and largest entries over all axes, the first and the last."""
    data = [whole(*shape) for shape in SHAPES[dtype]]
    found = jax.jit(lambda arrays: [_reduced(jnp, array) for array in arrays])([array.astype(dtype) for array in data])
    expected = [_reduced(np, array) for array in data]
    pairs = zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True)
    return exact((got, _floating(known, dtype)) for got, known in pairs)


def products(dtype: str) -> Measured:
    """Matrix products, batched and transposed ones, and their forward derivatives."""
    data = [(how, whole(*left), whole(*right)) for how, left, right in PRODUCTS[dtype]]

    def derived(how: str, left: Any, right: Any) -> Any:
        return jax.jvp(partial(jnp.einsum, how), (left, right), (right.sum() * jnp.ones_like(left), jnp.ones_like(right)))

    arrays = [(left.astype(dtype), right.astype(dtype)) for _, left, right in data]
    program = jax.jit(lambda pairs: [derived(how, *pair) for (how, *_), pair in zip(data, pairs, strict=True)])
    pairs = []
    for (how, left, right), (value, tangent) in zip(data, program(arrays), strict=True):
        ones = np.full_like(left, right.sum()), np.ones_like(right)
        pairs += [(value, np.einsum(how, left, right)), (tangent, np.einsum(how, ones[0], right) + np.einsum(how, left, ones[1]))]
    return exact((got, _floating(known, dtype)) for got, known in pairs)


def squares(dtype: str) -> Measured:
    """|M x|^2 for a small matrix M and each of many rows x, which compilers fuse into one loop."""
    matrix = whole(3, 3)
    found = []
    for rows in (64, 16_385, 32_769, 65_537):
        x = whole(rows, 3)
        program = jax.jit(jax.vmap(lambda row, matrix: jnp.sum((matrix @ row) ** 2), in_axes=(0, None)))
        found.append((program(x.astype(dtype), matrix.astype(dtype)), _floating(((x @ matrix.T) ** 2).sum(axis=1), dtype)))
    return exact(found)


def convolutions() -> Measured:
    """A convolution of images, its derivatives with respect to images and kernel, and the largest entry of each window."""
    images, kernel = whole(3, 13, 12, 2), whole(WINDOW, WINDOW, 2, 4)
    back = whole(3, 9, 8, 4)

    def program(images: Any, kernel: Any, back: Any) -> Any:
        value, pull = jax.vjp(_convolved, images, kernel)
        return value, *pull(back), lax.reduce_window(value, -jnp.inf, lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")

    found = jax.jit(program)(*(array.astype("float32") for array in (images, kernel, back)))
    value, by_image, by_kernel = np.zeros_like(back), np.zeros_like(images), np.zeros_like(kernel)
    for i, j in np.ndindex(WINDOW, WINDOW):
        rows, columns = slice(i, i + 9), slice(j, j + 8)
        value += images[:, rows, columns] @ kernel[i, j]
        by_image[:, rows, columns] += back @ kernel[i, j].T
        by_kernel[i, j] = np.einsum("brci,brco->io", images[:, rows, columns], back)
    largest = value[:, :8].reshape(3, 4, 2, 4, 2, 4).max(axis=(2, 4))
    return exact(
        (got, _floating(known, "float32")) for got, known in zip(found, (value, by_image, by_kernel, largest), strict=True)
    )


def scans() -> Measured:
    """c <- x - c over whole numbers: every c, its forward and its reverse derivative, and a scan within a scan."""
    pairs = []
    for length in LENGTHS:
        x, dx = whole(length, 3), whole(3, length)[:, ::-1].T
        value, tangent, gradient = jax.jit(_scanned)(x.astype("float32"), dx.astype("float32"))
        signs = ((-1) ** np.arange(length))[:, None]
        pairs += [(value, signs * np.cumsum(signs * x, axis=0)), (tangent, signs * np.cumsum(signs * dx, axis=0))]
        pairs += [(gradient, signs[::-1] * np.ones_like(x))]
    epochs = whole(5, 25, 7)
    nested = jax.jit(lambda x: lax.scan(lambda c, epoch: lax.scan(_step, c, epoch), jnp.zeros(7, x.dtype), x))
    signs = ((-1) ** np.arange(125))[:, None]
    every = signs * np.cumsum(signs * epochs.reshape(125, 7), axis=0)
    pairs += list(zip(nested(epochs.astype("float32")), (every[-1], every.reshape(5, 25, 7)), strict=True))
    return exact((got, _floating(known, "float32")) for got, known in pairs)


def running_sums() -> Measured:
    """Running sums, of many rows and over a short last axis."""
    data = [whole(65_537), whole(3, 129)]
    program = jax.jit(lambda arrays: [jnp.cumsum(array, axis=axis) for array, axis in zip(arrays, (0, 1), strict=True)])
    found = program([array.astype("float32") for array in data])
    expected = [np.cumsum(array, axis=axis) for array, axis in zip(data, (0, 1), strict=True)]
    return exact((got, _floating(known, "float32")) for got, known in zip(found, expected, strict=True))


def _reduced(xp: Any, array: Any) -> Any:
    kinds: list[Callable[[Any, Any], Any]] = [
        lambda x, axis: xp.sum(x, axis=axis),
        lambda x, axis: xp.sum(x * x, axis=axis),
        lambda x, axis: xp.max(x, axis=axis),
    ]
    return [kind(array, axis) for kind in kinds for axis in dict.fromkeys((None, 0, array.ndim - 1))]


def _convolved(images: Any, kernel: Any) -> Any:
    return lax.conv_general_dilated(images, kernel, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


def _step(c: Any, x: Any) -> tuple[Any, Any]:
    return x - c, x - c


def _scanned(x: Any, dx: Any) -> Any:
    """Every c, the derivative of every c along dx, and the gradient of the last c, summed over its entries."""

    def run(x: Any) -> Any:
        return lax.scan(_step, jnp.zeros(x.shape[1:], x.dtype), x)[1]

    return *jax.jvp(run, (x,), (dx,)), jax.grad(lambda x: run(x)[-1].sum())(x)


def _floating(known: Any, dtype: str) -> Any:
    """The whole numbers in floating point, where a sum may be 0 but never -0."""
    return np.asarray(known).astype(dtype)


_J = "Jacobian, training"
CANARIES = (
    *(
        Canary(f"reductions in {dtype}", "jaxlib", f"{_J}, losses", partial(reductions, dtype))
        for dtype in ("float32", "float64")
    ),
    *(Canary(f"products in {dtype}", "jaxlib", _J, partial(products, dtype)) for dtype in ("float32", "float64")),
    *(
        Canary(f"products with many rows, squared, in {dtype}", "jaxlib", _J, partial(squares, dtype))
        for dtype in ("float32", "float64")
    ),
    Canary("convolutions", "jaxlib", f"{_J} of convolutional networks", convolutions),
    Canary("scans", "jaxlib", _J, scans),
    Canary("running sums", "jaxlib", _J, running_sums),
)
