"""Measure one claim on its runs, judge it, run its controls: everything about a verdict that does not need pytest."""

from __future__ import annotations

import itertools
import math
import operator
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.errors import EmptyOutcome, HarnessError, InvalidInput, NotRun, TooLarge
from harness.measure.measurement import Measurement
from harness.suite.claim import Claim, Control, World
from harness.suite.code import code_of
from harness.suite.ensemble import OVER, Ensembles, Reference, reference_identity
from harness.suite.evidence import pack
from harness.suite.expectation import Expectation, missing_control, of_ensemble
from harness.suite.membership import CHANCE, chance, holds, membership
from harness.suite.power import power
from harness.suite.records import ClaimRecord, ControlRecord, EnsembleRecord, MeasurementRecord, PowerRecord, RuleRecord
from harness.suite.rejudge import control_interval, deciding_seeds, ensemble_of, interval_of, side_of
from harness.suite.verdict import (
    CONFIDENCE,
    ENOUGH,
    FEWEST,
    LOOKS,
    Ensemble,
    Interval,
    Verdict,
    equal,
    exact,
    judge,
    opposite,
    spent,
)

Run = Any


@dataclass(frozen=True)
class Terms:
    """What a verdict depends on besides the claim.

    Attributes:
        scale: of the run.
        expected: the documented verdict, which counts where there is no ensemble.
        ensembles: of this scale and precision.
        open_runs: gives an experiment's runs by its name.
        tests: number of claims of this run whose values are tested against their ensemble; they share its false alarms.
        first_seed: of the run, for the command in a message.
        called: whether a function call, and not pytest, asks for the verdict: messages then name the call's argument.
        more_runs: gives a number of runs of an experiment, or all that it can have; if given, open claims take more seeds.
        scope: gives the context in which the claim is measured; what it raises breaks the claim.
    """

    scale: str
    expected: Expectation
    ensembles: Ensembles
    open_runs: Callable[[str], Sequence[Run]]
    tests: int = 1
    first_seed: int = 0
    more_runs: Callable[[str, int], Sequence[Run]] | None = None
    called: bool = False
    scope: Callable[[], AbstractContextManager[None]] = nullcontext


@dataclass(frozen=True)
class Outcome:
    """The record of a judged claim, the npz of arrays that its figures need, and the traceback of an unexpected error."""

    record: ClaimRecord
    evidence: bytes = b""
    traceback: str = ""


def judge_claim(claim: Claim, terms: Terms, node: str) -> Outcome:
    """Judge one claim. An error becomes NOT_RUN with its reason; only KeyboardInterrupt and similar exceptions are raised."""
    started = time.perf_counter()
    blank = _blank(claim, terms, node)
    try:
        with terms.scope():
            outcome = _judged(claim, terms, blank)
    except NotRun as reason:
        outcome = Outcome(replace(blank, declared=True, message=f"{claim.id}: not run: {reason}"))
    except Exception as error:
        broken = replace(blank, message=f"{_where(claim, terms)}: NOT_RUN by failure: {_cause(error)}")
        outcome = Outcome(broken, traceback="" if isinstance(error, HarnessError) else traceback.format_exc())
    return replace(outcome, record=replace(outcome.record, seconds=time.perf_counter() - started))


def _judged(claim: Claim, terms: Terms, blank: ClaimRecord) -> Outcome:
    if terms.scale not in claim.scales:
        raise NotRun(f"it is judged at scale {', '.join(claim.scales)}, this run is at {terms.scale}")
    sample = _decided(claim, terms) if terms.more_runs is not None and claim.over in OVER else _sample(claim, terms)
    judged, *details = sample.records
    reference, interval, verdict = sample.reference, sample.interval, judge(sample.interval, claim.accept)
    ensemble = reference.ensemble
    shown = [interval.low, interval.high] if interval.bounded else None
    record = replace(
        blank,
        verdict=verdict.name,
        expected=blank.expected if ensemble is None else of_ensemble(claim, ensemble)[0].name,
        rule=replace(blank.rule, looks=sample.looks),
        measurements=[replace(judged, interval=shown, method=interval.method), *details],
        seeds_to_decide=deciding_seeds(claim.over, judged, claim.accept, ensemble) if verdict is Verdict.INCONCLUSIVE else None,
        ensemble=None
        if ensemble is None
        else replace(_ensemble_record(claim, ensemble, judged), unconfirmed=reference.unconfirmed),
        membership=membership(claim.over, judged, reference, terms.tests) if claim.over in OVER else None,
        power=None if ensemble is None else _power(claim, terms, ensemble, sample),
        controls=[run_control(claim, control, sample.groups, ensemble) for control in claim.controls],
        experiments=sample.fingerprints,
        code=sample.code,
    )
    if claim.portable and verdict is Verdict.SUPPORTED and ensemble is None:
        _refuse_blind(claim, record)
    against = complaints(claim, terms.expected, record)
    message = "; ".join([_sentence(claim, terms, record) + _by_chance(record), *against])
    record = replace(record, passed=not against, message=message, complaints=against)
    measured = sample.measured
    arrays = {f"{i}/{name}": np.asarray(array) for i, m in enumerate(measured) for name, array in m.arrays.items()}
    evidence, content = pack(claim.id, arrays) if arrays else (None, b"")
    return Outcome(replace(record, evidence=evidence), content)


@dataclass(frozen=True)
class _Sample:
    """What a claim measured on a number of runs, and its interval."""

    groups: list[tuple[Run, ...]]
    measured: list[Measurement]
    records: list[MeasurementRecord]
    fingerprints: dict[str, str]
    code: str
    reference: Reference
    interval: Interval
    looks: bool


def _sample(claim: Claim, terms: Terms, seeds: int | None = None) -> _Sample:
    """Measure the claim on the runs of its experiments; with ``seeds``, on that number of each, as one of several looks.

    Raises:
        NotRun: too few seeds for a spread, and no ensemble that has one.
    """
    opened = [terms.open_runs(name) if seeds is None else _more(terms)(name, seeds) for name in claim.on]
    runs = [run for found in opened for run in found]
    fingerprints = {run.experiment.name: reference_identity(run.experiment) for run in runs}
    groups = groups_of(claim, runs)
    code = code_of(claim, runs) if claim.over in OVER else ""
    reference = terms.ensembles.of(claim, fingerprints, code) if claim.over in OVER else Reference()
    measured = _measured(claim, groups, reference)
    records = _records(claim, groups, measured)
    if claim.over in ("seeds", "pairs") and len(runs) < FEWEST and reference.ensemble is None:
        remedy = f"ask for more ({_more_seeds(claim, terms, FEWEST)})"
        raise NotRun(f"fewer than {FEWEST} seeds give no spread, and {reference.why}: {remedy}")
    confidence = CONFIDENCE if seeds is None else spent(len(LOOKS))
    interval = interval_of(claim.over, records[0], reference.ensemble, claim.bounds, confidence)
    if seeds is not None:
        interval = replace(interval, method=f"{interval.method}, {confidence:.4g} at each of {len(LOOKS)} looks")
    return _Sample(groups, measured, records, fingerprints, code, reference, interval, seeds is not None)


def _measured(claim: Claim, groups: Sequence[tuple[Run, ...]], reference: Reference) -> list[Measurement]:
    """What the claim measures on each group of runs.

    A claim may not apply to a seed, such as one without a bulk. If it applied to all seeds of its ensemble, this is a failure
    where the same seed had a value, or where chance would not pick so many seeds.

    Raises:
        NotRun: it does not apply here.
        EmptyOutcome: it does not apply here, which chance does not explain.
    """
    found: list[Measurement] = []
    empty: dict[tuple[str, ...], NotRun] = {}
    for group in groups:
        try:
            found.append(_measurement(claim.measure(*group)))
        except TooLarge:
            raise
        except NotRun as reason:
            if reference.ensemble is None or any(getattr(run, "missing", "") for run in group):
                raise
            empty[tuple(_names(group))] = reason
    if reference.ensemble is None or not empty:
        return found
    first, k, n, known = next(iter(empty.values())), len(empty), len(groups), reference.ensemble.runs
    # that the only k seeds without a value of all n + m are among these n
    p = math.comb(n, k) / math.comb(n + len(known), k)
    if p > CHANCE and empty.keys().isdisjoint(known):
        raise first
    raise EmptyOutcome(f"{first}; its reference ensemble has {len(known)} values: find out what left nothing to measure")


def _more(terms: Terms) -> Callable[[str, int], Sequence[Run]]:
    assert terms.more_runs is not None
    return terms.more_runs


def _decided(claim: Claim, terms: Terms) -> _Sample:
    """The sample at the first look that decides, else at the last look. An experiment of a fixed seed has one look."""
    sample = _sample(claim, terms, LOOKS[0])
    for seeds in LOOKS[1:]:
        if judge(sample.interval, claim.accept) is not Verdict.INCONCLUSIVE:
            break
        more = _sample(claim, terms, seeds)
        if len(more.groups) == len(sample.groups):
            break
        sample = more
    return sample


def _ensemble_record(claim: Claim, ensemble: Ensemble, judged: MeasurementRecord) -> EnsembleRecord:
    """The ensemble, and whether the interval took its spread from it."""
    seeds = len({run for runs in judged.runs for run in runs})
    values = [value for value in judged.values if value is not None]
    spread = claim.over in ("seeds", "pairs") and (seeds < FEWEST or (seeds < ENOUGH and equal(values)))
    runs, trials = [list(names) for names in ensemble.runs], None if ensemble.trials is None else list(ensemble.trials)
    verdict = of_ensemble(claim, ensemble)[0].name
    return EnsembleRecord(list(ensemble.values), ensemble.provenance, runs, trials, spread, verdict)


def _power(claim: Claim, terms: Terms, ensemble: Ensemble, sample: _Sample) -> PowerRecord | None:
    here = {run for runs in sample.records[0].runs for run in runs}
    confidence = spent(len(LOOKS)) if sample.looks else CONFIDENCE
    return power(claim.over, claim.accept, ensemble, len(here), terms.tests, here, confidence)


def _refuse_blind(claim: Claim, record: ClaimRecord) -> None:
    """Raise NotRun where a paper's claim holds on a network without an ensemble, and in its control as well.

    Without an ensemble nobody has seen the control refuted, so one that is open must have its mean outside the region.
    """
    asked = [control for control in record.controls if control.expect == Verdict.REFUTED.name]
    blind = [one.name for one in asked if one.message or (one.open and one.value is not None and one.value in claim.accept)]
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


def run_control(
    claim: Claim, control: Control, groups: Sequence[tuple[Run, ...]], ensemble: Ensemble | None = None
) -> ControlRecord:
    """Measure the claim in the control's world, on all seeds that the world has, and judge it by the claim's region and rule.

    A control fails when its interval lies on the wrong side of the region's edge. Across the edge the control is open, as a claim
    would be. More seeds do not narrow an estimate from one run, so its interval must lie on the required side. A crash proves
    nothing.

    Args:
        ensemble: the claim's reference ensemble, whose spread stands for that of one or two seeds.
    """
    blank = ControlRecord(control.name, control.expect.name, None, None)
    try:
        found = [_finite_measurement(world, claim) for world in _worlds(control, groups)]
        interval = _control_interval(claim, found, groups, ensemble)
    except Exception as error:
        return replace(blank, message=f"control '{control.name}' crashed, which proves nothing: {_cause(error)}")
    values = [one.value for one in found]
    verdict, value = judge(interval, claim.accept), float(np.mean(values))
    held = verdict is control.expect or (verdict is Verdict.INCONCLUSIVE and claim.over != "interval")
    blind = f"the claim cannot tell '{control.name}' from its own world: there {interval} is {verdict.name}, not {blank.expect}"
    own = [interval.low, interval.high] if claim.over == "interval" and interval.bounded else None
    return replace(blank, verdict=verdict.name, value=value, message="" if held else blind, values=values, interval=own)


def _worlds(control: Control, groups: Sequence[tuple[Run, ...]]) -> Iterator[Any]:
    """The world of each seed (or pair), one after the other. A run that is the world of several seeds comes once."""
    seen: list[tuple[Any, ...]] = []
    for group in groups:
        world = control.world(*group)
        parts = world if isinstance(world, tuple) else (world,)
        if not any(all(map(operator.is_, parts, before)) for before in seen):
            yield world
        if not any(isinstance(part, World | Mapping) for part in parts):  # these are made anew for each seed, and may be large
            seen.append(parts)


def _finite_measurement(world: Any, claim: Claim) -> Measurement:
    if isinstance(world, Mapping):
        found = _measurement(claim.function(**{**claim.given, **world}))
    else:
        found = _measurement(claim.measure(*world) if claim.over == "pairs" else claim.measure(world))
    if not math.isfinite(found.value):
        raise InvalidInput(f"it measured {found.value}, which cannot be judged")
    return found


def _control_interval(
    claim: Claim, found: Sequence[Measurement], groups: Sequence[tuple[Run, ...]], ensemble: Ensemble | None
) -> Interval:
    if claim.over == "interval":
        return Interval(*found[0].interval) if found[0].interval else exact(found[0].value)
    trials = [one.trials for one in found if one.trials is not None]
    whole = trials if len(trials) == len(found) else None
    return control_interval(claim.over, [one.value for one in found], len(groups), whole, ensemble, claim.bounds)


def _measurement(got: Any) -> Measurement:
    return replace(got, value=float(got.value)) if isinstance(got, Measurement) else Measurement(float(got))


def _records(claim: Claim, groups: Sequence[tuple[Run, ...]], measured: Sequence[Measurement]) -> list[MeasurementRecord]:
    """The judged quantity first, then each detail that was reported beside it."""
    runs = [_names(group) for group in groups]
    trials = [m.trials for m in measured if m.trials is not None] if claim.over == "trials" else None
    name, unit = claim.function.__name__.removeprefix("test_"), measured[0].unit or claim.unit
    low, high, method = measured[0].interval or (None, None, "")
    own = [low, high] if low is not None and high is not None else None
    judged = MeasurementRecord(name, unit, measured[0].counted, runs, [m.value for m in measured], trials, own, method)
    names = dict.fromkeys(detail for m in measured for detail in m.details)
    return [judged, *(MeasurementRecord(name, "", "", runs, [_finite(m.details.get(name)) for m in measured]) for name in names)]


def _names(group: Sequence[Run]) -> list[str]:
    return [f"{run.experiment.name}[{run.experiment.seed}]" for run in group]


def _blank(claim: Claim, terms: Terms, node: str) -> ClaimRecord:
    bounds = None if claim.bounds is None else [_finite(end) for end in claim.bounds]
    rule = RuleRecord([_finite(claim.accept.low), _finite(claim.accept.high)], claim.accept.reason, bounds)
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


def complaints(claim: Claim, listed: Expectation, record: ClaimRecord) -> list[str]:
    """Why the claim fails; [] when it passes. An open verdict contradicts nothing."""
    found = [_contradiction(record)] if contradicts(record.verdict, record.expected, chance_of(record)) else []
    if record.membership is not None and record.membership.state == "alarm":
        found.append(f"these values do not belong to its reference ensemble: {record.membership.message}")
    if listed.verdict is None and record.ensemble is None:  # a network of one's own, on which a control may be blind
        return found
    return found + missing_control(claim, listed) + [control.message for control in record.controls if control.message]


def contradicts(verdict: str, expected: str, p: float | None) -> bool:
    """Whether a verdict is the opposite of the expected one by more than chance.

    Where the mean over all seeds lies near the edge of the region, some of the seeds decide for the other side. So this run's
    mean must also differ from the other seeds' mean, at the level :data:`.membership.CHANCE`. A run that gives the ensemble's own
    values contradicts nothing: the choice of its seeds alone makes the difference.

    Args:
        p: of the difference (:func:`.membership.chance`); None where the means are not compared.
    """
    return opposite(verdict, expected) and (p is None or p <= CHANCE)


def chance_of(record: ClaimRecord) -> float | None:
    """The p of :func:`contradicts` for a judged claim."""
    ensemble = ensemble_of(record)
    return None if ensemble is None else chance(record.over, record.measurements[0], ensemble)


def _contradiction(record: ClaimRecord) -> str:
    """What the verdict contradicts: the ensemble, or the list of deviations."""
    if record.ensemble is not None:
        return f"expected {record.expected}, which its reference ensemble of {len(record.ensemble.values)} values gives"
    if record.verdict == Verdict.SUPPORTED.name:
        return f"listed as {record.expected} but no longer deviates: remove it from the deviations"
    return f"expected {record.expected}"


def _by_chance(record: ClaimRecord) -> str:
    """Why an opposite verdict contradicts nothing."""
    p = chance_of(record)
    if not opposite(record.verdict, record.expected) or contradicts(record.verdict, record.expected, p):
        return ""
    held = ensemble_of(record)
    known = held is not None and holds(record.over, record.measurements[0], held)
    differs = f"that this run differs from the other seeds may be chance, p = {p:.2g}"
    why = "the ensemble has the same values for these seeds; its other seeds decide otherwise" if known else differs
    return f" ({record.expected} is expected; {why})"


def _remedy(claim: Claim, terms: Terms, record: ClaimRecord) -> str:
    """What would decide an open verdict."""
    if record.verdict != Verdict.INCONCLUSIVE.name or claim.over not in ("seeds", "pairs", "share"):
        return ""
    seeds = record.seeds_to_decide
    if seeds is None:
        unknown = claim.over == "pairs" and len(record.measurements[0].values) < FEWEST
        return "" if unknown else " (more seeds would not decide: the mean is at the edge)"
    return f" ({_more_seeds(claim, terms, seeds)} would decide: {side_of(record).name}, if mean and spread stay)"


def _more_seeds(claim: Claim, terms: Terms, seeds: int) -> str:
    """The call's argument, or the options, that give the claim this number of seeds; a fixed seed needs an ensemble run."""
    from harness.runs.experiment import CATALOGUE

    if terms.called:
        return f"seeds={seeds}"
    scales = [scale for name in claim.on for scale in CATALOGUE.get(name, {}).values()]
    fixed = bool(scales) and all(getattr(experiment, "fixed_seed", False) for experiment in scales)
    first = f"--claims-first-seed {terms.first_seed} " if terms.first_seed else ""
    return f"{'--claims-ensemble ' if fixed else ''}{first}--claims-seeds {seeds}"


def _sentence(claim: Claim, terms: Terms, record: ClaimRecord) -> str:
    """Claim, experiments, verdict, value, region and seeds in one line."""
    measured = record.measurements[0]
    low, high = measured.interval or [-math.inf, math.inf]
    values = [f"{value:.6g}" for value in measured.values if value is not None]
    shown = ", ".join(values[:12] + ["..."] * (len(values) > 12))
    unit = measured.unit if measured.interval else ""
    got = f"{Interval(low, high, '')} {unit}".rstrip() + f" ({measured.method}: {shown})"
    verdict = f"{record.verdict}{_remedy(claim, terms, record)}"
    return f"{_where(claim, terms)}: {verdict}, measured {got}, accepted {claim.accept}"


def _where(claim: Claim, terms: Terms) -> str:
    """Claim, experiments, and the scale where the run has one."""
    return f"{claim.id} [{', '.join([*(claim.on or ['no experiment']), *([] if terms.called else [terms.scale])])}]"


def _cause(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if isinstance(error, HarnessError) and text else f"{type(error).__name__}: {text}"


def _finite(value: float | None) -> float | None:
    return float(value) if value is not None and math.isfinite(value) else None
