"""The findings of a report: the claims that read one sentence, their order, and their joint result."""

import dataclasses

import pytest

from harness.report import sentences as said
from harness.suite.paper import PAPERS, Paper
from tests.report.test_html import BROKEN, HELD, LISTED, REFUTED, SKIPPED


def claim(id, verdict="SUPPORTED", **changes):
    blank = {"passed": True, "expected": verdict, "where": "Section 1", "quotes": ""}
    return dataclasses.replace(HELD, id=id, paper=id.partition("/")[0], verdict=verdict, **blank | changes)


class TestOrder:
    @pytest.mark.parametrize(
        ("where", "place"),
        [
            ("Title, extrapolated", (0, ())),
            ("Abstract, section 3.1", (1, ())),
            ("derived: abstract", (1, ())),
            ("Section 3, footnote 2", (2, (3,))),
            ("Sections 2 and 3.1", (2, (2,))),
            ("Section 3.10, Figure 1", (2, (3, 10))),
            ("Section 1; section 4", (2, (1,))),
            ("Figure 3c", (3, (3,))),
            ("Appendix B, Figure 4; section 1", (2, (1,))),
            ("Appendix A.1, both figures", (4, (65, 1))),
            ("Appendix C, Figures 11b to 11d", (4, (67, 0))),
            ("theorem (not in the paper)", (5, ())),
            ("authors' notebook, title of an axis", (5, ())),
        ],
    )
    def test_a_place_is_read_from_where(self, where, place):
        assert said.place(where) == place

    def test_sentences_come_in_the_papers_order_and_then_as_declared(self):
        wheres = {
            "notes": "notebook",
            "c": "Section 3.10",
            "b": "Section 3.9",
            "d": "Appendix A",
            "a": "Abstract",
            "b2": "Section 3.9",
        }
        records = [claim(f"paper/{id}", where=where) for id, where in wheres.items()]
        found = said.sentences(records, "paper")
        assert [sentence.plain.id for sentence in found] == [f"paper/{id}" for id in ("a", "b", "b2", "c", "d", "notes")]

    def test_a_sentence_stands_where_its_first_reading_does(self):
        records = [
            claim("paper/b", where="Section 2"),
            claim("paper/a[x]", where="Section 3"),
            claim("paper/a[y]", where="Abstract"),
        ]
        assert [sentence.plain.id for sentence in said.sentences(records, "paper")] == ["paper/a[x]", "paper/b"]

    def test_the_main_paper_is_first(self, monkeypatch):
        records = [claim(f"{paper}/x") for paper in ("c", "a", "b")]
        assert said.papers(records) == ["a", "b", "c"]
        monkeypatch.setitem(PAPERS, "c", Paper("c", "C", "c", main=True))
        assert said.papers(records) == ["c", "a", "b"]


class TestGroups:
    def test_readings_of_one_sentence_are_one_row_whose_plain_one_has_no_name_or_is_first(self):
        records = [claim("paper/a[strict]"), claim("paper/a"), claim("paper/b[x]"), claim("paper/b[y]")]
        found = said.sentences(records, "paper")
        assert [(one.plain.id, [record.id for record in one.variants]) for one in found] == [
            ("paper/a", ["paper/a[strict]"]),
            ("paper/b[x]", ["paper/b[y]"]),
        ]

    def test_readings_of_other_words_are_other_sentences(self):
        records = [claim("paper/a[x]", quotes="one"), claim("paper/a[y]", quotes="two"), claim("paper/a[z]", quotes="one")]
        assert [len(sentence.readings) for sentence in said.sentences(records, "paper")] == [2, 1]

    def test_statements_of_our_own_and_other_networks_are_apart(self):
        records = [claim("paper/a"), claim("paper/a[ours]", derived=True), claim("paper/a[on-wine]"), claim("paper/a[x,on-wine]")]
        (theirs,), (ours,) = (said.sentences(records, "paper", derived=derived) for derived in (False, True))
        assert (theirs.plain.id, ours.plain.id) == ("paper/a", "paper/a[ours]")
        assert [(name, [record.id for record in members]) for name, members in said.networks(records)] == [
            ("wine", ["paper/a[on-wine]", "paper/a[x,on-wine]"])
        ]

    @pytest.mark.parametrize(
        ("id", "name"), [("p/a[on-my-net]", "my-net"), ("p/a[x,on-b]", "b"), ("p/a[on-b,x]", ""), ("p/on-b", "")]
    )
    def test_a_network_is_named_by_the_last_word_of_a_reading(self, id, name):
        assert said.network(claim(id)) == name


class TestFindings:
    @pytest.mark.parametrize(
        ("verdicts", "state"),
        [
            (["SUPPORTED", "SUPPORTED"], "every"),
            (["SUPPORTED", "NOT_RUN"], "every"),
            (["SUPPORTED", "REFUTED"], "some"),
            (["INCONCLUSIVE", "SUPPORTED"], "some"),
            (["REFUTED", "INCONCLUSIVE"], "none"),
            (["INCONCLUSIVE"], "open"),
            (["NOT_RUN"], "not run"),
        ],
    )
    def test_what_its_readings_come_to(self, verdicts, state):
        records = [claim(f"paper/a[{n}]", verdict, declared=verdict == "NOT_RUN") for n, verdict in enumerate(verdicts)]
        (sentence,) = said.sentences(records, "paper")
        assert sentence.state == state

    def test_a_sentence_that_broke_was_not_left_out(self):
        assert said.sentences([BROKEN], "paper")[0].state == "broken"

    def test_the_tally_counts_sentences_and_not_claims(self):
        records = [
            claim("paper/a[x]"),
            claim("paper/a[y]"),
            claim("paper/b"),
            claim("paper/b[y]", "REFUTED"),
            claim("paper/c", "REFUTED"),
        ]
        records += [claim("paper/d", "INCONCLUSIVE"), SKIPPED, BROKEN, claim("paper/ours", derived=True)]
        assert said.tallies(records) == [
            "paper: 1 of 4 sentences hold in every reading, 1 in some, 1 in none; 1 left open; 1 could not be judged; 1 not run; "
            "of 1 statements of our own, 1"
        ]

    def test_a_network_has_a_line_of_its_own(self):
        verdicts = ["REFUTED", "SUPPORTED", "NOT_RUN", "SUPPORTED"]
        records = [claim(f"paper/{letter}[on-mine]", verdict) for letter, verdict in zip("abcd", verdicts, strict=True)]
        assert said.tallies(records) == ["On mine: 2 SUPPORTED, 1 REFUTED, 1 NOT_RUN"]
        assert said.tallies([claim("paper/a"), *records])[1:] == said.tallies(records)

    def test_what_is_true_instead_is_that_of_the_first_reading_that_deviates(self):
        held, listed = claim("paper/a[x]"), dataclasses.replace(LISTED, id="paper/a[y]", where="Section 1")
        (sentence,) = said.sentences([held, listed], "paper")
        assert sentence.deviant is listed
        assert said.sentences([held], "paper")[0].deviant is None

    def test_a_finding_is_one_line(self):
        assert said.finding(HELD) == "[0.95, 1.05] ells; accepted: [0.9, 1.1]"
        assert said.finding(SKIPPED) == "MNIST is not there"
        assert said.sentences([REFUTED], "paper")[0].failed == [REFUTED]
