"""The verdicts on a terminal: they fit, and no deciding part is cut."""

import dataclasses

import pytest

from harness.plugin import verdict_table
from harness.suite.records import RuleRecord
from tests.report.test_html import HELD, LISTED, OPEN, REFUTED, REPORT, SKIPPED

LONG = dataclasses.replace(
    HELD, id=f"paper/{'long-' * 12}name[first-reading,second-reading]", rule=RuleRecord([0.05, None], "so")
)
WHY = "not run: MNIST is not there"
OTHERS = [dataclasses.replace(SKIPPED, id=f"paper/other-{n}", message=f"paper/other-{n}: {WHY}") for n in range(20)]
CLAIMS = [SKIPPED, *OTHERS, HELD, LONG, OPEN, LISTED, REFUTED]
FULL = dataclasses.replace(REPORT, claims=CLAIMS)


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 120, 200])
class TestWidth:
    def test_every_line_fits(self, columns):
        assert max(map(len, verdict_table.lines(FULL, columns))) <= columns

    def test_no_number_no_region_and_no_reason_is_cut(self, columns):
        told = " ".join(" ".join(verdict_table.lines(FULL, columns)).split())
        assert told.count("[0.95, 1.05] in ") == 5
        assert "[0.95, 1.05] in >= 0.05" in told
        assert told.count("MNIST is not there") == 1
        assert all(record.id.removeprefix("paper/") in told for record in CLAIMS if record is not LONG)

    def test_a_long_id_keeps_both_ends(self, columns):
        told = " ".join(verdict_table.lines(FULL, columns))
        assert "long-" in told
        assert "ding]" in told


def test_where_there_is_room_a_claim_is_a_line_with_its_columns_aligned():
    records = [HELD, OPEN, LISTED, REFUTED]
    lines = verdict_table.lines(dataclasses.replace(REPORT, claims=records), 120)
    assert lines == [
        "paper/",
        "       ✓ SUPPORTED     statement[strict]  [0.95, 1.05]  in [0.9, 1.1]",
        "listed ? INCONCLUSIVE  open               [0.95, 1.05]  in <= 0.5",
        "listed ✗ REFUTED       listed             [0.95, 1.05]  in <= 0.5",
        "FAILED ✗ REFUTED       failed             [0.95, 1.05]  in <= 0.5",
    ]


def test_an_id_is_cut_in_its_middle():
    assert verdict_table.shortened("abcdefghij", 10) == "abcdefghij"
    assert verdict_table.shortened("abcdefghijk", 10) == "abc...hijk"


def test_the_width_is_the_terminals(monkeypatch):
    monkeypatch.setenv("COLUMNS", "77")
    assert verdict_table.width() == 77
    monkeypatch.setenv("COLUMNS", "8")
    assert verdict_table.width() == 40


def test_the_last_lines_say_what_to_read_next():
    assert verdict_table.next_steps(FULL, "reports/latest") == [
        "passed means as expected: 2 hold, 2 are listed: refuted or at the edge",
        "read: reports/latest/report.html, the findings first",
        "why: python -m harness show 'paper/failed'",
        "again: pytest --claims-id paper/failed",
    ]
    assert len(verdict_table.next_steps(dataclasses.replace(REPORT, claims=[HELD]), "here")) == 1


def test_the_sign_says_without_a_colour_what_the_colour_says():
    looks = {line: verdict_table.painted(line) for line in verdict_table.lines(FULL, 120)}
    assert all("".join(text for text, _ in parts) == line for line, parts in looks.items())
    heads = {parts[0][0].split()[-1] + (" failed" if "FAILED" in line else ""): parts[0][1] for line, parts in looks.items()}
    assert heads["SUPPORTED"] == {"green": True}
    assert heads["REFUTED"] == {"yellow": True}
    assert heads["REFUTED failed"] == {"red": True, "bold": True}
    assert looks["paper/"] == [("paper/", {})]


def test_the_main_paper_comes_first(monkeypatch):
    monkeypatch.setattr("harness.report.sentences.PAPERS", {"second": type("Main", (), {"main": True})})
    other = dataclasses.replace(HELD, id="second/it", paper="second")
    lines = verdict_table.lines(dataclasses.replace(REPORT, claims=[HELD, other]), 120)
    assert [line for line in lines if line.endswith("/")] == ["second/", "paper/"]
