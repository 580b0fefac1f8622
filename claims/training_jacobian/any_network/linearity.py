"""Section 3.2: how far the linearisation of training holds."""

import math
from dataclasses import replace

import numpy as np

from harness.measure.measurement import Measurement
from harness.measure.response import crossing
from harness.suite.claim import Control, World
from harness.suite.verdict import at_least, at_most

from .. import sentences
from ..test_linearity import test_linear_bulk as linear_share
from ..test_linearity import test_surgical_bulk as orthogonal_share
from ..worlds import even_term
from .shared import on_any


def linear(reading, up_to):
    return on_any(
        f"training-jacobian/linear-bulk[{reading}]",
        where="Section 3.2, Figure 2a",
        quotes=sentences.SEVEN_ORDERS,
        says="along the bulk the response is lambda sigma_i, over orders of magnitude of lambda",
        reading=f"at every lambda up to {up_to:g} at least 80 % of directions drawn from the bulk respond within 5 % of lambda sigma_i, with "
        "either sign",
        accept=at_least(0.8, reason="4 of 5 directions, as on the paper's network; our reading"),
        bounds=(0, 1),
        controls=[Control("an even term of 6 % added to every response", even_term)],
        given={"up_to": up_to},
    )


@linear("strict", 1e3)
@linear("lenient", 1)
def test_bulk_is_linear(bulk_responses, spectrum, up_to):
    return linear_share(bulk_responses, spectrum, up_to, structural=False, each=True)


def _spread(run):
    """An orthogonal part of 30 % added to the response along u_i."""
    held = run.bulk_responses
    return World(run, bulk_responses=replace(held, orthogonal=np.hypot(held.orthogonal, 0.3 * np.abs(held.along))))


def surgical(reading, power, what):
    return on_any(
        f"training-jacobian/surgical-bulk[{reading}]",
        where="Section 3.2, Figure 2a",
        quotes=sentences.SURGICAL,
        says="along the bulk hardly any of the response is orthogonal to u_i",
        reading=f"the median, over drawn bulk directions, of the share of the response's {what} orthogonal to u_i is at most 5 % at every lambda "
        "from 0.01 to 1000",
        accept=at_most(0.05, reason="the 5 % that linear-bulk allows the response itself; the paper gives no number"),
        bounds=(0, 1),
        controls=[Control("an orthogonal part of 30 % added to every response", _spread)],
        given={"power": power},
    )


@surgical("strict,amplitude", 1, "norm")
@surgical("lenient,squared", 2, "squared norm")
def test_bulk_is_surgical(bulk_responses, spectrum, power):
    return orthogonal_share(_diverged(bulk_responses), spectrum, power)


def _diverged(held):
    """The response of a diverged training counts as orthogonal to u_i."""
    finite = np.isfinite(held.along) & np.isfinite(held.orthogonal)
    return replace(held, along=np.where(finite, held.along, 0), orthogonal=np.where(finite, held.orthogonal, 1))


@on_any(
    "training-jacobian/nonlinear-top[before-bulk]",
    where="Section 3.2, Figure 2",
    quotes=sentences.LONGER,
    says="training along v_1 leaves the line while the bulk is still linear",
    reading="log10 of the lambda at which the response along v_1 is 20 % off, less that of the median bulk direction, is at most -1",
    accept=at_most(-1, reason="an order of magnitude; the paper's are 0.1 to 1 and more than 1000"),
    controls=[Control("the bulk's responses in place of the top's", lambda run: World(run, top_responses=run.bulk_responses))],
    unit="log10 ratio",
)
def test_top_leaves_first(top_responses, bulk_responses):
    return Measurement(_leaves(top_responses) - _leaves(bulk_responses), unit="log10 ratio", counted="mean over both signs")


def _leaves(held):
    """log10 of the lambda at which the median response is 20 % off the line; 4 if it never is."""
    linear = np.multiply.outer(held.sigma, held.stimulus)
    off = np.abs(held.along.mean(axis=1) - linear) / linear
    return math.log10(min(crossing(held.stimulus, np.median(off, axis=0) - 0.2), 1e4))
