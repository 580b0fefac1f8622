"""Shares of singular values near one after few and after many training steps, and the horizon that a claim is judged at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from harness.engine.counting import Share
from harness.errors import InvalidInput, NotRun

from .experiments import FEWEST, at

Shares = Callable[[Any], Share]


@dataclass(frozen=True, eq=False)
class Horizon:
    """A share after one number of training steps.

    Attributes:
        run: the run that it was measured on.
        share: with its interval.
        depth: block steps of Lanczos that were done.
    """

    run: Any
    share: Share
    depth: int


def horizons(run: Any, world: str, share: Shares, space: str = "gram") -> dict[int, Horizon]:
    """The share at each horizon of a world that the data and the budget reach, by training steps.

    Args:
        run: any run of the same seed.
        world: a key of :data:`.experiments.WORLDS`.
        share: takes the share from a run's ``spaces``.
        space: the Krylov space that the share is of.

    Raises:
        NotRun: there is no horizon that claims are judged at.
    """
    found, reason = {}, ""
    for name in at(world):
        try:
            other = run.sibling(name)
            spaces = other.spaces
        except (NotRun, InvalidInput) as error:
            reason = reason or str(error)
            continue
        found[other.steps] = Horizon(other, share(spaces), getattr(spaces, space).depth)
    if not any(steps >= FEWEST for steps in found):
        raise NotRun(reason)
    return found


def near(delta: float) -> Shares:
    """The share of |sigma - 1| < delta, from J^T J."""
    return lambda spaces: spaces.counts[delta].inside


def longest(found: Mapping[int, Horizon], edge: float) -> Horizon:
    """The longest horizon whose interval lies on one side of ``edge``, or the longest of all if none does.

    Horizons below :data:`.experiments.FEWEST` steps are left out: so short a training moves few directions with any data.
    """
    judged = [found[steps] for steps in sorted(found, reverse=True) if steps >= FEWEST]
    return next((one for one in judged if not one.share.low < edge <= one.share.high), judged[0])


def table(found: Mapping[int, Horizon]) -> Any:
    """Rows (training steps, least, estimate, most), in the order of the steps."""
    return np.array([(steps, one.share.low, one.share.estimate, one.share.high) for steps, one in sorted(found.items())])
