"""Section 2 and footnote 1: quadratic losses, where every training Jacobian is known in closed form."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np

from harness.closed_form import PLAIN, Momentum, Quadratic, discretisation, flow
from harness.measure.measurement import Measurement
from harness.suite.claim import claim
from harness.suite.verdict import at_most

from . import quadratics
from .quadratics import HEAVY_BALL, Case, Engine, Matrix, case, refuted, rescued
from .sentences import RANK

Cases = Callable[[], Sequence[Case]]
on_quadratics = partial(claim, where="Section 2", over="once", scales=("smoke", "paper"))
rank_lowered = refuted("Hessians of one rank less", engine=quadratics.rank_lowered)
within_rounding = at_most(1, reason="the bound that harness.closed_form derives from N, T and the growth of the powers")


def largest_ratio(errors: Sequence[float], bounds: Sequence[float], unit: str = "of the bound") -> Measurement:
    """The largest error over its bound, with both numbers beside it."""
    ratios = np.array(errors) / np.array(bounds)
    worst = int(np.argmax(ratios))
    details = {"error where its share is largest": errors[worst], "bound there": bounds[worst]}
    return Measurement(float(ratios[worst]), unit, f"{len(ratios)} training maps", None, {"ratios": ratios}, details)


# --- J is known ---------------------------------------------------------------------------------------------------------


@on_quadratics(
    "training-jacobian/quadratic-flow[gd]",
    where="derived: section 2",
    derived=True,
    says="on a quadratic J of gradient descent is the product of its steps' I - eta H",
    reading="we measure |J - (I - eta_T H_T) ... (I - eta_1 H_1)|_F over its float64 rounding bound, the largest over all kinds "
    "of Hessians, schedules and mini-batch sequences; supported if at most 1",
    accept=within_rounding,
    controls=[
        refuted("J transposed", engine=quadratics.transposed),
        refuted("schedule left constant", engine=quadratics.constant_schedule),
        refuted("first batch skipped", engine=quadratics.batch_skipped),
        rank_lowered,
    ],
    given={"cases": quadratics.plain, "engine": quadratics.trained},
)
@on_quadratics(
    "training-jacobian/quadratic-flow[momentum]",
    where="derived: section 2",
    derived=True,
    says="on a quadratic J of descent with momentum is a block of the product of its steps' companion matrices",
    reading="we measure |J - corner of the product of [[I - eta H, -eta mu I], [H, mu I]]|_F (Nesterov: its own blocks) over its "
    "float64 rounding bound, the largest over the same Hessians, mu = 0.9; supported if at most 1",
    accept=within_rounding,
    controls=[
        refuted("momentum left out of the tangent", engine=quadratics.momentum_left_out),
        refuted("heavy ball for Nesterov and the reverse", engine=quadratics.other_form),
        refuted("schedule left constant", engine=quadratics.constant_schedule),
        refuted("J transposed", engine=quadratics.transposed),
    ],
    given={"cases": quadratics.with_momentum, "engine": quadratics.trained},
)
def test_quadratic_jacobian(cases: Cases, engine: Engine) -> Measurement:
    runs = cases()
    errors = [float(np.linalg.norm(engine(run) - run.exact.jacobian)) for run in runs]
    return largest_ratio(errors, [run.exact.error for run in runs])


FLOW_STEPS, FLOW_TIME = 4096, 4.0


def flow_runs(momentum: Momentum = PLAIN, time: float = FLOW_TIME) -> list[Case]:
    """Gradient flow as gradient descent in 4096 small steps, one run a kind of Hessian."""
    return [case(quadratics.quadratic(kind), np.full(FLOW_STEPS, time / FLOW_STEPS), momentum) for kind in quadratics.SPECTRA]


@on_quadratics(
    "training-jacobian/quadratic-flow[flow]",
    quotes="in the gradient flow limit. Then the parameters at any time t are a linear function of the initial parameters: "
    "f(theta_0, t) = J_t(theta_0) = exp(-Ht) theta_0",
    says="on a quadratic, gradient flow has J_t = exp(-H t)",
    reading=f"we measure |J - exp(-H t)|_2 for {FLOW_STEPS} steps of size t / {FLOW_STEPS} over the bound of the discretisation, "
    "max x^2 exp(-x) / T with x = h t, plus rounding, the largest over all kinds of Hessians; supported if at most 1",
    accept=at_most(1, reason="exp(-x) (1 - x^2/T) <= (1 - x/T)^T <= exp(-x); to leading order the error is half of this bound"),
    controls=[
        refuted("three quarters of the time", cases=partial(flow_runs, time=0.75 * FLOW_TIME)),
        refuted("momentum 0.5, which flows twice as fast", cases=partial(flow_runs, momentum=Momentum(0.5))),
        rank_lowered,
    ],
    given={"cases": flow_runs, "engine": quadratics.trained},
)
def test_quadratic_flow(cases: Cases, engine: Engine) -> Measurement:
    errors, bounds = [], []
    for run, kind in zip(cases(), quadratics.SPECTRA, strict=True):
        limit = flow(quadratics.quadratic(kind), FLOW_TIME)
        errors.append(float(np.linalg.norm(engine(run) - limit.jacobian, 2)))
        bounds.append(discretisation(quadratics.quadratic(kind), FLOW_TIME, FLOW_STEPS) + run.exact.error + limit.error)
    # in another unit than rounding errors: those differ between machines, this error does not
    return largest_ratio(errors, bounds, "of the discretisation's bound")


# --- the rank of J - I --------------------------------------------------------------------------------------------------

RADIUS = (
    "For more sophisticated objectives and optimizers, the quantity rank(J_t(theta_0) - I) continues to be well-defined ... It measures the "
    "dimension of the subspace along which a small ball centered around the initialization retains its original radius"
)
EACH_ZERO = "each zero eigenvalue of H corresponds to a singular value of exp(0) = 1 in the training Jacobian"
SUPPORTED_IF = "; supported if there are none"
COUNTED = "in which N - rank(H) differs from the number of singular values of J - I that are zero within the rounding bound"


def away_from_the_edge() -> list[Case]:
    """eta h_max from 0.2 to 1.8, 2 at odd T, and 2.5, beyond the stable edge."""
    beyond = [case(quadratics.quadratic(kind), np.full(steps, 0.625)) for kind in quadratics.SPECTRA for steps in (1, 2, 8)]
    odd = [case(quadratics.quadratic(kind), np.full(steps, 0.5)) for kind in quadratics.SPECTRA for steps in (1, 3)]
    return quadratics.single(PLAIN, forms=("constant",)) + beyond + odd


def at_the_edge() -> list[Case]:
    """eta h_max = 2 at even T: the largest direction is mirrored an even number of times, so it comes back."""
    return [case(quadratics.quadratic(kind), np.full(steps, 0.5)) for kind in quadratics.SPECTRA for steps in (2, 32)]


def mirrors() -> list[Case]:
    """eta h = 2 at T = 1, and two mirrors in a row, which make a rotation: every sigma is 1 though J is not I."""
    pair = np.array(
        [4 * np.outer(normal, normal) for normal in (quadratics.basis("mirror/0")[0], quadratics.basis("mirror/1")[0])]
    )
    return [case(quadratics.quadratic(kind), [0.5]) for kind in quadratics.SPECTRA] + [
        quadratics.batch_case(pair, np.full(2, 0.5))
    ]


def below_the_edge() -> list[Case]:
    return quadratics.single(PLAIN, kinds=("definite", "singular", "repeated", "zero"))


def momentum_transients(mu: float = 0.5) -> list[Case]:
    """Two heavy-ball steps at x = eta h = 2 + mu, where p_2 = 1 - (2 + mu) x + x^2 is 1 again; stable, since x < 2 (1 + mu)."""
    return [case(quadratics.quadratic(kind), np.full(2, 0.625), Momentum(mu)) for kind in quadratics.SPECTRA]


def carried(jacobian: Matrix, tolerance: float) -> int:
    """N - rank(J - I)."""
    return int(np.count_nonzero(np.linalg.svd(jacobian - np.eye(len(jacobian)), compute_uv=False) <= tolerance))


def kept_radii(jacobian: Matrix, tolerance: float) -> int:
    """Number of singular values equal to one: the axes along which a small ball keeps its radius."""
    return int(np.count_nonzero(np.abs(np.linalg.svd(jacobian, compute_uv=False) - 1) <= tolerance))


on_ranks = partial(
    on_quadratics,
    accept=at_most(0, reason="an equality of whole numbers: one training map where it fails refutes it"),
    unit="training maps",
)


@on_ranks(
    "training-jacobian/quadratic-rank[flow]",
    quotes=RANK,
    says="under gradient flow J - I has the rank of H",
    reading=f"we count Hessians, after {FLOW_STEPS} steps of size t / {FLOW_STEPS}, {COUNTED}{SUPPORTED_IF}",
    controls=[rank_lowered],
    given={"cases": flow_runs, "engine": quadratics.trained, "dimensions": carried},
)
@on_ranks(
    "training-jacobian/quadratic-rank[sigma-flow]",
    quotes=EACH_ZERO,
    says="under gradient flow as many singular values of J are one as eigenvalues of H are zero",
    reading=f"as [flow], but counting singular values of J that are one within the rounding bound{SUPPORTED_IF}",
    controls=[rank_lowered, refuted("mirrored directions", cases=mirrors)],
    given={"cases": flow_runs, "engine": quadratics.trained, "dimensions": kept_radii},
)
@on_ranks(
    "training-jacobian/quadratic-rank[gd]",
    where="derived: section 2",
    derived=True,
    says="rank(J - I) = rank(H), an equality of gradient flow, taken over to gradient descent with eta h other than 2",
    reading=f"we count runs of gradient descent, eta h up to 2.5 but never 2 at even T, {COUNTED}{SUPPORTED_IF}",
    controls=[refuted("eta h = 2 at even T", cases=at_the_edge), rank_lowered],
    given={"cases": away_from_the_edge, "engine": quadratics.trained, "dimensions": carried},
)
@on_ranks(
    "training-jacobian/quadratic-rank[any-step]",
    where="derived: section 2",
    derived=True,
    says="rank(J - I) = rank(H), an equality of gradient flow, taken over to gradient descent of any step size",
    reading=f"as [gd], but with eta h = 2 at even T among the runs, as the sentence read for any step size allows{SUPPORTED_IF}",
    controls=[rescued("eta h = 2 at odd T only", cases=away_from_the_edge)],
    given={"cases": lambda: away_from_the_edge() + at_the_edge(), "engine": quadratics.trained, "dimensions": carried},
)
@on_ranks(
    "training-jacobian/quadratic-rank[sigma]",
    quotes=RADIUS,
    says="as many singular values of J are one as J - I has null directions",
    reading="N less the rank is meant; we count runs in which N - rank(H) differs from the number of singular values of J that "
    f"are one within the rounding bound, eta h = 2 at T = 1 and two such mirrors in a row among them{SUPPORTED_IF}",
    controls=[rescued("eta h below 2", cases=below_the_edge)],
    given={"cases": mirrors, "engine": quadratics.trained, "dimensions": kept_radii},
)
@on_ranks(
    "training-jacobian/quadratic-rank[momentum]",
    where="derived: section 2",
    derived=True,
    says="rank(J - I) = rank(H), an equality of gradient flow, taken over to gradient descent with momentum",
    reading=f"we count stable heavy-ball runs of two steps (mu = 0.5, eta h up to 2.5, stable below 3) {COUNTED}{SUPPORTED_IF}",
    controls=[rescued("no momentum", cases=partial(momentum_transients, mu=0.0))],
    given={"cases": momentum_transients, "engine": quadratics.trained, "dimensions": carried},
)
def test_quadratic_rank(cases: Cases, engine: Engine, dimensions: Callable[[Matrix, float], int]) -> Measurement:
    runs = cases()
    wrong = [run for run in runs if dimensions(engine(run), run.exact.error) != len(run.hessians[0]) - run.rank]
    return Measurement(len(wrong), counted=f"{len(runs)} training maps", details={"training maps": len(runs)})


# --- contraction --------------------------------------------------------------------------------------------------------

on_definite = partial(on_quadratics, where="Section 2, footnote 1")


def long_runs(share: float = 0.9, kinds: Sequence[str] = ("definite", "repeated")) -> list[Case]:
    """256 steps at a share of the largest stable step."""
    return [case(quadratics.quadratic(kind), np.full(256, share / 2)) for kind in kinds]


@on_definite(
    "training-jacobian/quadratic-contraction[limit]",
    quotes="if the Hessian H is positive definite, then the training Jacobian tends to the zero matrix ... This is more generally true for any "
    "strongly convex objective with an appropriately tuned optimizer.",
    says="where every direction is curved, J of a long training is zero",
    reading="we measure the largest spectral norm of J after 256 stable steps on positive definite Hessians; supported if at "
    "most 1e-20",
    accept=at_most(1e-20, reason="max |1 - eta h| is 0.8 here, 0.8^256 = 2e-25; without contraction the norm stays at 1 or more"),
    controls=[
        refuted("singular Hessian", cases=partial(long_runs, kinds=("singular",))),
        refuted("indefinite Hessian", cases=partial(long_runs, kinds=("indefinite",))),
        refuted("step beyond the stable edge", cases=partial(long_runs, share=1.05)),
    ],
    given={"cases": long_runs},
)
def test_contraction_to_zero(cases: Cases) -> Measurement:
    norms = [float(np.linalg.norm(quadratics.trained(run), 2)) for run in cases()]
    return Measurement(max(norms), counted=f"{len(norms)} training maps")


def slowest(loss: Quadratic, eta: float) -> float:
    """|1 - eta h| of the smallest eigenvalue if eta <= 2 / (h_min + h_max), else of the largest."""
    low, high = loss.eigenvalues.min(), loss.eigenvalues.max()
    return float(abs(1 - eta * (low if eta <= 2 / (low + high) else high)))


def smallest(loss: Quadratic, eta: float) -> float:
    """|1 - eta h| of the smallest eigenvalue."""
    return float(abs(1 - eta * loss.eigenvalues.min()))


@on_definite(
    "training-jacobian/quadratic-contraction[rate]",
    where="derived: section 2, footnote 1",
    derived=True,
    says="J tends to zero at the rate of the direction that contracts least",
    reading="we measure | |J|_2 - r^T | over the rounding bound, r = |1 - eta h| of the smallest eigenvalue if "
    "eta <= 2 / (h_min + h_max), else of the largest, over stable steps on positive definite Hessians; supported if at most 1",
    accept=within_rounding,
    controls=[
        refuted("the smallest eigenvalue's rate at every step size", rate=smallest),
        refuted("momentum 0.9", momentum=HEAVY_BALL),
        rank_lowered,
    ],
    given={"rate": slowest, "momentum": PLAIN, "engine": quadratics.trained},
)
def test_contraction_rate(rate: Callable[[Quadratic, float], float], momentum: Momentum, engine: Engine) -> Measurement:
    errors, bounds = [], []
    for loss in map(quadratics.quadratic, ("definite", "ill-conditioned", "repeated")):
        for eta in (0.05, 0.25, 0.425, 0.495):
            run = case(loss, np.full(32, eta), momentum)
            errors.append(float(abs(np.linalg.norm(engine(run), 2) - rate(loss, eta) ** 32)))
            bounds.append(run.exact.error)
    return largest_ratio(errors, bounds)
