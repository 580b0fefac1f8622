"""How many singular values of J lie near one, above and below, from a few products with J, with confidence intervals.

An interval covers two uncertainties. :mod:`harness.engine.krylov` bounds the bias of Lanczos quadrature for the mean over
probes. The probes are a sample of all directions: if a share p of n directions is counted, v^T P v of a random unit vector v has
the distribution Beta(n p / 2, n (1 - p) / 2), whatever the operator is. Its quantiles widen both bounds, as Clopper and Pearson's
do for a proportion. ``halfway``, the estimate from half as many steps, is a check on the bounds.

The bias falls with the number of steps, and one random vector of many dimensions has little noise. So few probes are best: at
the same number of products, half as many probes have half the bias.

Two operators count two sets. J^T J counts singular values of J. (J - I)^T (J - I) counts directions v with |J v - v| < delta
|v|, which keep both their length and their direction. If k of its eigenvalues are above delta^2, at most k singular values of J
are above 1 + delta and at most k below 1 - delta (Weyl). So the second count bounds the first from below.

A third count does not use Lanczos: the singular values of I + Q B from :mod:`.range_finder`. E is the part that Q missed:
sigma_{i+j-1}(A + E) <= sigma_i(A) + sigma_j(E), and at most |E|_F^2 / tau^2 singular values of E are above tau.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

from harness.engine.krylov import Krylov
from harness.errors import InvalidInput

Floats = NDArray[np.float64]
DELTAS = (0.01, 0.03, 0.1, 0.3)
# Shares below it are rounding errors.
TINY = 1e-12
# Thresholds tau, as shares of delta. The sharpest of their bounds on the range finder's missed part is taken.
SPLITS = np.linspace(0.05, 0.95, 19)


@dataclass(frozen=True)
class Share:
    """A share of all directions, or a difference of two, with its confidence interval.

    Attributes:
        estimate: the middle of the bounds.
        low, high: the interval: Lanczos bias and probe noise together.
        bias: half the distance between the bounds.
        noise: half-width that the probes' noise adds, the mean over both sides.
        halfway: the estimate from half as many Lanczos steps.
    """

    estimate: float
    low: float
    high: float
    bias: float
    noise: float
    halfway: float

    def __str__(self) -> str:
        return f"{100 * self.estimate:.2f} % [{100 * self.low:.2f}, {100 * self.high:.2f}]"


def share(
    krylov: Krylov,
    low: float = -np.inf,
    high: float = np.inf,
    *,
    confidence: float,
    depth: int | None = None,
    dimensions: int | None = None,
) -> Share:
    """The share of the operator's eigenvalues between ``low`` and ``high``; infinite ends leave a side open.

    Args:
        confidence: level of the interval, such as 0.95.
        depth: use the first ``depth`` Lanczos steps only.
        dimensions: of the space that the probes are drawn from; by default the whole space.

    Raises:
        InvalidInput: no step.
    """
    m = krylov.depth if depth is None else depth
    least, most = _bounds(krylov, low, high, m)
    sampled = krylov.width * (krylov.blocks.size if dimensions is None else dimensions)
    ends = _least(least, sampled, confidence), 1 - _least(1 - most, sampled, confidence)
    return Share(
        (least + most) / 2,
        *ends,
        (most - least) / 2,
        (ends[1] - ends[0] - (most - least)) / 2,
        float(np.mean(_bounds(krylov, low, high, max(1, m // 2)))),
    )


def _least(mean: float, sampled: int, confidence: float) -> float:
    """The least share p that a mean of ``mean`` over probes does not refute.

    Orthonormal probes in n dimensions have no larger variance together than one probe in as many times n dimensions.
    """
    if mean <= TINY:
        return 0.0
    if mean >= 1 - TINY:
        return mean
    tail = (1 - confidence) / 2

    def excess(p: float) -> float:
        return float(stats.beta.sf(mean, sampled * p / 2, sampled * (1 - p) / 2)) - tail

    if excess(mean) <= 0:  # less than one direction, of which Beta's shape says nothing
        return 0.0
    return float(optimize.brentq(excess, TINY, mean))


def _bounds(krylov: Krylov, low: float, high: float, depth: int) -> tuple[float, float]:
    """The least and the largest share between the edges, as means over the probes."""
    outside = np.mean(krylov.enclosure(low, depth), axis=1) if np.isfinite(low) else (0.0, 0.0)
    inside = np.mean(krylov.enclosure(high, depth), axis=1) if np.isfinite(high) else (1.0, 1.0)
    least, most = np.clip([inside[0] - outside[1], inside[1] - outside[0]], 0, 1)
    return float(least), float(most)


def difference(first: Share, second: Share) -> Share:
    """first - second: bounds and noise add up, since the two may err in opposite ways."""
    return Share(
        first.estimate - second.estimate,
        first.low - second.high,
        first.high - second.low,
        first.bias + second.bias,
        first.noise + second.noise,
        first.halfway - second.halfway,
    )


@dataclass(frozen=True)
class Counts:
    """Shares of singular values within delta of one, above and below, for one delta."""

    delta: float
    inside: Share
    above: Share
    below: Share


def near_one(krylov: Krylov, deltas: Sequence[float] = DELTAS, *, confidence: float) -> list[Counts]:
    """Counts of the singular values of J from a Krylov space of :func:`gram`.

    Raises:
        InvalidInput: a delta that is not between 0 and 1.
    """
    return [
        Counts(
            delta,
            within(krylov, delta, confidence=confidence),
            share(krylov, low=(1 + delta) ** 2, confidence=confidence),
            share(krylov, high=(1 - delta) ** 2, confidence=confidence),
        )
        for delta in _checked(deltas)
    ]


def within(krylov: Krylov, delta: float, *, confidence: float, dimensions: int | None = None) -> Share:
    """The share of singular values of J within delta of one, from a Krylov space of :func:`gram`; see :func:`share`."""
    return share(krylov, (1 - delta) ** 2, (1 + delta) ** 2, confidence=confidence, dimensions=dimensions)


def unmoved(krylov: Krylov, deltas: Sequence[float] = DELTAS, *, confidence: float) -> list[Share]:
    """Shares of singular values of J - I below each delta, from a Krylov space of :func:`displacement`.

    Raises:
        InvalidInput: a delta that is not between 0 and 1.
    """
    return [share(krylov, high=delta**2, confidence=confidence) for delta in _checked(deltas)]


def least_near_one(moved: Share) -> float:
    """Lower bound on the share of |sigma - 1| < delta that follows from a share of :func:`unmoved` (Weyl)."""
    return max(0.0, 1 - 2 * (1 - moved.low))


def _checked(deltas: Sequence[float]) -> Sequence[float]:
    wrong = [delta for delta in deltas if not 0 < delta < 1]
    if wrong:
        raise InvalidInput(f"delta = {wrong[0]}: give distances from one between 0 and 1")
    return deltas


def tail(missed: Floats, *, confidence: float) -> float:
    """Upper end of a two-sided confidence interval of |E|_F^2: Student's t over the last probes' squared lengths outside Q.

    Raises:
        InvalidInput: fewer than two probes.
    """
    if len(missed) < 2:
        raise InvalidInput(f"{len(missed)} probes of what the range finder missed give no spread: use blocks of two or more")
    error = float(np.std(missed, ddof=1)) / np.sqrt(len(missed))
    return float(missed.mean() + stats.t.ppf(0.5 + confidence / 2, len(missed) - 1) * error)


@dataclass(frozen=True)
class Counted:
    """Counts of singular values of J from I + Q B, each as (estimate, least, most); the bounds allow for E."""

    delta: float
    inside: tuple[int, int, int]
    above: tuple[int, int, int]
    below: tuple[int, int, int]


def counts(sigma: Floats, size: int, tail: float, delta: float) -> Counted:
    """Counts within delta of one, above and below, of N singular values.

    Args:
        sigma: singular values of I + Q B that may differ from one.
        size: N.
        tail: upper bound of |E|_F^2.

    Raises:
        InvalidInput: delta is not between 0 and 1.
    """
    if not 0 < delta < 1:
        raise InvalidInput(f"delta = {delta}: give a distance from one between 0 and 1")
    taus = SPLITS * delta
    spare = np.minimum(np.floor(tail / taus**2).astype(int), size)

    def side(distance: Floats) -> tuple[int, int, int]:
        """Counts of singular values further than delta from one on one side; ``distance`` is their distance on that side."""
        most = min(int(np.count_nonzero(distance > delta - tau)) + more for tau, more in zip(taus, spare, strict=True))
        least = max(int(np.count_nonzero(distance > delta + tau)) - more for tau, more in zip(taus, spare, strict=True))
        return int(np.count_nonzero(distance > delta)), max(0, least), min(most, size)

    above, below = side(sigma - 1), side(1 - sigma)
    inside = (size - above[0] - below[0], max(0, size - above[2] - below[2]), size - above[1] - below[1])
    return Counted(delta, inside, above, below)
