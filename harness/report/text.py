"""How a claim's numbers are written for people, the same in terminal, Markdown and JUnit."""

from __future__ import annotations

import math
import shlex
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from harness.suite.claim import Claim
from harness.suite.paper import home
from harness.suite.records import ClaimRecord, PowerRecord, Report
from harness.suite.rejudge import side_of
from harness.suite.verdict import opposite

WORST_FIRST = ("failed", "deviates", "refuted", "open", "passed", "not run")
SIGNS = {"SUPPORTED": "✓", "REFUTED": "✗", "INCONCLUSIVE": "?", "NOT_RUN": "∅"}
DEFAULTS = {"scale": "paper", "precision": "float32", "seeds": 3, "first_seed": 0}
TWO_QUESTIONS = (
    "Two questions are asked of every claim. Does it hold? The verdict says where the 95 % interval over this run's seeds lies "
    "against the accepted region. Is this run one of the reference ensemble? Its values are tested against those of other seeds; "
    "of a hundred runs with nothing wrong one or two raise an alarm. A run fails when a verdict contradicts its ensemble's "
    "(SUPPORTED against REFUTED, by more than chance), values do not belong to it, a control comes out on the wrong "
    "side or something broke; an open verdict fails nothing."
)


def visible(text: str) -> str:
    """The text on one line, with control characters and marks that reverse text written out, as ``\\x1b`` or ``\\n``."""
    return "".join(char if _shown(char) else char.encode("unicode_escape").decode() for char in text)


def _shown(char: str) -> bool:
    return char.isprintable() or unicodedata.category(char) == "Zs"


def measured(record: ClaimRecord) -> str:
    """The interval of the judged quantity, or its point; without an interval "-"."""
    if not record.measurements or record.measurements[0].interval is None:
        return "-"
    low, high = record.measurements[0].interval
    digits = _digits(record)
    return f"{low:.{digits}g}" if low == high else f"[{low:.{digits}g}, {high:.{digits}g}]"


def accepted(record: ClaimRecord) -> str:
    """The accepted region."""
    low, high = record.rule.accept
    digits = _digits(record)
    if low is None or high is None:
        return "anything" if low == high else (f"<= {high:.{digits}g}" if low is None else f">= {low:.{digits}g}")
    return f"[{low:.{digits}g}, {high:.{digits}g}]"


def _digits(record: ClaimRecord) -> int:
    """Four significant digits, or more where rounding would show another verdict."""
    interval = record.measurements[0].interval if record.measurements else None
    if interval is None:
        return 4
    bounds = [-math.inf if record.rule.accept[0] is None else record.rule.accept[0]]
    bounds.append(math.inf if record.rule.accept[1] is None else record.rule.accept[1])
    exact = _lies(interval, bounds)
    shown = (([float(f"{x:.{n}g}") for x in interval], [float(f"{x:.{n}g}") for x in bounds]) for n in range(4, 17))
    return next((n for n, (found, region) in enumerate(shown, 4) if _lies(found, region) == exact), 17)


def _lies(interval: Sequence[float], region: Sequence[float]) -> str:
    (low, high), (bottom, top) = interval, region
    return "inside" if bottom <= low and high <= top else "outside" if high < bottom or top < low else "across"


def marks(stated: Claim | ClaimRecord) -> list[str]:
    """``derived`` for a statement that is not the paper's, ``calibrated`` for a region that was set to the paper's number."""
    return [mark for mark in ("derived", "calibrated") if getattr(stated, mark)]


def said(stated: Claim | ClaimRecord) -> str:
    """Our words and the claim's marks, then the paper's words in quotation marks."""
    return " ".join([stated.says, *(f"[{mark}]" for mark in marks(stated)), *([f'"{stated.quotes}"'] if stated.quotes else [])])


def seeds(count: int, first: int, until_decided: bool = False) -> str:
    """``3 seed(s)``, ``3 seed(s) from 12`` where they do not start at 0, ``3 or more seed(s)`` where open claims take more."""
    return f"{count}{' or more' if until_decided else ''} seed(s){f' from {first}' if first else ''}"


def facts(report: Report) -> list[str]:
    """What was asked for: the scale, where a run has one, seeds, precision; and when."""
    scale = [] if report.called else [f"scale {report.scale}"]
    return [*scale, seeds(report.seeds, report.first_seed, report.until_decided), report.precision, report.created]


def options(report: Report) -> list[str]:
    """The options, other than defaults, with which a claim is judged as in this run."""
    got = {name: getattr(report, name) for name in DEFAULTS}
    changed = [(name, value) for name, value in got.items() if value != DEFAULTS[name]]
    until = ["--claims-until-decided"] if report.until_decided else []
    return [*(f"--claims-{name.replace('_', '-')} {value}" for name, value in changed), *until]


def command(record: ClaimRecord, report: Report) -> str:
    """The command that judges the claim alone as in this run: in a checkout, an installed copy, another project, or a script."""
    file, _, item = record.node.partition("::")
    if not item:
        return f'judge(network, claims="{record.paper}")'
    return " ".join([runner(file), "--claims-id", shlex.quote(record.id), *options(report)])


def runner(file: str) -> str:
    """The command that runs a claim of that file: nox in a checkout, pytest on an installed copy or in another project."""
    papers = home()
    checkout = (papers.parent / "pyproject.toml").is_file()
    place = (papers.parent if checkout else papers) / Path(file)
    if not (place.is_file() and place.resolve().is_relative_to(papers.resolve())):
        return "pytest"
    return "nox -s claims --" if checkout else 'pytest "$(python -m harness papers)"'


def outcome(record: ClaimRecord) -> str:
    """``failed``, ``not run`` (declared), ``deviates`` (as listed), ``refuted`` (and not listed, as on other networks), ``open``
    (too few seeds to decide, or an opposite verdict that their choice explains) or ``passed``."""
    if record.declared:
        return "not run"
    if not record.passed:
        return "failed"
    if opposite(record.verdict, record.expected):
        return "open"
    if record.deviates:
        return "deviates"
    return {"INCONCLUSIVE": "open", "REFUTED": "refuted"}.get(record.verdict, "passed")


def reason(record: ClaimRecord) -> str:
    """The message without the id and verdict that are already shown beside it."""
    for start in (f"{record.id}: not run: ", f"{record.id} "):
        if record.message.startswith(start):
            return record.message.removeprefix(start).rpartition("NOT_RUN by failure: ")[2]
    return record.message


def worst_first(records: Sequence[ClaimRecord], *, last: bool = False) -> list[ClaimRecord]:
    """Failures, then known deviations, then the rest, each in its own order; with ``last`` the other way round."""
    return sorted(records, key=lambda record: WORST_FIRST.index(outcome(record)) * (-1 if last else 1))


def counts(report: Report) -> str:
    """How many claims came out how, in one line."""
    verdicts = sorted({record.verdict for record in report.claims}, reverse=True)
    parts = [_count([record for record in report.claims if record.verdict == verdict]) for verdict in verdicts]
    failed = sum(outcome(record) == "failed" for record in report.claims)
    listed = sum(outcome(record) == "deviates" for record in report.claims)
    judged = sum(record.judged for record in report.claims)
    selected = len(report.claims) + len(report.unreached)
    total = f"{judged} of {selected} claims judged: {', '.join(parts) or 'none'}"
    return f"{total}; {listed} deviate as listed, {failed} failed"


def passed(report: Report) -> str:
    """What the runner's "passed" means here; "" if every claim that passed is SUPPORTED."""
    of = {name: sum(outcome(record) == name for record in report.claims) for name in WORST_FIRST}
    parts = [
        f"{of['passed']} hold",
        f"{of['deviates']} are listed: refuted or at the edge" if of["deviates"] else "",
        f"{of['refuted']} do not hold on other networks" if of["refuted"] else "",
        f"{of['open']} are open" if of["open"] else "",
    ]
    return f"passed means as expected: {', '.join(filter(None, parts))}" if any(parts[1:]) else ""


def _count(records: Sequence[ClaimRecord]) -> str:
    """The number of these claims, with calibrated claims counted apart."""
    calibrated = sum(record.calibrated and record.judged for record in records)
    return f"{len(records)} {records[0].verdict}" + (f" ({calibrated} calibrated)" if calibrated else "")


def belonging(report: Report) -> str:
    """The second question in one line: are these values of the tracked ensembles? "" if no claim was asked."""
    found = [record for record in report.claims if record.membership is not None]
    by = {state: [record.id for record in found if _state(record) == state] for state in ("belongs", "alarm", "outdated")}
    tested = len(by["belongs"]) + len(by["alarm"])
    if not found:
        return ""
    alarms = f": {', '.join(by['alarm'])}" if by["alarm"] else ""
    parts = [f"{tested} claims tested against their reference ensembles, {len(by['alarm'])} do not belong{alarms}"]
    old = f", {len(by['outdated'])} of them an outdated one" if by["outdated"] else ""
    parts.append(f"{len(found) - tested} have no ensemble to be tested against{old}")
    if other := sum(record.ensemble is not None and bool(record.ensemble.unconfirmed) for record in found):
        parts.append(f"{other} ensembles are unconfirmed: other code measured them")
    if fixed := sum(record.judged for record in report.claims) - sum(record.judged for record in found):
        parts.append(f"{fixed} measure nothing that is random over seeds")
    return "; ".join(parts)


def others_of(record: ClaimRecord) -> str:
    """The seeds of the ensemble that this run's values were tested against: the run's own seeds are left out."""
    others = 0 if record.membership is None else record.membership.others
    there = 0 if record.ensemble is None else len({run for runs in record.ensemble.runs for run in runs})
    if there <= others:
        return f"{others} other seeds"
    return f"{others} of its {there} seeds: those of this run are left out"


def to_decide(record: ClaimRecord) -> str:
    """What would decide an open claim, and how; "" where no number of seeds is known to."""
    if not record.seeds_to_decide:
        return ""
    return f"{record.seeds_to_decide} seeds: {side_of(record).name}, if mean and spread stay"


def detects(power: PowerRecord) -> str:
    """The smallest shifts that a run of so many seeds detects, in one line."""
    if power.alarm is None:
        return "too few seeds for any shift of the mean to be an alarm"
    turns = f"; {_far(power.verdict)} turn the verdict" if power.verdict is not None else ""
    line = f"a shift of the mean by {_far(power.alarm)} standard deviations between seeds ({power.spread:.2g} each){turns}"
    return f"{line}. {power.blind.capitalize()}." if power.blind else line


def power_table(records: Sequence[tuple[str, PowerRecord]]) -> list[str]:
    """What is detected of each claim, as aligned lines under a heading; last the blind ones, with the reason."""
    header = ("claim", "shift seen 4 times in 5", "shift that turns the verdict", "one standard deviation", "")
    last = sorted(records, key=lambda found: bool(found[1].blind))
    cells = [[id, _far(one.alarm), _far(one.verdict), f"{one.spread:.2g}", one.blind] for id, one in last]
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    return ["  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in (header, *cells)]


def _far(shift: float | None) -> str:
    return "none" if shift is None else f"{shift:.0f}" if shift >= 10 else f"{shift:.2g}"


def _state(record: ClaimRecord) -> str:
    return record.membership.state if record.membership is not None else ""
