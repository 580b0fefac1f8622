"""How far the linearisation of training holds: f(theta_0 + lambda v_i) - f(theta_0) against lambda sigma_i u_i.

Source: Belrose & Scherlis 2024, section 3.2.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jax.flatten_util import ravel_pytree

from harness.engine.devices import over_devices
from harness.engine.spectrum import Spectrum
from harness.engine.trees import flatten, split_arrays, unflatten
from harness.progress import Progress

# "a log-spaced grid ranging from 1e-3 to 1e3": 30 points as in the authors' notebook, and every half decade of the same range
FINE = np.logspace(-3, 3, 30)
COARSE = np.logspace(-3, 3, 13)
# Trainings that a device runs at once: more do not fit the second-level cache.
BATCH = 16


@dataclass(frozen=True, eq=False)
class Responses:
    """Responses to stimuli lambda along singular directions, with signs s.

    Attributes:
        along: u_i . (f(theta_0 + s lambda v_i) - f(theta_0)) * s, shape (directions, signs, stimuli).
        orthogonal: norm of the response's part orthogonal to u_i, same shape.
        index: i, shape (directions,).
        sigma: sigma_i, shape (directions,).
        stimulus: lambda, shape (stimuli,).
    """

    along: Any
    orthogonal: Any
    index: Any
    sigma: Any
    stimulus: Any


def train_from(training: Any, starts: Any, like: Any, precision: str, progress: Progress, label: str) -> Any:
    """f of many initial parameter vectors.

    Args:
        training: f on a parameter tree.
        starts: initial vectors, float64, shape (runs, N).
        like: a parameter tree of the right structure.

    Returns:
        Final vectors, float64, shape (runs, N); a diverged run keeps its NaN.
    """
    finals = np.empty_like(starts, dtype=np.float64)
    with progress.stage(label, len(starts)) as step:
        held, whole = split_arrays(training)
        flat_map = lambda theta, held: ravel_pytree(whole(held)(unflatten(theta, like)))[0]  # noqa: E731
        for rows, final in over_devices(flat_map, starts.astype(precision), BATCH, held):
            finals[rows] = final
            step.advance(len(final))
    return finals


def responses(
    training: Any,
    theta_0: Any,
    spectrum: Spectrum,
    indices: Any,
    stimuli: Any,
    signs: Any,
    precision: str,
    progress: Progress,
    label: str,
) -> Responses:
    """Responses along singular directions over the grid of stimuli.

    Args:
        theta_0: initial parameter tree.
        indices: which singular directions, shape (directions,).
        stimuli: lambdas, shape (stimuli,).
        signs: every stimulus is given with each of these signs.
    """
    flat = flatten(theta_0)
    signed = np.multiply.outer(np.asarray(signs, float), stimuli)
    shifts = np.einsum("sl,nd->dsln", signed, spectrum.initial[:, indices]).reshape(-1, len(flat))
    finals = train_from(training, np.concatenate([flat[None], flat + shifts]), theta_0, precision, progress, label)
    change = (finals[1:] - finals[0]).reshape(len(indices), len(signs), len(stimuli), -1)
    along = np.einsum("dsln,nd->dsl", change, spectrum.final[:, indices])
    orthogonal = np.linalg.norm(change - along[..., None] * spectrum.final[:, indices].T[:, None, None], axis=-1)
    return Responses(
        along * np.asarray(signs, float)[:, None],
        orthogonal,
        np.asarray(indices),
        spectrum.sigma[indices],
        np.asarray(stimuli),
    )


def linear_fraction(along: Any, sigma: Any, stimulus: Any, tolerance: float = 0.05) -> Any:
    """Fraction of directions whose response is within ``tolerance`` of lambda sigma_i, at each stimulus.

    Args:
        along: (directions, stimuli).

    Returns:
        Shape (stimuli,). A diverged response counts as outside.
    """
    linear = np.multiply.outer(sigma, stimulus)
    return (np.abs(along - linear) <= tolerance * linear).mean(axis=0)


def crossing(stimulus: Any, excess: Any) -> float:
    """First stimulus at which ``excess`` rises through 0, interpolated in log lambda.

    Returns:
        The stimulus; the first one if it starts above, infinity if it never rises through 0.
    """
    above = np.flatnonzero(~(np.asarray(excess) <= 0))
    if not above.size:
        return float("inf")
    k = int(above[0])
    if k == 0:
        return float(stimulus[0])
    low, high = excess[k - 1], excess[k]
    share = -low / (high - low) if np.isfinite(high) else 1.0
    return float(np.exp(np.log(stimulus[k - 1]) + share * np.log(stimulus[k] / stimulus[k - 1])))
