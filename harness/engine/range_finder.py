"""A randomised range finder for J - I: the change by training as a matrix of low rank.

Let the orthonormal columns of Q nearly span the range of J - I. Then J = I + Q B + E, with B = Q^T (J - I) and E = (I - Q
Q^T)(J - I). I + Q B differs from the identity only on the span of Q and B^T. A small matrix gives the singular values on that
span; all others are one. |E|_F is estimated without bias on the way, since every new probe samples the part that Q misses.
Source: Halko, Martinsson & Tropp, SIAM Review 53, 2011, sections 4.3 and 4.4.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from harness.engine.krylov import Basis, Products, orthogonalise
from harness.errors import InvalidInput

Floats = NDArray[np.float64]


@dataclass(eq=False)
class RangeFinder:
    """Q and B^T in blocks of columns, grown by :meth:`advance`.

    Attributes:
        size: N.
        width: columns a block.
        range: blocks of Q.
        rows: blocks of B^T = (J^T - I) Q, each (N, width), float32.
        missed: |(I - Q Q^T)(J - I) w|^2 of the last block's probes, for the Q before it, shape (width,): its mean is |E|_F^2.
    """

    size: int
    width: int
    range: Basis = field(init=False)
    rows: list[NDArray[np.float32]] = field(default_factory=list)
    missed: Floats = field(default_factory=lambda: np.zeros(0))

    def __post_init__(self) -> None:
        if not 2 <= 4 * self.width <= self.size:
            raise InvalidInput(f"blocks of {self.width} in {self.size} dimensions: need 1 to a quarter of the dimensions")
        self.range = Basis(self.size, self.width)

    @property
    def rank(self) -> int:
        return self.width * len(self.range)

    @property
    def full(self) -> bool:
        """Whether Q and B^T of another block could fill the space."""
        return 2 * (self.rank + self.width) > self.size

    def advance(self, products: Products, rng: np.random.Generator, done: MutableMapping[int, Any]) -> None:
        """One more block of probes: one product with J and one with J^T, or their earlier results if ``done`` holds this step.

        Args:
            rng: stream of this block's probes. Each block has its own, so that a restored run draws the same probes as an
                uninterrupted one.
        """
        step = len(self.range)
        if step not in done:
            if self.full:
                raise InvalidInput(f"rank {self.rank} and another {self.width} fill {self.size} dimensions: use fewer")
            drawn = rng.standard_normal((self.size, self.width))
            image = products.forward(drawn) - drawn
            basis, factor = orthogonalise(image, self.range)
            kept = basis.astype(np.float32)
            back = (products.adjoint(kept) - kept).astype(np.float32)
            done[step] = np.concatenate([kept, back, np.sum(factor**2, axis=0)[None, :]])
        held = np.asarray(done[step])
        self.range.append(held[: self.size])
        self.rows.append(held[self.size : 2 * self.size].astype(np.float32))
        self.missed = held[-1].astype(np.float64)

    def decomposition(self) -> tuple[Floats, Floats, Floats, Floats]:
        """Singular values of I + Q B on the span of Q and B^T, descending, (2r,); that span's basis Z (N, 2r); left and right
        singular vectors in its coordinates. Outside the span I + Q B is the identity."""
        q, rows = self.range.columns, np.concatenate(self.rows, axis=1)
        basis = linalg.qr(np.concatenate([q, rows], axis=1).astype(np.float64), mode="economic")[0]
        inner = np.eye(basis.shape[1]) + (basis.T @ q) @ (rows.T @ basis)
        left, sigma, right = linalg.svd(inner, lapack_driver="gesvd")
        return sigma, basis, left, right.T
