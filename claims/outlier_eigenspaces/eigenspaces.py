"""Outlier eigenspaces of empirical Hessians H and second moments of per-example gradients G, whole and by block.

For a loss L(A x, last) the block of row r of the first layer (a class, a neuron) is a weighted Gram matrix of the inputs,

    H_rr = 1/M sum_m (d^2 L / d s_r^2)_m x_m x_m^T,    G_rr = 1/M sum_m (d L / d s_r)_m^2 x_m x_m^T,

so the block is used as a product and never formed. On a mixture its outliers come from the means and its bulk from the noise.
Source: Ben Arous, Gheissari, Huang & Jagannath, ICLR 2024.

JAX differentiates; NumPy decomposes. Batches of LAPACK calls inside one compiled CPU function share its thread pool with the
products around them and can wait for each other for ever (jaxlib 0.10.2, two cores).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree
from numpy.typing import NDArray

from harness.errors import InvalidInput, NotFinite

from .one_pass import Head, Params, loss

Floats = NDArray[np.float64]
Product = Callable[[Floats], Any]
# Eigenvalues beyond this multiple of the bulk's edge are outliers. The largest bulk eigenvalue fluctuates by d^(-2/3) of the
# edge, 3 % at d = 200, and the theorem's outliers lie above it by a factor of order lambda.
BEYOND = 2.0
# Columns beyond the outliers, and powers of the matrix, in a Krylov space. With outliers at ten times the edge the angle to their
# true space is 1e-4 after 3 powers; 8 find the next eigenvalue, in the bulk, to 2 % as well.
SPARE, DEPTH, DEPTH_OF_EDGE = 4, 3, 8


class Pair(NamedTuple):
    """One value for each matrix, H and G."""

    hessian: Any
    gradients: Any


class Eigenspace(NamedTuple):
    """``values`` (..., rank + 2), descending; ``vectors`` (..., size, rank) as columns; ``edge`` (...) of the bulk."""

    values: Floats
    vectors: Floats
    edge: Floats


def block_weights(head: Head) -> Callable[[Params, Any, Any], Pair]:
    """(params, x, y) -> the weights of x_m x_m^T in H_rr and in G_rr, each of shape (rows, examples); pure."""

    def weights(params: Params, x: Any, y: Any) -> Pair:
        s = x @ params.rows.T
        slopes = jax.vmap(jax.grad(head), (0, None, 0))(s, params.last, y)
        curvatures = jax.vmap(lambda *point: jnp.diag(jax.hessian(head)(*point)), (0, None, 0))(s, params.last, y)
        return Pair(curvatures.T, slopes.T**2)

    return weights


def last_blocks(head: Head) -> Callable[[Params, Any, Any], Pair]:
    """(params, x, y) -> the last layer's blocks of H and G, dense, since they are only neurons x neurons; pure."""

    def blocks(params: Params, x: Any, y: Any) -> Pair:
        s = x @ params.rows.T
        slopes = jax.vmap(jax.grad(head, argnums=1), (0, None, 0))(s, params.last, y)
        curvatures = jax.vmap(jax.hessian(head, argnums=1), (0, None, 0))(s, params.last, y)
        return Pair(jnp.mean(curvatures, axis=0), slopes.T @ slopes / len(x))

    return blocks


def whole_products(head: Head) -> Pair:
    """(params, x, y, V) -> H V and (params, x, y, V) -> G V for V (parameters, columns), parameters in tree order; pure."""

    def losses(params: Params, x: Any, y: Any) -> tuple[Any, Any]:
        theta, unravel = ravel_pytree(params)
        return theta, lambda at: jax.vmap(loss(head), (None, 0, 0))(unravel(at), x, y)

    def hessian(params: Params, x: Any, y: Any, v: Any) -> Any:
        theta, each = losses(params, x, y)
        gradient = jax.grad(lambda at: jnp.mean(each(at)))
        return jax.vmap(lambda column: jax.jvp(gradient, (theta,), (column,))[1], -1, -1)(v)

    def second_moment(params: Params, x: Any, y: Any, v: Any) -> Any:
        theta, each = losses(params, x, y)
        return jax.vmap(lambda column: jax.vjp(each, theta)[1](jax.jvp(each, (theta,), (column,))[1])[0] / len(x), -1, -1)(v)

    return Pair(hessian, second_moment)


def weighted_gram(x: Floats, weights: Floats) -> Product:
    """V (..., dimension, columns) -> 1/M sum_m w_m x_m x_m^T V, for x (examples, dimension) and weights (..., examples)."""
    return lambda v: x.T @ (weights[..., None] * (x @ v)) / len(x)


def krylov_eigenpairs(product: Product, start: Floats, depth: int = DEPTH) -> tuple[Floats, Floats]:
    """Ritz pairs of a symmetric product, or a stack of them, on the block Krylov space of ``start`` (size, columns), descending.

    Musco & Musco 2015, algorithm 2. The space has at most columns (depth + 1) dimensions, and no more dimensions than the
    matrix.

    Returns:
        Values (..., dimensions), the largest never above the true one, and vectors (..., size, dimensions).

    Raises:
        InvalidInput: more columns than rows.
        NotFinite: a product holds NaN or infinity.
    """
    size, columns = start.shape
    if columns > size:
        raise InvalidInput(f"start of shape {start.shape}: a matrix of size {size} has at most {size} eigenvectors")
    basis = np.linalg.qr(start)[0]
    images = np.asarray(product(basis))
    basis = np.broadcast_to(basis, images.shape)
    for _ in range(min(depth, size // columns - 1)):
        block = images[..., -columns:]
        for _ in range(2):  # one pass leaves rounding errors
            block = np.linalg.qr(block - basis @ (basis.mT @ block))[0]
        basis = np.concatenate([basis, block], axis=-1)
        images = np.concatenate([images, product(block)], axis=-1)
    if not np.isfinite(images).all():
        raise NotFinite("a matrix product holds NaN or infinity: check that the parameters are finite")
    values, turn = np.linalg.eigh(basis.mT @ images)
    return values[..., ::-1], (basis @ turn)[..., ::-1]


def bulk_edge(weights: Any, dimension: int, snr: float) -> Floats:
    """Upper edge of the spectrum of 1/M sum_m w_m z_m z_m^T with z_m ~ N(0, I / lambda) in ``dimension`` dimensions.

    The Marchenko-Pastur law's inverse Stieltjes transform is z(g) = 1/g + 1/M sum_m t_m / (1 - c t_m g), t = w / lambda, c =
    dimension / M (Silverstein & Choi 1995). This function z is convex on 0 < g < 1 / (c max t), and its minimum there is the
    edge: t (1 + sqrt(c))^2 if all weights are equal.

    Args:
        weights: w >= 0, shape (..., M).
    """
    w = np.asarray(weights, np.float64)
    ratio = dimension / w.shape[-1]
    largest = np.maximum(w.max(axis=-1, keepdims=True), np.finfo(float).tiny)
    t = w / largest
    low, high = np.zeros_like(largest), np.ones_like(largest)  # u = c max(t) g runs over (0, 1)
    for _ in range(40):  # the minimum is flat: half of the digits of u give all digits of z
        u = (low + high) / 2
        rising = u**2 * np.mean((t / (1 - t * u)) ** 2, axis=-1, keepdims=True) > ratio  # the sign of z'
        low, high = np.where(rising, low, u), np.where(rising, u, high)
    return np.asarray((largest / snr * (ratio / u + np.mean(t / (1 - t * u), axis=-1, keepdims=True)))[..., 0])


def block_space(x: Floats, weights: Floats, snr: float, rank: int, start: Floats) -> Eigenspace:
    """Top eigenspaces of first-layer blocks, for inputs x (examples, dimension) and the blocks' weights (..., examples)."""
    values, vectors = krylov_eigenpairs(weighted_gram(x, weights), start)
    return Eigenspace(values[..., : rank + 2], vectors[..., :rank], bulk_edge(weights, x.shape[1], snr))


def block_values(x: Floats, weights: Floats) -> Floats:
    """All eigenvalues (..., dimension), descending, of blocks of the first layer, whose weights are (..., examples)."""
    return np.asarray(np.linalg.eigvalsh((x.T * weights[..., None, :]) @ x / len(x))[..., ::-1], np.float64)


def shared(first: Any, second: Any) -> Floats:
    """Root mean square cosine of the principal angles of the spans of orthonormal columns (..., size, k): 1 if equal."""
    cosines = np.einsum("...sa,...sb->...ab", first, second)
    return np.asarray(np.sqrt(np.sum(cosines**2, axis=(-2, -1)) / first.shape[-1]))


def whole_space(product: Product, rank: int, start: Floats) -> Eigenspace:
    """Top eigenspace of a whole matrix; the edge of its bulk is the first eigenvalue after the ``rank`` outliers."""
    values, vectors = krylov_eigenpairs(product, start, DEPTH_OF_EDGE)
    return Eigenspace(values[: rank + 2], vectors[:, :rank], values[rank])


def stacked(spaces: Sequence[Any]) -> Any:
    """Several trees of arrays of the same shapes as one, with a leading axis."""
    return jax.tree.map(lambda *leaves: np.stack(leaves), *spaces)


def alignment(vectors: Any, x: Any) -> Floats:
    """||P_E x|| / ||x|| of x (..., size), E the span of the orthonormal columns ``vectors`` (..., size, rank); 0 at x = 0."""
    inside = np.linalg.norm(np.einsum("...sr,...s->...r", vectors, x), axis=-1)
    return np.asarray(inside / np.maximum(np.linalg.norm(x, axis=-1), np.finfo(float).tiny))


def outlier_count(values: Any, edge: Any) -> NDArray[np.int64]:
    """Number of eigenvalues (..., values) beyond ``BEYOND`` times the bulk's ``edge`` (...)."""
    return np.asarray(np.sum(values > BEYOND * np.asarray(edge)[..., None], axis=-1))
