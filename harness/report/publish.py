"""The one writer of the report folder: ``<time>/`` keeps every run, ``latest/`` the full one, ``partial/`` a selection."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from filelock import FileLock

from harness.report import Writer, write
from harness.suite.records import Report

PATIENCE = 120  # seconds to wait for another run that writes its report here; then this report goes elsewhere


def publish(report: Report, root: Path, more: Sequence[Writer] = ()) -> tuple[Path | None, list[str]]:
    """Write the report below ``root``. A folder that vanished is made again; if it cannot be written, a temporary folder is used.

    Args:
        more: writers of further files of the report's folder.

    Returns:
        The folder to look at (None if nothing could be written), and a line for each problem.
    """
    try:
        return _publish(report, root, more)
    except OSError as error:
        problem = f"the report could not be written to {root} ({error}): free or repair it"
    try:
        folder, problems = _publish(report, Path(tempfile.mkdtemp(prefix="claims-report-")), more)
    except OSError as error:
        return None, [problem, f"nor could it be written to {tempfile.gettempdir()} ({error})"]
    return folder, [problem, *problems]


def _publish(report: Report, root: Path, more: Sequence[Writer]) -> tuple[Path, list[str]]:
    """Publish, one process at a time. Half-written folders of killed processes are removed."""
    root.mkdir(parents=True, exist_ok=True)
    with FileLock(root / ".lock", timeout=PATIENCE):
        for abandoned in root.glob(".writing-*"):
            shutil.rmtree(abandoned, ignore_errors=True)
        return _written(report, root, more)


def _written(report: Report, root: Path, more: Sequence[Writer]) -> tuple[Path, list[str]]:
    with tempfile.TemporaryDirectory(prefix=".writing-", dir=root, ignore_cleanup_errors=True) as working:
        problems = write(report, Path(working) / "report", more)
        shutil.copytree(Path(working) / "report", Path(working) / "copy")
        os.rename(Path(working) / "report", _unused(root / report.created.replace(":", "-")))
        shown = root / ("partial" if report.partial else "latest")
        _swap(Path(working) / "copy", shown, Path(working) / "old")
    return shown, problems


def _swap(new: Path, shown: Path, aside: Path) -> None:
    """Put ``new`` in the place of ``shown``; if interrupted between the two moves, put the old folder back."""
    if shown.exists():
        os.rename(shown, aside)
    try:
        os.rename(new, shown)
    except BaseException:
        if aside.exists() and not shown.exists():
            os.rename(aside, shown)
        raise


def _unused(folder: Path) -> Path:
    """The folder, or one beside it if two runs ended in the same second."""
    tries = (folder.with_name(f"{folder.name}-{n}") for n in range(2, 1000))
    return folder if not folder.exists() else next(path for path in tries if not path.exists())
