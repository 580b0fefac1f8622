"""junit.xml of the report, written by pytest's own log class: by the log of ``--junitxml``, else by a log kept for the report.

The report's own log does not set ``config.option.xmlpath``. That option would write a file in sessions without claims, name it in
the terminal, and make the fixture ``record_property`` warn unrelated tests.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from _pytest.junitxml import LogXML, bin_xml_escape, xml_key

from harness.report.story import filled, story
from harness.report.text import accepted, measured
from harness.suite.records import ClaimRecord, Report

NAME = "junit.xml"
WIDTH = 120  # columns of a case's output
INI = ("suite_name", "logging", "duration_report", "family", "log_passing_tests")  # pytest's keys junit_*, as LogXML takes them


class Kept(LogXML):
    """A log that follows the session and writes nothing by itself."""

    def pytest_sessionfinish(self) -> None:
        """Write nothing: only the report's file is wanted."""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """Print nothing: the report's place is named already."""


class JUnit:
    """The log of a session, as the report sees it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.kept = config, _kept(config)
        if not config.getoption("xmlpath", None):
            config.pluginmanager.register(self.kept, "claims-junit")

    @property
    def log(self) -> LogXML:
        """The user's log, which pytest makes after it configures this plugin, or else the report's own."""
        return self.config.stash.get(xml_key, self.kept)

    def name(self, report: pytest.TestReport, record: ClaimRecord) -> None:
        """Name the test case by its claim, and put the finding into its output, since a listed REFUTED claim passes.

        Called after the claim was judged and before pytest closes the case at teardown.
        """
        case = self.log.node_reporter(report)
        output = ET.Element("system-out")
        output.text = bin_xml_escape("\n".join([f"{record.id}: {record.verdict}", *filled(story(record), WIDTH)]))
        case.append(output)
        case.add_attribute("classname", ".".join(filter(None, [self.log.prefix, record.paper])))
        case.add_attribute("name", record.id)

    def describe(self, report: Report) -> None:
        """Add the suite's properties."""
        seeds = {"seeds": str(report.seeds), "first seed": str(report.first_seed)}
        facts = {"scale": report.scale, **seeds, "complete": str(report.complete).lower()}
        for name, value in {**facts, **report.environment}.items():
            self.log.add_global_property(name, value)

    def write(self, report: Report, folder: Path) -> None:
        """Write the log as it is now into the folder; the user's own file is written by pytest where it was asked for."""
        log = self.log
        place, log.logfile = log.logfile, str(folder / NAME)
        try:
            LogXML.pytest_sessionfinish(log)
        finally:
            log.logfile = place


def properties(record: ClaimRecord) -> list[tuple[str, str]]:
    """The properties of a claim's test case, beside its outcome."""
    values = [f"{value:.9g}" for entry in record.measurements[:1] for value in entry.values if value is not None]
    return [
        ("verdict", record.verdict),
        ("expected", record.expected),
        ("interval", measured(record)),
        ("accepted", accepted(record)),
        ("values", " ".join(values)),
    ]


def _kept(config: pytest.Config) -> Kept:
    known = config.pluginmanager.hasplugin("junitxml")
    settings = [config.getini(f"junit_{key}") for key in INI] if known else []
    if known:
        settings[INI.index("family")] = "xunit1"  # xunit1 has each case's file and line; junit_family is for the user's own log
    return Kept("", config.getoption("junitprefix", None), *settings)
