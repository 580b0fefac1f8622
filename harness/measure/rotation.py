"""Random rotations among the weights of each input of each layer: what two subspaces share beyond the weight of each input."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import helmert

from harness.measure.restricted import random_basis


def within_inputs(sizes: Sequence[int], rng: np.random.Generator, *, shift_invariant: bool) -> list[Any]:
    """The blocks of an orthogonal matrix that mixes the weights leaving each input (and each layer's biases) among themselves.

    Structural directions stay structural: the weights of a dead input mix only with each other, and shifts of all outputs do
    not change.

    Args:
        sizes: widths of all layers, from inputs to outputs; theta holds each layer's kernel (in, out), then its bias.
        shift_invariant: whether the loss stays the same if a constant is added to all outputs.
    """
    blocks = []
    for layer, (n_in, n_out) in enumerate(pairwise(sizes)):
        last = layer == len(sizes) - 2
        turn = _beside_shifts if last and shift_invariant else random_basis
        blocks += [turn(n_out, rng) for _ in range(n_in + 1)]
    return blocks


def turned(blocks: Sequence[Any], basis: Any) -> Any:
    """The product of the matrix with these blocks on its diagonal and columns of shape (N, k)."""
    edges = np.cumsum([len(block) for block in blocks])[:-1]
    return np.concatenate([block @ rows for block, rows in zip(blocks, np.split(basis, edges), strict=True)])


def _beside_shifts(size: int, rng: np.random.Generator) -> Any:
    """A rotation of R^size that leaves the constant vector alone."""
    rest = helmert(size)
    return rest.T @ random_basis(size - 1, rng) @ rest + np.full((size, size), 1 / size)
