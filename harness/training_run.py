"""A run of the training-Jacobian paper: composes data, training, Jacobian, spectrum and measurements with the store."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import jax.numpy as jnp
import numpy as np

from harness import data, jacobian, train
from harness import model as networks
from harness.artefacts import Lab, Run, open_run
from harness.config import Experiment
from harness.keys import numpy_stream
from harness.measure import function_jacobian, influence, overlap, response, subspace_training
from harness.spectrum import Spectrum, decompose
from harness.structural import structural_split

# Modules whose code decides a spectrum.
SPECTRUM_CODE = (train, jacobian, decompose, structural_split)
# |sigma - 1| below this is the bulk: not the paper's number, but the one that makes its count of 3000 come out.
BULK = 0.1
# Images of the parameter-function Jacobians: enough rows (10 an image, 9 independent) to leave no null space for want of them.
PFJ_IMAGES = 600


class MadeElsewhere(Exception):
    """Another process has made what this one was at."""


class TrainingRun(Run):
    """A run of the training-Jacobian paper."""

    experiment: Experiment

    @cached_property
    def dataset(self) -> data.Dataset:
        return data.load(self.experiment.data)

    @cached_property
    def theta_0(self) -> networks.Params:
        """Initial parameters, float64 tree."""
        return train.initial_parameters(self.experiment, self.dataset)

    @cached_property
    def apply(self) -> networks.Apply:
        return networks.apply(self.experiment.model)

    @cached_property
    def training_map(self) -> jacobian.Map:
        """f: theta_0 -> theta_T in the experiment's precision."""
        return train.training_map(*train.ingredients(self.experiment, self.dataset))

    @cached_property
    def training(self) -> Any:
        """Arrays ``theta_0``, ``theta_T`` (N,), ``losses`` (steps,); scalars ``train_loss``, ``test_loss``, ``test_accuracy``."""
        return self.arrays("training", self._train, modules=(train,))

    def _train(self) -> dict[str, Any]:
        import jax

        start, (apply, loss, update, x, y, epochs) = self._start, train.ingredients(self.experiment, self.dataset)
        # data as arguments: seeds and data sets share one program
        final, losses = jax.jit(lambda theta, x, y: train.trajectory(apply, loss, update, x, y, epochs)(theta))(start, x, y)
        train.check_losses(np.asarray(losses), self.label)
        d = self.dataset
        logits = self.apply(final, d.x_test.astype(self.experiment.precision))
        return {
            "theta_0": networks.flatten(start),
            "theta_T": networks.flatten(final),
            "losses": np.asarray(losses),
            "train_loss": np.asarray(
                loss(self.apply(final, d.x_train.astype(self.experiment.precision)), jnp.asarray(d.y_train))
            ),
            "test_loss": np.asarray(loss(logits, jnp.asarray(d.y_test))),
            "test_accuracy": np.asarray((np.asarray(logits).argmax(axis=-1) == d.y_test).mean()),
        }

    @cached_property
    def theta_T(self) -> Any:
        """Final parameters as a float64 tree."""
        return networks.unflatten(np.asarray(self.training["theta_T"], np.float64), self.theta_0)

    @cached_property
    def structural(self) -> tuple[Any, Any]:
        """Sparse orthonormal bases of the structural directions and of their complement."""
        return structural_split(self.experiment, self.dataset)

    def jacobian(self, made: Callable[[], bool] = lambda: False) -> jacobian.Matrix:
        """J of shape (final, initial); not kept: the spectrum is. Finished blocks are, until then, and processes share them.

        Raises:
            MadeElsewhere: ``made`` says, before a block is claimed, that what J is for is there.
        """
        self.training  # noqa: B018 - a diverging run must say so before minutes are spent on its derivative
        started = time.perf_counter()

        @contextmanager
        def claim(first: int) -> Iterator[bool]:
            if made():
                raise MadeElsewhere
            with self._blocks.claim(first) as mine:
                yield mine

        matrix = jacobian.dense_jacobian(
            self.training_map,
            self._start,
            chunk=self.lab.chunk,
            done=self._blocks,
            claim=claim,
            progress=self.lab.progress,
            label=f"{self.label}: Jacobian",
        )
        self.seconds["jacobian"] = self.seconds.get("jacobian", 0.0) + time.perf_counter() - started
        return matrix

    @property
    def _start(self) -> networks.Params:
        """theta_0 in the experiment's precision."""
        return train.cast(self.theta_0, self.experiment.precision)

    @cached_property
    def _blocks(self) -> Any:
        key = {"experiment": self.experiment.fingerprint(), "columns": jacobian.layout(self._start, self.lab.chunk)[1]}
        return self.lab.store.blocks("jacobian", key, (train, jacobian))

    def _decompose(self) -> dict[str, Any]:
        matrix = self.jacobian()
        self.record("jacobian", {"jacobian": matrix})
        sgd = self.experiment.optimiser.name == "sgd"
        with self.lab.progress.stage(f"{self.label}: spectrum"):
            spectrum = decompose(matrix, *(self.structural if sgd else (None, None)))
        return {field.name: np.asarray(getattr(spectrum, field.name)) for field in dataclasses.fields(spectrum)}

    @cached_property
    def spectrum(self) -> Spectrum:
        """Singular values and both sides' vectors of J, checked."""
        there = partial(self.held, "spectrum", modules=SPECTRUM_CODE)
        if not there():
            # before the spectrum is locked: every process that waits for it takes its part of the columns, until another,
            # which then removes them, has made it of them
            with suppress(MadeElsewhere):
                self.jacobian(there)
        held = self.arrays("spectrum", self._decompose, modules=SPECTRUM_CODE)
        self._blocks.clear()
        scalars = {name: float(held[name]) for name in ("residual", "orthogonality", "structural_error")}
        return Spectrum(**{**held, **scalars})

    @cached_property
    def response_directions(self) -> Any:
        """Directions drawn from the bulk, structural ones among them as they come.

        One in a hundred of all, and no fewer than 24: 48 at N = 4810, which tells a proportion of 0.9 to 4 % in a seed.
        """
        bulk = self.spectrum.region(1 - BULK, 1 + BULK)
        draw = numpy_stream(self.experiment.seed, "response-directions")
        return np.sort(draw.choice(bulk, size=min(max(24, self.spectrum.size // 100), len(bulk)), replace=False))

    @cached_property
    def bulk_responses(self) -> Any:
        """Responses along :attr:`response_directions`, both signs (see :func:`harness.measure.response.responses`)."""
        return self._responses("bulk", self.response_directions, response.COARSE, (1, -1))

    @cached_property
    def top_responses(self) -> Any:
        """Responses along v_1, both signs."""
        return self._responses("top", [0], response.FINE, (1, -1))

    def _responses(self, name: str, indices: Any, stimuli: Any, signs: tuple[int, ...]) -> Any:
        def compute() -> dict[str, Any]:
            precision, progress = self.experiment.precision, self.lab.progress
            label = f"{self.label}: trainings along {name} directions"
            return response.responses(
                self.training_map, self.theta_0, self.spectrum, indices, stimuli, signs, precision, progress, label
            )

        modules = (*SPECTRUM_CODE, response)
        return self.arrays("response", compute, modules=modules, directions=[int(i) for i in indices], signs=signs)

    @cached_property
    def probe_inputs(self) -> dict[str, Any]:
        """Inputs in and out of distribution; the noise images are fixed parts of the experiment."""
        d, shape = self.dataset, self.dataset.x_test.shape
        return {
            "test": d.x_test,
            "inverted": 1 - d.x_test,
            "uniform": numpy_stream(self.experiment.data.noise_seed, "probe-uniform").uniform(size=shape),
            "normal": numpy_stream(self.experiment.data.noise_seed, "probe-normal").normal(size=shape),
        }

    @cached_property
    def influence(self) -> Any:
        """KL divergences along u_i (``final_...``) and v_i (``initial_...``), see :mod:`harness.measure.influence`."""

        def compute() -> dict[str, Any]:
            out: dict[str, Any] = {}
            for side in ("final", "initial"):
                label = f"{self.label}: predictions along {side} directions"
                directions = getattr(self.spectrum, side)
                found = influence.divergences(self.apply, self.theta_T, directions, self.probe_inputs, self.lab.progress, label)
                out |= {f"{side}_{name}": values for name, values in found.items()}
            return out

        return self.arrays("influence", compute, modules=(*SPECTRUM_CODE, influence))

    def overlap(self, other: TrainingRun, *, structural: bool = True) -> Any:
        """Overlap of this run's bulk at k with another's, over a grid of k; arrays ``dimensions``, ``cosine``, ``geodesic``.

        Args:
            structural: False leaves the structural directions out of both bases, and their dimensions out of the space.
        """

        def compute() -> dict[str, Any]:
            with self.lab.progress.stage(f"{self.label} and {other.label}: overlap of the bulks"):
                cross = self._bulk_basis(structural).T @ other._bulk_basis(structural)
                dimensions = np.round(len(cross) * np.array(overlap.SHARES)).astype(int)
                cosine, geodesic = overlap.overlap_curve(cross, dimensions)
            return {"dimensions": dimensions, "cosine": cosine, "geodesic": geodesic, "size": np.asarray(len(cross))}

        modules = (*SPECTRUM_CODE, overlap)
        return self.arrays("overlap", compute, modules=modules, other=other.experiment.fingerprint(), structural=structural)

    def _bulk_basis(self, structural: bool) -> Any:
        order = self.spectrum.by_distance
        return self.spectrum.initial[:, order if structural else order[~self.spectrum.structural[order]]]

    @cached_property
    def function_jacobians(self) -> dict[str, Any]:
        """Parameter-function Jacobians at initialisation, on 600 digits and on 600 white-noise images.

        Arrays ``digits_sigma``, ``noise_sigma``: singular values ascending (N,); ``digits_cosine``, ``noise_cosine``: mean cosine
        of the k smallest right singular directions with the bulk at k, for k in ``dimensions``.
        """

        def compute() -> dict[str, Any]:
            d, progress = self.dataset, self.lab.progress
            noise = numpy_stream(self.experiment.data.noise_seed, "function-jacobian-noise")
            images = {"digits": np.concatenate([d.x_test, d.x_train])[:PFJ_IMAGES]}
            images["noise"] = noise.uniform(size=images["digits"].shape)
            bulk = self._bulk_basis(structural=True)
            dimensions = np.round(self.spectrum.size * np.array(overlap.SHARES)).astype(int)
            out: dict[str, Any] = {"dimensions": dimensions}
            for name, x in images.items():
                gram = function_jacobian.gram(self.apply, self.theta_0, x, progress, f"{self.label}: PFJ on {name}")
                with progress.stage(f"{self.label}: null space of the PFJ on {name}"):
                    out[f"{name}_sigma"], vectors = function_jacobian.right_vectors(gram)
                    out[f"{name}_cosine"] = overlap.overlap_curve(vectors.T @ bulk, dimensions)[0]
            return out

        modules = (*SPECTRUM_CODE, overlap, function_jacobian)
        return self.arrays("function-jacobian", compute, modules=modules, images=PFJ_IMAGES)  # type: ignore[no-any-return]

    @cached_property
    def null_sweep(self) -> Any:
        """Number of null directions of the digits' PFJ against the number of images; arrays ``images``, ``null``, ``gap``."""

        def compute() -> dict[str, Any]:
            d, progress = self.dataset, self.lab.progress
            pool = np.concatenate([d.x_test, d.x_train])
            edges = (0, 197, 400, 528, 800, 1200, len(pool))
            total: Any = 0.0
            null, gap = [], []
            for first, last in pairwise(edges):
                label = f"{self.label}: PFJ on {last} images"
                total = total + function_jacobian.gram(self.apply, self.theta_0, pool[first:last], progress, label)
                sigma = function_jacobian.singular_values(total)
                null.append(function_jacobian.null_count(sigma))
                gap.append(function_jacobian.largest_gap(sigma))
            return {"images": np.array(edges[1:]), "null": np.array(null), "gap": np.array(gap)}

        return self.arrays("null-sweep", compute, modules=(train, function_jacobian))

    @cached_property
    def restricted(self) -> Any:
        """Test losses of training confined to subspaces: one array a region, and ``random``; ``dimensions``."""

        def compute() -> dict[str, Any]:
            size, confined = self.spectrum.size, subspace_training.restricted_losses
            dimensions = np.round(size * np.array(subspace_training.SHARES)).astype(int)
            masks = subspace_training.masks(self.spectrum, dimensions)
            out: dict[str, Any] = {"dimensions": dimensions, "unrestricted": np.asarray(self.training["test_loss"])}
            with self.lab.progress.stage(f"{self.label}: {4 * len(dimensions)} trainings in subspaces"):
                stacked = np.concatenate(list(masks.values()))
                losses = confined(self.experiment, self.dataset, self.theta_0, self.spectrum.initial, stacked)
                out |= dict(zip(masks, np.split(losses, len(masks)), strict=True))
            with self.lab.progress.stage(f"{self.label}: {len(dimensions)} trainings in random subspaces"):
                basis = subspace_training.random_basis(size, numpy_stream(self.experiment.seed, "random-subspaces"))
                out["random"] = confined(self.experiment, self.dataset, self.theta_0, basis, masks["chaotic"])
            return out

        return self.arrays("restricted", compute, modules=(*SPECTRUM_CODE, subspace_training))

    def prepare(self) -> None:
        """The spectrum, into the store: it is mapped from there when a claim wants it, so that runs do not pile up in memory."""
        if isinstance(self.spectrum.initial, np.memmap):
            del self.spectrum


@open_run.register(Experiment)
def _open_training(experiment: Experiment, lab: Lab) -> Run:
    return TrainingRun(experiment, lab)
