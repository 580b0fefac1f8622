"""Trees of arrays and the flat vectors that stand for them: theta is the leaves in order, each row-major."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from harness.errors import InvalidInput


def flatten(params: Any) -> NDArray[Any]:
    """theta: the leaves in order, each row-major, as one vector of shape (N,)."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def unflatten(theta: Any, like: Any) -> Any:
    """The tree of ``like`` filled from theta; leading axes of theta (..., N) are kept in every leaf.

    Raises:
        InvalidInput: theta has another number of parameters.
    """
    leaves, structure = jax.tree.flatten(like)
    sizes = [int(np.size(leaf)) for leaf in leaves]
    if theta.shape[-1] != sum(sizes):
        raise InvalidInput(f"theta has {theta.shape[-1]} parameters; this model has {sum(sizes)}")
    edges = np.cumsum([0, *sizes])
    parts = [
        theta[..., a:b].reshape(*theta.shape[:-1], *np.shape(leaf)) for (a, b), leaf in zip(pairwise(edges), leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, parts)


def cast(params: Any, precision: str) -> Any:
    """The tree as JAX arrays of ``precision``."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, precision), params)


def rows(tree: Any) -> Any:
    """The leaves of a block (..., columns) stacked to (N, columns)."""
    return jnp.concatenate([leaf.reshape(-1, leaf.shape[-1]) for leaf in jax.tree.leaves(tree)])


def unit_vectors(x: Any, columns: Any) -> Any:
    """Leaves of x with a last axis: column c holds the unit vector of flat index ``columns[c]`` (none beyond the last)."""
    leaves, structure = jax.tree.flatten(x)
    edges = np.cumsum([0, *(leaf.size for leaf in leaves)])
    units = [
        (jnp.arange(start, stop)[:, None] == columns).astype(leaf.dtype).reshape(*leaf.shape, -1)
        for leaf, (start, stop) in zip(leaves, pairwise(edges), strict=True)
    ]
    return jax.tree.unflatten(structure, units)


def as_floating(tree: Any, dtype: Any) -> Any:
    """The tree with its floating arrays in another dtype; all others as they are."""
    return jax.tree.map(lambda leaf: leaf.astype(dtype) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf, tree)


def floating(tree: Any) -> list[Array]:
    """The floating leaves, which have a derivative: of an optimiser's memory all but its counters."""
    return [leaf for leaf in jax.tree.leaves(tree) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating)]


def refloated(tree: Any, floats: Any) -> Any:
    """The tree with its floating leaves replaced, in order."""
    leaves, structure = jax.tree.flatten(tree)
    new = iter(floats)
    return jax.tree.unflatten(
        structure, [next(new) if jnp.issubdtype(jnp.result_type(leaf), jnp.floating) else leaf for leaf in leaves]
    )


def split_arrays(tree: Any) -> tuple[list[Any], Callable[[list[Any]], Any]]:
    """The arrays that a tree holds, and a function that puts others in their place.

    If the arrays are arguments of a compiled function, maps that differ by their data alone share one program.
    """
    leaves, structure = jax.tree.flatten(tree)
    arrays = [i for i, leaf in enumerate(leaves) if isinstance(leaf, jax.Array | np.ndarray)]

    def whole(held: list[Any]) -> Any:
        new = dict(zip(arrays, held, strict=True))
        return jax.tree.unflatten(structure, [new.get(i, leaf) for i, leaf in enumerate(leaves)])

    return [leaves[i] for i in arrays], whole
