"""A comparison in words: nothing that moved is left out, worst first, and the numbers are those of the comparison."""

import dataclasses
import math

import pytest

from harness.compare import compare, text
from harness.compare.differences import Difference, State
from harness.compare.exchange import Exchange
from harness.compare.html import PAD, WIDTH, bars_of, kind, render
from harness.compare.localise import RunChange
from harness.compare.measurements import Shift
from harness.suite.records import RuleRecord
from tests.compare.planted import BASE, ENVIRONMENT, SHIFTED, report

FOUND = compare(BASE, SHIFTED)
CLAIM = dataclasses.replace(
    FOUND.claims[0], shift=Shift(State.SAME, 0.0, 0.0, 0.0, 3), first="", corrected=None, margins=(None, None)
)
MOVED = Difference("loss at step 4", State.MOVED, 4, 0.01, 2000.0, 50.0)
WITHIN = Difference("blocks", State.ROUNDING, -1, 1e-7, 1.5, 0.25)


def claim(id, state=State.SAME, verdict="SUPPORTED", **changes):
    before = dataclasses.replace(CLAIM.before, id=id)
    after = dataclasses.replace(CLAIM.after, id=id, verdict=verdict)
    return dataclasses.replace(CLAIM, before=before, after=after, shift=Shift(state, 0.0, 0.0, 0.0, 3), **changes)


def run(name, moved=None, bits=None, ratio=0.0, uncompared=(), wider=""):
    return RunChange(name, 0, moved, bits, ratio, uncompared, wider)


def comparison(claims=(), runs=(), uncompared=(), **changes):
    made = {"identity": [], "incidental": [], "warnings": [], **changes}
    return dataclasses.replace(FOUND, claims=list(claims), runs=list(runs), uncompared=list(uncompared), **made)


EVERY = [
    claim("turned", State.MOVED, "REFUTED"),
    claim("turned, of the same bits", verdict="REFUTED"),
    claim("drifted", State.MOVED, corrected=0.01),
    claim("moved, lost most", State.MOVED, corrected=0.5, margins=(0.2, 0.1)),
    claim("moved", State.MOVED, margins=(0.2, 0.19)),
    claim("moved, gained", State.MOVED, margins=(0.2, 0.3)),
    claim("within", State.ROUNDING, corrected=0.9),
    claim("beside", beside=("control 'doubled' only in the baseline",)),
    claim("same"),
]


class TestClaims:
    def test_all_that_changed_is_listed_worst_first(self):
        rows = text.rows(EVERY[::-1])
        assert [row[1] for row in rows] == [one.before.id for one in EVERY[:-1]]
        assert sorted(row[1] for row in text.rows(EVERY[::-1], every=True)) == sorted(one.before.id for one in EVERY)

    def test_a_row_has_the_numbers_of_its_claim(self):
        shift = Shift(State.MOVED, 0.0125, 0.01, 1234.4, 3)
        changed = claim("paper/size", first="digits[0]: loss at step 4", margins=(0.2, 0.15), corrected=0.0321, beside=("a", "b"))
        (row,) = text.rows([dataclasses.replace(changed, shift=shift)])
        assert dict(zip(text.HEADER, row, strict=True)) == {
            "verdict": "SUPPORTED",
            "claim": "paper/size",
            "baseline": "[0.9752, 1.025]",
            "new": row[3],
            "accepted": "[0.9, 1.1]",
            "largest change": "0.013 (1.23e+03 ULP), MOVED; a; b",
            "margin used": "25.0%",
            "p (corrected)": "0.032",
            "look first at": "digits[0]: loss at step 4",
        }
        assert row[3] != row[2]

    def test_what_is_not_known_is_empty(self):
        broken = dataclasses.replace(claim("a", first="here"), shift=Shift(State.MOVED, math.nan, math.nan, math.nan, 0))
        (row,) = text.rows([broken])
        assert row[5:] == ("MOVED", "", "", "here")
        (row,) = text.rows([claim("a", first="here")], every=True)
        assert row[5:] == ("same bits", "", "", "")

    def test_a_verdict_that_turned_is_shown_with_the_earlier_one(self):
        assert [text.verdict(one) for one in (EVERY[0], EVERY[-1])] == ["SUPPORTED -> REFUTED", "SUPPORTED"]

    def test_the_headline_counts_each_of_them(self):
        found = text.headline(comparison(EVERY, uncompared=["x", "y", "z"]))
        assert found == (
            "9 claims compared: 2 changed verdict, 5 moved beyond rounding, 1 within rounding, 3 of the same bits; "
            "1 with another interval or control; 3 not compared"
        )
        assert "another interval" not in text.headline(comparison(EVERY[:2]))

    def test_the_claims_that_chance_does_not_explain_are_named(self):
        claims = [claim("a", corrected=0.01), claim("b", corrected=0.05), claim("c", corrected=0.0499), claim("d")]
        assert text.chance_line(comparison(claims)).startswith("3 of 4 claims tested for exchangeability, 2 below 0.05")
        assert text.chance_line(comparison(claims)).endswith(": a, c")
        assert text.chance_line(comparison(claims[1:2])).endswith("(Benjamini-Hochberg)")

    def test_the_shifts_that_could_be_seen_are_those_of_the_weakest_claim(self):
        """Of 20 claims: one alone, or two together."""
        tests = [Exchange("t", 8, 0.5, error, 15) for error in (0.1, 0.2)]
        claims = [claim(str(n), corrected=0.5, exchange=tests[n % 2]) for n in range(20)]
        alone, two = tests[1].detectable(20), tests[1].detectable(20, 2)
        said = text.chance_line(comparison(claims))
        assert f"one of {alone:.2g} if one claim moves alone, a shift of {two:.2g} standard deviations" in said
        coarse = Exchange("signs", 8, 0.5, 0.1, 15, least=0.004)
        said = text.chance_line(comparison([dataclasses.replace(one, exchange=coarse) for one in claims]))
        assert "no shift is seen if one claim moves alone, a shift of" in said
        assert "too few values" not in said


class TestRuns:
    RUNS = (
        run("same"),
        run("within", bits=WITHIN, ratio=0.25),
        run("moved", MOVED, WITHIN, 0.125),
        run("lost", uncompared=("only in the baseline: data", "no stage records to localise by")),
        run("wide", wider="loss: its own rounding error grew 100 times"),
    )

    def test_every_run_with_a_finding_has_a_row(self):
        within, moved = "blocks by 1e-07 (1.5 ULP, 0.25 x allowed)", "loss at step 4 by 0.01 (2e+03 ULP, 50 x allowed)"
        assert text.run_rows(comparison(runs=self.RUNS)) == [
            ("within[0]", "", within, "0.25 of what is allowed"),
            ("moved[0]", moved, within, "0.12 of what is allowed"),
            ("lost[0]", "", "", "only in the baseline: data"),
            ("wide[0]", "", "", "loss: its own rounding error grew 100 times"),
        ]

    @pytest.mark.parametrize(
        ("difference", "said"),
        [
            (None, ""),
            (MOVED, "loss at step 4 by 0.01 (2e+03 ULP, 50 x allowed)"),
            (dataclasses.replace(MOVED, ratio=math.nan), "loss at step 4 by 0.01 (2e+03 ULP)"),
            (dataclasses.replace(MOVED, note="a kink"), "loss at step 4 by 0.01 (2e+03 ULP, 50 x allowed); a kink"),
            (Difference("data", State.MOVED), "data"),
            (Difference("data", State.MOVED, note="a kink"), "data; a kink"),
        ],
    )
    def test_a_stage_is_said_with_what_is_known_of_it(self, difference, said):
        assert text.say(difference) == said

    def test_runs_that_moved_are_counted_and_the_first_three_named(self):
        names = "abcd"
        said = text.stages_line(comparison(runs=[*self.RUNS[:2], *(run(name, MOVED, MOVED) for name in names)]))
        assert said.startswith("4 of 6 runs moved; first in a[0]: loss at step 4")
        assert ("c[0]" in said, "d[0]" in said, said.endswith(" ...")) == (True, False, True)
        assert not text.stages_line(comparison(runs=[run(name, MOVED, MOVED) for name in "abc"])).endswith("...")

    def test_runs_of_the_same_bits_and_those_whose_allowance_grew_are_counted(self):
        unknown = run("unknown", uncompared=("no stage records to localise by",))
        said = text.stages_line(comparison(runs=[*self.RUNS[:2], self.RUNS[4], unknown]))
        assert said.startswith("3 runs: none moved beyond rounding, 2 of the same bits throughout")
        assert "in 1 what is allowed grew, first wide[0]: loss: its own rounding error grew 100 times" in said
        assert "grew" not in text.stages_line(comparison(runs=self.RUNS[:2]))
        assert "nothing can be localised" in text.stages_line(comparison(runs=[unknown]))

    def test_all_that_was_not_compared_within_runs_is_listed(self):
        assert text.unlocalised(self.RUNS) == ["lost[0]: only in the baseline: data", "lost[0]: no stage records to localise by"]


class TestWhole:
    LEFT = tuple(f"paper/{n}: judged only in the baseline" for n in range(12))

    def _whole(self, **changes):
        other = report(environment={**ENVIRONMENT, "jax": "", "cpu": "a | b", "load": "9"})
        both = compare(BASE, other)
        facts = {"identity": both.identity, "incidental": both.incidental, "warnings": ["the baseline is incomplete"]}
        return comparison(EVERY, TestRuns.RUNS, self.LEFT, **facts, **changes)

    def test_the_table_has_machines_warnings_runs_claims_and_the_first_ten_not_compared(self):
        lines = text.table(self._whole())
        assert lines[:2] == ["jax: 0.10.2 -> ?", "cpu: planted -> a | b"]
        assert "warning: the baseline is incomplete" in lines
        assert [line for line in lines if line.startswith("not compared")] == [
            *(f"not compared: {line}" for line in self.LEFT[:10]),
            "not compared: 2 more, listed in compare.md",
        ]
        for one in (*EVERY[:-1], *TestRuns.RUNS[1:]):
            assert any((one.label if isinstance(one, RunChange) else one.before.id) in line for line in lines)
        assert lines[-3:] == [line(self._whole()) for line in (text.headline, text.stages_line, text.chance_line)]
        assert not any("more, listed" in line for line in text.table(comparison(uncompared=self.LEFT[:10])))
        assert text.table(comparison())[0] == "identity: the same machine and versions"

    def test_columns_are_aligned(self):
        lines = text.table(comparison([claim("a", State.MOVED), claim("a longer one", State.ROUNDING)]))
        header, *rows = (line for line in lines if line.startswith(("verdict", "SUPPORTED")))
        places = [header.index("accepted"), *(row.index("[0.9, 1.1]") for row in rows)]
        assert len(set(places)) == 1

    def test_markdown_has_everything_and_says_how_much_it_leaves_out(self):
        whole = text.markdown(self._whole())
        for row in (*text.rows(EVERY), *text.run_rows(self._whole())):
            assert f"| {' | '.join(row)} |" in whole
        for line in (*self.LEFT, *text.unlocalised(TestRuns.RUNS)):
            assert f"| {line} |" in whole
        assert "| cpu | planted | a \\| b |" in whole
        assert "| load | 1.0 | 9 |" in whole
        head = [f"{line(self._whole())}." for line in (text.headline, text.stages_line, text.chance_line)]
        first = ["# Comparison with the baseline", *head, "**Note**: the baseline is incomplete."]
        assert whole.startswith("\n\n".join([*first, "## What the machines differ in", "|  | baseline | new |"]))
        assert [line for line in whole.splitlines() if line.startswith("## ")] == [
            "## What the machines differ in",
            "## Claims",
            "## Runs",
            "## Not compared",
            "## Incidental",
        ]
        assert "more are in" not in whole
        cut = text.markdown(self._whole(), limit=8)
        assert "6 more are in the comparison's own page" in cut  # of 12 claims and 2 lines of a run
        assert cut.count("more are in") == 1
        assert f"| {self.LEFT[7]} |" in cut
        assert f"| {self.LEFT[8]} |" not in cut

    def test_the_page_has_everything(self):
        page = render(self._whole())
        for words in (
            *(one.before.id for one in EVERY),
            *self.LEFT,
            *text.unlocalised(TestRuns.RUNS),
            "the baseline is incomplete",
        ):
            assert words.replace("'", "&#39;") in page
        for cells in (("cpu", "planted", "a | b"), ("load", "1.0", "9"), ("wide[0]", "", "", TestRuns.RUNS[4].wider)):
            assert "".join(f"<td>{cell}</td>" for cell in cells) in page
        assert (page.count('<tr class="turned">'), page.count('<tr class="moved">'), page.count('<tr class="">')) == (2, 4, 3)


class TestBars:
    """Places on a strip of 220 with 12 left free at both ends."""

    def _bars(self, before, after, accept):
        def of(record, interval):
            measured = dataclasses.replace(record.measurements[0], interval=interval)
            return dataclasses.replace(record, measurements=[measured], rule=RuleRecord(list(accept), "a reason"))

        return bars_of(dataclasses.replace(CLAIM, before=of(CLAIM.before, before), after=of(CLAIM.after, after)))

    @pytest.mark.parametrize(
        ("before", "after", "accept", "band", "old", "new"),
        [
            ([1.0, 2.0], [3.0, 4.0], (0.0, 4.0), (12.0, 196.0), (61.0, 110.0), (159.0, 208.0)),
            ([1.0, 2.0], [3.0, 4.0], (None, 0.0), (0.0, 12.0), (61.0, 110.0), (159.0, 208.0)),
            ([1.0, 2.0], [3.0, 5.0], (3.0, None), (110.0, 110.0), (12.0, 61.0), (110.0, 208.0)),
            ([1.0, 2.0], [3.0, 5.0], (None, None), (0.0, 220.0), (12.0, 61.0), (110.0, 208.0)),
            ([-2.0, -1.0], [-2.0, 2.0], (1.0, 1.0), (159.0, 1), (12.0, 61.0), (12.0, 208.0)),
            ([1.0, 1.0], [3.0, 3.0], (1.0, 3.0), (12.0, 196.0), (12.0, 12.1), (208.0, 208.1)),
            ([2.0, 2.0], [2.0, 2.0], (2.0, None), (12.0, 208.0), (12.0, 12.1), (12.0, 12.1)),
        ],
    )
    def test_places_are_linear_between_the_outermost_ends(self, before, after, accept, band, old, new):
        assert (WIDTH, PAD) == (220, 12)
        found = self._bars(before, after, accept)
        assert (found.band, found.old, found.new) == (band, old, new)

    @pytest.mark.parametrize(("before", "after"), [(None, [1.0, 2.0]), ([1.0, 2.0], None), (None, None)])
    def test_without_both_intervals_there_is_no_picture(self, before, after):
        assert self._bars(before, after, (0.0, 1.0)) is None

    def test_a_claim_that_broke_has_no_picture(self):
        assert bars_of(dataclasses.replace(CLAIM, after=dataclasses.replace(CLAIM.after, measurements=[]))) is None

    def test_rows_are_marked_by_what_changed(self):
        assert [kind(one) for one in (*EVERY[:3], *EVERY[6:])] == ["turned", "turned", "moved", "", "", ""]
