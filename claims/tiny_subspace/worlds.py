"""Declarations of this paper's claims on MNIST and on digits, and the worlds in which the claims must come out otherwise."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from harness.engine.streams import numpy_stream
from harness.measure.hessian_subspace import History
from harness.suite.claim import Control, World, claim
from harness.suite.verdict import Region, Verdict, within

K = 10  # classes
PAPER = "tiny-subspace"
PORT = "port to scikit-learn's digits: "


def near(published: float) -> Region:
    """Agreement with one of the paper's numbers."""
    reason = f"the paper's {published:.2f} is one run without an error bar: within half a unit of its first decimal"
    return within(published - 0.05, min(published + 0.05, 1.0), reason=reason)


def on(
    data: Sequence[str], statement: str, *, reading: str, suffix: str = "", tag: str = "", smoke: bool = False, **fields: Any
) -> Callable[..., Any]:
    """The claim ``tiny-subspace/<statement>[<data>,<tag>]`` on the experiment ``tiny-<data><suffix>``, for each data set.

    With ``smoke`` the claim is judged on digits at smoke scale as well.
    """

    def declare(function: Callable[..., Any]) -> Callable[..., Any]:
        for name in data:
            variant = ",".join(filter(None, (name, tag)))
            said = reading if name == "mnist" else PORT + reading
            scales = ("smoke", "paper") if smoke and name == "digits" else ("paper",)
            claim(f"{PAPER}/{statement}[{variant}]", on=f"tiny-{name}{suffix}", reading=said, scales=scales, **fields)(function)
        return function

    return declare


BOTH = ("mnist", "digits")
mnist = functools.partial(on, ("mnist",))
digits = functools.partial(on, ("digits",))
both = functools.partial(on, BOTH)


def supported(name: str, world: Callable[[Any], Any]) -> Control:
    """The control of a claim that fails as published: in this world the claim must hold."""
    return Control(name, world, Verdict.SUPPORTED)


def _changed(run: Any, **changes: Any) -> World:
    return World(run, history=dataclasses.replace(run.history, **changes))


def _same_at_all_times(array: Any, index: int) -> Any:
    return np.broadcast_to(np.asarray(array)[index], np.shape(array))


def untrained(run: Any) -> World:
    """Nothing is learned: every later step looks like step 0."""
    h: History = run.history
    return _changed(run, values=_same_at_all_times(h.values, 0), shares=_same_at_all_times(h.shares, 0))


def trained_at_the_start(run: Any) -> World:
    """Every step replaced by the last step."""
    h: History = run.history
    return _changed(run, values=_same_at_all_times(h.values, -1), shares=_same_at_all_times(h.shares, -1))


def shuffled_eigenvectors(run: Any) -> World:
    """The top ten eigenvectors and the next ten exchanged."""
    h: History = run.history
    order = np.r_[K : 2 * K, 0:K]
    return _changed(run, shares=h.shares[:, order], cross=h.cross[:, :, order][:, :, :, order])


def random_gradient(run: Any) -> World:
    """A gradient in a random direction: c_i^2 is 1 / N on average."""
    h: History = run.history
    squares = numpy_stream(run.experiment.seed, "random-gradient").standard_normal((len(h.steps), h.parameters)) ** 2
    return _changed(run, shares=squares[:, : h.shares.shape[1]] / squares.sum(axis=1, keepdims=True))


@functools.cache
def random_subspaces(run: Any) -> World:
    """Independent random subspaces of R^N at every step: their overlap is d / N on average."""
    h: History = run.history
    rng = numpy_stream(run.experiment.seed, "random-subspaces")
    frames = [np.linalg.qr(rng.standard_normal((h.parameters, h.shares.shape[1])))[0] for _ in h.steps]
    return _changed(run, cross=np.stack([[first.T @ second for second in frames] for first in frames]))


def frozen_subspaces(run: Any) -> World:
    """The same eigenvectors at every step."""
    return _changed(run, cross=np.broadcast_to(np.eye(run.history.shares.shape[1]), run.history.cross.shape))


def mixing_pairs(run: Any) -> World:
    """Eigenvectors that swap in pairs between any two steps: odd dimensions lose one eigenvector, even dimensions none."""
    swap = np.eye(run.history.shares.shape[1])[np.arange(run.history.shares.shape[1]) ^ 1]
    return _changed(run, cross=np.broadcast_to(swap, run.history.cross.shape))


def driven_to_the_top(run: Any) -> World:
    """H^20 g in place of the gradient: twenty powers of the Hessian turn it to the top eigenvector."""
    h: History = run.history
    driven = h.shares * (h.values / h.values[:, :1]) ** 40
    return _changed(run, shares=driven / driven.sum(axis=1, keepdims=True))


def backwards(run: Any) -> World:
    """The measured eigenvectors in reverse order: the top comes last."""
    h: History = run.history
    return _changed(run, shares=h.shares[:, ::-1], cross=h.cross[:, :, ::-1, ::-1])


def as_at_the_end(run: Any) -> World:
    """The leading eigenvector of the last step at all times."""
    return _changed(run, leading=_same_at_all_times(run.history.leading, -1))


def largest_alone(count: int) -> Callable[[Any], World]:
    """The leading eigenvector with all coefficients zero but the ``count`` largest of the last layer."""

    def world(run: Any) -> World:
        last, leading = list(run.layers.values())[-1], np.zeros_like(run.history.leading)
        for kept, vector in zip(leading, run.history.leading, strict=True):
            largest = last.start + np.argsort(-np.abs(vector[last]))[:count]
            kept[largest] = vector[largest]
        return _changed(run, leading=leading)

    return world


def confined_to_last_layer(run: Any) -> World:
    """The leading eigenvector with all layers but the last set to zero."""
    last = list(run.layers.values())[-1]
    leading = np.zeros_like(run.history.leading)
    leading[:, last] = run.history.leading[:, last]
    return _changed(run, leading=leading)


def evenly_spread(run: Any) -> World:
    """A leading eigenvector whose coefficients are all equal."""
    return last_layer_times(1)(run)


def last_layer_times(factor: float) -> Callable[[Any], World]:
    """A leading eigenvector with equal coefficients, except that the last layer's are ``factor`` times as large."""

    def world(run: Any) -> World:
        leading = np.ones_like(run.history.leading)
        leading[:, list(run.layers.values())[-1]] = factor
        return _changed(run, leading=leading)

    return world


def random_leading(run: Any) -> World:
    """A random Gaussian vector in place of the leading eigenvector, another vector at every step."""
    drawn = numpy_stream(run.experiment.seed, "random-leading").standard_normal(run.history.leading.shape)
    return _changed(run, leading=drawn.astype(run.history.leading.dtype))


def last_layer_tripled(run: Any) -> World:
    """The leading eigenvector with its last layer's coefficients three times as large."""
    leading = np.array(run.history.leading)
    leading[:, list(run.layers.values())[-1]] *= 3
    return _changed(run, leading=leading)


def nearly_fixed(run: Any) -> World:
    """The last step's leading eigenvector, moved a tenth of the way to each step's own."""
    own, last = run.history.leading, run.history.leading[-1]
    own = own * np.where(own @ last < 0, -1, 1)[:, None]
    return _changed(run, leading=last + 0.1 * (own - last))


def damped(run: Any) -> World:
    """Eigenvalues whose logarithms move three tenths as far: each doubling becomes a growth of 23 %."""
    return _changed(run, values=np.sign(run.history.values) * np.abs(run.history.values) ** 0.3)


def share_in_top_twenty(share: float) -> Callable[[Any], World]:
    """A gradient with the given share in the top twenty eigenvectors, evenly spread, at every step."""

    def world(run: Any) -> World:
        top = np.arange(run.history.shares.shape[1]) < 2 * K
        return _changed(run, shares=np.broadcast_to(top * share / (2 * K), run.history.shares.shape))

    return world


def constant_overlap(run: Any, values: Any) -> World:
    """The same overlap at every step."""
    return World(run, overlaps=dataclasses.replace(run.overlaps, values=np.broadcast_to(values, run.overlaps.values.shape)))


def random_vectors(run: Any) -> World:
    """Random vectors of the whole parameter space in place of the gradient."""
    return constant_overlap(run, run.overlaps.random.mean())


def no_training(run: Any) -> World:
    """The overlap before any training, at every step."""
    return constant_overlap(run, run.overlaps.values[run.overlaps.steps == 0][0])


def whole_space(run: Any) -> World:
    """Random vectors of the whole space in place of those of the top subspace."""
    return World(run, random_in_top=run.overlaps.random)


def gradient_in_their_place(run: Any) -> World:
    """The gradient's overlaps in place of those of random vectors."""
    return World(run, overlaps=dataclasses.replace(run.overlaps, random=run.overlaps.values))
