"""What a new reference ensemble would change, before it is accepted: claims that come and go, verdicts, shifted values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from harness.suite.ensemble import Ensembles
from harness.suite.records import ClaimRecord, Json, Report
from harness.suite.rejudge import bounds_of, ensemble_interval, region_of
from harness.suite.verdict import Ensemble, judge

NOTABLE = 0.5  # standard deviations between seeds that a mean has to move to be named


def changes(report: Report, known: Ensembles, content: Json) -> list[str]:
    """A line for each claim that the report's ensemble adds, drops, or changes; [] where nothing changes."""
    records = {record.id: record for record in report.claims}
    made = content["claims"]
    lines = [f"{id}: gone, no claim has this id" for id in known.claims if id not in made]
    for id, entry in made.items():
        if entry["created"] == report.created:
            lines += _changes(records[id], known.claims.get(id), entry)
    return lines


def _changes(record: ClaimRecord, before: Json | None, after: Json) -> Iterator[str]:
    now = _verdict(record, after)
    if before is None or before["over"] != after["over"]:
        yield f"{record.id}: new, {now} from {len(after['values'])} values"
        return
    was = _verdict(record, before)
    moved = abs(np.mean(after["values"]) - np.mean(before["values"]))
    spread = max(float(np.std(before["values"], ddof=1)), float(np.std(after["values"], ddof=1)))
    if was != now:
        yield f"{record.id}: {was} before, {now} now: write in the deviations what is true instead, or remove its entry"
    if moved > NOTABLE * spread:
        shift = f"{moved / spread:.2g} standard deviations" if spread else "from one constant to another"
        yield f"{record.id}: mean {np.mean(before['values']):.4g} before, {np.mean(after['values']):.4g} now ({shift})"


def _verdict(record: ClaimRecord, entry: Any) -> str:
    trials = None if entry["trials"] is None else tuple(entry["trials"])
    found = Ensemble(tuple(entry["values"]), "", tuple(tuple(runs) for runs in entry["runs"]), trials)
    return judge(ensemble_interval(record.over, found).within(bounds_of(record)), region_of(record)).name
