"""A run of the third paper: a batch of trajectories of one-pass SGD, and the outlier eigenspaces along it."""

from __future__ import annotations

import copy
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput, NotFinite
from harness.runs import run as runs

from . import eigenspaces as outliers
from .eigenspaces import SPARE, Eigenspace, Pair
from .experiments import OnePass
from .mixtures import Mixture
from .one_pass import CHUNK, HEADS, Params, Stream, initial, loss, one_pass

CODE = (Mixture, one_pass, outliers)
# Trajectories worked on at once: more of them fall out of cache.
GROUP = 256
# Trajectories whose whole matrices are looked at: one tells much the same as another.
WHOLE = 8


class Run(runs.Run):
    """A run of the third paper, looked at after one of its snapshots (the last one, unless it is a view made by :meth:`after`).

    Leading axis of every array: trajectories. ``matrix`` is ``hessian`` or ``gradients``; ``data`` is ``test`` (fresh examples) or
    ``training`` (as many of the latest examples that SGD has seen).
    """

    experiment: OnePass
    recorded_by = f"{__package__}.stages"

    def __init__(self, experiment: OnePass, lab: runs.Lab) -> None:
        super().__init__(experiment, lab)
        self.at = experiment.snapshots
        self._directions: Any = None
        self._held: dict[Any, Any] = {}
        self.mixture = Mixture(
            experiment.task,
            experiment.width if experiment.task == "gaussians" else 4,
            experiment.dimension,
            experiment.labels,
            getattr(experiment, "cosine", 0.0),
            getattr(experiment, "weights", ()),
        )

    def prepare(self) -> None:
        """Train."""
        _ = self.trajectory

    def view(self, **changes: Any) -> Run:
        """This run with attributes replaced; what is computed stays shared."""
        made = copy.copy(self)
        made.__dict__.update(changes)
        return made

    def after(self, snapshot: int) -> Run:
        """This run as it was after that snapshot; 0 is the start."""
        return self.view(at=snapshot)

    def with_random_directions(self) -> Run:
        """This run with isotropic random vectors in the parameters' place wherever an alignment is measured."""
        random = numpy_stream(self.experiment.seed, "random directions")
        return self.view(_directions=Params(*(random.normal(size=leaf.shape) for leaf in self.params)))

    @property
    def times(self) -> Any:
        """Steps up to each snapshot, in units of d, shape (snapshots + 1,)."""
        return self.chunks * CHUNK / self.experiment.dimension

    @property
    def trajectory(self) -> Any:
        """Arrays ``rows`` (snapshots + 1, trajectories, width, dimension) and ``last`` (snapshots + 1, trajectories, width or 0)."""
        return self._stage("one-pass", self._train)

    @property
    def params(self) -> Params:
        """Parameters after this snapshot, float64."""
        return Params(*(np.asarray(self.trajectory[name][self.at], np.float64) for name in Params._fields))

    @property
    def directions(self) -> Params:
        """What alignments are measured of: the parameters, unless a view replaces them."""
        return self.params if self._directions is None else self._directions

    def first_layer(self, matrix: str, data: str = "test") -> Eigenspace:
        """Eigenspaces of the first layer's blocks; the second axis is rows."""
        found = self._stage("blocks", lambda: self._blocks(data), at=self.at, data=data)
        return Eigenspace(*(found[f"{matrix}-{field}"] for field in Eigenspace._fields))

    def block_values(self, matrix: str) -> Any:
        """All eigenvalues of the first layer's blocks on test data, descending, (trajectories, rows, dimension): outliers and bulk."""
        return self._stage("block-values", self._block_values, at=self.at)[matrix]

    def last_layer(self, matrix: str) -> Any:
        """Eigenvalues (trajectories, width), descending, and vectors (trajectories, width, width) of the last layer's block."""
        values, vectors = np.linalg.eigh(self._last_layers[matrix][self.at])
        return values[:, ::-1], vectors[:, :, ::-1]

    @property
    def test_loss(self) -> Any:
        """Mean cross-entropy over the test examples of each trajectory, without the ridge."""
        return self._last_layers["loss"][self.at]

    @property
    def accuracy(self) -> Any:
        """Share of test examples classified right; a tie counts half."""
        return self._last_layers["accuracy"][self.at]

    def whole(self, matrix: str) -> Eigenspace:
        """Eigenspaces of the whole matrices of softmax regression, of rank k (k - 1) for H and k for G; the first WHOLE trajectories."""
        found = self._stage("whole", self._whole, at=self.at)
        return Eigenspace(*(found[f"{matrix}-{field}"] for field in Eigenspace._fields))

    def alignments(self, matrix: str, data: str = "test") -> Any:
        """Alignment of each row of the first layer with the outlier space of its own block, (trajectories, rows)."""
        return outliers.alignment(self.first_layer(matrix, data).vectors, self.directions.rows)

    def curve(self, matrix: str) -> Any:
        """Alignment of the first row with its block's outlier space on test data after each snapshot, (snapshots + 1, trajectories)."""
        return self._stage("alignment-curve", self._curves)[matrix]

    @property
    def live(self) -> Any:
        """Neurons whose |v_i| is at least a tenth of the largest of their network, (trajectories, neurons); the rest are dead."""
        size = np.abs(self.params.last)
        return size >= 0.1 * size.max(axis=1, keepdims=True)

    @property
    def chunks(self) -> Any:
        e = self.experiment
        return np.rint(np.linspace(0, e.horizon * e.dimension / CHUNK, e.snapshots + 1)).astype(int)

    def stream(self, name: str, group: slice) -> Stream:
        """The examples called ``name`` of a group of trajectories."""
        e = self.experiment
        return Stream(self.mixture, e.snr, e.precision, e.seed, f"{name}/{group.start}", group.stop - group.start)

    def groups(self) -> Iterator[slice]:
        for first in range(0, self.experiment.trajectories, GROUP):
            yield slice(first, min(first + GROUP, self.experiment.trajectories))

    def _train(self) -> dict[str, Any]:
        e, train = self.experiment, trainer(self.experiment.task)
        step_size, ridge = np.array([e.step / e.dimension, e.ridge], e.precision)
        theta_0 = initial(e.seed, e.trajectories, e.width, e.dimension, last=e.task == "xor")
        groups = []
        with self.lab.progress.stage(f"{self.label}: one-pass SGD", e.trajectories * self.chunks[-1]) as progress:
            for group in self.groups():
                now = jax.tree.map(lambda leaf, group=group: leaf[group].astype(e.precision), theta_0)
                kept = [now]
                examples = self.stream("examples", group).chunks(0, self.chunks[-1])
                for done, (x, y) in enumerate(examples, start=1):
                    now = train(now, x, y, step_size, ridge)
                    kept.extend([now] * np.count_nonzero(self.chunks[1:] == done))
                    progress.advance(group.stop - group.start)
                groups.append(outliers.stacked(kept))
        return self._finite(Params(*(np.concatenate(leaves, axis=1) for leaves in zip(*groups, strict=True))))

    def _finite(self, params: Params) -> dict[str, Any]:
        for name, leaf in params._asdict().items():
            bad = np.argwhere(~np.isfinite(leaf))
            if len(bad):
                raise NotFinite(
                    f"{self.label}: {name} of trajectory {bad[0][1]} diverged by {self.times[bad[0][0]]:.3g} d steps: lower the step"
                )
        return params._asdict()

    def _examples(self, data: str = "test") -> Iterator[tuple[slice, Any, Any]]:
        """A group of trajectories, its examples x (trajectories, M, dimension) in float64 and y (trajectories, M)."""
        for group in self.groups():
            x, y = (
                self._seen(group)
                if data == "training"
                else self.stream("test examples", group).chunk(0, self.experiment.test_examples)
            )
            yield group, np.ascontiguousarray(np.swapaxes(x, 0, 1), np.float64), np.ascontiguousarray(y.T)

    def _after(self, snapshot: int, group: slice) -> Params:
        return Params(*(leaf[group] for leaf in self.after(snapshot).params))

    def _seen(self, group: slice) -> Any:
        """The latest examples that SGD has taken, as many as there are test examples."""
        e, last = self.experiment, self.chunks[self.at]
        first = last - -(-e.test_examples // CHUNK)
        if first < 0:
            raise InvalidInput(
                f"{self.label}: {last * CHUNK} examples seen so far, {e.test_examples} wanted: look at a later snapshot"
            )
        parts = zip(*self.stream("examples", group).chunks(first, last), strict=True)
        return (np.concatenate(part) for part in parts)

    def _blocks(self, data: str) -> dict[str, Any]:
        e, found = self.experiment, []
        for group, xs, ys in self._examples(data):
            pairs = _block_weights(e.task)(self._after(self.at, group), xs, ys)
            for x, *weights in zip(xs, *map(np.asarray, pairs), strict=True):
                found.append(Pair(*(outliers.block_space(x, rows, e.snr, e.outliers, self._start) for rows in weights)))
        return _flat(outliers.stacked(found))

    def block_tops(self, params: Params) -> Any:
        """Outliers of the first layer's blocks on test data at parameters of the first trajectories, (2, trajectories, rows, outliers)."""
        e, count = self.experiment, len(params.rows)
        _, xs, ys = next(self._examples())
        pairs = _block_weights(e.task)(params, xs[:count], ys[:count])
        spaces = [
            [outliers.block_space(x, w, e.snr, e.outliers, self._start).values for x, w in zip(xs, rows, strict=False)]
            for rows in map(np.asarray, pairs)
        ]
        return np.array(spaces)[..., : e.outliers]

    def _block_values(self) -> dict[str, Any]:
        e, found = self.experiment, []
        for group, xs, ys in self._examples():
            pairs = _block_weights(e.task)(self._after(self.at, group), xs, ys)
            for x, *weights in zip(xs, *map(np.asarray, pairs), strict=True):
                found.append(Pair(*(outliers.block_values(x, rows) for rows in weights)))
        return outliers.stacked(found)._asdict()

    def _curves(self) -> dict[str, Any]:
        e, curves = self.experiment, []
        with self.lab.progress.stage(f"{self.label}: alignment", e.trajectories) as progress:
            for group, xs, ys in self._examples():
                params = [self._after(snapshot, group) for snapshot in range(e.snapshots + 1)]
                pairs = [[np.asarray(rows[:, 0]) for rows in _block_weights(e.task)(each, xs, ys)] for each in params]
                rows = np.stack([np.asarray(each.rows)[:, 0] for each in params], axis=1)
                for x, weights, row in zip(
                    xs, np.moveaxis(np.asarray(pairs), 2, 0), rows, strict=True
                ):  # weights (snapshots + 1, 2, examples)
                    vectors = outliers.krylov_eigenpairs(outliers.weighted_gram(x, weights), self._start)[1]
                    curves.append(outliers.alignment(vectors[..., : e.outliers], row[:, None]))
                    progress.advance(1)
        return dict(zip(Pair._fields, np.transpose(curves, (2, 1, 0)), strict=True))

    @property
    def _start(self) -> Any:
        return _start(self.experiment.dimension, self.experiment.outliers)

    def _whole(self) -> dict[str, Any]:
        e, k = self.experiment, self.experiment.width
        ranks, spaces = Pair(k * (k - 1), k), list[Pair]()
        for group, xs, ys in self._examples():
            each = zip(map(Params._make, zip(*self._after(self.at, group), strict=True)), xs, ys, strict=True)
            for at in itertools.islice(each, WHOLE - len(spaces)):
                found = [
                    outliers.whole_space(functools.partial(product, *at), rank, _start(k * e.dimension, rank))
                    for product, rank in zip(_whole_products(e.task), ranks, strict=True)
                ]
                spaces.append(Pair(*found))
        return _flat(outliers.stacked(spaces))

    @property
    def _last_layers(self) -> Any:
        """Arrays ``hessian``, ``gradients`` (snapshots + 1, trajectories, width, width), ``loss`` and ``accuracy`` without the last two."""
        return self._stage("last-layer", self._last_blocks)

    def _last_blocks(self) -> dict[str, Any]:
        groups, measure = [], _last_layer(self.experiment.task)
        for group, x, y in self._examples():
            found = [measure(self._after(snapshot, group), x, y) for snapshot in range(self.experiment.snapshots + 1)]
            groups.append(outliers.stacked(found))
        return {name: np.concatenate([group[name] for group in groups], axis=1) for name in groups[0]}

    def _stage(self, kind: str, compute: Callable[[], dict[str, Any]], **key: Any) -> Any:
        """Arrays from the store, asked for once."""
        held = (kind, *key.values())
        if held not in self._held:
            self._held[held] = self.arrays(kind, compute, modules=CODE, **key)
        return self._held[held]


@functools.cache
def _start(size: int, rank: int) -> Any:
    return numpy_stream(0, "krylov start").normal(size=(size, rank + SPARE))


def _flat(pair: Pair) -> dict[str, Any]:
    return {f"{matrix}-{field}": value for matrix, space in pair._asdict().items() for field, value in space._asdict().items()}


@functools.cache
def trainer(task: str) -> Any:
    return jax.jit(jax.vmap(one_pass(HEADS[task]), (0, 1, 1, None, None)))


@functools.cache
def _whole_products(task: str) -> Pair:
    return Pair(*map(jax.jit, outliers.whole_products(HEADS[task])))


@functools.cache
def _block_weights(task: str) -> Any:
    return jax.jit(jax.vmap(outliers.block_weights(HEADS[task])))


@functools.cache
def _last_layer(task: str) -> Any:
    """(params, x, y) -> the last layer's blocks, loss and accuracy, batched over trajectories."""
    head = HEADS[task]

    def measure(params: Params, x: Any, y: Any) -> dict[str, Any]:
        output = jax.nn.relu(x @ params.rows.T) @ params.last
        right = jnp.where(output == 0, 0.5, (output > 0) == (y == 1))
        losses = jax.vmap(loss(head), (None, 0, 0))(params, x, y)
        return {**outliers.last_blocks(head)(params, x, y)._asdict(), "loss": losses.mean(), "accuracy": right.mean()}

    return jax.jit(jax.vmap(measure))
