"""Verdicts: where the 95 % interval of what was measured lies against the accepted region.

A verdict has no truth value: NOT_RUN can never pass for success, and INCONCLUSIVE is not failure.
Nothing here imports JAX, so that stored evidence can be judged again without it.
"""

from __future__ import annotations

import enum
import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

import numpy as np

from harness.errors import InvalidInput

CONFIDENCE = 0.95
LOOKS = (3, 6, 12, 24)  # numbers of seeds at which open claims are judged, one after the other
FEWEST = 3  # seeds that a spread needs
ENOUGH = 8  # seeds: fewer equal values do not prove that all seeds are equal
LARGEST_LOGARITHM = 700.0  # largest logarithm of a float64, roughly
SKEWED = 0.01  # largest p of an ensemble's skewness for which it is judged on a log scale
ROUNDING = 1e-6  # share of the largest value: seeds that differ by less are equal but for rounding


class Verdict(enum.Enum):
    SUPPORTED = "SUPPORTED"
    REFUTED = "REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_RUN = "NOT_RUN"

    def __bool__(self) -> NoReturn:
        raise TypeError(f"a verdict has no truth value: compare it, as in verdict is Verdict.{self.name}")


def opposite(verdict: str, other: str) -> bool:
    """Whether one is SUPPORTED and the other REFUTED, by their names."""
    return {verdict, other} == {Verdict.SUPPORTED.name, Verdict.REFUTED.name}


@dataclass(frozen=True)
class Region:
    """The values of a measurement that support a claim: the closed interval [low, high], and why."""

    low: float
    high: float
    reason: str

    def __post_init__(self) -> None:
        if math.isnan(self.low) or math.isnan(self.high) or self.low > self.high:
            raise InvalidInput(f"region [{self.low}, {self.high}] is empty: give low <= high")
        if not self.reason.strip():
            raise InvalidInput("a region needs a reason: say where the bound comes from")

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        if self.low == -math.inf:
            return f"<= {self.high:.6g}"
        if self.high == math.inf:
            return f">= {self.low:.6g}"
        return f"[{self.low:.6g}, {self.high:.6g}]"


def within(low: float, high: float, *, reason: str) -> Region:
    """Accept values from ``low`` to ``high``."""
    return Region(low, high, reason)


def at_least(low: float, *, reason: str) -> Region:
    """Accept values of ``low`` or more."""
    return Region(low, math.inf, reason)


def at_most(high: float, *, reason: str) -> Region:
    """Accept values of ``high`` or less."""
    return Region(-math.inf, high, reason)


@dataclass(frozen=True)
class Interval:
    """A 95 % confidence interval, with the method that made it; infinite ends where the values give no spread."""

    low: float
    high: float
    method: str

    @property
    def bounded(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)

    def within(self, bounds: tuple[float, float] | None) -> Interval:
        """The interval cut to ``bounds``, which the quantity cannot leave. They hold the truth, so coverage is unchanged."""
        if bounds is None or not self.bounded:
            return self
        low, high = (float(min(max(end, bounds[0]), bounds[1])) for end in (self.low, self.high))
        return Interval(low, high, self.method)

    def __str__(self) -> str:
        if not self.bounded:
            return "no interval"
        return f"{self.low:.6g}" if self.low == self.high else f"[{self.low:.6g}, {self.high:.6g}]"


@dataclass(frozen=True)
class Ensemble:
    """Values of the same measurement over a tracked reference ensemble.

    Attributes:
        values: one a seed, or one a pair of seeds.
        provenance: where the values come from, in words.
        runs: the runs behind each value, as in a measurement's record; () where they are not known.
        trials: numbers of trials behind each value, if the values are proportions.
    """

    values: tuple[float, ...]
    provenance: str
    runs: tuple[tuple[str, ...], ...] = ()
    trials: tuple[int, ...] | None = None

    def __post_init__(self) -> None:
        if len(self.values) < ENOUGH:
            raise InvalidInput(f"a reference ensemble needs at least {ENOUGH} seeds, got {len(self.values)}")

    @property
    def spread(self) -> float:
        """Sample standard deviation over the ensemble's seeds."""
        return float(np.std(self.values, ddof=1))

    @functools.cached_property
    def skewed(self) -> bool:
        """Whether the values are positive and have a long right tail, p <= 0.01 in D'Agostino's test of skewness, and their
        logarithms are less skewed. Whole numbers are never skewed: they are counts, which are judged by their mean."""
        if (
            len(self.values) < ENOUGH
            or min(self.values) <= 0
            or all(float(value).is_integer() for value in self.values)
            or equal(self.values)
        ):
            return False
        from scipy import stats

        skewness, of_logarithms = (float(stats.skew(values)) for values in (self.values, np.log(self.values)))
        p = float(stats.skewtest(self.values, alternative="greater").pvalue)
        return p <= SKEWED and abs(of_logarithms) < skewness

    @property
    def logarithms(self) -> Ensemble:
        """The same ensemble on a log scale."""
        return replace(self, values=tuple(math.log(value) for value in self.values))


def on_log_scale(region: Region) -> Region:
    """The region of the logarithms; it has no lower bound where the region reaches to 0."""
    low, high = (math.log(edge) if edge > 0 else -math.inf for edge in (region.low, region.high))
    return replace(region, low=low, high=high)


def exact(value: float) -> Interval:
    """A deterministic value: no sampling error, so the interval is the value itself."""
    return Interval(value, value, "deterministic")


def spent(looks: int) -> float:
    """The confidence of each look that keeps the error of all ``looks`` together at 5 % (Bonferroni, in equal parts)."""
    return 1 - (1 - CONFIDENCE) / looks


@functools.cache
def quantile(dof: int, confidence: float = CONFIDENCE) -> float:
    """The half-width of a two-sided interval of Student's t, in standard errors."""
    from scipy import stats

    return float(stats.t.ppf(0.5 + confidence / 2, dof))


def _student(center: float, standard_error: float, dof: int, confidence: float, method: str) -> Interval:
    half = quantile(dof, confidence) * standard_error
    return Interval(center - half, center + half, method)


def mean_interval(values: Sequence[float], ensemble: Ensemble | None = None, confidence: float = CONFIDENCE) -> Interval:
    """Student-t interval of the mean over seeds; below three seeds the ensemble gives the spread.

    With an ensemble of m seeds the standard error is s_m / sqrt(n) with m - 1 degrees of freedom. Equal values of fewer than
    :data:`ENOUGH` seeds take the ensemble's spread too; without an ensemble they have no interval. Equal values prove little: if
    one seed in four differs, three equal seeds come in 42 of 100 runs.

    Raises:
        InvalidInput: no value, a value that is not finite, or fewer than three without an ensemble.
    """
    n = _check(values)
    if n >= 3 and not (n < ENOUGH and equal(values)):
        error = float(np.std(values, ddof=1)) / math.sqrt(n)
        return _student(float(np.mean(values)), error, n - 1, confidence, f"Student t over {n} seeds")
    if ensemble is None and n >= 3:
        return _spreadless(f"{n} equal seeds")
    if ensemble is None:
        raise InvalidInput(
            f"{n} seed(s) give no spread and there is no reference ensemble for this claim: "
            "run at least 3 seeds (--claims-seeds 3) or make the ensemble"
        )
    m, error = len(ensemble.values), ensemble.spread / math.sqrt(n)
    return _student(float(np.mean(values)), error, m - 1, confidence, f"{n} seed(s), spread of the reference ensemble of {m}")


def log_scale_interval(values: Sequence[float], ensemble: Ensemble | None, confidence: float = CONFIDENCE) -> Interval:
    """Interval of the geometric mean over seeds: Student's t of the logarithms, for a positive quantity with a long tail.

    Raises:
        InvalidInput: as for :func:`mean_interval`, or a value that is not positive.
    """
    if min(values) <= 0:
        raise InvalidInput(f"measured value {min(values)} has no logarithm: its ensemble has positive values alone")
    logarithms = [math.log(value) for value in values]
    found = mean_interval(logarithms, None if ensemble is None else ensemble.logarithms, confidence)
    if not found.bounded:
        return found
    low, high = (math.exp(min(end, LARGEST_LOGARITHM)) for end in (found.low, found.high))
    return Interval(low, high, f"{found.method}, of logarithms")


def pairs_interval(
    values: Mapping[tuple[int, int], float], ensemble: Ensemble | None = None, confidence: float = CONFIDENCE
) -> Interval:
    """Jackknife over seeds for a mean over unordered pairs of seeds (pairs share seeds, so are not independent).

    Raises:
        InvalidInput: no pair, not all pairs of the seeds, or fewer than three seeds without an ensemble.
    """
    seeds = sorted({seed for pair in values for seed in pair})
    n = len(seeds)
    _check(list(values.values()))
    if len(values) != n * (n - 1) // 2:
        raise InvalidInput(f"{len(values)} pairs of {n} seeds: give every unordered pair once")
    mean = float(np.mean(list(values.values())))
    if n < 3:
        if ensemble is None:
            raise InvalidInput("one pair gives no spread and there is no reference ensemble: run at least 3 seeds")
        pairs, m = len(ensemble.values), _seeds_of_pairs(ensemble)
        method = f"1 pair, spread of the reference ensemble of {pairs} pairs of {m} seeds"
        return _student(mean, ensemble.spread, m - 1, confidence, method)
    if n < ENOUGH and equal(list(values.values())):
        if ensemble is None:
            return _spreadless(f"equal pairs of {n} seeds")
        error = ensemble.spread * math.sqrt(2 / n)  # an upper bound, which pairs that are linear in their seeds reach
        m = _seeds_of_pairs(ensemble)
        return _student(mean, error, m - 1, confidence, f"{n} seeds, spread of the reference ensemble of {m}")
    without = [float(np.mean([v for pair, v in values.items() if seed not in pair])) for seed in seeds]
    error = math.sqrt((n - 1) / n * float(np.sum((np.array(without) - np.mean(without)) ** 2)))
    return _student(mean, error, n - 1, confidence, f"jackknife over {n} seeds, {len(values)} pairs")


def _seeds_of_pairs(ensemble: Ensemble) -> int:
    """Number of seeds behind the ensemble's pairs: only seeds are independent."""
    return round((1 + math.sqrt(1 + 8 * len(ensemble.values))) / 2)


def equal(values: Sequence[float]) -> bool:
    """Whether the values are the same but for rounding."""
    return max(values) - min(values) <= ROUNDING * max(abs(value) for value in values)


def _spreadless(seeds: str) -> Interval:
    return Interval(-math.inf, math.inf, f"{seeds} give no spread, and there is no reference ensemble that has one")


def proportion_interval(successes: int, trials: int, confidence: float = CONFIDENCE) -> Interval:
    """Clopper-Pearson interval of a binomial proportion.

    Raises:
        InvalidInput: unless 0 <= successes <= trials and trials >= 1.
    """
    if not 0 <= successes <= trials or trials < 1:
        raise InvalidInput(f"{successes} successes in {trials} trials: need 0 <= successes <= trials, trials >= 1")
    from scipy import stats  # this import takes a second, for which other projects' tests need not wait

    low, high = stats.binomtest(successes, trials).proportion_ci(confidence, method="exact")
    return Interval(float(low), float(high), f"Clopper-Pearson, {successes} of {trials}")


def judge(interval: Interval, region: Region) -> Verdict:
    """Inside the region SUPPORTED, outside REFUTED, across its edge INCONCLUSIVE."""
    if region.low <= interval.low and interval.high <= region.high:
        return Verdict.SUPPORTED
    if interval.high < region.low or interval.low > region.high:
        return Verdict.REFUTED
    return Verdict.INCONCLUSIVE


def seeds_to_decide(values: Sequence[float], region: Region, ensemble: Ensemble | None = None, most: int = 1000) -> int | None:
    """Number of seeds at which the interval would leave the region's edge if mean and spread stayed.

    Returns None when no number up to ``most`` would do.
    """
    n = _check(values)
    mean = float(np.mean(values))
    spreadless = n < 3 or (n < ENOUGH and equal(values))
    if spreadless and n >= 3 and ensemble is None:
        return ENOUGH
    spread = (ensemble.spread if ensemble else math.nan) if spreadless else float(np.std(values, ddof=1))
    distance = min(abs(mean - edge) for edge in (region.low, region.high))
    for more in range(max(n + 1, 3), most + 1):
        if quantile(more - 1) * spread / math.sqrt(more) < distance:
            return more
    return None


def share_to_decide(values: Sequence[float], region: Region, most: int = 1000) -> int | None:
    """Number of seeds at which the interval of a share would leave the region's edge if the share stayed; None if none would."""
    n, share = _check(values), float(np.mean(values))
    counts = ((more, round(share * more)) for more in range(n + 1, most + 1))
    undecided = Verdict.INCONCLUSIVE
    return next((more for more, yes in counts if judge(proportion_interval(yes, more), region) is not undecided), None)


def least_seeds(region: Region, most: int = 1000) -> int | None:
    """Fewest seeds that can decide a claim on a share: all of them true, or all of them false; None if no number can."""
    ends = ((n, judge(proportion_interval(yes, n), region)) for n in range(1, most + 1) for yes in (0, n))
    return next((n for n, verdict in ends if verdict is Verdict.SUPPORTED), None)


def _check(values: Sequence[float]) -> int:
    if not len(values):
        raise InvalidInput("no values to judge: zero claims measured is an error, not a success")
    bad = [v for v in values if not math.isfinite(v)]
    if bad:
        raise InvalidInput(f"measured value {bad[0]} is not finite: it cannot be judged")
    return len(values)
