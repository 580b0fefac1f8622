"""A run of the training-Jacobian paper: composes data, training, Jacobian, spectrum and measurements with the store."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from itertools import pairwise
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness.engine import jacobian
from harness.engine.jacobian import dense_jacobian
from harness.engine.precision import with_exact_dtypes
from harness.engine.spectrum import Spectrum, decompose
from harness.engine.streams import numpy_stream
from harness.engine.training import Training, check_losses
from harness.engine.trees import cast, flatten, unflatten
from harness.measure import departure, function_jacobian, influence, overlap, response, restricted, rotation
from harness.measure.function_jacobian import FunctionJacobians, NullSweep
from harness.measure.influence import Divergences, Influence
from harness.measure.overlap import OverlapCurve
from harness.measure.response import Responses
from harness.measure.restricted import Restricted
from harness.measure.structural import structural_split
from harness.runs.dense import DenseRun

from . import recipe
from .data import Dataset, load
from .experiments import Experiment

# Modules whose code decides a spectrum.
SPECTRUM_CODE = (recipe, jacobian, decompose, structural_split)
# |sigma - 1| below this is the bulk. The paper gives no number; this one makes its count of 3000 come out.
BULK = 0.1
# Images of the parameter-function Jacobians: enough rows (10 an image, 9 independent) that no null space comes from too few.
PFJ_IMAGES = 600
PFJ_PARTS = ("sigma", "cosine", "strength", "null_cosine")
# Dimensions at which a null space is compared with the bulk, over its own dimension. Below 1 rounding picks the directions.
NULL_MULTIPLES = (1, 1.5, 2, 3)

_trajectory = jax.jit(Training.trajectory)  # with its batches as arguments: seeds and data sets share one program


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of training.

    Attributes:
        theta_0, theta_T: parameters before and after, shape (N,).
        losses: the batch's loss before each step, shape (steps,).
        train_loss, test_loss: after the last step, over all training and all test images.
        test_accuracy: share of test images classified right.
    """

    theta_0: Any
    theta_T: Any
    losses: Any
    train_loss: float
    test_loss: float
    test_accuracy: float


class Run(DenseRun):
    """A run of the training-Jacobian paper."""

    experiment: Experiment
    recorded_by = f"{__package__}.stages"

    @cached_property
    def dataset(self) -> Dataset:
        return load(self.experiment.data, self.experiment.seed)

    @cached_property
    def theta_0(self) -> Any:
        """Initial parameters, float64 tree."""
        return recipe.initial_parameters(self.experiment, self.dataset)

    @cached_property
    def apply(self) -> Callable[[Any, Any], Any]:
        """The network: (params, images) -> logits."""
        return recipe.apply(self.experiment.model)

    @cached_property
    def training(self) -> Training:
        """f: theta_0 -> theta_T in the experiment's precision."""
        return recipe.training(self.experiment, self.dataset)

    @cached_property
    def trained(self) -> Trained:
        """The result of training."""
        return self.result("training", Trained, self._train, modules=(recipe,))

    def _train(self) -> Trained:
        final, losses = _trajectory(self.training, self.start)
        check_losses(np.asarray(losses), self.label)
        train, test = (self.batch(*part) for part in ((self.dataset.x_train, self.dataset.y_train), self.test))
        logits = self.apply(final, test[0])
        return Trained(
            flatten(self.start),
            flatten(final),
            np.asarray(losses),
            self._loss(final, train),
            self._loss(final, test),
            float((np.asarray(logits).argmax(axis=-1) == self.dataset.y_test).mean()),
        )

    def _loss(self, params: Any, batch: tuple[Any, Any]) -> Any:
        """The test loss in the experiment's precision."""
        return np.asarray(self.training.loss(params, batch))[()]

    def batch(self, x: Any, y: Any, precision: str = "") -> tuple[Any, Any]:
        """Images, in the experiment's precision unless another is given, with their labels."""
        return jnp.asarray(x, precision or self.experiment.precision), jnp.asarray(y)

    @property
    def test(self) -> tuple[Any, Any]:
        """Test images, float64, and their labels."""
        return self.dataset.x_test, self.dataset.y_test

    @property
    def initial_test_loss(self) -> float:
        """Test loss before the first step."""
        return float(self._loss(self.start, self.batch(*self.test)))

    @cached_property
    def theta_T(self) -> Any:
        """Final parameters as a float64 tree."""
        return unflatten(np.asarray(self.trained.theta_T, np.float64), self.theta_0)

    @cached_property
    def structural(self) -> tuple[Any, Any]:
        """Sparse orthonormal bases of the structural directions and of their complement.

        A shift of the logits changes squared error, so with squared error only dead inputs count.
        """
        sizes = recipe.widths(self.experiment.model, self.dataset)
        return structural_split(sizes, self.dataset.dead_inputs, shift_invariant=self.experiment.loss == "cross-entropy")

    def jacobian(self) -> jacobian.Matrix:
        """J of shape (final, initial), which is not kept. Finished blocks are kept until the spectrum is kept."""
        self.trained  # noqa: B018 - a diverging run must say so before minutes are spent on its derivative
        started = time.perf_counter()
        label = f"{self.label}: Jacobian"
        matrix = dense_jacobian(*self._differentiated, **self._layout, done=self._blocks, progress=self.lab.progress, label=label)
        self.seconds["jacobian"] = self.seconds.get("jacobian", 0.0) + time.perf_counter() - started
        return matrix

    @property
    @with_exact_dtypes
    def start(self) -> Any:
        """theta_0 in the experiment's precision."""
        return cast(self.theta_0, self.experiment.precision)

    @property
    def _differentiated(self) -> tuple[Any, Any]:
        return self.training, self.start

    @property
    def _blocks(self) -> Any:
        return self.lab.store.blocks("jacobian", self._key({"columns": self._layout["block"]}), (recipe, jacobian))

    @property
    def _spectrum_kept(self) -> bool:
        return self.held("spectrum", modules=SPECTRUM_CODE)

    def _decompose(self) -> Spectrum:
        matrix = self.jacobian()
        self.record("jacobian", {"jacobian": matrix})
        sgd = self.experiment.optimiser.name == "sgd"
        with self.lab.progress.stage(f"{self.label}: spectrum"):
            return decompose(matrix, *(self.structural if sgd else (None, None)))

    @cached_property
    def spectrum(self) -> Spectrum:
        """Singular values and both sides' vectors of J, checked."""
        found = self.result("spectrum", Spectrum, self._decompose, modules=SPECTRUM_CODE)
        self._blocks.clear()
        return found

    @cached_property
    def departure(self) -> Any:
        """Singular values of J - I, descending, shape (N,): how far perturbations are from being carried unchanged."""

        def compute() -> dict[str, Any]:
            with self.lab.progress.stage(f"{self.label}: singular values of J - I"):
                return {"sigma": departure.from_identity(self.spectrum)}

        return self.arrays("departure", compute, modules=(*SPECTRUM_CODE, departure))["sigma"]

    @cached_property
    def moved(self) -> Any:
        """|J v_i - v_i| of each initial-space direction, shape (N,)."""
        return departure.along_directions(self.spectrum)

    @cached_property
    def response_directions(self) -> Any:
        """Directions drawn from the bulk, which may include structural directions.

        Their number is 1 % of all directions, but at least 24. At N = 4810 these are 48, enough to know a proportion of 0.9
        within 4 % in one seed.
        """
        bulk = self.spectrum.region(1 - BULK, 1 + BULK)
        draw = numpy_stream(self.experiment.seed, "response-directions")
        return np.sort(draw.choice(bulk, size=min(max(24, self.spectrum.size // 100), len(bulk)), replace=False))

    @cached_property
    def bulk_responses(self) -> Responses:
        """Responses along :attr:`response_directions`, both signs."""
        return self._responses("bulk", self.response_directions, response.COARSE, (1, -1))

    @cached_property
    def top_responses(self) -> Responses:
        """Responses along v_1, both signs."""
        return self._responses("top", [0], response.FINE, (1, -1))

    def _responses(self, name: str, indices: Any, stimuli: Any, signs: tuple[int, ...]) -> Responses:
        def compute() -> Responses:
            precision, progress = self.experiment.precision, self.lab.progress
            label = f"{self.label}: trainings along {name} directions"
            return response.responses(
                self.training, self.theta_0, self.spectrum, indices, stimuli, signs, precision, progress, label
            )

        directions = [int(i) for i in indices]
        return self.result("response", Responses, compute, modules=(*SPECTRUM_CODE, response), directions=directions, signs=signs)

    @cached_property
    def probe_inputs(self) -> dict[str, Any]:
        """Inputs in and out of distribution; the seed draws the noise images."""
        d, shape = self.dataset, self.dataset.x_test.shape
        return {
            "train": d.x_train,
            "test": d.x_test,
            "inverted": 1 - d.x_test,
            "uniform": numpy_stream(self.experiment.seed, "probe-uniform").uniform(size=shape),
            "normal": numpy_stream(self.experiment.seed, "probe-normal").normal(size=shape),
        }

    @cached_property
    def influence(self) -> Influence:
        """KL divergences of the predictions along u_i and along v_i, on :attr:`probe_inputs`."""

        def along(side: str) -> Divergences:
            label = f"{self.label}: predictions along {side} directions"
            directions = getattr(self.spectrum, side)
            return influence.divergences(self.apply, self.theta_T, directions, self.probe_inputs, self.lab.progress, label)

        def compute() -> dict[str, Any]:
            return Influence(*map(along, influence.SIDES)).arrays()

        held = self.arrays("influence", compute, modules=(*SPECTRUM_CODE, influence))
        return Influence.of_arrays(held, self.probe_inputs)

    def overlap(self, other: Run, *, structural: bool = True, turned: bool = False) -> OverlapCurve:
        """Overlap of this run's bulk at k with another run's, over a grid of k.

        Args:
            structural: False leaves the structural directions out of both bases, and their dimensions out of the space.
            turned: turn the other run's bulk at random among the weights of each input.
        """

        def compute() -> OverlapCurve:
            with self.lab.progress.stage(f"{self.label} and {other.label}: overlap of the bulks"):
                both = (self, other)
                size = self.spectrum.size if structural else min(int((~run.spectrum.structural).sum()) for run in both)
                dimensions = np.round(size * np.array(overlap.SHARES)).astype(int)
                # white noise has no dead pixel: the structural directions of the run that has more of them hold the other's
                carried = max((run.structural[0] for run in both), key=lambda basis: basis.shape[1])
                turn = partial(rotation.turned, other._rotation) if turned else np.asarray
                ends = overlap.bulk_ends(self.spectrum, size, dimensions, carried)
                others = overlap.bulk_ends(other.spectrum, size, dimensions, carried, turn)
                first, last = (mine.T @ theirs for mine, theirs in zip(ends, others, strict=True))
                return overlap.overlap_of_ends(first, last, dimensions, size)

        modules = (*SPECTRUM_CODE, overlap, rotation)
        key = {"other": other.experiment.fingerprint(), "structural": structural, "turned": turned}
        return self.result("overlap", OverlapCurve, compute, modules=modules, **key)

    @property
    def _rotation(self) -> Any:
        sizes, seed = recipe.widths(self.experiment.model, self.dataset), self.experiment.seed
        shift_invariant = self.experiment.loss == "cross-entropy"
        draw = numpy_stream(seed, "turned-within-inputs")
        return rotation.within_inputs(sizes, draw, shift_invariant=shift_invariant)

    @cached_property
    def function_jacobians(self) -> FunctionJacobians:
        """Parameter-function Jacobians at initialisation, on 600 ``digits`` and on 600 white-noise images (``noise``)."""

        def compute() -> dict[str, Any]:
            d, progress = self.dataset, self.lab.progress
            noise = numpy_stream(self.experiment.seed, "function-jacobian-noise")
            images = {"digits": np.concatenate([d.x_test, d.x_train])[:PFJ_IMAGES]}
            images["noise"] = noise.uniform(size=images["digits"].shape)
            order = self.spectrum.by_distance
            bulk, free = self.spectrum.initial[:, order], np.flatnonzero(~self.spectrum.structural[order])
            found = {"dimensions": np.round(self.spectrum.size * np.array(overlap.SHARES)).astype(int)}
            for name, x in images.items():
                label = f"{self.label}: PFJ on {name}"
                squared = function_jacobian.squared_jacobian(self.apply, self.theta_0, x, progress, label)
                with progress.stage(f"{self.label}: null space of the PFJ on {name}"):
                    found[f"{name}_sigma"], vectors = function_jacobian.right_vectors(squared)
                    cross = vectors.T @ bulk
                    found[f"{name}_cosine"] = overlap.overlap_curve(cross, found["dimensions"]).cosine
                    strength = np.linalg.norm(found[f"{name}_sigma"][:, None] * cross, axis=0)
                    found[f"{name}_strength"] = strength[np.argsort(order)]
                    dimensions = found.setdefault("null_dimensions", self._null_dimensions(found[f"{name}_sigma"]))
                    first, weakest = free[: max(dimensions)], 0
                    if x[:, d.dead_inputs].any():
                        del vectors, cross
                        cross = self._weakest(squared, max(dimensions)).T @ bulk[:, first]
                    else:  # no structural direction moves predictions: all are among the weakest, and orthogonal to the rest
                        cross, weakest = cross[:, first], len(bulk) - len(free)
                    each = [overlap.cosines(cross[: weakest + k, :k]).mean() for k in dimensions]
                    found[f"{name}_null_cosine"] = np.array(each)
            return found

        modules = (*SPECTRUM_CODE, overlap, function_jacobian)
        held = self.arrays("function-jacobian", compute, modules=modules, images=PFJ_IMAGES)
        each = ({name: held[f"{name}_{part}"] for name in ("digits", "noise")} for part in PFJ_PARTS)
        return FunctionJacobians(held["dimensions"], held["null_dimensions"], *each)

    def _null_dimensions(self, sigma: Any) -> Any:
        """Dimensions for the comparison: multiples of the null space's dimension without the structural directions."""
        size = int((~self.spectrum.structural).sum())
        null = function_jacobian.null_count(sigma) - (self.spectrum.size - size)
        return np.clip(np.round(max(null, 1) * np.array(NULL_MULTIPLES)).astype(int), 1, size)

    def _weakest(self, squared: Any, number: int) -> Any:
        """The directions outside the structural ones, shape (N, number), along which F moves predictions least, from F^T F."""
        rest = self.structural[1]
        _, vectors = function_jacobian.right_vectors(np.asarray(rest.T @ (rest.T @ squared).T))
        return rest @ vectors[:, :number]

    @cached_property
    def null_sweep(self) -> NullSweep:
        """Number of null directions of the digits' PFJ against the number of images."""

        def compute() -> NullSweep:
            d, progress = self.dataset, self.lab.progress
            pool = np.concatenate([d.x_test, d.x_train])
            edges = (0, 197, 400, 528, 800, 1200, len(pool))
            total: Any = 0.0
            null, gap = [], []
            for first, last in pairwise(edges):
                label = f"{self.label}: PFJ on {last} images"
                total = total + function_jacobian.squared_jacobian(self.apply, self.theta_0, pool[first:last], progress, label)
                sigma = function_jacobian.singular_values(total)
                null.append(function_jacobian.null_count(sigma))
                gap.append(function_jacobian.largest_gap(sigma))
            return NullSweep(np.array(edges[1:]), np.array(null), np.array(gap))

        return self.result("null-sweep", NullSweep, compute, modules=(recipe, function_jacobian))

    @cached_property
    def restricted(self) -> Restricted:
        """Test losses of training confined to subspaces: the regions, and ``random``."""

        def confined(basis: Any, masks: Any) -> Any:
            return restricted.restricted_losses(self.training, self.start, self.batch(*self.test), basis, masks)

        def compute() -> dict[str, Any]:
            size = self.spectrum.size
            dimensions = np.round(size * np.array(restricted.SHARES)).astype(int)
            masks = restricted.masks(self.spectrum, dimensions)
            with self.lab.progress.stage(f"{self.label}: {4 * len(dimensions)} trainings in subspaces"):
                losses = confined(self.spectrum.initial, np.concatenate(list(masks.values())))
                found = {"dimensions": dimensions, "unrestricted": np.asarray(self.trained.test_loss, losses.dtype)}
                found |= zip(masks, np.split(losses, len(masks)), strict=True)
            with self.lab.progress.stage(f"{self.label}: {len(dimensions)} trainings in random subspaces"):
                basis = restricted.random_basis(size, numpy_stream(self.experiment.seed, "random-subspaces"))
                found["random"] = confined(basis, masks["chaotic"])
            return found

        held = dict(self.arrays("restricted", compute, modules=(*SPECTRUM_CODE, restricted)))
        return Restricted(held.pop("dimensions"), float(held.pop("unrestricted")), held)

    def prepare(self) -> None:
        """Compute the spectrum into the store. A claim maps the spectrum from there, so that runs do not pile up in memory."""
        if isinstance(self.spectrum.initial, np.memmap):
            del self.spectrum
