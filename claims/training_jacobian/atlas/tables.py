"""The table of the atlas for the options of its command."""

from __future__ import annotations

import argparse

from harness.errors import InvalidInput
from harness.report.atlas.table import Table

from .questions import questions
from .variants import MNIST, NEIGHBOURS, PAPER_WIDTH, SMOKE, SMOKE_WIDTH, WIDTH, variants

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
