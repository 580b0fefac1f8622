"""Figures and claims link to each other."""

import dataclasses
from types import SimpleNamespace

import pytest

from harness.report import links
from harness.report.figures.registry import source
from tests.report.test_html import HELD


def drawing(number, *claims, svg="<svg></svg>", about=(), others=(), networks=()):
    sources = {"it": source("sigma", *claims, *others)}
    figure = SimpleNamespace(
        paper="paper", number=number, name=f"figure-{number}", about=about, sources=sources, networks=networks
    )
    return SimpleNamespace(figure=figure, claims=claims, svg=svg)


def claim(id, where):
    return dataclasses.replace(HELD, id=id, where=where)


@pytest.mark.parametrize(
    ("where", "numbers"),
    [
        ("Section 3.1, Figure 1a", {"1a"}),
        ("Sections 3.1 and 3.5, Figures 1a and 5b", {"1a", "5b"}),
        ("Appendix C, Figures 11b to 11d", {"11b", "11c", "11d"}),
        ("Figure 6b, caption", {"6b"}),
        ("Appendix B, Figure 4; section 1", {"4"}),
        ("Section 3, equation 9; appendix E, equation 19", set()),
        ("Appendix A.1, both figures", set()),
        ("Table 1, section 2", {"Table 1"}),
        ("Figure 12; Table 1", {"12", "Table 1"}),
    ],
)
def test_figures_are_read_from_where(where, numbers):
    assert links.named(where) == numbers


def test_a_claim_leads_to_what_is_drawn_from_it_or_named_by_it_and_back():
    drawn, named, undrawn = drawing("1a", "paper/a[x]"), drawing("2"), drawing("3", svg="")
    table = drawing("Table 1")
    records = [
        claim("paper/a[x]", "Section 1"),
        claim("paper/a[y]", "Section 1"),  # no figure of its own: that of the other reading
        claim("paper/b", "Figures 1b and 2"),
        claim("paper/c", "Figure 1"),
        claim("paper/d", "Figure 3"),
        claim("paper/e", "Table 1"),
        claim("paper/a[z,on-wine]", "Figure 2"),
    ]
    found = links.figures_of(records, [drawn, named, undrawn, table])
    assert {id: [one.figure.number for one in figures] for id, figures in found.items()} == {
        "paper/a[x]": ["1a"],
        "paper/a[y]": ["1a"],
        "paper/b": ["2"],
        "paper/c": ["1a"],
        "paper/d": [],
        "paper/e": ["Table 1"],
        "paper/a[z,on-wine]": [],
    }
    assert links.claims_of(found) == {
        "figure-1a": ["paper/a[x]", "paper/a[y]", "paper/c"],
        "figure-2": ["paper/b"],
        "figure-Table 1": ["paper/e"],
    }


def test_a_claim_leads_to_what_is_about_its_statement_or_could_have_been_drawn_from_it():
    drawings = [drawing("A", "paper/a", about=("paper/e",)), drawing("B", "paper/b", others=("paper/f[x]",))]
    ids = ("paper/e[x]", "paper/e", "paper/f[x]", "paper/g", "paper/e[x,on-wine]")
    found = links.figures_of([claim(id, "Section 1") for id in ids], drawings)
    assert {id: [one.figure.number for one in figures] for id, figures in found.items()} == {
        "paper/e[x]": ["A"],
        "paper/e": ["A"],
        "paper/f[x]": ["B"],
        "paper/g": [],
        "paper/e[x,on-wine]": [],
    }


def test_a_claim_on_another_network_leads_to_figures_that_show_this_network():
    drawings = [drawing("1", about=("paper/a",)), drawing("2", "paper/b[on-wine]", about=("paper/a",), networks=("wine",))]
    ids = ("paper/a[x]", "paper/a[x,on-wine]", "paper/a[x,on-other]", "paper/b[on-wine]", "paper/b[y,on-wine]")
    found = links.figures_of([claim(id, "Section 1") for id in ids], drawings)
    assert {id: [one.figure.number for one in figures] for id, figures in found.items()} == {
        "paper/a[x]": ["1"],
        "paper/a[x,on-wine]": ["2"],
        "paper/a[x,on-other]": [],
        "paper/b[on-wine]": ["2"],
        "paper/b[y,on-wine]": ["2"],
    }
