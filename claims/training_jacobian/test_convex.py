"""Section 3.1's sentence on convexity: why singular values above one speak of a loss that is not convex."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import product

import numpy as np

from harness.closed_form import PLAIN, Momentum
from harness.measure.measurement import Measurement
from harness.suite.claim import claim
from harness.suite.verdict import at_most

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
    """(problem, J) with another eigenbasis at every step."""
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
    """All of the above."""
    yield from fixed_quadratics(shares, momentum, kinds)
    yield from quadratics_in_turn(shares, momentum, kinds)
    yield from regressions(shares, momentum)


heavy_ball = partial(fixed_quadratics, shares=(*STABLE, 1.5), momentum=HEAVY_BALL)
on_convex_losses = partial(
    claim,
    where="Section 3.1",
    says="gradient descent on a convex objective with an appropriate step size will always have a spectral norm no greater "
    "than one",
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
    for problem, jacobian in runs():
        norms.setdefault(problem, []).append(float(np.linalg.norm(jacobian, 2)))
    largest = {f"largest norm, {problem}": max(values) for problem, values in norms.items()}
    return Measurement(max(largest.values()), counted=f"{sum(map(len, norms.values()))} training maps", details=largest)
