"""Declarations of the claims on LeNet-5, and the worlds in which the claims must come out otherwise."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np

from harness.engine.counting import DELTAS, Share
from harness.engine.streams import numpy_stream
from harness.errors import NotRun
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World
from harness.suite.verdict import Verdict, mean_interval

from .experiments import PARTS, at, named

METHOD = "95 %: Student t over probes of the bounds that Lanczos leaves open"


def measured(run: Any, share: Share, steps: int, counted: str = "", **arrays: Any) -> Measurement:
    """A share of all directions (or of ``counted``) as a measurement with its own interval."""
    details = {
        "Lanczos bias": share.bias,
        "probe noise": share.noise,
        "from half the steps": share.halfway,
        "block steps": float(steps),
    }
    interval = (share.low, share.high, METHOD)
    counted = counted or f"of {run.size:,} directions"
    return Measurement(share.estimate, counted=f"{counted}; {run.origin}", details=details, interval=interval, arrays=arrays)


def sampled(run: Any, values: Any, details: dict[str, float]) -> Measurement:
    """The mean over random vectors, with its own interval."""
    found, counted = mean_interval(values), f"over {len(values)} random vectors; {run.origin}"
    interval = (found.low, found.high, "95 %: Student t over random vectors of one run")
    return Measurement(float(np.mean(values)), counted=counted, details=details, interval=interval, arrays={"values": values})


def exactly(value: float) -> Share:
    """A share without uncertainty."""
    return Share(value, value, value, 0.0, 0.0, value)


def quarter_circle(low: float, high: float) -> float:
    """Share of singular values between low and high of a large Gaussian matrix with entries N(0, 1 / N) (Marchenko & Pastur)."""

    def below(x: float) -> float:
        x = min(max(x, 0.0), 2.0)
        return (x * np.sqrt(4 - x * x) / 2 + 2 * np.arcsin(x / 2)) / np.pi

    return float(below(high) - below(low))


def _gaussian(run: Any, times: float = 1.0, names: Collection[str] | None = None) -> World:
    """J and J - I of independent Gaussian entries: a quarter circle of radius 2 ``times``, and almost nothing of J - I near zero.

    Args:
        names: of the runs that have these matrices; all runs if None.
    """
    shares = {delta: exactly(quarter_circle((1 - delta) / times, (1 + delta) / times)) for delta in DELTAS}
    counts = {delta: SimpleNamespace(inside=share) for delta, share in shares.items()}
    moved = {delta: exactly(quarter_circle(0, delta)) for delta in DELTAS}
    low_rank = {delta: SimpleNamespace(inside=(round(share.estimate * run.size),) * 3) for delta, share in shares.items()}

    def in_place_of(other: Any) -> World:
        held = {name: getattr(other.spaces, name) for name in ("gram", "displacement", "range")}
        return World(other, spaces=SimpleNamespace(counts=counts, unmoved=moved, low_rank=low_rank, **held))

    def sibling(name: str) -> Any:
        other = run.sibling(name)
        return in_place_of(other) if names is None or name in names else other

    return World(run, sibling=sibling)


def _noise_for_images(run: Any) -> World:
    """White noise in place of the images: horizons that were run on images only have no share."""
    steps = {named("images", steps): steps for steps in PARTS["images"]}

    def sibling(name: str) -> Any:
        if name in steps and steps[name] not in PARTS["white-noise"]:
            raise NotRun(f"{name} was not run on white noise")
        return run.sibling(named("white-noise", steps[name]) if name in steps else name)

    return World(run, sibling=sibling)


def _chaotic_for_bulk(run: Any) -> World:
    measured = {name: getattr(run, name) for name in ("responses", "influence")}
    crossed = {name: {"bulk": held["chaotic"], "chaotic": held["bulk"]} for name, held in measured.items()}
    return World(run, bulk=run.chaotic, chaotic=run.bulk, **crossed)


def _untrained(run: Any) -> World:
    """J = I: every direction is its own image."""
    return World(run, chaotic=replace(run.chaotic, images=run.chaotic.initial))


def turned(kind: str) -> Control:
    """Images of one kind of directions keep their lengths and point in random directions."""

    def world(run: Any) -> World:
        held = getattr(run, kind)
        drawn = numpy_stream(run.experiment.seed, "lenet-turned").standard_normal(held.images.shape)
        return World(run, **{kind: replace(held, images=drawn / np.linalg.norm(drawn, axis=0) * held.gains)})

    return Control("images of the same lengths in random directions", world)


def _shared(run: Any, inside: float, outside: float) -> World:
    """Shares in the other run's bulk of random vectors of this bulk (``inside``) and of its complement (``outside``)."""

    def sibling(name: str) -> World:
        other = run.sibling(name)
        return World(other, compared=World(other.compared, shares=(exactly(inside), exactly(outside))))

    return World(run, sibling=sibling)


def _linear(run: Any) -> World:
    return World(run, responses={name: np.zeros_like(errors) for name, errors in run.responses.items()})


chaotic_for_bulk = Control("chaotic directions in place of bulk ones, and the reverse", _chaotic_for_bulk)
independent_bulks = Control(
    "bulks that have nothing to do with each other: each has four fifths of any vector", lambda run: _shared(run, 0.8, 0.8)
)
layers_alone = Control(
    "bulks that are random to each other within each layer", lambda run: _shared(run, run.contrast_of_layers, 0.0)
)
equal_bulks = Control("one bulk for both seeds", lambda run: _shared(run, 1.0, 0.0), Verdict.SUPPORTED)
zero_steps = Control("zero training steps: J = I", _untrained)
all_aligned = Control("zero training steps: J = I", _untrained, Verdict.SUPPORTED)
linear_training = Control("training that is its own linearisation", _linear, Verdict.SUPPORTED)
noise_for_images = Control("white noise in place of the images", _noise_for_images)
gaussian_matrix = Control("a Gaussian random matrix in place of J", _gaussian)
large_gaussian = Control("a Gaussian random matrix, three times as large", lambda run: _gaussian(run, 3.0), Verdict.SUPPORTED)
gaussian_on_noise = Control(
    "a Gaussian random matrix in place of J on white noise",
    lambda run: _gaussian(run, names=at("white-noise")),
    Verdict.SUPPORTED,
)
