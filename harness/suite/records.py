"""What a report holds: frozen values that turn into JSON and back, enough to judge again without JAX."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

SCHEMA_VERSION = 1
DIGEST = "digest"  # of a report's JSON, over all else that is in it
Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class MeasurementRecord:
    """One measured quantity: a value for each run, pair of runs, or the one call of a deterministic claim.

    ``runs`` names the runs behind each value, e.g. ``[["digits[0]"], ["digits[1]"]]``, or two names a value over pairs.
    ``interval`` is None for quantities that are reported beside the judged one, and when nothing could be judged.
    """

    name: str
    unit: str
    counted: str
    runs: list[list[str]]
    values: list[float | None]
    trials: list[int] | None = None
    interval: list[float] | None = None
    method: str = ""


@dataclass(frozen=True)
class EnsembleRecord:
    """The claim's reference ensemble: a value for each of its seeds or pairs of seeds.

    ``spread`` says whether the interval took its spread from the ensemble, since few seeds ran or they gave equal values.
    ``verdict`` is that of the ensemble itself by the claim's rule. ``unconfirmed`` is a note if other code measured the ensemble.
    """

    values: list[float]
    provenance: str
    runs: list[list[str]] = field(default_factory=list)
    trials: list[int] | None = None
    spread: bool = True
    verdict: str = ""
    unconfirmed: str = ""


@dataclass(frozen=True)
class MembershipRecord:
    """Whether the values of this run belong to the claim's reference ensemble.

    ``state`` is ``belongs``, ``alarm``, or why there was no test: ``outdated`` (the ensemble is of another version of the
    experiment or of the rule), ``absent`` (the claim has none), ``few`` (too few of its seeds are outside this run).
    ``p`` is compared with ``level``, the claim's part of the run's error. ``shift`` is in standard deviations
    between seeds; ``others`` is the number of the ensemble's seeds that this run does not have.
    """

    state: str
    message: str
    p: float | None = None
    level: float | None = None
    shift: float | None = None
    others: int = 0


@dataclass(frozen=True)
class PowerRecord:
    """What a run of so many seeds detects of a claim; shifts are in standard deviations between the ensemble's seeds.

    ``alarm`` is the smallest shift of the mean, to either side, that raises an alarm in four of five runs; None if no shift does.
    ``verdict`` is the smallest shift that turns the verdict into its opposite in four of five runs; None if no shift does, or if
    the shift is not known. ``spread`` is one standard deviation, of the logarithms for a quantity that is judged by them.
    ``blind`` says why the claim detects nothing short of absurd; "" if it detects less.
    """

    alarm: float | None
    verdict: float | None
    spread: float
    blind: str = ""


@dataclass(frozen=True)
class RuleRecord:
    """The accepted region; None stands for an infinite bound.

    ``bounds`` are the lowest and highest value that the quantity can have, if known; None again stands for no bound. ``looks``
    says that the run took more seeds while the claim was open. The interval is then wider, which keeps the error of all looks
    together at that of one look.
    """

    accept: list[float | None]
    reason: str
    bounds: list[float | None] | None = None
    looks: bool = False


@dataclass(frozen=True)
class ControlRecord:
    """A world in which the claim had to come out as ``expect``; ``verdict`` is None when it crashed.

    ``value`` is the mean of ``values``, which has one value for each seed (or pair) of the world. ``interval`` is the interval
    that the world's own measurement gave, for a claim over intervals; older reports do not have it.
    """

    name: str
    expect: str
    verdict: str | None
    value: float | None
    message: str = ""
    values: list[float] = field(default_factory=list)
    interval: list[float] | None = None

    @property
    def open(self) -> bool:
        """Whether the control lacks seeds: its interval lies across the region's edge."""
        return not self.message and self.verdict == "INCONCLUSIVE" != self.expect

    @property
    def constant(self) -> bool:
        """Whether the control has the same value on several seeds: then it proves nothing alone."""
        return len(self.values) > 1 and max(self.values) == min(self.values)


@dataclass(frozen=True)
class Evidence:
    """The file of arrays that the claim's figures are drawn from, relative to the report's folder."""

    file: str
    sha256: str


@dataclass(frozen=True)
class ClaimRecord:
    """One claim: what the paper says, what was measured, the verdict, and why it passed or failed.

    ``quotes``, ``derived`` and ``calibrated`` are those of the claim; older reports do not have them. ``declared``
    distinguishes a NOT_RUN that was declared (a skip) from a failure. ``experiments`` maps each experiment's name to its
    fingerprint at seed 0. ``node`` is the pytest node id of the claim. ``code`` is the hash of the code that decides the
    values, where seeds decide them. ``also`` names the experiments that the claim and its controls took beside its own; the order
    of claims in later runs follows from it. ``complaints`` say why a judged claim fails; ``message`` has them after the
    measurement. Older reports have neither.
    """

    id: str
    paper: str
    where: str
    says: str
    reading: str
    over: str
    unit: str
    published: float | None
    node: str
    rule: RuleRecord
    expected: str
    expected_reason: str | None
    verdict: str = "NOT_RUN"
    declared: bool = False
    passed: bool = False
    message: str = ""
    seeds_to_decide: int | None = None
    measurements: list[MeasurementRecord] = field(default_factory=list)
    ensemble: EnsembleRecord | None = None
    controls: list[ControlRecord] = field(default_factory=list)
    experiments: dict[str, str] = field(default_factory=dict)
    evidence: Evidence | None = None
    seconds: float = 0.0
    quotes: str = ""
    derived: bool = False
    calibrated: bool = False
    membership: MembershipRecord | None = None
    power: PowerRecord | None = None
    code: str = ""
    complaints: list[str] = field(default_factory=list)
    also: list[str] = field(default_factory=list)

    @property
    def judged(self) -> bool:
        return self.verdict != "NOT_RUN"

    @property
    def deviates(self) -> bool:
        """Whether the claim is listed as a deviation, and its ensemble does not say that it holds."""
        return self.expected_reason is not None and self.expected not in ("SUPPORTED", "")

    @classmethod
    def from_json(cls, data: Json) -> ClaimRecord:
        nested = {
            "rule": RuleRecord(**data["rule"]),
            "measurements": [MeasurementRecord(**entry) for entry in data["measurements"]],
            "ensemble": _maybe(EnsembleRecord, data["ensemble"]),
            "controls": [ControlRecord(**entry) for entry in data["controls"]],
            "evidence": _maybe(Evidence, data["evidence"]),
            "membership": _membership(data.get("membership")),
            "power": _maybe(PowerRecord, data.get("power")),
        }
        return cls(**{**data, **nested})


@dataclass(frozen=True)
class ExperimentRecord:
    """One run of one experiment: what it was, how long it took, the digest of each stage.

    ``seconds`` has the time of each stage that was computed, also by claims. ``prepared`` is the time of the preparation alone,
    with its stage records.
    """

    name: str
    seed: int
    fingerprint: str
    seconds: dict[str, float] = field(default_factory=dict)
    stages: list[Json] = field(default_factory=list)
    failure: str | None = None
    prepared: float = 0.0

    @property
    def notes(self) -> list[str]:
        """What a reader should know of the run: why it failed, methods that others took the place of, kinks."""
        said = [str(stage["note"]) for stage in self.stages if stage.get("note")]
        return [*([self.failure] if self.failure else []), *dict.fromkeys(said)]


@dataclass(frozen=True)
class LedgerEntry:
    """A sentence of a paper that no claim judges, and why."""

    id: str
    where: str
    says: str
    reason: str


@dataclass(frozen=True)
class RedCanary:
    """A known-answer check of a library that gave another answer.

    ``error`` is None if the check broke, as ``failure`` says, or gave no number. ``known`` is the public report and a line, if
    the release is listed for the failure; "" if the red canary fails the run.
    """

    name: str
    library: str
    version: str
    rests: str
    error: float | None
    bound: float
    unit: str
    reason: str
    failure: str = ""
    known: str = ""


@dataclass(frozen=True)
class CanariesRecord:
    """The canaries of a run: how many were green and which were red; ``off`` says why none ran, if none did."""

    green: int = 0
    seconds: float = 0.0
    red: list[RedCanary] = field(default_factory=list)
    off: str = ""

    @property
    def failing(self) -> list[RedCanary]:
        """The red canaries that are not listed."""
        return [red for red in self.red if not red.known]

    @classmethod
    def from_json(cls, data: Json) -> CanariesRecord:
        return cls(**{**data, "red": [RedCanary(**entry) for entry in data["red"]]})


@dataclass(frozen=True)
class Report:
    """Everything a run leaves behind.

    The run has ``seeds`` seeds, from ``first_seed`` on, or more if it went on ``until_decided``. ``unreached`` are the ids of
    selected claims that the run did not reach before it stopped. ``peak_memory`` is in MiB. ``values`` is the file of all
    measured values; None in older reports and in baselines. ``canaries`` is None in older reports, and if the run stopped
    before them. ``evidence`` (file name -> npz bytes) is stored beside the JSON, not in it.
    """

    complete: bool
    partial: bool
    scale: str
    seeds: int
    precision: str
    created: str
    seconds: float
    peak_memory: int | None
    environment: dict[str, str]
    experiments: list[ExperimentRecord]
    claims: list[ClaimRecord]
    unreached: list[str] = field(default_factory=list)
    ledger: list[LedgerEntry] = field(default_factory=list)
    first_seed: int = 0
    until_decided: bool = False
    canaries: CanariesRecord | None = None
    values: Evidence | None = None
    schema_version: int = SCHEMA_VERSION
    evidence: Mapping[str, bytes] = field(default_factory=dict)

    @property
    def called(self) -> bool:
        """Whether :func:`harness.judge` made the report in a script. Its claims have no test; their node is their id."""
        return bool(self.claims) and all(record.node == record.id for record in self.claims)

    def to_json(self) -> Json:
        data = dataclasses.asdict(self)
        del data["evidence"]
        return sealed({"schema_version": data.pop("schema_version"), **data})

    @classmethod
    def from_json(cls, data: Json) -> Report:
        nested = {
            "experiments": [ExperimentRecord(**entry) for entry in data["experiments"]],
            "claims": [ClaimRecord.from_json(entry) for entry in data["claims"]],
            "ledger": [LedgerEntry(**entry) for entry in data["ledger"]],
            "canaries": _canaries(data.get("canaries")),
            "values": _maybe(Evidence, data.get("values")),
        }
        return cls(**{**{key: value for key, value in data.items() if key != DIGEST}, **nested})


def sealed(data: Json) -> Json:
    """The report's JSON with the SHA-256 of its content, in place of any earlier digest."""
    content = {key: value for key, value in data.items() if key != DIGEST}
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return {**content, DIGEST: hashlib.sha256(text.encode()).hexdigest()}


def plain(value: Any) -> Any:
    """The value as JSON has it: NumPy's scalars become Python's, numbers that are not finite become None."""
    if isinstance(value, Mapping):
        return {str(key): plain(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    number = value.item() if hasattr(value, "item") else value
    return None if isinstance(number, float) and not math.isfinite(number) else number


def _membership(data: Json | None) -> MembershipRecord | None:
    """The record; earlier reports call an outdated ensemble unconfirmed."""
    found = _maybe(MembershipRecord, data)
    return replace(found, state="outdated") if found is not None and found.state == "unconfirmed" else found


def _maybe(record: type[T], data: Json | None) -> T | None:
    return None if data is None else record(**data)


def _canaries(data: Json | None) -> CanariesRecord | None:
    return None if data is None else CanariesRecord.from_json(data)
