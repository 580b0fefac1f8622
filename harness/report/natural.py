"""Numbers as people read them: k and lambda where a claim judges their logarithms.

Pages show a record in the quantity's own unit. Powers of ten are monotonic: an interval keeps its place against its region, and
the verdict stays the same. Computations take the record as it was judged.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from harness.suite.records import ClaimRecord, MeasurementRecord, Report

LOG = re.compile(r"log10\b ?")
MOST = 300.0  # a power of ten beyond which there is no number


def natural(record: ClaimRecord) -> ClaimRecord:
    """The record in k, lambda or a ratio, where its unit is their logarithm; else the record itself."""
    unit = record.measurements[0].unit if record.measurements else record.unit
    if not LOG.match(unit):
        return record
    ensemble = record.ensemble
    return replace(
        record,
        unit=_unit(record.unit or unit),
        published=_power(record.published),
        rule=replace(
            record.rule,
            accept=[_power(bound) for bound in record.rule.accept],
            bounds=record.rule.bounds and [_power(bound) for bound in record.rule.bounds],
        ),
        measurements=[_measurement(one) for one in record.measurements],
        ensemble=ensemble and replace(ensemble, values=_powers(ensemble.values)),
        controls=[
            replace(one, value=_power(one.value), values=_powers(one.values), interval=one.interval and _powers(one.interval))
            for one in record.controls
        ],
    )


def naturally(report: Report) -> Report:
    """The report with every claim as :func:`natural` has it."""
    return replace(report, claims=[natural(record) for record in report.claims])


def _measurement(one: MeasurementRecord) -> MeasurementRecord:
    if not LOG.match(one.unit):
        return one
    return replace(
        one,
        unit=_unit(one.unit),
        values=[_power(value) for value in one.values],
        interval=None if one.interval is None else _powers(one.interval),
        method=f"{one.method}, of the logarithms" if one.method else "",
    )


def _unit(unit: str) -> str:
    return LOG.sub("", unit) or "ratio"


def _power(value: float | None) -> float | None:
    return None if value is None else 10.0 ** max(-MOST, min(MOST, value))


def _powers(values: Sequence[float]) -> list[float]:
    return [10.0 ** max(-MOST, min(MOST, value)) for value in values]
