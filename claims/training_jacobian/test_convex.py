"""Section 3.1's sentence on convexity: why singular values above one show that a loss is not convex."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from harness.closed_form import PLAIN, Momentum, softmax_smoothness
from harness.engine import jacobian
from harness.engine.jacobian import dense_jacobian
from harness.engine.precision import with_exact_dtypes
from harness.engine.training import Training
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World, bounded, claim
from harness.suite.verdict import at_most

from . import recipe
from .data import batches
from .quadratics import HEAVY_BALL, HORIZONS, Matrix, batch_case, case, quadratic, refuted, rescued, rotating, trained

CONVEX = ("definite", "singular", "ill-conditioned", "repeated", "zero")
STABLE = (0.1, 0.5, 0.725, 1.0)  # of 2 / L, L the largest eigenvalue of the step's own batch
Runs = Iterator[tuple[str, Matrix]]


def fixed_quadratics(
    shares: Sequence[float] = STABLE,
    momentum: Momentum = PLAIN,
    kinds: Sequence[str] = CONVEX,
    horizons: Sequence[int] = HORIZONS,
) -> Runs:
    """(problem, J) at every share of 2 / L, on one quadratic throughout."""
    for kind, steps, share in product(kinds, horizons, shares):
        yield "quadratic", trained(case(quadratic(kind), np.full(steps, share / 2), momentum))


def quadratics_in_turn(shares: Sequence[float], momentum: Momentum, kinds: Sequence[str]) -> Runs:
    """(problem, J) of quadratics with another eigenbasis at every step."""
    for kind, steps, share in product(kinds, HORIZONS, shares):
        yield "quadratics in turn", trained(batch_case(rotating(kind, steps), np.full(steps, share / 2), momentum))


def regressions(shares: Sequence[float], momentum: Momentum) -> Runs:
    """(problem, J) of mini-batch least squares and softmax regression, each batch at ``share`` of its own 2 / L."""
    from harness.closed_form.problems import least_squares_jacobian, softmax_jacobian
    from harness.engine.streams import numpy_stream

    for steps, share in product(HORIZONS, shares):
        random = numpy_stream(0, f"convex/{steps}")
        inputs, targets = random.normal(size=(steps, 5, 3)), random.normal(size=(steps, 5))
        theta, labels = random.normal(size=12), random.integers(0, 4, size=(steps, 5))
        rates = share * 2 / np.array([np.linalg.norm(x, 2) ** 2 / len(x) for x in inputs])
        yield "least squares", least_squares_jacobian(inputs, targets, rates, momentum)
        # the Hessian of softmax regression is at most half of least squares'
        yield "softmax regression", softmax_jacobian(theta, inputs, labels, 2 * rates, momentum)


def every_problem(shares: Sequence[float] = STABLE, momentum: Momentum = PLAIN, kinds: Sequence[str] = CONVEX) -> Runs:
    """(problem, J) of all problems above."""
    yield from fixed_quadratics(shares, momentum, kinds)
    yield from quadratics_in_turn(shares, momentum, kinds)
    yield from regressions(shares, momentum)


CONVEX_LOSS = (
    "gradient descent on a convex objective with an appropriate step size will always have a spectral norm no greater than one"
)
NONEXPANSIVE = "on a convex loss training magnifies no direction"
heavy_ball = partial(fixed_quadratics, shares=(*STABLE, 1.5), momentum=HEAVY_BALL)
on_convex_losses = partial(
    claim,
    where="Section 3.1",
    quotes=CONVEX_LOSS,
    says=NONEXPANSIVE,
    accept=at_most(1 + 1e-10, reason="each factor I - eta H has norm at most 1; float64 rounding adds less at N <= 12, T <= 512"),
    over="once",
    scales=("smoke", "paper"),
)


@on_convex_losses(
    "training-jacobian/convex-nonexpansive[gd]",
    reading="we measure the largest spectral norm of J over quadratics, mini-batch least squares and mini-batch softmax "
    "regression, plain steps of at most 2 / L of each batch; supported if at most 1 + 1e-10",
    controls=[
        refuted("steps of 2.4 / L", runs=partial(every_problem, shares=(1.2,))),
        refuted("a concave direction", runs=partial(every_problem, kinds=("indefinite",))),
        refuted("momentum 0.9", runs=partial(every_problem, momentum=HEAVY_BALL)),
    ],
    given={"runs": every_problem},
)
@on_convex_losses(
    "training-jacobian/convex-nonexpansive[momentum]",
    reading="we measure the largest spectral norm of J over quadratics at intermediate times (T = 1, 2, 32) of the paper's "
    "optimiser, the heavy ball with mu = 0.9, steps of at most 3 / L (stable below 3.8 / L); supported if at most 1 + 1e-10",
    controls=[
        rescued("no momentum, steps of at most 2 / L", runs=fixed_quadratics),
        rescued("512 steps, when the transients have died out", runs=partial(heavy_ball, horizons=(512,))),
    ],
    given={"runs": heavy_ball},
)
def test_convex_nonexpansive(runs: Callable[[], Runs]) -> Measurement:
    norms: dict[str, list[float]] = {}
    for problem, matrix in runs():
        norms.setdefault(problem, []).append(float(np.linalg.norm(matrix, 2)))
    largest = {f"largest norm, {problem}": max(values) for problem, values in norms.items()}
    return Measurement(max(largest.values()), counted=f"{sum(map(len, norms.values()))} training maps", details=largest)


@with_exact_dtypes
def softmax_regression(run: Any) -> dict[str, Any]:
    """Singular values of J without a hidden layer: the run's data, batches, epochs and step sizes, plain steps, float64."""
    import optax
    from jax import numpy as jnp

    from harness.engine.losses import LOSSES, supervised

    from ..networks import activation, lecun_normal, normal_bias, perceptron

    experiment, data = run.experiment, run.dataset
    x, y = batches(data, experiment.batch, experiment.remainder)
    biased = np.concatenate([x, np.ones((*x.shape[:2], 1))], axis=-1)  # a bias is the weight of a constant input of one
    limit = min(2 / softmax_smoothness(batch) for batch in biased)
    peak = experiment.optimiser.step_size
    seed, sizes = experiment.seed, (data.pixels, data.classes)
    theta = ((lecun_normal(seed, "convex-kernel", sizes), normal_bias(seed, "convex-bias", data.classes, data.pixels)),)
    rule = optax.sgd(optax.cosine_decay_schedule(peak, experiment.steps))
    loss = supervised(perceptron(activation("gelu")), LOSSES["cross-entropy"])
    training = Training(loss, rule, (jnp.asarray(x), jnp.asarray(y)), experiment.epochs)
    matrix = dense_jacobian(training, theta, progress=run.lab.progress, label=f"{run.label}: Jacobian of softmax regression")
    return {"sigma": np.linalg.svd(matrix, compute_uv=False), "share": np.asarray(peak / limit)}


def _held(run: Any) -> Any:
    modules = (recipe, jacobian, softmax_regression)
    return run.arrays("softmax-regression", lambda: softmax_regression(run), modules=modules)


@claim(
    "training-jacobian/convex-nonexpansive[digits]",
    where="Section 3.1",
    quotes=CONVEX_LOSS,
    says=NONEXPANSIVE,
    reading="softmax regression on the paper's own digits, batches, epochs and step sizes (0.1 at most, below 2 / L of every batch), without "
    "momentum, in float64: sigma_1 is at most 1 + 1e-10",
    accept=at_most(
        1 + 1e-10, reason="the theorem has no tolerance; 625 steps x eps is 1e-13, and 650 dimensions of it less than 1e-10"
    ),
    controls=[Control("the paper's network, whose loss is not convex", lambda run: World(run, convex=run.spectrum.sigma))],
    on="digits",
    scales=("smoke", "paper"),
)
@bounded(0, math.inf)
def test_convex_on_digits(run: Any) -> Measurement:
    held = _held(run)
    sigma = getattr(run, "convex", held["sigma"])
    details = {"largest step over 2 / L": float(held["share"])}
    return Measurement(
        float(sigma[0]), unit="sigma", counted=f"sigma_1 of {len(sigma)}", arrays={"sigma": sigma}, details=details
    )
