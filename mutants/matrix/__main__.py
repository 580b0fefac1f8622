"""Run the claims with one thing changed at a time: a release of a library, an instruction set, threads, another Python.

    python -m mutants.matrix                          # all that was not run with this code yet
    python -m mutants.matrix NumPy "SciPy 1.16"       # variants whose name contains one of these
    python -m mutants.matrix --table docs/matrix.md   # write the page, of this run and of what is kept

mutants/matrix.toml lists the variants. Runs are kept in reports/matrix/, and what was run with the same code is not run again.
What cannot be had here (a release without a wheel, a Python that is not on PATH) is NOT_RUN, with the reason. A claim that fails
is what the table is for. Exits with 1 only if a run left no report or was not begun; with 2 if the list makes no sense.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from harness.suite.records import Report
from mutants import listing
from mutants.listing import BadEntry, chosen
from mutants.matrix.page import Variant, page
from mutants.museum.entries import Entry
from mutants.museum.museum import Museum, NoReference
from mutants.museum.page import surroundings
from mutants.museum.run import ROOT, Left

LIST = Path(__file__).parents[1] / "matrix.toml"
KEPT = Path("reports/matrix")
# of each paper, and of each kind of computation: closed forms, J, Hessians, trajectories by the thousand
CLAIMS = (
    "training-jacobian/alignment-bulk[median]",
    "training-jacobian/quadratic-flow[momentum]",
    "training-jacobian/quadratic-contraction[limit]",
    "tiny-subspace/top-preserved[digits,top,100]",
    "tiny-subspace/toy-flow[margin]",
    "outlier-eigenspaces/gmm-outliers[gradients-test]",
    "outlier-eigenspaces/gmm-alignment[hessian-test]",
    "outlier-eigenspaces/xor-last-layer[hessian-alignment]",
    "outlier-eigenspaces/xor-rank-deficient[hessian-optimal]",
)


@dataclass(frozen=True)
class Changed(Entry):
    """One thing that is changed.

    Attributes:
        axis: what is varied, such as ``NumPy``.
        value: to what, such as ``2.3.5``.
    """

    name: str = field(init=False)
    claims: tuple[str, ...] = CLAIMS
    axis: str = ""
    value: str = ""

    def __post_init__(self) -> None:
        if not (self.axis and self.value):
            raise BadEntry(f"a variant of axis {self.axis!r} and value {self.value!r}: give both, such as NumPy and 2.3.5")
        object.__setattr__(self, "name", f"{self.axis} {self.value}")
        super().__post_init__()


def read(path: Path = LIST) -> list[Changed]:
    """The variants of a TOML file with one ``[[variant]]`` each; their names are axis and value.

    Raises:
        BadEntry: a variant that cannot be run as it is written.
    """
    return listing.read(path, {"variant": Changed})


def main(arguments: Sequence[str] | None = None, root: Path = ROOT) -> int:
    """Run from the command line; ``root`` is for tests."""
    given = listing.parser("mutants.matrix", "The claims with one thing changed at a time.", LIST, KEPT).parse_args(arguments)
    try:
        entries = read(given.list)
        picked = chosen(entries, given.names)
        if given.show:
            print("\n".join(f"{entry.name} ({entry.way})" for entry in picked))
            return 0
        museum, limit, bad = Museum(given.kept.resolve(), root, entries), time.monotonic() + 60 * given.minutes, 0
        for entry in picked:
            left = museum.left(entry, given.again, kept_alone=time.monotonic() > limit)
            bad += left is None or (isinstance(left, Left) and left.report is None)
            print(f"{entry.name}: {_line(left)}", flush=True)
        if given.table:
            found = [(entry, museum.left(entry, kept_alone=True)) for entry in entries]
            variants = [Variant(entry.axis, entry.value, _found(left)) for entry, left in found]
            given.table.write_text(page(museum.reference, surroundings(), variants), encoding="utf-8")
    except (BadEntry, NoReference) as error:
        print(error, file=sys.stderr)
        return 2
    return int(bool(bad))


def _found(left: Left | str | None) -> Report | str:
    if left is None or isinstance(left, str):
        return left or "not run yet"
    return left.report or f"no report: {left.ended.line}"


def _line(left: Left | str | None) -> str:
    if isinstance(left, Left):
        return f"{left.seconds:.0f} s" if left.report else f"no report: {left.ended.line}"
    return f"NOT_RUN: {left}" if left else "not begun"


if __name__ == "__main__":
    sys.exit(main())
