"""One training of a user's network with its derivative: theta_T, J, the spectrum, or counts from products."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import jax
import numpy as np

from harness.engine import jacobian, matrix_free
from harness.engine.jacobian import dense_jacobian
from harness.engine.precision import with_exact_dtypes
from harness.engine.products import TrainingProducts
from harness.engine.spectrum import decompose
from harness.engine.training import Training, check_losses
from harness.engine.trees import flatten, unflatten
from harness.errors import InvalidInput, NotFinite, TooLarge
from harness.measure import carried
from harness.runs import checks, examples, programs
from harness.runs.bench import InMemory, free, gib
from harness.runs.compilations import keep_while_running
from harness.runs.dense import DenseRun
from harness.runs.shown import NEAR, NearOne, Shown, ShownSpectrum
from harness.runs.shown_measurements import ShownCarried, ShownTrained
from harness.runs.shown_training import ShownProducts
from harness.runs.stages import Record

if TYPE_CHECKING:
    from harness.runs.lab import Lab
    from harness.runs.network_experiment import NetworkExperiment

BYTES = 64  # for each entry of a dense Jacobian and its decomposition: eight float64 matrices live at the peak
CODE = (jacobian, decompose)


class DifferentiatedRun(Shown, DenseRun):
    """A run of a :class:`harness.Network` up to its spectrum.

    Attributes:
        network: the network that is run.
        seed: of its initial parameters, and of its random keys.
        dense: whether J fits the memory; if not, :meth:`counts` works from products with J.
        why: the reason, with the bytes.
        unstored: why no result is kept in the store, "" if results are kept.
    """

    def __init__(self, experiment: NetworkExperiment, lab: Lab) -> None:
        super().__init__(experiment, lab)
        self.network, self.seed = experiment.network, experiment.seed
        self._start = self.network.initial(self.seed)
        self.size = sum(leaf.size for leaf in jax.tree.leaves(self._start))
        self.needed, self.memory = BYTES * self.size**2, free() // 2 if lab.memory is None else lab.memory
        self.dense = self.needed <= self.memory
        relation = "fit" if self.dense else "do not fit"
        self.why = f"J and its spectrum take {gib(self.needed)}, which {relation} into {gib(self.memory)}"
        if isinstance(lab.store, InMemory):
            keep_while_running()  # worlds of a network differ only in their data, and share every program
        self.unstored = self._unstored()
        self._kept = InMemory() if self.unstored else lab.store

    def _unstored(self) -> str:
        if isinstance(self.lab.store, InMemory):
            return "no store was given: net.run(seed, store=Store())"
        callbacks = self.network.programs(self.seed).callbacks
        return f"its program calls Python ({', '.join(callbacks)}), and what that does cannot be seen" if callbacks else ""

    @property
    def store(self) -> Any:
        """Where results are kept: the lab's store, or memory alone where :attr:`unstored` says why."""
        return self._kept

    def prepare(self) -> None:
        if self.dense:
            self.spectrum  # noqa: B018 - the long work

    @property
    def title(self) -> str:
        return f"{self.label}: N = {self.size:,}, {self.network.steps:,} steps, {self.network.precision}"

    def rows(self) -> dict[str, str]:
        """The rows that are shown. They need training, but no derivative."""
        guess, trained = self.network.guessing_loss, self.trained
        found = {
            "batches": self.network.shown_batches,
            "train loss": f"{trained.train_loss:.4g}",
            "test loss": f"{trained.test_loss:.4g}" + (f" (guessing {guess:.4g})" if guess is not None else ""),
        }
        if self.network.classes:
            found["test accuracy"] = f"{trained.test_accuracy:.1%} (training {trained.train_accuracy:.1%})"
        found["method"] = ("dense: " if self.dense else "matrix-free: ") + self.why
        found["kept"] = f"not: {self.unstored}" if self.unstored else str(self.store.root)
        return found

    def plot(self, axes: Any = None) -> Any:
        """The loss of each step's batch before the step; matplotlib axes."""
        return self.trained.plot(axes)

    def stage_records(self) -> list[Record]:
        return [{"name": "experiment", "digest": self.experiment.identity(), "exact": True}]

    @cached_property
    def training(self) -> Training:
        """f: theta_0 -> theta_T."""
        return self.network.training(self.seed)

    @cached_property
    def trained(self) -> ShownTrained:
        """The result of training.

        Raises:
            NotFinite: training diverged; the message names the step and the loss.
        """
        return self.result("network-training", ShownTrained, self._train, modules=(Training,))

    def _train(self) -> ShownTrained:
        final, losses = jax.jit(Training.trajectory)(self.training, self._start)
        check_losses(np.asarray(losses), self.label)
        x, y = self.network.data[:2]
        parts = self.network.cast(examples.Batch(x, y)), self.network.test
        mean_loss = jax.jit(self.network.mean_loss)
        ends = [float(mean_loss(final, part)) for part in parts]
        if not np.isfinite(ends).all():
            raise NotFinite(f"{self.label}: after training the loss is {ends[0]}, and {ends[1]} on the test; lower the step size")
        accuracies = [self._accuracy(final, part) for part in parts]
        return ShownTrained(flatten(self._start), flatten(final), np.asarray(losses), *ends, *accuracies)

    def _accuracy(self, params: Any, part: examples.Batch) -> float:
        if not self.network.classes:
            return float("nan")
        found = jax.jit(self.network.functions.apply)(params, part.x, None)
        return float((np.asarray(jax.tree.leaves(found)[0]).argmax(axis=1) == np.asarray(jax.tree.leaves(part.y)[0])).mean())

    @property
    def theta_0(self) -> Any:
        """Initial parameters as a float64 tree."""
        return jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), self._start)

    @property
    def theta_T(self) -> Any:
        """Final parameters as a float64 tree."""
        return unflatten(np.asarray(self.trained.theta_T, np.float64), self._start)

    @cached_property
    def jacobian(self) -> Any:
        """J = d theta_T / d theta_0, shape (final, initial); it is kept in memory only.

        Raises:
            TooLarge: J does not fit the memory.
            InvalidInput: the optimiser has no finite derivative.
            NotFinite: training diverges, or the loss has no finite derivative.
        """
        if not self.dense:
            raise TooLarge(
                f"{self.label}: N = {self.size:,}: {self.why}; run.counts(seconds=60) works from products with J, "
                "run.products are those products, and net.run(memory=BYTES) allows more"
            )
        self.trained  # noqa: B018 - a diverging run says so before its derivative is taken
        label = f"{self.label}: Jacobian"
        try:
            return dense_jacobian(
                *self._differentiated, **self._layout, done=self._blocks, progress=self.lab.progress, label=label
            )
        except NotFinite as error:
            raise self._no_derivative() or error from None

    @property
    def _differentiated(self) -> tuple[Any, Any]:
        return self.training, self._start

    @property
    def _blocks(self) -> Any:
        return self.store.blocks("network-jacobian", self._key({"columns": self._layout["block"]}), (jacobian,))

    def blocks_left(self) -> Sequence[int]:
        return super().blocks_left() if self.dense and not self.unstored else ()

    @property
    def _spectrum_kept(self) -> bool:
        """The spectrum's key needs the structural directions, which are not looked for here."""
        known = self.network.structural == "none" or self.held("network-structural", modules=(carried,))
        return known and self.held("network-spectrum", modules=CODE, carried=self._carried_key)

    @with_exact_dtypes
    def _no_derivative(self) -> InvalidInput | None:
        if checks.derivable(self.network.optimiser, self._start):
            return None
        return InvalidInput(
            f"{self.label}: the optimiser has no finite derivative where a gradient is zero, as those of dead units "
            "and blank inputs are: set eps_root, as in optax.adam(0.01, eps_root=1e-8)"
        )

    @cached_property
    def spectrum(self) -> ShownSpectrum:
        """Singular values and both sides' vectors of J, checked."""
        found = self.result("network-spectrum", ShownSpectrum, self._decompose, modules=CODE, carried=self._carried_key)
        self._blocks.clear()
        return found

    def _decompose(self) -> Any:
        matrix = self.jacobian
        with self.lab.progress.stage(f"{self.label}: spectrum"):
            return decompose(matrix, *self._split)

    @cached_property
    def structural(self) -> ShownCarried:
        """Parameters that training carries exactly, found by :mod:`harness.measure.carried`; none with ``structural="none"``."""
        if self.network.structural == "none":
            return ShownCarried(np.zeros(0, int), 0, 0.0)

        def compute() -> Any:
            with self.lab.progress.stage(f"{self.label}: structural directions"):
                return carried.idle_and_carried(self.training, self._start, lambda: self.products, self.seed)

        return self.result("network-structural", ShownCarried, compute, modules=(carried,))

    @cached_property
    def _split(self) -> tuple[Any, Any]:
        """Orthonormal bases of the carried directions, found or given, and of the rest."""
        found, given = self.structural.coordinates, self.network.carried
        return carried.split(self.size, found, None if given is None else self._directions(given))

    def _directions(self, given: Any) -> Any:
        directions = np.asarray(given(self.theta_0) if callable(given) else given, np.float64)
        if directions.ndim != 2 or len(directions) != self.size or directions.shape[1] >= self.size:
            raise InvalidInput(f"carried directions of shape {directions.shape}: need ({self.size}, s) with s < {self.size}")
        return directions

    @property
    def _carried_key(self) -> str:
        basis = self._split[0]
        return "" if basis is None else programs.bits(basis)

    @cached_property
    def products(self) -> ShownProducts:
        """J V and J^T W without J.

        Raises:
            InvalidInput: no step, or an optimiser without a finite derivative.
        """
        self.trained  # noqa: B018 - a diverging run says so first
        return ShownProducts(self.training, self._start)

    def counts(self, delta: float = NEAR, *, seconds: float = 60, method: str | None = None) -> NearOne:
        """How many singular values lie within ``delta`` of one, above and below.

        Args:
            delta: a distance from one; with products 0.01, 0.03, 0.1 or 0.3.
            seconds: time that products may take.
            method: ``dense`` (the spectrum), ``matrix-free`` (products with J, 95 % intervals); by default ``dense`` if J fits
                the memory.
        """
        method = method or ("dense" if self.dense else "matrix-free")
        if method == "dense":
            return NearOne.known(self.spectrum, delta, self.why)
        key = self._key({"width": matrix_free.WIDTH})
        code = (matrix_free, TrainingProducts)
        found = matrix_free.count(
            self.products,
            self.size,
            seconds,
            confidence=0.95,
            keep=lambda name: self.store.blocks(f"network-{name}", key, code),
        ).counts
        if delta not in found:
            raise InvalidInput(f"delta = {delta} with products: choose one of {', '.join(map(str, found))}")
        near = found[delta]
        inside, above, below = ((one.estimate, one.low, one.high) for one in (near.inside, near.above, near.below))
        return NearOne(delta, self.size, inside, above, below, method, "asked for" if self.dense else self.why)
