"""Reports of several JAX releases as one Markdown table: claims by versions, verdict and margin, the first stage that moved."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.compare.comparison import Comparison, compare
from harness.compare.measurements import margin
from harness.compare.text import say
from harness.errors import Incomparable
from harness.suite.records import ClaimRecord, Report

SHORT = {"SUPPORTED": "S", "REFUTED": "R", "INCONCLUSIVE": "I", "NOT_RUN": "broken"}
KEY = (
    "S supported, R refuted, I inconclusive, with the margin (the way of the interval to another verdict, over the bound); "
    "**bold** where the verdict is not the newest release's; ~ where a value moved beyond rounding."
)
COLUMNS = (
    "JAX",
    "NumPy",
    "optax",
    "seeds",
    "claims judged",
    "other verdicts",
    "values moved",
    "first stage that moved",
    "first of other bits",
    "largest within rounding",
)


def page(reports: Sequence[Report]) -> str:
    """The whole page; the newest release is what the others are compared with.

    Raises:
        Incomparable: fewer than two releases, or a report that cannot be compared with the newest.
    """
    ordered = sorted(reports, key=lambda report: release(report.environment["jax"]))
    held = {report.environment["jax"]: report for report in ordered}
    if len(held) < 2:
        raise Incomparable(f"a matrix needs reports of two JAX releases or more, and there is {', '.join(held) or 'none'}")
    newest = list(held.values())[-1]
    found = {version: compare(newest, report) for version, report in held.items()}
    e = newest.environment
    machine = f"{e.get('cpu', '?')}, {e.get('device', '?')}, {newest.precision}"
    setting = f"Scale {newest.scale}, {machine}. Compared with JAX {e['jax']}. Of {newest.created[:10]}."
    return "\n\n".join(["# Claims across JAX releases", setting, _versions(found), _claims(held, found), KEY]) + "\n"


def release(version: str) -> tuple[int, ...]:
    """A version as numbers, for sorting."""
    return tuple(int(part) for part in re.findall(r"\d+", version))


def _versions(found: dict[str, Comparison]) -> str:
    rows = [f"| {' | '.join(COLUMNS)} |", "|---" * len(COLUMNS) + "|"]
    for version, comparison in found.items():
        e = comparison.after.environment
        judged = sum(record.judged for record in comparison.after.claims)
        counts = f"{comparison.after.seeds} | {judged} | {len(comparison.turned)} | {len(comparison.moved)}"
        moved, bits = _first(comparison, "moved"), _first(comparison, "bits")
        ratio = max((run.ratio for run in comparison.runs), default=0.0)
        rows.append(
            f"| {version} | {e.get('numpy')} | {e.get('optax')} | {counts} | "
            f"{moved or 'none'} | {bits or 'none'} | {ratio:.2g} of what is allowed |"
        )
    return "\n".join(rows)


def _first(comparison: Comparison, kind: str) -> str:
    """The stage at which most runs are first off, with the first of these runs."""
    off = [(run, getattr(run, kind)) for run in comparison.runs if getattr(run, kind) is not None]
    if not off:
        return ""
    run, difference = off[0]
    return f"{run.label}: {say(difference)}{f' and {len(off) - 1} other runs' if len(off) > 1 else ''}"


def _claims(held: dict[str, Report], found: dict[str, Comparison]) -> str:
    records = {version: {record.id: record for record in report.claims} for version, report in held.items()}
    turned = {version: {claim.before.id for claim in comparison.turned} for version, comparison in found.items()}
    moved = {version: {claim.before.id for claim in comparison.moved} for version, comparison in found.items()}
    ids = [id for id in dict.fromkeys(id for claims in records.values() for id in claims) if _known(records, id)]
    rows = [f"| claim | {' | '.join(held)} |", "|---" * (len(held) + 1) + "|"]
    for id in ids:
        cells = [_cell(records[version].get(id), id in turned[version], id in moved[version]) for version in held]
        rows.append(f"| {id} | {' | '.join(cells)} |")
    return "\n".join(rows)


def _known(records: dict[str, dict[str, ClaimRecord]], id: str) -> bool:
    """Whether any release was to judge it."""
    return any(id in claims and not claims[id].declared for claims in records.values())


def _cell(record: ClaimRecord | None, turned: bool, moved: bool) -> str:
    if record is None or record.declared:
        return "not run"
    room = margin(record)
    text = SHORT[record.verdict] + ("" if room is None else f" {room:.3g}") + (" ~" if moved else "")
    return f"**{text}**" if turned else text
