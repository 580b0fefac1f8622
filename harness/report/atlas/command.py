"""The command that sweeps a table: options, processes that share it, Ctrl-C, and the pages at the end."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import HarnessError, InvalidInput
from harness.report.atlas import pages
from harness.report.atlas.table import Table, Variant

if TYPE_CHECKING:
    from harness.report.atlas.sweep import Sweep

INTERRUPTED, BROKEN, REFUSED = 130, 1, 2
# two processes of one thread do more work than one process of two threads: half of a variant's time uses one core anyway
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def parser(description: str) -> argparse.ArgumentParser:
    """Options of every atlas; a paper adds its own."""
    made = argparse.ArgumentParser(description=description, allow_abbrev=False)
    made.add_argument(
        "--seeds", type=int, default=1, metavar="N", help="seeds 0 to N - 1; 3 or more give intervals (%(default)s)"
    )
    made.add_argument(
        "--claims-of", type=int, metavar="N", help="measure claims on seeds 0 to N - 1 only, on others what questions need (all)"
    )
    made.add_argument(
        "--only", default="", metavar="NAMES", help="axes or variants, with commas between; the base is always swept"
    )
    made.add_argument("--into", type=Path, default=Path("reports/atlas"), metavar="DIR", help="report folder (%(default)s)")
    made.add_argument("--store", type=Path, metavar="DIR", help="where compiled programs are kept; your cache folder by default")
    made.add_argument("--jobs", type=int, metavar="N", help="processes that share the sweep, a core each (as many as there are)")
    made.add_argument(
        "--scheduler",
        metavar="ADDRESS",
        help="measure on a Dask cluster: its scheduler's address, or local:N for N processes of this machine",
    )
    made.add_argument("--pages", action="store_true", help="measure nothing, write the pages of what was kept")
    made.add_argument("--list", action="store_true", help="show variants and questions, measure nothing")
    return made


def together(
    module: str, arguments: Sequence[str], table: Callable[[argparse.Namespace], Table], options: argparse.Namespace
) -> int | None:
    """Run the same command in several processes that share the sweep, with a core each.

    Returns:
        The largest of their exit codes; 2 for options that make no sense; None if one process is enough.
    """
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    jobs = len(cores) if options.jobs is None else options.jobs
    if jobs < 2 or options.list or options.pages or options.scheduler:
        return None
    try:
        _chosen(table(options), options)
    except HarnessError as error:
        return _refused(error)
    command = [sys.executable, "-m", module, *arguments, "--jobs", "1"]
    started = []
    for number in range(jobs):
        started.append(subprocess.Popen(command, env=os.environ | ONE_THREAD))
        if hasattr(os, "sched_setaffinity"):
            os.sched_setaffinity(started[-1].pid, {cores[number % len(cores)]})
    while True:
        try:
            return max(abs(process.wait()) for process in started)
        except KeyboardInterrupt:  # the other processes got Ctrl-C too, and write what is done
            continue


def main(
    table: Callable[[argparse.Namespace], Table],
    options: argparse.Namespace,
    say: Callable[[str], None] = print,
    elsewhere: Callable[[Sweep], None] | None = None,
) -> int:
    """Sweep and write the pages.

    Args:
        elsewhere: measures missing rows on other machines and keeps them; this process measures the rest.

    Returns:
        0; 1 if a variant or a claim broke, 2 for options that make no sense, 130 after Ctrl-C.
    """
    try:
        return _swept(table(options), options, say, elsewhere)
    except HarnessError as error:
        return _refused(error)


def _refused(error: HarnessError) -> int:
    print(f"atlas: {error}", file=sys.stderr)
    return REFUSED


def _chosen(table: Table, options: argparse.Namespace) -> tuple[list[Variant], list[str]]:
    """The variants that are asked for, and the names of --only."""
    if options.seeds < 1:
        raise InvalidInput(f"--seeds {options.seeds}: give 1 or more; 3 or more give intervals")
    if options.jobs is not None and options.jobs < 1:
        raise InvalidInput(f"--jobs {options.jobs}: give 1 or more processes")
    if options.jobs is not None and options.scheduler:
        raise InvalidInput(f"--jobs {options.jobs} and --scheduler {options.scheduler} both divide the work: give one of them")
    if options.claims_of is not None and options.claims_of < 0:
        raise InvalidInput(f"--claims-of {options.claims_of}: give 0 or more seeds")
    only = [name for name in options.only.split(",") if name]
    return table.chosen(only), only


def _swept(
    table: Table, options: argparse.Namespace, say: Callable[[str], None], elsewhere: Callable[[Sweep], None] | None
) -> int:
    variants, only = _chosen(table, options)
    if options.list:
        return _listed(table, say)
    from harness.report.atlas.sweep import Sweep
    from harness.runs.store import Store

    Store(options.store).keep_compilations()
    folder = _folder(options.into)
    began, code = time.monotonic(), 0
    sweep = Sweep(table, variants, options.seeds, folder / "rows", say, claims_of=options.claims_of)
    try:
        if elsewhere and not options.pages:
            elsewhere(sweep)
        sweep.go(read_only=options.pages)
    except KeyboardInterrupt:
        if not sweep.rows:  # rows that were measured elsewhere
            sweep.go(read_only=True)
        say("interrupted: what is done is kept, and the same command goes on")
        code = INTERRUPTED
    complete = not only and len(sweep.rows) == options.seeds * len(variants)
    atlas = pages.Atlas(table, sweep.claims, options.seeds, sweep.rows, complete, sweep.faults, sweep.others)
    written = pages.write(atlas, folder if not only else folder / "partial")
    broken = sum(bool(row.broken) for row in sweep.rows) + len(sweep.faults)
    page = next(path for path in written if path.name == pages.PAGE)
    say(f"{len(sweep.rows)} rows in {(time.monotonic() - began) / 60:.1f} minutes; {page}")
    if broken:
        say(f"{broken} variants, or claims on them, broke: {pages.PAGE} has the reasons")
    return code or (BROKEN if broken else 0)


def _folder(path: Path) -> Path:
    try:
        (path / "rows").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"--into {path}: {error.strerror or error}; give a folder that can be written") from error
    return path


def _listed(table: Table, say: Callable[[str], None]) -> int:
    for variant in table.variants:
        say(f"{variant.axis:<16} {variant.name:<28} {variant.value}")
    for name, why in table.left_out.items():
        say(f"{'left out':<16} {name:<28} {why}")
    for question in table.questions:
        say(f"{question.id}: {question.says} ({question.accept}: {question.accept.reason})")
    return 0
