"""Reference ensembles: the spread over at least 8 seeds, tracked with its provenance, for runs with fewer than three."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import InvalidInput
from harness.suite.records import ClaimRecord, Json, Report
from harness.suite.verdict import Ensemble

LEAST = 8
MAKE = "make it again from a run with --claims-seeds 8 --claims-ensemble and `python -m harness ensemble DIR`"


def reference_fingerprint(experiment: Any) -> str:
    """Fingerprint of the experiment at seed 0, which every seed of it shares."""
    fingerprint: str = dataclasses.replace(experiment, seed=0).fingerprint()
    return fingerprint


@dataclass(frozen=True)
class Ensembles:
    """The ensembles of one scale and precision; an empty one knows no claim."""

    path: Path | None = None
    runs: Mapping[str, Json] = field(default_factory=dict)
    claims: Mapping[str, Json] = field(default_factory=dict)

    def of(self, claim_id: str, fingerprints: Mapping[str, str]) -> Ensemble | None:
        """The claim's ensemble, None if it has none.

        Raises:
            InvalidInput: the ensemble was measured on other experiments than the ones that run now.
        """
        if claim_id not in self.claims:
            return None
        entry = self.claims[claim_id]
        stale = sorted(name for name, now in fingerprints.items() if entry["fingerprint"].get(name) != now)
        if stale:
            raise InvalidInput(f"the ensemble in {self.path} was measured on another version of {', '.join(stale)}: {MAKE}")
        run = ", ".join(f"{name} {value}" for name, value in sorted(self.runs[entry["created"]].items()))
        where = "/".join(self.path.parts[-3:]) if self.path else ""  # in the repository, whatever the machine
        return Ensemble(tuple(entry["values"]), f"{where}: created {entry['created']}, {run}")


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
    return Ensembles(path, runs, claims)


def make(report: Report, known: Ensembles) -> Json:
    """The ensemble file's content: every claim of the report that was measured on at least 8 seeds, and what was known of others.

    Raises:
        InvalidInput: the report is incomplete or no claim has 8 seeds.
    """
    if not report.complete:
        raise InvalidInput("the report is incomplete: make ensembles from a run that finished")
    measured = {record.id: _entry(record, report.created) for record in report.claims if _seeds(record) >= LEAST}
    if not measured:
        raise InvalidInput(f"no claim was measured on {LEAST} seeds: run with --claims-seeds {LEAST} --claims-ensemble")
    claims = dict(sorted({**known.claims, **measured}.items()))
    runs = {**known.runs, report.created: {"seeds": report.seeds, **report.environment}}
    used = {entry["created"] for entry in claims.values()}
    runs = {created: run for created, run in runs.items() if created in used}
    return {"scale": report.scale, "precision": report.precision, "runs": runs, "claims": claims}


def _checked(entry: Json, runs: Mapping[str, Json]) -> Json:
    if entry["created"] not in runs:
        raise ValueError(f"no run of {entry['created']}")
    return {
        "values": [float(value) for value in entry["values"]],
        "fingerprint": dict(entry["fingerprint"]),
        "created": entry["created"],
    }


def _entry(record: ClaimRecord, created: str) -> Json:
    return {"values": record.measurements[0].values, "fingerprint": record.experiments, "created": created}


def _seeds(record: ClaimRecord) -> int:
    if record.over not in ("seeds", "pairs") or not record.judged:
        return 0
    return len({run for runs in record.measurements[0].runs for run in runs})
