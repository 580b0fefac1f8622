"""Wording and controls that both tasks of the third paper share."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.suite.claim import Control
from harness.suite.verdict import at_least

from .eigenspaces import outlier_count

EMERGE = "emerging low-rank outlier eigenspaces of the Hessian and gradient matrices"
ALIGNS = "the SGD trajectory rapidly aligns with emerging low-rank outlier eigenspaces of the Hessian and gradient matrices"
PER_LAYER = "in multi-layer settings this alignment occurs per layer"
MATRIX = {"hessian": "the Hessian", "gradients": "the second moment of per-example gradients"}
DATA = {"test": "fresh test data", "training": "as many of the latest training examples"}
ALIGNED = at_least(
    0.95,
    reason="our reading of 'aligns': 1 less the start's memory e^(-2 beta t), 2 % at 40 d steps, and noise of order 1 / lambda, 1 %; "
    "a random direction has sqrt(rank / d), 0.12",
)
# d^(-1/2) is 7 % at d = 200: at finite d the theorem's 'with probability tending to one' is not exactly one.
USUALLY = at_least(
    0.9, reason="the theorem holds with probability tending to one; at d = 200 corrections are of order d^(-1/2) = 7 %"
)

zero_steps = Control("zero steps", lambda run: run.after(0))
random_directions = Control("random directions in the parameters' place", lambda run: run.with_random_directions())


def sibling(name: str, words: str) -> Control:
    """The same measurement on another experiment."""
    return Control(words, lambda run: run.sibling(name))


def counted_right(space: Any, expected: int, among: Any = True) -> Any:
    """Trajectories in which every block (or every block of ``among``) has exactly ``expected`` outliers."""
    return ((outlier_count(space.values, space.edge) == expected) | ~np.asarray(among)).all(axis=1)


def in_units_of_edge(space: Any) -> dict[str, Any]:
    """Evidence for an eigenvalue strip: eigenvalues over the edge of their bulk, (trajectories, blocks, rank + 2)."""
    return {"eigenvalues": space.values / space.edge[..., None]}
