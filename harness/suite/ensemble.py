"""Reference ensembles: a claim's values over at least 8 seeds, tracked with their provenance.

An ensemble says which verdict is expected and which values belong to the claim. It lends its spread to runs that have none.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import InvalidInput
from harness.runs.experiment import CATALOGUE, PRECISIONS, find
from harness.suite.claim import Claim
from harness.suite.records import ClaimRecord, Json, Report
from harness.suite.verdict import ENOUGH, Ensemble

OVER = ("seeds", "pairs", "trials", "share")  # kinds of claims that are random over seeds, and can have an ensemble
MAKE = f"make it again from a run with --claims-seeds {ENOUGH} --claims-ensemble and `python -m harness ensemble DIR --accept`"
HELD = 0.1  # share of the time that an experiment took before: a run that took less read it from the store
OTHER_CODE = (
    "measured by other code than this run's; two of its seeds, measured again, confirm it (python -m harness ensemble --confirm)"
)


def reference_identity(experiment: Any) -> str:
    """What ensembles know an experiment by: its identity at seed 0, or its fingerprint there if it has no identity.

    A network is defined by arrays, whose last bits depend on the machine. Its identity leaves the rounding of double precision
    out.
    """
    first = dataclasses.replace(experiment, seed=0)
    found: str = getattr(first, "identity", first.fingerprint)()
    return found


def fingerprints(claim: Claim, scale: str, precision: str) -> dict[str, str]:
    """Identities, at seed 0 and by name, of the experiments that a run in that precision would measure the claim on."""
    changes = {} if precision == PRECISIONS[0] else {"precision": precision}
    names = [name for name in claim.on if scale in CATALOGUE.get(name, {})]
    found = [dataclasses.replace(find(name, scale), **changes) for name in names]
    return {experiment.name: reference_identity(experiment) for experiment in found}


@dataclass(frozen=True)
class Reference:
    """What is known of a claim from other runs: its ensemble, or why there is none that fits.

    Attributes:
        ensemble: None unless it was measured on the experiments that run now, by the claim's rule.
        outdated: why an existing ensemble does not count; else "".
        unconfirmed: a note if other code measured the ensemble; else "". It counts all the same.
    """

    ensemble: Ensemble | None = None
    outdated: str = ""
    unconfirmed: str = ""

    @property
    def why(self) -> str:
        """Why there is no ensemble."""
        return self.outdated or "there is no reference ensemble for it"


@dataclass(frozen=True)
class Ensembles:
    """The ensembles of one scale and precision; an empty one knows no claim.

    ``seconds`` has the time to prepare one seed of each experiment, by its name, and to judge one value of each claim, by its id,
    on the machine that measured the ensembles. Progress estimates the time left from it. ``needs`` has the experiments that a
    claim takes beside its own. The order of claims follows from both.
    """

    path: Path | None = None
    runs: Mapping[str, Json] = field(default_factory=dict)
    claims: Mapping[str, Json] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of(self, claim: Claim, fingerprints: Mapping[str, str], code: str = "") -> Reference:
        """The claim's ensemble, if it was measured on the experiments of these fingerprints.

        Args:
            fingerprints: of each experiment that the claim is measured on now, at seed 0.
            code: hash of the code that measures the claim now; "" skips the comparison with the ensemble's code.
        """
        entry = self.claims.get(claim.id)
        if entry is None:
            return Reference()
        stale = sorted(name for name, now in fingerprints.items() if entry["fingerprint"].get(name) != now)
        if entry["over"] != claim.over:
            stale = [f"the claim, over {entry['over']} and not {claim.over}"]
        if stale:
            return Reference(None, f"its ensemble in {self._where} was measured on another version of {', '.join(stale)}")
        provenance = f"{self._where}: " + "; ".join(f"created {time}, {_described(self.runs[time])}" for time in entry["created"])
        other = bool(code) and entry["code"] != code
        return Reference(Ensemble(entry["values"], provenance, entry["runs"], entry["trials"]), "", OTHER_CODE if other else "")

    @property
    def _where(self) -> str:
        """The file's path within the repository, which is the same on every machine."""
        return "/".join(self.path.parts[-3:]) if self.path else ""


def load(folder: Path, scale: str, precision: str) -> Ensembles:
    """Read ``<scale>-<precision>.json``; without such a file there are no ensembles.

    Raises:
        InvalidInput: the file is not what :func:`make` writes.
    """
    path = folder / f"{scale}-{precision}.json"
    if not path.exists():
        return Ensembles()
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        runs = {created: dict(run) for created, run in data["runs"].items()}
        claims = {id: _checked(entry, runs) for id, entry in data["claims"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{path} is not a reference ensemble ({type(error).__name__}: {error}): {MAKE}") from None
    return Ensembles(path, runs, claims, data.get("seconds", {}), data.get("needs", {}))


def entries(report: Report) -> dict[str, Json]:
    """The entry of each claim that a report measured on at least 8 seeds, by the claim's id.

    Raises:
        InvalidInput: the report is incomplete or no claim has 8 seeds.
    """
    if not report.complete:
        raise InvalidInput("the report is incomplete: make ensembles from a run that finished")
    measured = {record.id: _entry(record, report.created) for record in report.claims if _seeds(record) >= ENOUGH}
    if not measured:
        raise InvalidInput(f"no claim was measured on {ENOUGH} seeds: run with --claims-seeds {ENOUGH} --claims-ensemble")
    return measured


def make(report: Report, known: Ensembles) -> Json:
    """The content of a new ensemble file.

    It has each claim that the report measured on at least 8 seeds, and the known ensembles of other claims. A report of all
    claims drops the ensembles of claims that no longer exist.

    Raises:
        InvalidInput: as for :func:`entries`.
    """
    measured = entries(report)
    there = known.claims.keys() if report.partial else {record.id for record in report.claims}
    kept = {id: entry for id, entry in known.claims.items() if id in there}
    claims = dict(sorted({**kept, **measured}.items()))
    return content(report, known, claims)


def content(report: Report, known: Ensembles, claims: Mapping[str, Json]) -> Json:
    """The content of an ensemble file that has these claims, each with the times of the reports that measured it."""
    run = {"seeds": report.seeds, "first seed": report.first_seed, **report.environment}
    used = {time for entry in claims.values() for time in entry["created"]}
    runs = {time: run for time, run in {**known.runs, report.created: run}.items() if time in used}
    measured_on = {"scale": report.scale, "precision": report.precision, "runs": runs}
    return {**measured_on, "seconds": seconds_of(report, known), "needs": needs_of(report, known), "claims": claims}


def seconds_of(report: Report, known: Ensembles) -> dict[str, float]:
    """Seconds for one seed of each experiment and one value of each claim: from the report if computed there, else as known."""
    seconds = dict(known.seconds)
    names = {entry.name for entry in report.experiments}
    for name in names:
        took = [entry.prepared for entry in report.experiments if entry.name == name]
        if max(took) > HELD * seconds.get(name, 0.0):  # a shorter time means that the store had the result
            seconds[name] = round(max(took), 1)
    judged = {record.id: record.seconds / len(record.measurements[0].values) for record in report.claims if record.judged}
    seconds |= {id: round(each, 2) for id, each in judged.items() if each >= 0.05 and each > HELD * seconds.get(id, 0.0)}
    return dict(sorted(seconds.items()))


def needs_of(report: Report, known: Ensembles) -> dict[str, list[str]]:
    """The experiments that each claim takes beside its own: those that the report has, and those known of the same code.

    A claim asks for no experiment whose result another claim took before it, so that a report may lack some.
    """
    found = {id: set(names) for id, names in known.needs.items()}
    for record in report.claims:
        if record.also:
            same = record.code == known.claims.get(record.id, {}).get("code", record.code)
            found[record.id] = set(record.also) | (found.get(record.id, set()) if same else set())
    return {id: sorted(names) for id, names in sorted(found.items())}


def _checked(entry: Json, runs: Mapping[str, Json]) -> Json:
    """The entry, with its lists as tuples."""
    if missing := [time for time in entry["created"] if time not in runs]:
        raise ValueError(f"no run of {missing[0]}")
    values, named = tuple(float(value) for value in entry["values"]), tuple(tuple(names) for names in entry["runs"])
    trials = None if entry["trials"] is None else tuple(int(count) for count in entry["trials"])
    if len(values) != len(named) or (trials is not None and len(trials) != len(values)):
        raise ValueError(f"{len(values)} values of {len(named)} runs")
    return {
        "over": str(entry["over"]),
        "values": values,
        "runs": named,
        "trials": trials,
        "fingerprint": dict(entry["fingerprint"]),
        "code": str(entry.get("code", "")),
        "created": list(entry["created"]),
    }


def _described(run: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in sorted(run.items()))


def _entry(record: ClaimRecord, created: str) -> Json:
    judged = record.measurements[0]
    return {
        "over": record.over,
        "values": judged.values,
        "runs": judged.runs,
        "trials": judged.trials,
        "fingerprint": record.experiments,
        "code": record.code,
        "created": [created],
    }


def _seeds(record: ClaimRecord) -> int:
    if record.over not in OVER or not record.judged:
        return 0
    return len({run for runs in record.measurements[0].runs for run in runs})
