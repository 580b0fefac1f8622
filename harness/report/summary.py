"""The step summary of a CI run: Markdown appended to the file that ``$GITHUB_STEP_SUMMARY`` names, within what GitHub accepts."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

VARIABLE = "GITHUB_STEP_SUMMARY"
MOST = 1_000_000  # bytes; GitHub refuses a summary above 1 MiB, other steps' parts not counted


def append(page: str, environ: Mapping[str, str] = os.environ) -> str:
    """Side effect: append the page where CI wants it. Returns what went wrong, else ""."""
    if not environ.get(VARIABLE):
        return ""
    target = Path(environ[VARIABLE])
    try:
        with target.open("a", encoding="utf-8") as file:
            file.write(fitted(page))
    except OSError as error:
        return f"the step summary could not be written to {target} ({error.strerror}): unset {VARIABLE} or repair it"
    return ""


def fitted(page: str, most: int = MOST) -> str:
    """The page, cut after a whole line if it is too large, saying so."""
    content = page.encode()
    if len(content) <= most:
        return page
    note = "\n\n(cut here: the rest is in report.md)\n"
    kept = content[: most - len(note.encode())].decode(errors="ignore")
    return kept[: kept.rfind("\n")] + note
