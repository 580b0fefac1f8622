"""Hypothesis strategies for training maps, and the profiles that the properties run under.

Generated values are plain and small, and their repr can be pasted into an ``@example``. Eigenvalues and step sizes are dyadic,
so that an edge such as eta h = 2 is met exactly. Shapes are few, since the engine compiles each once.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from harness.closed_form import PLAIN, Exact, Momentum, Quadratic, descend

Floats = NDArray[np.float64]
SIZE = 3
HORIZONS = (1, 2, 3, 8)
BATCH, FEATURES, CLASSES = 4, 2, 3


def register_profiles() -> None:
    """``quick`` (loaded): derandomised, for CI. ``deep``: thousands of fresh examples, for ``--hypothesis-profile=deep``.

    Neither has a deadline, since the first example of a shape compiles, and neither keeps a database.
    """
    common: dict[str, Any] = {"deadline": None, "database": None, "suppress_health_check": [HealthCheck.too_slow]}
    settings.register_profile("quick", max_examples=60, derandomize=True, **common)
    settings.register_profile("deep", max_examples=5000, derandomize=False, print_blob=True, **common)
    settings.load_profile("quick")


def orthogonal(seed: int, size: int = SIZE) -> Floats:
    """The coordinate axes for seed 0, else a random orthogonal matrix (size, size)."""
    if seed == 0:
        return np.eye(size)
    return np.asarray(np.linalg.qr(np.random.Generator(np.random.PCG64(seed)).normal(size=(size, size)))[0])


@dataclass(frozen=True)
class Descent:
    """Gradient descent on one quadratic.

    Attributes:
        eigenvalues: of H.
        basis: seed of H's eigenbasis; 0 for the coordinate axes.
        rates: step sizes, one a step.
    """

    eigenvalues: tuple[float, ...]
    basis: int
    rates: tuple[float, ...]
    momentum: Momentum = PLAIN

    @cached_property
    def loss(self) -> Quadratic:
        return Quadratic(np.array(self.eigenvalues), orthogonal(self.basis, len(self.eigenvalues)))

    @cached_property
    def exact(self) -> Exact:
        return descend(self.loss, self.rates, self.momentum)

    @property
    def hessians(self) -> Floats:
        """H at every step, (T, N, N)."""
        return np.broadcast_to(self.loss.hessian, (len(self.rates), *self.loss.basis.shape))


@dataclass(frozen=True)
class Batches:
    """Gradient descent on a sequence of quadratics, step t with eigenvalues and eigenbasis of its own."""

    eigenvalues: tuple[tuple[float, ...], ...]
    bases: tuple[int, ...]
    rates: tuple[float, ...]
    momentum: Momentum = PLAIN

    @property
    def hessians(self) -> Floats:
        """(T, N, N)."""
        pairs = zip(self.eigenvalues, self.bases, strict=True)
        return np.array([Quadratic(np.array(h), orthogonal(basis, len(h))).hessian for h, basis in pairs])


@dataclass(frozen=True)
class Regression:
    """Mini-batch regression on random examples.

    Attributes:
        seed: of inputs, targets, labels and initial parameters.
        scale: of the inputs.
        shares: step sizes, each as a share of the batch's largest stable step.
    """

    seed: int
    scale: float
    shares: tuple[float, ...]

    @cached_property
    def _draws(self) -> tuple[Any, ...]:
        random, steps = np.random.Generator(np.random.PCG64(self.seed)), len(self.shares)
        return (
            self.scale * random.normal(size=(steps, BATCH, FEATURES)),
            random.normal(size=(steps, BATCH)),
            random.integers(0, CLASSES, size=(steps, BATCH)),
            random.normal(size=FEATURES * CLASSES),
        )

    @property
    def inputs(self) -> Floats:
        """(T, b, d)."""
        return np.asarray(self._draws[0])

    @property
    def targets(self) -> Floats:
        """(T, b)."""
        return np.asarray(self._draws[1])

    @property
    def labels(self) -> NDArray[np.int64]:
        """(T, b)."""
        return np.asarray(self._draws[2])

    @property
    def theta(self) -> Floats:
        """Initial parameters of softmax regression, (d k,)."""
        return np.asarray(self._draws[3])

    def rates(self, smoothness: Any) -> Floats:
        """Step sizes, (T,), from a function that bounds a batch's Hessian."""
        return np.array([share * 2 / smoothness(x) for share, x in zip(self.shares, self.inputs, strict=True)])


def dyadic(low: float, high: float, denominator: int = 8) -> st.SearchStrategy[float]:
    """Multiples of 1/denominator from low to high; they shrink to the multiple nearest zero."""
    return st.integers(round(low * denominator), round(high * denominator)).map(lambda k: k / denominator)


def spectra(lowest: float = -1.0, size: int = SIZE) -> st.SearchStrategy[tuple[float, ...]]:
    """Eigenvalues from ``lowest`` to 4: any signs, singular, ill-conditioned, repeated, all zero."""
    single = dyadic(lowest, 4.0) | st.sampled_from((0.0, 4.0, 2.0**-20))
    return st.tuples(*[single] * size) | single.map(lambda h: (h,) * size)


def schedules(steps: int, highest: float = 0.75) -> st.SearchStrategy[tuple[float, ...]]:
    """Constant or free step sizes up to ``highest`` (the stable edge for h = 4 is 0.5)."""
    return constant_rates(steps, highest) | st.tuples(*[dyadic(0.0, highest, 16)] * steps)


def constant_rates(steps: int, highest: float = 0.75) -> st.SearchStrategy[tuple[float, ...]]:
    """One positive step size throughout."""
    return dyadic(1 / 16, highest, 16).map(lambda rate: (rate,) * steps)


def momenta(lowest: float = 0.0) -> st.SearchStrategy[Momentum]:
    """Heavy ball and Nesterov, mu from ``lowest`` to 7/8."""
    return st.builds(Momentum, dyadic(lowest, 0.875), st.booleans())


def bases() -> st.SearchStrategy[int]:
    return st.integers(0, 2**16)


horizons = st.sampled_from(HORIZONS)
plain = st.just(PLAIN)


def descents(
    momentum: st.SearchStrategy[Momentum] = plain, *, lowest: float = -1.0, highest: float = 0.75, constant: bool = False
) -> st.SearchStrategy[Descent]:
    """Training on one quadratic, eigenvalues from ``lowest`` to 4, steps up to ``highest``."""
    rates = horizons.flatmap(lambda steps: (constant_rates if constant else schedules)(steps, highest))
    return st.builds(Descent, spectra(lowest), bases(), rates, momentum)


def batch_sequences(
    momentum: st.SearchStrategy[Momentum] = plain,
    *,
    lowest: float = -1.0,
    highest: float = 0.75,
    steps: st.SearchStrategy[int] = horizons,
) -> st.SearchStrategy[Batches]:
    """Training on a quadratic a step."""

    def of_length(count: int) -> st.SearchStrategy[Batches]:
        every_step = (st.tuples(*[strategy] * count) for strategy in (spectra(lowest), bases()))
        return st.builds(Batches, *every_step, schedules(count, highest), momentum)

    return steps.flatmap(of_length)


def regressions(highest: float = 1.0) -> st.SearchStrategy[Regression]:
    """Least squares or softmax regression with steps up to ``highest`` of the stable edge 2 / L."""
    shares = horizons.flatmap(lambda steps: st.tuples(*[dyadic(0.0, highest)] * steps))
    return st.builds(Regression, st.integers(0, 2**16), dyadic(0.125, 4.0), shares)
