"""New ensembles show their changes; after a change of code, seeds that are measured again confirm an ensemble or do not."""

import dataclasses

import pytest

from harness.suite.acceptance import changes, confirmed, extended
from harness.suite.ensemble import Ensembles, make, needs_of
from harness.suite.records import ClaimRecord, MeasurementRecord, Report, RuleRecord

VALUES = (1.0, 1.1, 0.9, 1.05, 0.95, 1.2, 0.8, 1.0)


def record(values, code="old", id="a/b", over="seeds", first=0):
    runs = [[f"it[{first + seed}]"] for seed in range(len(values))]
    measured = MeasurementRecord("it", "", "", runs, list(values), interval=[0, 1])
    rule = RuleRecord([0.5, None], "planted")
    facts = {"verdict": "SUPPORTED", "experiments": {"it": "0" * 64}, "code": code, "measurements": [measured]}
    return ClaimRecord(id, "a", "", "", "", over, "", None, "", rule, "SUPPORTED", None, **facts)


def report(*claims, created="2020-01-01T00:00:00Z"):
    return Report(True, False, "smoke", 8, "float32", created, 1.0, None, {}, [], list(claims))


@pytest.fixture
def known() -> Ensembles:
    content = make(report(record(VALUES)), Ensembles())
    return Ensembles(None, content["runs"], content["claims"])


@pytest.mark.parametrize("factor", [1.0, 1 + 1e-7, 1 + 5e-4])
def test_values_within_a_hundredth_of_the_spread_confirm_an_ensemble(known, factor):
    content, lines = confirmed(report(record([value * factor for value in VALUES[:2]], code="new")), known)
    assert lines == []
    assert content["claims"]["a/b"] == {**known.claims["a/b"], "code": "new"}


@pytest.mark.parametrize(
    ("again", "says"),
    [
        (record([1.0, 1.15], code="new"), "a value moved by 0.05, 0.41 standard deviations: measure it anew"),
        (record([1.0], code="new"), "fewer than 2 seeds of its ensemble were measured again"),
        (record([1.0, 1.1], code="new", over="pairs"), "by another rule: measure it anew"),
        (dataclasses.replace(record([1.0, 1.1], code="new"), experiments={"it": "1" * 64}), "another version of its experiments"),
    ],
    ids=["a value that moved", "one seed", "another rule", "another experiment"],
)
def test_anything_else_leaves_it_unconfirmed_and_says_why(known, again, says):
    content, (line,) = confirmed(report(again), known)
    assert says in line
    assert content["claims"] == known.claims


def test_the_same_code_needs_no_confirmation(known):
    assert confirmed(report(record([5.0, 6.0], code="old")), known)[1] == []


def test_an_ensemble_grows_by_the_seeds_that_it_lacks(known):
    """Four of the report's eight seeds are new. The others keep their values, and both reports are named as the source."""
    later = report(record([9.0] * 4 + [1.3, 1.4, 1.5, 1.6], first=4), record(VALUES, id="a/new"), created="2021-01-01T00:00:00Z")
    content, lines = extended(later, known)
    grown = content["claims"]["a/b"]
    assert lines == []
    assert grown["values"] == [*VALUES, 1.3, 1.4, 1.5, 1.6]
    assert grown["runs"] == [[f"it[{seed}]"] for seed in range(12)]
    assert grown["created"] == ["2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]
    assert list(content["runs"]) == grown["created"]
    assert content["claims"]["a/new"] == make(later, Ensembles())["claims"]["a/new"]
    assert extended(later, Ensembles(None, content["runs"], content["claims"]))[0]["claims"] == content["claims"]


def test_proportions_grow_with_their_trials():
    def counted(first):
        measured = dataclasses.replace(record(VALUES, over="trials", first=first).measurements[0], trials=[first + 10] * 8)
        return report(dataclasses.replace(record(VALUES, over="trials"), measurements=[measured]))

    before = make(counted(0), Ensembles())
    content, _ = extended(counted(8), Ensembles(None, before["runs"], before["claims"]))
    assert content["claims"]["a/b"]["trials"] == [10] * 8 + [18] * 8


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (record(VALUES, code="new", first=8), "confirm it first"),
        (record(VALUES, over="share", first=8), "by another rule: measure it anew"),
        (dataclasses.replace(record(VALUES, first=8), experiments={"it": "1" * 64}), "another version of its experiments"),
    ],
    ids=["other code", "another rule", "another experiment"],
)
def test_values_of_other_code_rule_or_experiment_are_not_added(known, more, says):
    content, (line,) = extended(report(more), known)
    assert says in line
    assert content["claims"] == known.claims


def test_pairs_of_seeds_are_not_added():
    """The pairs of an old and a new seed would be missing."""
    before = make(report(record(VALUES, over="pairs")), Ensembles())
    known = Ensembles(None, before["runs"], before["claims"])
    content, (line,) = extended(report(record(VALUES, over="pairs", first=8)), known)
    assert "every pair of its seeds" in line
    assert content["claims"] == known.claims


def test_what_a_new_ensemble_changes_is_said(known):
    after = report(record([value / 10 for value in VALUES]), record(VALUES, id="a/new"), created="2021-01-01T00:00:00Z")
    lines = changes(after, known, make(after, known))
    assert [line.partition(":")[0] for line in lines] == ["a/b", "a/b", "a/new"]
    assert "SUPPORTED before, REFUTED now" in lines[0]
    assert "mean 1 before, 0.1 now" in lines[1]
    assert "new, SUPPORTED from 8 values" in lines[2]


def test_the_file_says_what_a_value_of_a_claim_took():
    """A run of another number of seeds multiplies it."""
    took = dataclasses.replace(record(VALUES), seconds=2.0 * len(VALUES))
    assert make(report(took), Ensembles())["seconds"] == {"a/b": 2.0}


def test_a_claim_that_read_its_value_from_the_store_keeps_its_time():
    known = Ensembles(seconds={"a/b": 20.0})
    for took, kept in ((0.1, 20.0), (1.9, 20.0), (3.0, 3.0), (40.0, 40.0)):
        again = dataclasses.replace(record(VALUES), seconds=took * len(VALUES))
        assert make(report(again), known)["seconds"] == {"a/b": kept}


def test_the_file_says_what_a_claim_takes_beside_its_own_experiments():
    """A claim that asked for less may have taken what another one had measured; other code needs no more than it asks for."""
    known = Ensembles(needs={"a/b": ["noise"], "a/c": ["labels"]})
    asked = dataclasses.replace(record(VALUES), also=["more"])
    both = {"a/b": ["more", "noise"], "a/c": ["labels"]}
    assert make(report(asked), known)["needs"] == both
    assert make(report(record(VALUES)), known)["needs"] == known.needs
    assert confirmed(report(asked), known)[0]["needs"] == both
    older = dataclasses.replace(known, claims={"a/b": {"code": "other"}})
    assert needs_of(report(asked), older) == {"a/b": ["more"], "a/c": ["labels"]}
