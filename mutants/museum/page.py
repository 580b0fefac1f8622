"""The museum as a table: the caught regressions with the named causes, the missed ones, and their shares with intervals."""

from __future__ import annotations

from collections.abc import Sequence

from harness.report import environment
from harness.suite.verdict import proportion_interval
from mutants.museum.entries import Entry, Regression
from mutants.museum.judgement import Outcome, Status

HEAD = """# Regressions from the field

Written by `nox -s museum -- --table docs/field.md`. Each regression of a library was reported in public. It is brought
about by the release itself, by a flag, or by a patch of ours (`mutants/museum/injections/`), and the suite is run with it:
the smallest claims that it touches, one seed. Three things are demanded: the run fails, or its comparison with an
undisturbed run reports a move; what is named first is the canary or the stage where the fault is; no process ends without a
report. Harmless changes are run in the same way, and must raise no alarm. `mutants/field.toml` has the list.

We chose the regressions, from reports that we knew. So the shares say how the suite does on faults of these kinds, not on
faults that nobody has reported yet.
"""
COUNTS = ("| | k of n | 95 % interval |", "|---|---|---|")
REGRESSIONS = ("| what was reported | library | report | brought about by | what the suite said |", "|---|---|---|---|---|")
CHANGES = ("| change | brought about by | what the suite said |", "|---|---|---|")
ESCAPED = {"|": "\\|", "<": "&lt;", "`": "'", "[": "\\[", "*": "\\*"}  # characters that have a meaning in Markdown's tables
Pair = tuple[Entry, Outcome]


def page(entries: Sequence[Entry], outcomes: Sequence[Outcome], surroundings: str) -> str:
    """The page, in Markdown; entries without an outcome are named as such."""
    held = {outcome.name: outcome for outcome in outcomes}
    pairs = [(entry, held[entry.name]) for entry in entries if entry.name in held]
    absent = [f"- {plain(entry.name)}" for entry in entries if entry.name not in held]
    parts = [HEAD, f"Run with {surroundings}.\n", "\n".join([*COUNTS, *counts(pairs), ""])]
    parts += ["\n".join(["## What is still missed\n", *missed(pairs), ""]), _regressions(pairs), _harmless(pairs)]
    return "\n".join([*parts, *(["## Not judged yet\n", *absent, ""] if absent else [])])


def counts(pairs: Sequence[Pair]) -> list[str]:
    """Rows: caught, named rightly, without a report, false alarms, each of those that were run."""
    run = [(entry, outcome) for entry, outcome in pairs if outcome.status is not Status.NOT_RUN]
    faults = [outcome for entry, outcome in run if isinstance(entry, Regression)]
    changes = [outcome for entry, outcome in run if not isinstance(entry, Regression)]
    caught = [outcome for outcome in faults if outcome.status is Status.CAUGHT]
    return [
        _row("regressions caught", len(caught), len(faults)),
        _row("named rightly, of those caught", sum(outcome.rightly for outcome in caught), len(caught)),
        _row("ended without a report", sum(bool(outcome.unreported) for outcome in faults), len(faults)),
        _row("false alarms, of harmless changes", sum(one.status is Status.ALARM for one in changes), len(changes)),
    ]


def _row(what: str, k: int, n: int) -> str:
    if not n:
        return f"| {what} | 0 of 0 | |"
    interval = proportion_interval(k, n)
    return f"| {what} | {k} of {n} | {interval.low:.2f} to {interval.high:.2f} |"


def missed(pairs: Sequence[Pair]) -> list[str]:
    """A line for each entry that did not come out as demanded, with why, where that is known."""
    bad = [(entry, outcome) for entry, outcome in pairs if not outcome.good]
    lines = [f"- **{plain(entry.name)}**: {plain(result(outcome))}. {plain(entry.known)}".rstrip() for entry, outcome in bad]
    return lines or ["Nothing of what was run."]


def _regressions(pairs: Sequence[Pair]) -> str:
    rows = [
        f"| {plain(entry.says)} | {entry.library} | {link(entry.report)} | `{entry.way}` | {plain(result(outcome))} |"
        for entry, outcome in pairs
        if isinstance(entry, Regression)
    ]
    return "\n".join(["## Regressions\n", *REGRESSIONS, *rows, ""])


def _harmless(pairs: Sequence[Pair]) -> str:
    rows = [
        f"| {plain(entry.name)} | `{entry.way}` | {plain(result(outcome))} |"
        for entry, outcome in pairs
        if not isinstance(entry, Regression)
    ]
    return "\n".join(["## Harmless changes\n", *CHANGES, *rows, ""])


def result(outcome: Outcome) -> str:
    """What became of an entry, in one line."""
    wrongly = ", which is not what is wrong" if outcome.status is Status.CAUGHT and not outcome.rightly else ""
    said = f": {outcome.named[:160]}" if outcome.named else ""
    return f"{outcome.status}{said}{wrongly}{f'; {outcome.unreported}' if outcome.unreported else ''}"


def link(report: str) -> str:
    """The public report, to click on."""
    place, _, number = report.partition("#")
    return f"[{report}](https://github.com/{place}/issues/{number})"


def plain(said: str) -> str:
    """Text that Markdown's tables leave as it is."""
    return "".join(ESCAPED.get(letter, letter) for letter in " ".join(said.split()))


def surroundings() -> str:
    """Libraries and machine, for the page."""
    found = environment.collect("", devices=False)
    versions = ", ".join(f"{name} {found[name]}" for name in ("jax", "jaxlib", "numpy", "scipy", "optax", "sklearn"))
    return f"{versions}, on {found['system']} ({found['cpu']})"
