"""The training maps for the claims on quadratic and convex losses, and ways to run them wrongly.

A fixed family, not a sample: every kind of spectrum, step sizes up to and beyond the stable edge, several horizons.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np

from harness.closed_form import PLAIN, Exact, Momentum, Quadratic, descend, descend_batches
from harness.suite.claim import Control
from harness.suite.verdict import Verdict

Matrix = np.ndarray[Any, Any]
SIZE = 6
# h_max = 4 throughout, so that plain descent is stable up to eta = 1/2; dyadic values make eta h = 2 exact.
SPECTRA = {
    "definite": (0.5, 1.0, 1.5, 2.0, 3.0, 4.0),
    "singular": (0.0, 0.0, 0.0, 1.0, 2.0, 4.0),
    "indefinite": (-0.5, -0.25, 0.0, 1.0, 2.0, 4.0),
    "ill-conditioned": tuple(4 * np.logspace(-6, 0, SIZE)),
    "repeated": (1.0, 1.0, 1.0, 3.0, 3.0, 4.0),
    "zero": (0.0,) * SIZE,
}
KINDS = tuple(SPECTRA)
HORIZONS = (1, 2, 32)
SHARES = (0.1, 0.5, 0.9)  # of the largest stable step 2 / h_max
HEAVY_BALL, NESTEROV = Momentum(0.9), Momentum(0.9, nesterov=True)


@dataclass(frozen=True, eq=False)
class Case:
    """One training map: the engine's input, and the result of the closed form.

    Attributes:
        hessians: one a step, (T, N, N).
        rates: step sizes, (T,).
        exact: the exact J with its bound.
        rank: rank of the Hessian.
    """

    hessians: Matrix
    rates: Matrix
    momentum: Momentum
    exact: Exact
    rank: int


Engine = Callable[[Case], Matrix]


def refuted(name: str, **world: Any) -> Control:
    """A world that changes some of the claim's arguments, in which the claim must come out REFUTED."""
    return Control(name, lambda: world)


def rescued(name: str, **world: Any) -> Control:
    """A world in which a claim that fails as published holds."""
    return Control(name, lambda: world, expect=Verdict.SUPPORTED)


def basis(name: str) -> Matrix:
    """A random orthogonal matrix, a fixed one for each name."""
    from harness.engine.streams import numpy_stream

    return np.linalg.qr(numpy_stream(0, f"quadratics/{name}").normal(size=(SIZE, SIZE)))[0]


def quadratic(kind: str) -> Quadratic:
    return Quadratic(np.array(SPECTRA[kind]), basis(kind))


def case(loss: Quadratic, rates: Sequence[float] | Matrix, momentum: Momentum = PLAIN) -> Case:
    """Training on one quadratic."""
    rates = np.asarray(rates, float)
    hessians = np.broadcast_to(loss.hessian, (len(rates), *loss.basis.shape))
    return Case(hessians, rates, momentum, descend(loss, rates, momentum), loss.rank)


def batch_case(hessians: Matrix, rates: Matrix, momentum: Momentum = PLAIN) -> Case:
    """Training on a sequence of quadratics; ``rank`` is that of their sum."""
    exact = descend_batches(hessians, rates, momentum)
    return Case(hessians, rates, momentum, exact, int(np.linalg.matrix_rank(hessians.sum(0), hermitian=True)))


def schedule(steps: int, peak: float, form: str) -> Matrix:
    """Step sizes: ``constant``, or ``cosine`` decay from the peak."""
    return np.full(steps, peak) if form == "constant" else peak * (1 + np.cos(np.pi * np.arange(steps) / steps)) / 2


def single(momentum: Momentum, kinds: Sequence[str] = KINDS, forms: Sequence[str] = ("constant", "cosine")) -> list[Case]:
    """Every spectrum, horizon, share of the largest stable step and schedule."""
    grid = product(kinds, HORIZONS, SHARES, forms)
    return [case(quadratic(kind), schedule(steps, share / 2, form), momentum) for kind, steps, share, form in grid]


def sequences(momentum: Momentum, kinds: Sequence[str] = KINDS) -> list[Case]:
    """Mini-batches: step t has its own eigenbasis, so that J is not symmetric."""
    return [batch_case(rotating(kind, steps), np.full(steps, 0.25), momentum) for kind, steps in product(kinds, HORIZONS)]


def rotating(kind: str, steps: int) -> Matrix:
    """Hessians of one spectrum, (steps, N, N), each in an eigenbasis of its own."""
    return np.array([Quadratic(np.array(SPECTRA[kind]), basis(f"{kind}/{t}")).hessian for t in range(steps)])


def plain() -> list[Case]:
    return single(PLAIN) + sequences(PLAIN)


def with_momentum() -> list[Case]:
    return [c for momentum in (HEAVY_BALL, NESTEROV) for c in single(momentum) + sequences(momentum)]


def trained(case: Case) -> Matrix:
    """The engine's J."""
    from harness.closed_form.problems import quadratic_jacobian

    return quadratic_jacobian(case.hessians, case.rates, case.momentum)


def transposed(case: Case) -> Matrix:
    return trained(case).T


def momentum_left_out(case: Case) -> Matrix:
    """Training with momentum, its tangent without."""
    from harness.closed_form import problems

    return problems.quadratic_jacobian(case.hessians, case.rates, case.momentum, wrap=problems.momentum_left_out)


def constant_schedule(case: Case) -> Matrix:
    return trained(replace(case, rates=np.full_like(case.rates, case.rates[0])))


def other_form(case: Case) -> Matrix:
    """Heavy ball and Nesterov exchanged."""
    return trained(replace(case, momentum=replace(case.momentum, nesterov=not case.momentum.nesterov)))


def rank_lowered(case: Case) -> Matrix:
    """Training on Hessians whose largest eigenvalue is made zero."""
    values, vectors = np.linalg.eigh(case.hessians)
    values[:, -1] = 0
    return trained(replace(case, hessians=np.einsum("tik,tk,tjk->tij", vectors, values, vectors)))


def batch_skipped(case: Case) -> Matrix:
    return trained(replace(case, rates=np.concatenate([[0.0], case.rates[1:]])))
