"""Try every fault of the list and say what became of it.

    python -m mutants                        # all of them, two at a time
    python -m mutants momentum schedule      # those whose name contains one of the words
    python -m mutants --list
    python -m mutants --table docs/mutants.md

Exits with 1 if a fault survived, a check only crashed, or a green check turned red, and with 2 if a fault does not fit the tree.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from mutants.faults import LIST, SOURCES, faulty, read
from mutants.listing import BadEntry, chosen
from mutants.trial import HERE, Trial, attempt

HEAD = """# Deliberate faults, and the checks that found them

Written by `nox -s mutants -- --table docs/mutants.md`. Each fault is one replacement in a copy of the tree (`mutants/faults.toml`
has its text, and the checks that stayed green). A check that only crashed would not count.
"""


def main(arguments: Sequence[str] | None = None, root: Path = HERE, sources: Sequence[str] = SOURCES) -> int:
    """Run from the command line; ``root`` and ``sources`` are for tests."""
    parser = argparse.ArgumentParser(prog="python -m mutants", description="Put faults into the harness; checks must find them.")
    parser.add_argument("names", nargs="*", help="only faults whose name contains one of these")
    parser.add_argument("--faults", type=Path, default=LIST, help="the list (default: mutants/faults.toml)")
    parser.add_argument("--jobs", type=int, default=2, help="how many at a time (default 2)")
    parser.add_argument("--list", action="store_true", help="only name the faults and their checks")
    parser.add_argument("--table", type=Path, help="write what became of them as a page of Markdown")
    given = parser.parse_args(arguments)
    if given.jobs < 1:
        parser.error(f"--jobs {given.jobs}: give 1 or more")
    try:
        faults = chosen(read(given.faults), given.names)
        if given.list:
            print("\n".join(f"{fault.name} ({fault.file})\n    {'  '.join(fault.killed_by)}" for fault in faults))
            return 0
        for fault in faults:
            faulty(fault, root)  # all must fit before the first is tried
        started, trials = time.monotonic(), []
        with ThreadPoolExecutor(given.jobs) as pool:
            for trial in pool.map(lambda fault: attempt(fault, root, sources), faults):
                trials.append(trial)
                print(line(trial), flush=True)
    except BadEntry as error:
        print(error, file=sys.stderr)
        return 2
    survived = [trial for trial in trials if not trial.killed]
    print(f"{len(trials) - len(survived)} of {len(trials)} faults killed in {time.monotonic() - started:.0f} s")
    if given.table:
        given.table.write_text(page(trials, len(read(given.faults))), encoding="utf-8")
    for trial in survived:
        print("\n".join(f"SURVIVED {trial.fault.name}: {complaint}" for complaint in trial.complaints))
    return int(bool(survived))


def line(trial: Trial) -> str:
    """``killed`` with the checks that killed it and what each said, or ``SURVIVED``."""
    head = f"{'killed  ' if trial.killed else 'SURVIVED'} {trial.seconds:4.0f} s  {trial.fault.name}"
    said = [f"    {check}: {verdict}" for check, verdict in trial.killers]
    return "\n".join([head, *said, *(f"    {complaint}" for complaint in trial.complaints)])


def page(trials: Sequence[Trial], listed: int) -> str:
    """What became of the faults that were tried, of ``listed`` ones, as Markdown."""
    head = f"{HEAD}\n{len(trials)} of the {listed} faults of the list were tried, {sum(t.killed for t in trials)} killed.\n"
    rows = [f"| {_plain(trial.fault.name)} | `{trial.fault.file}` | {_cell(trial)} |" for trial in trials]
    return "\n".join([head, "| fault | in | killed by, and what the check said |", "| --- | --- | --- |", *rows, ""])


def _cell(trial: Trial) -> str:
    """The killers, a line each, or that there is none."""
    said = [f"`{check.rpartition('/')[2]}`: {_plain(verdict)}" for check, verdict in trial.killers]
    return "<br>".join(said) if trial.killed else "SURVIVED"


def _plain(said: str) -> str:
    said = re.sub(r" at 0x[0-9a-f]+", "", said)  # another one each time
    return said[:110].replace("|", "\\|").replace("<", "&lt;").replace("`", "'").replace("[", "\\[")


if __name__ == "__main__":
    sys.exit(main())
