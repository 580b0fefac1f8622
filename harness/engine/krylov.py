"""Block Lanczos on a symmetric operator, and bounds for how many of its eigenvalues lie below a point.

After m block products with orthonormal probes V_1, the trace of V_1^T 1(A <= x) V_1 is known up to a bounded uncertainty.
Whatever A does outside the Krylov space, the trace lies between two sums of the block Gauss-Radau rule with a node at x:
without and with the weights of that node (Golub & Meurant, Matrices, Moments and Quadrature, 2010). For one probe these are the
Chebyshev-Markov-Stieltjes inequalities (Szego, Orthogonal Polynomials, section 3.41). For a block the bounds are used for the
trace, not for a single column. We have no proof for blocks; the tests compare the bounds with dense spectra. The whole bias of
Lanczos quadrature (Ubaru, Chen & Saad, SIAM J. Matrix Anal. Appl. 38, 2017) is thus bounded rather than estimated.

The probes share one Krylov space. As it grows, the extreme eigenvectors converge, and are then known exactly for all probes. So
deflation costs no extra products.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput, NotFinite

Floats = NDArray[np.float64]
Operator = Callable[[Any], Any]
PASSES = 8  # of orthogonalisation, at most: each gains seven digits
SHORTENED = 0.7  # length that a pass leaves of a unit column, below which another pass follows


class Products(Protocol):
    """An object that gives J V and J^T W for blocks (N, columns): :class:`.products.TrainingProducts`, or a dense matrix."""

    def forward(self, block: Any) -> Any: ...
    def adjoint(self, block: Any) -> Any: ...


@dataclass(frozen=True)
class Dense:
    """Products with a dense matrix, shape (final, initial): the reference that validates counts."""

    matrix: Any

    def forward(self, block: Any) -> Any:
        return self.matrix @ block

    def adjoint(self, block: Any) -> Any:
        return self.matrix.T @ block


def gram(products: Products) -> Operator:
    """V -> J^T J V."""
    return lambda block: products.adjoint(products.forward(block))


def displacement(products: Products) -> Operator:
    """V -> (J - I)^T (J - I) V."""

    def apply(block: Any) -> Any:
        moved = products.forward(block) - block
        return products.adjoint(moved) - moved

    return apply


def probes(size: int, count: int, rng: np.random.Generator) -> Floats:
    """Uniformly random orthonormal columns, (size, count): the mean of v^T f(A) v estimates tr f(A) / N."""
    drawn = rng.standard_normal((size, count))
    return np.asarray(np.linalg.qr(drawn)[0])


class Basis:
    """Orthonormal columns in blocks (N, width), by number.

    They are kept in float32, so that restored blocks equal the blocks that were used before an interruption. All lie in one
    array, so that a product with the whole basis is one matrix product.
    """

    def __init__(self, size: int, width: int) -> None:
        self.size, self.width = size, width
        self._room = np.empty((size, 0), np.float32, order="F")
        self._count = 0

    def append(self, block: Any) -> None:
        used = self._count * self.width
        if used == self._room.shape[1]:
            wider = np.empty((self.size, 2 * used + 8 * self.width), np.float32, order="F")
            wider[:, :used] = self._room
            self._room = wider
        self._room[:, used : used + self.width] = block
        self._count += 1

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, number: int) -> NDArray[np.float32]:
        at = range(self._count)[number] * self.width
        return self._room[:, at : at + self.width]

    def __iter__(self) -> Iterator[NDArray[np.float32]]:
        return (self[number] for number in range(self._count))

    @property
    def columns(self) -> NDArray[np.float32]:
        """All columns, (N, len * width)."""
        return self._room[:, : self._count * self.width]


def orthogonalise(image: Floats, basis: Basis) -> tuple[Floats, Floats]:
    """Orthonormal columns that span ``image`` without its part in the span of ``basis``, and their coefficients (b, b).

    A second pass removes the rounding error of the first. Passes go on while one shortens a column to less than
    :data:`SHORTENED`: that column was nearly in the span (Daniel, Gragg, Kaufman & Stewart, Mathematics of Computation 30, 1976).
    Products with the basis are in its own float32: like its columns, the result is orthogonal to that precision.

    Raises:
        NotFinite: the image is not finite, or is nothing but rounding errors after :data:`PASSES` passes.
    """
    scale = float(np.abs(image).max())
    if scale == 0:  # any direction will do
        image = numpy_stream(0, f"krylov-{len(basis)}").standard_normal(image.shape)
    image, coupling = image / (scale or 1.0), scale * np.eye(image.shape[1])  # so that float32 holds it
    for again in range(PASSES):
        part = basis.columns.T @ image.astype(np.float32, order="F")
        image, factor = np.linalg.qr(image - basis.columns @ part)
        coupling = factor @ coupling
        left = np.abs(factor.diagonal()).min()
        if again and left > SHORTENED:
            return image, coupling
    raise NotFinite(f"{PASSES} passes leave {left:.2g} of a column outside {len(basis)} blocks: the space is exhausted")


@dataclass(eq=False)
class Krylov:
    """A V = V T + V_next B E_m^T with orthonormal V that starts with the probes V_1, T block tridiagonal.

    Attributes:
        blocks: blocks of V and, last, V_next, each (N, b).
        diagonal, below: blocks of T on and below its diagonal, the last of ``below`` being B.
        asymmetry: largest |V_j^T A V_j - its transpose| over the block's norm: the rounding error of the products.
    """

    blocks: Basis
    diagonal: list[Floats] = field(default_factory=list)
    below: list[Floats] = field(default_factory=list)
    asymmetry: float = 0.0
    _ends: dict[int, tuple[Floats, Floats]] = field(default_factory=dict, repr=False)
    _enclosures: dict[tuple[float, int], tuple[Floats, Floats]] = field(default_factory=dict, repr=False)

    @classmethod
    def start(cls, vectors: Floats) -> Krylov:
        """A space of depth 0 from orthonormal probes as columns (N, b), as :func:`probes` draws them.

        Raises:
            InvalidInput: no probe, or more than half as many as dimensions.
        """
        size, count = vectors.shape
        if not 0 < 2 * count <= size:
            raise InvalidInput(f"{count} probes of {size} dimensions: need one or more, and at most half as many as dimensions")
        basis = Basis(size, count)
        basis.append(vectors)
        return cls(basis)

    @property
    def width(self) -> int:
        """b, the number of probes."""
        return self.blocks.width

    @property
    def depth(self) -> int:
        """m, the number of block products done."""
        return len(self.diagonal)

    @property
    def full(self) -> bool:
        """Whether the dimensions leave no room for another step."""
        return (self.depth + 2) * self.width > self.blocks.size

    def extend(self, apply: Operator) -> None:
        """One more block product, with full reorthogonalisation.

        Raises:
            InvalidInput: there is no room for another step.
            NotFinite: the product is not finite.
        """
        if self.full:
            raise InvalidInput(f"{self.depth} block steps of {self.width} fill {self.blocks.size} dimensions: use fewer")
        last = self.blocks[-1]
        image = np.asarray(apply(last), np.float64)
        if not np.isfinite(image).all():
            raise NotFinite(f"Lanczos step {self.depth + 1}: the product is not finite; the operator overflows there")
        square = last.T.astype(np.float64) @ image
        scale = max(float(np.abs(square).max()), np.finfo(float).tiny)
        self.asymmetry = max(self.asymmetry, float(np.abs(square - square.T).max()) / scale)
        image, coupling = orthogonalise(image, self.blocks)
        self.diagonal.append((square + square.T) / 2)
        self.below.append(coupling)
        self.blocks.append(image)

    def advance(self, apply: Operator, done: MutableMapping[int, Any]) -> None:
        """:meth:`extend`, or its earlier result if ``done`` holds this step; a new step is added to ``done``."""
        step = self.depth
        if step in done:
            held, b = np.ascontiguousarray(done[step]), self.width
            small = held[: -self.blocks.size].reshape(-1, 2 * b).view(np.float64)
            self.diagonal.append(small[:b].copy())
            self.below.append(small[b : 2 * b].copy())
            self.asymmetry = float(small[2 * b, 0])
            self.blocks.append(held[-self.blocks.size :])
            return
        self.extend(apply)
        error = np.full((1, self.width), self.asymmetry)
        small = np.concatenate([self.diagonal[-1], self.below[-1], error])  # in float64, each number as two of float32
        done[step] = np.concatenate([small.view(np.float32).reshape(-1, self.width), self.blocks[-1]])

    def tridiagonal(self, depth: int | None = None) -> Floats:
        """T of the first ``depth`` block steps, all by default."""
        m, b = self.depth if depth is None else depth, self.width
        matrix = np.zeros((m * b, m * b))
        for j in range(m):
            here = slice(j * b, (j + 1) * b)
            matrix[here, here] = self.diagonal[j]
            if j + 1 < m:
                after = slice((j + 1) * b, (j + 2) * b)
                matrix[after, here] = self.below[j]
                matrix[here, after] = self.below[j].T
        return matrix

    def enclosure(self, x: float, depth: int | None = None) -> tuple[Floats, Floats]:
        """Each probe's part in the lower and in the upper bound, shape (b,) each.

        The mean of the first is at most the probes' mean share along eigenvectors with eigenvalue below x. The mean of the
        second is at least their mean share along eigenvectors with eigenvalue up to x.

        Args:
            depth: use the first ``depth`` block steps only, to see how the bounds close.
        """
        m = self.depth if depth is None else depth
        if not 0 < m <= self.depth:
            raise InvalidInput(f"{m} Lanczos steps asked for and {self.depth} done: need at least one")
        if (x, m) not in self._enclosures:
            self._enclosures[x, m] = self._enclosed(x, m)
        return self._enclosures[x, m]

    def _enclosed(self, x: float, m: int) -> tuple[Floats, Floats]:
        b = self.width
        ritz, last = self._end(m)
        gap = ritz - x
        # with a Ritz value at x itself there is no Radau rule: a shift by rounding avoids this
        gap[gap == 0] = np.finfo(float).eps * max(1.0, float(np.abs(ritz).max()))
        coupled = self.below[m - 1] @ last
        outer = np.zeros(((m + 1) * b, (m + 1) * b))
        outer[: m * b, : m * b] = self.tridiagonal(m)
        outer[m * b :, (m - 1) * b : m * b] = self.below[m - 1]
        outer[(m - 1) * b : m * b, m * b :] = self.below[m - 1].T
        outer[m * b :, m * b :] = x * np.eye(b) + (coupled / gap) @ coupled.T
        vectors = linalg.eigh(outer, driver="evd")[1]
        weights = vectors[:b] ** 2
        # by inertia, as many nodes as Ritz values are below x; then b nodes are at x
        below = int(np.count_nonzero(gap < 0))
        cumulative = np.cumsum(np.concatenate([np.zeros((b, 1)), weights], axis=1), axis=1)
        return cumulative[:, below], np.minimum(cumulative[:, min(below + b, (m + 1) * b)], 1.0)

    def _end(self, depth: int) -> tuple[Floats, Floats]:
        """Eigenvalues of T after so many steps, and the last b entries of their vectors."""
        if depth not in self._ends:
            ritz, vectors = linalg.eigh(self.tridiagonal(depth), driver="evd")
            self._ends[depth] = ritz, vectors[-self.width :].copy()
        return self._ends[depth]

    def ritz(self) -> tuple[Floats, Floats, Floats]:
        """Ritz values, descending, their vectors in coordinates of V, and residuals |A y - theta y|."""
        values, vectors = linalg.eigh(self.tridiagonal(), driver="evd")
        residuals = np.linalg.norm(self.below[-1] @ vectors[-self.width :], axis=0)
        return values[::-1], vectors[:, ::-1], residuals[::-1]

    def residuals(self, coordinates: Floats, value: float = 1.0) -> Floats:
        """|A y - value y| of unit vectors given by their coordinates in V as columns (depth * b, k), shape (k,)."""
        moved = self.tridiagonal() @ coordinates - value * coordinates
        left = self.below[-1] @ coordinates[-self.width :]
        return np.asarray(np.hypot(np.linalg.norm(moved, axis=0), np.linalg.norm(left, axis=0)))

    def vectors(self, coordinates: Floats) -> Floats:
        """Vectors of R^N as columns from their coordinates in V, shape (depth * b, k)."""
        found = np.zeros((self.blocks.size, coordinates.shape[1]))
        for block, part in zip(self.blocks, np.split(coordinates, self.depth), strict=False):
            found += block @ part
        return found
