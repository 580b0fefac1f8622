"""Sweep the atlas: ``python -m claims.training_jacobian.atlas --help``."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from harness.errors import InvalidInput
from harness.report.atlas import command
from harness.report.atlas.table import Table

PAPERS = ("training-jacobian", "tiny-subspace")
FIRST = (
    "beyond-blank-pixels-and-shifts",
    "rank-not-width",
    "hessians-give-the-regions",
    "local-volume",
    "limits-of-training-in-the-bulk-fails",
)


def table(options: argparse.Namespace) -> Table:
    """The table that the options ask for.

    Raises:
        InvalidInput: the folder of MNIST does not exist.
    """
    from .questions import questions
    from .variants import MNIST, NEIGHBOURS, PAPER_WIDTH, SMOKE, SMOKE_WIDTH, WIDTH, variants

    if options.smoke:
        return Table([one for one in variants(SMOKE_WIDTH) if one.name in SMOKE], questions(SMOKE_WIDTH), PAPERS)
    width, mnist = PAPER_WIDTH if options.paper_width else WIDTH, options.mnist
    if mnist is not None and not mnist.is_dir():
        raise InvalidInput(f"--mnist {mnist} is not a folder: give that of MNIST's idx files")
    narrow, wide = NEIGHBOURS[width]
    return Table(
        variants(width, mnist),
        questions(width),
        PAPERS,
        {} if mnist is not None else {MNIST: "it needs --mnist DIR (or MNIST_DIR), a folder of idx files"},
        spectra="time",
        first=FIRST,
        against=("rank", ("noise-rank", "digits-rank", f"noise-rank-width-{narrow}", f"noise-rank-width-{wide}")),
    )


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
    for kind, asked in {"smoke": options.smoke, "paper-width": options.paper_width}.items():
        if asked:
            options.into = options.into.with_name(f"{options.into.name}-{kind}")
    return command.main(table, options)


if __name__ == "__main__":
    sys.exit(main())
