"""The paper's trajectories as networks, open to every measurement and every claim for any network.

One pass is one epoch of batches of one example, in the order of the stream.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from harness.errors import InvalidInput
from harness.runs.lab import Lab
from harness.runs.network import Network

from .experiments import OnePass
from .one_pass import CHUNK, Stream, initial
from .run import GROUP, Run


def network(experiment: OnePass, trajectory: int = 0) -> Network:
    """One trajectory of the experiment as a network: theta_T is the same to rounding.

    The experiment's seed draws the examples. They stay the same if the network is run with another seed, which changes theta_0
    alone; in the paper's runs a seed changes both. All examples are held in memory, (steps, dimension), so the stream must be
    finite. The classifier of the XOR task has the outputs (0, f), whose cross-entropy is the logistic loss of f.

    Raises:
        InvalidInput: there is no such trajectory.
    """
    e, run = experiment, Run(experiment, Lab())
    if not 0 <= trajectory < e.trajectories:
        raise InvalidInput(f"trajectory = {trajectory}: {e.name} has {e.trajectories}, numbered from 0")
    first = trajectory // GROUP * GROUP
    together = min(GROUP, e.trajectories - first)

    def drawn(name: str, index: int, steps: int) -> tuple[Any, Any]:
        x, y = Stream(run.mixture, e.snr, e.precision, e.seed, f"{name}/{first}", together).chunk(index, steps)
        return x[:, trajectory - first], y[:, trajectory - first]

    def start(seed: int) -> Any:
        theta_0 = initial(seed, e.trajectories, e.width, e.dimension, last=e.task == "xor")
        return {name: leaf[trajectory] for name, leaf in theta_0._asdict().items() if leaf[trajectory].size}

    steps = round(float(run.times[-1]) * e.dimension)
    chunks = [drawn("examples", index, CHUNK) for index in range(steps // CHUNK)]
    return Network(
        init=start,
        apply=_two_layers if e.task == "xor" else _linear,
        loss=_cross_entropy,
        data=(*map(np.concatenate, zip(*chunks, strict=True)), *drawn("test examples", 0, e.test_examples)),
        optimiser=optax.chain(optax.add_decayed_weights(e.ridge), optax.sgd(e.step / e.dimension)),
        epochs=1,
        batch=1,
        precision=e.precision,
        name=f"{e.name}, trajectory {trajectory}",
    )


def _linear(params: Any, x: Any) -> Any:
    return x @ params["rows"].T


def _two_layers(params: Any, x: Any) -> Any:
    f = jax.nn.relu(x @ params["rows"].T) @ params["last"]
    return jnp.stack([jnp.zeros_like(f), f], axis=-1)


def _cross_entropy(logits: Any, y: Any) -> Any:
    return optax.softmax_cross_entropy_with_integer_labels(logits, y).mean()
