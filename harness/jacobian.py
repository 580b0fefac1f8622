"""The Jacobian of any map between parameter trees: dense by column blocks, and as products.

Forward mode pushes a block of unit vectors through the map. The column axis comes last in every leaf, so that
matrix products with unbatched factors stay single large products, and it is sharded over the devices,
since columns need nothing from each other. A Python loop over blocks can be stopped, shown and taken up again.
"""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from harness.errors import InvalidInput, NotFinite
from harness.progress import Progress

Map = Callable[[Any], Any]
Matrix = np.ndarray[Any, Any]
# Columns a device works on at once: beyond it the tangents of one step fall out of the second-level cache.
CHUNK = 32


def tangents(f: Map) -> Callable[[Any, Any], Any]:
    """(x, V) -> J(x) V, where the leaves of V have one more axis, last, over which f is linearised in one batch."""

    def push(x: Any, block: Any) -> Any:
        return jax.vmap(lambda v: jax.jvp(f, (x,), (v,))[1], in_axes=-1, out_axes=-1)(block)

    return push


def unit_vectors(x: Any, columns: Any) -> Any:
    """Leaves of x with a last axis: column c holds the unit vector of flat index ``columns[c]`` (none beyond the last)."""
    leaves, structure = jax.tree.flatten(x)
    edges = np.cumsum([0, *(leaf.size for leaf in leaves)])
    units = [
        (jnp.arange(start, stop)[:, None] == columns).astype(leaf.dtype).reshape(*leaf.shape, -1)
        for leaf, (start, stop) in zip(leaves, pairwise(edges), strict=True)
    ]
    return jax.tree.unflatten(structure, units)


def rows(tree: Any) -> Any:
    """The leaves of a block (..., columns) stacked to (N, columns)."""
    return jnp.concatenate([leaf.reshape(-1, leaf.shape[-1]) for leaf in jax.tree.leaves(tree)])


def dense_jacobian(
    f: Map,
    x: Any,
    *,
    chunk: int = CHUNK,
    devices: list[Any] | None = None,
    done: MutableMapping[int, Matrix] | None = None,
    progress: Progress | None = None,
    label: str = "Jacobian",
) -> Matrix:
    """J = df/dx at x, of shape (final, initial), in the precision of x.

    Args:
        f: any differentiable map from a tree of arrays to a tree of arrays.
        x: where; leaves of one floating dtype.
        chunk: columns a device works on at once.
        devices: what the columns are sharded over; all devices of the default backend by default.
        done: finished blocks by their first column; what is there is not computed again, and new ones are added.

    Raises:
        InvalidInput: chunk below one.
        NotFinite: a block holds NaN or infinity; the message names the entry.
    """
    if chunk < 1:
        raise InvalidInput(f"chunk {chunk}: need at least one column")
    devices = devices or jax.devices()
    done = {} if done is None else done
    size = sum(leaf.size for leaf in jax.tree.leaves(x))
    width = chunk * len(devices)
    mesh = Mesh(np.array(devices), ("columns",))
    shards = NamedSharding(mesh, PartitionSpec("columns"))
    spread = NamedSharding(mesh, PartitionSpec(None, "columns"))
    block = jax.jit(
        lambda point, columns: jax.lax.with_sharding_constraint(rows(tangents(f)(point, unit_vectors(point, columns))), spread)
    )
    x = jax.device_put(x, NamedSharding(mesh, PartitionSpec()))

    def start(first: int) -> Any:
        return block(x, jax.device_put(np.arange(first, first + width), shards))

    with (progress or Progress()).stage(label, size) as step:
        firsts = [first for first in range(0, size, width) if first not in done]
        step.advance(size - sum(min(width, size - first) for first in firsts))
        ahead = start(firsts[0]) if firsts else None
        for first, following in zip(firsts, [*firsts[1:], None], strict=False):
            now, ahead = ahead, (start(following) if following is not None else None)
            done[first] = _finite(np.asarray(now)[:, : size - first], first, label)
            step.advance(min(width, size - first))
    return np.concatenate([done[first] for first in range(0, size, width)], axis=1)


def _finite(block: Matrix, first: int, label: str) -> Matrix:
    if not np.isfinite(block).all():
        row, column = np.argwhere(~np.isfinite(block))[0]
        raise NotFinite(
            f"{label}: entry ({row}, {first + column}) is {block[row, column]}; the map is not differentiable or overflows there"
        )
    return block


def jvp(f: Map, x: Any, v: Any) -> Any:
    """J(x) v for a flat vector v of shape (initial,); returns shape (final,)."""
    flat, unravel = ravel_pytree(x)
    return ravel_pytree(jax.jvp(f, (x,), (unravel(jnp.asarray(v, flat.dtype)),))[1])[0]


def vjp(f: Map, x: Any, w: Any) -> Any:
    """J(x)^T w for a flat vector w of shape (final,); returns shape (initial,)."""
    value, pull = jax.vjp(f, x)
    flat, unravel = ravel_pytree(value)
    return ravel_pytree(pull(unravel(jnp.asarray(w, flat.dtype)))[0])[0]
