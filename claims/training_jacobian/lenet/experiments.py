"""Appendix A.1's experiment: LeNet-5 on MNIST, whose Jacobian is too large to form. Nothing here imports JAX.

A training of few steps moves few directions, whatever its data are: its bulk says nothing about learning. So the horizon, the
number of training steps, is varied, and images are compared with white noise and with shuffled labels at the same horizon.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from harness.runs.experiment import PRECISIONS, fingerprint, register, require, require_one_of


@dataclass(frozen=True)
class LeNetExperiment:
    """LeNet-5 with ReLU, trained by Adam with a cosine schedule, and the settings for counting its singular values.

    Attributes:
        images: number of training images, the first of the data set; the paper's 60,000 make 2,811 steps.
        inputs: ``images``, or ``white-noise``: uniform [0, 1] pixels in their place.
        labels: ``true``, or ``shuffled``: the same labels in a random order.
        batch: images a step; the paper does not say. An incomplete last batch is dropped.
        epochs: passes over the images.
        step_size: peak step size of Adam, which the cosine schedule lowers to zero.
        eps_root: added under Adam's square root; without it training has no derivative where a gradient is zero.
        width: vectors a block. At the same number of products half as many have half the bias; two cores work on one each.
        part: this run's share of the budget.
        against: the experiment whose bulk is compared with this one's; the run's part of the budget is then spent on the
            comparison.
        noise_seed: seed of the noise images and of the order of shuffled labels, a fixed part of the experiment.
        seed: seed of theta_0 and of the probes.
    """

    name: str
    scale: str = "large"
    images: int = 2_560
    inputs: str = "images"
    labels: str = "true"
    batch: int = 64
    epochs: int = 3
    step_size: float = 0.01
    eps_root: float = 1e-8
    width: int = 2
    part: float = 0.15
    against: str = ""
    noise_seed: int = 1
    seed: int = 0
    precision: str = "float32"
    fixed_seed: bool = True

    def __post_init__(self) -> None:
        owner = f"experiment {self.name}"
        require_one_of(owner, "inputs", self.inputs, ("images", "white-noise"))
        require_one_of(owner, "labels", self.labels, ("true", "shuffled"))
        require_one_of(owner, "precision", self.precision, PRECISIONS)
        require(self.images >= self.batch > 0, owner, "images", self.images, f"a batch of {self.batch} or more")
        require(self.epochs > 0, owner, "epochs", self.epochs, "1 or more")
        require(0 < self.step_size < float("inf"), owner, "step_size", self.step_size, "positive and finite")
        allowed = "positive (the derivative of Adam's square root at 0 is infinite without it)"
        require(self.eps_root > 0, owner, "eps_root", self.eps_root, allowed)
        require(self.width >= 2, owner, "width", self.width, "2 or more: the range finder needs two probes")
        require(0 < self.part < 1, owner, "part", self.part, "between 0 and 1")
        require(self.seed >= 0, owner, "seed", self.seed, "0 or more")

    def fingerprint(self) -> str:
        return fingerprint(self)


FEWEST = 60  # steps of the shortest horizon that claims are judged at
# Shares of the budget by world and training steps. Longer trainings need more of it, and directions are taken at 120 steps. The
# longest trains on 8,960 of MNIST's 10,000 test images.
PARTS = {
    "images": {30: 0.02, 60: 0.03, 120: 0.15, 240: 0.15, 420: 0.2},
    "white-noise": {30: 0.02, 120: 0.08, 420: 0.08},
    "shuffled-labels": {30: 0.02, 120: 0.08, 420: 0.08},
}
LENET = LeNetExperiment("lenet-5")
WORLDS = {
    "images": LENET,
    "white-noise": replace(LENET, inputs="white-noise"),
    "shuffled-labels": replace(LENET, labels="shuffled"),
}


def named(world: str, steps: int) -> str:
    """The experiment of a world at a horizon; 120 steps, which directions are taken at, go without saying."""
    return "-".join(["lenet-5", *([] if steps == 120 else [str(steps)]), *([] if world == "images" else [world])])


def at(world: str) -> tuple[str, ...]:
    """Names of a world's experiments, the longest horizon first."""
    return tuple(named(world, steps) for steps in sorted(PARTS[world], reverse=True))


for _world, _parts in PARTS.items():
    for _steps, _part in _parts.items():
        _images = _steps * LENET.batch // LENET.epochs
        _experiment = replace(WORLDS[_world], name=named(_world, _steps), images=_images, part=_part)
        register(_experiment.name, {"large": _experiment})
OTHER = replace(LENET, name="lenet-5-other-seed", seed=1, part=0.09, against=LENET.name)
# The paper's own size, for a machine with an accelerator
FULL = replace(LENET, name="lenet-5-full", images=60_000, part=0.75)
for _experiment in (OTHER, FULL):
    register(_experiment.name, {"large": _experiment})
