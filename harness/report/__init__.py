"""Reports: verdicts as JSON, Markdown and HTML, written whole or not at all, and read again with :func:`load`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.report import html, json_file, markdown
from harness.report.loading import StoredClaim, StoredReport, load
from harness.suite.records import Report

__all__ = ["WRITERS", "StoredClaim", "StoredReport", "Writer", "load", "write"]

Writer = Callable[[Report, Path], None]
# each writes its file(s) of the report into the folder; JSON comes first, so that a broken page costs no numbers
WRITERS: list[Writer] = [json_file.write, markdown.write, html.write]


def write(report: Report, folder: Path, more: Sequence[Writer] = ()) -> list[str]:
    """Write every file of the report into ``folder``, and those of ``more`` writers.

    Returns:
        What went wrong, a line for each writer that failed.

    Raises:
        OSError: a file cannot be written (no space, no permission).
    """
    folder.mkdir(parents=True, exist_ok=True)
    problems = []
    for writer in [*WRITERS, *more]:
        try:
            writer(report, folder)
        except OSError:
            raise
        except Exception as error:
            problems.append(f"{writer.__module__} could not write its part of the report ({type(error).__name__}: {error})")
    return problems
