"""A training Jacobian formed from products, and products with it: for an accelerator that holds J in float64.

A product through training costs every training step again; with J at hand it is one matrix product. J is formed in float32, which
moves its singular values by rounding alone. Products with it are taken in float64.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.typing import NDArray

from harness.engine.krylov import Products
from harness.engine.precision import with_exact_dtypes
from harness.errors import InvalidInput

WIDTH = 512  # columns a block: it keeps an accelerator busy, and takes 5 GB of LeNet-5's tangents


def form(
    products: Products,
    size: int,
    folder: Path,
    key: Mapping[str, Any],
    *,
    width: int = WIDTH,
    report: Callable[[int], None] = lambda columns: None,
) -> None:
    """J as blocks of ``width`` columns in ``folder``, in float32. Blocks that are there already are not computed again.

    Args:
        products: with J of shape (size, size).
        key: of numbers and texts; names everything that decides J. It is kept in the folder.
        report: called with the number of columns done, after each block.

    Raises:
        InvalidInput: the folder has columns of another key, size or width.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted, about = {**key, "size": size, "width": width}, folder / "key.json"
    if about.exists() and (held := json.loads(about.read_text())) != wanted:
        raise InvalidInput(f"{folder} has columns of {held}, and {wanted} is asked for: give another folder")
    about.write_text(json.dumps(wanted))
    for first in range(0, size, width):
        path = folder / f"columns-{first:06}.npy"
        last = min(first + width, size)
        if not path.exists():
            units = np.zeros((size, width), np.float32)  # all blocks of one shape, for one compiled program
            units[np.arange(first, last), np.arange(last - first)] = 1
            found = products.forward(units)[:, : last - first]
            with (unfinished := path.with_suffix(".part")).open("wb") as file:
                np.save(file, np.asarray(found, np.float32))
            os.replace(unfinished, path)
        report(last)


class Formed:
    """Products with the J that :func:`form` left in a folder, in float64 on JAX's first device, which holds 8 N^2 bytes.

    Raises:
        InvalidInput: blocks are missing.
    """

    @with_exact_dtypes
    def __init__(self, folder: Path, size: int) -> None:
        matrix, done = jnp.zeros((size, size)), 0
        while (path := folder / f"columns-{done:06}.npy").exists():
            block = np.load(path)
            matrix = _placed(matrix, block, done)
            done += block.shape[1]
        if done != size:
            raise InvalidInput(f"{folder}: {done} of {size} columns are there without a gap; run form again")
        self._matrix = matrix

    @with_exact_dtypes
    def forward(self, block: Any) -> NDArray[np.float64]:
        """J V for V of shape (size, columns)."""
        return np.asarray(_dot(self._matrix, jnp.asarray(block, jnp.float64)))

    @with_exact_dtypes
    def adjoint(self, block: Any) -> NDArray[np.float64]:
        """J^T W for W of shape (size, columns)."""
        return np.asarray(_dot_transposed(self._matrix, jnp.asarray(block, jnp.float64)))


@partial(jax.jit, donate_argnums=0)
def _placed(matrix: jax.Array, block: Any, first: Any) -> jax.Array:
    return lax.dynamic_update_slice(matrix, block.astype(matrix.dtype), (0, first))


@jax.jit
def _dot(left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.dot(left, right, precision=lax.Precision.HIGHEST)


@jax.jit
def _dot_transposed(left: jax.Array, right: jax.Array) -> jax.Array:
    return jnp.dot(left.T, right, precision=lax.Precision.HIGHEST)  # inside jit, so that no transposed copy is made
