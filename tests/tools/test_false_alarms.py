"""The estimate of false alarms, on ensembles with a planted truth: few for exchangeable seeds, each planted alarm counted."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from benchmarks.false_alarms import _chosen, _claims, _covered, _own, _split, controls, describe, describe_controls, trial
from harness.suite.catalogue import declare_all
from harness.suite.claim import Claim, Control
from harness.suite.ensemble import load
from harness.suite.records import ClaimRecord, ControlRecord, Report, RuleRecord
from harness.suite.verdict import Ensemble, at_least

ROOT = Path(__file__).parents[2]


def planted(name, values, low=-100.0):
    runs = tuple((f"it[{seed}]",) for seed in range(len(values)))
    claim = Claim(f"planted/{name}", "", "", "", at_least(low, reason="planted"), len, (Control("none", len),))
    return claim, Ensemble(tuple(map(float, values)), "planted", runs)


@pytest.fixture(scope="module")
def found():
    rng = np.random.default_rng(1)
    claims = {f"planted/{n}": planted(str(n), rng.normal(0, 1, 32)) for n in range(8)}
    return trial(claims, 3, 40, rng)


def test_exchangeable_seeds_fail_no_more_runs_than_is_said(found):
    assert (found.claims, found.seeds, found.runs) == (8, 32, 40)
    assert found.failed <= 2


def test_intervals_hold_what_the_other_seeds_measured_as_often_as_they_say(found):
    held, count = found.covered["seeds"]
    assert count == 8 * 40
    assert 0.9 <= held / count <= 0.99  # runs share seeds, so that the count is that of fewer


def test_larger_shifts_are_seen_more_often(found):
    assert list(found.seen) == [1, 2, 3, 5]
    assert sorted(found.seen.values()) == list(found.seen.values())
    assert found.seen[1] < 0.2
    assert found.seen[5] > 0.95


def test_an_ensemble_of_two_kinds_of_seeds_fails_runs_of_one():
    """Three seeds of 32 are of another kind: all three are a run that fails. Two of them and the lowest are none."""
    odd = [50.0, 51.0, 49.0, *np.random.default_rng(2).normal(0, 1, 29)]
    found = trial({"planted/odd": planted("odd", odd)}, 3, 5000, np.random.default_rng(0))
    assert (found.runs, found.alarms, found.contradicted, found.blamed) == (4960, 1, 0, {"planted/odd": 1})
    assert "runs that do not belong      1" in describe(found, 3)


def test_a_verdict_that_contradicts_the_others_is_counted():
    odd = [-1.0, -1.1, -0.9, *np.random.default_rng(2).normal(0.5, 0.1, 29)]
    found = trial({"planted/odd": planted("odd", odd, 0.0)}, 3, 5000, np.random.default_rng(0))
    assert found.contradicted == 1


def test_an_ensemble_of_few_seeds_is_tried_with_runs_of_the_full_size():
    _, few = planted("few", range(8))
    of_eight = Ensemble(few.values, "planted", tuple((f"it[{seed}]",) for seed in range(8, 16)))
    assert _own(of_eight, (9, 12, 15)) == {9, 12, 15}
    assert _own(of_eight, (0, 9, 3)) == {8, 11, 13}
    assert all(len(_own(of_eight, picked)) == 3 for picked in itertools.combinations(range(20), 3))
    assert _own(of_eight, range(9)) == set(range(8, 16))


def test_a_control_that_holds_on_some_seeds_alone_is_counted():
    """At least one is accepted. Of four seeds one has 0.1 in the control's world; the run of the other three fails."""
    claim, _ = planted("x", range(8), low=1.0)
    worlds = [
        ControlRecord("some", "REFUTED", "REFUTED", 0.5, values=[0.1, 9.0, 9.1, 9.2]),
        ControlRecord("none", "SUPPORTED", "SUPPORTED", 3.0, values=[3.0, 2.0, 4.0, 3.5]),
        ControlRecord("of one run", "REFUTED", "REFUTED", 5.0, values=[5.0]),
    ]
    rule = RuleRecord([1.0, None], "planted")
    record = ClaimRecord(claim.id, "", "", "", "", "seeds", "", None, "", rule, "SUPPORTED", None, controls=worlds)
    report = Report(True, False, "smoke", 4, "float32", "2020-01-01T00:00:00Z", 1.0, None, {}, [], [record])
    found = controls(report, {claim.id: claim}, 3, 100, np.random.default_rng(0))
    assert (found.controls, found.runs, found.failed) == (2, 4, 1)
    assert found.blamed == {"planted/x, control 'some'": 1}
    assert found.opened == {"planted/x, control 'some'": 3, "planted/x, control 'none'": 3}
    assert "runs that have a control that does not hold     1" in describe_controls(found, 3)


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_intervals_of_three_seeds_hold_the_mean_of_the_others_and_would_not_with_too_small_a_spread(precision, monkeypatch):
    """On the tracked ensembles 93 of 100 do, where 95 should: some quantities are skewed. A spread with ddof = 0 leaves 90."""
    declare_all(ROOT / "claims", ROOT)
    claims = _claims(load(ROOT / "fixtures/ensembles", "smoke", precision), "smoke", precision)
    picks = list(_chosen(range(32), 3, 40, np.random.default_rng(0)))

    def held() -> float:
        split = [(claim, known, *_split(known, set(picked))) for claim, known in claims.values() for picked in picks]
        found = [_covered(claim, run, known, rest) for claim, known, run, rest in split if claim.over == "seeds"]
        return float(np.mean([each for each in found if each is not None]))

    assert 0.915 < held() < 0.97
    spread = np.std
    monkeypatch.setattr("harness.suite.verdict.np.std", lambda values, ddof=0: spread(values))
    assert held() < 0.915
