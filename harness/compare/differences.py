"""Two records of one stage: the same bits, the same within rounding, or moved.

The rounding-error model. Each run differs from the exact result of the same arithmetic by a rounding error. Each run measured
the size of its own error, by taking the same steps in float32 and float64. The size is a root mean square over a sketch, or one
number a step. Two correct runs therefore differ by about the root sum of squares of both sizes. The model allows :data:`FACTOR`
times their sum. This leaves room for sketches, which know a size to 18 % only, and for errors that happened to be small where
they were measured. tests/runs/test_stages.py measures how often a correct run is taken for a moved one, and which shifts are
seen.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from harness.errors import Unreadable
from harness.suite.records import Json

FACTOR = 4.0


class State(enum.IntEnum):
    """How far two stages or measurements are apart, from nothing to too far."""

    SAME = 0
    ROUNDING = 1
    UNMODELLED = 2
    MOVED = 3

    def __str__(self) -> str:
        return ("same bits", "within rounding", "differs, no model", "MOVED")[self]


@dataclass(frozen=True)
class Stage:
    """One stage record of a report, checked; see :mod:`harness.runs.stages` for the fields."""

    name: str
    digest: str
    exact: bool = False
    step: int | None = None
    steps: tuple[int, ...] = ()
    values: tuple[float, ...] = ()
    rounding: tuple[float, ...] = ()
    failure: str = ""
    note: str = ""
    groups: int = 0

    @classmethod
    def of(cls, record: Json) -> Stage:
        """The stage of a report's record.

        Raises:
            Unreadable: the record is not that of a stage.
        """
        try:
            sizes = record.get("rounding")
            rounding = () if sizes is None else tuple(map(float, sizes if isinstance(sizes, list) else [sizes]))
            values = tuple(math.nan if value is None else float(value) for value in record.get("values") or ())
            name, digest = str(record["name"]), str(record["digest"])
            failure, note = (str(record.get(field, "")) for field in ("failure", "note"))
            steps = tuple(record.get("steps") or ())
            return cls(
                name,
                digest,
                bool(record.get("exact")),
                record.get("step"),
                steps,
                values,
                rounding,
                failure,
                note,
                int(record.get("groups", 0)),
            )
        except (KeyError, TypeError, ValueError) as error:
            what = f"stage record {str(record)[:80]!r} is not one ({type(error).__name__}: {error})"
            raise Unreadable(f"{what}: make the report again") from None


@dataclass(frozen=True)
class Difference:
    """How far apart a stage is in two runs.

    Attributes:
        stage: name and, in a series, where: ``loss at step 38``.
        at: step, or -1 for stages outside the trajectory.
        relative: root mean square of the difference over that of the values; in a series, of one number.
        ulps: the same in units in the last place of the coarser of both precisions.
        ratio: the difference over what the rounding-error model allows; NaN without a model.
        note: further remarks on the stage in the record of either run.
    """

    stage: str
    state: State
    at: int = -1
    relative: float = math.nan
    ulps: float = math.nan
    ratio: float = math.nan
    note: str = ""


def differences(a: Stage, b: Stage, precision: str) -> list[Difference]:
    """The differences between two records of a stage; [] for equal bits.

    In a series these are the first step that differs, and the first step after it that moved.

    Args:
        precision: the coarser one of both runs.
    """
    if a.digest == b.digest:
        return []
    where = a.name if a.step is None else f"{a.name} after step {a.step}" if a.step else a.name
    at = -1 if a.step is None else a.step
    if a.failure or b.failure or not (a.values and b.values):
        moved = a.exact or b.exact
        return [Difference(where, State.MOVED if moved else State.UNMODELLED, at, note=b.note or a.note)]
    if a.groups != b.groups:
        return [Difference(f"{where} (recorded by another version)", State.UNMODELLED, at)]
    if len(a.values) != len(b.values) or a.steps != b.steps:
        return [Difference(f"{where} (of another shape)", State.MOVED, at)]
    if not a.steps:
        found = _difference(where, at, a.values, b.values, _allowed(a, b, slice(None)), precision)
        return [replace(found, note=b.note or a.note)]
    each = [
        _difference(f"{where} at step {step}", step, [x], [y], _allowed(a, b, slice(i, i + 1)), precision)
        for i, (step, x, y) in enumerate(zip(a.steps, a.values, b.values, strict=True))
        if x != y
    ]
    return each[:1] + [entry for entry in each[1:] if entry.state is State.MOVED][:1]


def _allowed(a: Stage, b: Stage, part: slice) -> Any:
    """The difference that the model allows for that part of the values; NaN without a model."""
    sizes = [np.resize(stage.rounding, len(stage.values))[part] if stage.rounding else math.nan for stage in (a, b)]
    return FACTOR * (sizes[0] + sizes[1])


def _difference(where: str, at: int, a: Sequence[float], b: Sequence[float], allowed: Any, precision: str) -> Difference:
    difference = np.subtract(a, b)
    apart, size = _rms(difference), max(_rms(a), _rms(b))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = _rms(np.where((difference == 0) & (allowed == 0), 0.0, difference / allowed))
    unknown = bool(np.isnan(allowed).any())
    state = State.ROUNDING if ratio <= 1 else State.MOVED  # a difference that is NaN has moved
    return Difference(
        where,
        State.UNMODELLED if unknown else state,
        at,
        apart / size if size else 0.0,
        apart / spacing(size, precision),
        ratio,
    )


def spacing(size: float, precision: str) -> float:
    """One unit in the last place of a number of that size; for 0, of the number 1."""
    return float(np.spacing(np.float32(size or 1) if precision == "float32" else np.float64(size or 1)))


def _rms(values: Any) -> float:
    return float(np.sqrt(np.mean(np.asarray(values, np.float64) ** 2)))
