"""An extrapolation of the paper's title, which the paper leaves open: training confined to the top subspace, and to its complement.

The paper's statement on one step is in ``test_one_step.py``. Source: Song, Ahn & Yun 2024.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.measure.measurement import Measurement
from harness.suite.claim import Control
from harness.suite.verdict import at_least, at_most

from .worlds import digits, supported

START = 100
SONG = "Song, Ahn & Yun 2024, abstract"
PROGRESS = (
    "from step 100 on, each mini-batch gradient is projected on {part} (computed again every 10 steps on the whole set); "
    "we measure the fall of the training loss from step 100 to step 300 over that of SGD"
)


def progress(run: Any) -> Measurement:
    """The share of SGD's progress that a confined run makes."""
    arms = {side: run.sibling(f"tiny-digits-{side}").overlaps for side in ("whole", "dominant", "complement")}
    begin = run.overlaps.steps == START

    def fall(overlaps: Any) -> float:
        return float(overlaps.loss[begin][0] - overlaps.loss[-1])

    arrays = {"steps": run.overlaps.steps, **{f"loss, {side}": np.asarray(arm.loss) for side, arm in arms.items()}}
    details = {f"final loss, {side}": float(arm.loss[-1]) for side, arm in arms.items()}
    return Measurement(fall(run.overlaps) / fall(arms["whole"]), "of SGD's progress", "steps 100 to 300", None, arrays, details)


def arm(side: str) -> Any:
    return lambda run: run.sibling(f"tiny-digits-{side}")


@digits(
    "confined-training",
    suffix="-dominant",
    tag="top-suffices",
    where="Abstract and section 4, extrapolated",
    quotes="A simple argument then suggests that gradient descent may happen mostly in this subspace. ... Further study of this is warranted.",
    says="the top subspace is enough for many steps, which the paper leaves open",
    reading=PROGRESS.format(part="the top ten eigenvectors") + "; supported if at least 0.9",
    accept=at_least(0.9, reason="a similar decrease: the same to one decimal"),
    controls=[supported("what is orthogonal to the top ten eigenvectors", arm("complement"))],
)
@digits(
    "confined-training",
    suffix="-dominant",
    tag="top-plateaus",
    where=SONG,
    says="confined to the dominant subspace, training makes no progress",
    reading=PROGRESS.format(part="the top ten eigenvectors") + "; supported if at most 0.1",
    accept=at_most(0.1, reason="no further decrease, to one decimal"),
    controls=[Control("what is orthogonal to the top ten eigenvectors", arm("complement"))],
)
@digits(
    "confined-training",
    suffix="-complement",
    tag="complement-trains",
    where=SONG,
    says="kept out of the dominant subspace, training makes all of its progress",
    reading=PROGRESS.format(part="what is orthogonal to the top ten eigenvectors") + "; supported if at least 0.9",
    accept=at_least(0.9, reason="as effective: the same to one decimal"),
    controls=[Control("the top ten eigenvectors alone", arm("dominant"))],
)
def test_confined(run: Any) -> Measurement:
    return progress(run)
