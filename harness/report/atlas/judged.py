"""Judge the rows without JAX: a verdict for each claim on each variant, and for each question."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import fmean
from typing import Any

from harness.errors import InvalidInput, NotRun
from harness.report.atlas.rows import Measured, Row
from harness.report.atlas.table import NotSwept, Question, Rows
from harness.suite.claim import Claim
from harness.suite.records import MeasurementRecord
from harness.suite.rejudge import interval_of
from harness.suite.verdict import FEWEST, Region, Verdict, equal, exact, judge


@dataclass(frozen=True)
class Judged:
    """A claim on a variant, or a question.

    Attributes:
        verdict: a :class:`harness.Verdict`'s name; NOT_RUN for fewer than three seeds.
        values: one a seed or pair of seeds; empty where something was not measured.
        interval: 95 % interval of their mean; None without one.
        inside: number of values in the region.
        why: why there is no verdict, or no clear one.
        alone: for fewer than three seeds, the interval that the first seed gives by itself; None without one.
        control: for a question, the mean value in the control's world.
        against: variants that speak against the statement, on any seed.
    """

    verdict: str
    values: list[float] = field(default_factory=list)
    interval: tuple[float, float] | None = None
    inside: int = 0
    why: str = ""
    alone: tuple[float, float] | None = None
    control: float | None = None
    against: list[str] = field(default_factory=list)

    @property
    def mark(self) -> str:
        """The verdict; for fewer than three seeds the place of their values: ``inside``, ``outside`` or ``across`` the region."""
        if self.verdict != Verdict.NOT_RUN.name or not self.values or not self.why.startswith("fewer than"):
            return self.verdict
        return {len(self.values): "inside", 0: "outside"}.get(self.inside, "across")


def of_claim(claim: Claim, rows: Sequence[Row]) -> Judged:
    """A claim on one variant, from its rows of all seeds; rows that have facts alone are left out."""
    rows = [row for row in rows if row.claims or row.failure]
    try:
        held = _pairs(claim.id, rows) if claim.over == "pairs" else _singles(claim.id, rows)
    except NotRun as error:
        return Judged(Verdict.NOT_RUN.name, why=str(error))
    found = _judged(claim.over, {names: one.value or 0.0 for names, one in held.items()}, claim.accept, len(rows), claim.bounds)
    if found.mark in (Verdict.SUPPORTED.name, "inside") and (blind := _blind_controls(claim, held)):
        why = f"on this network it comes out no different in its control: {'; '.join(blind)}"
        return Judged(Verdict.NOT_RUN.name, found.values, found.interval, found.inside, why)
    return found


def _blind_controls(claim: Claim, held: Mapping[tuple[str, ...], Measured]) -> list[str]:
    """Names of controls that crashed, or in which the claim is not refuted over all seeds by its own rule."""
    blind = []
    for control in claim.controls:
        worlds = {names: found for names, one in held.items() for found in one.controls if found.name == control.name}
        values = {names: world.value for names, world in worlds.items() if world.value is not None}
        verdict = _in_control(claim.over, values, claim.accept, claim.bounds) if len(values) == len(held) else None
        if verdict is not control.expect:
            blind.append(control.name)
    return blind


def _in_control(
    over: str, values: Mapping[tuple[str, ...], float], accept: Region, bounds: tuple[float, float] | None = None
) -> Verdict:
    """Judge a control: three or more values that differ give an interval, fewer or equal values a point.

    No ensemble knows the control, so the mean decides where the interval lies across the edge.
    """
    found = list(values.values())
    if len(found) < FEWEST or equal(found):
        return judge(exact(fmean(found)), accept)
    found_of = judge(interval_of(over, _record(values), None, bounds), accept)
    return judge(exact(fmean(found)), accept) if found_of is Verdict.INCONCLUSIVE else found_of


def _record(values: Mapping[tuple[str, ...], float]) -> MeasurementRecord:
    return MeasurementRecord("it", "", "", [list(names) for names in values], list(values.values()))


def _singles(id: str, rows: Sequence[Row]) -> dict[tuple[str, ...], Measured]:
    return {(f"it[{row.seed}]",): _there(row.claims.get(id), row) for row in rows}


def _pairs(id: str, rows: Sequence[Row]) -> dict[tuple[str, ...], Measured]:
    if len(rows) < 2:
        raise NotRun("one seed makes no pair")
    ordered = [(row, other) for row in rows for other in rows if other.seed < row.seed]
    return {
        (f"it[{other.seed}]", f"it[{row.seed}]"): _there(row.pairs.get(str(other.seed), {}).get(id), row)
        for row, other in ordered
    }


def _there(one: Measured | None, row: Row) -> Measured:
    if one is None or one.value is None:
        raise NotRun(f"seed {row.seed}: {row.failure or (one.why if one else 'not measured')}")
    return one


def of_question(question: Question, seeds: Mapping[int, Mapping[str, Row]]) -> Judged:
    """A question, from the rows of each seed by variant; its control is judged on all seeds by the same rule.

    A seed is left out until all of the question's variants were swept for it.

    Returns:
        NOT_RUN if a variant has no seed or gave nothing, or if the question holds but its control comes out no different.
    """
    by_seed = {seed: Rows(rows) for seed, rows in sorted(seeds.items())}
    try:
        values = _asked(question, by_seed, question.of)
        controls = _asked(question, by_seed, partial(_in_world, question))
    except NotRun as error:
        return Judged(Verdict.NOT_RUN.name, why=str(error))
    used = {seed: rows for seed, rows in by_seed.items() if any(f"it[{seed}]" in names for names in values)}
    found = _judged(question.over, values, question.accept, len(used), question.bounds)
    control, first = fmean(controls.values()), used[min(used)]
    found = replace(found, control=control, against=_against(question, used.values()))
    if len(used) < FEWEST and question.alone is not None:
        found = replace(found, alone=question.alone(first))
    verdict = _in_control(question.over, controls, question.accept, question.bounds)
    if found.mark in (Verdict.SUPPORTED.name, "inside") and verdict is not Verdict.REFUTED:
        blind = f"it comes out no different with {question.control.name}: {control:.4g} is {verdict.name}"
        return replace(found, verdict=Verdict.NOT_RUN.name, why=blind)
    return found


def _against(question: Question, rows: Iterable[Rows]) -> list[str]:
    if question.against is None:
        return []
    return list(dict.fromkeys(name for one in rows for name in question.against(one)))


def _asked(question: Question, by_seed: Mapping[int, Rows], ask: Callable[..., float]) -> dict[tuple[str, ...], float]:
    """A value for each seed, or pair of seeds, whose variants were swept."""
    cases: dict[tuple[str, ...], tuple[Any, ...]] = {(f"it[{seed}]",): (rows,) for seed, rows in by_seed.items()}
    if question.over == "pairs":
        cases = {(f"it[{a}]", f"it[{b}]"): (by_seed[b], a) for b in by_seed for a in by_seed if a < b}
    if not cases:
        raise NotRun("one seed makes no pair")
    found, missing = {}, None
    for names, given in cases.items():
        try:
            found[names] = ask(*given)
        except NotSwept as error:
            missing = error
    if missing is not None and not found:
        raise missing
    return found


def _in_world(question: Question, *rows: Any) -> float:
    found = question.control.of(*rows)
    return question.of(found) if isinstance(found, Rows) else float(found)


def _judged(
    over: str, values: Mapping[tuple[str, ...], float], accept: Region, seeds: int, bounds: tuple[float, float] | None
) -> Judged:
    found, inside = list(values.values()), sum(value in accept for value in values.values())
    if seeds < FEWEST:
        return Judged(Verdict.NOT_RUN.name, found, None, inside, f"fewer than {FEWEST} seeds give no interval")
    try:
        interval = interval_of(over, _record(values), None, bounds)
    except InvalidInput as error:
        return Judged(Verdict.NOT_RUN.name, found, None, inside, str(error))
    shown = (interval.low, interval.high) if interval.bounded else None
    return Judged(judge(interval, accept).name, found, shown, inside, "" if interval.bounded else interval.method)
