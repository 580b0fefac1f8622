"""A theorem that the paper does not state: training carries some directions exactly, so they lie in its bulk."""

import hashlib
from dataclasses import replace

import numpy as np

from harness.engine.products import TrainingProducts
from harness.engine.streams import numpy_stream
from harness.measure.measurement import Measurement
from harness.measure.structural import structural_split
from harness.suite.claim import Control, World, claim
from harness.suite.verdict import at_most, within

from . import recipe

PROBES = 16


def _random_directions(run):
    carried, rest = run.structural
    mixed = numpy_stream(0, "not-structural").normal(size=(carried.shape[0], carried.shape[1]))
    return World(run, structural=(np.linalg.qr(mixed)[0], rest))


@claim(
    "training-jacobian/structural-bulk[carried]",
    where="theorem (not in the paper)",
    derived=True,
    says="a constant added to all logits of a unit, and weights that leave an always-zero pixel, pass through training unchanged",
    reading="norms of J S - S and S^T J - S^T in float64, on random unit combinations of the columns of S, without forming J",
    accept=at_most(1e-10, reason="float64 rounding: 625 steps x eps x the largest gain of 20 is 3e-12 a direction"),
    controls=[Control("random directions in place of the structural ones", _random_directions)],
    on="digits",
    over="once",
    scales=("smoke", "paper"),
)
def test_structural_carried(run, structural):
    basis = structural[0]
    mixing = numpy_stream(0, "structural-probes").normal(size=(basis.shape[1], PROBES))
    probes = basis @ (mixing / np.linalg.norm(mixing, axis=0))
    sketch = hashlib.sha256(np.ascontiguousarray(probes).tobytes()).hexdigest()
    modules = (recipe, TrainingProducts, structural_split, _drift)
    held = run.arrays("structural", lambda: _drift(run, probes), modules=modules, probes=sketch)
    forward, backward = float(np.max(held["forward"])), float(np.max(held["backward"]))
    return Measurement(
        max(forward, backward),
        counted=f"{PROBES} combinations of {basis.shape[1]} directions, both sides",
        details={"J S - S": forward, "S^T J - S^T": backward},
    )


def _drift(run, probes):
    """Norms of J p - p and J^T p - p for each column p, by products with J in float64."""
    training = recipe.training(replace(run.experiment, precision="float64"), run.dataset)
    products = TrainingProducts(training, run.theta_0)
    found = {"forward": products.forward(probes), "backward": products.adjoint(probes)}
    return {side: np.linalg.norm(product - probes, axis=0) for side, product in found.items()}


@claim(
    "training-jacobian/structural-bulk[number]",
    where="theorem (not in the paper)",
    derived=True,
    says="257 of the 4810 directions are carried exactly: 64 + 1 shifts of the logits and 3 x 64 weights of always-zero pixels",
    reading="the number of structural directions that the data and the network imply",
    accept=within(257, 257, reason="an identity"),
    controls=[Control("white noise has no dead pixel: 65", lambda run: run.sibling("white-noise"))],
    on="digits",
    over="once",
    published=257,
)
def test_structural_number(structural):
    return Measurement(structural[0].shape[1], unit="directions")
