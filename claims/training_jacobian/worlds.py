"""The worlds of the controls: runs in which a claim of the training-Jacobian paper must come out otherwise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.linalg import eigvalsh_tridiagonal

from harness.engine.streams import numpy_stream
from harness.measure.departure import along_directions
from harness.suite.claim import Control, World
from harness.suite.verdict import Verdict


def with_spectrum(run: Any, **changes: Any) -> World:
    """The run with fields of its spectrum replaced."""
    return World(run, spectrum=replace(run.spectrum, **changes))


def gaussian_sigma(size: int, seed: int = 0) -> Any:
    """Singular values, descending, of a size x size matrix of independent N(0, 1/size) entries.

    Drawn from its bidiagonal form (Dumitriu & Edelman 2002), which has the same law and costs size^2.
    """
    rng = numpy_stream(seed, "gaussian-matrix")
    diagonal = np.sqrt(rng.chisquare(np.arange(size, 0, -1)))
    below = np.sqrt(rng.chisquare(np.arange(size - 1, 0, -1)))
    squares = eigvalsh_tridiagonal(diagonal**2 + np.append(0, below**2), diagonal[:-1] * below)
    return np.sqrt(np.maximum(squares[::-1], 0) / size)


def _gaussian(run: Any) -> World:
    return with_spectrum(run, sigma=gaussian_sigma(run.spectrum.size, run.experiment.seed))


def _untrained(run: Any) -> World:
    size = run.spectrum.size
    return with_spectrum(run, sigma=np.ones(size))


def _shuffled(run: Any) -> World:
    order = numpy_stream(run.experiment.seed, "shuffled-vectors").permutation(run.spectrum.size)
    return with_spectrum(run, final=np.asarray(run.spectrum.final)[:, order])


def _planted(run: Any) -> World:
    sigma = np.array(run.spectrum.sigma)
    share = 3000 / 4810
    sigma[run.spectrum.by_distance[: round(share * len(sigma))]] = 1.0
    return with_spectrum(run, sigma=sigma)


def _white_noise(run: Any) -> Any:
    return run.sibling("white-noise")


white_noise_inputs = Control("white-noise inputs in place of the images", _white_noise)
gaussian_matrix = Control("a Gaussian random matrix in place of J", _gaussian)
zero_steps = Control("zero training steps: J = I", _untrained)
shuffled_vectors = Control("left singular vectors shuffled", _shuffled)
exact_bulk = Control("3000 of 4810 singular values set to one", _planted, Verdict.SUPPORTED)


def scaled(factor: float, *, expect: Verdict = Verdict.REFUTED) -> Control:
    """J multiplied by a factor."""
    return Control(f"J multiplied by {factor:g}", lambda run: with_spectrum(run, sigma=run.spectrum.sigma * factor), expect)


def turned_vectors(cosine: float) -> Control:
    """Each u_i turned towards another one, so that all cos(u_i, v_i) fall by this factor; J v_i moves with it."""

    def world(run: Any) -> World:
        final = cosine * np.asarray(run.spectrum.final) + np.sqrt(1 - cosine**2) * _shuffled(run).spectrum.final
        spectrum = replace(run.spectrum, final=final)
        return World(run, spectrum=spectrum, moved=along_directions(spectrum))

    return Control(f"each left singular vector turned by {np.degrees(np.arccos(cosine)):.0f} degrees", world)


def even_term(run: Any) -> World:
    """Responses along the bulk off by 6 % of the linear response, with opposite errors for the two signs."""
    held = run.bulk_responses
    even = 0.06 * np.multiply.outer(held.sigma, held.stimulus)
    return World(run, bulk_responses=replace(held, along=held.along + np.stack([even, -even], axis=1)))


def effects_on(inputs: str) -> Callable[[Any], World]:
    """The effects on these inputs in place of those on all other inputs except test examples."""

    def world(run: Any) -> World:
        found = run.influence
        return World(
            run, influence=found.changed(lambda side, name, how: found.of(side, name if name == "test" else inputs, how))
        )

    return world


def with_losses(run: Any, **losses: Any) -> World:
    """The run with the test losses of training confined to some regions replaced."""
    return World(run, restricted=replace(run.restricted, losses={**run.restricted.losses, **losses}))


def swapped_losses(first: str, second: str) -> Callable[[Any], World]:
    """The test losses of training confined to two regions exchanged."""

    def world(run: Any) -> World:
        losses = run.restricted.losses
        return with_losses(run, **{first: losses[second], second: losses[first]})

    return world
