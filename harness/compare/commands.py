"""The commands that read stored reports: compare, rejudge, baseline, history. None of them imports JAX or runs anything."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.compare import baseline, history, history_page, html, text
from harness.compare.comparison import MEANING, Comparison, Exit, compare
from harness.errors import Incomparable, InvalidInput, Unreadable
from harness.report import json_file
from harness.suite import ensemble, evidence
from harness.suite.audit import Known, audit, unlike_arrays
from harness.suite.catalogue import declare_folder, declared
from harness.suite.paper import fixtures
from harness.suite.records import ClaimRecord, Evidence, Report
from harness.suite.rejudge import deciding_seeds, ensemble_of, interval_again, region_of, rejudge
from harness.suite.verdict import Verdict

REPORTS = Path("reports")
READING = {code: MEANING[code] for code in (Exit.USAGE, Exit.UNREADABLE)}
REJUDGED = READING | {
    Exit.SAME: "every verdict and every interval is the recorded one",
    Exit.VERDICT: "a verdict is not the recorded one",
    Exit.MOVED: "every verdict is the same, but an interval is of other bits",
    Exit.INCOMPARABLE: "the report holds no verdict",
}
PAGED = READING | {Exit.SAME: "the page was written", Exit.INCOMPARABLE: "no report holds a judged claim"}
COMPARE = """\
Did a verdict change, did a number move, which stage moved first, and is it chance?

For each run that both reports hold, the stages are compared in the order in which they feed each other: data, initial parameters,
batch order, losses and parameters step by step, J, singular values, spans of singular directions. The first one beyond its
rounding-error model is where to look. For each claim: the largest change, the share of its margin that is gone, and the p-value
of the question whether the platforms are exchangeable, corrected for the number of claims.
"""
REJUDGE = """\
Recompute every interval and verdict from the recorded values, and compare bit for bit. Check that values and evidence are what
the report was written with; that regions, controls, expectations and ensembles are those of the declared claims and the
tracked files; that no claim is missing, and that what passed did. Needs no store, and with --values-alone no claims and no JAX.
"""
BASELINE = """\
Show how a report differs from the tracked baseline of its platform, scale and precision; with --accept, put it in its place.
Make the report with a full run: nox -s claims -- --claims-scale smoke --claims-precision float32.
"""
HISTORY = """\
Plot each claim's measurement over time, a line a platform, and rank claims by how much of their margin went.
"""


def add(commands: Any) -> None:
    """Declare the commands on argparse's subparsers."""
    _compare(commands)
    again = _command(commands, "rejudge", "judge a stored report again, bit for bit, without JAX", REJUDGE, judge_again, REJUDGED)
    again.add_argument("report", type=Path, metavar="REPORT", help="folder of a report, or its report.json")
    again.add_argument(
        "--values-alone",
        action="store_true",
        help="do not hold the report against the declared claims; needs neither them, nor JAX, nor the evidence files",
    )
    ensembles = "folder of reference ensembles (default: %(default)s)"
    again.add_argument("--ensembles", type=Path, default=Path("fixtures/ensembles"), metavar="DIR", help=ensembles)
    making = _command(commands, "baseline", "show what a new baseline would change, and accept it", BASELINE, make_baseline)
    making.add_argument("report", type=Path, metavar="REPORT", help="folder of a full run's report")
    _into(making, "folder of baselines (default: %(default)s)", baseline.FOLDER)
    making.add_argument("--part", action="store_true", help="take a report of some claims, where running all takes too long")
    making.add_argument("--accept", action="store_true", help="write it, after the difference was shown")
    past = _command(commands, "history", "each measurement over time; claims whose margin erodes", HISTORY, show_history, PAGED)
    past.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="folders of reports (reports/), or report files")
    _into(past, f"where {history_page.NAME} is written (default: the first folder)", None)
    past.add_argument("--most", type=int, default=20, metavar="N", help="lines of the ranking (default: %(default)s)")


def compare_reports(options: argparse.Namespace) -> int:
    """A baseline and a report: table here, Markdown and HTML in a folder."""
    after = json_file.read(options.after)
    tracked = baseline.FOLDER if baseline.FOLDER.is_dir() else fixtures() / baseline.FOLDER.name
    before = json_file.read(baseline.matching(tracked, after) if str(options.before) == "auto" else options.before)
    found = compare(before, after)
    for name, path, report in (("baseline", options.before, before), ("new report", options.after, after)):
        found.warnings.extend(f"{name}: {line}" for line in missing_evidence(path, report))
    into = options.into or _place(options.after)
    write(found, into)
    code = found.code(strict=options.strict)
    lines = text.table(found, every=options.every)
    print("\n".join([*lines, f"written: {into / text.NAME}, {into / html.NAME}", text.exit_line(code)]))
    return code


def _place(after: Path) -> Path:
    """The folder for the comparison: beside the report, but never beside a baseline, whose folder is under version control."""
    if after.is_dir():
        return after
    return after.parent if after.name == json_file.NAME else REPORTS


def judge_again(options: argparse.Namespace) -> int:
    """Judge the recorded values again; every interval and verdict must be the recorded one."""
    report = json_file.read(options.report)
    unheld = json_file.unheld(options.report, report)
    print("\n".join(unheld), end="\n" * bool(unheld))
    if unheld and not (options.values_alone or baseline.is_one(options.report)):
        remedy = "make the report again, or say --values-alone to judge what is there"
        raise Unreadable(f"{options.report} lacks what every report of a run is written with, as only a baseline does: {remedy}")
    problems, absent = missing_evidence(options.report, report), _absent(options.report, report)
    if options.values_alone and len(problems) == absent and problems:
        print(f"{absent} evidence files are not here: judged from the values in the report alone")
        report = replace(report, values=None)
    elif problems:
        hint = "; --values-alone judges the values in the report without them" if absent else ""
        raise Unreadable(f"{len(problems)} evidence file(s) refused; first: {problems[0]}{hint}")
    turned = [(record, now) for record in report.claims if (now := _verdict_now(record)) != record.verdict]
    moved = [line for record in report.claims if record.judged for line in _drift(record)]
    for record, now in turned:
        print(f"{record.id}: recorded as {record.verdict}, judged {now} now")
    counts = f"{len(report.claims)} claims judged again, {len(turned)} verdicts moved, {len(moved)} intervals are of other bits"
    doctored = _doctored(options, report)
    print("\n".join([*moved, *doctored, counts]))
    if doctored and not turned:
        raise Unreadable(f"{len(doctored)} line(s) of the report are not as measured or declared; first: {doctored[0]}")
    if not any(record.judged for record in report.claims):
        raise Incomparable(f"{options.report} holds no verdict, so nothing was judged again")
    return Exit.VERDICT if turned else Exit.MOVED if moved else Exit.SAME


def _verdict_now(record: ClaimRecord) -> str:
    """The verdict that the recorded values give. Values that cannot be judged give NOT_RUN, as in a run."""
    try:
        return rejudge(record).name
    except InvalidInput:
        return Verdict.NOT_RUN.name


def _doctored(options: argparse.Namespace, report: Report) -> list[str]:
    """A line for each entry that is not as measured or, without --values-alone, not as the claims declare it."""
    folder = options.report if options.report.is_dir() else options.report.parent
    found = [] if report.values is None else unlike_arrays(report, evidence.arrays_of(folder, report.values))
    if options.values_alone:
        return found
    if report.called:
        raise InvalidInput(
            f"{options.report} was made by judge() in a script, so that no declared claims go with it: give --values-alone"
        )
    deviations = declare_folder(options.claims)
    tracked = ensemble.load(options.ensembles, report.scale, report.precision)
    return found + audit(report, Known(declared(options.claims), deviations, tracked))


def make_baseline(options: argparse.Namespace) -> int:
    """Show the difference from the baseline in place, then replace it if asked to."""
    report = json_file.read(options.report)
    content, target = baseline.pack(report, options.part), options.into / baseline.name_of(report)
    code = Exit.SAME
    if target.exists():
        known = json_file.read(target)
        if report.partial and not known.partial:
            raise InvalidInput(f"{target} has all claims and this report some: give a full report, or --into another folder")
        try:
            found = compare(known, report)
        except Incomparable as error:  # all experiments are others now: the reason for a new baseline
            print(error)
            code = Exit.INCOMPARABLE
        else:
            print("\n".join(text.table(found)))
            code = found.code(strict=True)
    else:
        print(f"{target}: there is no baseline of this platform, scale and precision yet")
    if not options.accept:
        print(f"nothing was written; to accept it, say --accept ({len(content)} bytes)")
        return code
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(content)
    print(f"{target}: {len(report.claims)} claims, {len(content)} bytes; keep it under version control")
    return Exit.SAME


def show_history(options: argparse.Namespace) -> int:
    """Plots of all claims, and a ranking by eroded margin."""
    reports, problems = history.find(options.folders)
    tracks = history.tracks(reports)
    if not tracks:
        raise Incomparable("; ".join(["no report holds a judged claim", *problems]))
    first = options.folders[0]
    into = options.into or (first if first.is_dir() else first.parent)
    into.mkdir(parents=True, exist_ok=True)
    (into / history_page.NAME).write_text(history_page.render(tracks, len(reports), problems), encoding="utf-8")
    lines = [*history.table(tracks, options.most), *(f"not read: {line}" for line in problems)]
    claims = len({track.id for track in tracks})
    print("\n".join([*lines, f"{into / history_page.NAME}: {claims} claims in {len(reports)} reports"]))
    return Exit.UNREADABLE if problems else Exit.SAME


def write(found: Comparison, folder: Path) -> None:
    """The comparison as Markdown and HTML."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / text.NAME).write_text(text.markdown(found), encoding="utf-8")
    (folder / html.NAME).write_text(html.render(found), encoding="utf-8")


def missing_evidence(path: Path, report: Report) -> list[str]:
    """A line for each evidence file of a stored report that is not there, or not what the report was written with."""
    folder = path if path.is_dir() else path.parent
    problems = []
    for held in _evidence(report):
        try:
            evidence.verified(folder, held)
        except Unreadable as error:
            problems.append(str(error))
    return problems


def _absent(path: Path, report: Report) -> int:
    """Number of the report's evidence files that are missing."""
    folder = path if path.is_dir() else path.parent
    return sum(not (folder / held.file).exists() for held in _evidence(report))


def _evidence(report: Report) -> list[Evidence]:
    return [held for held in (report.values, *(record.evidence for record in report.claims)) if held is not None]


def _drift(record: ClaimRecord) -> list[str]:
    """A line if the recorded values do not give the recorded interval, bit for bit, and number of seeds again."""
    ensemble, judged = ensemble_of(record), record.measurements[0]
    try:
        interval = interval_again(record)
        seeds = deciding_seeds(record.over, judged, region_of(record), ensemble) if record.verdict == "INCONCLUSIVE" else None
    except InvalidInput as error:
        return [f"{record.id}: {error}"]
    found = [interval.low, interval.high] if interval.bounded else None
    pairs = {"interval": (judged.interval, found), "seeds to decide": (record.seeds_to_decide, seeds)}
    moved = [f"{what} recorded as {was}, now {now}" for what, (was, now) in pairs.items() if was != now]
    return [f"{record.id}: {'; '.join(moved)}"] if moved else []


def _compare(commands: Any) -> None:
    what = "two reports: verdicts, measurements, the first stage that moved"
    comparing = _command(commands, "compare", what, COMPARE, compare_reports)
    sources = "the baseline: a report's folder, its report.json, a tracked baseline, or `auto`"
    comparing.add_argument("before", type=Path, metavar="A", help=sources)
    comparing.add_argument("after", type=Path, metavar="B", help="the new report")
    comparing.add_argument("--strict", action="store_true", help="exit codes for what moved without changing a verdict")
    comparing.add_argument("--every", action="store_true", help="list claims of the same bits as well")
    _into(
        comparing,
        f"where {text.NAME} and {html.NAME} are written (default: beside B, or reports/ where B is no folder or report.json)",
        None,
    )


def _into(parser: argparse.ArgumentParser, help: str, default: Path | None) -> None:
    parser.add_argument("--into", type=Path, default=default, metavar="DIR", help=help)


def _command(
    commands: Any, name: str, line: str, description: str, function: Any, codes: Mapping[Exit, str] = MEANING
) -> argparse.ArgumentParser:
    codes_text = "exit codes:\n" + "\n".join(f"  {code.value}  {codes[code]}" for code in sorted(codes))
    made: argparse.ArgumentParser = commands.add_parser(
        name, help=line, description=description, epilog=codes_text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    made.set_defaults(command=function)
    return made
