"""How far the linearisation of training holds (paper, section 3.2): f(theta_0 + lambda v_i) - f(theta_0) against lambda sigma_i u_i."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from harness.model import flatten, unflatten
from harness.progress import Progress
from harness.spectrum import Spectrum

# "a log-spaced grid ranging from 1e-3 to 1e3"; 30 points as in the authors' notebook
STIMULI = np.logspace(-3, 3, 30)
# Trainings a device runs at once: more fall out of the second-level cache.
BATCH = 16


def train_from(training_map: Any, starts: Any, like: Any, precision: str, progress: Progress, label: str) -> Any:
    """f of many initial parameter vectors, in batches spread over all devices.

    Args:
        training_map: f on a parameter tree.
        starts: initial vectors, float64, shape (runs, N).
        like: a parameter tree of the right structure.

    Returns:
        Final vectors, float64, shape (runs, N); a diverged run keeps its NaN.
    """
    devices = jax.devices()
    width = BATCH * len(devices)
    spread = NamedSharding(Mesh(np.array(devices), ("runs",)), PartitionSpec("runs"))
    batched = jax.jit(jax.vmap(training_map), in_shardings=spread, out_shardings=spread)
    finals = np.empty_like(starts, dtype=np.float64)
    with progress.stage(label, len(starts)) as step:
        for first in range(0, len(starts), width):
            part = starts[first : first + width]
            full = np.concatenate([part, np.repeat(part[:1], width - len(part), axis=0)]).astype(precision)
            final = batched(unflatten(full, like))
            leaves = [np.asarray(leaf).reshape(width, -1) for leaf in jax.tree.leaves(final)]
            finals[first : first + len(part)] = np.concatenate(leaves, axis=1)[: len(part)]
            step.advance(len(part))
    return finals


def responses(
    training_map: Any, theta_0: Any, spectrum: Spectrum, indices: Any, signs: Any, precision: str, progress: Progress, label: str
) -> dict[str, Any]:
    """Responses along singular directions over the grid of stimuli.

    Args:
        theta_0: initial parameter tree.
        indices: which singular directions, shape (directions,).
        signs: stimuli are lambda * sign, for each sign.

    Returns:
        ``along``: u_i . (f(theta_0 + s lambda v_i) - f(theta_0)) * s; ``orthogonal``: norm of what is orthogonal to u_i;
        both of shape (directions, signs, stimuli); and ``index``, ``sigma``, ``stimulus``.
    """
    flat = flatten(theta_0)
    stimuli = np.multiply.outer(np.asarray(signs, float), STIMULI)
    shifts = np.einsum("sl,nd->dsln", stimuli, spectrum.initial[:, indices]).reshape(-1, len(flat))
    finals = train_from(training_map, np.concatenate([flat[None], flat + shifts]), theta_0, precision, progress, label)
    change = (finals[1:] - finals[0]).reshape(len(indices), len(signs), len(STIMULI), -1)
    along = np.einsum("dsln,nd->dsl", change, spectrum.final[:, indices])
    orthogonal = np.linalg.norm(change - along[..., None] * spectrum.final[:, indices].T[:, None, None], axis=-1)
    return {
        "along": along * np.asarray(signs, float)[:, None],
        "orthogonal": orthogonal,
        "index": np.asarray(indices),
        "sigma": spectrum.sigma[indices],
        "stimulus": STIMULI,
    }


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
