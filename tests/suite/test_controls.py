"""Controls on all seeds, by the claim's own rule: planted worlds of one seed, of each seed, and common to all seeds."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from harness.measure.measurement import Measurement
from harness.suite.claim import Claim, Control, World
from harness.suite.judging import run_control
from harness.suite.verdict import Ensemble, Verdict, at_least

ONE = at_least(1, reason="one")


def runs(*values):
    made = [SimpleNamespace(experiment=SimpleNamespace(name="x", seed=seed), value=value) for seed, value in enumerate(values)]
    return [(run,) for run in made]


def record(world, groups, over="seeds", expect=Verdict.REFUTED, function=lambda value: value):
    control = Control("another world", world, expect)
    return run_control(Claim("paper/x", "", "", "", ONE, function, (control,), ("x",), over), control, groups)


def test_every_seed_has_its_world():
    found = record(lambda run: World(run, value=run.value - 2), runs(2.0, 2.1, 2.2))
    assert found.values == pytest.approx([0, 0.1, 0.2])
    assert (found.verdict, found.message, found.constant) == ("REFUTED", "", False)
    assert found.value == pytest.approx(0.1)


def test_a_world_that_is_refuted_on_the_first_seed_alone_does_not_hold():
    found = record(lambda run: World(run, value=run.value - 2), runs(2.99, 3.2, 3.21, 3.22, 3.23, 3.24))
    assert (found.verdict, found.open) == ("SUPPORTED", False)
    assert "the claim cannot tell 'another world' from its own world" in found.message


@pytest.mark.parametrize("values", [(2.0, 2.6, 3.2), (2.0, 3.2, 4.4)])
def test_a_world_across_the_edge_is_open_for_want_of_seeds(values):
    found = record(lambda run: World(run, value=run.value - 2), runs(*values))
    assert (found.verdict, found.message, found.open) == ("INCONCLUSIVE", "", True)


@pytest.mark.parametrize(("value", "verdict"), [(1.1, "INCONCLUSIVE"), (2.0, "SUPPORTED"), (0.0, "REFUTED")])
def test_one_seed_takes_the_spread_of_the_ensemble(value, verdict):
    """The edge is 1. The ensemble's standard deviation is 0.13 with seven degrees of freedom: 0.3 either way."""
    (group,) = runs(value)
    control = Control("another world", lambda run: World(run, value=run.value), Verdict.REFUTED)
    asked = Claim("paper/x", "", "", "", ONE, lambda value: value, (control,), ("x",), "seeds")
    ensemble = Ensemble((1.8, 1.85, 1.9, 2.0, 2.0, 2.1, 2.15, 2.2), "planted")
    assert run_control(asked, control, [group], ensemble).verdict == verdict
    assert run_control(asked, control, [group]).verdict == ("REFUTED" if value < 1 else "SUPPORTED")


def test_a_long_tail_is_judged_by_its_logarithms():
    """The mean of 1, 1 and 130 may lie below zero on the plain scale, which no positive quantity does."""
    control = Control("another world", lambda run: World(run, value=run.value), Verdict.SUPPORTED)
    asked = Claim("paper/x", "", "", "", at_least(1e-6, reason="positive"), lambda value: value, (control,), ("x",), "seeds")
    ensemble = Ensemble((1.0, 1.5, 2.0, 4.0, 7.0, 12.0, 60.0, 1000.0), "planted")
    assert ensemble.skewed
    assert run_control(asked, control, runs(1.0, 1.1, 130.0), ensemble).verdict == "SUPPORTED"
    assert run_control(asked, control, runs(1.0, 1.1, 130.0)).verdict == "INCONCLUSIVE"


def test_the_same_value_on_all_seeds_is_a_constant_and_a_point():
    found = record(lambda run: World(run, value=0.5), runs(2.0, 2.1, 2.2))
    assert (found.verdict, found.constant) == ("REFUTED", True)


def test_one_run_in_place_of_all_is_measured_once():
    calls = []
    noise = SimpleNamespace(experiment=SimpleNamespace(name="noise", seed=0), value=0.2)
    found = record(lambda run: noise, runs(2.0, 2.1, 2.2), function=lambda value: calls.append(value) or value)
    assert (found.values, calls, found.constant) == ([0.2], [0.2], False)


def test_worlds_that_are_made_anew_are_never_taken_for_each_other():
    class Other:
        def __init__(self, run):
            self.value = run.value - 2

    assert len(record(Other, runs(2.0, 2.1, 2.2)).values) == 3


def test_a_crash_on_any_seed_proves_nothing():
    def world(run):
        return World(run, value=1 / (run.value - 2.2))

    found = record(world, runs(2.0, 2.1, 2.2))
    assert found.verdict is None
    assert "crashed, which proves nothing: ZeroDivisionError" in found.message


def test_proportions_are_pooled():
    """Half of ten on each of three seeds: 15 of 30 is below 0.75, and 5 of 10 alone would be open."""
    claim = Claim("paper/x", "", "", "", at_least(0.75, reason="three in four"), lambda value: value, (), ("x",), "trials")
    control = Control("half", lambda run: World(run, value=Measurement(run.value, trials=10)))
    groups = runs(0.4, 0.5, 0.6)
    assert run_control(claim, control, groups).verdict == "REFUTED"


def test_pairs_get_pairs():
    first, second, third = (run for (run,) in runs(2.0, 2.1, 2.2))
    pairs = [(first, second), (first, third), (second, third)]
    found = record(
        lambda a, b: (World(a, value=0.0), b), pairs, over="pairs", function=lambda a, b: a.value + 0.1 * b.experiment.seed
    )
    assert found.values == pytest.approx([0.1, 0.2, 0.2])
    assert found.verdict == "REFUTED"
