"""Directions of parameter space that training carries exactly, for reasons that are independent of learning.

A constant added to all logits of a hidden unit (or to all output biases) changes no softmax. Weights that leave an input which
is zero in every training image are never used. Along both, f(theta + s) = f(theta) + s, so that J s = s, and for SGD, whose
updates never leave the span of gradients, s^T J = s^T as well. The paper does not count them separately; a network of 64 hidden
units on images with three dead pixels has 65 + 192 = 257 of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import helmert
from scipy.sparse import block_diag, csr_matrix, identity, kron


def structural_split(sizes: Sequence[int], dead_inputs: Any, *, shift_invariant: bool) -> tuple[Any, Any]:
    """Orthonormal bases of a perceptron's structural directions and of their complement.

    Args:
        sizes: widths of all layers, from inputs to outputs; theta holds each layer's kernel (in, out), then its bias.
        dead_inputs: indices of the inputs that are zero in every training example.
        shift_invariant: whether the loss stays the same if a constant is added to all outputs, as cross-entropy does.

    Returns:
        Two sparse matrices of shapes (N, s) and (N, N - s), in the order of theta.
    """
    blocks = [_inputs(sizes, dead_inputs)]
    for n_in, n_out in pairwise(sizes[1:-1]):
        blocks.append((_empty((n_in + 1) * n_out), identity((n_in + 1) * n_out)))
    outputs = (sizes[-2] + 1) * sizes[-1]
    blocks.append(_shifts(sizes) if shift_invariant else (_empty(outputs), identity(outputs)))
    carried, rest = zip(*blocks, strict=True)
    return block_diag(carried, format="csr"), block_diag(rest, format="csr")


def _empty(rows: int) -> Any:
    return csr_matrix((rows, 0))


def _inputs(sizes: Sequence[int], dead_inputs: Any) -> tuple[Any, Any]:
    """First layer: every weight that leaves a dead input is a structural coordinate."""
    dead = np.zeros((sizes[0] + 1, sizes[1]), bool)
    dead[dead_inputs] = True
    everything = identity((sizes[0] + 1) * sizes[1], format="csc")
    return everything[:, dead.ravel()], everything[:, ~dead.ravel()]


def _shifts(sizes: Sequence[int]) -> tuple[Any, Any]:
    """Last layer: for each hidden unit and the bias, the constant vector over classes; the Helmert basis spans the rest."""
    classes = sizes[-1]
    rows = identity(sizes[-2] + 1)
    return kron(rows, np.full((classes, 1), classes**-0.5)), kron(rows, helmert(classes).T)
