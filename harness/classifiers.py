"""Fully connected and small convolutional networks on one flat parameter vector theta, whose slices have names.

Kernels are drawn Glorot-uniform and biases start at zero, Keras' defaults when the paper was written (it does not say).
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.typing import NDArray

from harness.errors import InvalidInput
from harness.keys import numpy_stream
from harness.model import ACTIVATIONS

Floats = NDArray[np.float64]
WINDOW = 3  # width of every convolution


@dataclass(frozen=True)
class Conv:
    """A 3 x 3 convolution, ``SAME`` or ``VALID``, followed by 2 x 2 max-pooling where ``pool`` is true."""

    channels: int
    padding: str = "SAME"
    pool: bool = False


@dataclass(frozen=True)
class Block:
    """One layer's kernel or bias: its name, its shape, and where it lies in theta."""

    name: str
    shape: tuple[int, ...]
    start: int

    @property
    def stop(self) -> int:
        return self.start + int(np.prod(self.shape))

    def of(self, theta: Any) -> Any:
        """This block's part of theta (..., N), in its own shape."""
        return theta[..., self.start : self.stop].reshape(*theta.shape[:-1], *self.shape)


@dataclass(frozen=True)
class Network:
    """A network's layout and what it does.

    Attributes:
        blocks: kernels and biases in their order in theta, a kernel before its bias.
        outputs: (theta (N,), x (examples, ...)) -> (examples, classes).
    """

    blocks: tuple[Block, ...]
    outputs: Callable[[Array, Array], Array]

    @property
    def size(self) -> int:
        """N, the number of parameters."""
        return self.blocks[-1].stop

    def init(self, seed: int) -> Floats:
        """theta_0, float64 (N,): Glorot-uniform kernels, zero biases; a stream a block."""
        return np.concatenate([_glorot(block, seed).ravel() for block in self.blocks])


def _glorot(block: Block, seed: int) -> Floats:
    if len(block.shape) == 1:
        return np.zeros(block.shape)
    *window, fan_in, fan_out = block.shape
    limit = np.sqrt(6 / ((fan_in + fan_out) * np.prod(window)))
    return numpy_stream(seed, f"glorot-{block.name}").uniform(-limit, limit, block.shape)


def network(
    shape: Sequence[int], outputs: int, hidden: Sequence[int], activation: str = "relu", convolutions: Sequence[Conv] = ()
) -> Network:
    """A network: convolutions, then hidden layers, then a linear layer; without both, softmax regression.

    Args:
        shape: of one input: (features,), or (rows, columns, channels) where there are convolutions.
        outputs: number of outputs.
        activation: after every layer but the last; one of ``harness.model.ACTIVATIONS``.

    Raises:
        InvalidInput: unknown activation, or an image too small for its convolutions.
    """
    if activation not in ACTIVATIONS:
        raise InvalidInput(f"activation {activation!r} is unknown; allowed: {', '.join(sorted(ACTIVATIONS))}")
    act = ACTIVATIONS[activation]
    blocks: list[Block] = []
    for i, conv in enumerate(convolutions):
        _append(blocks, f"convolution {i + 1}", (WINDOW, WINDOW, shape[-1], conv.channels))
        shape = _after(conv, shape)
    widths = (int(np.prod(shape)), *hidden, outputs)
    for i, sizes in enumerate(itertools.pairwise(widths)):
        _append(blocks, f"layer {i + 1}", sizes)
    pairs = list(zip(blocks[::2], blocks[1::2], strict=True))

    def apply(theta: Float[Array, " N"], x: Array) -> Float[Array, "examples outputs"]:
        for conv, (kernel, bias) in zip(convolutions, pairs, strict=False):
            x = _convolve(conv, act, x, kernel.of(theta), bias.of(theta))
        x = x.reshape(len(x), -1)
        *inner, (kernel, bias) = pairs[len(convolutions) :]
        for inner_kernel, inner_bias in inner:
            x = act(x @ inner_kernel.of(theta) + inner_bias.of(theta))
        outputs: Array = x @ kernel.of(theta) + bias.of(theta)
        return outputs

    return Network(tuple(blocks), apply)


def _append(blocks: list[Block], layer: str, kernel: tuple[int, ...]) -> None:
    start = blocks[-1].stop if blocks else 0
    blocks.append(Block(f"{layer} kernel", kernel, start))
    blocks.append(Block(f"{layer} bias", kernel[-1:], blocks[-1].stop))


def _after(conv: Conv, shape: Sequence[int]) -> tuple[int, int, int]:
    lost = 0 if conv.padding == "SAME" else WINDOW - 1
    rows, columns = ((side - lost) // (2 if conv.pool else 1) for side in shape[:2])
    if rows < 1 or columns < 1:
        raise InvalidInput(f"{shape[0]} x {shape[1]} pixels are too few for {conv}: leave it out or pool less")
    return rows, columns, conv.channels


def _convolve(conv: Conv, act: Callable[[Array], Array], x: Array, kernel: Array, bias: Array) -> Array:
    # as shifted images side by side and one matrix product: on a CPU, second derivatives of convolutions take ten times longer
    margin = WINDOW // 2 if conv.padding == "SAME" else 0
    wide = jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    rows, columns = (side - WINDOW + 1 for side in wide.shape[1:3])
    shifted = [wide[:, i : i + rows, j : j + columns] for i in range(WINDOW) for j in range(WINDOW)]
    x = act(jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, kernel.shape[-1]) + bias)
    if not conv.pool:
        return x
    n, rows, columns, channels = x.shape
    # as a maximum over reshaped axes: reduce_window has no second derivative
    even = x[:, : rows // 2 * 2, : columns // 2 * 2]
    return jnp.max(even.reshape(n, rows // 2, 2, columns // 2, 2, channels), axis=(2, 4))


def losses(network: Network, kind: str) -> Callable[[Array, Array, Array], Array]:
    """(theta, x, y) -> the loss of each example: ``cross-entropy`` in nats, or ``squared-error`` (f - y)^2 of one output."""

    def cross_entropy(theta: Array, x: Array, y: Array) -> Float[Array, " examples"]:
        logits = jax.nn.log_softmax(network.outputs(theta, x))
        return -jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]

    def squared_error(theta: Array, x: Array, y: Array) -> Float[Array, " examples"]:
        return (network.outputs(theta, x)[:, 0] - y) ** 2

    known = {"cross-entropy": cross_entropy, "squared-error": squared_error}
    if kind not in known:
        raise InvalidInput(f"loss {kind!r} is unknown; allowed: {', '.join(known)}")
    return known[kind]
