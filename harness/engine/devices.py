"""Computation in blocks on the devices: how many columns a device takes at once, and batches spread over all devices."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from harness.engine.precision import exact_dtypes

LEAST = 8  # columns; below, vector units idle
# 32 columns a core are fastest, or within a tenth of the fastest, if they fit twice its second-level cache; else fewer are.
# Measured on an AMD EPYC with 1 MiB, on networks of 610 to 10,210 parameters in both precisions.
CPU_MOST, CPU_CACHES = 32, 2
SECOND_LEVEL = 2**20  # bytes of cache where the system does not say
# Accelerators: as many columns as a sixty-fourth of the memory holds. The optimiser's memory and activations come on top.
ACCELERATOR_MOST, ACCELERATOR_SHARE = 1024, 1 / 64


def columns(x: Any, device: Any) -> int:
    """Number of tangents of x that a device pushes at once, a power of two. Training reads and writes all of them at each step.

    Args:
        x: a tree of arrays.
        device: a JAX device.
    """
    each = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(x))
    if device.platform == "cpu":
        most, room = CPU_MOST, float(CPU_CACHES * second_level_cache())
    else:
        most, room = ACCELERATOR_MOST, accelerator_memory(device) * ACCELERATOR_SHARE
    return min(most, max(LEAST, 2 ** math.floor(math.log2(max(1.0, room / each)))))


def second_level_cache() -> int:
    """Bytes of a core's second-level cache; 1 MiB where the system does not say."""
    try:
        return max(0, os.sysconf("SC_LEVEL2_CACHE_SIZE")) or SECOND_LEVEL
    except (AttributeError, ValueError, OSError):
        return SECOND_LEVEL


def accelerator_memory(device: Any) -> int:
    """Bytes that JAX may use on an accelerator; 8 GiB where it does not say."""
    return int((device.memory_stats() or {}).get("bytes_limit", 2**33))


def over_devices(function: Callable[..., Any], vectors: Any, each: int, *shared: Any) -> Iterator[tuple[slice, Any]]:
    """Apply ``function(vector, *shared)`` to every row, ``each`` rows a device at a time.

    Args:
        function: maps one vector of shape (N,) to a tree of arrays; vmapped and compiled here.
        vectors: shape (count, N).
        each: rows a device works on at once.
        shared: further arguments, trees of arrays, the same for all rows.

    Yields:
        The slice of rows, and the tree with a leading axis of that length, as NumPy arrays.
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
        with exact_dtypes():  # not around the loop: the caller's code runs between two batches
            found = batched(part, *shared)
        yield slice(first, first + rows), jax.tree.map(lambda leaf, rows=rows: np.asarray(leaf)[:rows], found)
