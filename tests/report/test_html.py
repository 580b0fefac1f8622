"""report.html: its contents, its independence of other files, and that nothing in a report can break it."""

import dataclasses
import re
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from harness import report as reports
from harness.__main__ import main
from harness.compare import Exit
from harness.report import html, json_file
from harness.report import text as words
from harness.report.strip import MANY, scale_for, strip, ticks
from harness.suite import evidence
from harness.suite.records import (
    ClaimRecord,
    ControlRecord,
    EnsembleRecord,
    ExperimentRecord,
    LedgerEntry,
    MeasurementRecord,
    MembershipRecord,
    Report,
    RuleRecord,
)

HELD = ClaimRecord(
    "paper/statement[strict]",
    "paper",
    "Section 1",
    "x is about one",
    "x within 10 %",
    "seeds",
    "ells",
    1.0,
    "claims/test_it.py::test_it[strict]",
    RuleRecord([0.9, 1.1], "one significant figure"),
    "SUPPORTED",
    None,
    verdict="SUPPORTED",
    passed=True,
    message="paper/statement[strict] [digits, paper]: SUPPORTED, measured 1, accepted 1",
    measurements=[MeasurementRecord("it", "ells", "runs", [["d[0]"]] * 3, [0.98, 1.0, 1.02], None, [0.95, 1.05], "t")],
    controls=[ControlRecord("doubled", "REFUTED", "REFUTED", 2.0)],
)
REFUTED = dataclasses.replace(
    HELD,
    id="paper/failed",
    verdict="REFUTED",
    passed=False,
    rule=RuleRecord([None, 0.5], "half"),
    message="paper/failed [digits, paper]: REFUTED, measured 1, accepted <= 0.5; expected SUPPORTED; the control is blind",
    controls=[ControlRecord("doubled", "REFUTED", None, None, "control 'doubled' crashed")],
)
LISTED = dataclasses.replace(REFUTED, id="paper/listed", passed=True, expected="REFUTED", expected_reason="it is one, not half")
OPEN = dataclasses.replace(LISTED, id="paper/open", verdict="INCONCLUSIVE", expected="INCONCLUSIVE", seeds_to_decide=9)
BROKEN = dataclasses.replace(
    HELD,
    id="paper/broken",
    verdict="NOT_RUN",
    passed=False,
    measurements=[],
    controls=[],
    message="paper/broken [digits, paper]: NOT_RUN by failure: training diverged at step 3",
)
SKIPPED = dataclasses.replace(BROKEN, id="paper/skipped", declared=True, message="paper/skipped: not run: MNIST is not there")
REPORT = Report(
    complete=True,
    partial=False,
    scale="paper",
    seeds=3,
    precision="float32",
    created="2025-01-02T03:04:05Z",
    seconds=3725.0,
    peak_memory=99,
    environment={"python": "3.11", "jax": "0.10", "cpu": "a quick one", "precision": "float32"},
    experiments=[
        ExperimentRecord("digits", 0, "ab" * 32, {"train": 1.5}, [{"name": "init", "digest": "cd" * 32}]),
        ExperimentRecord("digits", 1, "ef" * 32, failure="it diverged"),
    ],
    claims=[SKIPPED, HELD, OPEN, LISTED, REFUTED, BROKEN],
    ledger=[LedgerEntry("paper/unjudged", "Section 9", "it also flies", "no wings here")],
)


SCRIPT = html.TEMPLATE.with_name("script.js").read_text(encoding="utf-8")


class Page(HTMLParser):
    """What a browser would stumble over: elements left open or closed twice, ids that occur twice, links to nowhere."""

    VOID = frozenset({"meta", "br", "wbr", "hr", "img", "link", "input", "col"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.text = ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        named = {name: value or "" for name, value in attrs}
        assert len(named) == len(attrs), f"<{tag}> has an attribute twice"
        self.attributes += [(tag, name, value) for name, value in named.items()]
        self.ids += [named["id"]] if "id" in named else []
        self.links += [value for name, value in named.items() if name == "href"]
        self.text += "" if tag == "wbr" else " "

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes another element"

    def handle_data(self, data):
        self.text += data if not {"style", "script"} & set(self.open) else ""


def render(*claims: ClaimRecord, folder: Path = Path("nowhere"), **changes: object) -> str:
    """The page of these claims, of all if none is given."""
    return html.render(dataclasses.replace(REPORT, **({"claims": list(claims)} if claims else {}), **changes), folder)


def text(*claims: ClaimRecord, **changes: object) -> str:
    return " ".join(Page(render(*claims, **changes)).text.split())


def checked(page: str, script: str = SCRIPT) -> Page:
    """The page, if it is well formed, needs nothing from outside, and has this script and no other ("" for none)."""
    parsed = Page(page)
    assert parsed.open == []
    assert [id for id, times in Counter(parsed.ids).items() if times > 1] == []
    anchors = {f"#{id}" for id in parsed.ids}
    assert all(link in anchors or link.startswith("data:image/png;base64,") for link in parsed.links)
    assert not {tag for tag, _, _ in parsed.attributes} & {"script", "link", "iframe", "object", "embed", "img", "base"}
    assert not [name for _, name, _ in parsed.attributes if name.startswith("on") or name == "src"]
    assert page.lower().count("<script") == page.count("<script>") == bool(script)
    assert page.partition("<script>")[2].partition("</script>")[0].split() == script.split()
    assert not re.search(r"@import|url\((?!#)|https?://", page)
    return parsed


class TestPage:
    def test_it_is_well_formed_and_stands_alone(self):
        checked(render())

    def test_every_plot_has_a_text_alternative(self):
        named = [attribute for attribute in checked(render()).attributes if attribute[0] == "svg"]
        labels = [value for _, name, value in named if name == "aria-label"]
        assert len(labels) == 4 == sum(value == "img" for _, name, value in named if name == "role")
        assert "Measured 0.98, 1, 1.02; 95 % interval [0.95, 1.05]; accepted [0.9, 1.1]; the paper's number is 1" in (
            label.replace("\N{NO-BREAK SPACE}", " ") for label in labels
        )

    @pytest.mark.parametrize(
        "nasty", ["<script>alert(1)</script>", 'a "quoted" & <b>bold', "{{ 7 * 7 }}", "]]> --> </svg>", "σ ≤ 1"]
    )
    def test_what_a_report_holds_is_text_and_never_markup(self, nasty):
        control = ControlRecord(nasty, "REFUTED", "REFUTED", 2.0)
        record = dataclasses.replace(
            REFUTED,
            says=nasty,
            quotes=nasty,
            where=nasty,
            reading=nasty,
            unit=nasty,
            controls=[control],
            message=f"paper/failed : {nasty}",
            rule=RuleRecord([0, 1], nasty),
            measurements=[dataclasses.replace(HELD.measurements[0], unit=nasty, method=nasty)],
        )
        ledger = [LedgerEntry("paper/unjudged", nasty, nasty, nasty)]
        experiments = [ExperimentRecord(nasty, 0, "a", failure=nasty)]
        page = render(record, ledger=ledger, environment={"cpu": nasty}, experiments=experiments)
        assert checked(page).text.count(nasty) >= 11

    def test_two_renderings_are_the_same_bytes(self):
        assert render() == render()

    def test_a_report_that_was_rendered_again_is_the_same(self, tmp_path, capsys):
        arrays, content = evidence.pack(HELD.id, {"0/curve": np.arange(3.0)})
        report = dataclasses.replace(
            REPORT, claims=[dataclasses.replace(HELD, evidence=arrays), *REPORT.claims[3:]], evidence={arrays.file: content}
        )
        assert reports.write(report, tmp_path) == []
        before = {name: (tmp_path / name).read_bytes() for name in ("report.html", "report.md")}
        for name in before:
            (tmp_path / name).unlink()
        assert main(["report", str(tmp_path / json_file.NAME)]) == 0
        assert {name: (tmp_path / name).read_bytes() for name in before} == before
        assert capsys.readouterr().out == f"{tmp_path / 'report.html'}: 4 claims\n"

    def test_what_is_no_report_is_refused(self, tmp_path, capsys):
        assert main(["report", str(tmp_path)]) == Exit.UNREADABLE
        assert "is not a report" in capsys.readouterr().err


class TestTop:
    def test_it_says_how_many_of_how_many_on_what(self):
        told = text()
        facts = (
            "1 of 4 sentences hold in every reading, 0 in some, 2 in none",
            "4 of 6 claims judged",
            "Took 1 h 2 min",
            "jax 0.10",
            "cpu a quick one",
            "at most 99 MiB",
            "2025-01-02 03:04:05",
        )
        outcomes = ("1 NOT RUN by failure", "1 failed", "2 listed: refuted or at the edge", "1 hold", "1 not run")
        assert [fact for fact in (*facts, *outcomes) if fact not in told] == []

    def test_an_incomplete_report_is_marked_wherever_one_may_look(self):
        page = render(complete=False)
        assert "<title>INCOMPLETE: " in page
        assert 'content: "INCOMPLETE REPORT' in page
        assert "Incomplete report. The run was stopped" in text(complete=False)
        assert "4 of 6 claims judged, then stopped" in text(complete=False)
        assert "incomplete" not in render().lower()

    def test_what_a_stopped_run_did_not_reach_is_counted_and_named(self):
        told = text(complete=False, unreached=["paper/late", "paper/later"])
        assert "4 of 8 claims judged, then stopped" in told
        assert "2 claims were not reached" in told
        assert "paper/late paper/later" in told
        checked(render(complete=False, unreached=["paper/late"]))

    def test_an_open_verdict_that_passes_does_not_count_as_one_that_holds(self):
        left_open = dataclasses.replace(measuring([1.0], [0, 2]), verdict="INCONCLUSIVE", passed=True)
        assert [(kind, n) for kind, n, _ in html.tally(dataclasses.replace(REPORT, claims=[left_open]))] == [("open", 1)]
        assert "Left open" in text(left_open)

    def test_a_selection_and_a_run_that_judged_nothing_say_so(self):
        assert "Some claims that exist were left out" in text(partial=True)
        assert "Zero claims were judged" in text(SKIPPED)
        assert "Zero claims were judged" not in text()

    def test_a_report_without_anything_is_a_page(self):
        assert "0 of 0 claims judged" in checked(render(claims=[], experiments=[], ledger=[])).text

    def test_the_script_is_short_and_asks_for_nothing(self):
        assert len(SCRIPT.splitlines()) < 100
        assert not re.search(r"fetch|XMLHttp|import\b|eval|innerHTML|https?:", SCRIPT)

    def test_environment_experiments_and_what_was_not_run_are_folded(self):
        page = render()
        assert all(f'<details id="{id}">' in page for id in ("environment", "not-run", "experiments"))
        order = [page.index(f'id="{id}"') for id in ("findings", "run", "all-claims", "failed", "ledger")]
        assert order == sorted(order)

    def test_claims_of_a_network_are_grouped_under_its_name(self):
        mine = [dataclasses.replace(REFUTED, id=f"paper/{n}[on-{n}]", passed=True, expected="") for n in ("wine", "rings")]
        page = render(HELD, *mine)
        assert page.count('<details class="network"') == 2
        assert "wine: 1 REFUTED" in text(HELD, *mine)
        alone = checked(render(*mine))
        assert "2 of 2 claims judged" in alone.text
        assert "findings" not in alone.ids
        assert '<details class="network" data-group open>' in render(*mine)

    def test_every_header_of_a_table_says_what_it_heads(self):
        for page in (render(), render(dataclasses.replace(HELD, id="paper/statement[strict,on-wine]", expected=""))):
            heads = re.findall(r"<th\b[^>]*>", page)
            assert heads
            assert all(re.search(r'scope="(col|row)"', head) for head in heads)

    def test_claims_that_broke_are_not_mistaken_for_claims_that_were_not_asked_for(self):
        broken, skipped = (text(record) for record in (BROKEN, SKIPPED))
        assert "∅ NOT RUN by failure" in broken
        assert "training diverged at step 3" in broken
        assert "1 because MNIST is not there: paper/skipped" in skipped
        assert "by failure" not in skipped


class TestClaims:
    def test_worst_first(self):
        page = render()
        order = [
            page.index(f'<article class="card {kind}" id="{id}"')
            for kind, id in (
                ("failed", "paper.broken"),
                ("failed", "paper.failed"),
                ("deviates", "paper.listed"),
                ("deviates", "paper.open"),
                ("passed", "paper.statement.strict"),
            )
        ]
        assert order == sorted(order)

    def test_a_card_tells_everything_about_its_claim(self):
        told = text(HELD)
        facts = (
            "x is about one Section 1",
            "Reading. x within 10 %",
            "[0.95, 1.05] ells (95 %, t; runs): 0.98, 1, 1.02",
            "[0.9, 1.1] one significant figure",
            "The paper 1 ells",
            "doubled: 2, REFUTED ✓ as it must",
            "pytest --claims-id 'paper/statement[strict]' (< 0.1 s)",
        )
        assert [fact for fact in facts if fact not in told.replace("\N{NO-BREAK SPACE}", " ")] == []

    def test_a_control_may_be_open_for_want_of_seeds(self):
        doubled = dataclasses.replace(HELD.controls[0], verdict="INCONCLUSIVE")
        assert "doubled: 2, INCONCLUSIVE ? open: across the edge" in text(dataclasses.replace(HELD, controls=[doubled]))
        blind = dataclasses.replace(doubled, message="blind")
        assert "doubled: 2, INCONCLUSIVE ✗ must be REFUTED" in text(dataclasses.replace(HELD, controls=[blind]))

    def test_the_papers_words_and_ours_and_the_marks_are_told_apart(self):
        told = text(dataclasses.replace(HELD, quotes="nearly one", calibrated=True), dataclasses.replace(REFUTED, derived=True))
        assert "“nearly one” Section 1 In our words. x is about one Reading." in told
        assert told.count("✓ SUPPORTED calibrated") == 2
        assert told.count("✗ REFUTED derived") == 2
        assert "1 SUPPORTED (1 calibrated), 1 REFUTED;" in told

    def test_a_sentence_has_one_row_that_leads_to_its_cards(self):
        loose = dataclasses.replace(LISTED, id="paper/statement[loose]")
        rows = re.findall(r"<tr data-paper.*?</tr>", render(HELD, loose), flags=re.DOTALL)
        assert len(rows) == 1
        assert re.findall(r'href="#([^"]*)"', rows[0]) == ["paper.statement.strict", "paper.statement.loose"]
        told = " ".join(Page(f"<table>{rows[0]}</table>").text.split())
        assert "[0.95, 1.05] ells; accepted: [0.9, 1.1] Instead [loose]: it is one, not half" in told

    def test_every_judged_card_leads_to_a_figure_that_leads_back(self):
        page = render()
        for record in REPORT.claims:
            anchor = record.id.replace("/", ".").replace("[", ".").removesuffix("]")
            assert (f'href="#scale-{anchor}"' in page) is record.judged
            assert (f'<li id="scale-{anchor}"><a href="#{anchor}">' in page) is record.judged

    def test_a_failure_and_a_deviation_say_why(self):
        told = text()
        assert "Why it failed. REFUTED; expected SUPPORTED; the control is blind" in told
        assert "doubled: ✗ crashed" in told
        assert "What was measured instead. it is one, not half" in told
        assert "9 seeds: REFUTED, if mean and spread stay" in told

    @pytest.mark.parametrize("checkout", [True, False])
    def test_the_command_is_one_that_its_reader_has(self, checkout, tmp_path, monkeypatch):
        """In a checkout with nox, installed by the papers' folder, in another project by pytest alone; scripts have no test."""
        (tmp_path / "claims" / "paper").mkdir(parents=True)
        (tmp_path / "claims" / "paper" / "test_it.py").touch()
        if checkout:
            (tmp_path / "pyproject.toml").touch()
        monkeypatch.setattr(words, "home", lambda: tmp_path / "claims")
        report = dataclasses.replace(REPORT, scale="smoke", seeds=5)
        options = "--claims-id paper/failed --claims-scale smoke --claims-seeds 5"
        ours = "claims/paper/test_it.py" if checkout else "paper/test_it.py"
        runner = "nox -s claims --" if checkout else 'pytest "$(python -m harness papers)"'
        for file in (ours, str(tmp_path / "claims" / "paper" / "test_it.py")):
            assert words.command(dataclasses.replace(REFUTED, node=f"{file}::test_it"), report) == f"{runner} {options}"
        for file in ("mine/test_it.py", "../test_it.py", "/elsewhere/claims/paper/test_it.py"):
            assert words.command(dataclasses.replace(REFUTED, node=f"{file}::test_it"), report) == f"pytest {options}"
        assert words.command(dataclasses.replace(REFUTED, node="paper/failed"), report) == 'judge(network, claims="paper")'

    @pytest.mark.parametrize(
        ("seconds", "shown"), [(0.02, "< 0.1 s"), (3.21, "3.2 s"), (59.4, "59 s"), (245, "4 min 5 s"), (7380, "2 h 3 min")]
    )
    def test_times_are_short(self, seconds, shown):
        assert html.duration(seconds) == shown


def measuring(values: list[float], accept: list[float | None], **changes: object) -> ClaimRecord:
    judged = dataclasses.replace(HELD.measurements[0], values=values, interval=[min(values), max(values)])
    return dataclasses.replace(HELD, measurements=[judged], rule=RuleRecord(accept, "so"), **{"published": None, **changes})


@pytest.mark.parametrize(
    ("interval", "accept", "shown"),
    [
        ([3.5441, 3.6], [3.5443, 3.653], ("[3.5441, 3.6]", "[3.5443, 3.653]")),
        ([0.12341, 0.12344], [None, 0.12342], ("[0.12341, 0.12344]", "<= 0.12342")),
        ([1.00001, 2], [1, 3], ("[1, 2]", "[1, 3]")),
        ([0.99999, 2], [1, 3], ("[0.99999, 2]", "[1, 3]")),
        ([2.00004, 2.00004], [None, 2], ("2.00004", "<= 2")),
    ],
)
def test_numbers_have_as_many_digits_as_the_verdict_needs(interval, accept, shown):
    record = dataclasses.replace(HELD, measurements=[dataclasses.replace(HELD.measurements[0], interval=interval)])
    record = dataclasses.replace(record, rule=RuleRecord(accept, "so"))
    assert (words.measured(record), words.accepted(record)) == shown


class TestStrip:
    def test_points_lie_where_the_scale_puts_them(self):
        record = measuring([1.0, 2.0, 4.0], [0, 3], controls=[])
        scale = scale_for(record)
        drawn = strip(record)
        placed = [float(x) for x in re.findall(r'cx="([\d.]+)"', drawn)]
        assert placed == pytest.approx([scale(x) for x in (1, 2, 4)], abs=0.06)  # one decimal
        left, width = (float(re.search(rf'class="band".*? {name}="([\d.]+)"', drawn).group(1)) for name in ("x", "width"))
        assert [left, left + width] == pytest.approx([scale(0), scale(3)], abs=0.11)  # two numbers of one decimal

    @pytest.mark.parametrize(
        ("values", "accept", "log"),
        [([1e-25], [None, 1e-20], True), ([1.0, 2.0], [0, 3], False), ([-1.0, 900.0], [1, None], False)],
    )
    def test_the_scale_is_logarithmic_only_where_that_is_needed_and_possible(self, values, accept, log):
        scale = scale_for(measuring(values, accept, controls=[]))
        assert scale.log is log
        assert all(scale.shows(value) for value in [*values, *(bound for bound in accept if bound is not None)])

    @pytest.mark.parametrize(
        "record",
        [
            measuring([0.0], [None, 0]),
            measuring([257.0], [257, 257]),
            measuring([1 + 1e-14], [None, 1 + 1e-10]),
            measuring([1e300], [None, None]),
            measuring([-1e-300, 1e-300], [None, 0]),
            measuring([12.0, 250.0], [None, 250]),
            measuring([3.0] * 4, [1, 5]),
            measuring([20.469], [20.45, 20.49], published=20.469),
        ],
    )
    def test_every_strip_has_a_readable_axis(self, record):
        labels = [label for _, label in ticks(scale_for(record))]
        assert 2 <= len(labels) <= 8
        assert len(set(labels)) == len(labels)
        assert "nan" not in strip(record)
        assert "inf" not in strip(record)

    def test_points_that_coincide_are_moved_apart(self):
        drawn = re.findall(r'cx="([\d.]+)" cy="(-?\d+)"', strip(measuring([3.0] * 3, [1, 5])))
        assert len(set(drawn)) == 3

    def test_a_control_beyond_the_scale_is_an_arrow(self):
        controls = [ControlRecord("planted", "REFUTED", "REFUTED", value) for value in (1.2, 1e6, -1e6)]
        drawn = strip(measuring([0.9, 1.0, 1.1], [0.8, 1.2], controls=controls))
        assert re.findall(r'class="control"[^>]*>([^<]*)<', drawn) == ["◂c", "a", "b▸"]

    def test_the_papers_number_and_borrowed_values_are_drawn(self):
        assert 'class="paper"' in strip(HELD)
        assert 'class="paper"' not in strip(measuring([1.0], [0, 2]))
        borrowed = measuring([1.0], [0, 2], ensemble=EnsembleRecord([0.9, 1.0, 1.1, 50.0], "planted"), controls=[])
        assert strip(borrowed).count("<circle") == 4  # its own and the three of the ensemble that are on the scale

    def test_many_values_become_ticks_and_nothing_measured_nothing(self):
        assert "<circle" not in strip(measuring([float(x) for x in range(MANY + 1)], [0, 3]))
        assert strip(BROKEN) == ""


def test_a_card_says_which_seeds_of_its_ensemble_were_tested_against_and_what_its_time_is_of():
    known = EnsembleRecord([1.0] * 8, "then", [[f"d[{seed}]"] for seed in range(8)], spread=False, verdict="SUPPORTED")
    belongs = MembershipRecord("belongs", "", p=0.5, level=0.01, shift=0.1, others=5)
    tested = dataclasses.replace(HELD, ensemble=known, membership=belongs, experiments={"digits": "0" * 64}, seconds=0.2)
    page = html.render(dataclasses.replace(REPORT, claims=[tested]), {})
    assert "(p = 0.5 over 5 of its 8 seeds: those of this run are left out; its verdict: SUPPORTED)" in page
    assert "to judge, once digits is trained)" in page
    others = dataclasses.replace(belongs, others=8)
    assert words.others_of(dataclasses.replace(tested, membership=others)) == "8 other seeds"


def test_tested_untested_and_not_random_add_up_to_judged():
    belongs, absent = (MembershipRecord(state, "") for state in ("belongs", "absent"))
    once = dataclasses.replace(HELD, over="once")
    claims = [dataclasses.replace(HELD, membership=belongs), *[dataclasses.replace(HELD, membership=absent)] * 2, *[once] * 3]
    said = words.belonging(dataclasses.replace(REPORT, claims=[*claims, SKIPPED]))
    assert said == (
        "1 claims tested against their reference ensembles, 0 do not belong; 2 have no ensemble to be tested against; "
        "3 measure nothing that is random over seeds"
    )
