"""Singular values of a training Jacobian too large to form, within a time budget: three counts, each a check on the others.

:func:`count` takes the :class:`harness.engine.products.TrainingProducts` of any network. :func:`compare_bulks` measures how
much two runs' bulks have in common.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from harness.engine import budget, counting
from harness.engine.krylov import Floats, Krylov, Operator, Products, displacement, gram, probes
from harness.engine.range_finder import RangeFinder
from harness.engine.streams import numpy_stream

WIDTH = 2
# Shares of the time. J^T J gives the counts, and the other two check them. A comparison needs both of its spaces equally.
WEIGHTS = {"gram": 0.6, "displacement": 0.3, "range": 0.1, "inside": 0.5, "outside": 0.5}
Keep = Callable[[str], MutableMapping[int, Any]]


@dataclass(eq=False)
class Spaces:
    """The results of the products with J so far.

    Attributes:
        size: N.
        confidence: of all intervals.
        gram: Krylov space of J^T J.
        displacement: Krylov space of (J - I)^T (J - I).
        range: range finder of J - I.
        spent: seconds spent on each method, in all runs.
    """

    size: int
    confidence: float
    gram: Krylov
    displacement: Krylov
    range: RangeFinder
    spent: dict[str, float] = field(default_factory=dict)

    @cached_property
    def counts(self) -> dict[float, counting.Counts]:
        """Singular values of J near one, above and below, by delta, from J^T J."""
        return {found.delta: found for found in counting.near_one(self.gram, confidence=self.confidence)}

    @cached_property
    def unmoved(self) -> dict[float, counting.Share]:
        """Singular values of J - I below delta: directions that J leaves where they are, by delta."""
        return dict(zip(counting.DELTAS, counting.unmoved(self.displacement, confidence=self.confidence), strict=True))

    @cached_property
    def low_rank(self) -> dict[float, counting.Counted]:
        """Singular values of J near one, above and below, by delta, from the range finder."""
        sigma, missed = self.range.decomposition()[0], counting.tail(self.range.missed, confidence=self.confidence)
        return {delta: counting.counts(sigma, self.size, missed, delta) for delta in counting.DELTAS}


@dataclass(eq=False)
class Compared:
    """Overlap of the bulks of two runs, |sigma - 1| < delta: vectors of a sampled run, and products with the other run's J.

    Attributes:
        delta: the bulk is |sigma - 1| < delta.
        sampled: the sampled run's bulk, as a share of all directions.
        confidence: of all intervals.
        inside, outside: Krylov spaces of the other run's J^T J, from random vectors of the sampled run's bulk and its complement.
        spent: seconds spent on each space, in all sessions.
    """

    delta: float
    sampled: float
    confidence: float
    inside: Krylov
    outside: Krylov
    spent: dict[str, float] = field(default_factory=dict)

    @property
    def shares(self) -> tuple[counting.Share, counting.Share]:
        """Mean squared cosines with the other run's bulk, of random vectors of the sampled run's bulk and of its complement."""

        def shared(krylov: Krylov, sampled: float) -> counting.Share:
            dimensions = max(1, round(sampled * krylov.blocks.size))
            return counting.within(krylov, self.delta, confidence=self.confidence, dimensions=dimensions)

        return shared(self.inside, self.sampled), shared(self.outside, 1 - self.sampled)

    @property
    def contrast(self) -> counting.Share:
        """The difference of :attr:`shares`: 0 for independent bulks, whatever their dimensions, and 1 for equal bulks."""
        return counting.difference(*self.shares)


def count(
    products: Products,
    size: int,
    seconds: float,
    *,
    confidence: float,
    width: int = WIDTH,
    seed: int = 0,
    keep: Keep = lambda name: {},
    report: Callable[[Spaces, float], None] = lambda spaces, left: None,
    clock: Callable[[], float] = time.monotonic,
) -> Spaces:
    """Spend ``seconds`` on products with J of shape (size, size).

    Args:
        products: blocks J V and J^T W; asked only for steps that ``keep`` does not hold.
        confidence: of all intervals, such as 0.95.
        width: vectors a block.
        seed: of the probes.
        keep: name -> mapping that keeps finished steps, such as the store's blocks; by default no step is kept.
        report: called with the results so far and the seconds left, before the first step and after each.
        clock: gives the time in seconds.

    Raises:
        InvalidInput: the budget is too small for two steps of each method, or the matrix for the probes.
        NotFinite: a product is not finite.
    """
    starts = {name: Krylov.start(probes(size, width, numpy_stream(seed, f"large-{name}"))) for name in ("gram", "displacement")}
    spaces = Spaces(size, confidence, starts["gram"], starts["displacement"], RangeFinder(size, width))

    def find() -> None:
        step = len(spaces.range.range)
        spaces.range.advance(products, numpy_stream(seed, f"large-range-{step}"), found)

    found = keep("range")
    tracks = [
        _lanczos("gram", spaces.gram, gram(products), keep),
        _lanczos("displacement", spaces.displacement, displacement(products), keep),
        _track("range", find, lambda: spaces.range.full, keep),
    ]
    block = probes(size, width, numpy_stream(seed, "large-price"))
    budget.spend(tracks, seconds, lambda: _price(products, block, clock), lambda left: report(spaces, left), clock=clock)
    spaces.spent = {track.name: track.seconds for track in tracks}
    return spaces


def compare_bulks(
    products: Products,
    inside: Floats,
    outside: Floats,
    delta: float,
    seconds: float,
    *,
    sampled: float,
    confidence: float,
    keep: Keep = lambda name: {},
    report: Callable[[Compared, float], None] = lambda compared, left: None,
    clock: Callable[[], float] = time.monotonic,
) -> Compared:
    """Spend ``seconds`` on measuring how much a sampled run's bulk has in common with another run's, by the other's products.

    Samples that leak across the edge of their bulk lower the contrast. The interval covers the other run's Lanczos bias and the
    noise of a few samples, but not this leakage.

    Args:
        products: the other run's, as for :func:`count`.
        inside, outside: the sampled run's, from :func:`.directions.bulk_and_complement` with the same ``delta``, (N, b) each.
        sampled: the sampled run's bulk, as a share of all directions: of how many dimensions each vector is a random one.
        confidence, keep, report, clock: as for :func:`count`. The key of ``keep`` must hold a digest of
            ``inside`` and ``outside``.

    Raises:
        InvalidInput, NotFinite: as :func:`count`.
    """
    compared = Compared(delta, sampled, confidence, Krylov.start(inside), Krylov.start(outside))
    operator = gram(products)
    tracks = [_lanczos(name, getattr(compared, name), operator, keep) for name in ("inside", "outside")]
    budget.spend(tracks, seconds, lambda: _price(products, inside, clock), lambda left: report(compared, left), clock=clock)
    compared.spent = {track.name: track.seconds for track in tracks}
    return compared


def _lanczos(name: str, krylov: Krylov, operator: Operator, keep: Keep) -> budget.Track:
    done = keep(name)
    return _track(name, lambda: krylov.advance(operator, done), lambda: krylov.full, keep)


def _track(name: str, step: Callable[[], None], full: Callable[[], bool], keep: Keep) -> budget.Track:
    return budget.Track(name, WEIGHTS[name], step, full, keep(f"{name}-seconds"))


def _price(products: Products, block: np.ndarray[Any, Any], clock: Callable[[], float]) -> float:
    """Seconds of a step, one product with J and one with J^T. The first step of a shape compiles and is not counted."""
    started = 0.0
    for _ in range(2):
        started = clock()
        products.adjoint(products.forward(block))
    return clock() - started
