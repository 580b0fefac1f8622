"""Training confined to theta_0 + a subspace (paper, section 3.6, Eq. 3): all dimensions and regions as one batched run.

In the coordinates c = V^T (theta - theta_0) of an orthonormal basis V, training on the span of some columns is training with a
0/1 mask: theta = theta_0 + V (mask * c). Runs that share V differ by their mask alone, so a step of all of them is two
products with V.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from harness import train
from harness.config import Experiment
from harness.data import Dataset
from harness.model import Params, flatten, unflatten
from harness.spectrum import Spectrum

# Dimensions as shares of N; at N = 4810 they are 96, 192, 289, ... 4570, and 7 % apart where the paper's bulk begins to work.
SHARES = (0.02, 0.04, 0.06, 0.09, 0.12, 0.16, 0.21, 0.31, 0.42, 0.62, 0.67, 0.72, 0.77, 0.83, 0.95)
REGIONS = ("bulk", "complement", "chaotic", "stable")


def masks(spectrum: Spectrum, dimensions: Any) -> dict[str, Any]:
    """0/1 masks over singular directions, shape (dimensions, N), for each region.

    The k nearest one (bulk), the k farthest from one (complement of the bulk at N - k), the k largest (chaotic), the k smallest
    (stable), as in the paper.
    """
    orders = {
        "bulk": spectrum.by_distance,
        "complement": spectrum.by_distance[::-1],
        "chaotic": np.arange(spectrum.size),
        "stable": np.arange(spectrum.size)[::-1],
    }
    out = {}
    for region, order in orders.items():
        rank = np.empty(spectrum.size, int)
        rank[order] = np.arange(spectrum.size)
        out[region] = (rank[None] < np.asarray(dimensions)[:, None]).astype(float)
    return out


def restricted_losses(experiment: Experiment, data: Dataset, theta_0: Params, basis: Any, mask: Any) -> Any:
    """Test loss after training in the span of the masked columns of ``basis``, for each mask.

    Args:
        basis: orthonormal columns, shape (N, N).
        mask: shape (runs, N).

    Returns:
        Test losses in nats, shape (runs,), in the experiment's precision.
    """
    apply, loss, update, x, y, epochs = train.ingredients(experiment, data)

    # what differs between seeds comes as arguments, so that they share one compiled program
    def final_loss(allowed: Any, origin: Any, directions: Any, x: Any, y: Any, x_test: Any, y_test: Any) -> Any:
        def confined(c: Any, images: Any) -> Any:
            return apply(unflatten(origin + directions @ (allowed * c), theta_0), images)

        final = train.training_map(confined, loss, update, x, y, epochs)(jnp.zeros_like(origin))
        return loss(confined(final, x_test), y_test)

    reals = (jnp.asarray(np.asarray(a), experiment.precision) for a in (mask, flatten(theta_0), basis, x, data.x_test))
    allowed, origin, directions, x, x_test = reals
    batched = jax.jit(jax.vmap(final_loss, in_axes=(0, *[None] * 6)))
    return np.asarray(batched(allowed, origin, directions, x, jnp.asarray(y), x_test, jnp.asarray(data.y_test)))


def random_basis(size: int, rng: np.random.Generator) -> Any:
    """A random orthonormal basis of R^size, Haar-distributed, shape (size, size)."""
    q, r = np.linalg.qr(rng.normal(size=(size, size)))
    return q * np.sign(np.diag(r))


def crossing_dimension(dimensions: Any, losses: Any, threshold: float) -> float:
    """Smallest k from which the loss stays at or below ``threshold``, interpolated in log k.

    Returns:
        k*; the smallest dimension if all are below, infinity if the last is above.
    """
    above = np.flatnonzero(~(np.asarray(losses) <= threshold))
    if not above.size:
        return float(dimensions[0])
    last = int(above[-1])
    if last + 1 == len(dimensions):
        return float("inf")
    share = (losses[last] - threshold) / (losses[last] - losses[last + 1]) if np.isfinite(losses[last]) else 1.0
    return float(np.exp(np.log(dimensions[last]) + share * np.log(dimensions[last + 1] / dimensions[last])))
