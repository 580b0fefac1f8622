"""Is a platform's result one more draw from the seeds' distribution? A test, its power, its false-alarm rate.

Paired: runs that start from the same theta_0 on both platforms. If platforms are exchangeable, the difference of a seed is as
likely to be d as -d. The exact test flips all signs. It can say nothing below six pairs: three pairs have only eight signs.
Three to eleven differences are tested by Student's t if they are not whole numbers and no two are equal in size. Its p is
multiplied by :func:`inflation`, which makes its tail right for uniform differences, the worst smooth distribution with one
peak.

Unpaired: other seeds. All values are permuted. That is exact for any distribution, including skewed and discrete ones.

Proportions of the same trials: Fisher's exact test. Claims over pairs of seeds: the jackknife's pseudo-values in place of values.

If no arrangement of the values would be an alarm, there is no p-value, and the claim is not counted. Many claims are judged at
once, so p-values are corrected by Benjamini & Hochberg. One in twenty of the named claims is then named by chance, and at most
5 of 100 sweeps over exchangeable platforms name any claim. One claim that moves alone among many must move far
(:meth:`Exchange.detectable`); many claims that move together need not. tests/compare/test_exchange.py measures level and power.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

ALPHA = 0.05
POWER = 0.8
LEAST_PAIRS = 3  # for a spread
EXACT_PAIRS = 12  # pairs from which flipped signs are as good as Student's t, and assume no distribution
ARRANGEMENTS = 20_000  # largest number of arrangements; more are sampled at random
EQUAL = 1e-9  # relative distance of values that only rounding tells apart

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Exchange:
    """The answer for one claim.

    Attributes:
        method: the test, or why there is none.
        n: pairs, new values or trials.
        p: p-value, None where nothing could be tested.
        error: standard error of the tested mean, in standard deviations; 0 where the power is not known.
        dof: degrees of freedom of the spread.
        least: smallest p-value that any arrangement of these values could give; all other p-values are its multiples.
        inflation: factor by which the test multiplies Student's p; 1 for arrangements.
    """

    method: str
    n: int = 0
    p: float | None = None
    error: float = 0.0
    dof: int = 0
    least: float = 0.0
    inflation: float = 1.0

    def detectable(self, claims: int = 1, together: int = 1) -> float | None:
        """Smallest shift that is seen with probability 0.8, in standard deviations (of the differences, if paired).

        Args:
            claims: how many are tested; the p-values are corrected for it.
            together: how many of them shift alike.

        Returns:
            None where the power is not known, infinity where no shift is seen.
        """
        if not self.error:
            return None
        level = ALPHA * together / claims
        if self.least:  # an alarm has a p-value below the level, and p-values come in steps
            level = self.least * (math.ceil(level / self.least) - 1)
        return _smallest(self.error, self.dof, level / self.inflation) if level > 0 else math.inf


def paired(differences: Sequence[float]) -> Exchange:
    """Whether the differences of runs from the same theta_0 lean to one side."""
    d, n = np.asarray(differences, float), len(differences)
    if n < LEAST_PAIRS:
        return Exchange(f"{n} pair(s) of one theta_0: needs {LEAST_PAIRS}", n)
    if n >= EXACT_PAIRS or _discrete(d):
        return _arranged(f"signs of {n} differences", np.abs(_signs(n) @ d), n, 1 / math.sqrt(n), n - 1)
    t = abs(float(np.mean(d))) / (float(np.std(d, ddof=1)) / math.sqrt(n))
    p = min(1.0, inflation(n) * 2 * float(stats.t.sf(t, n - 1)))
    return Exchange(f"paired t, {n} seeds", n, p, 1 / math.sqrt(n), n - 1, inflation=inflation(n))


def unpaired(before: Sequence[float], after: Sequence[float]) -> Exchange:
    """Whether new values are further draws from what the baseline's seeds were drawn from."""
    n, m = len(before), len(after)
    if n < LEAST_PAIRS or not m:
        return Exchange(f"other seeds: the baseline needs {LEAST_PAIRS} and has {n}", m)
    values = np.asarray([*after, *before], float)
    values = values - values.mean()
    # the sum of the new values decides, since the sum of all values is fixed
    sums = np.abs(values[_choices(n + m, m)].sum(axis=1))
    return _arranged(f"{m} new values among {n} of other seeds", sums, m, math.sqrt(1 / m + 1 / n), n + m - 2)


def proportions(before: tuple[int, int], after: tuple[int, int]) -> Exchange:
    """Whether two counts (successes, trials) have one probability (Fisher; conservative for the same trials)."""
    table = [[k, n - k] for k, n in (before, after)]
    return Exchange("Fisher's exact test", after[1], float(stats.fisher_exact(table).pvalue))


def corrected(p_values: Sequence[float | None]) -> list[float | None]:
    """Benjamini & Hochberg's correction; None stays None and is not counted."""
    tested = [i for i, p in enumerate(p_values) if p is not None]
    found: list[float | None] = [None] * len(p_values)
    if tested:
        adjusted = stats.false_discovery_control([p_values[i] for i in tested])
        for i, p in zip(tested, adjusted, strict=True):
            found[i] = float(p)
    return found


def inflation(n: int) -> float:
    """How much more often n uniform differences have a large t than n normal differences, in the limit of large t.

    Both tails fall as t^-(n - 1), in proportion to the integral of f(x)^n |x|^(n - 1) for the density f.
    """
    uniform = 2.0 ** (1 - n) / n
    normal = (2 * math.pi) ** (-n / 2) * math.gamma(n / 2) * (2 / n) ** (n / 2)
    return uniform / normal


def _arranged(method: str, sizes: Floats, n: int, error: float, dof: int) -> Exchange:
    """The share of all arrangements of the values, the observed one first, in which the statistic is as large as observed."""
    largest, observed = float(sizes.max()), float(sizes[0])
    slack = EQUAL * largest
    least, p = (float(np.mean(sizes >= size - slack)) for size in (largest, observed))
    if largest == 0:
        return Exchange(f"{method}: all equal", n, 1.0)
    if least >= ALPHA:
        return Exchange(f"{method}: these could not show anything, whatever their order", n)
    return Exchange(method, n, p, error, dof, least)


def _discrete(d: Floats) -> bool:
    """Whether the differences are like those of counts: whole numbers, or two of them equal in size."""
    sizes = np.sort(np.abs(d))
    return bool(np.all(d == np.round(d)) or np.any(np.diff(sizes) <= EQUAL * sizes[-1]))


@functools.lru_cache(maxsize=8)
def _signs(n: int) -> Floats:
    """All signs of n numbers, or a random choice, shape (arrangements, n). The first row leaves the numbers as they are."""
    if 2**n <= ARRANGEMENTS:
        return np.array(list(itertools.product((1.0, -1.0), repeat=n)))
    drawn = np.random.default_rng(n).choice([1.0, -1.0], (ARRANGEMENTS, n))
    drawn[0] = 1.0
    return drawn


@functools.lru_cache(maxsize=8)
def _choices(total: int, count: int) -> NDArray[np.int64]:
    """All choices of ``count`` of ``total`` positions, or some at random, shape (arrangements, count); the first ones first."""
    if math.comb(total, count) <= ARRANGEMENTS:
        return np.array(list(itertools.combinations(range(total), count)))
    rng = np.random.default_rng([total, count])
    drawn = np.array([rng.permutation(total)[:count] for _ in range(ARRANGEMENTS)])
    drawn[0] = np.arange(count)
    return drawn


def power(n: int, shift: float, alpha: float = ALPHA) -> float:
    """Probability that :func:`paired` sees a mean difference of ``shift`` standard deviations of the differences."""
    return _power(shift * math.sqrt(n), n - 1, alpha / inflation(n) if n < EXACT_PAIRS else alpha)


def _power(noncentrality: float, dof: int, level: float) -> float:
    """Power of Student's t, two-sided at that level. Arrangements of normal values have the same power, unless values are few."""
    critical = stats.t.isf(level / 2, dof) * _spreads(dof)
    return float(np.mean(stats.norm.sf(critical - noncentrality) + stats.norm.sf(critical + noncentrality)))


@functools.cache
def _spreads(dof: int) -> Floats:
    """Sample standard deviations of a normal sample of spread one, at evenly spaced probabilities.

    SciPy's non-central t loses its digits where shifts are large.
    """
    found: Floats = np.sqrt(stats.chi2.ppf((np.arange(4000) + 0.5) / 4000, dof) / dof)
    return found


@functools.cache
def _smallest(error: float, dof: int, alpha: float) -> float:
    low, high = 0.0, 1.0
    while _power(high / error, dof, alpha) < POWER:
        low, high = high, 2 * high
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (middle, high) if _power(middle / error, dof, alpha) < POWER else (low, middle)
    return high
