"""The second paper's experiments, which measure the Hessian along training, each with its name.

Nothing here imports JAX.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from harness.runs.experiment import PRECISIONS, fingerprint, register, require, require_one_of

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
    """One training run whose Hessian is measured on the way; the defaults are those of Gur-Ari, Roberts & Dyer 2018.

    Attributes:
        data: ``mnist`` (the user's), ``digits`` (scikit-learn's), ``sine`` (regression) or ``cifar10`` (the user's).
        images: number of MNIST images; the paper's 60,000 take six times as long.
        labels: ``true``, ``parity`` (even or odd) or ``permuted``.
        batch: examples a step; 0 takes the whole set.
        eigen_steps: steps at which the top ``eigenpairs`` of the Hessian are computed.
        overlap_steps: steps at which only the gradient and its product with the Hessian are computed.
        side: part of the gradient that is followed from step ``confined_from`` on: ``whole``; ``dominant``, its projection on
            the top k eigenvectors; or ``complement``, the part orthogonal to them. The eigenvectors are computed again every
            STRIDE steps.
        data_seed: seed of batch order, held-out examples and regression noise, which are fixed parts of the experiment.
        seed: draws theta_0 and, from a separate stream, the permutation of the labels.
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


@dataclass(frozen=True)
class Variant(SubspaceExperiment):
    """An experiment with one more choice. It is a class of its own, so that other experiments keep their fingerprints.

    Attributes:
        held_out: number of examples that training never sees; gradient and Hessian are measured on them as well.
        classes: number of classes whose images are used, from the first on; 0 takes all.
        dense: at the eigen steps the whole Hessian spectrum is computed too.
    """

    held_out: int = 0
    classes: int = 0
    dense: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = f"experiment {self.name}"
        require(self.held_out >= 0, owner, "held_out", self.held_out, "0 or more")
        allowed = self.classes == 0 or 2 <= self.classes <= OUTPUTS[self.data]
        require(allowed, owner, "classes", self.classes, f"0, or 2 to {OUTPUTS[self.data]}")

    @property
    def outputs(self) -> int:
        return self.classes or super().outputs


# 3000 steps are the paper's "few epochs" of 60,000 images in batches of 64
STEPS = 3000
EIGEN = {
    "mnist": (0, 50, 100, 200, 400, 600, 1000, 2000, 3000),
    "digits": (0, 50, 100, 200, 300, 400, 500, 600, 1000, 1500, 2000, 2500, 3000),
}
# "the reported overlap is the mean over the last 1,000 steps of training" (Table 1): every 20th of them, or every 100th
LAST = tuple(range(STEPS - 980, STEPS + 1, 20))
LAST_SPARSE = tuple(range(STEPS - 900, STEPS + 1, 100))
# Figure 12: the top ten eigenvectors of these rows soon after the start and later on; on MNIST an eigenproblem takes seconds
ROWS = {"mnist": (100, 600, 1000, 3000), "digits": (100, 200, 400, 600, 1000, 2000, 3000)}
# the steps over which batch sizes are compared: a full-batch step costs as much as 150 steps of 64 images
EARLY = tuple(range(200, 601, 20))
SMALL = Architecture(hidden=(32, 32))


def _add(paper: SubspaceExperiment, smoke: SubspaceExperiment | None = None) -> None:
    scales = {"paper": paper} if smoke is None else {"paper": paper, "smoke": replace(smoke, scale="smoke")}
    register(paper.name, scales)


def _table_row(base: SubspaceExperiment, window: tuple[int, ...] = LAST) -> None:
    _add(replace(base, overlap_steps=(0, *base.overlap_steps, *window)))


def _family(data: str) -> None:
    """Section 2 on one data set."""

    def a(suffix: str, **changes: Any) -> SubspaceExperiment:
        return replace(SubspaceExperiment(f"tiny-{data}{suffix}", data=data), **changes)

    rows: dict[str, dict[str, Any]] = {
        "-softmax": {"architecture": Architecture(hidden=())},
        "-softplus": {"architecture": Architecture(activation="softplus")},
        "-slow": {"step_size": 0.01},
        "-batch-256": {"batch": 256, "overlap_steps": EARLY},
        "-random-labels": {"labels": "permuted"},
        "-adam": {"optimiser": "adam", "step_size": 1e-3},
    }
    for suffix, changes in rows.items():
        _table_row(a(suffix, eigen_steps=ROWS[data], eigenpairs=10, **changes))
    _add(a("-batch-16", batch=16, steps=600, overlap_steps=EARLY))
    _add(a("-full-batch", batch=0, steps=600, eigen_steps=(600,), eigenpairs=10, overlap_steps=EARLY))
    _add(a("-parity", labels="parity", steps=600, eigen_steps=(600,), eigenpairs=12))
    base = a("", eigen_steps=EIGEN[data], overlap_steps=EARLY)
    smoke = replace(base, architecture=SMALL, steps=600, eigen_steps=EIGEN[data][:8]) if data == "digits" else None
    _add(base, smoke)
    # Figure 4: 40 epochs, here of 156 (MNIST) and 28 (digits) batches
    last = {"mnist": 6240, "digits": 1120}[data]
    figure_4 = a("-figure-4", architecture=SMALL, steps=last, eigen_steps=(last,), eigenpairs=12)
    _add(figure_4, figure_4 if data == "digits" else None)
    # the same with 4 k eigenvalues, enough beyond the outliers to measure where the bulk begins
    spectrum = a("-spectrum", architecture=SMALL, steps=last, eigen_steps=(last,), eigenpairs=40)
    _add(spectrum, spectrum if data == "digits" else None)
    held_out = Variant(f"tiny-{data}-held-out", data=data, held_out={"mnist": 2000, "digits": 297}[data])
    _table_row(held_out)
    _table_row(replace(held_out, name=f"tiny-{data}-held-out-random-labels", labels="permuted"))


_family("mnist")
_family("digits")
_table_row(SubspaceExperiment("tiny-regression", data="sine", batch=100))
# Permuted labels are learned: 12,000 steps are 430 epochs, and the training loss is then below 0.1
_add(SubspaceExperiment("tiny-digits-memorised", labels="permuted", steps=12_000, eigen_steps=(12_000,), eigenpairs=12))

_add(SubspaceExperiment("tiny-digits-spectrum-memorised", labels="permuted", steps=12_000, eigen_steps=(12_000,), eigenpairs=40))
# Other numbers of classes: the first three and the first five digits, 4 k eigenvalues
for k in (3, 5):
    few = Variant(f"tiny-digits-classes-{k}", architecture=SMALL, classes=k, steps=1120, eigen_steps=(1120,), eigenpairs=4 * k)
    _add(few, few)
# All eigenvalues before training and after it: 3466 parameters
_add(Variant("tiny-digits-dense", architecture=SMALL, steps=1120, eigen_steps=(0, 1120), eigenpairs=10, dense=True))

# Keras' CIFAR10 example (Chollet et al. 2015) and its port to 8 x 8 digits: half of its layers, a quarter of its channels
KERAS = Architecture((512,), "relu", ((32, "SAME", False), (32, "VALID", True), (64, "SAME", False), (64, "VALID", True)))
PORT = Architecture((64,), "relu", ((8, "SAME", False), (8, "VALID", True)))
# Figures 2c and 2d, as a port; an eigenproblem takes seven seconds
_add(SubspaceExperiment("tiny-digits-convnet", architecture=PORT, steps=600, eigen_steps=(100, 200, 600)))
_table_row(SubspaceExperiment("tiny-digits-convnet-random-labels", architecture=PORT, labels="permuted"), LAST_SPARSE)
_table_row(SubspaceExperiment("tiny-digits-convnet-adam", architecture=PORT, optimiser="adam", step_size=1e-3), LAST_SPARSE)

# Song, Ahn & Yun: from step 100 on, each gradient confined to the top ten eigenvectors or to their complement
for side in ("whole", "dominant", "complement"):
    arm = SubspaceExperiment(
        f"tiny-digits-{side}", architecture=SMALL, side=side, confined_from=100, steps=300, overlap_steps=tuple(range(0, 301, 50))
    )
    _add(arm)


def _cifar10(suffix: str, **changes: Any) -> None:
    base = SubspaceExperiment(f"tiny-cifar10{suffix}", scale="large", data="cifar10", architecture=KERAS, overlap_steps=LAST)
    register(base.name, {"large": replace(base, **changes)})


# For a machine with an accelerator: 1,250,858 parameters, 50,000 images; a product with the Hessian takes about 20 TFLOP
_cifar10("", eigen_steps=(0, 50, 100, 200, 400, 600))
_cifar10("-random-labels", labels="permuted")
_cifar10("-adam", optimiser="adam", step_size=1e-3, eigen_steps=ROWS["mnist"], eigenpairs=10)
