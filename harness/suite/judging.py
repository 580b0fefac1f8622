"""Measure one claim on its runs, judge it, run its controls: everything about a verdict that pytest need not know."""

from __future__ import annotations

import itertools
import math
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.errors import HarnessError, InvalidInput, NotRun
from harness.measure.measurement import Measurement
from harness.suite.claim import Claim, Control
from harness.suite.ensemble import Ensembles, reference_fingerprint
from harness.suite.evidence import pack
from harness.suite.expectation import FEW, Expectation
from harness.suite.records import ClaimRecord, ControlRecord, EnsembleRecord, MeasurementRecord, RuleRecord
from harness.suite.rejudge import deciding_seeds, interval_of
from harness.suite.verdict import Ensemble, Interval, Verdict, exact, judge

Run = Any


@dataclass(frozen=True)
class Terms:
    """What a verdict depends on besides the claim: the scale, the expected verdict, the ensembles, who opens runs."""

    scale: str
    expected: Expectation
    ensembles: Ensembles
    open_runs: Callable[[str], Sequence[Run]]


@dataclass(frozen=True)
class Outcome:
    """The record of a judged claim, the npz of arrays its figures need, and the traceback of an error nobody foresaw."""

    record: ClaimRecord
    evidence: bytes = b""
    traceback: str = ""


def judge_claim(claim: Claim, terms: Terms, node: str) -> Outcome:
    """Judge one claim; whatever goes wrong becomes NOT_RUN with its reason. Only KeyboardInterrupt and its like get out."""
    started = time.perf_counter()
    blank = _blank(claim, terms, node)
    try:
        outcome = _judged(claim, terms, blank)
    except NotRun as reason:
        outcome = Outcome(replace(blank, declared=True, message=f"{claim.id}: not run: {reason}"))
    except Exception as error:
        broken = replace(blank, message=f"{_where(claim, terms.scale)}: NOT_RUN by failure: {_cause(error)}")
        outcome = Outcome(broken, traceback="" if isinstance(error, HarnessError) else traceback.format_exc())
    return replace(outcome, record=replace(outcome.record, seconds=time.perf_counter() - started))


def _judged(claim: Claim, terms: Terms, blank: ClaimRecord) -> Outcome:
    if terms.scale not in claim.scales:
        raise NotRun(f"it is judged at scale {', '.join(claim.scales)}, this run is at {terms.scale}")
    runs = [run for name in claim.on for run in terms.open_runs(name)]
    fingerprints = {run.experiment.name: reference_fingerprint(run.experiment) for run in runs}
    groups = groups_of(claim, runs)
    measured = [_measurement(claim.measure(*group)) for group in groups]
    judged, *details = _records(claim, groups, measured)
    ensemble = _spread(claim, terms, fingerprints) if claim.over in ("seeds", "pairs") and len(runs) < FEW else None
    interval = interval_of(claim.over, judged, ensemble)
    verdict = judge(interval, claim.accept)
    record = replace(
        blank,
        verdict=verdict.name,
        measurements=[replace(judged, interval=[interval.low, interval.high], method=interval.method), *details],
        seeds_to_decide=deciding_seeds(claim.over, judged, claim.accept, ensemble) if verdict is Verdict.INCONCLUSIVE else None,
        ensemble=None if ensemble is None else EnsembleRecord(list(ensemble.values), ensemble.provenance),
        controls=[run_control(claim, control, groups[0]) for control in claim.controls],
        experiments=fingerprints,
    )
    if claim.portable and verdict is Verdict.SUPPORTED:
        _refuse_blind(record)
    complaints = _complaints(claim, terms.expected, record)
    record = replace(record, passed=not complaints, message="; ".join([_sentence(claim, terms.scale, record), *complaints]))
    arrays = {f"{i}/{name}": np.asarray(array) for i, m in enumerate(measured) for name, array in m.arrays.items()}
    evidence, content = pack(claim.id, arrays) if arrays else (None, b"")
    return Outcome(replace(record, evidence=evidence), content)


def _spread(claim: Claim, terms: Terms, fingerprints: dict[str, str]) -> Ensemble:
    """The reference ensemble that stands in for the seeds that are not there.

    Raises:
        NotRun: there is none for this claim.
        InvalidInput: it was measured on other experiments.
    """
    ensemble = terms.ensembles.of(claim.id, fingerprints)
    if ensemble is None:
        few = "fewer than 3 seeds give no spread and there is no reference ensemble for it"
        raise NotRun(f"{few}: ask for more ({_more_seeds(claim, FEW)})")
    return ensemble


def _refuse_blind(record: ClaimRecord) -> None:
    """Raise NotRun where a paper's claim holds on a network of one's own, but its control does as well."""
    blind = [control.name for control in record.controls if control.message and control.expect == Verdict.REFUTED.name]
    if blind:
        raise NotRun(f"on this network it comes out no different in its control: {'; '.join(blind)}")


def groups_of(claim: Claim, runs: Sequence[Run]) -> list[tuple[Run, ...]]:
    """What the claim's function is called on: each run, each unordered pair, or one run (none for a claim without runs).

    Raises:
        NotRun: fewer than two runs for a claim over pairs.
        InvalidInput: an experiment without runs.
    """
    if claim.on and not runs:
        raise InvalidInput(f"{', '.join(claim.on)} has no runs: ask for one seed or more (--claims-seeds)")
    if claim.over == "pairs":
        if len(runs) < 2:
            raise NotRun(f"it needs a pair of runs and there is {len(runs)}: ask for more seeds (--claims-seeds 3)")
        return list(itertools.combinations(runs, 2))
    return [tuple(runs[:1])] if claim.over in ("once", "interval") or not claim.on else [(run,) for run in runs]


def run_control(claim: Claim, control: Control, runs: tuple[Run, ...]) -> ControlRecord:
    """Measure the claim in the control's world, against the same region: by the interval that an estimate brings with it, or as
    an exact point; a crash proves nothing."""
    blank = ControlRecord(control.name, control.expect.name, None, None)
    try:
        found = _measurement(_in_world(claim, control, runs))
        value = found.value
        if not math.isfinite(value):
            raise InvalidInput(f"it measured {value}, which cannot be judged")
        interval = Interval(*found.interval) if claim.over == "interval" and found.interval else exact(value)
    except Exception as error:
        return replace(blank, message=f"control '{control.name}' crashed, which proves nothing: {_cause(error)}")
    verdict = judge(interval, claim.accept)
    blind = f"the claim cannot tell '{control.name}' from its own world: there {interval} is {verdict.name}, not {blank.expect}"
    return replace(blank, verdict=verdict.name, value=value, message="" if verdict is control.expect else blind)


def _in_world(claim: Claim, control: Control, runs: tuple[Run, ...]) -> Any:
    world = control.world(*runs)
    if not runs:
        return claim.function(**{**claim.given, **world})
    return claim.measure(*world) if claim.over == "pairs" else claim.measure(world)


def _measurement(got: Any) -> Measurement:
    return replace(got, value=float(got.value)) if isinstance(got, Measurement) else Measurement(float(got))


def _records(claim: Claim, groups: Sequence[tuple[Run, ...]], measured: Sequence[Measurement]) -> list[MeasurementRecord]:
    """The judged quantity first, then each detail that was reported beside it."""
    runs = [[f"{run.experiment.name}[{run.experiment.seed}]" for run in group] for group in groups]
    trials = [m.trials for m in measured if m.trials is not None] if claim.over == "trials" else None
    name, unit = claim.function.__name__.removeprefix("test_"), measured[0].unit or claim.unit
    low, high, method = measured[0].interval or (None, None, "")
    own = [low, high] if low is not None and high is not None else None
    judged = MeasurementRecord(name, unit, measured[0].counted, runs, [m.value for m in measured], trials, own, method)
    names = dict.fromkeys(detail for m in measured for detail in m.details)
    return [judged, *(MeasurementRecord(name, "", "", runs, [_finite(m.details.get(name)) for m in measured]) for name in names)]


def _blank(claim: Claim, terms: Terms, node: str) -> ClaimRecord:
    rule = RuleRecord([_finite(claim.accept.low), _finite(claim.accept.high)], claim.accept.reason)
    return ClaimRecord(
        claim.id,
        claim.paper,
        claim.where,
        claim.says,
        claim.reading,
        claim.over,
        claim.unit,
        claim.published,
        node,
        rule,
        terms.expected.name,
        terms.expected.reason,
        quotes=claim.quotes,
        derived=claim.derived,
        calibrated=claim.calibrated,
    )


def _complaints(claim: Claim, expected: Expectation, record: ClaimRecord) -> list[str]:
    """Why the claim fails; [] when it passes."""
    if expected.verdict is None:
        return []
    complaints = []
    if record.verdict == Verdict.SUPPORTED.name and expected.verdict is not Verdict.SUPPORTED:
        complaints.append(f"listed as {expected.name} but no longer deviates: remove it from the deviations")
    elif record.verdict != expected.name and not _undecided(claim, expected, record):
        complaints.append(f"expected {expected.name}{_remedy(claim, record)}")
    needed = Verdict.SUPPORTED if expected.verdict is Verdict.REFUTED else Verdict.REFUTED
    if not claim.portable and not any(control.expect is needed for control in claim.controls):
        complaints.append(f"a claim expected {expected.name} needs a control expected {needed.name} and has none")
    return complaints + [control.message for control in record.controls if control.message]


def _undecided(claim: Claim, expected: Expectation, record: ClaimRecord) -> bool:
    """Whether the claim may stay open: it has fewer seeds than its listing asks for, or fewer than three on the expected side, or
    it is an estimate within a budget, whose bounds say themselves that more would decide."""
    if record.verdict == Verdict.INCONCLUSIVE.name and claim.over == "interval":
        return True  # the estimate's own bounds are still open
    judged = record.measurements[0]
    seeds = len({run for runs in judged.runs for run in runs})
    if record.verdict != Verdict.INCONCLUSIVE.name or claim.over not in ("seeds", "pairs", "trials"):
        return False
    if seeds < expected.seeds and expected.seeds > FEW:
        return True
    values = [value for value in judged.values if value is not None]
    return seeds < FEW and judge(exact(float(np.mean(values))), claim.accept) is expected.verdict


def _remedy(claim: Claim, record: ClaimRecord) -> str:
    """What would decide an open verdict."""
    if record.verdict != Verdict.INCONCLUSIVE.name or claim.over not in ("seeds", "pairs"):
        return ""
    seeds = record.seeds_to_decide
    if seeds is None:
        unknown = claim.over == "pairs" and len(record.measurements[0].values) < FEW
        return "" if unknown else " (more seeds would not decide: the mean is at the edge)"
    return f" ({_more_seeds(claim, seeds)} would decide)"


def _more_seeds(claim: Claim, seeds: int) -> str:
    """The options that give the claim so many seeds: an experiment of one fixed seed has more in an ensemble run only."""
    from harness.runs.experiment import CATALOGUE

    scales = [scale for name in claim.on for scale in CATALOGUE.get(name, {}).values()]
    fixed = bool(scales) and all(getattr(experiment, "fixed_seed", False) for experiment in scales)
    return f"--claims-ensemble --claims-seeds {seeds}" if fixed else f"--claims-seeds {seeds}"


def _sentence(claim: Claim, scale: str, record: ClaimRecord) -> str:
    """Claim, experiments, verdict, value, region and seeds in one line."""
    measured = record.measurements[0]
    low, high = measured.interval or [math.nan, math.nan]
    values = [f"{value:.6g}" for value in measured.values if value is not None]
    shown = ", ".join(values[:12] + ["..."] * (len(values) > 12))
    got = f"{Interval(low, high, '')} {measured.unit}".rstrip() + f" ({measured.method}: {shown})"
    return f"{_where(claim, scale)}: {record.verdict}, measured {got}, accepted {claim.accept}"


def _where(claim: Claim, scale: str) -> str:
    return f"{claim.id} [{', '.join(claim.on) or 'no experiment'}, {scale}]"


def _cause(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, HarnessError) and text else f"{type(error).__name__}: {text}"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
