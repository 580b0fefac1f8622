"""Is this run one of the ensemble? A claim's values are tested against the ensemble's seeds that the run does not have.

An alarm needs two things together.

- Student's t is significant. The two-sided test compares the mean of the run's n seeds with the mean of the m other seeds. It
  uses the ensemble's spread and m - 1 degrees of freedom, so one seed is enough. It takes logarithms where the ensemble has a
  long tail. The level is :data:`FALSE_ALARMS` over the number of tested claims (Bonferroni; Holm would fail the same runs,
  Benjamini-Hochberg more of them).
- Enough of the n values lie outside the range of the m others, and each at least :data:`NEARLY` times as far from their mean as
  the run's mean must lie. Enough is the least number that lies outside by chance in at most :data:`FALSE_ALARMS` of runs, for any
  distribution; it is all n if even that is more frequent. Skewed quantities and counts with few values need this condition,
  because Student's p is too small in their tails: one seed of three that counts 8 where the others count 9 proves nothing, and
  one far seed beside two that are hardly outside proves as little.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from harness.suite.ensemble import Reference
from harness.suite.records import MeasurementRecord, MembershipRecord
from harness.suite.verdict import FEWEST, ROUNDING, Ensemble, quantile

FALSE_ALARMS = 0.01  # largest share of runs with an alarm, if all runs are of the ensemble
UNNOTICED = 0.01  # standard deviations between seeds: a value of a seed that moved by no more is the same value
CHANCE = 0.01  # p above which the verdict of a run may be the opposite of its ensemble's by the chance of its seeds
NEARLY = 0.75  # share of the shift that the mean needs, for each of the values that must lie outside


@dataclass(frozen=True)
class Sample:
    """Statistics of independent seeds. Values of pairs are reduced to the seeds behind them.

    Attributes:
        mean: of all values.
        seeds: number of independent seeds behind them.
        spread: standard deviation between seeds.
        low, high: the extreme values.
    """

    mean: float
    seeds: int
    spread: float
    low: float
    high: float


def membership(over: str, measured: MeasurementRecord, reference: Reference, tests: int) -> MembershipRecord:
    """Whether the measured values belong to the claim's ensemble.

    Args:
        over: ``seeds``, ``pairs``, ``trials`` or ``share``.
        tests: number of claims of the run that are tested.
    """
    ensemble = reference.ensemble
    if ensemble is None:
        return MembershipRecord("outdated" if reference.outdated else "absent", reference.why)
    values, ensemble, here, logarithms = _alike(over, measured, ensemble)
    others = others_of(over, ensemble, len(here), here)
    if others is None:
        known = len(_rest(ensemble, here)[1])
        few = f"only {known} of its ensemble's seeds are not in this run, {FEWEST} are needed"
        return MembershipRecord("few", few, others=known)
    return _tested(values, len(here), others, FALSE_ALARMS / max(1, tests), logarithms)


def chance(over: str, measured: MeasurementRecord, ensemble: Ensemble) -> float | None:
    """The chance that the choice of seeds makes this run's mean differ from that of the other seeds.

    It is one where the ensemble has the same values for the run's seeds; else it is that of :func:`difference`.
    """
    return 1.0 if holds(over, measured, ensemble) else difference(over, measured, ensemble)


def difference(over: str, measured: MeasurementRecord, ensemble: Ensemble) -> float | None:
    """Student's p for the difference between this run's mean and that of the other seeds; None if there are too few others.

    The spread is the one that was seen. :func:`membership` grants a counted quantity a step; here a quantity that never varied is
    certain, so that no verdict against it is chance.
    """
    values, ensemble, here, _ = _alike(over, measured, ensemble)
    others = others_of(over, ensemble, len(here), here, steps=False)
    return None if others is None else student(float(np.mean(values)), len(here), others)[1]


def holds(over: str, measured: MeasurementRecord, ensemble: Ensemble) -> bool:
    """Whether the ensemble has the same value for the same seeds, for each value of the run."""
    if None in measured.values or not _same_trials(measured, ensemble):
        return False
    values, ensemble, _, _ = _alike(over, measured, ensemble)
    far = distances(measured.runs, values, ensemble.runs, ensemble.values)
    return len(far) == len(measured.values) and max(far) <= tolerance(ensemble.values)


def _same_trials(measured: MeasurementRecord, ensemble: Ensemble) -> bool:
    """Whether proportions are of as many trials as those of the same seeds."""
    if ensemble.trials is None or measured.trials is None:
        return True
    return not any(distances(measured.runs, measured.trials, ensemble.runs, ensemble.trials))


def distances(
    runs: Sequence[Sequence[str]],
    values: Sequence[float | None],
    known_runs: Sequence[Sequence[str]],
    known_values: Sequence[float],
) -> list[float]:
    """How far each value lies from the known value of the same seeds. Values without a known one, and None, are left out."""
    known = dict(zip(map(tuple, known_runs), known_values, strict=True)) if known_runs else {}
    pairs = [(known.get(tuple(run)), value) for run, value in zip(runs, values, strict=True)]
    return [abs(value - before) for before, value in pairs if before is not None and value is not None]


def tolerance(values: Sequence[float]) -> float:
    """How far a value of an ensemble may move and be the same: :data:`UNNOTICED` standard deviations, or rounding if larger."""
    return max(UNNOTICED * float(np.std(values, ddof=1)), ROUNDING * max(map(abs, values)))


def _alike(over: str, measured: MeasurementRecord, ensemble: Ensemble) -> tuple[list[float], Ensemble, set[str], bool]:
    """The run's values and the ensemble, both as logarithms where the ensemble has a long tail; the run's seeds."""
    here = {run for runs in measured.runs for run in runs}
    values = [value for value in measured.values if value is not None]
    if not (over == "seeds" and ensemble.skewed and min(values) > 0):
        return values, ensemble, here, False
    return [math.log(value) for value in values], ensemble.logarithms, here, True


def others_of(over: str, ensemble: Ensemble, seeds: int, here: Collection[str] = (), *, steps: bool = True) -> Sample | None:
    """The ensemble without the runs ``here``, to test a run of ``seeds`` seeds against; None if too few seeds are left.

    Args:
        steps: whether a counted quantity has at least the spread that a step gives.
    """
    rest, known = _rest(ensemble, here)
    if len(known) < FEWEST:
        return None
    least = _least(ensemble, seeds, len(known)) if steps else 0.0
    return _sample(over, [ensemble.values[i] for i in rest], len(known), least)


def _rest(ensemble: Ensemble, here: Collection[str]) -> tuple[list[int], set[str]]:
    """Positions of the values that were measured on none of the runs ``here``, and the runs behind these values."""
    rest = [i for i, runs in enumerate(ensemble.runs) if not set(here) & set(runs)]
    return rest, {run for i in rest for run in ensemble.runs[i]}


def _least(ensemble: Ensemble, seeds: int, others: int) -> float:
    """The least spread of a counted quantity: about the spread if one more seed were one step away."""
    return _grain(ensemble) / (1 if seeds < FEWEST else math.sqrt(others + 1))


def outside(seeds: int, others: int) -> int:
    """The least number of seeds outside the range of the others that occurs in at most :data:`FALSE_ALARMS` of runs; at most all.

    If values are exchangeable, k of n lie above or below all of m others in (k + 1) C(n - k + m - 2, m - 2) of the C(n + m, n)
    orders. Equal values make this rarer.
    """
    orders, tail, least = math.comb(seeds + others, seeds), 0.0, seeds
    for k in range(seeds, 0, -1):
        tail += (k + 1) * math.comb(seeds - k + others - 2, others - 2) / orders
        if tail > FALSE_ALARMS:
            break
        least = k
    return least


def student(mean: float, seeds: int, others: Sample) -> tuple[float, float]:
    """The shift of a mean over ``seeds`` seeds from the others' mean, in standard deviations between seeds; its two-sided p."""
    from scipy import stats

    if mean == others.mean:
        return 0.0, 1.0
    shift = (mean - others.mean) / others.spread if others.spread else math.copysign(math.inf, mean - others.mean)
    t = abs(shift) / math.sqrt(1 / seeds + 1 / others.seeds)
    return shift, float(2 * stats.t.sf(t, others.seeds - 1))


def critical_shift(seeds: int, others: int, level: float) -> float:
    """The shift at which Student's p is ``level``, in standard deviations between seeds."""
    return quantile(others - 1, 1 - level) * math.sqrt(1 / seeds + 1 / others)


def _tested(values: Sequence[float], seeds: int, others: Sample, level: float, logarithms: bool) -> MembershipRecord:
    mean = float(np.mean(values))
    shift, p = student(mean, seeds, others)
    margin = NEARLY * critical_shift(seeds, others.seeds, level) * others.spread
    beyond = sum(not others.low <= value <= others.high and abs(value - others.mean) >= margin for value in values)
    alarm = p <= level and beyond * seeds >= outside(seeds, others.seeds) * len(values)
    side = "above" if shift > 0 else "below"
    kind, here, there, low, high = "mean", mean, others.mean, others.low, others.high
    if logarithms:
        kind, (here, there, low, high) = "geometric mean", np.exp([mean, others.mean, others.low, others.high])
    shown = f"the {kind} of {seeds} seed(s), {here:.6g}, is {abs(shift):.3g} standard deviations {side} that of {others.seeds} "
    shown += f"other seeds, {there:.6g} (from {low:.6g} to {high:.6g}): p = {p:.2g}"
    message = f"{shown}, at most {level:.2g} is an alarm" if alarm else ""
    known = shift if math.isfinite(shift) else None
    return MembershipRecord("alarm" if alarm else "belongs", message, p, level, known, others.seeds)


def _sample(over: str, values: Sequence[float], seeds: int, least: float) -> Sample:
    """Statistics of the other seeds' values. Their spread is at least ``least``, and at least rounding: equal values differ by
    it.

    A counted quantity needs ``least``: one more seed may always lie one step away from the others, and one or two seeds of a run
    may be such seeds.

    Pairs: a mean over all pairs of n seeds has a variance of at most 2 var / n, where var is the variance of one pair.
    Quantities that are linear in the seeds reach this bound (Hoeffding 1948), and their var over m seeds' pairs is biased by (m
    - 1) / (m + 1).
    """
    spread = float(np.std(values, ddof=1))
    if over == "pairs":
        spread *= math.sqrt(2 * (seeds + 1) / (seeds - 1))
    rounding = ROUNDING * max(abs(value) for value in values)
    return Sample(float(np.mean(values)), seeds, max(spread, least, rounding), min(values), max(values))


def _grain(ensemble: Ensemble) -> float:
    """The smallest step between two values of a counted quantity.

    Values that are all integers have steps of one. Shares of an unknown number of things have the smallest step that is seen,
    which is next to nothing for a measured quantity.
    """
    if ensemble.trials is not None:
        return 1 / min(ensemble.trials)
    if all(float(value).is_integer() for value in ensemble.values):
        return 1.0
    steps = np.diff(np.unique(ensemble.values))
    steps = steps[steps > ROUNDING * np.abs(ensemble.values).max()]
    return float(steps.min()) if len(steps) else 0.0
