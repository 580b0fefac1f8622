"""What the rows come to: a verdict of each claim on each variant, and of each question; without JAX."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import InvalidInput, NotRun
from harness.report.atlas.rows import Measured, Row
from harness.report.atlas.table import Question, Rows
from harness.suite.claim import Claim
from harness.suite.records import MeasurementRecord
from harness.suite.rejudge import interval_of
from harness.suite.verdict import Region, Verdict, exact, judge

FEW = 3  # seeds that have a spread


@dataclass(frozen=True)
class Judged:
    """A claim on a variant, or a question.

    Attributes:
        verdict: a :class:`harness.Verdict`'s name; NOT_RUN for fewer than three seeds.
        values: one a seed or pair of seeds; empty where something was not measured.
        interval: 95 % interval of their mean; None without one.
        inside: of the values in the region.
        why: why there is no verdict, or no clear one.
    """

    verdict: str
    values: list[float] = field(default_factory=list)
    interval: tuple[float, float] | None = None
    inside: int = 0
    why: str = ""

    @property
    def mark(self) -> str:
        """The verdict; of fewer than three seeds where their values lie: ``inside``, ``outside`` or ``across`` the region."""
        if self.verdict != Verdict.NOT_RUN.name or not self.values or not self.why.startswith("fewer than"):
            return self.verdict
        return {len(self.values): "inside", 0: "outside"}.get(self.inside, "across")


def of_claim(claim: Claim, rows: Sequence[Row]) -> Judged:
    """A claim on one variant, from its rows of all seeds."""
    try:
        held = _pairs(claim.id, rows) if claim.over == "pairs" else _singles(claim.id, rows)
    except NotRun as error:
        return Judged(Verdict.NOT_RUN.name, why=str(error))
    found = _judged(claim.over, {names: one.value or 0.0 for names, one in held.items()}, claim.accept, len(rows), claim.bounds)
    blind = [control.name for control in next(iter(held.values())).controls if control.message]
    if blind and found.mark in (Verdict.SUPPORTED.name, "inside"):
        why = f"on this network it comes out no different in its control: {'; '.join(blind)}"
        return Judged(Verdict.NOT_RUN.name, found.values, found.interval, found.inside, why)
    return found


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
    """A question, from the rows of each seed by variant; its control is held against the region at the first seed.

    Returns:
        NOT_RUN where a variant is missing, or where it holds but comes out no different in its control; with the reason.
    """
    by_seed = {seed: Rows(rows) for seed, rows in sorted(seeds.items())}
    try:
        values = _asked(question, by_seed)
        blind = _blind(question, by_seed)
    except NotRun as error:
        return Judged(Verdict.NOT_RUN.name, why=str(error))
    found = _judged(question.over, values, question.accept, len(by_seed), None)
    if blind and found.mark in (Verdict.SUPPORTED.name, "inside"):
        return Judged(Verdict.NOT_RUN.name, found.values, found.interval, found.inside, blind)
    return found


def _asked(question: Question, by_seed: Mapping[int, Rows]) -> dict[tuple[str, ...], float]:
    if question.over == "seeds":
        return {(f"it[{seed}]",): question.of(rows) for seed, rows in by_seed.items()}
    pairs = [(a, b) for b in by_seed for a in by_seed if a < b]
    if not pairs:
        raise NotRun("one seed makes no pair")
    return {(f"it[{a}]", f"it[{b}]"): question.of(by_seed[b], a) for a, b in pairs}


def _blind(question: Question, by_seed: Mapping[int, Rows]) -> str:
    """Why the control proves nothing; "" where it comes out otherwise."""
    first, *more = by_seed
    world = question.control.of
    if question.over == "pairs":
        value = world(by_seed[more[0]], first)
    else:
        found = world(by_seed[first])
        value = question.of(found) if isinstance(found, Rows) else found
    verdict = judge(exact(value), question.accept)
    if verdict is Verdict.REFUTED:
        return ""
    return f"it comes out no different with {question.control.name}: {value:.4g} is {verdict.name}"


def _judged(
    over: str, values: Mapping[tuple[str, ...], float], accept: Region, seeds: int, bounds: tuple[float, float] | None
) -> Judged:
    found, inside = list(values.values()), sum(value in accept for value in values.values())
    if seeds < FEW:
        return Judged(Verdict.NOT_RUN.name, found, None, inside, f"fewer than {FEW} seeds give no interval")
    record = MeasurementRecord("it", "", "", [list(names) for names in values], list(found))
    try:
        interval = interval_of(over, record, None, bounds)
    except InvalidInput as error:
        return Judged(Verdict.NOT_RUN.name, found, None, inside, str(error))
    shown = (interval.low, interval.high) if interval.bounded else None
    return Judged(judge(interval, accept).name, found, shown, inside, "" if interval.bounded else interval.method)
