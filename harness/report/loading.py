"""A stored report to compute with: claims by id, their intervals, and the arrays behind them by name. Imports no JAX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from harness.errors import InvalidInput
from harness.report import json_file
from harness.report.text import accepted, counts, facts, measured, reason
from harness.suite.evidence import by_run, unpack
from harness.suite.records import ClaimRecord, Report

Array = np.ndarray[Any, Any]
Bounds = tuple[float, float]


@dataclass(frozen=True, repr=False)
class StoredClaim:
    """One claim of a stored report. ``record`` holds all that the report says of it; the other attributes are for computing."""

    record: ClaimRecord
    folder: Path

    @property
    def id(self) -> str:
        return self.record.id

    @property
    def verdict(self) -> str:
        return self.record.verdict

    @property
    def unit(self) -> str:
        """The unit of values, interval and accepted region; "" for a pure number."""
        return self.record.measurements[0].unit if self.record.measurements else self.record.unit

    @property
    def interval(self) -> Bounds | None:
        """The 95 % interval (low, high); None where nothing was judged or an end is infinite."""
        found = self.record.measurements[0].interval if self.record.measurements else None
        return None if found is None else (found[0], found[1])

    @property
    def accepted(self) -> Bounds:
        """The accepted region (low, high), infinite where it has no end."""
        low, high = self.record.rule.accept
        return -np.inf if low is None else low, np.inf if high is None else high

    @property
    def values(self) -> Array:
        """The judged values, shape (values,): one for each run or pair of runs, or a single value. NaN where there is none."""
        found = self.record.measurements[0].values if self.record.measurements else []
        return np.array([np.nan if value is None else value for value in found])

    @property
    def runs(self) -> list[tuple[str, ...]]:
        """The run, or the pair of runs, behind each value: ``[("digits[0]",), ("digits[1]",)]``."""
        return [tuple(names) for names in self.record.measurements[0].runs] if self.record.measurements else []

    def __str__(self) -> str:
        found = f"measured {measured(self.record)} {self.unit}".rstrip() if self.record.judged else reason(self.record)
        return "\n".join(
            [
                f"{self.id}: {self.verdict}",
                *(f"  {line}" for line in (self.record.says, found, f"accepted {accepted(self.record)}")),
            ]
        )

    def __repr__(self) -> str:
        return f"<StoredClaim {self.id}: {self.verdict}>"

    def arrays(self) -> list[Mapping[str, Array]]:
        """One mapping of arrays by name for each value, in the order of ``runs``; {} for a value, [] for a claim without arrays.

        Raises:
            Unreadable: the file of arrays is missing, or is not the one that the report was written with.
        """
        found = unpack(self.folder, self.record)
        return by_run(found, len(self.values)) if found else []

    def array(self, name: str) -> Array:
        """One array of all values, stacked along a new first axis: shape (values, ...).

        Raises:
            InvalidInput: there is no array of that name, or its shape differs from run to run.
            Unreadable: as for :meth:`arrays`.
        """
        found = self.arrays()
        known = sorted(set().union(*found))
        if name not in known:
            raise InvalidInput(f"{self.id} has no array {name!r}: it has {', '.join(known) or 'none'}")
        have = sum(name in arrays for arrays in found)
        if have < len(found):
            raise InvalidInput(
                f"{self.id} has no array {name!r} of every run: {have} of {len(found)} have it, take it from arrays()"
            )
        shapes = {arrays[name].shape for arrays in found}
        if len(shapes) > 1:
            raise InvalidInput(f"{self.id}: {name!r} has shapes {sorted(shapes)}, which do not stack: take it from arrays()")
        return np.stack([arrays[name] for arrays in found])


@dataclass(frozen=True, repr=False)
class StoredReport:
    """A stored report: iterating gives its claims in the order in which they were judged, ``run[id]`` one of them.

    ``claims`` holds them by id; ``record`` is all that the report says.
    """

    record: Report
    folder: Path
    claims: Mapping[str, StoredClaim]

    def __str__(self) -> str:
        return f"{self.folder}: {counts(self.record)}\n  {', '.join(facts(self.record))}"

    def __repr__(self) -> str:
        return f"<StoredReport {self.folder}: {len(self.claims)} claims>"

    def __getitem__(self, id: str) -> StoredClaim:
        if id not in self.claims:
            raise InvalidInput(f"{self.folder} has no claim {id!r}: list(run.claims) gives the ids of its {len(self.claims)}")
        return self.claims[id]

    def __iter__(self) -> Iterator[StoredClaim]:
        return iter(self.claims.values())


def load(folder: Path | str) -> StoredReport:
    """The report that was written to ``folder`` (``reports/latest``, or the folder that ``Verdicts.report`` was given).

    Example:
        >>> from harness import report
        >>> run = report.load("reports/latest")  # doctest: +SKIP
        >>> run["training-jacobian/bulk-count[all]"].array("sigma").shape  # doctest: +SKIP
        (3, 4810)

    Raises:
        Unreadable: there is no report, or it cannot be read.
    """
    place = Path(folder)
    record = json_file.read(place)
    home = place if place.is_dir() else place.parent
    return StoredReport(record, home, {claim.id: StoredClaim(claim, home) for claim in record.claims})
