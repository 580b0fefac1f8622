"""Experiments as frozen values: everything that decides a number, and nothing else.

An experiment validates itself when built, and its fingerprint is the hash of every field, so that
two experiments share an artefact only if they are the same.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, TypeVar, runtime_checkable

from harness.errors import InvalidInput

PRECISIONS = ("float32", "float64")


@runtime_checkable
class AnyExperiment(Protocol):
    """What the plugin, the store and the catalogue ask of any paper's experiment."""

    @property
    def name(self) -> str: ...
    @property
    def scale(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def precision(self) -> str: ...
    @property
    def fixed_seed(self) -> bool: ...
    def fingerprint(self) -> str: ...


E = TypeVar("E", bound=AnyExperiment)


def fingerprint(value: Any) -> str:
    """SHA-256 of a frozen dataclass: its class name and every field, as canonical JSON."""
    content = {"class": type(value).__name__, **dataclasses.asdict(value)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def require(ok: bool, owner: str, name: str, got: object, allowed: str) -> None:
    """Raise InvalidInput naming the field, what was got and what is allowed, unless ``ok``."""
    if not ok:
        raise InvalidInput(f"{owner}: {name} = {got!r} is not allowed; allowed: {allowed}")


def require_one_of(owner: str, name: str, got: object, allowed: Collection[str]) -> None:
    require(got in allowed, owner, name, got, ", ".join(sorted(allowed)))


@dataclass(frozen=True)
class Data:
    """Which inputs and labels are trained on.

    Attributes:
        source: ``digits`` (scikit-learn's 8 x 8 images, pixel / 16).
        inputs: ``images``, or ``white-noise``: uniform [0, 1] pixels in the training images' place.
        labels: ``true``, or ``shuffled``: one permutation of the training labels.
        test_size: images held out; the rest are trained on.
        split_seed: ``random_state`` of scikit-learn's ``train_test_split``.
        noise_seed: seed of the noise images and of the label permutation, which are fixed parts of the experiment.
    """

    source: str = "digits"
    inputs: str = "images"
    labels: str = "true"
    test_size: int = 197
    split_seed: int = 0
    noise_seed: int = 1

    def __post_init__(self) -> None:
        require_one_of("data", "source", self.source, ("digits",))
        require_one_of("data", "inputs", self.inputs, ("images", "white-noise"))
        require_one_of("data", "labels", self.labels, ("true", "shuffled"))
        require(0 < self.test_size < 1797, "data", "test_size", self.test_size, "1 to 1796 of the 1797 digits")


@dataclass(frozen=True)
class Model:
    """A multi-layer perceptron: lecun-normal kernels, biases N(0, 1/width) in every layer.

    Attributes:
        hidden: widths of the hidden layers.
        activation: ``gelu`` (tanh form), ``relu``, ``softplus`` or ``tanh``.
    """

    hidden: tuple[int, ...] = (64,)
    activation: str = "gelu"

    def __post_init__(self) -> None:
        require(
            len(self.hidden) > 0 and all(width > 0 for width in self.hidden), "model", "hidden", self.hidden, "positive widths"
        )
        require_one_of("model", "activation", self.activation, ("gelu", "relu", "softplus", "tanh"))


@dataclass(frozen=True)
class Optimiser:
    """The update rule and its step sizes.

    Attributes:
        name: ``sgd`` (heavy ball, or Nesterov's form with ``nesterov``) or ``adam``.
        step_size: peak step size eta.
        schedule: ``cosine`` (eta -> 0 over the run) or ``constant``.
        momentum: mu of sgd.
        eps_root: added under Adam's square root; positive, or its derivative at 0 is infinite.
    """

    name: str = "sgd"
    step_size: float = 0.1
    schedule: str = "cosine"
    momentum: float = 0.9
    nesterov: bool = False
    eps_root: float = 1e-8

    def __post_init__(self) -> None:
        require_one_of("optimiser", "name", self.name, ("sgd", "adam"))
        require_one_of("optimiser", "schedule", self.schedule, ("cosine", "constant"))
        require(
            math.isfinite(self.step_size) and self.step_size >= 0, "optimiser", "step_size", self.step_size, "finite, 0 or more"
        )
        require(0 <= self.momentum < 1, "optimiser", "momentum", self.momentum, "0 <= momentum < 1")
        require(
            self.name != "adam" or self.eps_root > 0,
            "optimiser",
            "eps_root",
            self.eps_root,
            "positive under Adam (the derivative of its square root at 0 is infinite without it)",
        )


@dataclass(frozen=True)
class Experiment:
    """One training run that is differentiated: data, model, loss, optimiser, horizon, initialisation, seed, precision.

    ``seed`` moves theta_0 only. ``initialisation`` is ``seed``, or ``published``: the authors' own theta_0.
    ``fixed_seed`` experiments run for one seed, whatever the number of seeds asked for.
    """

    run_module: ClassVar[str] = "harness.training_run"

    name: str
    scale: str
    data: Data = field(default_factory=Data)
    model: Model = field(default_factory=Model)
    loss: str = "cross-entropy"
    optimiser: Optimiser = field(default_factory=Optimiser)
    epochs: int = 25
    batch: int = 64
    remainder: str = "error"
    initialisation: str = "seed"
    seed: int = 0
    precision: str = "float32"
    fixed_seed: bool = False

    def __post_init__(self) -> None:
        owner = f"experiment {self.name}"
        require_one_of(owner, "loss", self.loss, ("cross-entropy", "squared-error"))
        require_one_of(owner, "remainder", self.remainder, ("error", "drop"))
        require_one_of(owner, "initialisation", self.initialisation, ("seed", "published"))
        require_one_of(owner, "precision", self.precision, PRECISIONS)
        require(self.epochs >= 0, owner, "epochs", self.epochs, "0 or more")
        require(self.seed >= 0, owner, "seed", self.seed, "0 or more")
        examples = 1797 - self.data.test_size
        require(0 < self.batch <= examples, owner, "batch", self.batch, f"1 to {examples}, the number of training examples")
        require(
            self.remainder == "drop" or examples % self.batch == 0,
            owner,
            "batch",
            self.batch,
            f"a divisor of the {examples} training examples, or remainder='drop'",
        )

    @property
    def steps(self) -> int:
        """Number of optimiser steps."""
        return self.epochs * ((1797 - self.data.test_size) // self.batch)

    def fingerprint(self) -> str:
        return fingerprint(self)


CATALOGUE: dict[str, dict[str, AnyExperiment]] = {}


def register(name: str, scales: Mapping[str, AnyExperiment]) -> None:
    """Add a named experiment, one value a scale.

    Raises:
        InvalidInput: the name is taken by another experiment.
    """
    if CATALOGUE.get(name, scales) != scales:
        raise InvalidInput(f"experiment {name!r} is already registered with other values: names are unique")
    CATALOGUE[name] = dict(scales)


def find(name: str, scale: str) -> Any:
    """The experiment of that name at that scale.

    Raises:
        InvalidInput: unknown name, or a scale that the experiment does not have.
    """
    if name not in CATALOGUE:
        near = difflib.get_close_matches(name, CATALOGUE, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"allowed: {', '.join(sorted(CATALOGUE))}"
        raise InvalidInput(f"unknown experiment {name!r}; {hint}")
    if scale not in CATALOGUE[name]:
        raise InvalidInput(f"experiment {name!r} has no scale {scale!r}; it has: {', '.join(CATALOGUE[name])}")
    return CATALOGUE[name][scale]
