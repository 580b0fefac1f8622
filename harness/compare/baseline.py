"""Baselines: reference reports under version control, one for each platform family, scale and precision. A run finds its own.

A baseline has its stage records and every recorded value, and so can be compared and judged again. Arrays that only figures need
are left out, which keeps it below 300 KB. It is one ``report.json``, compressed.
"""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

from harness.compare.identity import family
from harness.errors import Incomparable, InvalidInput
from harness.report import json_file
from harness.suite.records import Report

FOLDER = Path("fixtures/baselines")
SUFFIX = ".json.gz"
MAKE = "make one from a full run: python -m harness baseline REPORT_DIR --accept"
MOST = 300_000  # bytes of a tracked baseline


def name_of(report: Report) -> str:
    """``smoke-float32-linux-x86_64-cpu.json.gz``."""
    return f"{report.scale}-{report.precision}-{family(report)}{SUFFIX}"


def is_one(path: Path) -> bool:
    """Whether the path is that of a baseline. A baseline has no file of values beside it."""
    return path.is_file() and path.name.endswith(SUFFIX)


def candidates(folder: Path, scale: str, precision: str) -> list[Path]:
    """The baselines of a scale and precision, for any platform.

    Raises:
        InvalidInput: there is no such baseline.
    """
    found = sorted(folder.glob(f"{scale}-{precision}-*{SUFFIX}"))
    if not found:
        there = ", ".join(path.name.removesuffix(SUFFIX) for path in sorted(folder.glob(f"*{SUFFIX}"))) or "none"
        raise InvalidInput(f"no baseline for scale {scale} in {precision} in {folder} (there: {there}); {MAKE}")
    return found


def matching(folder: Path, report: Report) -> Path:
    """The baseline of this report's own platform family.

    Raises:
        Incomparable: there are baselines, but only of other families.
        InvalidInput: there is no baseline of the report's scale and precision.
    """
    found = candidates(folder, report.scale, report.precision)
    own = folder / name_of(report)
    if own not in found:
        there = ", ".join(path.name.removesuffix(SUFFIX) for path in found)
        raise Incomparable(f"no baseline for the platform {family(report)} in {folder} (there: {there}); {MAKE}, or name a file")
    return own


def load(path: Path, report: Report) -> tuple[Path, Report]:
    """The baseline that ``path`` names for this report: a report, or a folder of baselines to choose from."""
    chosen = matching(path, report) if path.is_dir() and not (path / json_file.NAME).exists() else path
    return chosen, json_file.read(chosen)


def pack(report: Report, part: bool = False) -> bytes:
    """A baseline's bytes; the same report gives the same bytes.

    Args:
        part: take a report of some claims. Later reports are compared with it on these claims alone.

    Raises:
        InvalidInput: a report that is no reference: incomplete, of some claims, or without stage records.
    """
    if not report.complete:
        raise InvalidInput("this report is of a run that was stopped: run the claims to their end")
    if report.partial and not part:
        raise InvalidInput("this report is of some claims, and a baseline stands for all: run them all, or say --part")
    if not any(stage.get("values") for run in report.experiments for stage in run.stages):
        raise InvalidInput("this report has no stage records, so nothing could be localised against it: make it again")
    claims = [dataclasses.replace(record, evidence=None) for record in report.claims]
    text = json.dumps(dataclasses.replace(report, claims=claims, values=None).to_json(), separators=(",", ":"), allow_nan=False)
    content = gzip.compress(text.encode(), mtime=0)
    if len(content) > MOST:
        raise InvalidInput(f"this baseline would take {len(content)} bytes, {MOST} are allowed: use fewer seeds")
    return content
