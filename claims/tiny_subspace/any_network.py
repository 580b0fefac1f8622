"""The paper's statements on gradient and Hessian that name no number, as claims on any network with classes.

k is the number of classes. Eigenpairs are measured at five times, the first step, the last and evenly between; "later" is the second half.
"""

import dataclasses
import functools

import numpy as np

from harness.measure.measurement import Measurement
from harness.suite.claim import ANY_NETWORK, Control, World, claim
from harness.suite.verdict import at_least, at_most

from . import worlds as w
from .sentences import DECAYS, STARTS_SMALL

on_any = functools.partial(claim, on=ANY_NETWORK, bounds=(0, 1))  # shares of a gradient, or of a subspace


def _classes(history):
    return history.shares.shape[1] // 2


def _later(history):
    return slice(len(history.steps) // 2, None)


def _exchanged(run):
    """The top k eigenvectors and the next k exchanged."""
    held = run.history
    order = np.roll(np.arange(held.shares.shape[1]), _classes(held))
    history = dataclasses.replace(held, shares=held.shares[:, order], cross=held.cross[:, :, order][:, :, :, order])
    return World(run, history=history)


exchanged = Control("the next k eigenvectors in the place of the top k", _exchanged)


def _in_top(history):
    return history.shares[:, : _classes(history)].sum(axis=1)


def _measured(history, value, counted):
    arrays = {"steps": history.steps, "shares": history.shares, "f_top": _in_top(history)}
    return Measurement(float(value), "of |g|^2", f"{counted}, k = {_classes(history)}", None, arrays)


@on_any(
    "tiny-subspace/gradient-in-top[start]",
    where="Section 2.1, Figure 1",
    quotes=STARTS_SMALL,
    says="little of the initial gradient lies in the top subspace",
    reading="we measure |P g|^2 / |g|^2 before the first step, P the projection on the top k eigenvectors; supported if at most 1/2",
    accept=at_most(0.5, reason="small, in its weakest sense: most of the gradient is elsewhere"),
    controls=[Control("the trained network in the place of the initial one", w.trained_at_the_start)],
)
def test_starts_small(history):
    return _measured(history, _in_top(history)[0], "before the first step")


@on_any(
    "tiny-subspace/gradient-in-top[training]",
    where="Section 2.1, Figure 1",
    quotes=STARTS_SMALL,
    says="nearly all of the gradient of a training network lies in the top subspace",
    reading="we measure |P g|^2 / |g|^2, mean over the second half of training; supported if at least 0.9",
    accept=at_least(0.9, reason="close to 1: rounds to 1 at one decimal or lies within 0.1 of it"),
    controls=[Control("a random gradient", w.random_gradient), exchanged],
)
def test_grows(history):
    return _measured(history, _in_top(history)[_later(history)].mean(), "mean over the second half")


@on_any(
    "tiny-subspace/gradient-in-top[most]",
    where="Abstract",
    quotes="gradient descent may happen mostly in this subspace",
    says="most of the gradient of a training network lies in the top subspace",
    reading="we measure |P g|^2 / |g|^2, mean over the second half of training; supported if at least 1/2",
    accept=at_least(0.5, reason="mostly: more than half"),
    controls=[Control("a random gradient", w.random_gradient), exchanged],
)
def test_mostly_in_top(history):
    return _measured(history, _in_top(history)[_later(history)].mean(), "mean over the second half")


def preserved(reading, quotes, says, accept, control, first):
    which = "top" if first == 0 else "next"
    return on_any(
        f"tiny-subspace/top-preserved[{reading}]",
        where=f"Section 2.3, Figure 2{'a' if first == 0 else 'b'}",
        quotes=quotes,
        says=says,
        reading=f"we measure Tr(P P') / k of the {which} k eigenvectors halfway through training and at each later time, mean; supported if at "
        f"{'least' if first == 0 else 'most'} 1/2",
        accept=accept,
        controls=[control],
        given={"first": first},
    )


@preserved(
    "top",
    "is mostly preserved over long periods of training",
    "the top k eigenvectors keep most of their span",
    at_least(0.5, reason="mostly: more than half of the later subspace lies in the earlier one; at random it is k / N"),
    Control("random subspaces, which overlap by k / N", w.random_subspaces),
    0,
)
@preserved(
    "next",
    DECAYS,
    "the next k eigenvectors lose most of their span",
    at_most(0.5, reason="decayed: most of the later subspace lies outside of the earlier one"),
    exchanged,
    1,
)
def test_preserved(history, first):
    k, steps = _classes(history), history.steps[_later(history)]
    part = slice(first * k, (first + 1) * k)
    overlaps = history.overlaps(int(steps[0]), int(steps[-1]), part)
    return Measurement(float(overlaps.mean()), counted=f"{len(overlaps)} later times, k = {k}", arrays={"overlaps": overlaps})
