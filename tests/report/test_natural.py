"""Logarithms are shown as the numbers themselves; verdicts and stored numbers do not change."""

import dataclasses
import math

import pytest

from harness.plugin import verdict_table
from harness.report import html, markdown
from harness.report.forest import distance
from harness.report.natural import natural
from harness.report.story import story
from harness.report.text import accepted, measured
from harness.suite.records import ControlRecord, EnsembleRecord, MeasurementRecord, RuleRecord
from tests.report.test_html import HELD, REPORT

LOGS = dataclasses.replace(
    HELD,
    unit="log10 k",
    published=math.log10(4000),
    rule=RuleRecord([math.log10(3500), None], "around 4000"),
    measurements=[MeasurementRecord("k", "log10 k", "", [["d[0]"]] * 2, [3.6, 3.7], None, [3.55, 3.75], "t")],
    controls=[ControlRecord("swapped", "REFUTED", "REFUTED", 2.0, values=[2.0])],
    ensemble=EnsembleRecord([3.6, 3.7], "8 seeds"),
)


def test_everything_is_in_the_same_unit():
    shown = natural(LOGS)
    assert (shown.unit, shown.measurements[0].unit) == ("k", "k")
    assert (measured(shown), accepted(shown)) == ("[3548, 5623]", ">= 3500")
    assert shown.published == pytest.approx(4000)
    assert shown.controls[0].value == pytest.approx(100)
    assert shown.ensemble is not None
    assert shown.ensemble.values == pytest.approx([10**3.6, 10**3.7])
    assert natural(shown) == shown


def test_an_interval_lies_against_its_region_as_before():
    for low, high in ((3.55, 3.75), (3.5, 3.6), (3.1, 3.2)):
        record = dataclasses.replace(LOGS, measurements=[dataclasses.replace(LOGS.measurements[0], interval=[low, high])])
        before, after = distance(record), distance(natural(record))
        assert before is not None
        assert after is not None
        assert ((before >= 1), (before <= -1)) == ((after >= 1), (after <= -1))


def test_what_is_no_logarithm_is_the_record_itself():
    assert natural(HELD) is HELD
    unjudged = dataclasses.replace(LOGS, verdict="NOT_RUN", measurements=[])
    assert natural(unjudged).published == pytest.approx(4000)
    bare = dataclasses.replace(LOGS, measurements=[dataclasses.replace(LOGS.measurements[0], unit="log10")])
    assert natural(bare).measurements[0].unit == "ratio"


def test_every_output_shows_them(tmp_path):
    report = dataclasses.replace(REPORT, claims=[LOGS])
    told = dict(story(LOGS))
    outputs = [
        html.render(report, tmp_path),
        markdown.render(report),
        "\n".join(verdict_table.lines(report, 120)),
        told["measured"],
    ]
    for output in outputs:
        assert "[3548, 5623]" in output
        assert "3.55" not in output
    assert "of the logarithms" in told["measured"]
