"""Experiments in which the Hessian is looked at along training. Nothing here imports JAX: a run does, when it is opened."""

from __future__ import annotations

from dataclasses import dataclass, field

from harness.artefacts import Lab, Run, open_run
from harness.config import PRECISIONS, fingerprint, require, require_one_of

STRIDE = 10  # training stops to measure only after multiples of this many steps
OUTPUTS = {"mnist": 10, "digits": 10, "cifar10": 10, "sine": 1}


@dataclass(frozen=True)
class Architecture:
    """Hidden widths, activation, and 3 x 3 convolutions before them as (channels, ``SAME`` or ``VALID``, pooled or not)."""

    hidden: tuple[int, ...] = (100, 100)
    activation: str = "relu"
    convolutions: tuple[tuple[int, str, bool], ...] = ()

    def __post_init__(self) -> None:
        require(all(width > 0 for width in self.hidden), "architecture", "hidden", self.hidden, "positive widths")
        require_one_of("architecture", "activation", self.activation, ("relu", "softplus", "gelu", "tanh"))


@dataclass(frozen=True)
class SubspaceExperiment:
    """One training run whose Hessian is looked at on the way; the defaults are those of Gur-Ari, Roberts & Dyer 2018.

    Attributes:
        data: ``mnist`` (the user's), ``digits`` (scikit-learn's), ``sine`` (regression) or ``cifar10`` (the user's).
        images: how many of MNIST's images; the paper's 60,000 take six times as long.
        labels: ``true``, ``parity`` (even or odd) or ``permuted``.
        batch: examples a step; 0 takes the whole set.
        eigen_steps: when the top ``eigenpairs`` of the Hessian are computed.
        overlap_steps: when only the gradient and its product with the Hessian are.
        side: part of the gradient that is followed from step ``confined_from`` on: ``whole``, its projection on the top k
            eigenvectors (``dominant``) or what is orthogonal to them (``complement``), computed again every STRIDE steps.
        data_seed: seed of batch order, label permutation and regression noise, which are fixed parts of the experiment.
        seed: moves theta_0 only.
    """

    name: str
    scale: str = "paper"
    data: str = "digits"
    images: int = 10_000
    labels: str = "true"
    architecture: Architecture = field(default_factory=Architecture)
    optimiser: str = "sgd"
    step_size: float = 0.1
    batch: int = 64
    steps: int = 3000
    eigen_steps: tuple[int, ...] = ()
    eigenpairs: int = 20
    overlap_steps: tuple[int, ...] = ()
    side: str = "whole"
    confined_from: int = 0
    data_seed: int = 1
    seed: int = 0
    precision: str = "float32"
    fixed_seed: bool = False

    def __post_init__(self) -> None:
        owner = f"experiment {self.name}"
        require_one_of(owner, "data", self.data, OUTPUTS)
        require_one_of(owner, "labels", self.labels, ("true", "parity", "permuted"))
        require_one_of(owner, "optimiser", self.optimiser, ("sgd", "adam"))
        require_one_of(owner, "side", self.side, ("whole", "dominant", "complement"))
        require_one_of(owner, "precision", self.precision, PRECISIONS)
        require(0 < self.step_size < float("inf"), owner, "step_size", self.step_size, "positive and finite")
        require(self.images > 0, owner, "images", self.images, "1 or more")
        require(self.batch >= 0, owner, "batch", self.batch, "1 or more, or 0 for the whole set")
        require(self.seed >= 0, owner, "seed", self.seed, "0 or more")
        require(self.eigenpairs > 0, owner, "eigenpairs", self.eigenpairs, "1 or more")
        require(self.steps > 0, owner, "steps", self.steps, "1 or more")
        within = 0 <= self.confined_from <= self.steps and self.confined_from % STRIDE == 0
        require(within, owner, "confined_from", self.confined_from, f"a multiple of {STRIDE} from 0 to {self.steps}")
        for name, stops in (("eigen_steps", self.eigen_steps), ("overlap_steps", self.overlap_steps)):
            allowed = all(0 <= stop <= self.steps and stop % STRIDE == 0 for stop in stops)
            require(allowed, owner, name, stops, f"multiples of {STRIDE} from 0 to {self.steps}")

    @property
    def outputs(self) -> int:
        """Number of outputs: the number of classes k, or 1 for regression."""
        return 2 if self.labels == "parity" else OUTPUTS[self.data]

    def fingerprint(self) -> str:
        return fingerprint(self)


@open_run.register(SubspaceExperiment)
def _open(experiment: SubspaceExperiment, lab: Lab) -> Run:
    from harness.subspace_run import SubspaceRun

    return SubspaceRun(experiment, lab)
