"""High-dimensional Gaussian mixtures N(mu_a, I / lambda), drawn from named streams.

Source: Ben Arous, Gheissari, Huang & Jagannath, ICLR 2024: the k-class mixture, and the XOR mixture of 2206.04030, section 2.
Noise, initialisation and SGD are invariant under rotations, so orthonormal means lie along the first coordinate axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.runs.experiment import require, require_one_of

Examples = tuple[NDArray[Any], NDArray[np.int64]]


@dataclass(frozen=True)
class Mixture:
    """Gaussian components around means of length one, equally likely unless there are ``weights``.

    Attributes:
        task: ``gaussians``: component a has mean e_a and label a; ``xor``: means e_1, -e_1 (label 1) and e_2, -e_2 (label 0).
        components: number of components (4 for ``xor``).
        dimension: d.
        cosine: inner product of any two means of ``gaussians``.
        weights: probability of each component of ``gaussians``; () for equal ones.
        labels: ``true``, or ``shuffled``: the label of a second component, drawn independently.
    """

    task: str
    components: int
    dimension: int
    labels: str = "true"
    cosine: float = 0.0
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        require_one_of("mixture", "task", self.task, ("gaussians", "xor"))
        require_one_of("mixture", "labels", self.labels, ("true", "shuffled"))
        require(self.components >= 2, "mixture", "components", self.components, "2 or more")
        require(self.task != "xor" or self.components == 4, "mixture", "components", self.components, "4, for xor")
        require(self.dimension >= self.components, "mixture", "dimension", self.dimension, f"{self.components} or more")

    @property
    def means(self) -> NDArray[np.float64]:
        """mu_a as rows, shape (components, dimension)."""
        axes = np.eye(self.components, self.dimension)
        if self.task == "gaussians":
            gram = (1 - self.cosine) * np.eye(self.components) + self.cosine
            return np.linalg.cholesky(gram) @ axes
        return np.stack([axes[0], -axes[0], axes[1], -axes[1]])

    @property
    def targets(self) -> NDArray[np.int64]:
        """The label of each component, shape (components,)."""
        return np.arange(self.components) if self.task == "gaussians" else np.array([1, 1, 0, 0])

    def draw(self, random: np.random.Generator, shape: tuple[int, ...], snr: float, precision: str = "float64") -> Examples:
        """Fresh examples of the given shape at signal-to-noise ratio lambda = ``snr``.

        x = mu_a + z / sqrt(lambda) with a uniform and z standard normal, drawn in ``precision``.

        Returns:
            x of shape (*shape, dimension) and labels y of shape (*shape,).
        """
        component = self._components(random, shape)
        x = random.standard_normal((*shape, self.dimension), np.dtype(precision))
        x *= snr**-0.5
        x[..., : self.components] += self.means[component, : self.components]  # the other coordinates of every mean are zero
        named = component if self.labels == "true" else random.integers(self.components, size=shape)
        return x, self.targets[named]

    def _components(self, random: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.int64]:
        if self.weights:
            return random.choice(self.components, size=shape, p=self.weights)
        return random.integers(self.components, size=shape)
