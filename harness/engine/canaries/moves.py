"""Compiled programs that move numbers without changing any: gathers, joins, transposes, and parts of an array on all devices."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from harness.engine.canaries.canary import Canary, Measured, exact

ROWS = 65_537


def moves() -> Measured:
    """Rows gathered in another order, scattered back, joined, transposed, padded, turned round and cut; labels one-hot."""
    x = np.arange(3 * ROWS, dtype="float32").reshape(ROWS, 3)
    order = np.random.default_rng(ROWS).permutation(ROWS)
    labels = np.arange(ROWS) % 10
    back = np.zeros_like(x)
    back[order] = x
    expected = [
        x[order],
        back,
        np.concatenate([x, x[order], x[:1]]),
        np.concatenate([x.T, x.T[:, :1]], axis=1),
        np.pad(x, ((1, 2), (0, 1))),
        x[::-1],
        x[ROWS // 2 :][:1],
        np.eye(10, dtype="float32")[labels],
    ]
    return exact(zip(jax.jit(_moved)(x, order, labels), expected, strict=True))


def constants() -> Measured:
    """Columns gathered from constants by constant indices: the compiler gathers them itself, before the program runs."""
    pairs = []
    for dtype in ("float32", "int32"):
        for rows, columns in ((1, 5), (2, 5), (33, 17)):
            x = np.arange(rows * columns, dtype=dtype).reshape(rows, columns)
            order = np.random.default_rng(columns).permutation(columns)
            pairs.append((jax.jit(lambda x=x, order=order: jnp.asarray(x)[:, order] + 1)(), x[:, order] + 1))
    return exact(pairs)


def assembly() -> Measured:
    """Blocks of columns that are computed on every device, joined there, seen as one matrix and collected."""
    devices = jax.local_devices()
    mesh = Mesh(np.array(devices), ("columns",))
    spread, everywhere = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((None, "columns"), ()))
    width = 5
    full = np.arange(33 * width * len(devices), dtype="float32").reshape(33, -1)
    parts = []
    for device, part in zip(devices, np.split(full, len(devices), axis=1), strict=True):
        blocks = [jax.device_put(part[:, :2], device), jax.device_put(part[:, 2:], device)]
        parts.append(jnp.concatenate(blocks, axis=1))
    matrix = jax.make_array_from_single_device_arrays(full.shape, spread, parts)
    collected = jax.jit(lambda x: x + 0, out_shardings=everywhere)(matrix)
    joined = jax.jit(lambda x: jnp.concatenate([x, x[:, ::-1]], axis=0), out_shardings=spread)(matrix)
    return exact([(collected, full), (joined, np.concatenate([full, full[:, ::-1]]))])


def _moved(x: Any, order: Any, labels: Any) -> Any:
    return [
        x[order],
        jnp.zeros_like(x).at[order].set(x),
        jnp.concatenate([x, x[order], x[:1]]),
        jnp.concatenate([x.T, x.T[:, :1]], axis=1),
        jnp.pad(x, ((1, 2), (0, 1))),
        x[::-1],
        jax.lax.dynamic_slice_in_dim(x, len(x) // 2, 1),
        jax.nn.one_hot(labels, 10, dtype=x.dtype),
    ]


CANARIES = (
    Canary("gathers, joins and transposes", "jaxlib", "batches, Jacobian, losses", moves),
    Canary("gathers of constants", "jaxlib", "batches, losses", constants),
    Canary("assembly over devices", "jaxlib", "Jacobian in blocks, sharded Jacobian", assembly),
)
