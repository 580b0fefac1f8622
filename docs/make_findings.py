"""Track a run for the documentation: its record, its page, and docs/findings.md, which is made from the record.

    python docs/make_findings.py reports/latest            # track this run, a full one at paper scale, and write docs/findings.md
    python docs/make_findings.py reports/latest DEFAULT    # ... and what a default run from an empty store took
    python docs/make_findings.py                           # write docs/findings.md again from the run that is tracked

The record is report.json without the digests of stages, which are most of it; the page is report.html as the run wrote it. The
tracked run may have found networks in its store, so that its time says nothing: README has that of the default run, and
times.json has what each of its tasks took.
"""

from __future__ import annotations

import dataclasses
import json
import lzma
import sys
from pathlib import Path
from typing import Any

from harness.errors import InvalidInput
from harness.report import findings, html, json_file
from harness.report.text import counts
from harness.suite.catalogue import declare_papers
from harness.suite.records import Report

DOCS = Path(__file__).resolve().parent
RECORD, HTML, PAGE = DOCS / "run" / "report.json.xz", DOCS / "run" / "report.html.xz", DOCS / "findings.md"
DEFAULT, TIMES = DOCS / "run" / "default.json", DOCS / "run" / "times.json"
EXAMPLE = "example-report.html"  # where the site has the page
TOP = """# What the papers' sentences came to

Made by `python docs/make_findings.py` from one run at paper scale, {date}, {seeds} seeds, {precision}, on {cpu}:
{counts}.

One row is one sentence of a paper, in the paper's order. The first verdict, in bold, is that of its plain reading; those of other
readings stand below it. A sentence holds "in every reading" when all of them are SUPPORTED. Each verdict leads to its card in the
[report of this run]({example}), which has the reading, the region and its reason, the controls and the figure.
[Reading a verdict](verdicts.md) says what the words mean. Words in quotation marks are the paper's; all others are ours.

In a checkout the links to cards lead nowhere: the site that `nox -s docs` builds has that report as a page. To see it without
building the site, `xz -dk docs/run/report.html.xz` and open `docs/run/report.html`.
"""


def record() -> Report:
    """The tracked run."""
    return Report.from_json(json.loads(lzma.decompress(RECORD.read_bytes())))


def page(report: Report) -> str:
    """docs/findings.md."""
    facts = {"date": report.created[:10], "seeds": report.seeds, "precision": report.precision, "cpu": report.environment["cpu"]}
    parts = [TOP.format(**facts, counts=counts(report), example=EXAMPLE)]
    for title, tally, table in findings.by_paper(report, EXAMPLE):
        parts.append("\n".join([f"## {title}\n", f"{tally}\n", *table]) + "\n")
    return "\n".join(parts)


def full(folder: Path) -> Report:
    """The report in the folder.

    Raises:
        InvalidInput: the run is not a full one at paper scale.
    """
    report = json_file.read(folder)
    if not report.complete or report.partial or report.scale != "paper":
        state = f"scale {report.scale}, {'complete' if report.complete else 'stopped'}, {'partial' if report.partial else 'full'}"
        raise InvalidInput(f"{folder} is a run at {state}: give a complete and full run at scale paper")
    return report


def track(folder: Path) -> None:
    """Keep the record and the page of a run."""
    report = full(folder)
    slim = dataclasses.replace(report, experiments=[dataclasses.replace(run, stages=[]) for run in report.experiments])
    RECORD.parent.mkdir(exist_ok=True)
    RECORD.write_bytes(lzma.compress(json.dumps(slim.to_json()).encode(), preset=9))
    HTML.write_bytes(lzma.compress((folder / html.NAME).read_bytes(), preset=9))


def track_default(folder: Path) -> None:
    """Keep what a default run from an empty store took, seconds and MiB, and what each of its tasks took."""
    report = full(folder)
    took = {"created": report.created, "seeds": report.seeds, "seconds": report.seconds, "peak_memory": report.peak_memory}
    DEFAULT.write_text(json.dumps(took, indent=1) + "\n", encoding="utf-8")
    TIMES.write_text(json.dumps(times(report)) + "\n", encoding="utf-8")


def times(report: Report) -> dict[str, Any]:
    """Seconds of each claim, and of each run of an experiment: to prepare it, and of its stages."""
    named = ("created", "scale", "precision", "seeds", "seconds")
    runs = [
        {
            "name": run.name,
            "seed": run.seed,
            "prepared": round(run.prepared, 3),
            "seconds": {stage: round(took, 3) for stage, took in run.seconds.items()},
        }
        for run in report.experiments
    ]
    claims = {record.id: round(record.seconds, 3) for record in report.claims}
    return {**{name: getattr(report, name) for name in named}, "claims": claims, "experiments": runs}


def main() -> None:
    declare_papers(DOCS.parent / "claims")
    for keep, folder in zip((track, track_default), map(Path, sys.argv[1:3]), strict=False):
        keep(folder)
    PAGE.write_text(page(record()), encoding="utf-8")
    print(f"{PAGE}: {len(record().claims)} claims")


if __name__ == "__main__":
    main()
