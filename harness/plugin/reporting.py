"""The session's report: gathers records from this process or xdist's workers, summarises, writes, sets the exit code."""

from __future__ import annotations

import base64
import datetime
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.compare import baseline
from harness.errors import Incomparable, InvalidInput
from harness.plugin import verdict_table
from harness.plugin.collection import ClaimItem
from harness.plugin.interrupt import deferred
from harness.plugin.junit import JUnit
from harness.plugin.settings import Settings
from harness.report import environment, markdown, summary
from harness.report.publish import publish
from harness.report.sentences import tallies
from harness.report.text import SIGNS, belonging, counts, seeds, visible
from harness.suite.catalogue import declared, node_id
from harness.suite.expectation import read_ledger
from harness.suite.records import CanariesRecord, ClaimRecord, ExperimentRecord, Json, Report

WRITING = "stopping: the report is being written, which takes a few seconds; Ctrl-C again leaves without it"


class Reporting:
    """Registered outside xdist's workers; silent as long as no claim is selected."""

    def __init__(self, config: pytest.Config, settings: Settings) -> None:
        self.config, self.settings = config, settings
        self.selected: list[str] = []
        self.records: dict[str, ClaimRecord] = {}
        self.experiments: dict[tuple[str, int], ExperimentRecord] = {}
        self.environment: dict[str, str] = {}
        self.evidence: dict[str, bytes] = {}
        self.began, self.created = time.monotonic(), datetime.datetime.now(datetime.UTC)
        self.ledger = read_ledger(settings.ledger)
        self.junit = JUnit(config)
        self.canaries: CanariesRecord | None = None
        self.report: Report | None = None
        self.versus: list[str] = []  # what the comparison with the baseline says
        self.turned = False  # whether a verdict differs from the baseline's, an estimate is worse, or nothing could be compared

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """The claims in the order of their files, whatever order they are judged in."""
        items = [item for item in session.items if isinstance(item, ClaimItem)]
        self.selected = [item.claim.id for item in sorted(items, key=lambda item: item.place)]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """Every worker collects the same items; the controller knows their claims by node id."""
        if not self.selected:
            nodes = {node_id(claim, self.settings.root): claim.id for claim in declared(self.settings.claims).values()}
            self.selected = [nodes[id] for id in ids if id in nodes]
            for line in self.header():
                self.config.pluginmanager.get_plugin("terminalreporter").write_line(line)  # type: ignore[union-attr]

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: Any) -> Any:
        """With ``--dist loadgroup``, the claims of one experiment go to one worker."""
        if config.option.dist != "loadgroup":
            return None
        from harness.plugin.scheduling import ByExperiment

        return ByExperiment(
            config, log, {node_id(claim, self.settings.root): claim.on for claim in declared(self.settings.claims).values()}
        )

    def pytest_report_collectionfinish(self) -> list[str]:
        return [] if self.config.option.collectonly else self.header()

    def header(self) -> list[str]:
        """Lines that a reader of the verdicts has to know; [] if no claim is selected."""
        s = self.settings
        if not self.selected:
            return []
        judged = f"claims: {len(self.selected)} of {len(declared(s.claims))}"
        return [
            f"{judged}, {s.scale} scale, {seeds(s.seeds, s.first_seed, s.until_decided)}, {s.precision}, {s.devices} device(s)",
            f"store: {s.store}{' (everything is computed again)' if s.fresh else ''}",
        ]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        data: Json | None = getattr(report, "claim_data", None)
        if data is None:
            return
        self._named_line(report)
        record = ClaimRecord.from_json(data["record"])
        self.records[record.id] = record
        self.junit.name(report, record)
        self.environment = data["environment"] if data["environment"]["device"] or not self.environment else self.environment
        for entry in data["experiments"]:
            run = ExperimentRecord(**entry)
            before = self.experiments.get((run.name, run.seed))
            # each worker of xdist prepares a run as far as its claims need: the record with the most stages is kept
            if before is None or len(run.stages) >= len(before.stages):
                self.experiments[run.name, run.seed] = run
        if record.evidence is not None:
            self.evidence[record.evidence.file] = base64.b64decode(data["evidence"])

    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> Any:
        """A claim that was judged as expected has its verdict's sign in place of the dot."""
        data: Json | None = getattr(report, "claim_data", None)
        if data is None or report.failed:
            return None
        verdict = data["record"]["verdict"]
        return report.outcome, SIGNS[verdict], (report.outcome.upper(), {verdict_table.COLOURS.get(verdict, "yellow"): True})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> Generator[None, Any, Any]:
        """Write the report before pytest's summary, and name its place after the summary."""
        if not self.selected or self.config.option.collectonly or exitstatus == pytest.ExitCode.USAGE_ERROR:
            return (yield)
        self.report = self.gathered(interrupted=exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED))
        self.junit.describe(self.report)
        with deferred(lambda: self._say(["", WRITING])) as interruption:
            folder, problems = publish(self.report, self.settings.report, [self.junit.write])
            page = self._compared(folder)
            problems += filter(None, [summary.append("\n".join([markdown.render(self.report), page]))])
        if interruption.asked:
            session.exitstatus = pytest.ExitCode.INTERRUPTED
        if (problems or self.turned or not self.judged()) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED
        result = yield
        self._say([*problems, *verdict_table.next_steps(self.report, _short(folder)), self._place(folder)])
        return result

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.report is None:
            return
        terminalreporter.section("claims")
        width = verdict_table.width()
        for line in verdict_table.lines(self.report, width):
            for text, look in verdict_table.painted(line):
                terminalreporter.write(text, **look)
            terminalreporter.write("\n")
        for line in filter(None, [*tallies(self.report.claims), counts(self.report), belonging(self.report)]):
            for part in verdict_table.wrapped(line, width):
                terminalreporter.write_line(part)
        for line in self.versus:
            terminalreporter.write_line(line)
        if not self.report.complete:
            unreached = len(self.selected) - len(self.records)
            terminalreporter.write_line(f"stopped early: {unreached} selected claim(s) were not reached")
            if not (self.canaries and self.canaries.failing):
                terminalreporter.write_line("what was computed is kept in the store: the same command goes on from there")
        if not self.judged():
            terminalreporter.write_line("error: zero claims were judged, which is not a success: see the reasons above", red=True)

    def _compared(self, folder: Path | None) -> str:
        """The comparison with the baseline as Markdown, written beside the report; "" without a baseline."""
        if self.settings.baseline is None or self.report is None:
            return ""
        from harness.compare import commands, compare, text

        try:
            path, before = baseline.load(self.settings.baseline, self.report)
            found = compare(before, self.report)
        except (Incomparable, InvalidInput) as error:
            self.versus, self.turned = [f"baseline: nothing was compared, which is not a success: {error}"], True
            return f"# Comparison with the baseline\n\n{self.versus[0]}\n"
        lines = [text.headline(found), text.stages_line(found), text.chance_line(found)]
        turned = [f"{claim.before.id}: {text.verdict(claim)}, first {claim.first or '?'}" for claim in found.turned]
        wider = [f"{claim.before.id}: {claim.widened}" for claim in found.widened]
        said = [f"  {line}" for line in [*found.warnings, *lines, *turned, *wider]]
        self.versus, self.turned = [f"baseline {_short(path)}", *said], bool(turned or wider)
        if folder is not None:
            commands.write(found, folder)
        return text.markdown(found)

    def _named_line(self, report: pytest.TestReport) -> None:
        """Begin a line with the file's name if a line of progress has ended pytest's own."""
        terminal: Any = self.config.pluginmanager.get_plugin("terminalreporter")
        if terminal.showfspath and not terminal.showlongtestinfo and terminal.currentfspath is None:
            terminal.write_fspath_result(report.nodeid, "")

    def judged(self) -> bool:
        """Whether any claim got a verdict."""
        return any(record.judged for record in self.records.values())

    def gathered(self, interrupted: bool) -> Report:
        """The report of what was judged so far."""
        s = self.settings
        return Report(
            complete=not interrupted and set(self.selected) <= set(self.records),
            partial=set(self.selected) != set(declared(s.claims)),
            scale=s.scale,
            seeds=s.seeds,
            first_seed=s.first_seed,
            until_decided=s.until_decided,
            precision=s.precision,
            created=self.created.strftime("%Y-%m-%dT%H:%M:%SZ"),
            seconds=time.monotonic() - self.began,
            peak_memory=environment.peak_memory(),
            environment=self.environment or environment.collect(s.precision),
            experiments=list(self.experiments.values()),
            claims=[self.records[id] for id in self.selected if id in self.records],
            unreached=[id for id in self.selected if id not in self.records],
            ledger=self.ledger,
            canaries=self.canaries,
            evidence=self.evidence,
        )

    def _place(self, folder: Path | None) -> str:
        incomplete = self.report is not None and not self.report.complete
        return visible(f"report{' (incomplete)' if incomplete else ''}: {_short(folder)}")

    def _say(self, lines: Sequence[str]) -> None:
        writer = self.config.get_terminal_writer()
        for line in lines:
            writer.line(line)


def _short(folder: Path | None) -> str:
    if folder is None:
        return "not written"
    return str(folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder)
