"""junit.xml: one test case a claim, with what was measured as properties."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from pathlib import Path

from harness.report.records import ClaimRecord, Report
from harness.report.text import accepted, measured, outcome


def write(report: Report, folder: Path) -> None:
    tree = ET.ElementTree(suite(report))
    ET.indent(tree)
    tree.write(folder / "junit.xml", encoding="utf-8", xml_declaration=True)


def suite(report: Report) -> ET.Element:
    """The suite as the JUnit consumers of CI systems read it."""
    outcomes = [outcome(record) for record in report.claims]
    suite = ET.Element("testsuite", name="claims", tests=str(len(outcomes)), failures=str(outcomes.count("failed")), errors="0")
    suite.attrib |= {"skipped": str(outcomes.count("not run")), "time": f"{report.seconds:.3f}", "timestamp": report.created}
    facts = {"scale": report.scale, "seeds": str(report.seeds), "complete": str(report.complete).lower()}
    _properties(suite, {**facts, **report.environment})
    for record in report.claims:
        suite.append(_case(record))
    root = ET.Element("testsuites")
    root.append(suite)
    return root


def _case(record: ClaimRecord) -> ET.Element:
    case = ET.Element("testcase", classname=record.paper, name=record.id, time=f"{record.seconds:.3f}")
    values = [f"{value:.9g}" for entry in record.measurements[:1] for value in entry.values if value is not None]
    _properties(case, {
        "verdict": record.verdict, "expected": record.expected, "interval": measured(record), "accepted": accepted(record),
        "values": " ".join(values),
    })
    if outcome(record) == "failed":
        ET.SubElement(case, "failure", message=_printable(record.message))
    elif outcome(record) == "not run":
        ET.SubElement(case, "skipped", message=_printable(record.message))
    return case


def _properties(parent: ET.Element, values: dict[str, str]) -> None:
    holder = ET.SubElement(parent, "properties")
    for name, value in values.items():
        ET.SubElement(holder, "property", name=name, value=_printable(value))


def _printable(text: str) -> str:
    """XML has no place for control characters."""
    return "".join(char if char.isprintable() else " " for char in text)
