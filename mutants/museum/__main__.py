"""Run the museum: the suite with each regression and each harmless change of the list.

    python -m mutants.museum                        # all that was not run with this code yet
    python -m mutants.museum eigh "two threads"     # what has one of the words in its name
    python -m mutants.museum --quarter              # the quarter that CI runs
    python -m mutants.museum --table docs/field.md  # write the page, of this run and of what is kept

Runs are kept in reports/museum/: an entry that was run with the same code is judged anew and not run again. Exits with 1 if
a regression was missed, was named wrongly or ended without a report; if a harmless change raised an alarm; or if an entry is
listed as known for one of these and is as demanded. Exits with 2 if the list makes no sense.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from mutants import listing
from mutants.listing import BadEntry, chosen
from mutants.museum.entries import LIST, Entry, Regression, read
from mutants.museum.judgement import Outcome, Status
from mutants.museum.museum import Museum, NoReference
from mutants.museum.page import Pair, counts, page, result, surroundings
from mutants.museum.run import ROOT

KEPT = Path("reports/museum")


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run from the command line; ``root`` is for tests."""
    given = _parser().parse_args(arguments)
    try:
        entries = read(given.list)
        picked = [entry for entry in chosen(entries, given.names) if entry.quarter or not given.quarter]
        if given.show:
            print("\n".join(f"{entry.name} ({entry.way})" for entry in picked))
            return 0
        museum, began = Museum(given.kept.resolve(), root, entries), time.monotonic()
        pairs = list(_run(museum, picked, began + 60 * given.minutes, given.again))
        if given.table:
            found = [museum.outcome(entry, kept_alone=True) for entry in entries]
            given.table.write_text(page(entries, [one for one in found if one], surroundings()), encoding="utf-8")
    except (BadEntry, NoReference) as error:
        print(error, file=sys.stderr)
        return 2
    for row in counts(pairs):
        print(" ".join(row.replace("|", " ").split()))
    complaints = [f"  {said}" for entry, outcome in pairs for said in complain(entry, outcome)]
    left = f", {len(picked) - len(pairs)} not begun" if len(pairs) < len(picked) else ""
    print(
        f"{len(pairs)} entries in {time.monotonic() - began:.0f} s{left}; {len(complaints)} not as demanded",
        *complaints,
        sep="\n",
    )
    return int(bool(complaints or left))


def _run(museum: Museum, picked: Sequence[Entry], limit: float, again: bool) -> list[Pair]:
    """Outcomes of the entries, each said as soon as it is there; none is begun after the limit."""
    pairs = []
    for entry in picked:
        outcome = museum.outcome(entry, again, kept_alone=time.monotonic() > limit)
        if outcome is not None:
            pairs.append((entry, outcome))
            print(line(entry, outcome), flush=True)
    return pairs


def _parser() -> argparse.ArgumentParser:
    parser = listing.parser("mutants.museum", "Are known regressions of libraries caught?", LIST, KEPT)
    parser.add_argument("--quarter", action="store_true", help="the quarter that CI runs")
    return parser


def complain(entry: Entry, outcome: Outcome) -> list[str]:
    """A line if the outcome is not as demanded and the entry is not listed as known, or if it is listed without need."""
    if outcome.status is Status.NOT_RUN or outcome.good != bool(entry.known):
        return []
    return [f"{entry.name}: {'it is as demanded now: delete known' if outcome.good else result(outcome)}"]


def line(entry: Entry, outcome: Outcome) -> str:
    """An entry and what became of it."""
    of = f" ({entry.report})" if isinstance(entry, Regression) else ""
    return f"{outcome.seconds:4.0f} s  {entry.name}{of}\n    {result(outcome)}"


if __name__ == "__main__":
    sys.exit(main())
