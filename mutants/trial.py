"""Try one fault: run its checks on a copy of the tree that has the fault, and judge what they said."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mutants.faults import SOURCES, Fault, plant
from mutants.outcomes import CRASHED, JUDGED, PASSED
from mutants.subprocesses import PYTEST_ALONE, python

Outcomes = dict[str, tuple[str, str]]
HERE = Path(__file__).resolve().parents[1]
LONGEST = 600  # seconds a fault's checks may take; they are chosen to take ten


@dataclass(frozen=True)
class Trial:
    """What became of a fault.

    Attributes:
        killers: (check, what it said) for each check that killed the fault, as it had to.
        complaints: a line for each check that did not kill it, crashed, or should have stayed green; none if all is well.
        seconds: how long its checks ran.
    """

    fault: Fault
    killers: tuple[tuple[str, str], ...]
    complaints: tuple[str, ...]
    seconds: float

    @property
    def killed(self) -> bool:
        return not self.complaints


def attempt(fault: Fault, root: Path = HERE, sources: Sequence[str] = SOURCES) -> Trial:
    """Copy the tree, put the fault in, run its checks with nothing cached, judge.

    Raises:
        BadEntry: the fault does not fit the tree.
    """
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="mutant-") as folder:
        copy, written = Path(folder, "tree"), Path(folder, "outcomes.json")
        plant(fault, root, copy, sources)
        said = _run(fault, copy, Path(folder), written)
        nothing: dict[str, Any] = {"loaded": False, "outcomes": {}}
        held: dict[str, Any] = json.loads(written.read_text(encoding="utf-8")) if written.exists() else nothing
    seconds = time.monotonic() - started
    if not held["outcomes"]:
        return Trial(fault, (), (f"its checks did not run: {said}",), seconds)
    if not held["loaded"]:
        return Trial(fault, (), (f"no check imported {fault.file}: the fault was never there",), seconds)
    return judge(fault, {node: tuple(outcome) for node, outcome in held["outcomes"].items()}, seconds)


def _run(fault: Fault, copy: Path, folder: Path, written: Path) -> str:
    """Pytest in the copy, with a store and a temporary folder of its own; the last line of what it printed."""
    checks = list(dict.fromkeys([*fault.killed_by, *fault.green]))
    arguments = [
        *("-m", "pytest", "-q", "--tb=line", "-p", "mutants.outcomes", *PYTEST_ALONE),
        f"--basetemp={folder / 'temporary'}",
        "--claims-scale=smoke",
        "--claims-canaries=off",
        f"--claims-store={folder / 'store'}",
        f"--claims-report={folder / 'report'}",
        *checks,
    ]
    environment = {"MUTANT_FILE": str(copy / fault.file), "MUTANT_OUTCOMES": str(written)}
    # the faulty copy comes before all installed packages
    return python(arguments, folder, environment, (copy, HERE), copy, LONGEST).line


def judge(fault: Fault, outcomes: Outcomes, seconds: float) -> Trial:
    """The trial. All is well if every killer failed by its own judgement, every green check passed, and nothing crashed."""
    killers, complaints = [], []
    for check in fault.killed_by:
        cases = _cases(check, outcomes)
        crashes = [said for kind, said in cases if kind == CRASHED]
        verdicts = [said for kind, said in cases if kind == JUDGED]
        if crashes:
            complaints.append(f"{check} crashed, which kills nothing: {crashes[0]}")
        elif verdicts:
            killers.append((check, verdicts[0]))
        else:
            complaints.append(f"{check} {'let it live' if cases else 'does not exist'}")
    for check in fault.green:
        cases = _cases(check, outcomes)
        red = [said for kind, said in cases if kind != PASSED]
        if red or not cases:
            complaints.append(f"{check} should have stayed green: {red[0] if red else 'it does not exist'}")
    return Trial(fault, tuple(killers), tuple(complaints), seconds)


def _cases(check: str, outcomes: Outcomes) -> list[tuple[str, str]]:
    """The outcomes of a node id: of itself, or of the cases and methods below it."""
    return [outcome for node, outcome in outcomes.items() if node == check or node.startswith((f"{check}[", f"{check}::"))]
