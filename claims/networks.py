"""The papers' networks: the initial distributions of their parameters, and their functions.

Parameters are a tuple of layers (kernel, bias), kernels input-major: x @ kernel + bias, and (rows, columns, in, out) for a
convolution. theta is the leaves in that order, each row-major. Every leaf is drawn from a stream of its own, so that no leaf
depends on the shape of another.
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

from harness.engine.columns_last import elementwise
from harness.engine.streams import numpy_stream
from harness.engine.trees import unflatten
from harness.errors import InvalidInput

Floats = NDArray[np.float64]
Layer = tuple[Any, Any]
Params = tuple[Layer, ...]

ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "gelu": elementwise(lambda x: jax.nn.gelu(x, approximate=True)),
    "relu": elementwise(jax.nn.relu),
    "softplus": elementwise(jax.nn.softplus),
    "tanh": elementwise(jnp.tanh),
}
# lecun-normal draws from a normal truncated at two standard deviations, rescaled to unit variance
TRUNCATED_STD = 0.87962566103423978


def activation(name: str) -> Callable[[Array], Array]:
    """The activation of that name.

    Raises:
        InvalidInput: there is no such activation.
    """
    if name not in ACTIVATIONS:
        raise InvalidInput(f"activation {name!r} is unknown; allowed: {', '.join(sorted(ACTIVATIONS))}")
    return ACTIVATIONS[name]


def lecun_normal(seed: int, name: str, shape: tuple[int, ...]) -> Floats:
    """A kernel (..., out) of variance 1 over its fan-in, normal and cut at two standard deviations."""
    from scipy.stats import truncnorm

    drawn = np.asarray(truncnorm.rvs(-2, 2, size=shape, random_state=numpy_stream(seed, name)))
    return drawn / (TRUNCATED_STD * np.sqrt(int(np.prod(shape[:-1]))))


def normal_bias(seed: int, name: str, size: int, width: int) -> Floats:
    """Biases N(0, 1 / width)."""
    return numpy_stream(seed, name).normal(size=size) / np.sqrt(width)


def glorot_uniform(seed: int, name: str, shape: tuple[int, ...]) -> Floats:
    """A kernel (..., in, out), uniform with variance 2 over the sum of fan-in and fan-out."""
    *window, fan_in, fan_out = shape
    limit = np.sqrt(6 / ((fan_in + fan_out) * np.prod(window)))
    return numpy_stream(seed, name).uniform(-limit, limit, shape)


def perceptron(act: Callable[[Array], Array]) -> Callable[[Params, Any], Any]:
    """(params, x (examples, inputs)) -> outputs (examples, outputs), with ``act`` after every layer but the last."""

    def apply(params: Params, x: Float[Array, "examples inputs"]) -> Float[Array, "examples outputs"]:
        *hidden, (kernel, bias) = params
        for layer_kernel, layer_bias in hidden:
            x = act(x @ layer_kernel + layer_bias)
        return x @ kernel + bias

    return apply


def convolution(x: Float[Array, "examples rows columns channels"], kernel: Array, margin: int = 0) -> Array:
    """``x``, with ``margin`` zeros around it, convolved with a square kernel (window, window, in, out).

    Computed as one matrix product of shifted images side by side: on a CPU, second derivatives of convolutions take ten times
    longer.
    """
    window = kernel.shape[0]
    wide = jnp.pad(x, ((0, 0), (margin, margin), (margin, margin), (0, 0)))
    rows, columns = (side - window + 1 for side in wide.shape[1:3])
    shifted = [wide[:, i : i + rows, j : j + columns] for i in range(window) for j in range(window)]
    return jnp.concatenate(shifted, axis=-1) @ kernel.reshape(-1, kernel.shape[-1])


def max_pool(x: Float[Array, "examples rows columns channels"]) -> Array:
    """The maximum over 2 x 2 pixels; an odd row or column at the edge is left out.

    Computed as a maximum over reshaped axes, since reduce_window has no second derivative.
    """
    n, rows, columns, channels = x.shape
    even = x[:, : rows // 2 * 2, : columns // 2 * 2]
    return jnp.max(even.reshape(n, rows // 2, 2, columns // 2, 2, channels), axis=(2, 4))


@dataclass(frozen=True)
class Conv:
    """A 3 x 3 convolution, ``SAME`` or ``VALID``, followed by 2 x 2 max-pooling where ``pool`` is true."""

    channels: int
    padding: str = "SAME"
    pool: bool = False

    WINDOW = 3

    @property
    def margin(self) -> int:
        return self.WINDOW // 2 if self.padding == "SAME" else 0

    def shape_after(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """Rows, columns and channels of an image of ``shape`` after this stage.

        Raises:
            InvalidInput: the image is too small.
        """
        lost = 0 if self.padding == "SAME" else self.WINDOW - 1
        rows, columns = ((side - lost) // (2 if self.pool else 1) for side in shape[:2])
        if rows < 1 or columns < 1:
            raise InvalidInput(f"{shape[0]} x {shape[1]} pixels are too few for {self}: leave it out or pool less")
        return rows, columns, self.channels


@dataclass(frozen=True)
class Classifier:
    """A network with named blocks of parameters.

    Kernels are drawn Glorot-uniform and biases start at zero: Keras' defaults when the second paper was written. The paper does
    not say.

    Attributes:
        shapes: of every kernel and bias by name, in the order of theta, a kernel before its bias.
        apply: (params, x (examples, ...)) -> (examples, outputs).
    """

    shapes: dict[str, tuple[int, ...]]
    apply: Callable[[Params, Array], Array]

    @property
    def size(self) -> int:
        """N, the number of parameters."""
        return sum(int(np.prod(shape)) for shape in self.shapes.values())

    @property
    def layers(self) -> dict[str, slice]:
        """The slice of theta for each layer, a kernel with its bias."""
        edges = np.cumsum([0, *(int(np.prod(shape)) for shape in self.shapes.values())])
        kernels = [name.removesuffix(" kernel") for name in self.shapes if name.endswith(" kernel")]
        return {name: slice(int(edges[2 * i]), int(edges[2 * i + 2])) for i, name in enumerate(kernels)}

    def init(self, seed: int) -> Floats:
        """theta_0, float64 (N,)."""
        drawn = [
            np.zeros(shape) if len(shape) == 1 else glorot_uniform(seed, f"glorot-{name}", shape)
            for name, shape in self.shapes.items()
        ]
        return np.concatenate([block.ravel() for block in drawn])

    def outputs(self, theta: Float[Array, " N"], x: Array) -> Float[Array, "examples outputs"]:
        """The outputs at the flat vector theta."""
        leaves = unflatten(theta, [np.empty(shape) for shape in self.shapes.values()])
        return self.apply(tuple(zip(leaves[::2], leaves[1::2], strict=True)), x)


def classifier(
    shape: Sequence[int], outputs: int, hidden: Sequence[int], activation_name: str = "relu", convolutions: Sequence[Conv] = ()
) -> Classifier:
    """A network: convolutions, then hidden layers, then a linear layer. A linear layer alone is softmax regression.

    Args:
        shape: of one input: (features,), or (rows, columns, channels) where there are convolutions.
        outputs: the number of outputs.
        activation_name: after every layer but the last; one of ``ACTIVATIONS``.

    Raises:
        InvalidInput: unknown activation, or an image too small for its convolutions.
    """
    act = activation(activation_name)
    kernels: dict[str, tuple[int, ...]] = {}
    for i, conv in enumerate(convolutions):
        kernels[f"convolution {i + 1}"] = (conv.WINDOW, conv.WINDOW, shape[-1], conv.channels)
        shape = conv.shape_after(shape)
    widths = (int(np.prod(shape)), *hidden, outputs)
    kernels |= {f"layer {i + 1}": sizes for i, sizes in enumerate(itertools.pairwise(widths))}
    shapes = {f"{layer} {part}": kernel[axes] for layer, kernel in kernels.items() for part, axes in PARTS.items()}

    def apply(params: Params, x: Array) -> Array:
        for conv, (kernel, bias) in zip(convolutions, params, strict=False):
            x = act(convolution(x, kernel, conv.margin) + bias)
            x = max_pool(x) if conv.pool else x
        return perceptron(act)(params[len(convolutions) :], x.reshape(len(x), -1))

    return Classifier(shapes, apply)


# axes of a kernel's shape that belong to each part of a layer
PARTS = {"kernel": slice(None), "bias": slice(-1, None)}


def example_losses(network: Classifier, kind: str) -> Callable[[Array, Array, Array], Array]:
    """(theta, x, y) -> the loss of each example: ``cross-entropy`` in nats, or ``squared-error`` (f - y)^2 of one output.

    Raises:
        InvalidInput: another kind.
    """

    def cross_entropy(theta: Array, x: Array, y: Array) -> Float[Array, " examples"]:
        logits = jax.nn.log_softmax(network.outputs(theta, x))
        return -jnp.take_along_axis(logits, y[:, None], axis=1)[:, 0]

    def squared_error(theta: Array, x: Array, y: Array) -> Float[Array, " examples"]:
        return (network.outputs(theta, x)[:, 0] - y) ** 2

    known = {"cross-entropy": cross_entropy, "squared-error": squared_error}
    if kind not in known:
        raise InvalidInput(f"loss {kind!r} is unknown; allowed: {', '.join(known)}")
    return known[kind]
