"""Sections 1 and 3.5, footnote 2: the bulk and the labels, the bulk and the loss; the cost of the forward mode."""

import functools
import math

import numpy as np

from harness.engine.trees import cast
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, bounded, claim
from harness.suite.verdict import at_least, within

from . import recipe
from .data import load
from .experiments import Experiment, Model
from .sentences import NOT_ON_LABELS, WEAKLY
from .test_overlap import excess_overlap
from .worlds import exact_bulk, scaled

FORWARD = (
    "jax.jacfwd, which has memory complexity constant in the number of training steps, yet quadratic in the number of parameters"
)
BY_ROWS = (
    "we can compute the Jacobian row-by-row using jax.linearize, whose memory usage is linear in both the parameter count and number of "
    "training steps"
)
white_noise = Control("the run on white noise in this one's place", lambda run: run.sibling("white-noise"))


def _labels(reading, structural, note):
    return claim(
        f"training-jacobian/bulk-label-overlap[{reading}]",
        where="Section 3.5, Figure 5a",
        quotes=NOT_ON_LABELS,
        says="bulks of real and of shuffled labels, from one initialisation, overlap beyond chance",
        reading=f"mean cosine of the principal angles between the two bulks at k{note}: excess over the random baseline, smallest over k "
        "from 10 % to 80 % of the dimensions, at least 0.05",
        accept=at_least(0.05, reason="as for bulk-seed-overlap: far beyond the baseline's sampling spread of 1e-3"),
        controls=[white_noise],
        on="shuffled-labels",
        given={"other": "digits", "structural": structural},
        scales=("smoke", "paper"),
    )


@_labels("all", True, "")
@_labels("nontrivial", False, ", structural directions left out")
@claim(
    "training-jacobian/loss-independence[overlap]",
    where="Section 1",
    quotes=WEAKLY,
    says="bulks of two loss functions, from one initialisation, overlap beyond chance (the paper has no experiment)",
    reading="mean cosine of the principal angles between bulks at k of squared error and cross-entropy from one initialisation: excess over "
    "the random baseline, smallest over k from 10 % to 80 % of the dimensions, at least 0.05",
    accept=at_least(0.05, reason="as for bulk-seed-overlap: far beyond the baseline's sampling spread of 1e-3"),
    controls=[white_noise],
    on="squared-error",
    given={"other": "digits", "structural": True},
    scales=("smoke", "paper"),
)
@bounded(-1, 1)
def test_same_bulk(run, other, structural):
    return excess_overlap(run.overlap(run.sibling(other), structural=structural))


@claim(
    "training-jacobian/loss-independence[count]",
    where="Section 1",
    quotes=WEAKLY,
    says="another loss function leaves the bulk its size (the paper has no experiment)",
    reading="number of |sigma - 1| < 0.1 under squared error, relative to cross-entropy from the same initialisation: within 20 %",
    bounds=(0, math.inf),
    accept=within(0.8, 1.2, reason="'only weakly': one part in five, our reading"),
    controls=[scaled(1.2)],
    on="squared-error",
    scales=("smoke", "paper"),
)
def test_same_count(run):
    return _relative_count(run)


def _relative_count(run):
    own, other = (len(r.spectrum.region(0.9, 1.1)) for r in (run, run.sibling("digits")))
    return Measurement(own / other, counted=f"{own} against {other}")


@claim(
    "training-jacobian/bulk-label-overlap[count]",
    where="Section 3.5",
    quotes=NOT_ON_LABELS,
    says="shuffled labels leave the bulk its size",
    reading="number of |sigma - 1| < 0.1 with shuffled labels, relative to true ones from the same initialisation, each seed with a "
    "permutation of its own: within 20 %",
    bounds=(0, math.inf),
    accept=within(0.8, 1.2, reason="one part in five, as for loss-independence[count]"),
    controls=[scaled(1.2), exact_bulk],
    on="shuffled-labels",
    scales=("smoke", "paper"),
)
def test_label_count(run):
    return _relative_count(run)


def _of_one_row(f):
    """(theta, w) -> w^T J by jax.linearize: one row of J for a unit vector w."""
    import jax

    def row(theta, weights):
        _, linear = jax.linearize(f, theta)
        return jax.linear_transpose(linear, theta)(weights)[0]

    return row


@functools.cache
def _temporary_bytes(width, epochs, mode="forward"):
    """Bytes of temporaries of the compiled derivative of a small network, and its number of parameters N."""
    import jax

    experiment = Experiment("digits", "smoke", model=Model(hidden=(width,)), epochs=epochs)
    data = load(experiment.data)
    theta, f = cast(recipe.initial_parameters(experiment, data), "float32"), recipe.training(experiment, data)
    transform = {"forward": jax.jacfwd, "row": _of_one_row}[mode](f)
    arguments = (theta, theta) if mode == "row" else (theta,)
    compiled = jax.jit(transform).lower(*arguments).compile()
    return compiled.memory_analysis().temp_size_in_bytes, sum(leaf.size for leaf in jax.tree.leaves(theta))


def _order(sizes):
    """Order of growth from three sizes, each twice the last: log2 of the ratio of increments, which ignores constants; 0
    without growth."""
    first, second = np.diff(sizes)
    return float(np.log2(second / first)) if first > 0 and second > 0 else 0.0


def linear_memory(reading, vary, what, forward_grows):
    return claim(
        f"training-jacobian/linearize-memory[{reading}]",
        where="Section 3, footnote 2",
        quotes=BY_ROWS,
        says="memory of one row of J grows linearly",
        reading=f"temporaries of one compiled row of J by jax.linearize: order of growth {what}, from the increments of three sizes",
        accept=within(0.9, 1.1, reason="linear, give or take a tenth"),
        controls=[Control(f"forward mode, whose memory is {forward_grows}", lambda: {"mode": "forward"})],
        over="once",
        given={"vary": vary, "mode": "row"},
    )


@linear_memory("steps", "steps", "from 50 to 100 to 200 steps", "constant")
@linear_memory("parameters", "width", "from 16 to 32 to 64 hidden units (N = 1210 to 4810)", "quadratic")
def test_linearize_memory(vary, mode):
    sizes = [(4, 2), (4, 4), (4, 8)] if vary == "steps" else [(16, 1), (32, 1), (64, 1)]
    held = [_temporary_bytes(*size, mode)[0] for size in sizes]
    return Measurement(
        _order(held), unit="order", details={f"{size}": float(each) for size, each in zip(sizes, held, strict=True)}
    )


@claim(
    "training-jacobian/forward-mode-memory[steps]",
    where="Section 3, footnote 2",
    quotes=FORWARD,
    says="memory of the forward mode does not grow with the number of steps",
    reading="temporaries of the compiled forward-mode Jacobian: exponent of their growth from 1 to 8 epochs (25 to 200 steps)",
    accept=within(-0.05, 0.05, reason="constant: what is kept a step is one loop counter and its indices"),
    controls=[Control("one row by jax.linearize, whose memory is linear in the steps", lambda: {"mode": "row"})],
    over="once",
    given={"mode": "forward"},
)
def test_memory_in_steps(mode):
    (few, _), (many, _) = _temporary_bytes(4, 1, mode), _temporary_bytes(4, 8, mode)
    return Measurement(float(np.log(many / few) / np.log(8)), unit="exponent", details={"25 steps": few, "200 steps": many})


@claim(
    "training-jacobian/forward-mode-memory[parameters]",
    where="Section 3, footnote 2",
    quotes=FORWARD,
    says="memory of the forward mode grows with the square of the number of parameters",
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
