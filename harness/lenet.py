"""LeNet-5 with ReLU (LeCun et al. 1998, in the form of today's libraries): 61,706 parameters on images of 28 x 28 pixels.

Kernels are drawn lecun-normal and biases N(0, 1 / width), as in the authors' notebook for the small network; appendix A.1 does
not say. With zero biases every blank part of an image puts ReLU and pooling on their kinks at theta_0, where training has no
derivative.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from harness.errors import InvalidInput
from harness.keys import numpy_stream
from harness.model import lecun_normal

SIDE = 28
WINDOW = 5
MARGIN = 2  # of the first convolution
# kernels, input-major: two convolutions as (rows, columns, channels in, channels out), three layers as (in, out)
SHAPES = ((WINDOW, WINDOW, 1, 6), (WINDOW, WINDOW, 6, 16), (400, 120), (120, 84), (84, 10))
SIZE = sum(int(np.prod(shape)) + shape[-1] for shape in SHAPES)


def init(seed: int) -> tuple[Any, ...]:
    """theta_0 in float64: a tuple of layers (kernel, bias). Every leaf has a stream of its own."""
    layers = []
    for i, shape in enumerate(SHAPES):
        bias = numpy_stream(seed, f"lenet-bias-{i}").normal(size=shape[-1]) / np.sqrt(shape[-1])
        layers.append((lecun_normal(seed, f"lenet-kernel-{i}", shape), bias))
    return tuple(layers)


def apply(params: Any, x: Float[Array, "examples 28 28"]) -> Float[Array, "examples 10"]:
    """Logits."""
    first, second, *dense = params
    h = jnp.pad(x, ((0, 0), (MARGIN, MARGIN), (MARGIN, MARGIN)))[..., None]
    h = _stage(_stage(h, *first), *second)
    h = h.reshape(len(x), -1)
    for kernel, bias in dense[:-1]:
        h = jax.nn.relu(h @ kernel + bias)
    kernel, bias = dense[-1]
    return h @ kernel + bias


def _stage(x: Array, kernel: Array, bias: Array) -> Array:
    """Convolution, 2 x 2 max-pooling and ReLU: in this order the same, at a quarter of the work, as ReLU before the pooling.

    The convolution is a matrix product of shifted images, and the pooling a maximum over reshaped axes: on a CPU, second
    derivatives of convolutions take ten times longer, and reduce_window has none.
    """
    rows, columns = (side - WINDOW + 1 for side in x.shape[1:3])
    shifted = [x[:, i : i + rows, j : j + columns] for i in range(WINDOW) for j in range(WINDOW)]
    h = jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])
    h = h.reshape(len(x), rows // 2, 2, columns // 2, 2, -1)
    return jax.nn.relu(jnp.max(h, axis=(2, 4)) + bias)


def scaled(images: NDArray[Any]) -> NDArray[np.float32]:
    """Square images (examples, side, side) brought to 28 x 28 pixels by bilinear interpolation; unchanged if they have that size.

    Raises:
        InvalidInput: the images are not square.
    """
    if images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise InvalidInput(f"images of shape {images.shape}: LeNet-5 takes square ones, (examples, side, side)")
    if images.shape[1] == SIDE:
        return images.astype(np.float32)
    resized = jax.image.resize(jnp.asarray(images, jnp.float32), (len(images), SIDE, SIDE), "linear")
    return np.asarray(resized)
