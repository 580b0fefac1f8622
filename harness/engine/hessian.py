"""The Hessian of a loss over a whole data set, as products only: it is never formed.

The set is cut into chunks so that memory does not grow with the number of examples. At one theta the network is
linearised once; every product then costs two passes over the inputs. Source: Gur-Ari, Roberts & Dyer 2018, appendix A
(Lanczos on Hessian-vector products).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigsh
from threadpoolctl import threadpool_limits

from harness.errors import DecompositionFailed, InvalidInput

Floats = NDArray[np.float64]
# losses(theta, x, y): the loss of each example, shape (examples,); theta is the flat vector of parameters
Losses = Callable[[Array, Array, Array], Array]
Product = Callable[[Floats], Floats]


class Linearised(NamedTuple):
    """The mean loss, its gradient (N,) and the stored linearisation of the gradient at one theta."""

    loss: Array
    gradient: Array
    transposes: Any


def chunks(x: Any, y: Any, size: int) -> tuple[Array, Array, Array]:
    """Examples as (chunks, size, ...) with weights of 1 / examples; the padding of the last chunk weighs nothing."""
    examples = len(x)
    if examples == 0 or size < 1:
        raise InvalidInput(f"{examples} examples in chunks of {size}: need at least one of each")
    size = min(size, examples)
    rows = np.arange(-(-examples // size) * size)
    weights = np.where(rows < examples, 1 / examples, 0.0)
    held = rows % examples
    cut = [np.asarray(part)[held].reshape(-1, size, *np.shape(part)[1:]) for part in (x, y)]
    return jnp.asarray(cut[0]), jnp.asarray(cut[1]), jnp.asarray(weights.reshape(-1, size), cut[0].dtype)


def linearise(losses: Losses) -> Callable[..., Linearised]:
    """(theta, *chunks) -> mean loss, gradient and linearised gradient over all examples of :func:`chunks`; the caller jits."""

    def chunk(theta: Float[Array, " N"], part: Any) -> Linearised:
        px, py, weight = part

        def gradient(at: Array) -> tuple[Array, Array]:
            value, slope = jax.value_and_grad(lambda t: jnp.vdot(weight, losses(t, px, py)))(at)
            return slope, value

        slope, transpose, value = jax.vjp(gradient, theta, has_aux=True)
        return Linearised(value, slope, transpose)

    def whole(theta: Float[Array, " N"], x: Array, y: Array, weights: Array) -> Linearised:
        loss, gradient, transposes = jax.lax.map(partial(chunk, theta), (x, y, weights))
        return Linearised(loss.sum(), gradient.sum(0), transposes)

    return whole


def product(transposes: Any, v: Float[Array, " N"]) -> Float[Array, " N"]:
    """H v at the theta of :func:`linearise`. The transpose is used as it stands: H is symmetric."""

    def add(total: Array, transpose: Any) -> tuple[Array, None]:
        return total + transpose(v)[0], None

    return jax.lax.scan(add, jnp.zeros_like(v), transposes)[0]


@dataclass(frozen=True, eq=False)
class Eigenpairs:
    """Largest eigenvalues, descending, with orthonormal eigenvectors as columns (N, k), and what it took.

    ``residuals`` are |H v - lambda v| / lambda_1, shape (k,).
    """

    values: Floats
    vectors: Floats
    residuals: Floats
    products: int


def top_eigenpairs(
    apply: Product, size: int, k: int, *, start: Floats, tolerance: float = 1e-3, bound: float = 1e-2
) -> Eigenpairs:
    """The k algebraically largest eigenpairs of a symmetric operator, by implicitly restarted Lanczos (ARPACK).

    Args:
        apply: v (N,) -> H v (N,).
        start: first Lanczos vector; the same start gives the same vectors.
        tolerance: ARPACK's, relative to each eigenvalue.
        bound: largest residual |H v - lambda v| / lambda_1 that passes. In float32 a product carries about 1e-6.

    Raises:
        InvalidInput: k is not below the number of parameters N (ARPACK's own condition), or ``start`` is not (N,).
        DecompositionFailed: no convergence, vectors not orthonormal, or a residual above ``bound``.
    """
    if not 0 < k < size:
        raise InvalidInput(f"k = {k} eigenpairs of a Hessian with {size} parameters: need 1 to {size - 1}")
    if np.shape(start) != (size,):
        raise InvalidInput(f"start vector of shape {np.shape(start)}: need ({size},)")
    count = 0

    def counted(v: Floats) -> Floats:
        nonlocal count
        count += 1
        return apply(v.ravel())

    operator = LinearOperator((size, size), matvec=counted, dtype=np.float64)
    try:
        # ARPACK's many small products wait for BLAS threads thirty times longer than they compute, next to XLA's own threads
        with threadpool_limits(1, user_api="blas"):
            values, vectors = eigsh(operator, k=k, which="LA", v0=start, tol=tolerance, ncv=min(size, 2 * k + 10))
    except ArpackNoConvergence as error:
        found = len(error.eigenvalues)
        raise DecompositionFailed(f"Lanczos: {found} of {k} eigenpairs after {count} products; ask for fewer") from error
    order = np.argsort(-values)
    return check(apply, Eigenpairs(values[order], vectors[:, order], np.zeros(k), count), bound)


def check(apply: Product, pairs: Eigenpairs, bound: float) -> Eigenpairs:
    """The pairs with their residuals measured.

    Raises:
        DecompositionFailed: a residual or the departure from orthonormality is above ``bound``, or not finite.
    """
    scale = max(float(np.max(np.abs(pairs.values))), np.finfo(float).tiny)
    images = np.stack([apply(vector) for vector in pairs.vectors.T], axis=1)
    residuals = np.linalg.norm(images - pairs.vectors * pairs.values, axis=0) / scale
    departure = float(np.max(np.abs(pairs.vectors.T @ pairs.vectors - np.eye(len(pairs.values)))))
    worst = float(np.max(residuals))
    if not (worst <= bound and departure <= bound):  # also when either is NaN
        raise DecompositionFailed(
            f"{len(residuals)} eigenpairs: residual {worst:.1e} of lambda_1, orthonormality {departure:.1e}; "
            f"allowed {bound:.0e}: lower the tolerance, or check that the loss is finite"
        )
    return Eigenpairs(pairs.values, pairs.vectors, residuals, pairs.products + len(residuals))
