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


def table(options: argparse.Namespace) -> Table:
    """The table that the options ask for.

    Raises:
        InvalidInput: a folder of MNIST that is not there.
    """
    from .questions import questions
    from .variants import MNIST, NEIGHBOURS, PAPER_WIDTH, WIDTH, variants

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
        against=("rank", ("noise-rank", "digits-rank", f"noise-rank-width-{narrow}", f"noise-rank-width-{wide}")),
    )


def main(argv: Sequence[str] | None = None) -> int:
    parser = command.parser(
        "Sweep variants of the paper's network, judge every claim for any network on each, answer the questions."
    )
    given = os.environ.get("MNIST_DIR")
    parser.add_argument("--paper-width", action="store_true", help="64 hidden units, N = 4810, into a folder of its own")
    parser.add_argument("--mnist", type=Path, default=Path(given) if given else None, metavar="DIR", help="MNIST's idx files")
    options = parser.parse_args(argv)
    if options.paper_width:
        options.into = options.into.with_name(f"{options.into.name}-paper-width")
    return command.main(table, options)


if __name__ == "__main__":
    sys.exit(main())
