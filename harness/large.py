"""Singular values of a training Jacobian too large to form, within a time budget: three counts, each a check on the others.

The one call for any network is :func:`count` on its :class:`harness.products.TrainingProducts`; LeNet-5 goes through it as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, MutableMapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from harness import budget, counting
from harness.artefacts import Lab
from harness.keys import numpy_stream
from harness.krylov import Krylov, Operator, Products, displacement, gram, probes
from harness.randomised import RangeFinder

MINUTES = 20.0
WIDTH = 4
# Shares of the time: J^T J gives the counts; the other two check it.
WEIGHTS = {"gram": 0.6, "displacement": 0.3, "range": 0.1}
Keep = Callable[[str], MutableMapping[int, Any]]


class BudgetedLab(Lab):
    """A lab whose large networks may take ``budget`` minutes each, their controls included."""

    def __init__(self, *arguments: Any, budget: float = MINUTES, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.budget = budget


@dataclass(eq=False)
class Spaces:
    """What products with J have told so far.

    Attributes:
        size: N.
        gram: Krylov space of J^T J.
        displacement: Krylov space of (J - I)^T (J - I).
        range: range finder of J - I.
        spent: seconds that went into each, by any run.
    """

    size: int
    gram: Krylov
    displacement: Krylov
    range: RangeFinder
    spent: dict[str, float] = field(default_factory=dict)

    @cached_property
    def counts(self) -> dict[float, counting.Counts]:
        """Singular values of J near one, above and below, by delta, from J^T J."""
        return {found.delta: found for found in counting.near_one(self.gram)}

    @cached_property
    def unmoved(self) -> dict[float, counting.Share]:
        """Singular values of J - I below delta: directions that J leaves where they are, by delta."""
        return dict(zip(counting.DELTAS, counting.unmoved(self.displacement), strict=True))

    @cached_property
    def low_rank(self) -> dict[float, counting.Counted]:
        """Singular values of J near one, above and below, by delta, from the range finder."""
        sigma, missed = self.range.decomposition()[0], counting.tail(self.range.missed)
        return {delta: counting.counts(sigma, self.size, missed, delta) for delta in counting.DELTAS}


def count(
    products: Products,
    size: int,
    seconds: float,
    *,
    width: int = WIDTH,
    seed: int = 0,
    keep: Keep = lambda name: {},
    tell: Callable[[Spaces, float], None] = lambda spaces, left: None,
    clock: Callable[[], float] = time.monotonic,
) -> Spaces:
    """Spend ``seconds`` on products with J of shape (size, size).

    Args:
        products: blocks J V and J^T W; asked only for steps that ``keep`` does not hold.
        width: vectors a block.
        seed: of the probes.
        keep: where finished steps are kept, by name; a mapping a name, such as the store's blocks. By default nowhere.
        tell: called with what is known and the seconds left, before the first step and after each.
        clock: tells the seconds.

    Raises:
        InvalidInput: the budget is too small for two steps of each method, or the matrix for the probes.
        NotFinite: a product is not finite.
    """
    starts = {name: Krylov.start(probes(size, width, numpy_stream(seed, f"large-{name}"))) for name in ("gram", "displacement")}
    spaces = Spaces(size, starts["gram"], starts["displacement"], RangeFinder(size, width))

    def lanczos(name: str, krylov: Krylov, operator: Operator) -> budget.Track:
        done = keep(name)
        return _track(name, lambda: krylov.advance(operator, done), lambda: krylov.full, keep)

    def find() -> None:
        step = len(spaces.range.range)
        spaces.range.advance(products, numpy_stream(seed, f"large-range-{step}"), found)

    found = keep("range")
    tracks = [
        lanczos("gram", spaces.gram, gram(products)),
        lanczos("displacement", spaces.displacement, displacement(products)),
        _track("range", find, lambda: spaces.range.full, keep),
    ]
    block = probes(size, width, numpy_stream(seed, "large-price"))
    budget.spend(tracks, seconds, lambda: _price(products, block, clock), lambda left: tell(spaces, left), clock=clock)
    spaces.spent = {track.name: track.seconds for track in tracks}
    return spaces


def _track(name: str, step: Callable[[], None], full: Callable[[], bool], keep: Keep) -> budget.Track:
    return budget.Track(name, WEIGHTS[name], step, full, keep(f"{name}-seconds"))


def _price(products: Products, block: np.ndarray[Any, Any], clock: Callable[[], float]) -> float:
    """Seconds of a step, which is a product with J and one with J^T; the first one of a shape compiles and is not counted."""
    started = 0.0
    for _ in range(2):
        started = clock()
        products.adjoint(products.forward(block))
    return clock() - started
