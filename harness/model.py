"""The networks: init and apply on a parameter tree, and the tree as one flat vector theta.

A parameter tree is a tuple of layers (kernel, bias), kernels input-major (x @ kernel + bias); theta is the leaves in
that order, each row-major.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources
from itertools import pairwise
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from harness.columns import elementwise
from harness.config import Model
from harness.data import Dataset, Floats
from harness.errors import InvalidInput
from harness.keys import numpy_stream

Layer = tuple[Any, Any]
Params = tuple[Layer, ...]
Apply = Callable[[Any, Any], Any]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": elementwise(lambda x: jax.nn.gelu(x, approximate=True)),
    "relu": elementwise(jax.nn.relu),
    "softplus": elementwise(jax.nn.softplus),
    "tanh": elementwise(jnp.tanh),
}
# lecun-normal draws from a normal truncated at two standard deviations, rescaled to unit variance
TRUNCATED_STD = 0.87962566103423978


def widths(model: Model, data: Dataset) -> tuple[int, ...]:
    """Sizes of all layers, from pixels to classes."""
    return (data.pixels, *model.hidden, data.classes)


def init(model: Model, data: Dataset, seed: int) -> Params:
    """theta_0 in float64: lecun-normal kernels, biases N(0, 1/w) with w the last hidden width, as in the authors' notebook.

    Each leaf has a stream of its own, so that no leaf depends on another's shape.
    """
    sizes = widths(model, data)
    return tuple(
        (
            lecun_normal(seed, f"kernel-{i}", (n_in, n_out)),
            numpy_stream(seed, f"bias-{i}").normal(size=n_out) / np.sqrt(model.hidden[min(i, len(model.hidden) - 1)]),
        )
        for i, (n_in, n_out) in enumerate(pairwise(sizes))
    )


def lecun_normal(seed: int, name: str, shape: tuple[int, ...]) -> Floats:
    """A kernel (..., out) of variance 1 over its fan-in, normal and cut at two standard deviations, from a stream of its own."""
    from scipy.stats import truncnorm

    drawn = np.asarray(truncnorm.rvs(-2, 2, size=shape, random_state=numpy_stream(seed, name)))
    return drawn / (TRUNCATED_STD * np.sqrt(int(np.prod(shape[:-1]))))


def published_init(path: Path | None = None) -> Params:
    """The authors' own theta_0 of seed 0 (64-64-10), float64 from float32.

    Raises:
        InvalidInput: the fixture is not there, or its arrays do not have the network's shapes.
    """
    path = path or Path(str(resources.files("harness"))).parent / "fixtures" / "published_init.npz"
    try:
        with np.load(path, allow_pickle=False) as held:
            leaves = [
                np.asarray(held[name], np.float64) for name in ("hidden_kernel", "hidden_bias", "output_kernel", "output_bias")
            ]
    except (OSError, KeyError, ValueError) as error:
        raise InvalidInput(
            f"published initialisation {path}: {error}; make it again with fixtures/make_published_init.py"
        ) from error
    shapes = [leaf.shape for leaf in leaves]
    if shapes != [(64, 64), (64,), (64, 10), (10,)]:
        raise InvalidInput(f"published initialisation {path}: shapes {shapes}; need (64, 64), (64,), (64, 10), (10,)")
    return ((leaves[0], leaves[1]), (leaves[2], leaves[3]))


def apply(model: Model) -> Apply:
    """The network g: (params, x of shape (examples, pixels)) -> logits of shape (examples, classes)."""
    activation = ACTIVATIONS[model.activation]

    def logits(params: Params, x: Float[Array, "examples pixels"]) -> Float[Array, "examples classes"]:
        *hidden, (kernel, bias) = params
        for layer_kernel, layer_bias in hidden:
            x = activation(x @ layer_kernel + layer_bias)
        return x @ kernel + bias

    return logits


def flatten(params: Any) -> Floats:
    """theta: the leaves in order, each row-major, as one vector of shape (N,)."""
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(params)])


def unflatten(theta: Any, like: Any) -> Any:
    """The tree of ``like`` filled from theta; leading axes of theta (..., N) are kept in every leaf."""
    leaves, structure = jax.tree.flatten(like)
    sizes = [int(np.size(leaf)) for leaf in leaves]
    if theta.shape[-1] != sum(sizes):
        raise InvalidInput(f"theta has {theta.shape[-1]} parameters; this model has {sum(sizes)}")
    edges = np.cumsum([0, *sizes])
    parts = [
        theta[..., a:b].reshape(*theta.shape[:-1], *np.shape(leaf)) for (a, b), leaf in zip(pairwise(edges), leaves, strict=True)
    ]
    return jax.tree.unflatten(structure, parts)
