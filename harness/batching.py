"""One function over many vectors, in batches spread over all devices, so that long work can be shown and stopped."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec


def over_devices(function: Callable[..., Any], vectors: Any, each: int, *shared: Any) -> Iterator[tuple[slice, Any]]:
    """Apply ``function(vector, *shared)`` to every row, ``each`` rows a device at a time.

    Args:
        function: maps one vector of shape (N,) to a tree of arrays; vmapped and compiled here.
        vectors: shape (count, N).
        each: rows a device works on at once.
        shared: further arguments, trees of arrays, the same for all rows.

    Yields:
        Which rows, and the tree with a leading axis of that length, as NumPy arrays.
    """
    devices = jax.local_devices()
    width = each * len(devices)
    mesh = Mesh(np.array(devices), ("rows",))
    spread, whole = NamedSharding(mesh, PartitionSpec("rows")), NamedSharding(mesh, PartitionSpec())
    batched = jax.jit(
        jax.vmap(function, in_axes=(0, *(None for _ in shared))),
        in_shardings=(spread, *(whole for _ in shared)),
        out_shardings=spread,
    )
    for first in range(0, len(vectors), width):
        part = vectors[first : first + width]
        rows = len(part)
        if rows < width:  # the last batch is filled up, so that one shape is compiled
            part = np.concatenate([part, np.repeat(part[:1], width - rows, axis=0)])
        found = batched(part, *shared)
        yield slice(first, first + rows), jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[:rows], found)
