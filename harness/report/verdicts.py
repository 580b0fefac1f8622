"""Judge a paper's claims on a network of one's own, in a script or a notebook, without pytest."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import InvalidInput
from harness.progress import Progress, StageLines
from harness.report import environment
from harness.report.natural import natural
from harness.report.publish import publish
from harness.report.text import accepted, counts, measured, reason
from harness.runs.shown import Shown
from harness.suite import portable
from harness.suite.claim import Claim
from harness.suite.ensemble import Ensembles
from harness.suite.expectation import Expectation
from harness.suite.judging import Outcome, Terms, judge_claim
from harness.suite.records import ClaimRecord, ExperimentRecord, Report, plain
from harness.suite.rejudge import side_of
from harness.suite.verdict import Verdict

if TYPE_CHECKING:
    from harness.runs.network import Network
    from harness.runs.store import Store


@dataclass(frozen=True, repr=False)
class Verdicts(Shown):
    """The verdicts of claims on a network.

    Attributes:
        result: everything that was measured, as a run of the claims keeps it.
    """

    result: Report

    @property
    def claims(self) -> list[ClaimRecord]:
        """One record a claim: ``id``, ``verdict``, ``measurements``, ``controls``, ``message``."""
        return self.result.claims

    @property
    def title(self) -> str:
        names = {name for record in self.claims for name in record.experiments}
        return f"{', '.join(sorted(names)) or 'nothing'}: {counts(self.result)}"

    def rows(self) -> dict[str, str]:
        """A line a claim: verdict, what it says, the 95 % interval of what was measured and the accepted region, or why not."""
        return {record.id: _line(record) for record in self.claims}

    def report(self, folder: str | Path) -> Path:
        """Write report.html, report.md and report.json below the folder, and give the folder that they are in.

        Raises:
            InvalidInput: nothing could be written.
        """
        shown, problems = publish(self.result, Path(folder))
        if shown is None:
            raise InvalidInput("; ".join(problems))
        return shown


def _line(record: ClaimRecord) -> str:
    return f"{record.verdict:<12}  {record.says}: {'; '.join(_found(natural(record)))}"


def _found(record: ClaimRecord) -> list[str]:
    """What was measured and what would be accepted, and why a verdict is open; or why nothing was judged."""
    if not record.judged:
        return [reason(record)]
    it = record.measurements[0]
    got = [it.method] if it.interval is None else [f"measured {measured(record)} {it.unit}".rstrip()]
    return [*got, f"accepted: {accepted(record)}", *_open(record)]


def _open(record: ClaimRecord) -> list[str]:
    if record.verdict != Verdict.INCONCLUSIVE.name:
        return []
    across = ["the interval lies across the edge"] if record.measurements[0].interval else []
    n = record.seeds_to_decide
    enough = [f"seeds={n} would decide: {side_of(record).name}, if mean and spread stay"] if n else []
    return [", ".join([*across, *enough])] if across or enough else []


def judge(
    network: Network,
    *,
    claims: str | Sequence[str] = "training-jacobian",
    seeds: int = 3,
    store: Store | None = None,
    progress: Progress | None = None,
) -> Verdicts:
    """Judge what papers say of any network on this one.

    Args:
        network: the network, which is trained for each seed, and in each world that controls a claim.
        claims: id of a paper, or several.
        seeds: 3 or more give an interval.
        store: where results are kept, such as ``Store()``; None keeps them in memory alone.
        progress: sink of progress reports. None prints a line on standard error for each stage that took a second or more;
            ``Progress()`` of harness.progress prints nothing.

    Returns:
        The verdicts. A claim that does not apply to the network is NOT_RUN with its reason.

    Raises:
        InvalidInput: unknown paper, fewer than 3 seeds, or another network has the network's name.
    """
    from harness.runs.lab import Lab

    if seeds < 3:
        raise InvalidInput(f"seeds = {seeds}: give 3 or more, since fewer have no spread and a new network has no ensemble")
    began, created = time.monotonic(), datetime.datetime.now(datetime.UTC)
    papers = [claims] if isinstance(claims, str) else list(claims)
    if not papers:
        raise InvalidInput('claims = []: name a paper, such as claims="training-jacobian"')
    chosen = [claim for paper in papers for claim in portable.bound(paper, network)]
    if progress is None:
        progress = StageLines()
        progress.say(f"{network.name}: {len(chosen)} claims, {seeds} seeds")
    lab = Lab(store, seeds=seeds, progress=progress)
    terms = Terms("paper", Expectation(None), Ensembles(), lab.runs, called=True)
    outcomes = []
    for number, claim in enumerate(chosen, 1):
        with progress.stage(f"claim {number} of {len(chosen)}, {claim.id}"):
            outcomes.append(_outcome(claim, terms))
    return Verdicts(
        Report(
            complete=True,
            partial=False,
            scale="paper",
            seeds=seeds,
            precision=network.precision,
            created=created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=time.monotonic() - began,
            peak_memory=environment.peak_memory(),
            environment=environment.collect(network.precision),
            experiments=[_experiment(run) for run in lab.opened()],
            claims=[outcome.record for outcome in outcomes],
            evidence={o.record.evidence.file: o.evidence for o in outcomes if o.record.evidence is not None},
        )
    )


def _outcome(claim: Claim, terms: Terms) -> Outcome:
    from harness.engine.precision import exact_dtypes

    with exact_dtypes():
        return judge_claim(claim, terms, claim.id)


def _experiment(run: Any) -> ExperimentRecord:
    fingerprint = run.experiment.fingerprint()
    return ExperimentRecord(run.experiment.name, run.experiment.seed, fingerprint, dict(run.seconds), plain(run.stages))
