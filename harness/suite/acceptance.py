"""What a report makes of the reference ensembles: new ones, larger ones, confirmed ones; each change is shown first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from harness.suite.ensemble import OVER, Ensembles, content, entries
from harness.suite.membership import distances, holds
from harness.suite.records import ClaimRecord, Json, Report
from harness.suite.rejudge import bounds_of, ensemble_interval, region_of
from harness.suite.verdict import Ensemble, judge

REPLAYED = 2  # seeds that must be measured again to confirm an ensemble
NOTABLE = 0.5  # standard deviations between seeds: a mean that moved further is named


def changes(report: Report, known: Ensembles, new: Json) -> list[str]:
    """A line for each claim that the report's ensemble adds, drops, or changes; [] where nothing changes."""
    records = {record.id: record for record in report.claims}
    made = new["claims"]
    lines = [f"{id}: gone, no claim has this id" for id in known.claims if id not in made]
    for id, entry in made.items():
        if report.created in entry["created"]:
            lines += _changes(records[id], known.claims.get(id), entry)
    return lines


def confirmed(report: Report, known: Ensembles) -> tuple[Json, list[str]]:
    """Confirm known ensembles by a report that newer code measured.

    The report confirms an ensemble if it measured two or more of its seeds again and no value moved too far. The limit is
    :data:`.membership.UNNOTICED` standard deviations between seeds, or rounding where that is larger.

    Returns:
        The content of the ensemble file with the confirmed ensembles, and a line for each ensemble that is not confirmed.
    """
    claims, lines = dict(known.claims), []
    for record in report.claims:
        entry = known.claims.get(record.id)
        if entry is None or not record.judged or not record.code:
            continue
        why = _other_version(entry, record.experiments, record.over)
        if not why and entry["code"] != record.code:
            why = _unlike(record, entry)
        if why:
            lines.append(f"{record.id}: {why}")
        else:
            claims[record.id] = {**entry, "code": record.code}
    return content(report, known, claims), lines


def unsettled(report: Report, known: Json) -> list[str]:
    """Ids of the report's claims over random seeds whose ensemble is lacking, outdated or unconfirmed.

    Args:
        known: the content of an ensemble file, such as :func:`confirmed` gives.
    """

    def settled(record: ClaimRecord) -> bool:
        entry = known["claims"].get(record.id)
        return entry is not None and entry["code"] == record.code and not _other_version(entry, record.experiments, record.over)

    return [record.id for record in report.claims if record.judged and record.over in OVER and not settled(record)]


def extended(report: Report, known: Ensembles) -> tuple[Json, list[str]]:
    """Add the report's seeds to the known ensembles, so that an ensemble can grow run by run.

    A seed that the ensemble has keeps its value. A claim without an ensemble gets one.

    Returns:
        The content of the ensemble file, and a line for each ensemble that does not take the report's seeds.

    Raises:
        InvalidInput: the report is incomplete or no claim has 8 seeds.
    """
    claims, lines = dict(known.claims), []
    for id, entry in entries(report).items():
        if id not in claims:
            claims[id] = entry
        elif why := _apart(claims[id], entry):
            lines.append(f"{id}: {why}")
        else:
            claims[id] = _joined(claims[id], entry)
    return content(report, known, dict(sorted(claims.items()))), lines


def _apart(before: Json, entry: Json) -> str:
    """Why the values of two entries do not belong to one ensemble; "" if they do."""
    if why := _other_version(before, entry["fingerprint"], entry["over"]):
        return why
    if before["code"] != entry["code"]:
        return "its ensemble was measured by other code: confirm it first (--confirm)"
    if entry["over"] == "pairs":
        return "an ensemble of pairs needs every pair of its seeds: measure all of them in one run"
    return ""


def _other_version(entry: Json, experiments: Json, over: str) -> str:
    if entry["fingerprint"] == experiments and entry["over"] == over:
        return ""
    return "measured on another version of its experiments or by another rule: measure it anew"


def _joined(before: Json, entry: Json) -> Json:
    """The entry ``before`` with the values of the seeds that it lacks."""
    there = {tuple(runs) for runs in before["runs"]}
    new = [i for i, runs in enumerate(entry["runs"]) if tuple(runs) not in there]
    if not new:
        return before
    added = {name: [*before[name], *(entry[name][i] for i in new)] for name in ("values", "runs")}
    trials = None if before["trials"] is None else [*before["trials"], *(entry["trials"][i] for i in new)]
    return {**before, **added, "trials": trials, "created": [*before["created"], *entry["created"]]}


def _unlike(record: ClaimRecord, entry: Json) -> str:
    """Why the values do not confirm the ensemble; "" if they do."""
    measured, ensemble = record.measurements[0], _ensemble(entry)
    both = zip(measured.runs, measured.values, measured.trials or measured.values, strict=True)
    again = [one for one in both if tuple(one[0]) in ensemble.runs and one[1] is not None]
    if len({run for runs, *_ in again for run in runs}) < REPLAYED:
        return f"fewer than {REPLAYED} seeds of its ensemble were measured again"
    runs, values, trials = map(list, zip(*again, strict=True))
    if holds(record.over, replace(measured, runs=runs, values=values, trials=measured.trials and trials), ensemble):
        return ""
    far = max(distances(runs, values, ensemble.runs, ensemble.values))
    spread = float(np.std(entry["values"], ddof=1))
    return (
        f"a value moved by {far:.2g}, {far / spread:.2g} standard deviations: measure it anew"
        if spread
        else f"moved by {far:.2g}"
    )


def _changes(record: ClaimRecord, before: Json | None, after: Json) -> Iterator[str]:
    now = _verdict(record, after)
    if before is None or before["over"] != after["over"]:
        yield f"{record.id}: new, {now} from {len(after['values'])} values"
        return
    was = _verdict(record, before)
    moved = abs(np.mean(after["values"]) - np.mean(before["values"]))
    spread = max(float(np.std(before["values"], ddof=1)), float(np.std(after["values"], ddof=1)))
    if was != now:
        yield f"{record.id}: {was} before, {now} now: write in the deviations what was measured instead, or remove its entry"
    if moved > NOTABLE * spread:
        shift = f"{moved / spread:.2g} standard deviations" if spread else "from one constant to another"
        yield f"{record.id}: mean {np.mean(before['values']):.4g} before, {np.mean(after['values']):.4g} now ({shift})"


def _verdict(record: ClaimRecord, entry: Any) -> str:
    return judge(ensemble_interval(record.over, _ensemble(entry)).within(bounds_of(record)), region_of(record)).name


def _ensemble(entry: Any) -> Ensemble:
    trials = None if entry["trials"] is None else tuple(entry["trials"])
    return Ensemble(tuple(entry["values"]), "", tuple(tuple(runs) for runs in entry["runs"]), trials)
