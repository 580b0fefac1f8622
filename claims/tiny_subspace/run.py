"""A run of the second paper: trains, and measures the top Hessian eigenpairs and the whole set's gradient on the way."""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from numpy.typing import NDArray

from harness.engine import descent, eigenpairs, hessian
from harness.engine.streams import numpy_stream
from harness.engine.training import State
from harness.errors import NotRun
from harness.measure import hessian_subspace as measure
from harness.runs import run as runs

from .. import images, networks
from .experiments import STRIDE, Architecture, SubspaceExperiment

CODE = (descent, eigenpairs, hessian, networks, measure)
CHUNK = 2000  # examples a Hessian chunk: products with one chunk work within the cache
SHIFTED = 8  # chunks in place of one before convolutions, which store nine shifted copies of each image
DRAWS = 8  # random vectors of the whole space a run
PARTS = ("whole", "top", "next", "complement", "random")  # of the gradient, see harness.measure.hessian_subspace
SINE = 1000  # regression samples; the paper does not say how many


@dataclass(frozen=True, eq=False)
class Examples:
    """The data: inputs (examples, ...), labels (examples,), their description and their digest."""

    x: NDArray[Any]
    y: NDArray[Any]
    origin: str
    digest: str

    def at(self, chosen: Any) -> Examples:
        """Some of the examples."""
        return dataclasses.replace(self, x=self.x[chosen], y=self.y[chosen])


@dataclass(frozen=True)
class Problem:
    """The dependencies of a compiled function: input shape, outputs, architecture, loss. Seeds and data sets share it."""

    shape: tuple[int, ...]
    outputs: int
    architecture: Architecture
    loss: str


@functools.cache
def network(problem: Problem) -> networks.Classifier:
    """The problem's network."""
    how = problem.architecture
    convolutions = [networks.Conv(*stage) for stage in how.convolutions]
    return networks.classifier(problem.shape, problem.outputs, how.hidden, how.activation, convolutions)


@functools.cache
def linearised(problem: Problem) -> Callable[..., hessian.Linearised]:
    """:func:`harness.engine.hessian.linearise` of the problem, compiled."""
    return jax.jit(hessian.linearise(networks.example_losses(network(problem), problem.loss)))


@functools.cache
def mean_loss(problem: Problem) -> Callable[..., jax.Array]:
    """:func:`harness.engine.hessian.mean_loss` of the problem, compiled."""
    return jax.jit(hessian.mean_loss(networks.example_losses(network(problem), problem.loss)))


@functools.cache
def trainer(
    problem: Problem, optimiser: str, step_size: float, side: str
) -> tuple[optax.GradientTransformation, descent.Advance]:
    """The update rule, and :func:`harness.engine.descent.advance` with it, compiled."""
    update = optax.adam(step_size) if optimiser == "adam" else optax.sgd(step_size)
    return update, jax.jit(descent.advance(networks.example_losses(network(problem), problem.loss), update, side))


_product = jax.jit(hessian.product)
_products = jax.jit(hessian.products)
BLOCK = 16  # columns of a dense Hessian at once; with more, the activations of all examples leave the cache


def applied(at: hessian.Linearised) -> eigenpairs.Product:
    """v -> H v at the linearised point, float64 in and out, in the precision of the network between."""

    def product(v: NDArray[Any]) -> NDArray[np.float64]:
        cast = jnp.asarray(v, at.gradient.dtype)
        return np.asarray(hessian.summed(_product(push, cast) for push in at.pushes), np.float64)

    return product


def dense(at: hessian.Linearised) -> NDArray[np.float64]:
    """The whole Hessian (N, N) at the linearised point, symmetrised: a product carries float32's rounding."""
    size = len(at.gradient)
    columns = np.eye(size, dtype=at.gradient.dtype)
    blocks = [columns[:, i : i + BLOCK] for i in range(0, size, BLOCK)]
    parts = [np.asarray(hessian.summed(_products(push, block) for push in at.pushes)) for block in blocks]
    found = np.concatenate(parts, axis=1).astype(np.float64)
    return (found + found.T) / 2


class Run(runs.Run):
    """A run of a :class:`.experiments.SubspaceExperiment`."""

    experiment: SubspaceExperiment
    recorded_by = f"{__package__}.stages"

    def prepare(self) -> None:
        if not self.missing:
            self.measured  # noqa: B018 - the long work; without the data each claim says that it is not run, and why

    @property
    def missing(self) -> str:
        if self.experiment.data == "mnist" and self.lab.options.get("mnist") is None:
            return "there is no MNIST here: give the folder of its idx files with --claims-mnist DIR or MNIST_DIR"
        if self.experiment.data == "cifar10" and not os.environ.get("CIFAR10_DIR"):
            return "there is no CIFAR10: set CIFAR10_DIR to the folder with data_batch_1.bin to data_batch_5.bin"
        return ""

    @cached_property
    def examples(self) -> Examples:
        """The data set.

        Raises:
            NotRun: the user has not given its place.
            InvalidInput: the files are there but not valid.
        """
        return self._split[0]

    @property
    def held_out(self) -> Examples:
        """The examples that training never sees; none unless the experiment holds some out."""
        return self._split[1]

    @cached_property
    def _split(self) -> tuple[Examples, Examples]:
        every, count = self._every_example, getattr(self.experiment, "held_out", 0)
        if not count:
            return every, every.at(slice(0, 0))
        order = numpy_stream(self.experiment.data_seed, "held-out").permutation(len(every.x))
        return every.at(np.sort(order[count:])), every.at(np.sort(order[:count]))

    @property
    def _every_example(self) -> Examples:
        if self.missing:
            raise NotRun(self.missing)
        if self.experiment.data == "sine":
            return _sine(self.experiment.data_seed)
        held = {"mnist": self._mnist, "digits": images.digits, "cifar10": _cifar10}[self.experiment.data]()
        convolutional = bool(self.experiment.architecture.convolutions)
        x = held.pixels.reshape(*held.pixels.shape[:3], -1) if convolutional else held.flat
        found = Examples(x, relabelled(held.labels, self.experiment), held.origin, held.digest)
        classes = getattr(self.experiment, "classes", 0)
        return found.at(held.labels < classes) if classes else found

    def _mnist(self) -> images.Images:
        return images.load_mnist(self.lab.options["mnist"], self.experiment.images)

    @property
    def network(self) -> networks.Classifier:
        return network(self.problem)

    @property
    def problem(self) -> Problem:
        e = self.experiment
        loss = "squared-error" if e.data == "sine" else "cross-entropy"
        return Problem(self.examples.x.shape[1:], e.outputs, e.architecture, loss)

    @cached_property
    def measured(self) -> Any:
        """All measurements on the way, as named arrays; see :meth:`_measure`."""
        label = f"{self.label}: training and eigenpairs"
        with self.lab.progress.stage(label, len(self._stops)) as stage:
            return self.arrays("tiny-subspace", lambda: self._measure(stage), modules=CODE, data=self.examples.digest)

    @cached_property
    def history(self) -> measure.History:
        """Top eigenpairs along training."""
        held = self.measured
        return measure.History(held["eigen_steps"], held["values"], held["shares"], held["cross"], held["leading"])

    @cached_property
    def overlaps(self) -> measure.Overlaps:
        """Hessian-gradient overlaps along training."""
        held = self.measured
        return measure.Overlaps(held["steps"], held["overlap"], held["loss"], held["gradient_norm"], held["random_overlap"])

    @cached_property
    def held_out_overlaps(self) -> measure.Overlaps:
        """As :attr:`overlaps`, for the loss over the held-out examples."""
        held = self.measured
        overlap, loss, norm = (held[f"held_out_{name}"] for name in ("overlap", "loss", "gradient_norm"))
        return measure.Overlaps(held["steps"], overlap, loss, norm, held["random_overlap"])

    @cached_property
    def falls(self) -> dict[int, dict[str, float]]:
        """At each eigen step, the fall of the loss in one step along each of PARTS of the gradient."""
        rows = zip(self.measured["eigen_steps"].tolist(), self.measured["falls"].tolist(), strict=True)
        return {step: dict(zip(PARTS, row, strict=True)) for step, row in rows}

    @cached_property
    def spectra(self) -> NDArray[np.float64]:
        """All Hessian eigenvalues at the eigen steps, descending, (times, N), of an experiment that asks for them."""
        return np.asarray(self.measured["spectra"])

    def realisations(self, count: int) -> list[Run]:
        """``count`` runs of this experiment, each with its own seed; no two seeds of the experiment share a run."""
        first = self.experiment.seed * count
        return [Run(dataclasses.replace(self.experiment, seed=first + i), self.lab) for i in range(count)]

    @cached_property
    def layers(self) -> dict[str, slice]:
        """The slice of theta for each layer (a kernel with its bias)."""
        return self.network.layers

    @property
    def _stops(self) -> list[int]:
        return sorted({*self.experiment.eigen_steps, *self.experiment.overlap_steps})

    def _descent(self, hessian_at: Callable[[Any], eigenpairs.Product]) -> Iterator[tuple[int, Any]]:
        e, data = self.experiment, self.examples
        update, whole = trainer(self.problem, e.optimiser, e.step_size, "whole")
        confined = trainer(self.problem, e.optimiser, e.step_size, e.side)[1]
        x, y = self._cast(data.x), self._cast(data.y)

        def segment(step: int, state: State, chosen: jax.Array) -> State:
            if e.side == "whole" or step < e.confined_from:
                return whole(state, chosen, x, y)
            basis = self._eigenpairs(hessian_at(state[0]), e.outputs).vectors
            return confined(state, chosen, x, y, self._cast(basis))

        theta = jnp.asarray(self.network.init(e.seed), e.precision)
        return descent.stops(segment, (theta, update.init(theta)), self.order, self._stops, STRIDE)

    @property
    def order(self) -> NDArray[np.int32]:
        """The examples of each step; no examples stand for the whole set."""
        e = self.experiment
        if not e.batch:
            return np.zeros((e.steps, 0), np.int32)
        return descent.batch_order(len(self.examples.x), e.batch, e.steps, e.data_seed)

    def _cast(self, values: NDArray[Any]) -> jax.Array:
        return jnp.asarray(values, self.experiment.precision if values.dtype.kind == "f" else None)

    def _measure(self, stage: Any) -> dict[str, Any]:
        """At every stop: loss, |g|, overlap; at the eigen steps: eigenvalues, shares of the gradient, spans, leading vector."""
        chunks = self._chunks(self.examples)
        linearise, falls = self._linearise(chunks), self._falls(chunks)
        outside = self._linearise(self._chunks(self.held_out)) if len(self.held_out.x) else None
        rows, pairs = [], []
        for step, theta in self._descent(lambda theta: applied(linearise(theta))):
            at = linearise(theta)
            rows.append({"steps": step, **_row(at), **_held_out_row(outside, theta)})
            if step in self.experiment.eigen_steps:
                found = self._eigenpairs(applied(at), self.experiment.eigenpairs)
                whole = np.linalg.eigvalsh(dense(at))[::-1] if getattr(self.experiment, "dense", False) else np.zeros(0)
                gradient = np.asarray(at.gradient, np.float64)
                pairs.append((found, gradient, falls(theta, gradient, found.vectors), whole))
            stage.advance()
        apply, drawn = applied(at), self._stream("random-vectors").standard_normal((DRAWS, self.network.size))
        random = np.array([measure.overlap(v, apply(v)) for v in drawn])
        return {**_rows(rows), **_pairs(self.experiment.eigen_steps, pairs), "random_overlap": random}

    def _linearise(self, chunks: list[hessian.Chunk]) -> Callable[[Any], hessian.Linearised]:
        """theta -> the loss over all examples of these chunks, linearised."""
        return lambda theta: hessian.joined([linearised(self.problem)(theta, *chunk) for chunk in chunks])

    def _chunks(self, examples: Examples) -> list[hessian.Chunk]:
        size = CHUNK // SHIFTED if self.experiment.architecture.convolutions else CHUNK
        return hessian.chunks(self._cast(examples.x), self._cast(examples.y), size)

    def _falls(self, chunks: list[hessian.Chunk]) -> Callable[[Any, Any, Any], NDArray[np.float64]]:
        """(theta, gradient, eigenvectors) -> the fall of the loss in one step of the training's size along each of PARTS."""
        step_size, k = self.experiment.step_size, self.experiment.outputs
        random = np.linalg.qr(self._stream("random-subspace").standard_normal((self.network.size, k)))[0]

        def loss(theta: Any) -> float:
            return float(hessian.summed(mean_loss(self.problem)(theta, *chunk) for chunk in chunks))

        def falls(theta: Any, gradient: NDArray[np.float64], vectors: NDArray[np.float64]) -> NDArray[np.float64]:
            parts = measure.gradient_parts(gradient, vectors, k, random)
            return loss(theta) - np.array([loss(theta - step_size * self._cast(parts[name])) for name in PARTS])

        return falls

    def _eigenpairs(self, apply: eigenpairs.Product, k: int) -> eigenpairs.Eigenpairs:
        start = self._stream("lanczos-start").standard_normal(self.network.size)
        return eigenpairs.top_eigenpairs(apply, self.network.size, k, start=start)

    def _stream(self, name: str) -> np.random.Generator:
        return numpy_stream(self.experiment.seed, name)


def relabelled(labels: NDArray[np.int64], experiment: SubspaceExperiment) -> NDArray[np.int64]:
    """The experiment's labels: true, even or odd, or permuted over the images."""
    if experiment.labels == "permuted":
        return numpy_stream(experiment.seed, "label-permutation").permutation(labels)
    return labels % 2 if experiment.labels == "parity" else labels


def _sine(seed: int) -> Examples:
    """One period of a sine with Gaussian noise of standard deviation 0.1 (Table 1)."""
    rng = numpy_stream(seed, "sine-samples")
    x = rng.uniform(0, 2 * np.pi, (SINE, 1))
    y = np.sin(x[:, 0]) + 0.1 * rng.standard_normal(SINE)
    return Examples(x, y, f"{SINE} samples of one period of a sine, noise 0.1", f"sine-{seed}")


def _cifar10() -> images.Images:
    return images.read_cifar10(Path(os.environ["CIFAR10_DIR"]))


def _row(at: hessian.Linearised) -> dict[str, float]:
    gradient = np.asarray(at.gradient, np.float64)
    overlap = measure.overlap(gradient, applied(at)(gradient))
    return {"loss": float(at.loss), "gradient_norm": float(np.linalg.norm(gradient)), "overlap": overlap}


def _held_out_row(outside: Callable[[Any], hessian.Linearised] | None, theta: Any) -> dict[str, float]:
    if outside is None:
        return {}
    return {f"held_out_{name}": value for name, value in _row(outside(theta)).items()}


def _rows(rows: list[dict[str, float]]) -> dict[str, Any]:
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def _pairs(steps: tuple[int, ...], found: list[tuple[eigenpairs.Eigenpairs, Any, Any, Any]]) -> dict[str, Any]:
    if not found:
        return {}
    return {
        "eigen_steps": np.array(steps),
        "values": np.stack([pairs.values for pairs, *_ in found]),
        "residuals": np.stack([pairs.residuals for pairs, *_ in found]),
        "shares": np.stack([measure.gradient_shares(pairs.vectors, gradient) for pairs, gradient, *_ in found]),
        "cross": measure.cross_products([pairs.vectors for pairs, *_ in found]),
        "leading": np.stack([pairs.vectors[:, 0] for pairs, *_ in found]).astype(np.float32),
        "falls": np.stack([falls for _, _, falls, _ in found]),
        "spectra": np.stack([whole for *_, whole in found]),
    }
