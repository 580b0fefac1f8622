"""The suite in a process of its own, with one entry in place, and what it left behind."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.errors import Unreadable
from harness.report import json_file
from harness.suite.records import Report
from mutants.museum.entries import Entry
from mutants.museum.injected import VARIABLE
from mutants.museum.interpreters import Interpreter, interpreter
from mutants.museum.surroundings import in_force, releases
from mutants.subprocesses import PYTEST_ALONE, Ended, python

ROOT = Path(__file__).resolve().parents[2]
LONGEST = 300.0  # seconds that a run may take; the smallest claims take ten
OUTPUT = "output.txt"
THIS = Interpreter()
PLACE = Path("report/partial")  # of a report on some of the claims, in a run's folder


@dataclass(frozen=True)
class Left:
    """What a run of the suite left behind.

    Attributes:
        ended: how its process ended.
        report: its report, None where it wrote none.
        died: what the witness wrote, if the process ended unexpectedly.
    """

    ended: Ended
    report: Report | None
    died: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0


def suite(
    folder: Path,
    claims: Sequence[str],
    canaries: bool,
    variables: dict[str, str],
    path: Sequence[Path],
    root: Path = ROOT,
    by: Interpreter = THIS,
    seeds: int = 1,
) -> Left:
    """Judge the claims at smoke scale with an empty store."""
    began = time.monotonic()
    ids = [part for claim in claims for part in ("--claims-id", claim)]
    plugin = ["-p", "mutants.museum.injected"] if VARIABLE in variables else []
    arguments = [
        *("-m", "pytest", "claims", "-q", *PYTEST_ALONE, *plugin),
        *("--claims-scale=smoke", f"--claims-seeds={seeds}", f"--claims-canaries={'on' if canaries else 'off'}"),
        f"--claims-store={folder / 'store'}",
        f"--claims-report={folder / 'report'}",
        *ids,
    ]
    variables = {**by.variables, **variables}
    ended = python(arguments, folder, variables, [*path, root, *by.path], root, LONGEST * by.slower, by.command)
    (folder / OUTPUT).write_text(ended.output + ended.errors, encoding="utf-8")
    return Left(ended, *left(folder / "report"), time.monotonic() - began)


def left(folder: Path) -> tuple[Report | None, dict[str, Any]]:
    """The report in a folder of reports, and what a witness wrote there."""
    died = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(folder.glob("died-*.json"))]
    for place in ("partial", "latest"):
        try:
            return json_file.read(folder / place), died[0] if died else {}
        except Unreadable:
            continue
    return None, died[0] if died else {}


def with_entry(entry: Entry, folder: Path, cache: Path, root: Path = ROOT) -> Left:
    """Run the suite with the entry in place.

    Raises:
        NotThere: a release, flag, feature, Python or architecture that cannot be had here.
    """
    by = interpreter(entry, cache, root)
    path = releases(entry, cache)
    variables = {VARIABLE: entry.injection} if entry.injection else dict(entry.environment)
    if "XLA_FLAGS" in variables:
        variables["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {variables['XLA_FLAGS']}".strip()
    in_force(entry, folder, variables, path, root)
    return suite(folder, entry.claims, entry.with_canaries, variables, path, root, by, entry.seeds)
