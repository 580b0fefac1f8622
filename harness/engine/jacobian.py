"""The Jacobian of any map between parameter trees: dense by column blocks, and as products.

Forward mode pushes a block of unit vectors through the map. The column axis comes last in every leaf, so that matrix products
with unbatched factors stay single large products. Columns are independent, so the column axis is sharded over the devices, and
each block can be computed by another process. A Python loop over blocks can be stopped, shown and resumed.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
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
# Columns of a block, which is computed and kept as a whole: a few seconds' work at N = 4810.
BLOCK = 256


def tangents(f: Map) -> Callable[[Any, Any], Any]:
    """(x, V) -> J(x) V; the leaves of V have a last axis of columns, which are pushed through f in one batch.

    A map with a method ``push(x, V)`` computes J(x) V itself; any other map goes through ``jax.jvp``.
    """

    def push(x: Any, block: Any) -> Any:
        return jax.vmap(lambda v: jax.jvp(f, (x,), (v,))[1], in_axes=-1, out_axes=-1)(block)

    return getattr(f, "push", push)


class Columns:
    """J = df/dx at x by blocks of columns; one compiled program computes all of them.

    Attributes:
        firsts: the first column of each block.
    """

    @with_exact_dtypes
    def __init__(
        self, f: Map, x: Any, *, chunk: int | None = None, devices: list[Any] | None = None, block: int | None = None
    ) -> None:
        """Arguments as for :func:`dense_jacobian`; ``block`` is the number of columns of a block, by default :func:`layout`'s."""
        devices = devices or jax.local_devices()
        self._size = sum(leaf.size for leaf in jax.tree.leaves(x))
        self._width, stride = layout(x, chunk, devices)
        self._push = pusher(f, x, devices)
        self.firsts = range(0, self._size, block or stride)

    @with_exact_dtypes
    def block(self, start: int, label: str = "Jacobian", advance: Callable[[int], None] = lambda columns: None) -> Matrix:
        """The block that starts at column ``start``, of shape (final, columns); ``advance`` is told each number of columns done.

        Raises:
            NotFinite: the block holds NaN or infinity; the message names the entry.
        """
        stop, width = min(start + self.firsts.step, self._size), self._width
        # all parts are dispatched at once, so that devices do not wait for the host
        parts = [self._push(np.arange(first, first + width)) for first in range(start, stop, width)]
        block = np.empty((parts[0].shape[0], stop - start), parts[0].dtype)
        for first, part in zip(range(0, stop - start, width), parts, strict=True):
            block[:, first : first + width] = np.asarray(part)[:, : stop - start - first]
            advance(min(width, stop - start - first))
        return _finite(block, start, label)


def dense_jacobian(
    f: Map,
    x: Any,
    *,
    chunk: int | None = None,
    devices: list[Any] | None = None,
    block: int | None = None,
    done: MutableMapping[int, Matrix] | None = None,
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
        block: columns of a block; by default :func:`layout` decides.
        done: finished blocks by their first column; they are not computed again, and new blocks are added.

    Raises:
        InvalidInput: chunk below one.
        NotFinite: a block holds NaN or infinity; the message names the entry.
    """
    done = {} if done is None else done
    columns = Columns(f, x, chunk=chunk, devices=devices, block=block)
    firsts, size = columns.firsts, columns.firsts.stop
    with (progress or Progress()).stage(label, size) as step:
        for first in firsts:
            if first in done:
                step.advance(min(firsts.step, size - first))
            else:
                done[first] = columns.block(first, label, step.advance)
    return np.concatenate([done[first] for first in firsts], axis=1)


def layout(x: Any, chunk: int | None = None, devices: list[Any] | None = None, count: int | None = None) -> tuple[int, int]:
    """Columns of all devices at once, and of a block: the least multiple of the first number that reaches :data:`BLOCK`.

    Args:
        x, chunk, devices: as for :func:`dense_jacobian`.
        count: a number of devices in place of theirs, to lay out blocks for another process.
    """
    devices = devices or jax.local_devices()
    chunk = fitting_columns(x, devices[0]) if chunk is None else chunk
    if chunk < 1:
        raise InvalidInput(f"chunk {chunk}: need at least one column")
    width = chunk * (count or len(devices))
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
