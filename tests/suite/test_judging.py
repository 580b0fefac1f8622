"""One claim on planted runs: what its record has, which runs it is measured on, how often it looks, and what it says."""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from harness.errors import InvalidInput, NotRun, TooLarge
from harness.measure.measurement import Measurement
from harness.report import text
from harness.runs.experiment import CATALOGUE
from harness.suite.claim import Claim, Control, World
from harness.suite.code import code_of
from harness.suite.ensemble import Ensembles
from harness.suite.expectation import Expectation
from harness.suite.judging import Terms, chance_of, contradicts, groups_of, judge_claim, run_control
from harness.suite.membership import CHANCE, membership
from harness.suite.power import power
from harness.suite.records import ClaimRecord, ControlRecord, EnsembleRecord, MeasurementRecord, RuleRecord
from harness.suite.verdict import LOOKS, Verdict, at_least, at_most, spent, within

SIZES = tuple(np.random.default_rng(0).normal(1, 0.01, 16).tolist())
LISTED = Expectation(Verdict.INCONCLUSIVE, "it was open once")
TENTH = within(0.9, 1.1, reason="ten percent")


@dataclass(frozen=True)
class Experiment:
    name: str = "planted"
    seed: int = 0
    fixed_seed: bool = False

    def fingerprint(self) -> str:
        return f"{self.name}-{self.seed:03d}"


def runs(*values, first=100, name="planted"):
    return [SimpleNamespace(experiment=Experiment(name, first + i), size=value) for i, value in enumerate(values)]


def own_size(size):
    return size


own_size.__name__ = "test_size"  # as in a module of claims, where pytest collects it


def measured(run):
    """A measurement with everything beside the value; the second of three seeds lacks a detail."""
    details = {} if run.experiment.seed == 101 else {"half": run.size / 2, "none": math.nan}
    return Measurement(np.float32(run.size), "m", "things", 5, {"sizes": np.full(2, run.size)}, details)


DOUBLED = Control("doubled", lambda run: World(run, size=2 * run.size))


def claim(function=own_size, over="seeds", region=TENTH, controls=(DOUBLED,), on=("planted",), **more) -> Claim:
    return Claim("paper/size", "Section 1", "it is one", "its size", region, function, controls, on, over, **more)


def known(values=SIZES, over="seeds", code="", names=None, trials=None) -> Ensembles:
    names = names or tuple((f"planted[{seed}]",) for seed in range(len(values)))
    entry = {"over": over, "values": values, "runs": names, "trials": trials, "code": code, "created": ["then"]}
    return Ensembles(None, {"then": {"seeds": 16}}, {"paper/size": {**entry, "fingerprint": {"planted": "planted-000"}}})


def terms(found, ensembles=None, listed=LISTED, scale="paper", **more) -> Terms:
    return Terms(scale, listed, ensembles or Ensembles(), lambda name: found, **more)


def judged(claim, found, ensembles=None, **more) -> ClaimRecord:
    return judge_claim(claim, terms(found, ensembles, **more), "node").record


@pytest.mark.parametrize(
    ("verdict", "expected", "p", "found"),
    [
        ("REFUTED", "SUPPORTED", 0.009, True),
        ("REFUTED", "SUPPORTED", 0.011, False),
        ("SUPPORTED", "REFUTED", None, True),
        ("SUPPORTED", "REFUTED", 0.5, False),
        ("INCONCLUSIVE", "SUPPORTED", 0.0, False),
        ("SUPPORTED", "SUPPORTED", 0.0, False),
        ("REFUTED", "", 0.0, False),
    ],
)
def test_an_opposite_verdict_contradicts_unless_few_seeds_give_it_by_chance(verdict, expected, p, found):
    assert contradicts(verdict, expected, p) is found


def test_without_an_ensemble_an_opposite_verdict_contradicts():
    record = judged(claim(), runs(0.5, 0.51, 0.52), listed=Expectation())
    assert (record.verdict, record.expected, record.complaints[0]) == ("REFUTED", "SUPPORTED", "expected SUPPORTED")


@pytest.mark.parametrize("seeds", [8, 16])
@pytest.mark.parametrize("values", [(0.5, 0.52, 0.49), (0.0,)])
def test_against_a_quantity_that_never_varied_no_verdict_is_chance(seeds, values):
    """A share that is 1 on every seed: as a count it might be a step away, which is its whole range."""
    record = judged(claim(region=at_least(0.8, reason="most"), bounds=(0, 1)), runs(*values), known((1.0,) * seeds))
    assert (record.verdict, record.expected, record.passed) == ("REFUTED", "SUPPORTED", False)
    assert record.complaints[0].startswith("expected SUPPORTED")


def test_an_opposite_verdict_by_chance_is_open():
    """The ensemble's mean is within the region by two thirds of its spread; these three seeds are beyond the edge by a fifth."""
    values = np.linspace(0.891, 0.922, 16)
    record = judged(claim(), runs(0.8979, 0.898, 0.8981), known(tuple(values.tolist())))
    assert (record.verdict, record.expected, record.complaints) == ("REFUTED", "SUPPORTED", [])
    assert chance_of(record) > CHANCE
    assert record.message.endswith(" (SUPPORTED is expected; that this run differs from the other seeds may be chance, p = 0.19)")
    assert text.outcome(record) == "open"


@pytest.mark.parametrize(("off", "passed"), [(0, True), (0.0005, False)])
def test_seeds_that_give_their_own_values_again_contradict_nothing(off, passed):
    """Seeds 0 to 2 decide otherwise than the other 13, by more than chance; only other values of theirs are a change."""
    own = (0.8979, 0.898, 0.8981)
    ensemble = known((*own, *np.linspace(0.905, 0.93, 13).tolist()))
    record = judged(claim(), runs(*(value - off for value in own), first=0), ensemble, tests=100)
    assert (record.verdict, record.expected, record.passed) == ("REFUTED", "SUPPORTED", passed)
    held = "the ensemble has the same values for these seeds; its other seeds decide otherwise"
    assert (held in record.message) is passed


def test_the_means_of_pairs_are_compared_as_pairs():
    """The other seeds' spread follows from that of their pairs, and is larger."""
    values = np.random.default_rng(8).normal(0.96, 0.03, 28).tolist()
    ensemble = known(
        values, "pairs", names=tuple((f"planted[{a}]", f"planted[{b}]") for a, b in itertools.combinations(range(8), 2))
    )
    record = judged(claim(lambda a, b: (a.size + b.size) / 2, "pairs", controls=()), runs(0.85, 0.86, 0.87), ensemble)
    spread = np.std(values, ddof=1) * math.sqrt(2 * 9 / 7)
    t = (np.mean(values) - 0.86) / spread / math.sqrt(1 / 3 + 1 / 8)
    assert chance_of(record) == pytest.approx(2 * stats.t.sf(t, 7))


def test_each_experiments_runs_are_asked_for_by_its_name():
    held = {"planted": runs(1.0, 1.01, 0.99), "other": runs(1.02, 1.0, 0.98, name="other")}
    asked = claim(on=("planted", "other"))
    record = judge_claim(asked, Terms("paper", Expectation(), Ensembles(), held.__getitem__), "node").record
    assert [names for (names,) in record.measurements[0].runs] == [f"{name}[{seed}]" for name in held for seed in (100, 101, 102)]


def test_a_record_has_what_was_declared_measured_and_known():
    names = {"given": {"of": 2}, "unit": "ft", "published": 1.5, "bounds": (0, math.inf), "quotes": "its own words"}
    asked = claim(lambda run, of: measured(run), controls=(DOUBLED,), **names, derived=True, calibrated=True)
    found = runs(1.0, 1.01, 1.03)
    ensembles = known(code="other")
    record = judged(asked, found, ensembles, tests=7)

    values = [float(np.float32(run.size)) for run in found]
    half = stats.t.ppf(0.975, 2) * np.std(values, ddof=1) / math.sqrt(3)
    where = [[f"planted[{seed}]"] for seed in (100, 101, 102)]
    method = "Student t over 3 seeds"
    own = MeasurementRecord("<lambda>", "m", "things", where, values, None, None, method)
    reference = ensembles.of(asked, {"planted": "planted-000"}, code_of(asked, found))
    tracked = [list(names) for names in reference.ensemble.runs]
    there = {name for (name,) in where}
    wanted = ClaimRecord(
        id="paper/size",
        paper="paper",
        where="Section 1",
        says="it is one",
        reading="its size",
        over="seeds",
        unit="ft",
        published=1.5,
        node="node",
        rule=RuleRecord([0.9, 1.1], "ten percent", [0.0, None]),
        expected="SUPPORTED",
        expected_reason="it was open once",
        verdict="SUPPORTED",
        passed=True,
        ensemble=EnsembleRecord(list(SIZES), "dummy", tracked, None, False, "SUPPORTED", reference.unconfirmed),
        controls=[ControlRecord("doubled", "REFUTED", "REFUTED", record.controls[0].value, "", record.controls[0].values)],
        experiments={"planted": "planted-000"},
        quotes="its own words",
        derived=True,
        calibrated=True,
        membership=membership("seeds", own, reference, 7),
        power=power("seeds", TENTH, reference.ensemble, 3, 7, there),
        code=code_of(asked, found),
    )
    wanted = dataclasses.replace(wanted, ensemble=dataclasses.replace(wanted.ensemble, provenance=reference.ensemble.provenance))
    left_out = {"measurements": [], "evidence": None, "seconds": 0.0, "message": ""}
    assert dataclasses.replace(record, **left_out) == wanted
    assert (record.membership.state, record.ensemble.unconfirmed != "", record.code != "") == ("belongs", True, True)
    assert record.controls[0].values == pytest.approx([2 * value for value in values])
    judged_one, *details = record.measurements
    assert dataclasses.replace(judged_one, interval=None) == own
    assert judged_one.interval == pytest.approx([np.mean(values) - half, np.mean(values) + half])
    assert {type(value) for value in judged_one.values} == {float}
    assert details == [
        MeasurementRecord("half", "", "", where, [0.5, None, 1.03 / 2]),
        MeasurementRecord("none", "", "", where, [None, None, None]),
    ]


def test_the_arrays_of_each_seed_are_the_evidence():
    outcome = judge_claim(claim(lambda run: measured(run)), terms(runs(1.0, 1.01, 1.03)), "node")
    with np.load(io.BytesIO(outcome.evidence)) as arrays:
        assert {name: array.tolist() for name, array in arrays.items()} == {
            f"{i}/sizes": [size, size] for i, size in enumerate((1.0, 1.01, 1.03))
        }
    assert outcome.record.evidence.file == "evidence/paper.size.npz"
    assert outcome.record.evidence.sha256 == hashlib.sha256(outcome.evidence).hexdigest()
    without = judge_claim(claim(), terms(runs(1.0, 1.01, 1.03)), "node")
    assert (without.record.evidence, without.evidence) == (None, b"")


def test_without_an_ensemble_the_listed_verdict_is_expected():
    record = judged(claim(), runs(1.0, 1.01, 1.03))
    assert (record.expected, record.ensemble, record.power, record.membership.state) == ("INCONCLUSIVE", None, None, "absent")
    assert record.measurements[0].name == "size"
    fixed = judged(claim(over="once"), runs(1.0), known())
    assert (fixed.expected, fixed.ensemble, fixed.membership, fixed.code) == ("INCONCLUSIVE", None, None, "")
    assert fixed.experiments == {"planted": "planted-000"}


def test_a_claim_listed_as_refuted_needs_a_world_that_supports_it():
    found, listed = runs(2.0, 2.01, 2.03), Expectation(Verdict.REFUTED, "it is two")
    (line,) = (line for line in judged(claim(), found, listed=listed).complaints if "needs a control" in line)
    assert "expected REFUTED needs a control expected SUPPORTED and has none" in line
    halved = Control("halved", lambda run: World(run, size=run.size / 2), Verdict.SUPPORTED)
    assert judged(claim(controls=(halved,)), found, listed=listed).complaints == []


def test_the_time_is_that_of_the_claim():
    before = time.perf_counter()
    record = judged(claim(lambda size: time.sleep(0.01) or size), runs(1.0, 1.01, 1.03))
    assert 0.03 <= record.seconds <= time.perf_counter() - before


def test_a_mistake_comes_with_its_traceback_and_a_refusal_does_not():
    def mistaken(size):
        raise ZeroDivisionError("by nothing")

    def refused(size):
        raise InvalidInput("no such size")

    outcomes = [judge_claim(claim(function), terms(runs(1.0, 1.1, 1.2)), "node") for function in (mistaken, refused)]
    assert "line" in outcomes[0].traceback
    assert "ZeroDivisionError: by nothing" in outcomes[0].traceback
    assert outcomes[1].traceback == ""
    for outcome, cause in zip(outcomes, ("ZeroDivisionError: by nothing", "no such size"), strict=True):
        assert (outcome.record.verdict, outcome.record.passed, outcome.record.declared) == ("NOT_RUN", False, False)
        assert outcome.record.message.endswith(f"NOT_RUN by failure: {cause}")


@pytest.mark.parametrize(("values", "verdict"), [((0.8, 0.801, 0.799), "REFUTED"), ((1.0, 1.001, 0.999), "SUPPORTED")])
def test_a_claim_at_its_edge_may_not_move_far(values, verdict):
    """The ensemble's interval holds the edge, 0.9; its spread is 0.01."""
    record = judged(claim(), runs(*values), known(tuple(np.linspace(0.885, 0.915, 16).tolist())))
    assert (record.verdict, record.expected, record.passed) == (verdict, "INCONCLUSIVE", False)
    assert any("do not belong to its reference ensemble" in one for one in record.complaints)


def absent(size):
    raise NotRun("no singular value lies in the bulk")


def test_a_claim_with_an_ensemble_that_no_longer_applies_is_broken():
    record = judged(claim(absent), runs(1.0, 1.1, 1.2), known())
    assert (record.verdict, record.passed, record.declared) == ("NOT_RUN", False, False)
    assert "no singular value lies in the bulk; its reference ensemble has 16 values" in record.message


@pytest.mark.parametrize(
    ("first", "alone", "broken"),
    [(100, 101, False), (0, 1, True), (100, None, True)],
    ids=["one new seed", "one seed that had a value", "all seeds"],
)
def test_chance_may_pick_a_seed_to_which_the_claim_does_not_apply(first, alone, broken):
    def applies(run):
        return absent(1.0) if alone in (None, run.experiment.seed) else Measurement(run.size)

    record = judged(claim(lambda run: applies(run)), runs(1.0, 1.01, 1.02, first=first), known())
    assert (record.verdict, record.declared) == ("NOT_RUN", not broken)


@pytest.mark.parametrize("ensembles", [None, known(over="pairs", values=(1.0,) * 28)], ids=["none", "outdated"])
def test_a_claim_without_an_ensemble_may_not_apply(ensembles):
    record = judged(claim(absent), runs(1.0, 1.1, 1.2), ensembles)
    assert (record.verdict, record.declared) == ("NOT_RUN", True)


def test_a_run_without_its_data_and_one_without_memory_are_not_judged_whatever_the_ensemble():
    without = [SimpleNamespace(**vars(run), missing="MNIST is not here") for run in runs(1.0, 1.1, 1.2)]
    assert judged(claim(absent), without, known()).declared

    def large(size):
        raise TooLarge("its Jacobian would take 40 GiB")

    assert judged(claim(large), runs(1.0, 1.1, 1.2), known()).declared


@pytest.mark.parametrize(("ensembles", "says"), [(known(), "cannot tell 'the same' from its own world"), (None, "")])
def test_on_another_network_controls_count_where_there_is_an_ensemble(ensembles, says):
    same = Control("the same", lambda run: run)
    asked = claim(region=at_most(0.5, reason="half"), controls=(Control("the same", lambda run: run, Verdict.SUPPORTED),))
    record = judged(replace(asked, portable=True), runs(1.0, 1.01, 1.03), ensembles, listed=Expectation(None))
    assert record.verdict == "REFUTED"
    assert [says in one for one in record.complaints] == ([True] if says else [])
    held = judged(replace(claim(controls=(same,)), portable=True), runs(1.0, 1.01, 1.03), ensembles, listed=Expectation(None))
    assert (held.verdict, held.declared, held.passed) == (("SUPPORTED", False, False) if says else ("NOT_RUN", True, False))


def test_another_scale_is_declared_and_names_both():
    record = judged(claim(scales=("smoke", "large")), runs(1.0, 1.1, 1.2))
    assert (record.verdict, record.declared) == ("NOT_RUN", True)
    assert "at scale smoke, large, this run is at paper" in record.message


@pytest.mark.parametrize("over", ["seeds", "pairs"])
def test_two_seeds_without_an_ensemble_are_not_judged_and_say_what_to_do(over):
    function = own_size if over == "seeds" else lambda a, b: a.size
    record = judged(claim(function, over), runs(1.0, 1.1), first_seed=5)
    assert (record.verdict, record.declared) == ("NOT_RUN", True)
    assert "no reference ensemble" in record.message
    assert "--claims-first-seed 5 --claims-seeds 3" in record.message


def test_shares_and_proportions_need_no_spread():
    one = claim(lambda size: Measurement(0.5, trials=10), "trials", at_least(0.1, reason="planted"))
    assert judged(one, runs(1.0)).verdict == "SUPPORTED"
    assert judged(claim(lambda size: True, "share", at_least(0.9, reason="planted")), runs(1.0)).verdict == "INCONCLUSIVE"


EIGHT = (1.0,) * 8
PAIRS = tuple((f"planted[{a}]", f"planted[{b}]") for a in range(8) for b in range(a))


@pytest.mark.parametrize(
    ("over", "values", "spread"),
    [
        ("seeds", (1.0, 1.01), True),
        ("seeds", (1.0, 1.01, 1.02), False),
        ("seeds", (1.0, 1.0, 1.0), True),
        ("seeds", EIGHT[:7], True),
        ("seeds", EIGHT, False),
        ("pairs", (1.0, 1.01), True),
        ("pairs", (1.0, 1.01, 1.02), False),
        ("pairs", (1.0, 1.0, 1.0), True),
        ("trials", (1.0,), False),
        ("share", (1.0,), False),
    ],
)
def test_the_record_says_whether_the_spread_is_the_ensembles(over, values, spread):
    pairs, trials = over == "pairs", (20,) * 16 if over == "trials" else None
    function = {
        "pairs": lambda a, b: (a.size + b.size) / 2,
        "trials": lambda size: Measurement(size, trials=20),
    }.get(over, own_size)
    tracked = known(over=over, trials=trials)
    if pairs:
        tracked = known(tuple(np.linspace(0.99, 1.01, 28)), over, names=PAIRS)
    if over in ("trials", "share"):
        tracked = known((1.0,) * 16, over, trials=trials)
    record = judged(claim(function, over, at_least(0.5, reason="half")), runs(*values), tracked)
    assert record.ensemble.spread is spread
    assert record.ensemble.trials == (None if trials is None else list(trials))
    assert ("ensemble" in record.measurements[0].method) is spread


class Growing:
    """Runs that are made when they are asked for, and the numbers of seeds that were asked for."""

    def __init__(self, value, most=1000):
        self.value, self.most, self.asked = value, most, []

    def __call__(self, name, seeds):
        self.asked.append((name, seeds))
        return runs(*(self.value(i) for i in range(min(seeds, self.most))))


def looked(claim, found, ensembles=None):
    return judged(claim, [], ensembles, more_runs=found)


def test_an_open_claim_looks_again_and_pays_for_all_looks():
    found = Growing(lambda i: 1.0 + (0.05 if i % 2 else -0.05))
    record = looked(claim(), found, known())
    assert found.asked == [("planted", 3), ("planted", 6)]
    half = stats.t.ppf(0.5 + (1 - 0.05 / 4) / 2, 5) * 0.05 * math.sqrt(6 / 5) / math.sqrt(6)
    assert record.measurements[0].interval == pytest.approx([1 - half, 1 + half])
    assert record.rule.looks is True
    assert "0.9875 at each of 4 looks" in record.measurements[0].method
    here = {f"planted[{100 + i}]" for i in range(6)}
    tracked = known().of(claim(), {"planted": "planted-000"}).ensemble
    assert record.power == power("seeds", TENTH, tracked, 6, 1, here, spent(4))
    assert record.power != power("seeds", TENTH, tracked, 6, 1, here)


@pytest.mark.parametrize(
    ("value", "most", "looks"),
    [
        (lambda i: 1.0 + 0.001 * (i % 2), 1000, (3,)),
        (lambda i: 2.0 + 0.001 * (i % 2), 1000, (3,)),
        (lambda i: 1.1 + 0.2 * (-1) ** i, 1000, LOOKS),
        (lambda i: 1.1, 1, (3, 6)),
        (lambda i: 1.1 + 0.2 * (-1) ** i, 6, (3, 6, 12)),
    ],
    ids=["supported at once", "refuted at once", "never decided", "one seed", "six seeds"],
)
def test_looking_ends_at_a_decision_at_the_last_look_or_at_the_last_seed(value, most, looks):
    found = Growing(value, most)
    record = looked(claim(), found, known())
    assert [seeds for _, seeds in found.asked] == list(looks)
    assert len(record.measurements[0].values) == min(looks[-1], most)


def test_a_claim_that_seeds_cannot_decide_has_one_look():
    record = judged(claim(over="once"), runs(1.0), more_runs=Growing(lambda i: 0.0))
    assert (record.verdict, record.rule.looks) == ("SUPPORTED", False)


def test_what_a_claim_is_called_on():
    a, b, c = runs(1, 2, 3)
    assert groups_of(claim(), [a, b]) == [(a,), (b,)]
    assert groups_of(claim(over="pairs"), [a, b]) == [(a, b)]
    assert groups_of(claim(over="pairs"), [a, b, c]) == [(a, b), (a, c), (b, c)]
    assert groups_of(claim(over="once"), [a, b]) == groups_of(claim(over="interval"), [a, b]) == [(a,)]
    assert groups_of(claim(on=()), []) == [()]
    with pytest.raises(NotRun, match="needs a pair of runs and there is 1"):
        groups_of(claim(over="pairs"), [a])
    with pytest.raises(InvalidInput, match="planted has no runs"):
        groups_of(claim(), [])


def test_the_interval_ends_where_the_quantity_does():
    half = within(0.0, 0.5, reason="half")
    world = Control("the same", lambda run: World(run, size=run.size), Verdict.SUPPORTED)
    record = judged(claim(region=half, bounds=(0, 1), controls=(world,)), runs(0.0, 0.0, 0.2))
    assert record.measurements[0].interval[0] == 0
    assert (record.verdict, record.controls[0].verdict) == ("SUPPORTED", "SUPPORTED")


class TestControls:
    @staticmethod
    def found(world, groups, *, function=own_size, over="seeds", region=TENTH, given=None) -> ControlRecord:
        control = Control("another", world)
        return run_control(claim(function, over, region, (control,), given=given or {}), control, [(run,) for run in groups])

    def test_two_seeds_give_a_point(self):
        found = self.found(lambda run: World(run, size=run.size - 0.5), runs(0.5, 1.39))
        assert (found.verdict, found.value, found.message) == ("REFUTED", pytest.approx(0.445), "")

    def test_proportions_without_trials_give_a_point(self):
        """Half of ten on three seeds, two with the number of trials and one without."""

        def share(run):
            return Measurement(run.size, trials=None if run.experiment.seed == 101 else 10)

        above = at_least(0.6, reason="planted")
        found = self.found(lambda run: run, runs(0.4, 0.5, 0.6), function=lambda run: share(run), over="trials", region=above)
        assert (found.verdict, found.message) == ("REFUTED", "")
        counted = self.found(
            lambda run: run,
            runs(0.4, 0.5, 0.6),
            function=lambda size: Measurement(size, trials=10),
            over="trials",
            region=above,
        )
        assert counted.verdict == "INCONCLUSIVE"

    def test_only_a_claim_over_an_interval_keeps_that_of_its_world(self):
        def own(size):
            return Measurement(size, interval=None if size == 0.2 else (size - 0.1, size + 0.1, "planted"))

        found = [
            self.found(lambda run, at=at: World(run, size=at), runs(1.0), function=own, over="interval") for at in (0.5, 0.2)
        ]
        assert [one.interval for one in found] == [pytest.approx([0.4, 0.6]), [0.2, 0.2]]
        assert [one.verdict for one in found] == ["REFUTED", "REFUTED"]
        assert self.found(lambda run: World(run, size=0.5), runs(1.0, 1.1, 1.2)).interval is None

    def test_a_pair_of_runs_in_place_of_all_pairs_is_measured_once(self):
        noise, other = runs(0.2, 0.4, name="noise")
        control = Control("noise", lambda a, b: (noise, other))
        a, b, c = runs(1.0, 1.1, 1.2)
        asked = claim(lambda a, b: a.size + b.size, "pairs", controls=(control,))
        assert run_control(asked, control, [(a, b), (a, c), (b, c)]).values == pytest.approx([0.6])

    def test_a_claim_without_runs_gets_other_arguments(self):
        control = Control("three steps", lambda: {"steps": 3})
        asked = claim(lambda *, steps, of: steps * of, "once", controls=(control,), on=(), given={"steps": 1, "of": 2})
        found = run_control(asked, control, [()])
        assert (found.values, found.verdict) == ([6.0], "REFUTED")

    def test_a_value_that_is_not_finite_proves_nothing(self):
        found = self.found(lambda run: World(run, size=math.nan), runs(1.0, 1.1, 1.2))
        assert (found.verdict, "it measured nan" in found.message) == (None, True)


class TestMessages:
    @pytest.fixture(autouse=True)
    def _catalogue(self, monkeypatch):
        for name, fixed in {"planted": False, "fixed": True}.items():
            monkeypatch.setitem(CATALOGUE, name, {"paper": Experiment(name, fixed_seed=fixed)})

    def test_the_line_has_verdict_interval_values_and_region(self):
        found = runs(*(1 + 0.001 * i for i in range(13)))
        record = judged(claim(unit="m"), found)
        values = ", ".join(f"{1 + 0.001 * i:.6g}" for i in range(12))
        low, high = record.measurements[0].interval
        wanted = f"SUPPORTED, measured [{low:.6g}, {high:.6g}] m (Student t over 13 seeds: {values}, ...), accepted [0.9, 1.1]"
        assert record.message == f"paper/size [planted, paper]: {wanted}"

    def test_no_interval_has_no_unit(self):
        message = judged(claim(unit="m"), runs(1.0, 1.0, 1.0)).message
        assert "measured no interval (3 equal seeds give no spread" in message

    def test_twelve_values_are_all_shown(self):
        assert "..." not in judged(claim(), runs(*(1 + 0.001 * i for i in range(12)))).message

    @pytest.mark.parametrize(
        ("on", "options"),
        [
            (("planted",), "--claims-seeds"),
            (("fixed",), "--claims-ensemble --claims-seeds"),
            (("planted", "fixed"), "--claims-seeds"),
        ],
    )
    def test_an_open_verdict_says_how_many_seeds_would_decide(self, on, options):
        half = [run for i, run in enumerate(runs(0.98, 1.12, 1.0, 1.05)) if len(on) == 1 or i < 2]
        record = judged(claim(on=on), half)
        assert record.verdict == "INCONCLUSIVE"
        assert f" ({options} {record.seeds_to_decide} would decide: SUPPORTED, if mean and spread stay)" in record.message

    def test_the_number_is_that_of_the_ensembles_spread(self):
        wide = known(tuple(np.linspace(0.8, 1.2, 16)))
        record = judged(claim(), runs(1.0, 1.0, 1.0), wide)
        spread = np.std(np.linspace(0.8, 1.2, 16), ddof=1)
        needed = next(n for n in range(4, 99) if stats.t.ppf(0.975, n - 1) * spread / math.sqrt(n) < 0.1)
        assert record.verdict == "INCONCLUSIVE"
        assert record.seeds_to_decide == needed
        assert judged(claim(), runs(1.0, 1.001, 1.002), wide).seeds_to_decide is None

    def test_a_mean_at_the_edge_is_said_where_there_are_pairs_enough(self):
        edge = at_most(1.0, reason="planted")
        at_edge = "more seeds would not decide: the mean is at the edge"
        assert at_edge in judged(claim(region=edge), runs(0.9, 1.0, 1.1)).message
        pairs = claim(lambda a, b: (a.size + b.size) / 2, "pairs", edge)
        assert at_edge in judged(pairs, runs(0.9, 1.0, 1.1)).message
        tracked = known(tuple(np.linspace(0.9, 1.1, 28)), "pairs", names=PAIRS)
        one = judged(pairs, runs(0.9, 1.1), tracked)
        assert (one.verdict, at_edge in one.message) == ("INCONCLUSIVE", False)

    def test_trials_and_decided_claims_ask_for_no_seeds(self):
        open_trials = judged(
            claim(lambda size: Measurement(0.5, trials=10), "trials", at_least(0.5, reason="half")), runs(1.0, 1.0, 1.0)
        )
        assert open_trials.verdict == "INCONCLUSIVE"
        for record in (open_trials, judged(claim(), runs(1.0, 1.01, 1.03))):
            assert f"{record.verdict}, measured" in record.message
        assert "would decide" in judged(claim(lambda size: True, "share", at_least(0.9, reason="planted")), runs(1, 1)).message


def test_a_claim_is_measured_within_the_scope_of_the_run():
    entered = []

    @contextmanager
    def scope() -> Iterator[None]:
        entered.append(True)
        yield
        entered.append(False)

    judged(claim(lambda size: entered.append("measured") or size, controls=()), runs(1.0), known(), scope=scope)
    assert entered == [True, "measured", False]
