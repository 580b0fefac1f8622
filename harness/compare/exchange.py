"""Is a platform's result one more draw from the seeds' distribution? A test, its power, its false-alarm rate.

Paired: runs that start from the same theta_0 on both platforms. If platforms are exchangeable, the difference of a seed is as
likely to be d as -d, so that the mean is zero: Student t over n >= 3 pairs. With n = 3 at level 0.05 it sees, four times in five,
a shift of 3.3 standard deviations of the differences (:func:`detectable`); twenty pairs see 0.66.

Unpaired: other seeds. The new values are draws from the baseline's distribution, whose spread needs 20 seeds or more:
t = (mean_new - mean_old) / (s_old sqrt(1 / n_new + 1 / n_old)) on n_old - 1 degrees of freedom; one new value will do.

Proportions of the same trials: Fisher's exact test. Claims over pairs of seeds: the jackknife's pseudo-values in place of values.
Many claims are judged at once: p-values are corrected by Holm, whatever their dependence, so that a sweep over exchangeable
platforms raises one false alarm or more in at most 5 of 100 sweeps. tests/compare/test_compare.py measures level and power.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

ALPHA = 0.05
POWER = 0.8
LEAST_PAIRS, LEAST_UNPAIRED = 3, 20


@dataclass(frozen=True)
class Exchange:
    """The answer for one claim.

    Attributes:
        method: the test, or why there is none.
        n: pairs, new values or trials.
        p: p-value, None where nothing could be tested.
        detectable: smallest shift seen with probability 0.8 at level 0.05, uncorrected, in standard deviations, or None.
    """

    method: str
    n: int = 0
    p: float | None = None
    detectable: float | None = None


def paired(differences: Sequence[float]) -> Exchange:
    """Whether the mean difference of runs from the same theta_0 is zero."""
    d, n = np.asarray(differences, float), len(differences)
    if n < LEAST_PAIRS:
        return Exchange(f"{n} pair(s) of one theta_0: needs {LEAST_PAIRS}", n)
    error = float(np.std(d, ddof=1)) / math.sqrt(n)
    mean = float(np.mean(d))
    p = float(mean == 0) if error == 0 else 2 * float(stats.t.sf(abs(mean) / error, n - 1))
    return Exchange(f"paired t, {n} seeds", n, p, detectable(n))


def unpaired(before: Sequence[float], after: Sequence[float]) -> Exchange:
    """Whether new values are further draws from the baseline's seeds."""
    n, m = len(before), len(after)
    if n < LEAST_UNPAIRED or not m:
        return Exchange(f"other seeds: the baseline needs {LEAST_UNPAIRED} and has {n}", m)
    error = float(np.std(before, ddof=1)) * math.sqrt(1 / m + 1 / n)
    shift = abs(float(np.mean(after)) - float(np.mean(before)))
    p = float(shift == 0) if error == 0 else 2 * float(stats.t.sf(shift / error, n - 1))
    return Exchange(f"prediction t, {m} new against {n} seeds", m, p, _smallest(math.sqrt(1 / m + 1 / n), n - 1, ALPHA))


def proportions(before: tuple[int, int], after: tuple[int, int]) -> Exchange:
    """Whether two counts (successes, trials) have one probability (Fisher; conservative for the same trials)."""
    table = [[k, n - k] for k, n in (before, after)]
    return Exchange("Fisher's exact test", after[1], float(stats.fisher_exact(table).pvalue))


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction; None stays None and is not counted."""
    order = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    worst = 0.0
    for rank, (p, i) in enumerate(order):
        worst = max(worst, min(1.0, (len(order) - rank) * p))
        corrected[i] = worst
    return corrected


def power(n: int, shift: float, alpha: float = ALPHA) -> float:
    """Probability that :func:`paired` sees a mean difference of ``shift`` standard deviations of the differences."""
    return _power(shift * math.sqrt(n), n - 1, alpha)


def detectable(n: int, alpha: float = ALPHA) -> float:
    """Smallest shift, in standard deviations of the differences, that n pairs see with probability 0.8."""
    return _smallest(1 / math.sqrt(n), n - 1, alpha)


def _power(noncentrality: float, dof: int, alpha: float) -> float:
    critical = stats.t.ppf(1 - alpha / 2, dof)
    return float(stats.nct.sf(critical, dof, noncentrality) + stats.nct.cdf(-critical, dof, noncentrality))


@functools.cache
def _smallest(error: float, dof: int, alpha: float) -> float:
    low, high = 0.0, 1.0
    while _power(high / error, dof, alpha) < POWER:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _power(middle / error, dof, alpha) < POWER else (low, middle)
    return high
