"""Sweep the atlas: ``python -m claims.training_jacobian.atlas --help``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from harness.report.atlas import command
from harness.report.atlas.table import Table

if TYPE_CHECKING:
    from harness.report.atlas.sweep import Sweep

KINDS = ("smoke", "paper_width")  # options whose table has a folder of its own
TABLE = f"{__package__}.tables:table"


def table(options: argparse.Namespace) -> Table:
    """The table of the options. It is imported when it is asked for, so that ``--help`` is there at once."""
    from . import tables

    return tables.table(options)


def main(argv: Sequence[str] | None = None) -> int:
    parser = command.parser(
        "Sweep variants of the paper's network, judge every claim for any network on each, answer the questions."
    )
    given = os.environ.get("MNIST_DIR")
    parser.add_argument("--paper-width", action="store_true", help="64 hidden units, N = 4810, into a folder of its own")
    parser.add_argument(
        "--smoke", action="store_true", help="six variants of 4 hidden units, N = 310, to see that all of it works"
    )
    parser.add_argument("--mnist", type=Path, default=Path(given) if given else None, metavar="DIR", help="MNIST's idx files")
    options = parser.parse_args(argv)
    code = command.together(f"{__package__}", sys.argv[1:] if argv is None else argv, table, options)
    if code is not None:
        return code
    for kind in KINDS:
        if getattr(options, kind):
            options.into = options.into.with_name(f"{options.into.name}-{kind.replace('_', '-')}")
    return command.main(table, options, elsewhere=partial(_on_cluster, options) if options.scheduler else None)


def _on_cluster(options: argparse.Namespace, sweep: Sweep) -> None:
    from harness.cluster import atlas

    atlas.compute(sweep, options, TABLE)


if __name__ == "__main__":
    sys.exit(main())
