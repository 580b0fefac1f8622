"""Alignment by layer in a network of three layers: the abstract speaks of multi-layer settings and names no depth."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.engine.streams import numpy_stream
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World, claim
from harness.suite.verdict import at_least

from .eigenspaces import alignment
from .theory import TYPES
from .three_layers import FIRST, Layers, Moment, moments
from .worlds import ALIGNED, MATRIX, PER_LAYER, sibling

# a random direction has sqrt(4 / 8) in half of a block's directions
HALF = at_least(
    0.95,
    reason="our reading of 'aligns', as for two layers: what the start leaves and noise take 3 % at most; a random direction has 0.71 in "
    "four of eight directions",
)
SIZES = {"first": f"top {FIRST}", "middle": f"top {TYPES} of 8", "last": f"top {TYPES} of 8"}
UNITS = {"first": "neuron of the first layer", "middle": "neuron of the middle layer", "last": "last layer"}


def _random(run: Any) -> World:
    """Random directions in the parameters' place, in the eigenspaces of the trained network."""
    end = moments(run)[1]
    draw = numpy_stream(run.experiment.seed, "three layers, random directions")
    return World(run, moment=end._replace(rows=Layers(*(draw.normal(size=rows.shape) for rows in end.rows))))


def _untrained(run: Any) -> World:
    return World(run, moment=moments(run)[0])


random_directions = Control("random directions in the parameters' place", _random)
zero_steps = Control("zero steps", _untrained)
noise_alone = sibling("xor-snr-1", "lambda = 1: no outliers")


def layer(matrix: str, name: str) -> Any:
    return claim(
        f"outlier-eigenspaces/xor-three-layers[{matrix}-{name}]",
        bounds=(0, 1),
        where="Abstract",
        quotes=PER_LAYER,
        says="in a network of three layers, too, every layer aligns with the outlier eigenspace of its own block",
        reading=f"XOR mixture, 8 neurons in each of two ReLU layers, 40 d steps: ||P_E w|| / ||w|| of the {UNITS[name]}, E the {SIZES[name]} "
        f"eigenvectors of its own block of {MATRIX[matrix]} on fresh test data; the least of the live neurons, whose outgoing weights are at least "
        "a tenth of the largest of their layer, mean over trajectories; d = 200, lambda = 100 (smoke: d = 50)",
        accept=ALIGNED if name == "first" else HALF,
        controls=[random_directions, zero_steps, *([noise_alone] if name == "first" else [])],
        on="xor",
        given={"matrix": matrix, "name": name},
        scales=("smoke", "paper"),
    )


@layer("hessian", "first")
@layer("gradients", "first")
@layer("hessian", "middle")
@layer("gradients", "middle")
@layer("hessian", "last")
@layer("gradients", "last")
def test_every_layer_aligns(run: Any, matrix: str, name: str) -> Measurement:
    now: Moment = vars(run).get("moment") or moments(run)[1]
    rows, vectors, live = (getattr(each, name) for each in (now.rows, now.spaces[matrix], now.live))
    found = np.where(live, alignment(vectors, rows), 1)
    counted = f"{live.sum()} live rows of {len(live)} networks"
    return Measurement(float(found.min(axis=1).mean()), counted=counted, arrays={"alignment": found, "live": live})
