"""Directions of parameter space that training carries exactly, for reasons that have nothing to do with learning.

Adding a constant to all logits of a hidden unit (or to all output biases) changes no softmax; weights that leave an
input which is zero in every training image are never used. Along both, f(theta + s) = f(theta) + s, so that J s = s, and
for SGD, whose updates never leave the span of gradients, s^T J = s^T as well. The paper does not count them apart;
the digits have 65 + 192 = 257 of them, white noise 65.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from scipy.linalg import helmert
from scipy.sparse import block_diag, csr_matrix, identity, kron

from harness.config import Experiment
from harness.data import Dataset
from harness.model import widths


def structural_split(experiment: Experiment, data: Dataset) -> tuple[Any, Any]:
    """Orthonormal bases of the structural directions and of their complement.

    Returns:
        Two sparse matrices of shapes (N, s) and (N, N - s), in the order of theta.
        Squared error sees a shift of the logits, so there only dead inputs count.
    """
    sizes = widths(experiment.model, data)
    blocks = [_inputs(sizes, data)]
    for n_in, n_out in pairwise(sizes[1:-1]):
        blocks.append((_empty((n_in + 1) * n_out), identity((n_in + 1) * n_out)))
    outputs = (sizes[-2] + 1) * sizes[-1]
    blocks.append(_shifts(sizes) if experiment.loss == "cross-entropy" else (_empty(outputs), identity(outputs)))
    carried, rest = zip(*blocks, strict=True)
    return block_diag(carried, format="csr"), block_diag(rest, format="csr")


def _empty(rows: int) -> Any:
    return csr_matrix((rows, 0))


def _inputs(sizes: tuple[int, ...], data: Dataset) -> tuple[Any, Any]:
    """First layer: every weight that leaves a dead input is a structural coordinate."""
    dead = np.zeros((sizes[0] + 1, sizes[1]), bool)
    dead[data.dead_inputs] = True
    everything = identity((sizes[0] + 1) * sizes[1], format="csc")
    return everything[:, dead.ravel()], everything[:, ~dead.ravel()]


def _shifts(sizes: tuple[int, ...]) -> tuple[Any, Any]:
    """Last layer: for each hidden unit and the bias, the constant vector over classes; the Helmert basis is the rest."""
    classes = sizes[-1]
    rows = identity(sizes[-2] + 1)
    return kron(rows, np.full((classes, 1), classes**-0.5)), kron(rows, helmert(classes).T)
