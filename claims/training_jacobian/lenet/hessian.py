"""Products with the Hessian of LeNet-5's loss, written out: more than twice as fast as JAX's derivative of the gradient.

LeNet-5 is piecewise linear. Between the kinks of ReLU and max-pooling, its loss has second derivatives only from its products of
kernels and activations, and from the softmax. One pass over a batch, :func:`linearise`, stores what all products at the same
parameters share: about a megabyte for 64 images in float32. A product then is a pass of tangents forward and a pass of adjoint tangents back
(Pearlmutter, Neural Computation 6, 1994). Its matrix products run along the examples, which are the last axis everywhere.

Pooling selects one pixel of four, and ReLU lets some of these through. Only the patches around them have an influence. So the
first convolution, whose images never change, works with a quarter of all patches. Every product takes these from the images again:
kept, they would be seven times as large as the rest.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Bool, Float, Int8

from .network import MARGIN, SIDE, WINDOW

HIGHEST = lax.Precision.HIGHEST
NOWHERE = 4  # the place that ReLU lets nothing through
FIRST, SECOND = SIDE // 2, (SIDE // 2 - WINDOW + 1) // 2  # rows and columns after each stage


class Linear(NamedTuple):
    """What all products at the same parameters share, for n examples.

    Attributes:
        place: the pixel of four that pooling selects after the first convolution, 0 to 3 row by row, or :data:`NOWHERE`.
        h: activations after the first stage, (6, 14, 14, n).
        selected: pixels that pooling selects and ReLU lets through after the second convolution, (16, 5, 2, 5, 2, n).
        pulled: adjoints of these pixels, and zeros, (16, 10 x 10 x n).
        hidden: inputs of the three layers: (400, n), (120, n), (84, n).
        adjoints: of the layers' outputs before ReLU, (120, n), (84, n), (10, n).
        shares: softmax of the logits, (10, n).
    """

    place: Int8[Array, "6 14 14 n"]
    h: Array
    selected: Bool[Array, "16 5 2 5 2 n"]
    pulled: Array
    hidden: tuple[Array, ...]
    adjoints: tuple[Array, ...]
    shares: Array


def linearise(params: Any, batch: tuple[Array, Array]) -> Linear:
    """The shared part of all products at ``params`` for a batch (x (n, 28, 28), labels (n,))."""
    (first, first_bias), (second, second_bias), *dense = params
    images = _padded(batch[0])
    n = images.shape[-1]
    place, h = _pooled(_dot(_matrix(first).T, _patches(images[None], SIDE)).reshape(-1, FIRST, 2, FIRST, 2, n), first_bias)
    moved = _dot(_matrix(second).T, _patches(h, 2 * SECOND))
    place_again, pooled = _pooled(moved.reshape(-1, SECOND, 2, SECOND, 2, n), second_bias)
    selected = place_again[:, :, None, :, None] == jnp.arange(4, dtype=jnp.int8).reshape(2, 1, 2, 1)
    hidden = [_flat(pooled)]
    for kernel, bias in dense[:-1]:
        hidden.append(jnp.maximum(_dot(kernel.T, hidden[-1]) + bias[:, None], 0))
    shares = jax.nn.softmax(_dot(dense[-1][0].T, hidden[-1]) + dense[-1][1][:, None], axis=0)

    adjoint = (shares - jax.nn.one_hot(batch[1], len(shares), axis=0, dtype=shares.dtype)) / n
    adjoints = [adjoint]
    for (kernel, _), into in zip(dense[:0:-1], hidden[:0:-1], strict=True):
        adjoint = jnp.where(into > 0, _dot(kernel, adjoint), 0)
        adjoints.append(adjoint)
    pulled = _spread(_folded(_dot(dense[0][0], adjoint)), selected)
    return Linear(place, h, selected, pulled, tuple(hidden), tuple(adjoints[::-1]), shares)


def product(params: Any, batch: tuple[Array, Array], linear: Linear, vector: Any) -> Any:
    """H ``vector``, trees like ``params``, for what :func:`linearise` found at the same parameters and batch."""
    second, dense = _matrix(params[1][0]), params[2:]
    (dfirst, dfirst_bias), (dsecond, dsecond_bias), *ddense = vector
    seen, active, n = _seen(_padded(batch[0]), linear.place), linear.place < NOWHERE, linear.shares.shape[-1]

    dh = jnp.einsum("kc,ckp->cp", _matrix(dfirst), seen, precision=HIGHEST).reshape(active.shape)
    dh += jnp.where(active, dfirst_bias[:, None, None, None], 0)
    patches, dpatches = (_patches(h, 2 * SECOND) for h in (linear.h, dh))
    moved = _dot(second.T, dpatches) + _dot(_matrix(dsecond).T, patches) + dsecond_bias[:, None]
    dhidden = [_flat(jnp.sum(jnp.where(linear.selected, moved.reshape(linear.selected.shape), 0), axis=(2, 4)))]
    for i, ((kernel, _), (dkernel, dbias)) in enumerate(zip(dense, ddense, strict=True)):
        after = _dot(kernel.T, dhidden[i]) + _dot(dkernel.T, linear.hidden[i]) + dbias[:, None]
        dhidden.append(after if i + 1 == len(dense) else jnp.where(linear.hidden[i + 1] > 0, after, 0))
    dlogits = dhidden[-1]
    dadjoint = linear.shares * (dlogits - jnp.sum(linear.shares * dlogits, axis=0)) / n

    found = []
    for i in reversed(range(len(dense))):
        h, adjoint = linear.hidden[i], linear.adjoints[i]
        found.append((_dot(h, dadjoint.T) + _dot(dhidden[i], adjoint.T), jnp.sum(dadjoint, axis=1)))
        dadjoint = _dot(dense[i][0], dadjoint) + _dot(ddense[i][0], adjoint)
        if i:
            dadjoint = jnp.where(h > 0, dadjoint, 0)
    dpulled = _spread(_folded(dadjoint), linear.selected)
    dkernel = _dot(patches, dpulled.T) + _dot(dpatches, linear.pulled.T)
    found.append((dkernel.reshape(params[1][0].shape), jnp.sum(dpulled, axis=1)))
    both = _dot(jnp.concatenate([second, _matrix(dsecond)], axis=1), jnp.concatenate([dpulled, linear.pulled]))
    dh = _sum_of_patches(both.reshape(WINDOW, WINDOW, -1, 2 * SECOND, 2 * SECOND, n))
    dkernel = jnp.einsum("cp,ckp->kc", dh.reshape(len(dh), -1), seen, precision=HIGHEST)
    found.append((dkernel.reshape(params[0][0].shape), jnp.sum(jnp.where(active, dh, 0), axis=(1, 2, 3))))
    return tuple(found[::-1])


def _dot(left: Array, right: Array) -> Array:
    return jnp.dot(left, right, precision=HIGHEST)


def _matrix(kernel: Float[Array, "rows columns in out"]) -> Array:
    return kernel.reshape(-1, kernel.shape[-1])


def _padded(x: Float[Array, "n 28 28"]) -> Float[Array, "32 32 n"]:
    return jnp.pad(jnp.moveaxis(x, 0, -1), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)))


def _patches(images: Float[Array, "channels rows columns n"], side: int) -> Array:
    """The windows around all pixels of images of ``side``, (5 x 5 x channels, side x side x n)."""
    windows = [images[:, i : i + side, j : j + side] for i in range(WINDOW) for j in range(WINDOW)]
    return jnp.concatenate(windows).reshape(len(windows) * len(images), -1)


def _sum_of_patches(patches: Float[Array, "5 5 channels side side n"]) -> Array:
    """The transpose of :func:`_patches`: images (channels, rows, columns, n)."""
    return lax.platform_dependent(patches, cpu=_summed_in_place, default=_summed_at_once)


def _summed_in_place(patches: Array) -> Array:
    _, _, channels, side, _, n = patches.shape
    total = jnp.zeros((channels, side + WINDOW - 1, side + WINDOW - 1, n), patches.dtype)
    for i in range(WINDOW):
        for j in range(WINDOW):
            total = total.at[:, i : i + side, j : j + side].add(patches[i, j])
    return total


def _summed_at_once(patches: Array) -> Array:
    """One pass over memory, where an accelerator would take one for each of 25 windows."""
    last = WINDOW - 1
    windows = [
        jnp.pad(patches[i, j], ((0, 0), (i, last - i), (j, last - j), (0, 0))) for i in range(WINDOW) for j in range(WINDOW)
    ]
    return functools.reduce(jnp.add, windows)


def _pooled(images: Float[Array, "channels rows 2 columns 2 n"], bias: Array) -> tuple[Array, Array]:
    """The first of the highest pixels of each square, :data:`NOWHERE` where ReLU is inactive, and its value after ReLU."""
    squares = jnp.stack([images[:, :, a, :, b] for a in range(2) for b in range(2)])
    value = jnp.max(squares, axis=0) + bias[:, None, None, None]
    place = jnp.where(value > 0, jnp.argmax(squares, axis=0), NOWHERE).astype(jnp.int8)
    return place, jnp.maximum(value, 0)


def _spread(pooled: Float[Array, "channels rows columns n"], selected: Array) -> Array:
    """The adjoint of pooling and ReLU, (channels, pixels x n)."""
    return jnp.where(selected, pooled[:, :, None, :, None], 0).reshape(len(pooled), -1)


def _seen(images: Float[Array, "32 32 n"], place: Int8[Array, "channels 14 14 n"]) -> Array:
    """The patches around the selected pixels, zero where there is none, (channels, 25, 14 x 14 x n)."""
    found = []
    for i in range(WINDOW):
        for j in range(WINDOW):
            pixel = jnp.zeros(place.shape, images.dtype)
            for a in range(2):
                for b in range(2):
                    around = images[i + a : i + a + SIDE : 2, j + b : j + b + SIDE : 2]
                    pixel = jnp.where(place == 2 * a + b, around, pixel)
            found.append(pixel)
    return jnp.stack(found, axis=1).reshape(len(place), WINDOW**2, -1)


def _flat(images: Float[Array, "channels rows columns n"]) -> Array:
    """The inputs of the first layer, in the order of the network: (rows x columns x channels, n)."""
    return jnp.moveaxis(images, 0, 2).reshape(-1, images.shape[-1])


def _folded(flat: Array) -> Array:
    """The inverse of :func:`_flat`."""
    return jnp.moveaxis(flat.reshape(SECOND, SECOND, -1, flat.shape[-1]), 2, 0)
