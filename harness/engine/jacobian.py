"""The Jacobian of any map between parameter trees: dense by column blocks, and as products.

Forward mode pushes a block of unit vectors through the map. The column axis comes last in every leaf, so that matrix products
with unbatched factors stay single large products. Columns are independent, so the column axis is sharded over the devices.
Processes and hosts with a common store share a Jacobian by claiming blocks of columns there. A Python loop over blocks can be
stopped, shown and resumed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from harness.engine.devices import columns as fitting_columns
from harness.engine.precision import with_exact_dtypes
from harness.engine.trees import rows, split_arrays, unit_vectors
from harness.errors import InvalidInput, NotFinite
from harness.progress import Progress

Map = Callable[[Any], Any]
Matrix = np.ndarray[Any, Any]
# Columns of a block, which is claimed and kept as a whole: a few seconds' work at N = 4810.
BLOCK = 256
POLL = 1.0  # seconds between looks at what other processes have finished


def tangents(f: Map) -> Callable[[Any, Any], Any]:
    """(x, V) -> J(x) V; the leaves of V have a last axis of columns, which are pushed through f in one batch.

    A map with a method ``push(x, V)`` computes J(x) V itself; any other map goes through ``jax.jvp``.
    """

    def push(x: Any, block: Any) -> Any:
        return jax.vmap(lambda v: jax.jvp(f, (x,), (v,))[1], in_axes=-1, out_axes=-1)(block)

    return getattr(f, "push", push)


@with_exact_dtypes
def dense_jacobian(
    f: Map,
    x: Any,
    *,
    chunk: int | None = None,
    devices: list[Any] | None = None,
    done: MutableMapping[int, Matrix] | None = None,
    claim: Callable[[int], AbstractContextManager[bool]] = lambda first: nullcontext(True),
    progress: Progress | None = None,
    label: str = "Jacobian",
) -> Matrix:
    """J = df/dx at x, of shape (final, initial), in the precision of x.

    Args:
        f: any differentiable map from a tree of arrays to a tree of arrays.
        x: the point; leaves of one floating dtype.
        chunk: columns a device works on at once; by default as many as fit the machine
            (:func:`harness.engine.devices.columns`).
        devices: devices that share the columns; by default all devices of this process.
        done: finished blocks by their first column; they are not computed again, and new blocks are added.
        claim: (first column) -> a context that tells whether this process may compute the block; if not, another process does.

    Raises:
        InvalidInput: chunk below one.
        NotFinite: a block holds NaN or infinity; the message names the entry.
    """
    devices = devices or jax.local_devices()
    done = {} if done is None else done
    size = sum(leaf.size for leaf in jax.tree.leaves(x))
    width, stride = layout(x, chunk, devices)
    push = pusher(f, x, devices)

    def compute(start: int) -> Matrix:
        stop = min(start + stride, size)
        # all parts are dispatched at once, so that devices do not wait for the host
        parts = [push(np.arange(first, first + width)) for first in range(start, stop, width)]
        block = np.empty((parts[0].shape[0], stop - start), parts[0].dtype)
        for first, part in zip(range(0, stop - start, width), parts, strict=True):
            block[:, first : first + width] = np.asarray(part)[:, : stop - start - first]
            step.advance(min(width, stop - start - first))
        return _finite(block, start, label)

    firsts = range(0, size, stride)
    with (progress or Progress()).stage(label, size) as step:
        left = list(firsts)
        while True:
            finished = [first for first in left if first in done]
            step.advance(sum(min(stride, size - first) for first in finished))
            left = [first for first in left if first not in finished]
            if not left:
                break
            for first in left:
                with claim(first) as mine:
                    if mine:
                        done[first] = compute(first)
                        left.remove(first)
                        break
            else:
                step.note("other processes are at the columns that are left")
                time.sleep(POLL)
    return np.concatenate([done[first] for first in firsts], axis=1)


def layout(x: Any, chunk: int | None = None, devices: list[Any] | None = None) -> tuple[int, int]:
    """Columns of all devices at once, and of a block: the least multiple of the first number that reaches :data:`BLOCK`."""
    devices = devices or jax.local_devices()
    chunk = fitting_columns(x, devices[0]) if chunk is None else chunk
    if chunk < 1:
        raise InvalidInput(f"chunk {chunk}: need at least one column")
    width = chunk * len(devices)
    return width, -(-BLOCK // width) * width


def pusher(f: Map, x: Any, devices: list[Any]) -> Callable[[Any], Any]:
    """indices -> the columns of J with these indices, sharded over the devices in order; indices beyond the last give zeros."""
    mesh = Mesh(np.array(devices), ("columns",))
    shards = NamedSharding(mesh, PartitionSpec("columns"))
    spread = NamedSharding(mesh, PartitionSpec(None, "columns"))
    held, whole = split_arrays(f)

    @jax.jit
    def block(held: Any, point: Any, columns: Any) -> Any:
        return jax.lax.with_sharding_constraint(rows(tangents(whole(held))(point, unit_vectors(point, columns))), spread)

    held, x = jax.device_put((held, x), NamedSharding(mesh, PartitionSpec()))
    return lambda columns: block(held, x, jax.device_put(columns, shards))


def _finite(block: Matrix, first: int, label: str) -> Matrix:
    if not np.isfinite(block).all():
        row, column = np.argwhere(~np.isfinite(block))[0]
        raise NotFinite(
            f"{label}: entry ({row}, {first + column}) is {block[row, column]}; the map is not differentiable or overflows there"
        )
    return block


@with_exact_dtypes
def jvp(f: Map, x: Any, v: Any) -> Any:
    """J(x) v for a flat vector v of shape (initial,); returns shape (final,)."""
    flat, unravel = ravel_pytree(x)
    return ravel_pytree(jax.jvp(f, (x,), (unravel(jnp.asarray(v, flat.dtype)),))[1])[0]


@with_exact_dtypes
def vjp(f: Map, x: Any, w: Any) -> Any:
    """J(x)^T w for a flat vector w of shape (final,); returns shape (initial,)."""
    value, pull = jax.vjp(f, x)
    flat, unravel = ravel_pytree(value)
    return ravel_pytree(pull(unravel(jnp.asarray(w, flat.dtype)))[0])[0]
