"""Names that a report did not choose: markup, terminal escapes and line ends are text in every file that is written."""

import dataclasses
import re
from html.parser import HTMLParser

import pytest
from markdown_it import MarkdownIt

from harness.plugin import verdict_table
from harness.report import html, markdown
from harness.report.sentences import tallies
from harness.report.text import visible
from harness.suite.records import ExperimentRecord, LedgerEntry, MembershipRecord
from tests.report.test_html import BROKEN, HELD, LISTED, REFUTED, REPORT, SKIPPED, checked

NASTY = {
    "script": "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "attribute": '" onmouseover="alert(1)" \' autofocus',
    "template": "{{ 7 * 7 }}{% raw %}",
    "escape": "\x1b[2J\x1b]0;owned\x07\x9b31m",
    "lines": "one\ntwo\r\nthree\u2028four\x0b\x0cfive",
    "turned": "abc\u202egnp.exe\u2066",
    "markdown": "[click](javascript:alert(1)) ![x](y.png) **bold** `code` ``two`` | cell | <b>b</b> &lt; ~~gone~~ _it_",
    "surrogate": "a\ud800b\x00c",
}


def hostile(nasty: str):
    """A report in which whatever somebody else may name is the nasty text."""
    told = dict.fromkeys(("where", "says", "reading", "unit", "quotes"), nasty)
    measured = dataclasses.replace(HELD.measurements[0], name=nasty, unit=nasty, counted=nasty, method=nasty)
    runs = {nasty: "ab" * 32}
    node = f"{nasty}/test_it.py::test_it"
    claims = [
        dataclasses.replace(
            record,
            id=f"paper/{index}{nasty}",
            paper=f"paper{nasty}",
            node=node,
            experiments=runs,
            **told,
            measurements=[measured] * judged,
        )
        for index, (record, judged) in enumerate([(HELD, 1), (LISTED, 1), (REFUTED, 1), (BROKEN, 0), (SKIPPED, 0)])
    ]
    claims[1] = dataclasses.replace(
        claims[1], expected_reason=nasty, controls=[dataclasses.replace(HELD.controls[0], name=nasty)]
    )
    claims[2] = dataclasses.replace(
        claims[2], message=f"{claims[2].id} : {nasty}; {nasty}", membership=MembershipRecord("alarm", nasty)
    )
    claims[3] = dataclasses.replace(claims[3], message=f"{claims[3].id} [x]: NOT_RUN by failure: {nasty}")
    claims[4] = dataclasses.replace(claims[4], message=f"{claims[4].id}: not run: {nasty}")
    claims.append(dataclasses.replace(claims[0], id=f"paper/6[on-{nasty}]", expected=""))
    return dataclasses.replace(
        REPORT,
        complete=False,
        claims=claims,
        environment={"cpu": nasty, nasty: "x"},
        experiments=[ExperimentRecord(nasty, 0, "a", {}, [{"name": nasty, "digest": nasty}], nasty)],
        ledger=[LedgerEntry(nasty, nasty, nasty, nasty)],
        unreached=[nasty],
    )


def controls(text: str) -> list[str]:
    """What a terminal obeys, and what turns text around; line ends are those of the lines that were written."""
    return re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]", text)


class Elements(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.links: set[str] = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found += [tag, *(name for name, _ in attrs)]
        self.links |= {value for name, value in attrs if name == "href"}


@pytest.mark.parametrize("kind", NASTY)
class TestNames:
    def test_the_page_shows_them(self, kind, tmp_path):
        report = hostile(NASTY[kind])
        html.write(report, tmp_path)
        page = (tmp_path / "report.html").read_text(encoding="utf-8")
        parsed = checked(page)
        assert controls(page.replace("\t", "")) == []
        shown = visible(NASTY[kind].replace("\n", " ")).replace("\\", "")
        seen = " ".join(parsed.text.replace("\\", "").split())
        assert seen.count(" ".join(shown.split())) >= 10

    def test_markdown_shows_them(self, kind, tmp_path):
        markdown.write(hostile(NASTY[kind]), tmp_path)
        page = (tmp_path / "report.md").read_text(encoding="utf-8")
        assert controls(page) == []
        parsed = Elements(MarkdownIt("commonmark", {"html": True}).enable("table").enable("strikethrough").render(page))
        drawn = parsed.found
        assert all(re.fullmatch(r"report\.html#[a-z0-9.,-]+", link) for link in parsed.links)
        ours = {
            "h1",
            "h2",
            "p",
            "ul",
            "li",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "strong",
            "code",
            "details",
            "summary",
            "style",
            "a",
            "href",
            "br",
        }
        assert set(drawn) <= ours
        plain = Elements(MarkdownIt("commonmark", {"html": True}).enable("table").render(markdown.render(hostile("name")))).found
        assert drawn.count("strong") == plain.count("strong")
        assert drawn.count("td") == plain.count("td")

    def test_the_terminal_shows_them(self, kind):
        report = hostile(NASTY[kind])
        lines = [*verdict_table.lines(report, 80), *verdict_table.next_steps(report, NASTY[kind])]
        lines += [part for line in tallies(report.claims) for part in verdict_table.wrapped(line, 80)]
        assert [line for line in lines if controls(line) or "\n" in line] == []


def test_two_names_that_differ_in_what_is_not_seen_are_seen_to_differ():
    assert (visible("a\u202eb"), visible("a\u2066b"), visible("\x1b[2J\n")) == ("a\\u202eb", "a\\u2066b", "\\x1b[2J\\n")
    assert visible("plain σ ≤ 1, and\N{NO-BREAK SPACE}blank") == "plain σ ≤ 1, and\N{NO-BREAK SPACE}blank"
