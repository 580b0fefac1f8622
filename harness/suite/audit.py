"""Check a stored report against the declared claims, the tracked files and its own arrays.

The claims and the tracked files give the region, the controls, the expected verdict and the reference ensemble. The arrays that
were written with the report give the values. All of these decide whether a claim passed. Values that were made up together with
new arrays and a new digest are revealed only by a new run.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InvalidInput
from harness.suite.claim import Claim
from harness.suite.ensemble import OVER, Ensembles, Reference, fingerprints
from harness.suite.expectation import Deviations, Expectation, expected, of_ensemble
from harness.suite.judging import complaints
from harness.suite.membership import FALSE_ALARMS, membership
from harness.suite.records import ClaimRecord, ControlRecord, Report
from harness.suite.rejudge import control_interval
from harness.suite.verdict import Ensemble, Interval, Verdict, judge

Array = np.ndarray[Any, Any]
Floats = NDArray[np.float64]
VALUES = "values"  # name of the file of all measured values of a report
RUNS = "runs"  # the kind of array that names the runs behind values
VALUES_ALONE = ("measurements", "controls")  # the kinds of array that the oldest reports have


@dataclass(frozen=True)
class Known:
    """What is known without the report: the declared claims by id, the documented deviations, the tracked ensembles."""

    claims: Mapping[str, Claim]
    deviations: Deviations
    ensembles: Ensembles


def measured_arrays(report: Report) -> dict[str, Array]:
    """All measured numbers of a report as arrays, by ``<claim>/<kind>/<position>``.

    The kinds are values, the runs behind them, trials, the ends of intervals that a claim measured itself, and the values and
    intervals of controls.
    """
    found: dict[str, Array] = {}
    for record in report.claims:
        for i, one in enumerate(record.measurements):
            found[f"{record.id}/measurements/{i}"] = _floats(one.values)
            found[f"{record.id}/{RUNS}/{i}"] = np.array(["+".join(names) for names in one.runs], np.str_)
            if one.trials is not None:
                found[f"{record.id}/trials/{i}"] = np.array(one.trials, np.int64)
            if record.over == "interval" and one.interval is not None:
                found[f"{record.id}/interval/{i}"] = _floats(one.interval)
        for i, control in enumerate(record.controls):
            found[f"{record.id}/controls/{i}"] = _floats([*control.values, control.value])
            if control.interval is not None:
                found[f"{record.id}/intervals of controls/{i}"] = _floats(control.interval)
    return found


def unlike_arrays(report: Report, arrays: Mapping[str, Any]) -> list[str]:
    """A line for each claim whose values differ from the arrays, or that only the arrays have; [] if all agree.

    The arrays of old reports have no runs. Then only values are compared.
    """
    here = measured_arrays(report)
    if not any(_kind(key) == RUNS for key in arrays):
        here = {key: array for key, array in here.items() if _kind(key) in VALUES_ALONE}
    off = [key for key in {**here, **arrays} if key not in here or key not in arrays or not _same(here[key], arrays[key])]
    ids = dict.fromkeys(key.rsplit("/", 2)[0] for key in off)
    return [f"{id}: its values are not those that were measured" for id in ids]


def audit(report: Report, known: Known) -> list[str]:
    """A line for each entry of the report that differs from the declared claims or the tracked files; [] if none differs."""
    lines, tests = [], _tests(report, known)
    for record in report.claims:
        claim = known.claims.get(record.id)
        found = ["no claim of that id is declared"] if claim is None else _claim(report, record, claim, known, tests)
        lines += [f"{record.id}: {line}" for line in found]
    return [*lines, *_missing(report, known), *_levels(report, tests)]


def _tests(report: Report, known: Known) -> int:
    """Number of claims that share the run's false alarms: those that are selected, of its scale, and have an ensemble."""
    selected = {*(record.id for record in report.claims), *report.unreached}
    at_scale = {id for id in selected if id in known.claims and report.scale in known.claims[id].scales}
    return len(at_scale & known.ensembles.claims.keys())


def _missing(report: Report, known: Known) -> Iterator[str]:
    here = [record.id for record in report.claims]
    for id in sorted({id for id in here if here.count(id) > 1}):
        yield f"{id}: it is there more than once"
    if report.complete and not report.partial:
        absent = sorted(known.claims.keys() - set(here))
        yield from (f"{id}: it is declared and not in the report, which calls itself whole" for id in absent)


def _levels(report: Report, tests: int) -> Iterator[str]:
    here = {record.membership.level for record in report.claims if record.membership and record.membership.level is not None}
    level = FALSE_ALARMS / max(1, tests)
    if here - {level}:
        has = ", ".join(map(str, sorted(here)))
        yield f"{tests} claims of this run share its false alarms, each at a level of {level}, and the report has {has}"


def _claim(report: Report, record: ClaimRecord, claim: Claim, known: Known, tests: int) -> Iterator[str]:
    listed = expected(claim, report.scale, known.deviations)
    yield from _definition(record, claim, listed)
    if not record.judged:
        yield from _not_run(record)
        return
    yield from _runs(report, record, claim)
    yield from _experiments(report, record, claim)
    reference = known.ensembles.of(claim, record.experiments) if claim.over in OVER else Reference()
    yield from _ensemble(record, reference)
    yield from _controls(record, claim, reference.ensemble)
    yield from _passing(record, claim, listed, reference, tests)


def _definition(record: ClaimRecord, claim: Claim, listed: Expectation) -> Iterator[str]:
    bounds = None if claim.bounds is None else [end if math.isfinite(end) else None for end in claim.bounds]
    accept = [end if math.isfinite(end) else None for end in (claim.accept.low, claim.accept.high)]
    wanted = {
        "region": (record.rule.accept, accept),
        "reason of the region": (record.rule.reason, claim.accept.reason),
        "bounds": (record.rule.bounds, bounds),
        "kind of randomness": (record.over, claim.over),
        "statement": (record.says, claim.says),
        "place": (record.where, claim.where),
        "reading": (record.reading, claim.reading),
        "published number": (record.published, claim.published),
        "unit": (record.unit, claim.unit),
        "deviation": (record.expected_reason, listed.reason),
        "quotation": (record.quotes, claim.quotes),
        "mark of a calibrated region": (record.calibrated, claim.calibrated),
        "mark of a derived statement": (record.derived, claim.derived),
    }
    for what, (here, there) in wanted.items():
        if here != there:
            yield f"its {what} is {here!r}, declared is {there!r}"


def _not_run(record: ClaimRecord) -> Iterator[str]:
    if record.measurements or record.controls:
        yield "it is NOT_RUN, and has measurements"
    if record.passed:
        yield "it is NOT_RUN, and passed"
    if record.declared and not record.message.startswith(f"{record.id}: not run: "):
        yield "it is NOT_RUN as declared, without a reason"


def _runs(report: Report, record: ClaimRecord, claim: Claim) -> Iterator[str]:
    groups = [tuple(sorted(names)) for names in record.measurements[0].runs]
    if len(set(groups)) < len(groups):
        yield f"a run is counted more than once: {', '.join(map('+'.join, groups))}"
    there = {f"{run.name}[{run.seed}]" for run in report.experiments}
    for name in sorted({name for group in groups for name in group} - there):
        yield f"it was measured on {name}, of which the report has no run"
    pool = sorted({name for group in groups for name in group})
    if claim.over == "pairs" and set(groups) != set(itertools.combinations(pool, 2)):
        yield f"{len(groups)} pairs of {len(pool)} runs are not all pairs"


def _experiments(report: Report, record: ClaimRecord, claim: Claim) -> Iterator[str]:
    """A line for each experiment of another fingerprint. Fingerprints decide which ensemble counts; papers' options do not."""
    for name, there in fingerprints(claim, report.scale, report.precision).items():
        here = record.experiments.get(name, "none")
        if here != there:
            yield f"it was measured on {name} of the fingerprint {here[:12]}, declared is {there[:12]}"


def _ensemble(record: ClaimRecord, reference: Reference) -> Iterator[str]:
    held, tracked = record.ensemble, reference.ensemble
    if held is None or tracked is None:
        if held is not None:
            yield f"it was judged with an ensemble, and {reference.why}"
        elif tracked is not None:
            yield "it was judged without the ensemble that is tracked"
        return
    trials = None if tracked.trials is None else list(tracked.trials)
    if (held.values, held.runs, held.trials) != (list(tracked.values), [list(names) for names in tracked.runs], trials):
        yield "its ensemble is not the tracked one"


def _controls(record: ClaimRecord, claim: Claim, ensemble: Ensemble | None) -> Iterator[str]:
    here, there = ([(one.name, one.expect) for one in record.controls], [(one.name, one.expect.name) for one in claim.controls])
    if here != there:
        yield f"its controls are {here}, declared are {there}"
    for control in record.controls:
        yield from _control(control, claim, len(record.measurements[0].values), ensemble)


def _control(control: ControlRecord, claim: Claim, groups: int, ensemble: Ensemble | None) -> Iterator[str]:
    if control.verdict is None or control.value is None:
        if not control.message:
            yield f"control '{control.name}' has no verdict and says no reason"
        return
    if control.values and not math.isclose(control.value, float(np.mean(control.values)), rel_tol=1e-12, abs_tol=1e-300):
        yield f"control '{control.name}': {control.value} is not the mean of its values"
    try:
        interval = _control_interval(control, claim, groups, ensemble)
    except InvalidInput as error:
        yield f"control '{control.name}': {error}"
        return
    found = control.verdict if interval is None else judge(interval, claim.accept).name
    if found != control.verdict:
        yield f"control '{control.name}': {interval} is {found}, not {control.verdict}"
    held = control.verdict == control.expect or (control.verdict == Verdict.INCONCLUSIVE.name and claim.over != "interval")
    if held == bool(control.message):
        yield f"control '{control.name}' {'holds' if held else 'does not hold'}, and the report says otherwise"


def _control_interval(control: ControlRecord, claim: Claim, groups: int, ensemble: Ensemble | None) -> Interval | None:
    """The control's interval from its record; None where the record does not have what it takes: trials, or values."""
    if claim.over == "interval":
        return Interval(control.interval[0], control.interval[1], "") if control.interval else None
    if claim.over == "trials" or not control.values:
        return None
    return control_interval(claim.over, control.values, groups, None, ensemble, claim.bounds)


def _passing(record: ClaimRecord, claim: Claim, listed: Expectation, reference: Reference, tests: int) -> Iterator[str]:
    ensemble = reference.ensemble
    wanted = listed.name if ensemble is None else of_ensemble(claim, ensemble)[0].name
    if record.expected != wanted:
        yield f"what is expected of it is {wanted or 'nothing'}, and the report says {record.expected or 'nothing'}"
    tested = membership(claim.over, record.measurements[0], reference, tests) if claim.over in OVER else None
    states = [one.state if one else "untested" for one in (record.membership, tested)]
    if states[0] != states[1]:
        yield f"its values are said to be '{states[0]}' by their ensemble, and are '{states[1]}'"
    passed = not complaints(claim, listed, replace(record, expected=wanted, membership=tested))
    if record.passed != passed:
        yield f"it is {record.verdict} where {wanted or 'nothing'} is expected, and the report has it {_word(record.passed)}"


def _word(passed: bool) -> str:
    return "passed" if passed else "failed"


def _floats(values: Sequence[float | None]) -> Floats:
    return np.array([math.nan if value is None else value for value in values], np.float64)


def _kind(key: str) -> str:
    return key.rsplit("/", 2)[1]


def _same(a: Array, b: Any) -> bool:
    return np.array_equal(a, b, equal_nan=a.dtype.kind == "f" == np.asarray(b).dtype.kind)
