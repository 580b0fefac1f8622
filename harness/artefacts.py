"""Composes data, training, Jacobian, spectrum and store for an experiment: what a claim is called on.

A lab holds the runs of one session. A run is one experiment with one seed; its artefacts are computed when they are
first asked for, and kept in the store.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from harness import data, jacobian, train
from harness import model as networks
from harness.config import AnyExperiment, Experiment, find
from harness.progress import Progress
from harness.spectrum import Spectrum, decompose
from harness.store import Store
from harness.structural import structural_split


class Run:
    """One experiment with one seed.

    Attributes:
        experiment: what is run.
        lab: where it is run.
        seconds: time spent on each stage in this session.
        stages: one record a stage that has run: name, digest of its arrays.
    """

    def __init__(self, experiment: Any, lab: Lab) -> None:
        self.experiment = experiment
        self.lab = lab
        self.seconds: dict[str, float] = {}
        self.stages: list[dict[str, Any]] = []

    @property
    def label(self) -> str:
        """Name and seed, for messages."""
        return self.experiment.name if self.experiment.fixed_seed else f"{self.experiment.name}, seed {self.experiment.seed}"

    def prepare(self) -> None:
        """Do the long work, so that claims find it done."""

    def sibling(self, name: str) -> Any:
        """The run of another experiment with the same seed."""
        return self.lab.run(name, self.experiment.seed)

    def arrays(self, kind: str, compute: Callable[[], Mapping[str, Any]], *, modules: Sequence[str] = (), **key: Any) -> Any:
        """Arrays of this run by ``kind`` and further ``key``, from the store or computed; timed and recorded as a stage."""
        started = time.perf_counter()
        found = self.lab.store.arrays(kind, {"experiment": self.experiment.fingerprint(), **key}, compute, modules=modules)
        self.seconds[kind] = self.seconds.get(kind, 0.0) + time.perf_counter() - started
        self.record(kind, found)
        return found

    def record(self, name: str, arrays: Mapping[str, Any]) -> None:
        """Keep a stage record: the digest tells bitwise equality, whatever the machine."""
        digest = hashlib.sha256()
        for key in sorted(arrays):
            digest.update(key.encode() + np.ascontiguousarray(arrays[key]).tobytes()[: 1 << 26])
        self.stages.append({"name": name, "digest": digest.hexdigest()})


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
        return self.arrays("training", self._train, modules=("harness.train",))

    def _train(self) -> dict[str, Any]:
        import jax

        start = train.cast(self.theta_0, self.experiment.precision)
        final, losses = jax.jit(train.trajectory(*train.ingredients(self.experiment, self.dataset)))(start)
        train.check_losses(np.asarray(losses), self.label)
        d, loss = self.dataset, train.LOSSES[self.experiment.loss]
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

    def jacobian(self) -> jacobian.Matrix:
        """J of shape (final, initial); not kept: the spectrum is. Finished blocks are, until then."""
        self.training  # noqa: B018 - a diverging run must say so before minutes are spent on its derivative
        return jacobian.dense_jacobian(
            self.training_map,
            train.cast(self.theta_0, self.experiment.precision),
            done=self._blocks,
            progress=self.lab.progress,
            label=f"{self.label}: Jacobian",
        )

    @cached_property
    def _blocks(self) -> Any:
        import jax

        key = {"experiment": self.experiment.fingerprint(), "width": jacobian.CHUNK * len(jax.devices())}
        return self.lab.store.blocks("jacobian", key, ("harness.train", "harness.jacobian"))

    def _decompose(self) -> dict[str, Any]:
        started = time.perf_counter()
        matrix = self.jacobian()
        self.seconds["jacobian"] = time.perf_counter() - started
        self.record("jacobian", {"jacobian": matrix})
        sgd = self.experiment.optimiser.name == "sgd"
        with self.lab.progress.stage(f"{self.label}: spectrum"):
            spectrum = decompose(matrix, *(self.structural if sgd else (None, None)))
        return {field.name: np.asarray(getattr(spectrum, field.name)) for field in dataclasses.fields(spectrum)}

    @cached_property
    def spectrum(self) -> Spectrum:
        modules = ("harness.train", "harness.jacobian", "harness.spectrum", "harness.structural")
        held = self.arrays("spectrum", self._decompose, modules=modules)
        self._blocks.clear()
        scalars = {name: float(held[name]) for name in ("residual", "orthogonality", "structural_error")}
        return Spectrum(**{**held, **scalars})

    def prepare(self) -> None:
        self.spectrum  # noqa: B018


@functools.singledispatch
def open_run(experiment: AnyExperiment, lab: Lab) -> Run:
    """The run of an experiment; each paper registers its own class for its own experiments."""
    raise TypeError(f"no run is registered for {type(experiment).__name__}: use open_run.register")


@open_run.register(Experiment)
def _open_training(experiment: Experiment, lab: Lab) -> Run:
    return TrainingRun(experiment, lab)


class Lab:
    """The runs of one session: which scale, how many seeds, which precision, where artefacts are kept.

    Args:
        store: where artefacts are kept.
        scale: ``smoke``, ``paper`` or ``large``.
        seeds: number of seeds of experiments that are not of a fixed seed.
        precision: replaces every experiment's precision before its fingerprint; None keeps them.
        progress: sink of progress reports.
        mnist: folder with MNIST's idx files, if there is one.
        every_seed: run fixed-seed experiments for all seeds as well (for a reference ensemble).
    """

    def __init__(
        self,
        store: Store,
        *,
        scale: str = "paper",
        seeds: int = 3,
        precision: str | None = None,
        progress: Progress | None = None,
        mnist: Path | None = None,
        every_seed: bool = False,
    ) -> None:
        self.store, self.scale, self.seeds, self.precision = store, scale, seeds, precision
        self.progress = progress or Progress()
        self.mnist = mnist
        self.every_seed = every_seed
        self._runs: dict[tuple[str, int], Any] = {}

    def run(self, name: str, seed: int = 0) -> Any:
        """The run of the named experiment with that seed; the same object each time."""
        experiment = find(name, self.scale)
        seed = experiment.seed if self._fixed(experiment) else seed
        if (name, seed) not in self._runs:
            changes: dict[str, Any] = {"seed": seed}
            if self.precision is not None:
                changes["precision"] = self.precision
            self._runs[name, seed] = open_run(dataclasses.replace(experiment, **changes), self)
        return self._runs[name, seed]

    def runs(self, name: str) -> list[Any]:
        """All runs of the named experiment in this session: seeds 0, 1, ..., or the one of a fixed-seed experiment."""
        count = 1 if self._fixed(find(name, self.scale)) else self.seeds
        return [self.run(name, seed) for seed in range(count)]

    def opened(self) -> list[Any]:
        """Every run that was asked for, in order."""
        return list(self._runs.values())

    def _fixed(self, experiment: Any) -> bool:
        if not experiment.fixed_seed:
            return False
        return not self.every_seed or getattr(experiment, "initialisation", "seed") != "seed"
