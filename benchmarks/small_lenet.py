"""LeNet-5 made small enough for its J: two convolutions and three layers, 6,122 parameters, on MNIST's images at 14 x 14 pixels.

It trains with LeNet-5's optimiser, in three epochs of batches of 64: 468 steps.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import Array, Float

from claims import images
from claims.networks import Params, convolution, lecun_normal, max_pool, normal_bias, perceptron
from claims.training_jacobian.lenet.experiments import LENET
from harness import Network
from harness.engine.losses import cross_entropy

IMAGES, HELD_OUT = 9_984, 16  # of the 10,000 test images
SIDE, MARGIN = 14, 2
# kernels, input-major: two convolutions as (rows, columns, channels in, channels out), three layers as (in, out)
SHAPES = ((5, 5, 1, 4), (3, 3, 4, 8), (32, 64), (64, 48), (48, 10))


def init(seed: int) -> Params:
    """theta_0 in float64: a tuple of layers (kernel, bias), drawn as LeNet-5's."""
    return tuple(
        (lecun_normal(seed, f"small-lenet-kernel-{i}", shape), normal_bias(seed, f"small-lenet-bias-{i}", shape[-1], shape[-1]))
        for i, shape in enumerate(SHAPES)
    )


def apply(params: Any, x: Float[Array, "examples 14 14"]) -> Float[Array, "examples 10"]:
    """Logits."""
    (first, first_bias), (second, second_bias), *dense = params
    h = jax.nn.relu(max_pool(convolution(x[..., None], first, MARGIN)) + first_bias)
    h = jax.nn.relu(max_pool(convolution(h, second)) + second_bias)
    return perceptron(jax.nn.relu)(tuple(dense), h.reshape(len(x), -1))


def network(mnist: Path) -> Network:
    """The network on the images in a folder with MNIST's test files."""
    held = images.load_mnist(mnist, IMAGES + HELD_OUT)
    pixels = held.pixels.reshape(-1, SIDE, 2, SIDE, 2).mean(axis=(2, 4)).astype(np.float32)
    steps = IMAGES // LENET.batch * LENET.epochs
    return Network(
        init=init,
        apply=apply,
        loss=cross_entropy,
        data=(pixels[:IMAGES], held.labels[:IMAGES], pixels[IMAGES:], held.labels[IMAGES:]),
        optimiser=optax.adam(optax.cosine_decay_schedule(LENET.step_size, steps), eps_root=LENET.eps_root),
        epochs=LENET.epochs,
        batch=LENET.batch,
        name="small-lenet",
    )
