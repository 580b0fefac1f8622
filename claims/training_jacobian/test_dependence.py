"""Sections 1 and 3.5, footnote 2: the bulk and the labels, the bulk and the loss; what the forward mode costs."""

import functools

import numpy as np

from harness.engine.trees import cast
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, claim
from harness.suite.verdict import at_least, within

from . import recipe
from .data import load
from .experiments import Experiment, Model
from .test_overlap import excess_overlap, random_subspaces


class _Alone:
    """The run with a random basis in the place of the other run's."""

    def __init__(self, run):
        self._run = run

    def sibling(self, name):
        return self._run.sibling(name)

    def overlap(self, other, *, structural=True):
        return random_subspaces.world(self._run, other)[0].overlap(other, structural=structural)

    def __getattr__(self, name):
        return getattr(self._run, name)


random_basis = Control("a random basis in place of the other run's", _Alone)


def _labels(reading, structural, note):
    return claim(
        f"training-jacobian/bulk-label-overlap[{reading}]",
        where="Section 3.5, Figure 5a",
        says="the bulk is not strongly dependent on the training set labels: bulks of real and shuffled labels from one initialisation "
        "are much closer than random subspaces",
        reading=f"mean cosine of the principal angles between the two bulks at k{note}: excess over the random baseline, smallest over k "
        "from 10 % to 80 % of the dimensions, at least 0.05",
        accept=at_least(0.05, reason="as for bulk-seed-overlap: far beyond the baseline's sampling spread of 1e-3"),
        controls=[random_basis],
        on="shuffled-labels",
        given={"other": "digits", "structural": structural},
        scales=("smoke", "paper"),
    )


@_labels("all", True, "")
@_labels("nontrivial", False, ", structural directions left out")
@claim(
    "training-jacobian/loss-independence[overlap]",
    where="Section 1",
    says="this bulk depends only weakly on the loss function (the paper has no experiment)",
    reading="mean cosine of the principal angles between bulks at k of squared error and cross-entropy from one initialisation: excess over "
    "the random baseline, smallest over k from 10 % to 80 % of the dimensions, at least 0.05",
    accept=at_least(0.05, reason="as for bulk-seed-overlap: far beyond the baseline's sampling spread of 1e-3"),
    controls=[random_basis],
    on="squared-error",
    given={"other": "digits", "structural": True},
    scales=("smoke", "paper"),
)
def test_same_bulk(run, other, structural):
    return excess_overlap(run.overlap(run.sibling(other), structural=structural))


@claim(
    "training-jacobian/loss-independence[count]",
    where="Section 1",
    says="this bulk depends only weakly on the loss function (the paper has no experiment)",
    reading="number of |sigma - 1| < 0.1 under squared error, relative to cross-entropy from the same initialisation: within 20 %",
    accept=within(0.8, 1.2, reason="'only weakly': one part in five, our reading"),
    controls=[Control("white-noise inputs in place of squared error", lambda run: run.sibling("white-noise"))],
    on="squared-error",
    scales=("smoke", "paper"),
)
def test_same_count(run):
    own, other = (len(r.spectrum.region(0.9, 1.1)) for r in (run, run.sibling("digits")))
    return Measurement(own / other, counted=f"{own} against {other}")


@functools.cache
def _temporary_bytes(width, epochs, reverse=False):
    """Bytes of temporaries of the compiled Jacobian of a small network, and its number of parameters N."""
    import jax

    experiment = Experiment("digits", "smoke", model=Model(hidden=(width,)), epochs=epochs)
    data = load(experiment.data)
    theta, f = cast(recipe.initial_parameters(experiment, data), "float32"), recipe.training(experiment, data)
    transform = jax.jacrev(f) if reverse else jax.jacfwd(f)
    compiled = jax.jit(transform).lower(theta).compile()
    return compiled.memory_analysis().temp_size_in_bytes, sum(leaf.size for leaf in jax.tree.leaves(theta))


def _reverse():
    return {"reverse": True}


@claim(
    "training-jacobian/forward-mode-memory[steps]",
    where="Section 3, footnote 2",
    says="jax.jacfwd has memory complexity constant in the number of training steps, yet quadratic in the number of parameters",
    reading="temporaries of the compiled forward-mode Jacobian: exponent of their growth from 1 to 8 epochs (25 to 200 steps)",
    accept=within(-0.05, 0.05, reason="constant: what is kept a step is one loop counter and its indices"),
    controls=[Control("reverse mode, whose memory is linear in the steps", _reverse)],
    over="once",
    given={"reverse": False},
)
def test_memory_in_steps(reverse):
    (few, _), (many, _) = _temporary_bytes(4, 1, reverse), _temporary_bytes(4, 8, reverse)
    return Measurement(float(np.log(many / few) / np.log(8)), unit="exponent", details={"25 steps": few, "200 steps": many})


@claim(
    "training-jacobian/forward-mode-memory[parameters]",
    where="Section 3, footnote 2",
    says="jax.jacfwd has memory complexity constant in the number of training steps, yet quadratic in the number of parameters",
    reading="temporaries of the compiled forward-mode Jacobian: exponent of their growth from 16 to 64 hidden units (N = 1210 to 4810)",
    accept=within(1.8, 2.2, reason="quadratic, give or take a tenth: what grows slower bends the exponent at these sizes"),
    controls=[Control("growth in steps, which is none", lambda: {"vary": "steps"})],
    over="once",
    given={"vary": "width"},
)
def test_memory_in_parameters(vary):
    large = (64, 1) if vary == "width" else (16, 4)
    (few, small_n), (many, large_n) = _temporary_bytes(16, 1), _temporary_bytes(*large)
    growth = large_n / small_n if vary == "width" else 4.0
    return Measurement(float(np.log(many / few) / np.log(growth)), unit="exponent", details={"small": few, "large": many})
