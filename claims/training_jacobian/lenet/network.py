"""LeNet-5 with ReLU (LeCun et al. 1998, in the form of today's libraries): 61,706 parameters on images of 28 x 28 pixels.

Kernels are drawn lecun-normal and biases N(0, 1 / width), as in the authors' notebook for the small network; appendix A.1 does
not say. With zero biases, blank parts of an image put ReLU and pooling exactly on their kinks at theta_0, where training has no
derivative.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from harness.engine.precision import with_exact_dtypes
from harness.errors import InvalidInput

from ...networks import Params, convolution, lecun_normal, max_pool, normal_bias, perceptron

SIDE = 28
WINDOW = 5
MARGIN = 2  # of the first convolution
# kernels, input-major: two convolutions as (rows, columns, channels in, channels out), three layers as (in, out)
SHAPES = ((WINDOW, WINDOW, 1, 6), (WINDOW, WINDOW, 6, 16), (400, 120), (120, 84), (84, 10))
SIZE = sum(int(np.prod(shape)) + shape[-1] for shape in SHAPES)


def init(seed: int) -> Params:
    """theta_0 in float64: a tuple of layers (kernel, bias)."""
    return tuple(
        (lecun_normal(seed, f"lenet-kernel-{i}", shape), normal_bias(seed, f"lenet-bias-{i}", shape[-1], shape[-1]))
        for i, shape in enumerate(SHAPES)
    )


def apply(params: Any, x: Float[Array, "examples 28 28"]) -> Float[Array, "examples 10"]:
    """Logits."""
    first, second, *dense = params
    h = _stage(_stage(x[..., None], *first, margin=MARGIN), *second)
    return perceptron(jax.nn.relu)(tuple(dense), h.reshape(len(x), -1))


def _stage(x: Array, kernel: Array, bias: Array, *, margin: int = 0) -> Array:
    """Convolution, 2 x 2 max-pooling and ReLU. ReLU after pooling gives the same result as before, at a quarter of the work."""
    return jax.nn.relu(max_pool(convolution(x, kernel, margin)) + bias)


@with_exact_dtypes
def scaled(images: NDArray[Any]) -> NDArray[np.float32]:
    """Square images (examples, side, side) scaled to 28 x 28 pixels by bilinear interpolation; unchanged if 28 x 28.

    Raises:
        InvalidInput: the images are not square.
    """
    if images.ndim != 3 or images.shape[1] != images.shape[2]:
        raise InvalidInput(f"images of shape {images.shape}: LeNet-5 takes square ones, (examples, side, side)")
    if images.shape[1] == SIDE:
        return images.astype(np.float32)
    resized = jax.image.resize(jnp.asarray(images, jnp.float32), (len(images), SIDE, SIDE), "linear")
    return np.asarray(resized)
