"""Commands of ``python -m harness``: look at the claims; compare, judge or render stored reports; make references."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import os
import shlex
import shutil
import sys
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.compare import Exit
from harness.compare import commands as stored
from harness.errors import HarnessError, Incomparable, InvalidInput, Unreadable
from harness.plugin.options import share_cores
from harness.report import canaries, html, json_file, markdown
from harness.report.sentences import order
from harness.report.story import filled, story
from harness.report.text import power_table, reason, runner, said
from harness.runs.experiment import CATALOGUE, PRECISIONS, SCALES
from harness.suite import ensemble
from harness.suite.acceptance import changes, confirmed, extended, unsettled
from harness.suite.catalogue import base, declare_folder, declare_papers, declared, node_id
from harness.suite.claim import REGISTRY, Claim
from harness.suite.evidence import slug
from harness.suite.expectation import (
    Deviations,
    Expectation,
    disagreements,
    expected,
    missing_control,
    read_ledger,
    unknown_id,
)
from harness.suite.membership import FALSE_ALARMS
from harness.suite.paper import home
from harness.suite.power import MEANS_ABSURD, power
from harness.suite.verdict import least_seeds

DESCRIPTION = "Look at the claims; compare, judge or render stored reports; make references. Runs no experiment."
REFUSALS = ((Unreadable, Exit.UNREADABLE), (Incomparable, Exit.INCOMPARABLE))
EPILOG = """\
Claims are judged by pytest, not by this command:
  pytest claims                          every claim at paper scale, 3 seeds
  pytest claims --claims-scale smoke     the same pipeline, small
  pytest claims --claims-id ID           one claim, by the id that `list` shows
The report is in reports/latest (reports/partial when claims were left out).

Did something move on this machine?
  pytest claims --claims-scale smoke --claims-baseline auto
  python -m harness canaries             are the libraries right, before any experiment
  python -m harness compare A B          two reports: the first stage that moved, verdicts, chance
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; its exit code is one of :class:`harness.compare.Exit`."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except HarnessError as error:
        print(f"error: {error}", file=sys.stderr)
        return next((int(code) for kind, code in REFUSALS if isinstance(error, kind)), int(Exit.USAGE))
    except BrokenPipeError:  # the reader, `head` perhaps, has seen enough; Python would complain once more when it flushes
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def list_claims(options: argparse.Namespace) -> int:
    """A line a claim under its paper, then what is not judged and why."""
    deviations = declare_folder(options.claims)
    known = declared(options.claims)
    rows = {claim.id: _row(claim, deviations) for claim in known.values()}
    header = ("claim", "scales", "expected", "what is claimed, and the paper's own words in quotation marks")
    widths = [max(map(len, column)) for column in zip(*rows.values(), header, strict=True)][:-1]
    print(_fit(_aligned(header, widths)))
    for paper in order(claim.paper for claim in known.values()):
        print(f"{paper}/")
        for claim in known.values():
            if claim.paper == paper:
                print(_fit(_aligned(rows[claim.id], widths)))
    print(f"{len(known)} claims; `python -m harness show ID` has all about one")
    print("[derived]: our own statement, not the paper's; [calibrated]: its region was chosen to give the paper's number")
    for entry in read_ledger(options.claims / "ledger.toml"):
        print(_fit(f"not judged: {entry.id} ({entry.where}): {entry.reason}"))
    return 0


def _row(claim: Claim, deviations: Deviations) -> tuple[str, ...]:
    verdicts = sorted({expected(claim, scale, deviations).name or "nothing expected" for scale in claim.scales})
    return _statement(claim), ",".join(claim.scales), "/".join(verdicts), said(claim)


def _aligned(row: Sequence[str], widths: Sequence[int]) -> str:
    return "  ".join(["", *(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]])


def show_claim(options: argparse.Namespace) -> int:
    """Everything that is declared about one claim, or about all readings of one."""
    deviations = declare_folder(options.claims)
    known = declared(options.claims)
    chosen = [claim for id, claim in known.items() if options.id in (id, base(id), _statement(claim), base(_statement(claim)))]
    unjudged = [entry for entry in read_ledger(options.claims / "ledger.toml") if options.id == entry.id]
    for entry in unjudged:
        print(f"not judged: {entry.id} ({entry.where}): {entry.reason}")
    if not chosen and not unjudged:
        raise InvalidInput(f"{unknown_id(options.id, known)} (in the folder {options.claims}/)")
    for number, claim in enumerate(chosen):
        print(end="\n" if number else "")
        for line in filled([*_facts(claim, deviations), *_last(claim, options.reports)], 116):
            print(line)
    return 0


def _last(claim: Claim, reports: Path) -> list[tuple[str, str]]:
    """What the newest report with the claim says of it; [] if there is no such report."""
    found = []
    for folder in (reports / "latest", reports / "partial"):
        with contextlib.suppress(Unreadable):
            report = json_file.read(folder)
            found += [(report, folder, record) for record in report.claims if record.id == claim.id]
    if not found:
        return []
    report, folder, record = max(found, key=lambda entry: entry[0].created)
    place = f"{report.created}, scale {report.scale}, {folder / html.NAME}#{slug(record.id)}"
    told = [line for line in story(record) if line[0] not in ("the paper", "our words", "we read", "accepted", "instead")]
    return [("last", place), *(told or [("", reason(record))])]


def papers_folder(options: argparse.Namespace) -> int:
    """The papers that come with this package: in its checkout, or installed beside it."""
    print(home())
    return 0


def make_ensemble(options: argparse.Namespace) -> int:
    """Show what the reference ensembles of a report would change, and write them if asked to."""
    if options.left and not options.confirm:
        raise InvalidInput("--left goes with --confirm: it lists the claims whose ensembles are not confirmed")
    report = json_file.read(options.report)
    known = ensemble.load(options.into, report.scale, report.precision)
    if options.confirm:
        content, lines = confirmed(report, known)
        if options.left:
            options.left.write_text("".join(f"{id}\n" for id in unsettled(report, content)), encoding="utf-8")
    elif options.extend:
        content, lines = extended(report, known)
        lines += changes(report, known, content)
    else:
        content = ensemble.make(report, known)
        lines = changes(report, known, content)
    for line in lines:
        print(line)
    path = options.into / f"{report.scale}-{report.precision}.json"
    before, after = known.claims, content["claims"]
    measured = sum(report.created in entry["created"] for entry in after.values())
    new = f"{measured} {'with seeds of' if options.extend else 'of them from'} this report"
    if options.confirm:
        new = f"{sum(entry['code'] != before[id]['code'] for id, entry in after.items())} confirmed by this report"
    counted = f"{path}: {len(after)} claims, {new}"
    if not options.accept:
        print(f"{counted}; nothing was written: --accept writes it")
        return 0
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"{counted}; keep it under version control")
    return 0


def check_expected(options: argparse.Namespace) -> int:
    """Hold the deviations against the ensembles and the controls: a line for each claim that does not fit."""
    deviations = declare_folder(options.claims)
    listed = [
        (claim, scale, expected(claim, scale, deviations))
        for claim in declared(options.claims).values()
        for scale in claim.scales
    ]
    lacking = [f"{scale}: {claim.id}: {line}" for claim, scale, one in listed for line in missing_control(claim, one)]
    print("\n".join(lacking), end="\n" if lacking else "")
    said, missing = len(lacking), []
    for scale, precision in itertools.product(SCALES, PRECISIONS):
        known = ensemble.load(options.ensembles, scale, precision)
        if known.path is None:
            continue
        claims = [claim for id, claim in REGISTRY.items() if id in known.claims and scale in claim.scales]
        of = {claim.id: ensemble.fingerprints(claim, scale, precision) for claim in claims}
        lines = disagreements(deviations, known, REGISTRY, scale, lambda claim, of=of: of[claim.id])  # type: ignore[misc]
        outdated = [claim.id for claim in claims if known.of(claim, of[claim.id]).outdated]
        unconfirmed = _unconfirmed(claims, known, of, scale, precision)
        gone = sorted(id for id in known.claims if id not in {claim.id for claim in claims})
        for line in [
            *lines,
            *_named("outdated, of another version of the experiment", outdated),
            *_named("unconfirmed, measured by other code", unconfirmed),
            *_named("of no claim", gone),
        ]:
            print(f"{scale}, {precision}: {line}")
        print(f"{known.path}: {len(claims) - len(outdated)} claims, {len(lines)} of which disagree with the deviations")
        missing += _missing(scale, precision, known, len(outdated))
        said += len(lines)
    print("\n".join(missing or [f"every claim that needs an ensemble in {options.ensembles} has one"]))
    return Exit.VERDICT if said else Exit.SAME


def show_power(options: argparse.Namespace) -> int:
    """What a run of so many seeds detects of each claim that has an ensemble."""
    declare_folder(options.claims)
    known = ensemble.load(options.ensembles, options.scale, PRECISIONS[0])
    claims = [claim for id, claim in declared(options.claims).items() if id in known.claims and options.scale in claim.scales]
    references = {c.id: known.of(c, ensemble.fingerprints(c, options.scale, PRECISIONS[0])).ensemble for c in claims}
    tested = [(claim, found) for claim in claims if (found := references[claim.id]) is not None]
    powers = ((c.id, power(c.over, c.accept, found, options.seeds, len(tested))) for c, found in tested)
    records = [(id, record) for id, record in powers if record is not None]
    counted = f"{len(tested)} claims with an ensemble at scale {options.scale}, {options.seeds} seeds"
    if records:
        print("\n".join(power_table(records)))
        print(f"\n{counted}; {sum(bool(record.blind) for _, record in records)} detect nothing short of absurd")
        print("shifts: of the mean, in standard deviations between seeds; a run shows them 4 times in 5")
        print(f"seen: not of the ensemble, at level {FALSE_ALARMS:.0%} over all claims, {FALSE_ALARMS / len(tested):.2g} a claim")
        print(f"absurd: {MEANS_ABSURD}")
    else:
        print(counted)
    for line in _missing(options.scale, PRECISIONS[0], known, len(claims) - len(tested)):
        print(line)
    return 0


def _missing(scale: str, precision: str, known: ensemble.Ensembles, outdated: int) -> list[str]:
    """How many claims have no ensemble to be tested against, and the command that makes it; [] if all have one."""
    random = [
        claim for claim in REGISTRY.values() if scale in claim.scales and claim.over in ensemble.OVER and not claim.portable
    ]
    absent = sum(claim.id not in known.claims for claim in random)
    if not outdated and not absent:
        return []
    made = "nox -s ensembles" + (" -- paper" if scale == "paper" else "")
    remedy = f"`{made}` measures them" if Path("noxfile.py").is_file() else ensemble.MAKE
    return [f"{scale}, {precision}: {outdated} claims have an outdated ensemble and {absent} none; {remedy}"]


def _unconfirmed(
    claims: Sequence[Claim], known: ensemble.Ensembles, of: Mapping[str, Mapping[str, str]], scale: str, precision: str
) -> list[str]:
    """Ids of the claims whose ensemble other code measured. This opens the claims' runs, and computes nothing.

    Claims on experiments without a name in the catalogue, such as those of a lab of one's own, are left out.

    Args:
        of: fingerprints of each claim's experiments, by its id.
    """
    from harness.runs.lab import Lab
    from harness.suite.code import code_of

    lab = Lab(scale=scale, precision=precision)
    named = [claim for claim in claims if all(scale in CATALOGUE.get(name, {}) for name in claim.on)]
    codes = {claim.id: code_of(claim, [lab.run(name) for name in claim.on]) for claim in named}
    return [claim.id for claim in named if known.of(claim, of[claim.id], codes[claim.id]).unconfirmed]


def _named(what: str, ids: Sequence[str]) -> list[str]:
    return [f"{len(ids)} {what}:" + "".join(f"\n  {id}" for id in ids)] if ids else []


def render_again(options: argparse.Namespace) -> int:
    """Write the pages of a report again, from its numbers and the evidence beside them."""
    folder = options.report.parent if options.report.name == json_file.NAME else options.report
    report = json_file.read(folder)
    if options.claims.is_dir():
        sys.path.insert(0, str(options.claims.resolve().parent))
        declare_papers(options.claims.resolve())
    for page in (html, markdown):
        page.write(report, folder)
    print(f"{folder / html.NAME}: {len(report.claims)} claims")
    if options.figures is not None:
        from harness.report.figures import export

        for path in export(report, folder, options.figures):
            print(path)
    return 0


def check_canaries(options: argparse.Namespace) -> int:
    """The known-answer checks of everything that results rest on; 1 if one that is not listed came out otherwise."""
    share_cores(1)
    found = canaries.collect()
    if options.json:
        print(json.dumps(dataclasses.asdict(found), allow_nan=False))
        return Exit.VERDICT if found.failing else Exit.SAME
    for red in found.red:
        print(canaries.line(red))
    print(f"canaries: {canaries.said(found)}")
    return Exit.VERDICT if found.failing else Exit.SAME


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m harness", description=DESCRIPTION, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--claims", type=Path, default=_here(), metavar="DIR", help="folder of claims; before COMMAND (%(default)s)"
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    listing = commands.add_parser("list", help="every claim: id, scales, expected verdict, what is claimed, the paper's words")
    listing.set_defaults(command=list_claims)
    show = commands.add_parser(
        "show", help="one claim: reading, accepted region and its reason, controls, how to run it, last result"
    )
    show.add_argument("id", metavar="ID", help="a claim's id, as `list` shows it")
    show.add_argument(
        "--reports", type=Path, default=Path("reports"), metavar="DIR", help="where the last result is looked for (%(default)s)"
    )
    show.set_defaults(command=show_claim)
    pages = commands.add_parser("report", help="write report.html and report.md of a stored report again")
    pages.add_argument("report", type=Path, metavar="REPORT", help="folder of a report, or its report.json")
    pages.add_argument("--figures", type=Path, metavar="DIR", help="write each figure as an SVG file into this folder as well")
    pages.set_defaults(command=render_again)
    where = commands.add_parser("papers", help="the folder of the papers' claims, to give to pytest")
    where.set_defaults(command=papers_folder)
    making = commands.add_parser(
        "ensemble",
        help="show what new reference ensembles would change, and accept them: they say what to expect of a claim",
        description="First run: pytest claims --claims-seeds 16 --claims-ensemble (32 at scale smoke; 8 at least). Then give "
        "this command its report.",
    )
    making.add_argument("report", type=Path, metavar="REPORT", help="folder of a report; with --confirm two seeds are enough")
    making.add_argument("--into", type=Path, default=Path("fixtures/ensembles"), metavar="DIR", help="default: %(default)s")
    making.add_argument("--accept", action="store_true", help="write it; without, the difference is shown")
    kept = making.add_mutually_exclusive_group()
    kept.add_argument("--extend", action="store_true", help="add the report's seeds to the ensembles, which keep those they have")
    kept.add_argument(
        "--confirm",
        action="store_true",
        help="after a change of code: keep the ensembles of claims whose values, on two of their seeds or more, did not move",
    )
    making.add_argument(
        "--left",
        type=Path,
        metavar="FILE",
        help="with --confirm: write the ids of claims to be measured anew, one a line",
    )
    making.set_defaults(command=make_ensemble)
    expecting = commands.add_parser(
        "expected", help="where the deviations disagree with the reference ensembles or the controls; 1 if they do"
    )
    expecting.add_argument(
        "--ensembles", type=Path, default=Path("fixtures/ensembles"), metavar="DIR", help="default: %(default)s"
    )
    expecting.set_defaults(command=check_expected)
    detecting = commands.add_parser("power", help="how far each claim's value has to move before a run says so")
    detecting.add_argument("--scale", choices=SCALES, default="paper", help="default: %(default)s")
    detecting.add_argument("--seeds", type=int, default=3, metavar="N", help="of the run, default: %(default)s")
    detecting.add_argument(
        "--ensembles", type=Path, default=Path("fixtures/ensembles"), metavar="DIR", help="default: %(default)s"
    )
    detecting.set_defaults(command=show_power)
    checking = commands.add_parser("canaries", help="check, in seconds, the libraries that results rest on; 1 if one is wrong")
    checking.add_argument("--json", action="store_true", help="the record alone, as a report holds it")
    checking.set_defaults(command=check_canaries)
    stored.add(commands)
    return parser


def _here() -> Path:
    """The folder that `claims_paths` of this project names, or its folder claims; without one, this package's papers."""
    project = Path("pyproject.toml")
    if project.is_file():
        settings = tomllib.loads(project.read_text(encoding="utf-8")).get("tool", {}).get("pytest", {}).get("ini_options", {})
        if settings.get("claims_paths"):
            return Path(settings["claims_paths"])
    return Path("claims") if Path("claims").is_dir() else home()


def _facts(claim: Claim, deviations: Deviations) -> list[tuple[str, str]]:
    wanted = [(scale, expected(claim, scale, deviations)) for scale in claim.scales]
    return [
        ("claim", claim.id),
        ("where", claim.where),
        *([("quotes", f'"{claim.quotes}"')] if claim.quotes else []),
        ("says", claim.says),
        *([("mark", "derived: our own statement, not the paper's")] if claim.derived else []),
        ("reading", claim.reading),
        ("accepts", f"{f'{claim.accept} {claim.unit}'.rstrip()}: {claim.accept.reason}"),
        *([("mark", "calibrated: what is accepted was chosen so that the paper's number comes out")] if claim.calibrated else []),
        ("measured", f"over {claim.over}, on {', '.join(claim.on) or 'no experiment'}{_needed(claim)}"),
        *(("control", f"{control.name}: must come out {control.expect.name}") for control in claim.controls),
        *(("expected", f"{scale}: {_wanted(one)}") for scale, one in wanted),
        ("alone", _alone(claim)),
    ]


def _alone(claim: Claim) -> str:
    node = node_id(claim, Path.cwd())
    run, option = runner(node.partition("::")[0]), "" if "paper" in claim.scales else f"--claims-scale {claim.scales[-1]} "
    return f"{run} {option}" + (shlex.quote(node) if run == "pytest" else f"--claims-id {shlex.quote(claim.id)}")


def _wanted(expectation: Expectation) -> str:
    if expectation.verdict is None:
        return "nothing: the verdict is a finding"
    return f"{expectation.name}, {expectation.reason or 'as published'}"


def _needed(claim: Claim) -> str:
    """How many seeds can support a claim over a share if all agree: the share of few seeds has a wide interval."""
    return f"; {least_seeds(claim.accept) or 'no number of'} seeds that agree can support it" if claim.over == "share" else ""


def _statement(claim: Claim) -> str:
    return claim.id.removeprefix(f"{claim.paper}/")


def _fit(line: str) -> str:
    if not sys.stdout.isatty():
        return line
    width = max(100, shutil.get_terminal_size((120, 24)).columns)
    return line if len(line) <= width else f"{line[: width - 3]}..."
