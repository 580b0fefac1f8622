"""A Jacobian too large for one host: its columns stay on the devices of all hosts, where products and sketches run.

Every process of the job calls the same functions in the same order, after ``jax.distributed.initialize()``. Columns are
differentiated without communication between hosts; a product with J sums the devices' parts, a product with J^T collects them.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from harness.engine import jacobian
from harness.engine.precision import with_exact_dtypes
from harness.errors import InvalidInput, NotFinite
from harness.progress import Progress


class ShardedJacobian:
    """J = df/dx at x in columns over all devices of all processes; gives J V and J^T W for blocks V and W of vectors.

    It serves wherever :class:`.krylov.Products` does: Krylov spaces, range finder, extreme directions. All processes must ask
    for the same products, so the number of steps must be fixed beforehand. :func:`.matrix_free.count` stops by its own clock
    and is for one process. While the columns are put together, a device holds its part of J twice.

    Args:
        f: any differentiable map from a tree of N numbers to a tree of N numbers.
        x: the point; leaves of one floating dtype, the same in every process.
        chunk: columns a device works on at once; by default as many as fit the machine.

    Attributes:
        size: N.
        matrix: the sharded array (N, columns), with columns of zeros at the end if the devices do not divide N.

    Raises:
        NotFinite: a column holds NaN or infinity; raised in every process.
    """

    @with_exact_dtypes
    def __init__(
        self, f: jacobian.Map, x: Any, *, chunk: int | None = None, progress: Progress | None = None, label: str = "Jacobian"
    ) -> None:
        local, everywhere = jax.local_devices(), jax.devices()
        self.size = sum(leaf.size for leaf in jax.tree.leaves(x))
        each = -(-self.size // len(everywhere))  # columns a device keeps
        chunk = min(each, jacobian.layout(x, chunk, local)[0] // len(local))
        mesh = Mesh(np.array(everywhere), ("columns",))
        self._whole, self._columns = (NamedSharding(mesh, PartitionSpec(*axes)) for axes in ((), (None, "columns")))
        self._rows = NamedSharding(mesh, PartitionSpec("columns", None))
        starts = each * np.array([everywhere.index(device) for device in local])
        push = jacobian.pusher(f, x, local)
        kept: list[list[Any]] = [[] for _ in local]
        with (progress or Progress()).stage(f"{label}, {each * len(local)} of {self.size} columns here", each) as step:
            for first in range(0, each, chunk):
                here = np.arange(first, first + chunk)
                # beyond a device's last column come its neighbour's: they are left out
                columns = np.where(here < each, starts[:, None] + here, self.size)
                found = push(columns.ravel()).block_until_ready()
                for held, shard in zip(kept, _shards(found, local), strict=True):
                    held.append(shard)
                step.advance(min(chunk, each - first))
        parts = [jnp.concatenate(held, axis=1)[:, :each] for held in kept]
        shape = (self.size, each * len(everywhere))
        self.matrix = jax.make_array_from_single_device_arrays(shape, self._columns, parts)
        self._forward = jax.jit(lambda matrix, block: matrix @ block, out_shardings=self._whole)
        self._adjoint = jax.jit(lambda matrix, block: matrix.T @ block, out_shardings=self._whole)
        if not _here(jax.jit(lambda matrix: jnp.isfinite(matrix).all(), out_shardings=self._whole)(self.matrix)):
            raise NotFinite(f"{label}: an entry is not finite; the map is not differentiable or overflows there")

    @with_exact_dtypes
    def forward(self, block: Any) -> Any:
        """J V for V of shape (N, columns), the same in every process; float64 out."""
        padded = np.pad(self._checked(block), ((0, self.matrix.shape[1] - self.size), (0, 0)))
        return _here(self._forward(self.matrix, self._placed(padded, self._rows)))

    @with_exact_dtypes
    def adjoint(self, block: Any) -> Any:
        """J^T W for W of shape (N, columns), the same in every process; float64 out."""
        return _here(self._adjoint(self.matrix, self._placed(self._checked(block), self._whole)))[: self.size]

    def _checked(self, block: Any) -> Any:
        if np.ndim(block) != 2 or len(block) != self.size:
            raise InvalidInput(f"a block of shape {np.shape(block)}; need ({self.size}, columns)")
        return np.asarray(block, self.matrix.dtype)

    def _placed(self, block: Any, sharding: NamedSharding) -> Any:
        return jax.make_array_from_callback(block.shape, sharding, lambda index: block[index])


def _shards(array: Any, devices: list[Any]) -> list[Any]:
    """The part that each device holds, in the order of the devices."""
    held = {shard.device: shard.data for shard in array.addressable_shards}
    return [held[device] for device in devices]


def _here(replicated: Any) -> Any:
    """A replicated result as an array of this process, in float64 unless it is boolean."""
    found = np.asarray(replicated.addressable_data(0))
    return found if found.dtype == bool else found.astype(np.float64)
