"""Is this run one of the ensemble? A test of a claim's values against those of the ensemble's seeds that the run does not have.

It is an alarm if two things come together.

- Student's t, two-sided, of the run's mean over its n seeds against the mean of the m other seeds, with the ensemble's spread and
  m - 1 degrees of freedom, so that one seed will do; of logarithms where the ensemble has a long tail. The level is the claim's
  part of the error of a run, :data:`FALSE_ALARMS` over the number of claims that are tested (Bonferroni; Holm would fail the same
  runs, Benjamini-Hochberg more of them).
- So many of the n values lie outside of all m others as would by chance, whatever their distribution, in :data:`FALSE_ALARMS` of
  runs; all n where even that is more frequent. This is for skewed quantities and for counts with few values, in whose tails
  Student's p is too small: one seed of three that counts 8 where the others count 9 proves nothing.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from harness.suite.ensemble import Reference
from harness.suite.records import MeasurementRecord, MembershipRecord
from harness.suite.verdict import ROUNDING, Ensemble

FALSE_ALARMS = 0.01  # share of runs of the ensemble's own kind with any alarm, at most
FEWEST = 3  # seeds, to have a spread


@dataclass(frozen=True)
class Sample:
    """Independent values: those of seeds, or what a mean over pairs of seeds is worth.

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
        return MembershipRecord("unconfirmed" if reference.unconfirmed else "absent", reference.why)
    here = {run for runs in measured.runs for run in runs}
    values = [value for value in measured.values if value is not None]
    logarithms = over == "seeds" and ensemble.skewed and min(values) > 0
    if logarithms:
        values, ensemble = [math.log(value) for value in values], ensemble.logarithms
    others = others_of(over, ensemble, len(here), here)
    if others is None:
        known = len(_rest(ensemble, here)[1])
        few = f"only {known} of its ensemble's seeds are not in this run, {FEWEST} are needed"
        return MembershipRecord("few", few, others=known)
    return _tested(values, len(here), others, FALSE_ALARMS / max(1, tests), logarithms)


def others_of(over: str, ensemble: Ensemble, seeds: int, here: Collection[str] = ()) -> Sample | None:
    """The ensemble as what a run of so many seeds is tested against: without the runs ``here``; None if too few are left."""
    rest, known = _rest(ensemble, here)
    if len(known) < FEWEST:
        return None
    return _sample(over, [ensemble.values[i] for i in rest], len(known), _least(ensemble, seeds, len(known)))


def _rest(ensemble: Ensemble, here: Collection[str]) -> tuple[list[int], set[str]]:
    """Positions of the values that none of the runs ``here`` is behind, and the runs behind these."""
    rest = [i for i, runs in enumerate(ensemble.runs) if not set(here) & set(runs)]
    return rest, {run for i in rest for run in ensemble.runs[i]}


def _least(ensemble: Ensemble, seeds: int, others: int) -> float:
    """The least spread of a quantity that is counted, by what one step more in one more seed would give."""
    return _grain(ensemble) / (1 if seeds < FEWEST else math.sqrt(others + 1))


def outside(seeds: int, others: int) -> int:
    """Of so many seeds, the least number that lies outside of all others in at most :data:`FALSE_ALARMS` of runs; at most all.

    Under exchangeability k of n values lie above or below all of m others in (k + 1) C(n - k + m - 2, m - 2) of the C(n + m, n)
    orders; equal values make it rarer.
    """
    orders, tail, least = math.comb(seeds + others, seeds), 0.0, seeds
    for k in range(seeds, 0, -1):
        tail += (k + 1) * math.comb(seeds - k + others - 2, others - 2) / orders
        if tail > FALSE_ALARMS:
            break
        least = k
    return least


def student(mean: float, seeds: int, others: Sample) -> tuple[float, float]:
    """The shift of the mean of so many seeds from the others', in standard deviations between seeds, and its two-sided p."""
    from scipy import stats

    if mean == others.mean:
        return 0.0, 1.0
    shift = (mean - others.mean) / others.spread if others.spread else math.copysign(math.inf, mean - others.mean)
    t = abs(shift) / math.sqrt(1 / seeds + 1 / others.seeds)
    return shift, float(2 * stats.t.sf(t, others.seeds - 1))


def _tested(values: Sequence[float], seeds: int, others: Sample, level: float, logarithms: bool) -> MembershipRecord:
    mean = float(np.mean(values))
    shift, p = student(mean, seeds, others)
    beyond = sum(not others.low <= value <= others.high for value in values)
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
    """The other seeds' values, with a spread of at least ``least`` and of rounding, since equal values are equal but for that.

    Of a quantity that is counted, one more seed that is one step away from the others is always possible, and one or two seeds of
    a run may be of that kind.

    Pairs: the variance of a mean over all pairs of n seeds is at most 2 var / n, var that of one pair, with equality for what is
    linear in the seeds (Hoeffding 1948); var over m seeds' pairs is biased by (m - 1) / (m + 1) in that case.
    """
    spread = float(np.std(values, ddof=1))
    if over == "pairs":
        spread *= math.sqrt(2 * (seeds + 1) / (seeds - 1))
    rounding = ROUNDING * max(abs(value) for value in values)
    return Sample(float(np.mean(values)), seeds, max(spread, least, rounding), min(values), max(values))


def _grain(ensemble: Ensemble) -> float:
    """The smallest step between two values of a quantity that is counted, 0 for one that is measured."""
    if ensemble.trials is not None:
        return 1 / min(ensemble.trials)
    return 1.0 if all(float(value).is_integer() for value in ensemble.values) else 0.0
