"""One judged claim in full, as named lines: what the paper says, what was found, what was expected, what changed."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np

from harness.report.natural import natural
from harness.report.text import accepted, measured, outcome, reason, visible
from harness.suite.records import ClaimRecord, EnsembleRecord

NAME = 10  # columns of the names
COMMANDS = ("alone",)  # lines to copy, which are never wrapped
Lines = list[tuple[str, str]]


def story(record: ClaimRecord) -> Lines:
    """Name and text of each line; a claim that broke has its reason alone beside what the paper says."""
    record = natural(record)
    said = f'"{record.quotes}"' if record.quotes else record.says
    lines = [("our words" if record.derived else "the paper", f"{said} ({record.where})"), ("we read", record.reading)]
    if record.judged and record.measurements:
        it = record.measurements[0]
        values = [value for value in it.values if value is not None]
        lines += [
            ("measured", f"{measured(record)} {it.unit}".rstrip() + f" ({it.method}: {_values(values)})"),
            ("accepted", f"{accepted(record)}: {record.rule.reason}"),
            ("verdict", record.verdict),
        ]
        # the mean is taken of logarithms if the claim judges them, or if its ensemble has a long tail
        lines += _expected(record, values, geometric=it.method.endswith("logarithms"))
    if outcome(record) == "failed":
        lines += [("failed", text) for text in _complaints(record)]
    if record.expected_reason:
        lines.append(("instead", record.expected_reason))
    return lines


def filled(lines: Lines, width: int) -> list[str]:
    """The lines wrapped to the width, with names in a column of their own; commands are not wrapped."""
    return [part for name, text in lines for part in _wrapped(name, visible(text), width)]


def _wrapped(name: str, text: str, width: int) -> list[str]:
    start, space = f"{name:<{NAME}}", " " * NAME
    if name in COMMANDS:
        return [start + text]
    return textwrap.wrap(text, width, initial_indent=start, subsequent_indent=space, break_on_hyphens=False)


def _expected(record: ClaimRecord, values: Sequence[float], geometric: bool) -> Lines:
    """The expected verdict and its source; with an ensemble, also how this run's values compare with the ensemble's."""
    found = record.ensemble
    if not record.expected:
        return []
    holds = "as stated" if record.derived else "as published"
    by = holds if record.expected == "SUPPORTED" else "as listed"
    lines = [("expected", f"{record.expected}, {f'as {len(found.values)} values of its ensemble give' if found else by}")]
    if found is not None and values and outcome(record) == "failed":
        lines.append(("changed", _against(found, values, geometric)))
    return lines


def _against(ensemble: EnsembleRecord, values: Sequence[float], geometric: bool) -> str:
    """This run's values beside the ensemble's, by the mean that is judged."""
    theirs = np.asarray(ensemble.values, float)
    ours, mean = (np.exp(np.mean(np.log(v))) if geometric else np.mean(v) for v in (np.asarray(values), theirs))
    name = "geometric mean" if geometric else "mean"
    spread = f"{theirs.min():.4g} to {theirs.max():.4g}, {name} {mean:.4g}"
    return f"the {name} of this run is {ours:.4g}; its ensemble: {spread}"


def _complaints(record: ClaimRecord) -> list[str]:
    """Why the claim failed, a line each, without the measurement."""
    if not record.judged:
        return [reason(record)]
    return record.complaints or reason(record).split("; ")[1:] or [reason(record)]


def _values(values: Sequence[float]) -> str:
    return ", ".join([*(f"{value:.6g}" for value in values[:12]), *(["..."] if len(values) > 12 else [])])
