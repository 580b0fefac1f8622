"""Section 3 and appendix E: softmax regression on a mixture of Gaussians, which has closed forms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np

from harness.engine.streams import numpy_stream
from harness.measure.hessian_subspace import subspace_overlap
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, claim
from harness.suite.verdict import Verdict, at_least, at_most, mean_interval, within

from . import softmax_flow as flow
from . import toy

on_toy_model = partial(claim, over="once", scales=("smoke", "paper"))
INTEGRATED = at_most(1e-8, reason="the integrator's tolerance, 1e-10 a step, over some hundred steps")
EQUATION_19 = (
    "At leading order in the limit ... we find two non-trivial eigenvectors, given by ... both with eigenvalue (eta t)^-1"
)
AT_ALL_TIMES = "largest over both classes and eta t = 1, 10, ..., 10^4"


def world(name: str, expect: Verdict = Verdict.REFUTED, **replaced: Any) -> Control:
    """A control that replaces some of the function's arguments."""
    return Control(name, lambda: replaced, expect)


# --- two classes, exactly -----------------------------------------------------------------------------------------------


@on_toy_model(
    "tiny-subspace/toy-flow[margin]",
    where="derived: section 3, equation 7",
    derived=True,
    says="the margin is exactly log W, W = wrightomega(eta t + c), at all times (claims/tiny_subspace/softmax_flow.py)",
    reading="two orthonormal means in R^1000, theta_0 ~ N(0, 1): we measure |e^m / W - 1|, m = (theta_1 - theta_2).mu, "
    f"{AT_ALL_TIMES}; supported if within the integrator's error",
    accept=INTEGRATED,
    controls=[world("the leading order eta t + c as it stands", formula=toy.leading_order)],
    given={"formula": flow.two_class_exponential},
)
def test_margin(formula: Any) -> Measurement:
    errors = toy.relative_error(toy.two_classes()[1], formula)
    return Measurement(float(errors.max()), "", AT_ALL_TIMES, None, {"times": np.array(toy.TIMES), "errors": errors})


@on_toy_model(
    "tiny-subspace/toy-flow[eigenvalues]",
    where="derived: section 3, equation 9",
    derived=True,
    says="the two positive eigenvalues are exactly W / (1 + W)^2, each with its class's W (claims/tiny_subspace/softmax_flow.py)",
    reading="the same flow: we measure |lambda / (W / (1 + W)^2) - 1| of the two largest Hessian eigenvalues, "
    f"{AT_ALL_TIMES}; supported if within the integrator's error",
    accept=INTEGRATED,
    controls=[world("the leading order 1 / (eta t + c) as it stands", formula=toy.leading_order_eigenvalue)],
    given={"formula": flow.two_class_eigenvalue},
)
def test_eigenvalues(formula: Any) -> Measurement:
    errors = toy.relative_error(toy.two_class_eigenvalues(), formula)
    return Measurement(float(errors.max()), "", AT_ALL_TIMES, None, {"times": np.array(toy.TIMES), "errors": errors})


@on_toy_model(
    "tiny-subspace/toy-flow[leading-order]",
    where="Section 3, equation 9; appendix E, equation 19",
    quotes=EQUATION_19,
    says="late, both positive eigenvalues are 1 / (eta t)",
    reading="the same flow: we measure |lambda (eta t + c) - 1| at eta t = 100 over its true order, log(eta t) / (eta t); "
    "supported if at most 1",
    accept=at_most(1, reason="W = s - log s + ..., s = eta t + c, so that lambda s = 1 + (log s - 2) / s + ..."),
    controls=[world("twice the eigenvalue", factor=2.0)],
    unit="of log(eta t) / (eta t)",
    given={"factor": 1.0},
)
def test_leading_order(factor: float) -> Measurement:
    at = toy.TIMES.index(100.0)
    error = toy.relative_error(factor * toy.two_class_eigenvalues(), toy.leading_order_eigenvalue)[at].max()
    return Measurement(
        float(error / (np.log(100) / 100)), "of log(eta t) / (eta t)", "eta t = 100", None, {}, {"error": float(error)}
    )


ORDER = "of log(eta t) / (eta t)"


@on_toy_model(
    "tiny-subspace/toy-flow[margin-leading-order]",
    where="Section 3, equation 7; appendix E, equations 15 and 16",
    quotes="At late-times in a continuous-time approximation, the solution is",
    says="late, theta_1 grows by mu_1 log(eta t + c_1) / 2 - mu_2 log(eta t + c_2) / 2",
    reading="two orthonormal means in R^1000, theta_0 ~ N(0, 1): we measure |m - log(eta t + c)|, m = (theta_1 - theta_2).mu, at "
    "eta t = 10^4, largest over both classes, over log(eta t) / (eta t); supported if at most 2",
    accept=at_most(
        2, reason="m = log W = log s - (log s) / s + ..., s = eta t + c: it vanishes in that order, allowed twice over"
    ),
    controls=[world("the same at eta t = 1, early", at=0), world("log(eta t) / 2, half of it", factor=0.5)],
    unit=ORDER,
    given={"at": -1, "factor": 1.0},
)
def test_margin_leading_order(at: int, factor: float) -> Measurement:
    constants, exponentials, _ = toy.two_classes()
    error = np.abs(np.log(exponentials[at]) - factor * np.log(toy.leading_order(toy.TIMES[at], constants))).max()
    last = toy.TIMES[-1]
    return Measurement(float(error / (np.log(last) / last)), ORDER, f"eta t = {last:g}", None, {}, {"error": float(error)})


@on_toy_model(
    "tiny-subspace/toy-flow[gradient]",
    where="Appendix E, equation 17",
    quotes="The gradient along the optimization trajectory is then given by",
    says="late, the gradient is -mu_1 / (2 (eta t + c_1)) + mu_2 / (2 (eta t + c_2))",
    reading="the same flow: we measure |2 (eta t + c) g - 1| of both components at eta t = 100 over log(eta t) / (eta t); supported if at "
    "most 1",
    accept=at_most(1, reason="g = 1 / (2 (1 + W)), W = s - log s + ..., so that 2 s g = 1 + (log s - 1) / s + ..."),
    controls=[world("twice the gradient", factor=2.0)],
    unit=ORDER,
    given={"factor": 1.0},
)
def test_gradient(factor: float) -> Measurement:
    at = toy.TIMES.index(100.0)
    error = toy.relative_error(factor * toy.two_class_gradients(), toy.leading_order_gradient)[at].max()
    return Measurement(float(error / (np.log(100) / 100)), ORDER, "eta t = 100", None, {}, {"error": float(error)})


@on_toy_model(
    "tiny-subspace/toy-flow[gradient-limit]",
    where="Section 3, equation 8; appendix E, equation 17",
    quotes="the gradient approaches a vector that is independent of the solution parameters",
    says="in the end the gradient is (mu_2 - mu_1) / (2 eta t), wherever the flow began",
    reading="the same flow: we measure |2 eta t g - 1| of both components at eta t = 10^4, over (1 + c + log(eta t)) / (eta t) with the larger "
    "constant c; supported if at most 1",
    accept=at_most(
        1, reason="2 eta t g = eta t / (1 + W), 1 + W = eta t + c + 1 - log s: that is what c and the logarithm leave"
    ),
    controls=[world("eta t = 1, where c is not forgotten", at=0), world("twice the gradient", factor=2.0)],
    unit="of (1 + c + log(eta t)) / (eta t)",
    given={"at": -1, "factor": 1.0},
)
def test_gradient_limit(at: int, factor: float) -> Measurement:
    eta_t, last = toy.TIMES[at], toy.TIMES[-1]
    error = np.abs(2 * eta_t * factor * toy.two_class_gradients()[at] - 1).max()
    bound = (1 + toy.two_classes()[0].max() + np.log(last)) / last
    return Measurement(float(error / bound), "", f"eta t = {last:g}", None, {}, {"error": float(error)})


def paired_with_means(state: toy.State, sign: float) -> float:
    """Least |cos| of the two top eigenvectors with (mu_i, sign mu_i), each with its closest vector."""
    expected = np.stack([np.concatenate([mean, sign * mean]) for mean in state.sample.x]) / np.sqrt(2)
    cosines = np.abs(expected @ state.eigenpairs[1][:, :2])
    return float(cosines.max(axis=1).min())


@on_toy_model(
    "tiny-subspace/toy-flow[eigenvectors]",
    where="Appendix E, equation 19",
    quotes=EQUATION_19,
    says="the two top eigenvectors are (mu_1, -mu_1) and (mu_2, -mu_2)",
    reading="two orthonormal means, random start: we measure 1 - |cos| of the two top eigenvectors with these, largest over eta t = 1, ..., "
    "10^4; supported if at most 1e-8",
    accept=at_most(1e-8, reason="they are exact, not at leading order only; rounding over a gap of the eigenvalues of 1e-4"),
    controls=[
        world("(mu, mu) in their place", sign=1.0),
        world("means that are random, not orthogonal", states=partial(toy.states, orthonormal=False)),
    ],
    given={"states": toy.states, "sign": -1.0},
)
def test_eigenvectors(states: Any, sign: float) -> Measurement:
    found = [1 - paired_with_means(state, sign) for state in states(2, start=toy.START)]
    return Measurement(max(found), "", "five times")


@on_toy_model(
    "tiny-subspace/toy-flow[preserved]",
    where="Section 3, structure 1",
    quotes="The top subspace is always preserved.",
    says="the two top eigenvectors keep their span",
    reading="two orthonormal means, random start: we measure 1 - Tr(P P') / 2 of the two top eigenvectors at eta t = 1 and at each later time "
    "up to 10^4, largest; supported if within rounding",
    accept=at_most(1e-12, reason="rounding of projections in four dimensions: about 1e-15 a product"),
    controls=[world("samples with noise", sigma=toy.SIGMA)],
    given={"sigma": 0.0},
)
def test_preserved(sigma: float) -> Measurement:
    first, *later = (state.eigenpairs[1][:, :2] for state in toy.states(2, start=toy.START, sigma=sigma, times=toy.TIMES[:4]))
    moved = [abs(1 - subspace_overlap(first, vectors)) for vectors in later]
    return Measurement(max(moved), "", "later times")


def next_gradient(state: toy.State, eta: float, gradient: Any) -> Any:
    """(1 - eta H) g, equation 10 without its remainder."""
    return gradient - eta * flow.hessian_product(state.theta, state.sample, gradient)


@on_toy_model(
    "tiny-subspace/toy-flow[one-step]",
    where="Section 3.1, equation 10",
    quotes="Under a single gradient descent step, the gradient evolves as",
    says="g(t+1) = (1 - eta H) g(t) + O(eta^2)",
    reading="two orthonormal means, random start, eta t = 1: we measure the exponent of eta in |g(t+1) - (1 - eta H) g(t)| between eta = 0.01 "
    "and 0.02; supported if within 0.1 of 2",
    accept=within(1.9, 2.1, reason="eta^2, with the next order, a few eta"),
    controls=[world("without the Hessian", predicted=lambda state, eta, gradient: gradient)],
    unit="exponent",
    given={"predicted": next_gradient},
)
def test_one_step(predicted: Any) -> Measurement:
    state, errors = toy.states(2, start=toy.START)[0], []
    gradient = flow.gradient(state.theta, state.sample)
    for eta in (0.01, 0.02):
        after = flow.gradient(state.theta - eta * gradient, state.sample)
        errors.append(np.linalg.norm(after - predicted(state, eta, gradient)))
    return Measurement(float(np.log2(errors[1] / errors[0])), "exponent", "eta = 0.01 and 0.02")


@on_toy_model(
    "tiny-subspace/quadratic-alignment",
    where="Section 3.1, footnote 15",
    quotes="the mechanism above holds exactly for linear regression with quadratic loss. In this setting the Hessian is constant and there are no "
    "higher-order corrections, and so the gradient will converge to the leading eigenvector of (1 - eta H).",
    says="in linear regression the gradient turns to the least curved direction",
    reading="gradient descent on 50 random samples of 5 features, eta = 1 / lambda_1: we measure 1 - |cos| of the gradient after 400 steps and "
    "the eigenvector of the smallest eigenvalue; supported if at most 1e-6",
    accept=at_most(
        1e-6, reason="the next eigenvector is behind by ((1 - eta h_4) / (1 - eta h_5))^400, below 1e-4 for eigenvalues 5 % apart"
    ),
    controls=[world("no steps", steps=0), world("the eigenvector of the largest eigenvalue", which=-1)],
    given={"steps": 400, "which": 0},
)
def test_quadratic_alignment(steps: int, which: int) -> Measurement:
    rng = numpy_stream(0, "linear regression")
    x = rng.standard_normal((50, 5))
    values, vectors = np.linalg.eigh(x.T @ x / len(x))
    theta = rng.standard_normal(5)  # targets and solution are 0: rounding then does not hide late gradients
    for _ in range(steps):
        theta = theta - x.T @ (x @ theta) / len(x) / values[-1]
    gradient = x.T @ (x @ theta) / len(x)
    return Measurement(float(1 - abs(vectors[:, which] @ gradient) / np.linalg.norm(gradient)), "", f"{steps} steps")


FAR, FARTHER = 1e4, 1e8


def inverse_square(eta_t: float) -> float:
    """An eigenvalue whose remainder is O(t^-2), as in the paper."""
    return 1 / (eta_t + 1) + 1 / (eta_t + 1) ** 2


def scaled_remainder(eigenvalue: Callable[[float], float], eta_t: float) -> float:
    """(eta t + c)^2 |lambda - 1 / (eta t + c)|, bounded if the remainder is O(t^-2)."""
    s = eta_t + 1  # c = 1: theta_0 = 0
    return s**2 * abs(float(eigenvalue(eta_t)) - 1 / s)


exact_eigenvalue = partial(flow.two_class_eigenvalue, c=1.0)


@on_toy_model(
    "tiny-subspace/toy-flow[remainder]",
    where="Section 3, equation 9; appendix E, equation 18",
    quotes="the Hessian along the optimization trajectory is given by",
    says="the positive eigenvalues are 1 / (eta t) up to O(t^-2)",
    reading="theta_0 = 0: we measure (eta t + c)^2 |lambda - 1 / (eta t + c)| at eta t = 10^8 over the same at 10^4; "
    "supported if at most 1.1, as for a remainder that is O(t^-2)",
    accept=at_most(1.1, reason="an O(t^-2) remainder gives 1 up to 1e-4; a logarithm doubles it"),
    controls=[
        world("an eigenvalue with an O(t^-2) remainder", Verdict.SUPPORTED, eigenvalue=inverse_square),
        world("a remainder of order 1 / t", eigenvalue=lambda eta_t: 2 / eta_t),
    ],
    given={"eigenvalue": exact_eigenvalue},
)
def test_remainder(eigenvalue: Any) -> Measurement:
    return Measurement(scaled_remainder(eigenvalue, FARTHER) / scaled_remainder(eigenvalue, FAR), "", "eta t = 10^4 and 10^8")


@on_toy_model(
    "tiny-subspace/toy-flow[remainder-with-log]",
    where="derived: section 3, equation 9",
    derived=True,
    says="the remainder of the paper's 1 / (eta t) is log(t) / t^2 (claims/tiny_subspace/softmax_flow.py)",
    reading="theta_0 = 0: we measure the slope of (eta t + c)^2 |lambda - 1 / (eta t + c)| against log(eta t) from 10^4 to 10^8; "
    "supported if within 0.01 of 1, as for a remainder log(t) / t^2",
    accept=within(0.99, 1.01, reason="the slope is 1 + O(log^2 s / s), below 0.01 at s = 10^4"),
    controls=[world("an eigenvalue with an O(t^-2) remainder", eigenvalue=inverse_square)],
    given={"eigenvalue": exact_eigenvalue},
)
def test_remainder_with_log(eigenvalue: Any) -> Measurement:
    rise = scaled_remainder(eigenvalue, FARTHER) - scaled_remainder(eigenvalue, FAR)
    return Measurement(rise / np.log(FARTHER / FAR), "", "eta t = 10^4 to 10^8")


# --- rank and the gradient ----------------------------------------------------------------------------------------------


def rank(state: toy.State) -> int:
    """Eigenvalues above rounding: 10^-10 of the largest."""
    values = state.eigenpairs[0]
    return int(np.sum(values > 1e-10 * values[0]))


@on_toy_model(
    "tiny-subspace/toy-flow[rank]",
    where="Section 3, structure 1",
    quotes="The Hessian has two positive eigenvalues (the top subspace), while the rest vanish.",
    says="the Hessian has rank two",
    reading="two orthonormal means: we count the Hessian eigenvalues above 1e-10 of the largest, mean over eta t = 1, ..., 10^4; "
    "supported if 2",
    accept=within(2, 2, reason="a whole number"),
    controls=[
        world("three classes", states=partial(toy.states, 3)),
        world("samples with noise", states=partial(toy.states, 2, sigma=toy.SIGMA)),
    ],
    unit="eigenvalues",
    given={"states": partial(toy.states, 2)},
)
def test_rank(states: Any) -> Measurement:
    return Measurement(float(np.mean([rank(state) for state in states()])), "eigenvalues", "five times")


def random_direction(state: toy.State, k: int) -> float:
    """f_top of a random direction in place of the gradient."""
    drawn = np.random.default_rng(0).standard_normal(state.theta.size)
    return float(np.sum((state.eigenpairs[1][:, :k].T @ drawn) ** 2) / (drawn @ drawn))


def of_the_gradient(state: toy.State, k: int) -> float:
    return float(state.shares[:k].sum())


@on_toy_model(
    "tiny-subspace/toy-flow[gradient-in-top]",
    where="Section 3, structure 2",
    quotes="The gradient evolves during training but is always contained within the top subspace.",
    says="the gradient lies in the span of the two top eigenvectors",
    reading="two orthonormal means, random start: we measure 1 - f_top of the two top eigenvectors, largest over eta t = 1, ..., 10^4; "
    "supported if within rounding",
    accept=at_most(1e-12, reason="rounding of projections in four dimensions: about 1e-15 a product"),
    controls=[world("a random direction in the gradient's place", f_top=random_direction)],
    given={"f_top": of_the_gradient},
)
def test_gradient_in_top(f_top: Any) -> Measurement:
    outside = [abs(1 - f_top(state, 2)) for state in toy.states(2, start=toy.START)]
    return Measurement(max(outside), "of |g|^2", "five times")


# --- k classes ----------------------------------------------------------------------------------------------------------

FOOTNOTE_14 = "Section 3, footnote 14"
MANY = tuple(range(2, 11))


@on_toy_model(
    "tiny-subspace/toy-k-classes[rank]",
    where=FOOTNOTE_14,
    quotes="symmetries of the loss lead to k(k - 1) nontrivial directions, meaning the Hessian is naturally rank k(k - 1)",
    says="with k classes the Hessian has rank k(k-1)",
    reading="k orthonormal means: we count the k from 2 to 10 for which k(k-1) Hessian eigenvalues are above 1e-10 of the largest at "
    "eta t = 100; supported if all nine",
    accept=within(9, 9, reason="a whole number"),
    controls=[world("samples with noise", sigma=toy.SIGMA)],
    unit="numbers of classes",
    given={"sigma": 0.0},
)
def test_k_rank(sigma: float) -> Measurement:
    found = {k: rank(toy.states(k, sigma=sigma, times=(100.0,))[0]) for k in (MANY if sigma == 0 else toy.CLASSES)}
    return Measurement(float(sum(count == k * (k - 1) for k, count in found.items())), "numbers of classes", f"k = {list(found)}")


@on_toy_model(
    "tiny-subspace/toy-k-classes[closed-form]",
    where="derived: section 3, footnote 14",
    derived=True,
    says="both kinds of eigenvalue are known in closed form at all times (symmetric_eigenvalues in claims/tiny_subspace/softmax_flow.py)",
    reading="k = 2..10 orthonormal means, theta_0 = 0: we measure the largest relative error of lambda_1 and lambda_(k+1) at eta t = 100 "
    "against e^m / (e^m + k - 1)^2 and 1 / (k (e^m + k - 1)), e^m = (k-1) wrightomega((eta t + 1) / (k-1) - log(k-1)); supported if "
    "within the integrator's error",
    accept=INTEGRATED,
    controls=[world("the two-class formula for every k", formula=lambda eta_t, k: flow.symmetric_eigenvalues(eta_t, 2))],
    given={"formula": flow.symmetric_eigenvalues},
)
def test_k_closed_form(formula: Any) -> Measurement:
    errors = []
    for k in MANY:
        values, known = toy.states(k, times=(100.0,))[0].eigenpairs[0], formula(100.0, k)
        errors += [abs(values[0] / known[0] - 1), abs(values[k] / known[1] - 1) if k > 2 else 0.0]
    return Measurement(max(errors), "", "k = 2 to 10", None, {"errors": np.array(errors)})


@on_toy_model(
    "tiny-subspace/toy-k-classes[dominant]",
    where="derived: section 3, footnote 14",
    derived=True,
    says="the k top eigenvalues become k times as large as the rest of the k(k-1)",
    reading="k = 3..10 orthonormal means, theta_0 = 0: we measure |lambda_k / lambda_(k+1) / k - 1| at eta t = 10^4, largest over k; "
    "supported if at most 2 (k-1) / (eta t)",
    accept=at_most(2e-3, reason="the ratio is k e^m / (e^m + k - 1), so it is off k by (k - 1) / (eta t) = 9e-4 at most, k = 10"),
    controls=[world("the start, where all k(k-1) are alike", eta_t=1e-6)],
    given={"eta_t": 1e4},
)
def test_dominant(eta_t: float) -> Measurement:
    ratios = {}
    for k in MANY[1:]:
        values = toy.states(k, times=(eta_t,))[0].eigenpairs[0]
        ratios[k] = float(values[k - 1] / values[k])
    error = max(abs(ratio / k - 1) for k, ratio in ratios.items())
    return Measurement(error, "", "k = 3 to 10", None, {"ratios": np.array(list(ratios.values()))})


def share_of_top(k: int, eta_t: float) -> float:
    """Share of the Hessian's trace in its k largest eigenvalues."""
    values = toy.states(k, times=(eta_t,))[0].eigenpairs[0]
    return float(values[:k].sum() / values.sum())


@on_toy_model(
    "tiny-subspace/toy-k-classes[dominated]",
    where=FOOTNOTE_14,
    quotes="in fact this k(k - 1) subspace dynamically becomes dominated by k top eigenvalues",
    says="late, k of the k(k-1) eigenvalues hold nearly all of the trace",
    reading="k = 3..10 orthonormal means, theta_0 = 0: we measure the share of the Hessian's trace in its k largest eigenvalues at "
    "eta t = 10^4, least over k; supported if at least 0.9",
    accept=at_least(0.9, reason="dominated: what is not in them is a tenth at most"),
    controls=[
        world("the start, where all k(k-1) are alike", eta_t=1e-6),
        world("two classes, where k = k(k-1)", Verdict.SUPPORTED, classes=(2,)),
    ],
    given={"eta_t": 1e4, "classes": MANY[1:]},
)
def test_dominated(eta_t: float, classes: tuple[int, ...]) -> Measurement:
    found = [share_of_top(k, eta_t) for k in classes]
    return Measurement(min(found), "of the trace", f"k = {list(classes)}", None, {"shares": np.array(found)})


@on_toy_model(
    "tiny-subspace/toy-k-classes[share]",
    where="derived: section 3, footnote 14",
    derived=True,
    says="late, the k top eigenvalues hold k / (2 k - 2) of the trace: three quarters for k = 3, towards one half for many classes "
    "(symmetric_eigenvalues in claims/tiny_subspace/softmax_flow.py)",
    reading="k = 3..10 orthonormal means, theta_0 = 0: we measure that share at eta t = 10^4 over k / (2 k - 2), less 1, largest size over k; "
    "supported if at most 2 (k - 1) / (eta t)",
    accept=at_most(2e-3, reason="both kinds of eigenvalue are off their limits by (k - 1) / (eta t) = 9e-4 at most, k = 10"),
    controls=[world("the start, where all k(k-1) are alike", eta_t=1e-6)],
    given={"eta_t": 1e4},
)
def test_share(eta_t: float) -> Measurement:
    found = [share_of_top(k, eta_t) / (k / (2 * k - 2)) - 1 for k in MANY[1:]]
    return Measurement(float(np.abs(found).max()), "", "k = 3 to 10", None, {"errors": np.array(found)})


# --- biases -------------------------------------------------------------------------------------------------------------

BIASED = "If we add biases to our model parameters, then the degeneracy in the top subspace will be broken."
ONE_SMALLER = (
    "If the degeneracy is broken by including biases, there will be k-1 large eigenvalues and one smaller (positive) eigenvalue"
)
with_bias = partial(toy.states, bias=True, times=(1e-6, toy.LATE))


@on_toy_model(
    "tiny-subspace/toy-bias[ratio]",
    where="Section 3, footnote 12",
    quotes=BIASED,
    says="with biases the two positive eigenvalues differ, by a factor of three",
    reading="two orthonormal means, biases, random start: we measure lambda_1 / lambda_2 at eta t = 1000; supported if 3",
    accept=within(
        2.99, 3.01, reason="(mu_1, 1) and (mu_2, 1) have the Gram matrix [[2, 1], [1, 2]], of eigenvalues 3 and 1; O(1 / eta t)"
    ),
    controls=[world("no biases", states=partial(toy.states, times=(toy.LATE,)))],
    given={"states": with_bias},
)
def test_bias_ratio(states: Any) -> Measurement:
    values = states(2, start=toy.START)[-1].eigenpairs[0]
    return Measurement(float(values[0] / values[1]), "", "eta t = 1000")


@on_toy_model(
    "tiny-subspace/toy-bias[aligned]",
    where="Section 3",
    quotes="During training, the gradient will become aligned with the eigenvector that has the smaller of the two eigenvalues. ... there will "
    "be k-1 large eigenvalues and one smaller (positive) eigenvalue, with which the gradient will become aligned",
    says="with biases the gradient turns to the eigenvector of the smallest positive eigenvalue",
    reading="k = 2, 5, 10 random unit means, biases, random start: we measure |cos| of the gradient and the k-th eigenvector at "
    "eta t = 1000, smallest over k; supported if at least 0.99",
    accept=at_least(0.99, reason="aligned: within 8 degrees; random directions of the top subspace have 1 / sqrt(k)"),
    controls=[world("the start", at=0), world("the largest eigenvalue's eigenvector", rank_of=lambda k: 0)],
    given={"at": -1, "rank_of": lambda k: k - 1},
)
def test_aligned(at: int, rank_of: Any) -> Measurement:
    cosines = [np.sqrt(with_bias(k, orthonormal=False, start=toy.START)[at].shares[rank_of(k)]) for k in toy.CLASSES]
    return Measurement(float(min(cosines)), "", "k = 2, 5, 10", None, {"cosines": np.array(cosines)})


@on_toy_model(
    "tiny-subspace/toy-bias[one-smaller]",
    where="Section 3",
    quotes=ONE_SMALLER,
    says="with biases one of the k top eigenvalues is smaller than the others",
    reading="k = 2, 5, 10 random unit means, biases: we measure lambda_(k-1) / lambda_k at eta t = 1000, smallest over k; "
    "supported if at least 2",
    accept=at_least(2, reason="one is smaller than the others: by a factor of two at least"),
    controls=[world("no biases", states=partial(toy.states, times=(toy.LATE,)))],
    given={"states": with_bias},
)
def test_one_smaller(states: Any) -> Measurement:
    ratios = []
    for k in toy.CLASSES:
        values = states(k, orthonormal=False, start=toy.START)[-1].eigenpairs[0]
        ratios.append(float(values[k - 2] / values[k - 1]))
    return Measurement(min(ratios), "", "k = 2, 5, 10", None, {"ratios": np.array(ratios)})


# --- sample noise -------------------------------------------------------------------------------------------------------

DRAWS = 6
SAMPLE_NOISE = (
    "then the bulk of the Hessian spectrum will contain small non-zero eigenvalues (suppressed by sigma^2), and the gradient will still "
    "evolve into the top subspace"
)
NOISY = f"d = 1000, random unit means, 10 samples a class, random start, mean over {DRAWS} draws of all of these"
noisy = partial(toy.states, orthonormal=False, start=toy.START, times=(100.0,))


def by_number_of_classes(statement: str, tag: str, **fields: Any) -> Any:
    """One claim for each k of footnote 13, judged by the interval of the mean over draws."""

    def declare(function: Any) -> Any:
        for k in toy.CLASSES:
            given = {"k": k, "sigma": toy.SIGMA}
            on_toy_model(f"tiny-subspace/{statement}[{tag}-{k}]", over="interval", given=given, **fields)(function)
        return function

    return declare


def over_draws(values: Sequence[float], unit: str, k: int, **details: float) -> Measurement:
    """The mean over draws with its own interval."""
    found = mean_interval(values)
    return Measurement(
        float(np.mean(values)),
        unit,
        f"k = {k}",
        None,
        {"draws": np.array(values)},
        details,
        (found.low, found.high, f"t, {DRAWS} draws"),
    )


@by_number_of_classes(
    "toy-noise",
    "bulk",
    where="Section 3, footnote 13",
    quotes=SAMPLE_NOISE,
    says="sample noise gives the bulk eigenvalues in proportion to sigma^2",
    reading=f"{NOISY}: we measure the exponent of sigma in lambda_(k(k-1)+1) / lambda_1 at eta t = 100 between sigma = 0.01 and 0.02; "
    "supported if within 0.2 of 2",
    accept=within(1.8, 2.2, reason="sigma^2, with the next order (sigma^2 d)^(1/2) of a finite sample"),
    controls=[world("noise larger than the means", sigma=0.2)],
    unit="exponent",
)
def test_noise_bulk(k: int, sigma: float) -> Measurement:
    found = [[bulk_over_top(k, level, draw) for level in (sigma / 2, sigma)] for draw in range(DRAWS)]
    return over_draws([float(np.log2(high / low)) for low, high in found], "exponent", k, **{"bulk over top": found[0][1]})


def bulk_over_top(k: int, sigma: float, draw: int) -> float:
    values = noisy(k, sigma=sigma, draw=draw)[0].eigenpairs[0]
    return float(values[k * (k - 1)] / values[0])


@by_number_of_classes(
    "toy-noise",
    "gradient",
    where="Section 3, footnote 13",
    quotes=SAMPLE_NOISE,
    says="with sample noise, too, the gradient lies in the top subspace",
    reading=f"{NOISY}, sigma = 0.02: we measure |P g|^2 / |g|^2 of the top k eigenvectors at eta t = 100; supported if at least 0.99",
    accept=at_least(0.99, reason="contained up to sigma^2: about sigma^2 d / samples a class = 0.04 of its norm at most"),
    controls=[world("noise larger than the means", sigma=0.2)],
)
def test_noise_gradient(k: int, sigma: float) -> Measurement:
    found = [float(noisy(k, sigma=sigma, draw=draw)[0].shares[:k].sum()) for draw in range(DRAWS)]
    return over_draws(found, "of |g|^2", k)
