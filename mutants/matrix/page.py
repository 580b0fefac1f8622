"""Reports under one change each, of a library, an instruction set or a Python, as tables: verdicts, margins, what moved first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from harness.compare.comparison import Comparison, compare
from harness.compare.measurements import margin
from harness.compare.text import say
from harness.errors import HarnessError
from harness.suite.records import ClaimRecord, Report

SHORT = {"SUPPORTED": "S", "REFUTED": "R", "INCONCLUSIVE": "I", "NOT_RUN": "broken"}
KEY = (
    "S supported, R refuted, I inconclusive, with the margin (the way of the interval to another verdict, over the bound); "
    "**bold** where the verdict is not that of the unchanged run; ~ where a value moved beyond rounding."
)
COLUMNS = (
    "claims judged",
    "other verdicts",
    "values moved",
    "red canaries",
    "first stage that moved",
    "first of other bits",
    "largest within rounding",
)


@dataclass(frozen=True)
class Variant:
    """One change, and the report with it.

    Attributes:
        axis: what is varied, such as ``NumPy``.
        name: to what, such as ``2.3.5``.
        found: the report; or why there is none, in one line.
    """

    axis: str
    name: str
    found: Report | str

    def compared(self, reference: Report) -> Comparison | str:
        """Against the unchanged run; or why that is impossible."""
        if isinstance(self.found, str):
            return self.found
        try:
            return compare(reference, self.found)
        except HarnessError as error:
            return f"not comparable: {error}"


@dataclass(frozen=True)
class _Axis:
    """The variants of one axis beside the unchanged run."""

    name: str
    reference: Report
    found: Mapping[str, Comparison | str]

    @cached_property
    def held(self) -> dict[str, Comparison]:
        return {name: found for name, found in self.found.items() if not isinstance(found, str)}


def page(reference: Report, unchanged: str, variants: Sequence[Variant]) -> str:
    """The whole page, in Markdown.

    Args:
        unchanged: the libraries and the machine of the reference, in words.
    """
    axes = list(dict.fromkeys(variant.axis for variant in variants))
    found = [_Axis(axis, reference, {v.name: v.compared(reference) for v in variants if v.axis == axis}) for axis in axes]
    compared = [one for axis in found for one in axis.held.values()]
    turned, moved = (sum(bool(getattr(one, what)) for one in compared) for what in ("turned", "moved"))
    runs = sum(bool(one.moved_runs) for one in compared)
    head = (
        f"Scale {reference.scale}, {reference.precision}, {reference.seeds} seed{'s' * (reference.seeds != 1)}, of "
        f"{reference.created[:10]}. Unchanged: {unchanged}. Each row changes one thing, and what must go with it."
    )
    total = (
        f"{len(compared)} of {len(variants)} variants ran. In {turned} a claim has another verdict, in {moved} a value moved "
        f"beyond rounding, in {runs} a stage did."
    )
    sections = [part for axis in found for part in (f"## {axis.name}", _summary(axis), _claims(axis)) if part]
    return "\n\n".join(["# Claims across libraries, instruction sets and Pythons", head, total, *sections, KEY]) + "\n"


def _summary(axis: _Axis) -> str:
    rows = [f"| {axis.name} | {' | '.join(COLUMNS)} |", "|---" * (len(COLUMNS) + 1) + "|"]
    for name, found in axis.found.items():
        cells = [f"NOT_RUN: {found}", *[""] * (len(COLUMNS) - 1)] if isinstance(found, str) else _cells(found)
        rows.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _cells(found: Comparison) -> list[str]:
    red = [canary.name for canary in found.after.canaries.red if not canary.known] if found.after.canaries else []
    ratio = max((run.ratio for run in found.runs), default=0.0)
    return [
        str(sum(record.judged for record in found.after.claims)),
        str(len(found.turned)),
        str(len(found.moved)),
        ", ".join(red) or "none",
        _first(found, "moved") or "none",
        _first(found, "bits") or "none",
        f"{ratio:.2g} of what is allowed",
    ]


def _first(comparison: Comparison, kind: str) -> str:
    """The first run that is off, with the stage."""
    off = [(run, getattr(run, kind)) for run in comparison.runs if getattr(run, kind) is not None]
    if not off:
        return ""
    run, difference = off[0]
    return f"{run.label}: {say(difference)}{f' and {len(off) - 1} other runs' if len(off) > 1 else ''}"


def _claims(axis: _Axis) -> str:
    if not axis.held:
        return ""
    records = {name: {record.id: record for record in found.after.claims} for name, found in axis.held.items()}
    turned, moved = (
        {name: {claim.before.id for claim in getattr(found, what)} for name, found in axis.held.items()}
        for what in ("turned", "moved")
    )
    rows = [f"| claim | unchanged | {' | '.join(axis.held)} |", "|---" * (len(axis.held) + 2) + "|"]
    for record in axis.reference.claims:
        if not record.declared:
            cells = [
                _cell(records[name].get(record.id), record.id in turned[name], record.id in moved[name]) for name in axis.held
            ]
            rows.append(f"| {record.id} | {' | '.join([_cell(record, False, False), *cells])} |")
    return "\n".join(rows)


def _cell(record: ClaimRecord | None, turned: bool, moved: bool) -> str:
    if record is None or record.declared:
        return "not run"
    room = margin(record)
    text = SHORT[record.verdict] + ("" if room is None else f" {room:.3g}") + (" ~" if moved else "")
    return f"**{text}**" if turned else text
