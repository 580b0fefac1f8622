"""From recorded values to interval and verdict: the one path that live runs and stored reports both take."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence

import numpy as np

from harness.errors import InvalidInput
from harness.suite.records import ClaimRecord, MeasurementRecord
from harness.suite.verdict import (
    CONFIDENCE,
    FEWEST,
    LOOKS,
    ROUNDING,
    Ensemble,
    Interval,
    Region,
    Verdict,
    equal,
    exact,
    judge,
    log_scale_interval,
    mean_interval,
    on_log_scale,
    pairs_interval,
    proportion_interval,
    share_to_decide,
    spent,
)
from harness.suite.verdict import seeds_to_decide as seeds_of_values

Pairs = Mapping[tuple[int, int], float]
Bounds = tuple[float, float]


def rejudge(record: ClaimRecord) -> Verdict:
    """The verdict that the recorded values, region and ensemble give; NOT_RUN stays NOT_RUN."""
    if not record.judged:
        return Verdict.NOT_RUN
    return judge(interval_again(record), region_of(record))


def interval_again(record: ClaimRecord) -> Interval:
    """The interval that the recorded values give.

    Raises:
        InvalidInput: as for :func:`interval_of`.
    """
    confidence = spent(len(LOOKS)) if record.rule.looks else CONFIDENCE
    return interval_of(record.over, record.measurements[0], ensemble_of(record), bounds_of(record), confidence)


def ensemble_of(record: ClaimRecord) -> Ensemble | None:
    """The reference ensemble that the record was judged with, if one was."""
    found = record.ensemble
    if found is None:
        return None
    runs = tuple(tuple(names) for names in found.runs)
    return Ensemble(tuple(found.values), found.provenance, runs, None if found.trials is None else tuple(found.trials))


def bounds_of(record: ClaimRecord) -> Bounds | None:
    """The lowest and highest value that the quantity can have; None if the claim does not say."""
    if record.rule.bounds is None:
        return None
    low, high = record.rule.bounds
    return -math.inf if low is None else low, math.inf if high is None else high


def region_of(record: ClaimRecord) -> Region:
    """The accepted region, with None read as an infinite bound."""
    low, high = record.rule.accept
    return Region(-math.inf if low is None else low, math.inf if high is None else high, record.rule.reason)


def interval_of(
    over: str,
    measured: MeasurementRecord,
    ensemble: Ensemble | None = None,
    bounds: Bounds | None = None,
    confidence: float = CONFIDENCE,
) -> Interval:
    """The 95 % interval of what was measured over ``seeds``, ``pairs``, ``trials``, ``share``, ``once`` or ``interval``.

    Args:
        bounds: values that the quantity can have; the interval is cut to them.
        confidence: of the interval where seeds are random.

    Raises:
        InvalidInput: a value that is not finite or out of bounds, no spread to be had, or proportions without trials.
    """
    values = finite_values(measured)
    if bounds is not None:
        _check_bounds(measured.name, values, bounds)
    skewed = ensemble is not None and ensemble.skewed
    return _interval(over, values, measured, ensemble, confidence, skewed).within(bounds)


def control_interval(
    over: str,
    values: Sequence[float],
    groups: int,
    trials: Sequence[int] | None,
    ensemble: Ensemble | None,
    bounds: Bounds | None,
) -> Interval:
    """The interval of what a claim measures in a control's world, by the claim's rule.

    It is a point where the claim's rule gives none: one world stands for all seeds, a value over seeds or pairs is the same on
    all of them, fewer than three seeds have no ensemble to take the spread from, or proportions have no trials.

    Args:
        values: one for each world; those of pairs in the order of ``itertools.combinations``.
        groups: number of seeds (or pairs) that the claim is judged on.
        trials: numbers of trials behind the values, for a claim over ``trials``.
        ensemble: the claim's reference ensemble.

    Raises:
        InvalidInput: as for :func:`interval_of`.
    """
    random = over in ("seeds", "pairs")
    spreadless = random and ((len(values) > 1 and equal(values)) or (len(values) < FEWEST and ensemble is None))
    if over == "once" or len(values) < groups or spreadless or (over == "trials" and trials is None):
        return exact(float(np.mean(values)))
    of = 2 if over == "pairs" else 1
    seeds = next(n for n in itertools.count(of) if math.comb(n, of) >= len(values))
    runs = [[f"world[{seed}]" for seed in group] for group in itertools.combinations(range(seeds), of)]
    measured = MeasurementRecord("control", "", "", runs, list(values), None if trials is None else list(trials))
    return interval_of(over, measured, ensemble, bounds)


def ensemble_interval(over: str, ensemble: Ensemble) -> Interval:
    """The ensemble's own interval, by the claim's rule."""
    trials = None if ensemble.trials is None else list(ensemble.trials)
    measured = MeasurementRecord("ensemble", "", "", [list(runs) for runs in ensemble.runs], list(ensemble.values), trials)
    return _interval(over, list(ensemble.values), measured, None, CONFIDENCE, ensemble.skewed)


def _interval(
    over: str,
    values: Sequence[float],
    measured: MeasurementRecord,
    ensemble: Ensemble | None,
    confidence: float,
    skewed: bool,
) -> Interval:
    if over == "once":
        return exact(values[0])
    if over == "interval":
        return _own_interval(measured)
    if over == "trials":
        return proportion_interval(*_pooled(values, measured.trials or []), confidence)
    if over == "share":
        return proportion_interval(_true(values), len(values), confidence)
    if over == "pairs":
        return pairs_interval(_pairs(values, measured), ensemble, confidence)
    if skewed and min(values) > 0:  # a value that is not positive does not belong to the ensemble: the membership test reports it
        return log_scale_interval(values, ensemble, confidence)
    return mean_interval(values, ensemble, confidence)


def deciding_seeds(over: str, measured: MeasurementRecord, region: Region, ensemble: Ensemble | None = None) -> int | None:
    """How many seeds would decide if mean and spread stayed; None when no number would, or seeds do not matter."""
    values = finite_values(measured)
    if ensemble is not None and _on_logarithms(over, values, ensemble):
        return seeds_of_values([math.log(value) for value in values], on_log_scale(region), ensemble.logarithms)
    if over == "seeds":
        return seeds_of_values(values, region, ensemble)
    if over == "share":
        return share_to_decide(values, region)
    if over == "pairs" and len(values) >= 3:
        return seeds_of_values(pseudo_values(_pairs(values, measured)), region)
    return None


def side_of(record: ClaimRecord) -> Verdict:
    """The verdict that enough seeds would give if mean and spread stayed: that of the mean, on the scale that is judged."""
    measured, region, ensemble = record.measurements[0], region_of(record), ensemble_of(record)
    values = [value for value in measured.values if value is not None]
    if _on_logarithms(record.over, values, ensemble):
        values, region = [math.log(value) for value in values], on_log_scale(region)
    return judge(exact(float(np.mean(values))), region)


def _on_logarithms(over: str, values: Sequence[float], ensemble: Ensemble | None) -> bool:
    """Whether the values are judged by their logarithms: their ensemble has a long tail."""
    return over == "seeds" and ensemble is not None and ensemble.skewed and min(values) > 0


def finite_values(measured: MeasurementRecord) -> list[float]:
    """The judged values.

    Raises:
        InvalidInput: there is no value, or a value is not finite.
    """
    values = [value for value in measured.values if value is not None and math.isfinite(value)]
    if not values or len(values) < len(measured.values):
        raise InvalidInput(f"{measured.name} measured {measured.values}: a value that is not finite cannot be judged")
    return values


def _pairs(values: Sequence[float], measured: MeasurementRecord) -> Pairs:
    """Values by pair of positions in the pool of runs."""
    pool = sorted({run for runs in measured.runs for run in runs})
    return {(pool.index(a), pool.index(b)): value for (a, b), value in zip(measured.runs, values, strict=True)}


def _own_interval(measured: MeasurementRecord) -> Interval:
    low, high = measured.interval or (math.nan, math.nan)
    if not (math.isfinite(low) and math.isfinite(high) and low <= high):
        raise InvalidInput(
            f"{measured.name}: interval [{low}, {high}]; a claim over an interval needs "
            "Measurement(value, interval=(low, high, method))"
        )
    return Interval(low, high, measured.method)


def _pooled(values: Sequence[float], trials: Sequence[int]) -> tuple[int, int]:
    if len(trials) != len(values):
        raise InvalidInput("a claim over trials needs proportions: return Measurement(k / n, trials=n)")
    counts = [value * n for value, n in zip(values, trials, strict=True)]
    if any(not math.isclose(count, round(count), rel_tol=1e-9, abs_tol=1e-9) for count in counts):
        raise InvalidInput(f"{list(values)} of {list(trials)} trials are not whole numbers: return Measurement(k / n, trials=n)")
    return sum(round(count) for count in counts), sum(trials)


def _check_bounds(name: str, values: Sequence[float], bounds: Bounds) -> None:
    width = bounds[1] - bounds[0]
    slack = ROUNDING * (width if math.isfinite(width) else max(abs(value) for value in values))
    if outside := [value for value in values if not bounds[0] - slack <= value <= bounds[1] + slack]:
        raise InvalidInput(f"{name} measured {outside[0]}, outside of what it can be, [{bounds[0]}, {bounds[1]}]: mend the claim")


def _true(values: Sequence[float]) -> int:
    if any(value not in (0, 1) for value in values):
        raise InvalidInput(f"a claim over a share got {list(values)}: return True or False for each seed")
    return sum(value == 1 for value in values)


def pseudo_values(pairs: Pairs) -> list[float]:
    """Jackknife pseudo-values: their mean and its standard error are those of the mean over pairs."""
    seeds = sorted({seed for pair in pairs for seed in pair})
    mean, n = float(np.mean(list(pairs.values()))), len(seeds)
    return [n * mean - (n - 1) * float(np.mean([value for pair, value in pairs.items() if seed not in pair])) for seed in seeds]
