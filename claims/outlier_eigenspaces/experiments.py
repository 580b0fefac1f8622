"""Every named experiment of the third paper. Nothing here imports JAX: runs are opened when they are needed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from harness.runs.experiment import PRECISIONS, fingerprint, register, require, require_one_of


@dataclass(frozen=True)
class OnePass:
    """A batch of independent trajectories of one-pass SGD on a Gaussian mixture; each has its own start and its own examples.

    Attributes:
        task: ``gaussians`` (softmax regression) or ``xor`` (two-layer ReLU network).
        width: classes k of ``gaussians``, hidden neurons K of ``xor``.
        dimension: d.
        snr: lambda; the noise of a component is N(0, I / lambda).
        ridge: beta, of every layer.
        step: delta d; the step size is delta = step / d.
        horizon: number of steps, in units of d.
        snapshots: how often the parameters are kept, equally spaced, besides the start.
        trajectories: size of the batch; a seed changes all trajectories.
        examples: fresh test examples a trajectory, in units of d; matrices on training data use the same number of its latest
            examples.
        labels: ``true`` or ``shuffled``.
    """

    name: str
    scale: str
    task: str
    width: int
    dimension: int
    snr: float = 100.0
    ridge: float = 0.05
    step: float = 1.0
    horizon: float = 40.0
    snapshots: int = 20
    trajectories: int = 40
    examples: float = 5.0
    labels: str = "true"
    seed: int = 0
    precision: str = "float32"
    fixed_seed: bool = False

    def __post_init__(self) -> None:
        owner = f"experiment {self.name}"
        require_one_of(owner, "task", self.task, ("gaussians", "xor"))
        require_one_of(owner, "labels", self.labels, ("true", "shuffled"))
        require_one_of(owner, "precision", self.precision, PRECISIONS)
        require(self.width >= 2, owner, "width", self.width, "2 or more")
        require(self.dimension >= self.outliers + 4, owner, "dimension", self.dimension, f"{self.outliers + 4} or more")
        for field in ("snr", "ridge", "step", "horizon", "examples"):
            value = getattr(self, field)
            require(0 < value < float("inf"), owner, field, value, "positive and finite")
        require(self.step * self.ridge < self.dimension, owner, "step", self.step, "below dimension / ridge, or weights grow")
        require(self.snapshots >= 1, owner, "snapshots", self.snapshots, "1 or more")
        require(self.trajectories >= 1, owner, "trajectories", self.trajectories, "1 or more")
        require(self.seed >= 0, owner, "seed", self.seed, "0 or more")

    @property
    def outliers(self) -> int:
        """Outliers of a first-layer block by theory: the span of the means, k of them, or mu and nu."""
        return self.width if self.task == "gaussians" else 2

    @property
    def test_examples(self) -> int:
        """Number of fresh test examples of a trajectory."""
        return round(self.examples * self.dimension)

    def fingerprint(self) -> str:
        return fingerprint(self)


@dataclass(frozen=True)
class Tilted(OnePass):
    """``gaussians`` whose means are not orthogonal and whose classes are not equally likely.

    It is a class of its own, so that other experiments keep their fingerprints.

    Attributes:
        cosine: inner product of any two means, which are of length one.
        weights: probability of each class.
    """

    cosine: float = 0.0
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        owner = f"experiment {self.name}"
        require(self.task == "gaussians", owner, "task", self.task, "gaussians")
        require(0 <= self.cosine < 1, owner, "cosine", self.cosine, "0 or more, and below 1")
        right = len(self.weights) == self.width and min(self.weights) > 0 and abs(sum(self.weights) - 1) < 1e-12
        require(right, owner, "weights", self.weights, f"{self.width} positive numbers whose sum is 1")


def _add(paper: OnePass, smoke: OnePass | None = None, suffix: str = "", **changes: Any) -> None:
    bases = [base for base in (paper, smoke) if base is not None]
    name = paper.name + suffix
    register(name, {base.scale: replace(base, name=name, **changes) for base in bases})


# k = 3 is the smallest k with a single top eigenvector; the ridge shrinks the start by e^(-2) within 40 d steps of size 1 / d.
GMM = OnePass("gmm", "paper", "gaussians", 3, 200)
GMM_SMOKE = replace(GMM, scale="smoke", dimension=50)
_add(GMM, GMM_SMOKE)
_add(GMM, GMM_SMOKE, "-snr-1", snr=1.0, trajectories=8)
_add(GMM, None, "-snr-10", snr=10.0, trajectories=8)
_add(GMM, None, "-snr-1000", snr=1000.0, trajectories=8)
_add(GMM, GMM_SMOKE, "-shuffled", labels="shuffled", trajectories=8)
# Late times and little noise, where the fixed point of the ridge is known in closed form.
_add(replace(GMM, dimension=100), GMM_SMOKE, "-late", snr=1000.0, horizon=100.0, snapshots=1, trajectories=16)

# Means at 60 degrees and unequal classes: the least outlier shrinks by (1 - 1/2) 3 p_min = 0.3; a larger lambda compensates.
TILTED = Tilted("gmm-tilted", "paper", "gaussians", 3, 200, snr=1000.0, trajectories=16, cosine=0.5, weights=(0.5, 0.3, 0.2))
TILTED_SMOKE = replace(TILTED, scale="smoke", dimension=50)
_add(TILTED, TILTED_SMOKE)
_add(TILTED, TILTED_SMOKE, "-snr-1", snr=1.0, trajectories=8)

# The same in every dimension; then with a step size that does not shrink with d, on a horizon that shrinks.
DIMENSIONS = (50, 100, 200, 400, 800)
for d in DIMENSIONS:
    _add(replace(GMM, dimension=d, horizon=24.0, snapshots=12, trajectories=4), None, f"-d-{d}")
    _add(replace(GMM, dimension=d, horizon=1200.0 / d, snapshots=12, trajectories=4), None, f"-fixed-step-d-{d}", step=d / 50)

# K = 8 neurons, so that "at most 4" outliers of the last layer can be wrong.
XOR = OnePass("xor", "paper", "xor", 8, 200, step=2.0)
XOR_SMOKE = replace(XOR, scale="smoke", dimension=50)
_add(XOR, XOR_SMOKE)
_add(XOR, XOR_SMOKE, "-snr-1", snr=1.0, trajectories=8)
_add(replace(XOR, dimension=100), XOR_SMOKE, "-late", snr=1e4, step=1.0, horizon=100.0, snapshots=1, trajectories=16)

# Probabilities need thousands of trajectories in one batch. lambda is large, since 2206.04030 takes d, then lambda to infinity.
MANY = OnePass(
    "xor-k",
    "paper",
    "xor",
    4,
    100,
    snr=1e4,
    step=4.0,
    horizon=25.0,
    snapshots=1,
    trajectories=3072,
    examples=2.0,
    fixed_seed=True,
)
MANY_SMOKE = replace(MANY, scale="smoke", dimension=32, trajectories=1024, examples=8.0)
_add(MANY, MANY_SMOKE, "-4", width=4)
_add(replace(MANY, trajectories=1536), None, "-6", width=6)
_add(replace(MANY, trajectories=1536), None, "-8", width=8)
_add(replace(MANY, trajectories=256), None, "-4-shuffled", width=4, labels="shuffled")
