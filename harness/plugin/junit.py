"""junit.xml of the report, written by a log of pytest's: the one of ``--junitxml``, else one that is kept for the report.

The report's own log is no ``config.option.xmlpath``: that would write a file in sessions without claims, name it in the terminal,
and make the fixture ``record_property`` warn tests that it does not concern.
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
        """No file beside the report's was asked for."""

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
        """The report's place is named already."""


class JUnit:
    """The log of a session, as the report sees it."""

    def __init__(self, config: pytest.Config) -> None:
        self.config, self.kept = config, _kept(config)
        if not config.getoption("xmlpath", None):
            config.pluginmanager.register(self.kept, "claims-junit")

    @property
    def log(self) -> LogXML:
        """The user's, which pytest makes after the plugin is configured, or else the report's own."""
        return self.config.stash.get(xml_key, self.kept)

    def name(self, report: pytest.TestReport, record: ClaimRecord) -> None:
        """Name the test case by its claim, and put what was found into its output, since a REFUTED claim that is listed passes.

        Comes after the claim was judged and before pytest closes the case at teardown.
        """
        case = self.log.node_reporter(report)
        output = ET.Element("system-out")
        output.text = bin_xml_escape("\n".join([f"{record.id}: {record.verdict}", *filled(story(record), WIDTH)]))
        case.append(output)
        case.add_attribute("classname", ".".join(filter(None, [self.log.prefix, record.paper])))
        case.add_attribute("name", record.id)

    def describe(self, report: Report) -> None:
        """The suite's properties."""
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
    """What a claim's test case says beside its outcome."""
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
        settings[INI.index("family")] = "xunit1"  # which has each case's file and line; junit_family is for the user's own log
    return Kept("", config.getoption("junitprefix", None), *settings)
