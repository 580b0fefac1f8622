"""A three-layer ReLU network on the XOR mixture, f = v . g(B g(A x)): eigenspaces of the blocks of all layers, before and after.

The abstract says that alignment occurs in every layer of multi-layer networks; we do not know which networks were tried. This
network has the neurons, ridge, step size and horizon of the two-layer network of its experiment, and the same number of neurons
in both layers.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Float

from harness.engine.streams import numpy_stream
from harness.errors import NotFinite

from . import eigenspaces as outliers
from .mixtures import Mixture
from .one_pass import CHUNK, Params, Stream, initial, one_pass
from .theory import TYPES

FIRST = 2  # outliers of a first-layer block: the span of mu and nu


class Layers(NamedTuple):
    """One value for each layer: neurons of the first layer, neurons of the middle layer, the last layer as a single row."""

    first: Any
    middle: Any
    last: Any


def split(last: Any, neurons: int) -> tuple[Any, Any]:
    """Middle layer (..., neurons, neurons) and last layer (..., neurons) from one vector (..., neurons (neurons + 1))."""
    size = neurons * neurons
    return last[..., :size].reshape(*last.shape[:-1], neurons, neurons), last[..., size:]


def three_layer_relu(s: Float[Array, " neurons"], last: Float[Array, " weights"], y: Any) -> Any:
    """Logistic loss, in nats, of f = v . relu(B relu(s)) at the label y in {0, 1}; ``last`` holds B and v."""
    middle, final = split(last, len(s))
    f = final @ jax.nn.relu(middle @ jax.nn.relu(s))
    return jax.nn.softplus(f) - y * f


class Moment(NamedTuple):
    """The network of every trajectory at one time.

    Attributes:
        rows: each layer's rows: (trajectories, neurons, dimension), (trajectories, neurons, neurons), (trajectories, 1, neurons).
        spaces: matrix -> top eigenvectors of each row's own block, as columns: (trajectories, rows, size, 2 or 4).
        live: whether a row counts: neurons whose outgoing weights are at least a tenth of the largest of their layer.
    """

    rows: Layers
    spaces: Mapping[str, Layers]
    live: Layers


def moments(run: Any) -> tuple[Moment, Moment]:
    """Before and after SGD, on the run's mixture at its lambda; trained and measured once."""
    held = run.arrays("three-layers", lambda: _measured(run), modules=(Mixture, one_pass, outliers, moments))
    return _moment(held, "start"), _moment(held, "end")


def _moment(held: Mapping[str, Any], when: str) -> Moment:
    params = Params(held[f"{when}-rows"], held[f"{when}-last"])
    middle, final = split(params.last, params.rows.shape[1])
    spaces = {m: Layers(*(held[f"{when}-{m}-{layer}"] for layer in Layers._fields)) for m in outliers.Pair._fields}
    outgoing = np.linalg.norm(final[..., None] * middle, axis=1)
    live = Layers(_live(outgoing), _live(np.abs(final)), np.ones((len(final), 1), bool))
    return Moment(Layers(params.rows, middle, final[:, None]), spaces, live)


def _live(size: Any) -> Any:
    return size >= 0.1 * size.max(axis=1, keepdims=True)


def _measured(run: Any) -> dict[str, Any]:
    start = _start(run.experiment)
    found: dict[str, Any] = {}
    for when, params in (("start", start), ("end", _train(run, start))):
        found |= {f"{when}-{name}": np.asarray(leaf, np.float64) for name, leaf in params._asdict().items()}
        found |= {f"{when}-{name}": vectors for name, vectors in _spaces(run, params).items()}
    return found


def _start(experiment: Any) -> Params:
    """Rows of the first and middle layers N(0, I / their length), last layer N(0, 1), as in two layers."""
    e = experiment
    rows, final = initial(e.seed, e.trajectories, e.width, e.dimension, last=True)
    middle = numpy_stream(e.seed, "middle layer").normal(size=(e.trajectories, e.width**2)) / np.sqrt(e.width)
    return Params(*(leaf.astype(e.precision) for leaf in (rows, np.concatenate([middle, final], axis=1))))


def _stream(run: Any, name: str) -> Stream:
    e = run.experiment
    return Stream(run.mixture, e.snr, e.precision, e.seed, f"three layers, {name}", e.trajectories)


def _train(run: Any, params: Params) -> Params:
    e, chunks = run.experiment, round(run.experiment.horizon * run.experiment.dimension / CHUNK)
    step_size, ridge = np.array([e.step / e.dimension, e.ridge], e.precision)
    with run.lab.progress.stage(f"{run.label}: three layers", chunks) as progress:
        for x, y in _stream(run, "examples").chunks(0, chunks):
            params = _trainer()(params, x, y, step_size, ridge)
            progress.advance()
    if not all(np.isfinite(leaf).all() for leaf in params):
        raise NotFinite(f"{run.label}: a network of three layers diverged: lower the step")
    return params


def _spaces(run: Any, params: Params) -> dict[str, Any]:
    """Top eigenvectors of each row's own block of both matrices on fresh examples, all layers."""
    e, found = run.experiment, []
    x, y = _stream(run, "test examples").chunk(0, e.test_examples)
    start = numpy_stream(0, "krylov start").normal(size=(e.dimension, FIRST + outliers.SPARE))
    examples = np.ascontiguousarray(np.swapaxes(x, 0, 1), np.float64), np.ascontiguousarray(y.T)
    for rows, last, xs, ys in zip(*(np.asarray(leaf, np.float64) for leaf in params), *examples, strict=True):
        weights, blocks = _blocks()(Params(rows, last), xs, ys)
        each: dict[str, Any] = {}
        for matrix in outliers.Pair._fields:
            space = outliers.block_space(xs, np.asarray(getattr(weights, matrix)), e.snr, FIRST, start)
            tops = _tops(np.asarray(getattr(blocks, matrix), np.float64), e.width)
            each |= {f"{matrix}-{layer}": vectors for layer, vectors in zip(Layers._fields, (space.vectors, *tops), strict=True)}
        found.append(each)
    return {name: np.stack([each[name] for each in found]) for name in found[0]}


def _tops(block: Any, neurons: int) -> tuple[Any, Any]:
    """Top eigenvectors of the diagonal blocks of the middle layer's rows and of the last layer."""
    size = neurons * neurons
    rows = block[:size, :size].reshape(neurons, neurons, neurons, neurons)
    middle = np.linalg.eigh(np.stack([rows[r, :, r] for r in range(neurons)]))[1]
    last = np.linalg.eigh(block[None, size:, size:])[1]
    return middle[..., ::-1][..., :TYPES], last[..., ::-1][..., :TYPES]


@functools.cache
def _trainer() -> Any:
    return jax.jit(jax.vmap(one_pass(three_layer_relu), (0, 1, 1, None, None)))


@functools.cache
def _blocks() -> Any:
    """(params, x, y) of one trajectory -> weights of the first layer's blocks, and the other layers' block."""
    weights, blocks = outliers.block_weights(three_layer_relu), outliers.last_blocks(three_layer_relu)
    return jax.jit(lambda params, x, y: (weights(params, x, y), blocks(params, x, y)))
