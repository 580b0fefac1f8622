"""What is expected of a claim: the listed deviations, the ensembles that contradict them, the ledger, and ids that are close."""

import math
from dataclasses import replace

import pytest

from harness.errors import InvalidInput
from harness.suite.claim import Claim, Control
from harness.suite.ensemble import Ensembles
from harness.suite.expectation import (
    Expectation,
    disagreements,
    expected,
    missing_control,
    of_ensemble,
    read_deviations,
    read_ledger,
    unknown_id,
)
from harness.suite.records import LedgerEntry
from harness.suite.verdict import Ensemble, Verdict, at_least, at_most, within

ENTRY = '[[deviation]]\nid = "paper/size"\nscale = "smoke"\nverdict = "REFUTED"\nreason = "it is tiny – λ"\n'


def claim(id="paper/size", over="seeds", region=None, scales=("smoke", "paper"), **more) -> Claim:
    return Claim(id, "", "", "", region or at_least(0.9, reason="planted"), len, (), ("it",), over, scales=scales, **more)


REGISTRY = {id: claim(id) for id in ("paper/size", "paper/size[strict]", "paper/weight")}


def deviations(tmp_path, text):
    path = tmp_path / "deviations.toml"
    path.write_text(text, encoding="utf-8")
    return read_deviations(path, REGISTRY)


def test_deviations_are_listed_by_claim_and_scale(tmp_path):
    more = ENTRY.replace("size", "weight").replace("smoke", "paper").replace("REFUTED", "INCONCLUSIVE")
    listed = deviations(tmp_path, ENTRY + ENTRY.replace("smoke", "paper") + more)
    refuted = Expectation(Verdict.REFUTED, "it is tiny – λ")
    assert listed == {
        ("paper/size", "smoke"): refuted,
        ("paper/size", "paper"): refuted,
        ("paper/weight", "paper"): Expectation(Verdict.INCONCLUSIVE, "it is tiny – λ"),
    }
    assert expected(REGISTRY["paper/size"], "smoke", listed) == refuted
    assert expected(REGISTRY["paper/weight"], "smoke", listed) == Expectation(Verdict.SUPPORTED, None)
    assert expected(claim(portable=True), "large", listed).verdict is None


@pytest.mark.parametrize("text", [None, "", "[[entry]]\nid = 1\n"], ids=["no file", "an empty file", "other tables"])
def test_a_file_without_entries_lists_nothing(tmp_path, text):
    if text is None:
        assert read_deviations(tmp_path / "deviations.toml", REGISTRY) == {}
        assert read_ledger(tmp_path / "ledger.toml") == []
    else:
        assert deviations(tmp_path, text) == {}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (ENTRY + ENTRY, "paper/size at scale smoke is listed twice"),
        (ENTRY.replace("tiny", '"'), "is not TOML"),
        (ENTRY.replace('verdict = "REFUTED"\n', ""), "give id, scale, verdict and reason"),
        (ENTRY + 'more = "text"\n', "give id, scale, verdict and reason"),
        (ENTRY.replace("it is tiny – λ", " "), "none empty"),
        (ENTRY.replace('"it is tiny – λ"', "3"), "as texts"),
        (ENTRY.replace("paper/size", "paper/sizes"), "unknown claim id 'paper/sizes'; did you mean paper/size or paper/size"),
        (ENTRY.replace("smoke", "large"), "paper/size is not judged at scale 'large'.*it is at: smoke, paper"),
        (ENTRY.replace("REFUTED", "SUPPORTED"), "lists verdict 'SUPPORTED'; allowed: REFUTED, INCONCLUSIVE"),
        (ENTRY.replace("REFUTED", "NOT_RUN"), "lists verdict 'NOT_RUN'"),
    ],
)
def test_an_entry_that_makes_no_sense_is_refused(tmp_path, text, says):
    with pytest.raises(InvalidInput, match=says):
        deviations(tmp_path, text)


def test_bytes_that_are_no_text_are_refused(tmp_path):
    (tmp_path / "deviations.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="is not TOML"):
        read_deviations(tmp_path / "deviations.toml", REGISTRY)


def test_a_ledger_has_four_fields_an_entry(tmp_path):
    path, entry = tmp_path / "ledger.toml", '[[entry]]\nid = "p/x"\nwhere = "1"\nsays = "s"\nreason = "no data"\n'
    path.write_text(entry, encoding="utf-8")
    assert read_ledger(path) == [LedgerEntry("p/x", "1", "s", "no data")]
    for text in (entry + 'more = "text"\n', entry.replace('says = "s"\n', "")):
        path.write_text(text, encoding="utf-8")
        with pytest.raises(InvalidInput, match="has id, where, says, reason and nothing else"):
            read_ledger(path)


@pytest.mark.parametrize(
    ("got", "close"),
    [
        ("bulk", ["main/bulk-count[all]", "main/bulk-count[few]", "other/bulk-size"]),
        ("elsewhere/bulk-cuont[all]", ["main/bulk-count[all]", "main/bulk-count[few]"]),
        ("other/bulk-size[strict]", ["other/bulk-size"]),
        ("deep/er/tail", ["main/tail"]),
        ("", []),
        ("spectrum", []),
    ],
)
def test_an_unknown_id_names_at_most_three_that_are_close(got, close):
    known = ["main/bulk-count[all]", "main/bulk-count[few]", "other/bulk-size", "other/the-bulk", "main/tail", "main/body"]
    hint = f"did you mean {' or '.join(close)}?" if close else "`python -m harness list` shows all"
    assert unknown_id(got, known) == f"unknown claim id {got!r}; {hint}"


def test_the_two_most_similar_names_are_named():
    """Of eight letters the names share 7, 6 and 7; a name that shares four of six is not similar."""
    assert unknown_id("p/abcdefgh", ["p/abcdefgx", "p/abcdefxx", "p/abcdefgxx"]).endswith("mean p/abcdefgx or p/abcdefgxx?")
    assert "did you mean" not in unknown_id("p/abcdef", ["p/abcdxy"])


ONES = Ensemble((1.0, 1.01, 0.99, 1.0, 1.02, 0.98, 1.0, 1.0), "planted")


@pytest.mark.parametrize(
    ("region", "bounds", "verdict"),
    [
        (at_least(0.9, reason="r"), None, Verdict.SUPPORTED),
        (at_least(1.1, reason="r"), None, Verdict.REFUTED),
        (at_least(1.0, reason="r"), None, Verdict.INCONCLUSIVE),
        (within(0.9, 1.0, reason="r"), None, Verdict.INCONCLUSIVE),
        (within(0.9, 1.0, reason="r"), (0, 1), Verdict.SUPPORTED),
    ],
)
def test_an_ensemble_gives_a_verdict_by_the_claims_rule(region, bounds, verdict):
    found, interval = of_ensemble(claim(region=region, bounds=bounds), ONES)
    assert found is verdict
    assert interval.high == (1.0 if bounds else pytest.approx(1 + 2.3646 * math.sqrt(0.001 / 7 / 8), abs=1e-5))


def test_an_ensemble_of_shares_is_judged_as_a_proportion():
    region = at_least(0.7, reason="planted")
    assert of_ensemble(claim(over="share", region=region), Ensemble((1.0,) * 8, "planted"))[0] is Verdict.INCONCLUSIVE
    assert of_ensemble(claim(over="share", region=region), Ensemble((1.0,) * 11, "planted"))[0] is Verdict.SUPPORTED


REGIONS = {
    "SUPPORTED": at_least(0.9, reason="planted"),
    "REFUTED": at_most(0.9, reason="planted"),
    "INCONCLUSIVE": at_most(1.0, reason="planted"),
}


class TestDisagreements:
    """Of a claim whose ensemble says one thing and whose entry says another."""

    @staticmethod
    def lines(asked, listed, *, scale="smoke", now="0", ids=("paper/size",)):
        entry = {"over": asked.over, "values": ONES.values, "runs": (), "trials": None, "code": "", "created": []}
        known = Ensembles(None, {}, {id: {**entry, "fingerprint": {"it": "0"}} for id in ids})
        entries = {} if listed is None else {(asked.id, "smoke"): Expectation(Verdict[listed], "listed")}
        return disagreements(entries, known, {asked.id: asked}, scale, lambda claim: dict.fromkeys(claim.on, now))

    @pytest.mark.parametrize(
        ("says", "listed", "remedy"),
        [
            ("SUPPORTED", None, ""),
            ("SUPPORTED", "REFUTED", "remove its entry from the deviations, which lists REFUTED"),
            ("SUPPORTED", "INCONCLUSIVE", "remove its entry from the deviations, which lists INCONCLUSIVE"),
            ("REFUTED", None, "list it in the deviations with that verdict"),
            ("REFUTED", "REFUTED", ""),
            ("REFUTED", "INCONCLUSIVE", "list it in the deviations with that verdict"),
            ("INCONCLUSIVE", None, ""),
            ("INCONCLUSIVE", "REFUTED", ""),
        ],
    )
    def test_each_verdict_against_each_entry(self, says, listed, remedy):
        lines = self.lines(claim(region=REGIONS[says]), listed)
        assert len(lines) == bool(remedy)
        assert all(line.startswith(f"paper/size: its ensemble says {says}, [") and remedy in line for line in lines)

    def test_what_is_not_judged_here_disagrees_with_nothing(self):
        refuted = REGIONS["REFUTED"]
        assert self.lines(claim(region=refuted), None, scale="large") == []
        assert self.lines(claim(region=refuted, portable=True), None) == []
        assert self.lines(claim(region=refuted), None, now="1") == []
        assert self.lines(claim(region=refuted), None, ids=("paper/other",)) == []
        assert len(self.lines(claim(region=REGIONS["SUPPORTED"]), "REFUTED", scale="paper")) == 0


class TestMissingControl:
    """A claim that is expected to hold needs a world in which it does not, and one that is not expected to needs the reverse."""

    HELD, FAILED = (Control(name, id, expect) for name, expect in (("held", Verdict.SUPPORTED), ("failed", Verdict.REFUTED)))

    @pytest.mark.parametrize(
        ("listed", "control", "lacks"),
        [
            (Verdict.SUPPORTED, HELD, "SUPPORTED needs a control expected REFUTED"),
            (Verdict.INCONCLUSIVE, HELD, "INCONCLUSIVE needs a control expected REFUTED"),
            (Verdict.REFUTED, FAILED, "REFUTED needs a control expected SUPPORTED"),
            (Verdict.SUPPORTED, FAILED, ""),
            (Verdict.INCONCLUSIVE, FAILED, ""),
            (Verdict.REFUTED, HELD, ""),
            (None, HELD, ""),
            (None, FAILED, ""),
        ],
    )
    def test_it_is_named(self, listed, control, lacks):
        one = replace(claim(), controls=(control,))
        expected = [f"a claim expected {lacks} and has none"] if lacks else []
        assert missing_control(one, Expectation(listed)) == expected
        assert missing_control(replace(one, portable=True), Expectation(listed)) == []
