"""Reference ensembles: the spread over at least 8 seeds, tracked with its provenance, for runs with fewer than three."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import InvalidInput
from harness.report.records import ClaimRecord, Json, Report
from harness.verdict import Ensemble

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
    provenance: str = ""
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
        # the name alone: a report must not tell where on this machine the project lies
        return Ensemble(tuple(entry["values"]), f"{self.path.name if self.path else ''}: {self.provenance}")


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
        provenance = ", ".join(f"{name} {value}" for name, value in sorted(data["provenance"].items()))
        claims = {id: _checked(entry) for id, entry in data["claims"].items()}
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"{path} is not a reference ensemble ({type(error).__name__}: {error}): {MAKE}") from None
    return Ensembles(path, provenance, claims)


def make(report: Report) -> Json:
    """The ensemble file's content, from every claim of the report that was measured on at least 8 seeds.

    Raises:
        InvalidInput: the report is incomplete or no claim has 8 seeds.
    """
    if not report.complete:
        raise InvalidInput("the report is incomplete: make ensembles from a run that finished")
    claims = {record.id: _entry(record) for record in report.claims if _seeds(record) >= LEAST}
    if not claims:
        raise InvalidInput(f"no claim was measured on {LEAST} seeds: run with --claims-seeds {LEAST} --claims-ensemble")
    provenance = {"created": report.created, "seeds": report.seeds, **report.environment}
    return {"provenance": provenance, "scale": report.scale, "precision": report.precision, "claims": claims}


def _checked(entry: Json) -> Json:
    return {"values": [float(value) for value in entry["values"]], "fingerprint": dict(entry["fingerprint"])}


def _entry(record: ClaimRecord) -> Json:
    return {"values": record.measurements[0].values, "fingerprint": record.experiments}


def _seeds(record: ClaimRecord) -> int:
    if record.over not in ("seeds", "pairs") or not record.judged:
        return 0
    return len({run for runs in record.measurements[0].runs for run in runs})
