"""New ensembles show their changes; after a change of code, seeds that are measured again confirm an ensemble or do not."""

import dataclasses
import json

import numpy as np
import pytest

from harness.suite.acceptance import changes, confirmed, extended, unsettled
from harness.suite.ensemble import Ensembles, load, make, needs_of
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


def ensembles(*claims) -> Ensembles:
    content = make(report(*claims), Ensembles())
    return Ensembles(None, content["runs"], content["claims"])


def test_a_long_tail_is_confirmed_by_its_logarithms():
    """A tenth of the smallest value is less than a hundredth of the spread, which the largest values decide."""
    values = np.sort(np.exp(np.random.default_rng(5).standard_t(3, 16)))
    assert 0.1 * values[0] < 0.01 * values.std(ddof=1)
    for factor, count in ((1.0, 0), (1.1, 1)):
        _, lines = confirmed(report(record([factor * values[0], values[1]], code="new")), ensembles(record(values)))
        assert len(lines) == count


def test_two_seeds_without_a_value_confirm_nothing(known):
    _, (line,) = confirmed(report(record([None, None, 0.9], code="new")), known)
    assert "fewer than 2 seeds" in line


def test_each_claim_of_a_report_is_confirmed_alone():
    """Claims before it may be unknown, of the same code, of another rule, moved, not judged, or of unknown code."""
    known = ensembles(*(record(VALUES, id=f"a/{name}") for name in ("same", "rule", "moved", "open", "nameless", "last")))
    again = [
        record(VALUES[:2], code="new", id="a/unknown"),
        record(VALUES[:2], code="old", id="a/same"),
        record(VALUES[:2], code="new", id="a/rule", over="share"),
        record([5.0, 6.0], code="new", id="a/moved"),
        dataclasses.replace(record(VALUES[:2], code="new", id="a/open"), verdict="NOT_RUN"),
        record(VALUES[:2], code="", id="a/nameless"),
        record(VALUES[:2], code="new", id="a/last"),
    ]
    content, lines = confirmed(report(*again), known)
    assert [line.partition(":")[0] for line in lines] == ["a/rule", "a/moved"]
    assert {id: entry["code"] for id, entry in content["claims"].items() if entry["code"] != "old"} == {"a/last": "new"}


def test_seeds_that_the_ensemble_lacks_neither_confirm_nor_refuse_it(known):
    """The third value belongs to a new seed, and the fourth could not be measured again."""
    again = record([1.0, 1.1, 9.0, None], code="new")
    again.measurements[0].runs[2:] = [["it[50]"], ["it[3]"]]
    content, lines = confirmed(report(again), known)
    assert (lines, content["claims"]["a/b"]["code"]) == ([], "new")
    again.measurements[0].runs[1] = ["it[51]"]
    again.measurements[0].runs[3] = ["it[52]"]
    assert "fewer than 2 seeds" in confirmed(report(again), known)[1][0]


@pytest.mark.parametrize(
    ("constant", "again", "says"),
    [(0.0, 0.0, ""), (1000.0, 1000.0005, ""), (1000.0, 1000.01, "moved by 0.01"), (0.001, 0.0010001, "moved by 1e-07")],
)
def test_an_ensemble_of_equal_values_is_confirmed_up_to_rounding(constant, again, says):
    known = ensembles(record([constant] * 8))
    content, lines = confirmed(report(record([constant, again], code="new")), known)
    assert [says in line for line in lines] == [True] * bool(says)
    assert content["claims"]["a/b"]["code"] == ("old" if says else "new")


def test_the_file_of_confirmed_ensembles_can_be_loaded(known, tmp_path):
    content, _ = confirmed(report(record(VALUES[:2], code="new")), known)
    (tmp_path / "smoke-float32.json").write_text(json.dumps(content), encoding="utf-8")
    assert (content["scale"], content["precision"]) == ("smoke", "float32")
    assert load(tmp_path, "smoke", "float32").runs == known.runs


def test_what_is_not_confirmed_has_to_be_measured_anew():
    known = ensembles(record(VALUES), record(VALUES, id="a/moved"))
    again = [
        record(VALUES[:3], "new"),
        record((2.0, *VALUES[1:3]), "new", "a/moved"),
        record(VALUES[:3], "new", "a/absent"),
        record((1.0,), "new", "a/fixed", over="once"),
        dataclasses.replace(record(VALUES[:3], "new", "a/broken"), verdict="NOT_RUN", measurements=[]),
    ]
    assert unsettled(report(*again), confirmed(report(*again), known)[0]) == ["a/moved", "a/absent"]


def test_an_outdated_ensemble_has_to_be_measured_anew_though_the_code_is_the_same():
    known = ensembles(record(VALUES), record(VALUES, id="a/redefined"))
    again = [
        record(VALUES[:3], over="trials"),
        dataclasses.replace(record(VALUES[:3], id="a/redefined"), experiments={"it": "1" * 64}),
    ]
    content, lines = confirmed(report(*again), known)
    assert unsettled(report(*again), content) == ["a/b", "a/redefined"]
    assert [line.partition(":")[0] for line in lines] == ["a/b", "a/redefined"]


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


def test_an_ensemble_that_stays_says_nothing(known):
    after = report(record(VALUES), created="2021-01-01T00:00:00Z")
    assert changes(after, known, make(after, known)) == []
    constant = report(record([2.0] * 8), created="2021-01-01T00:00:00Z")
    assert changes(constant, ensembles(record([2.0] * 8)), make(constant, known)) == []


@pytest.mark.parametrize(("before", "after"), [(1.0, 1.0), (1.0, 0.1), (0.1, 1.0)])
def test_a_mean_that_moved_by_half_a_standard_deviation_is_named(before, after):
    """The larger of the two spreads counts, each with the divisor n - 1."""
    centred = np.array(VALUES) - 1
    known = ensembles(record((1 + before * centred).tolist()))
    for shift, named in ((0.49, False), (0.51, True)):
        moved = (1 + after * centred + shift * np.std(centred, ddof=1)).tolist()
        later = report(record(moved), created="2021-01-01T00:00:00Z")
        lines = changes(later, known, make(later, known))
        assert [f"({shift:.2g} standard deviations)" in line for line in lines] == [True] * named


def test_a_constant_that_changed_is_named():
    later = report(record([3.0] * 8), created="2021-01-01T00:00:00Z")
    (line,) = changes(later, ensembles(record([2.0] * 8)), make(later, Ensembles()))
    assert "mean 2 before, 3 now (from one constant to another)" in line


def test_the_verdict_of_a_new_ensemble_is_that_of_the_claims_rule():
    """160 of 160 trials do not prove 99 %; an interval that is cut to the highest possible value lies inside the region."""
    counted = record([1.0] * 8, over="trials")
    counted.measurements[0] = dataclasses.replace(counted.measurements[0], trials=[20] * 8)
    share = record([1.0] * 7 + [0.7])
    for one, rule, verdict in (
        (counted, RuleRecord([0.99, None], "planted"), "INCONCLUSIVE"),
        (counted, RuleRecord([0.97, None], "planted"), "SUPPORTED"),
        (share, RuleRecord([0.5, 1.0], "planted", [0, 1]), "SUPPORTED"),
        (share, RuleRecord([0.5, 1.0], "planted"), "INCONCLUSIVE"),
    ):
        later = report(dataclasses.replace(one, rule=rule))
        assert changes(later, Ensembles(), make(later, Ensembles())) == [f"a/b: new, {verdict} from 8 values"]


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
