"""Quotations in claims are word for word in the papers. The repository holds only hashes of the papers' texts."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.suite.catalogue import declare_all
from harness.suite.claim import REGISTRY, Claim
from harness.suite.portable import of_paper
from harness.suite.quotations import JOINT, LONGEST, fragments, load, unquoted

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"Belrose & Scherlis 2024": "training-jacobian"}  # what a claim of one paper quotes from another
PAGE = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
KNOWN = load(ROOT / "fixtures" / "quotes.json.gz")
declare_all(ROOT / "claims", ROOT)
CLAIMS = sorted((claim for claim in REGISTRY.values() if claim.paper in KNOWN), key=lambda claim: claim.id)
ANYWHERE = [claim for paper in ("tiny-subspace", "training-jacobian") for claim in of_paper(paper)]  # on any network
QUOTING = [claim for claim in CLAIMS + ANYWHERE if claim.quotes]


def source(claim: Claim) -> str:
    """The paper that the claim's words are from."""
    return next((paper for authors, paper in ELSEWHERE.items() if claim.where.startswith(authors)), claim.paper)


def test_most_claims_quote():
    assert len(QUOTING) > 0.8 * len(CLAIMS + ANYWHERE)


@pytest.mark.parametrize("claim", QUOTING, ids=lambda claim: f"{claim.id}, any network" if claim.portable else claim.id)
def test_what_is_quoted_is_in_the_paper(claim):
    missing = unquoted(claim.quotes, KNOWN[source(claim)])
    assert not missing, f"not in the text of {source(claim)}: {missing[0]!r}"


def test_a_changed_word_is_noticed_in_every_quotation():
    for quotes in {claim.quotes: claim for claim in QUOTING}:
        for fragment in fragments(quotes):
            for place in range(len(fragment)):
                changed = " ".join([*fragment[:place], "otherwise", *fragment[place + 1 :]])
                assert unquoted(changed, KNOWN["training-jacobian"]), changed
                assert unquoted(changed, KNOWN["tiny-subspace"]), changed


def test_words_of_our_own_are_not_the_papers():
    """What is said without quotation marks does not hide a sentence of the paper."""
    copied = [claim.id for claim in CLAIMS + ANYWHERE if _copied(claim)]
    assert not copied, f"says repeats the paper word for word: {copied}"


def _copied(claim: Claim) -> bool:
    """Whether eight words or more of ``says`` are in a row in the paper."""
    said = fragments(claim.says) if JOINT not in claim.says and len(claim.says.split()) >= LONGEST else []
    runs = [run[start : start + LONGEST] for run in said for start in range(len(run) - LONGEST + 1)]
    return any(not unquoted(" ".join(run), KNOWN[source(claim)]) for run in runs)


def test_what_is_derived_says_so_where_it_stands():
    derived = {claim.id for claim in CLAIMS if claim.derived}
    assert {claim.id for claim in CLAIMS if claim.where.startswith(("derived", "theorem"))} == derived
    assert f"*derived* ({len(derived)} of them)" in PAGE


def test_calibrated_regions_are_on_record():
    """One more is a decision, and docs/verdicts.md gives their number."""
    assert "one of six" in PAGE
    assert {claim.id for claim in CLAIMS if claim.calibrated} == {
        "tiny-subspace/random-in-top[ten]",
        "training-jacobian/bulk-count[all]",
        "training-jacobian/bulk-count[nontrivial]",
        "training-jacobian/chaotic-count[1.5]",
        "training-jacobian/dimension-of-training[0.1]",
        "training-jacobian/stable-count[threshold]",
    }
