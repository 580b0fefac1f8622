"""The audit of a report: each entry that differs from the declared claims, the tracked ensembles or the arrays, and no other."""

import itertools
import math
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest

from harness.measure.measurement import Measurement
from harness.runs.experiment import CATALOGUE
from harness.suite.audit import Known, audit, measured_arrays, unlike_arrays
from harness.suite.claim import Claim, Control, World
from harness.suite.ensemble import Ensembles
from harness.suite.expectation import Expectation
from harness.suite.judging import Terms, judge_claim
from harness.suite.records import ClaimRecord, ControlRecord, ExperimentRecord, MeasurementRecord, Report, RuleRecord
from harness.suite.verdict import Verdict, at_least, within


@dataclass(frozen=True)
class Experiment:
    name: str = "planted"
    seed: int = 0
    precision: str = "float32"

    def fingerprint(self) -> str:
        return f"{self.name}-of-seed-{self.seed}-{self.precision}"


def size(size):
    return size


def won(size):
    return Measurement(0.9, trials=20)


def middle(a, b):
    return (a.size + b.size) / 2


def held(size):
    return Measurement(0.7, interval=(0.6, 0.8, "planted"))


def declared(id, function=size, over="seeds", low=0.9, **more):
    names = {"scales": ("smoke",), "unit": "m", "published": 1.0, "quotes": "its own words", "bounds": (0, math.inf), **more}
    region = within(low, 1.1, reason="planted")
    return Claim(id, "Section 1", "it is one", "its size", region, function, (), ("planted",), over, **names)


def doubled(claim):
    pair = claim.over == "pairs"
    world = (lambda a, b: (World(a, size=9.0), b)) if pair else (lambda run: World(run, size=2 * run.size))
    return replace(claim, controls=(Control("doubled", world),))


SIZES = np.random.default_rng(0).normal(1, 0.01, 16).tolist()
RUNS = [SimpleNamespace(experiment=Experiment(seed=seed), size=SIZES[seed]) for seed in range(4)]
CLAIMS = {
    claim.id: claim
    for claim in (
        doubled(declared("paper/size")),
        doubled(declared("paper/pairs", middle, "pairs")),
        declared("paper/won", won, "trials", 0.5),
        declared("paper/open", held, "interval", 0.5, bounds=None),
        declared("paper/large", scales=("large",)),
        doubled(declared("paper/share", lambda size: size < 1.5, "share", 0.5)),
    )
}
ENTRY = {
    "over": "seeds",
    "values": tuple(SIZES),
    "runs": tuple((f"planted[{seed}]",) for seed in range(16)),
    "trials": None,
    "fingerprint": {"planted": Experiment().fingerprint()},
    "created": ["then"],
    "code": "",
}
SHARES = {**ENTRY, "over": "trials", "values": (0.9,) * 16, "trials": (20,) * 16}
TRACKED = Ensembles(None, {"then": {"seeds": 16}}, {"paper/size": ENTRY, "paper/won": SHARES, "paper/large": ENTRY})
DEVIATIONS = {("paper/share", "smoke"): Expectation(Verdict.INCONCLUSIVE, "too few seeds")}
KNOWN = Known(CLAIMS, DEVIATIONS, TRACKED)


def made() -> Report:
    def judged(id, claim):
        listed = DEVIATIONS.get((id, "smoke"), Expectation())
        return judge_claim(claim, Terms("smoke", listed, TRACKED, lambda name: RUNS, 2), "node").record

    facts = {"complete": True, "partial": False, "scale": "smoke", "seeds": 4, "precision": "float32", "created": "now"}
    experiments = [ExperimentRecord("planted", seed, "f") for seed in range(4)]
    claims = [judged(id, claim) for id, claim in CLAIMS.items()]
    return Report(**facts, seconds=1.0, peak_memory=None, environment={}, experiments=experiments, claims=claims)


BASE = made()


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "planted", {"smoke": Experiment()})


def changed(id="paper/size", known=KNOWN, **changes) -> list[str]:
    """What the audit says of the report in which one record has changed."""
    claims = [replace(record, **changes) if record.id == id else record for record in BASE.claims]
    lines = audit(replace(BASE, claims=claims), known)
    assert all(line.startswith(f"{id}: ") for line in lines)
    return [line.removeprefix(f"{id}: ") for line in lines]


def record(id) -> ClaimRecord:
    return next(record for record in BASE.claims if record.id == id)


def test_an_honest_report_has_nothing_to_name():
    assert [one.verdict for one in BASE.claims] == [*["SUPPORTED"] * 4, "NOT_RUN", "INCONCLUSIVE"]
    assert audit(BASE, KNOWN) == []
    assert unlike_arrays(BASE, measured_arrays(BASE)) == []


RULE = record("paper/size").rule


@pytest.mark.parametrize(
    ("change", "what", "here", "there"),
    [
        ({"rule": replace(RULE, accept=[0.8, 1.1])}, "region", [0.8, 1.1], [0.9, 1.1]),
        ({"rule": replace(RULE, accept=[0.9, None])}, "region", [0.9, None], [0.9, 1.1]),
        ({"rule": replace(RULE, reason="seen")}, "reason of the region", "seen", "planted"),
        ({"rule": replace(RULE, bounds=[0, 9])}, "bounds", [0, 9], [0, None]),
        ({"rule": replace(RULE, bounds=None)}, "bounds", None, [0, None]),
        ({"says": "it is two"}, "statement", "it is two", "it is one"),
        ({"where": "Section 2"}, "place", "Section 2", "Section 1"),
        ({"reading": "its weight"}, "reading", "its weight", "its size"),
        ({"published": 2.0}, "published number", 2.0, 1.0),
        ({"unit": "ft"}, "unit", "ft", "m"),
        ({"expected_reason": "listed"}, "deviation", "listed", None),
        ({"quotes": "other words"}, "quotation", "other words", "its own words"),
        ({"calibrated": True}, "mark of a calibrated region", True, False),
        ({"derived": True}, "mark of a derived statement", True, False),
    ],
)
def test_whatever_was_declared_otherwise_is_named(change, what, here, there):
    assert changed(**change) == [f"its {what} is {here!r}, declared is {there!r}"]


def test_another_kind_of_randomness_is_named():
    assert "its kind of randomness is 'share', declared is 'seeds'" in changed(over="share")


def test_infinite_ends_are_none():
    open_ended = replace(CLAIMS["paper/open"], accept=at_least(0.5, reason="planted"), bounds=(-math.inf, 1))
    rule = RuleRecord([0.5, None], "planted", [None, 1])
    assert changed("paper/open", replace(KNOWN, claims={**CLAIMS, "paper/open": open_ended}), rule=rule) == []


@pytest.mark.parametrize(
    ("change", "lines"),
    [
        ({"measurements": record("paper/size").measurements}, ["it is NOT_RUN, and has measurements"]),
        ({"controls": record("paper/size").controls}, ["it is NOT_RUN, and has measurements"]),
        ({"passed": True}, ["it is NOT_RUN, and passed"]),
        ({"message": ""}, ["it is NOT_RUN as declared, without a reason"]),
        ({"message": "", "declared": False}, []),
    ],
)
def test_what_was_not_run_has_a_reason_and_nothing_else(change, lines):
    assert record("paper/large").declared
    assert changed("paper/large", **change) == lines


def measured(id, **changes):
    return {"measurements": [replace(record(id).measurements[0], **changes)]}


def test_runs_are_counted_once_and_are_the_reports():
    pairs = record("paper/pairs").measurements[0].runs
    assert changed("paper/pairs", **measured("paper/pairs", runs=[names[::-1] for names in pairs])) == []
    twice = [*pairs[:5], pairs[0][::-1]]
    shown = ", ".join("+".join(sorted(names)) for names in twice)
    said = [f"a run is counted more than once: {shown}", "6 pairs of 4 runs are not all pairs"]
    assert changed("paper/pairs", **measured("paper/pairs", runs=twice)) == said
    few = measured("paper/pairs", runs=pairs[:5], values=record("paper/pairs").measurements[0].values[:5])
    assert changed("paper/pairs", **few) == ["5 pairs of 4 runs are not all pairs"]
    elsewhere = [["planted[8]"], ["planted[1]"], ["planted[2]"], ["other[0]"]]
    assert changed("paper/won", **measured("paper/won", runs=elsewhere)) == [
        f"it was measured on {name}, of which the report has no run" for name in ("other[0]", "planted[8]")
    ]


@pytest.mark.parametrize(("here", "shown"), [({"planted": "x" * 20}, "x" * 12), ({}, "none")])
def test_another_experiment_is_named(here, shown):
    line = f"it was measured on planted of the fingerprint {shown}, declared is planted-of-s"
    assert changed("paper/open", experiments=here) == [line]


def test_the_ensemble_is_the_tracked_one():
    known, other = record("paper/won").ensemble, "its ensemble is not the tracked one"
    assert known.trials == [20] * 16
    for change in ({"values": [0.8] * 16}, {"runs": known.runs[::-1]}, {"trials": [40] * 16}, {"trials": None}):
        assert changed("paper/won", ensemble=replace(known, **change)) == [other]
    assert changed("paper/won", ensemble=None)[0] == "it was judged without the ensemble that is tracked"
    invented = changed("paper/pairs", ensemble=known)
    assert invented[0] == "it was judged with an ensemble, and there is no reference ensemble for it"


def control(value, verdict="REFUTED", message="", *, expect="REFUTED", values=None, interval=None) -> ControlRecord:
    values = [value - 0.03, value - 0.01, value + 0.01, value + 0.03] if values is None else values
    return ControlRecord("doubled", expect, verdict, value, message, values, interval)


TIGHT, WIDE = "[0.958915, 1.04109]", [0.8, 1.0, 1.4, 2.0]
BLIND = "does not hold, and the report says otherwise"
HOLDS = "holds, and the report says otherwise"


@pytest.mark.parametrize(
    ("one", "lines"),
    [
        (control(2.1), []),
        (control(2.1, values=[]), []),
        (control(2.1, message="blind"), [f" {HOLDS}"]),
        (control(1.0, "SUPPORTED", "blind"), []),
        (control(1.0, "SUPPORTED"), [f" {BLIND}"]),
        (control(2.1, "SUPPORTED", "blind"), [": [2.05891, 2.14109] is REFUTED, not SUPPORTED"]),
        (control(1.0), [f": {TIGHT} is SUPPORTED, not REFUTED"]),
        (control(1.0, "INCONCLUSIVE"), [f": {TIGHT} is SUPPORTED, not INCONCLUSIVE"]),
        (control(1.3, "INCONCLUSIVE", values=WIDE), []),
        (control(1.3, "INCONCLUSIVE", "blind", values=WIDE), [f" {HOLDS}"]),
        (control(1.3, values=WIDE), [": [0.458004, 2.142] is INCONCLUSIVE, not REFUTED"]),
        (control(1.0, "INCONCLUSIVE", values=[0.7, 0.9, 1.1, 1.3]), []),
        (control(1.1, "INCONCLUSIVE", values=[1.1]), [": 1.1 is SUPPORTED, not INCONCLUSIVE"]),
        (control(2.1, "INCONCLUSIVE", values=[2.0, 2.2]), [": 2.1 is REFUTED, not INCONCLUSIVE"]),
        (control(2.0, "INCONCLUSIVE", values=[2.0] * 4), [": 2 is REFUTED, not INCONCLUSIVE"]),
        (control(2.1, values=[2.0, 2.1, 2.3]), [": 2.1 is not the mean of its values"]),
        (replace(control(2.1), value=2.1 + 1e-9), [": 2.100000001 is not the mean of its values"]),
        (replace(control(2.1), verdict=None), [" has no verdict and says no reason"]),
        (replace(control(2.1), value=None), [" has no verdict and says no reason"]),
        (replace(control(2.1), verdict=None, value=None, message="crashed"), []),
    ],
)
def test_a_control_is_judged_again(one, lines):
    found = [line for line in changed(controls=[one]) if line.startswith("control")]
    assert found == [f"control 'doubled'{line}" for line in lines]


@pytest.mark.parametrize("seeds", [1, 2, 4])
@pytest.mark.parametrize("id", ["paper/size", "paper/pairs", "paper/share"])
def test_controls_that_were_judged_are_judged_alike(id, seeds):
    """Open ones too: of few seeds, by the spread of the ensemble."""
    near = Control("near", lambda run, *others: (World(run, size=1.1), *others) if others else World(run, size=run.size + 0.1))
    claim = replace(CLAIMS[id], controls=(near,))
    terms = Terms("smoke", Expectation(), TRACKED, lambda name: RUNS[:seeds], 2)
    record = judge_claim(claim, terms, "node").record
    known = replace(KNOWN, claims={**CLAIMS, id: claim})
    found = audit(replace(BASE, seeds=seeds, claims=[record]), known)
    assert [line for line in found if "control '" in line] == []
    if id == "paper/size":
        assert record.controls[0].open


@pytest.mark.parametrize(
    ("verdict", "interval", "message", "lines"),
    [
        ("REFUTED", [0.1, 0.3], "", []),
        ("REFUTED", None, "", []),
        ("REFUTED", [0.1, 0.3], "blind", [f" {HOLDS}"]),
        ("INCONCLUSIVE", [0.1, 0.9], "blind", []),
        ("INCONCLUSIVE", [0.1, 0.9], "", [f" {BLIND}"]),
        ("REFUTED", [0.1, 0.9], "", [": [0.1, 0.9] is INCONCLUSIVE, not REFUTED"]),
    ],
)
def test_a_control_of_an_interval_is_judged_by_its_interval(verdict, interval, message, lines):
    claims = {**CLAIMS, "paper/open": doubled(CLAIMS["paper/open"])}
    one = control(0.2, verdict, message, values=[0.2], interval=interval)
    found = changed("paper/open", replace(KNOWN, claims=claims), controls=[one])
    assert [line for line in found if line.startswith("control")] == [f"control 'doubled'{line}" for line in lines]


def test_controls_are_those_that_were_declared():
    one = record("paper/size").controls[0]
    for here in ([], [one, one], [replace(one, name="halved")]):
        names = [(each.name, each.expect) for each in here]
        assert f"its controls are {names}, declared are [('doubled', 'REFUTED')]" in changed(controls=here)
    expecting = changed(controls=[replace(one, expect="SUPPORTED")])
    assert expecting[0] == "its controls are [('doubled', 'SUPPORTED')], declared are [('doubled', 'REFUTED')]"


def test_passing_is_decided_again():
    assert changed(passed=False) == ["it is SUPPORTED where SUPPORTED is expected, and the report has it failed"]
    assert changed(expected="REFUTED") == ["what is expected of it is SUPPORTED, and the report says REFUTED"]
    assert changed(expected="") == ["what is expected of it is SUPPORTED, and the report says nothing"]
    alarm = replace(record("paper/size").membership, state="alarm")
    assert changed(membership=alarm) == ["its values are said to be 'alarm' by their ensemble, and are 'belongs'"]
    assert changed(membership=None) == ["its values are said to be 'untested' by their ensemble, and are 'belongs'"]
    assert changed("paper/open", membership=alarm)[0] == "its values are said to be 'alarm' by their ensemble, and are 'untested'"
    assert changed(verdict="REFUTED") == []  # values that belong may decide otherwise by chance; rejudging finds another verdict
    near = {"verdict": "REFUTED", **measured("paper/size", values=[1.014, 1.015, 1.015, 1.016])}  # more than chance
    assert changed(**near) == ["it is REFUTED where SUPPORTED is expected, and the report has it passed"]
    moved = changed(**measured("paper/size", values=[1.5, 1.6, 1.7, 1.8]))
    assert moved == [
        "its values are said to be 'belongs' by their ensemble, and are 'alarm'",
        "it is SUPPORTED where SUPPORTED is expected, and the report has it passed",
    ]
    assert changed("paper/share", expected="SUPPORTED") == [
        "what is expected of it is INCONCLUSIVE, and the report says SUPPORTED"
    ]


def test_the_ensemble_decides_what_is_expected_whatever_is_listed():
    other = {("paper/size", "smoke"): Expectation(Verdict.INCONCLUSIVE)}
    assert audit(BASE, replace(KNOWN, deviations={**DEVIATIONS, **other})) == []


def test_a_report_that_expects_otherwise_is_wrong_in_that_alone():
    """Without an ensemble an opposite verdict fails; the audit holds it against what is expected in truth."""
    assert changed("paper/pairs", expected="REFUTED") == ["what is expected of it is SUPPORTED, and the report says REFUTED"]


def test_of_a_claim_on_a_network_of_ones_own_nothing_is_expected():
    own = replace(KNOWN, claims={**CLAIMS, "paper/pairs": replace(CLAIMS["paper/pairs"], portable=True)})
    assert changed("paper/pairs", own, expected="") == []
    assert changed("paper/pairs", own) == ["what is expected of it is nothing, and the report says SUPPORTED"]
    failed = changed("paper/pairs", own, expected="", passed=False)
    assert failed == ["it is SUPPORTED where nothing is expected, and the report has it failed"]


def test_the_claims_of_the_report_are_the_declared_ones():
    gone = "is declared and not in the report, which calls itself whole"
    left = replace(BASE, claims=[one for one in BASE.claims if one.id not in ("paper/open", "paper/pairs")])
    assert audit(left, KNOWN) == [f"{id}: it {gone}" for id in ("paper/open", "paper/pairs")]
    assert audit(replace(left, partial=True), KNOWN) == audit(replace(left, complete=False), KNOWN) == []
    twice = replace(BASE, claims=[*BASE.claims, record("paper/won"), record("paper/open")])
    assert audit(twice, KNOWN) == [f"{id}: it is there more than once" for id in ("paper/open", "paper/won")]
    unknown = replace(KNOWN, claims={id: claim for id, claim in CLAIMS.items() if id != "paper/open"})
    assert audit(BASE, unknown) == ["paper/open: no claim of that id is declared"]


def test_the_level_is_shared_by_the_selected_claims_of_the_scale_that_have_an_ensemble():
    """Two claims of six have one here; of those that the run did not reach, claims of other scales do not count."""
    levels = {one.membership.level for one in BASE.claims if one.membership}
    assert levels == {None, 0.005}
    won = [one for one in BASE.claims if one.id != "paper/size"]
    partial = replace(BASE, claims=won, partial=True)
    (line,) = audit(partial, KNOWN)
    assert line == "1 claims of this run share its false alarms, each at a level of 0.01, and the report has 0.005"
    own = [replace(one, membership=one.membership and replace(one.membership, level=0.01)) for one in won[:1]]
    (line,) = audit(replace(partial, claims=[*own, *won[1:]]), KNOWN)
    assert line.endswith("and the report has 0.005, 0.01")
    assert audit(replace(partial, unreached=["paper/size", "paper/large", "paper/gone"]), KNOWN) == []
    none = replace(BASE, claims=[replace(one, membership=None) for one in won if one.id == "paper/open"], partial=True)
    assert audit(none, KNOWN) == []


class TestArrays:
    @staticmethod
    def report(over="interval") -> Report:
        runs = [["a[0]", "a[1]"], ["a[2]"]]
        first = MeasurementRecord("it", "", "", runs, [1.0, None], [3, 4], [0.5, 1.5])
        second = MeasurementRecord("more", "", "", runs, [2.0, 3.0])
        controls = [ControlRecord("x", "REFUTED", "REFUTED", 0.2, "", [0.1, 0.3], [0.0, 0.4]), ControlRecord("y", "", None, None)]
        one = ClaimRecord("p/x", "p", "", "", "", over, "", None, "", RuleRecord([0, 1], "r"), "", None)
        return replace(BASE, claims=[replace(one, measurements=[first, second], controls=controls)])

    def test_all_measured_numbers_are_among_them(self):
        wanted = {
            "p/x/measurements/0": np.array([1.0, math.nan]),
            "p/x/runs/0": np.array(["a[0]+a[1]", "a[2]"]),
            "p/x/trials/0": np.array([3, 4]),
            "p/x/interval/0": np.array([0.5, 1.5]),
            "p/x/measurements/1": np.array([2.0, 3.0]),
            "p/x/runs/1": np.array(["a[0]+a[1]", "a[2]"]),
            "p/x/controls/0": np.array([0.1, 0.3, 0.2]),
            "p/x/intervals of controls/0": np.array([0.0, 0.4]),
            "p/x/controls/1": np.array([math.nan]),
        }
        found = measured_arrays(self.report())
        assert list(found) == list(wanted)
        for key, array in wanted.items():
            np.testing.assert_array_equal(found[key], array)
            assert found[key].dtype.kind == array.dtype.kind
        assert list(measured_arrays(self.report("seeds"))) == [key for key in wanted if key != "p/x/interval/0"]

    def test_a_difference_of_any_kind_is_named_once(self):
        report = self.report()
        arrays, line = measured_arrays(report), ["p/x: its values are not those that were measured"]
        assert unlike_arrays(report, arrays) == []
        for key in arrays:
            assert unlike_arrays(report, {other: array for other, array in arrays.items() if other != key}) == line
            assert unlike_arrays(report, {**arrays, key: arrays[key][:-1]}) == line
            other = np.full_like(arrays[key], "b" if arrays[key].dtype.kind == "U" else 9)
            assert unlike_arrays(report, {**arrays, key: other}) == line
        both = {**arrays, "p/y/measurements/0": np.zeros(1), "p/x/controls/0": np.zeros(3)}
        assert unlike_arrays(report, both) == [*line, "p/y: its values are not those that were measured"]

    def test_old_arrays_have_values_alone(self):
        report = self.report()
        arrays = {
            key: array for key, array in measured_arrays(report).items() if key.split("/")[-2] in ("measurements", "controls")
        }
        assert unlike_arrays(report, arrays) == []
        assert len(unlike_arrays(report, {**arrays, "p/x/controls/0": np.zeros(3)})) == 1
        assert len(unlike_arrays(report, dict(itertools.islice(arrays.items(), 1)))) == 1
