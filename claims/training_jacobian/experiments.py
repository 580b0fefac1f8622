"""The training-Jacobian paper's experiments, each with its name: frozen values of everything that decides a number.

Nothing here imports JAX: naming experiments needs none.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

from harness.runs.experiment import PRECISIONS, fingerprint, register, require, require_one_of

EXAMPLES = 1797  # digits that scikit-learn has


@dataclass(frozen=True)
class Data:
    """The inputs and labels of training.

    Attributes:
        source: ``digits`` (scikit-learn's 8 x 8 images, pixel / 16).
        inputs: ``images``, or ``white-noise``: uniform [0, 1] pixels in the training images' place.
        labels: ``true``, or ``shuffled``: one permutation of the training labels a seed.
        test_size: images held out; the rest are trained on.
        split_seed: ``random_state`` of scikit-learn's ``train_test_split``.
    """

    source: str = "digits"
    inputs: str = "images"
    labels: str = "true"
    test_size: int = 197
    split_seed: int = 0

    def __post_init__(self) -> None:
        require_one_of("data", "source", self.source, ("digits",))
        require_one_of("data", "inputs", self.inputs, ("images", "white-noise"))
        require_one_of("data", "labels", self.labels, ("true", "shuffled"))
        require(
            0 < self.test_size < EXAMPLES, "data", "test_size", self.test_size, f"1 to {EXAMPLES - 1} of the {EXAMPLES} digits"
        )

    @property
    def train_size(self) -> int:
        """Number of training examples."""
        return EXAMPLES - self.test_size


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

    ``seed`` draws theta_0 and, from separate streams, the noise images and the permutation of the labels. Split and order of
    the examples are fixed. ``initialisation`` is ``seed``, or ``published``: the authors' own theta_0. ``fixed_seed``
    experiments run for one seed, whatever the number of seeds asked for.
    """

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
        examples = self.data.train_size
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
        return self.epochs * (self.data.train_size // self.batch)

    def fingerprint(self) -> str:
        return fingerprint(self)


# Section 3 and the authors' notebook: 64-64-10, tanh-form GELU, heavy ball 0.9, cosine 0.1 -> 0, 25 epochs of 25 batches of 64.
PAPER = Experiment("digits", "paper")
# The same pipeline on the same digits, small: N = 1210, 10 epochs.
SMOKE = Experiment("digits", "smoke", model=Model(hidden=(16,)), epochs=10)

register("digits", {"paper": PAPER, "smoke": SMOKE})
register("as-published", {"paper": replace(PAPER, name="as-published", initialisation="published", fixed_seed=True)})


def _variants(name: str, data: Data) -> None:
    register(name, {base.scale: replace(base, name=name, data=data) for base in (PAPER, SMOKE)})


# Half the squared distance of the logits from the one-hot label, everything else the same.
register(
    "squared-error",
    {base.scale: replace(base, name="squared-error", loss="squared-error", fixed_seed=True) for base in (PAPER, SMOKE)},
)
# Drawn anew with each seed: a result on one draw may be luck.
_variants("white-noise", Data(inputs="white-noise"))
_variants("shuffled-labels", Data(labels="shuffled"))
