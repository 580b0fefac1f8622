"""The time left, estimated from each task's time in an earlier run on a faster or slower machine."""

import numpy as np
import pytest

from harness.plugin.plan import Plan

# seconds of a task of each kind in a run before, most of them in a few kinds, as a run of claims has them
COSTS = {f"small-{n}": 0.5 + n % 7 for n in range(60)} | {"digits": 100.0, "white-noise": 80.0, "shuffled-labels": 85.0}
ORDER = [kind for kind in COSTS for _ in range(3)]


def followed(pace: float, spread: float, order=ORDER):
    """(seconds since the start, estimate, truth) before each task of a run that is ``pace`` times as slow."""
    rng = np.random.default_rng(3)
    took = [COSTS[kind] * pace * rng.lognormal(0, spread) for kind in order]
    plan, begun = Plan(COSTS), 0.0
    plan.add(order)
    for kind, seconds in zip(order, took, strict=True):
        yield begun, plan.left(), sum(took) - begun
        plan.done(kind, seconds)
        begun += seconds


@pytest.mark.parametrize("pace", [0.3, 1.0, 3.0, 8.0])
@pytest.mark.parametrize("order", [ORDER, ORDER[::-1]], ids=["short tasks first", "long tasks first"])
def test_another_pace_is_learnt_within_a_minute_and_known_after_half(pace, order):
    found = list(followed(pace, 0.15, order))
    whole = found[0][2]
    for begun, left, truth in found:
        # the last tasks are few, and each has its own luck
        if begun >= 60 and truth > 0.05 * whole:
            assert 1 / 1.5 <= left / truth <= 1.5
        if begun >= whole / 2 and truth > 0.05 * whole:
            assert 1 / 1.2 <= left / truth <= 1.2


def test_the_mean_of_tasks_would_not_do():
    """What was shown before: the mean of the tasks that are done, times the number of those that are not."""
    worst, done, begun = 1.0, 0, 0.0
    for at, _, truth in followed(1.0, 0.0):
        if at >= 60:
            worst = max(worst, truth / (at / done * (len(ORDER) - done)))
        done, begun = done + 1, at
    assert begun > 0
    assert worst > 3


def test_results_from_the_store_say_nothing_of_the_pace():
    plan = Plan({"digits": 100.0, "noise": 100.0, "labels": 100.0})
    plan.add(["digits", "noise", "noise", "labels"])
    plan.done("digits", 0.2)
    plan.done("noise", 150.0)
    assert plan.pace == pytest.approx(1.5, rel=0.05)
    assert plan.left() == pytest.approx(150 + 100 * plan.pace)


def test_a_run_from_a_warm_store_is_soon_expected_to_end():
    plan = Plan({f"kind-{n}": 50.0 for n in range(10)})
    plan.add([f"kind-{n}" for n in range(10)])
    assert plan.left() == pytest.approx(500)
    for n in range(5):
        plan.done(f"kind-{n}", 0.1)
    assert plan.left() < 25


def test_what_nobody_knows_takes_the_median_of_what_is_as_unknown():
    plan = Plan({})
    plan.add(["a", "b", "b"])
    assert plan.left() is None
    plan.done("a", 4.0)
    assert plan.left() == pytest.approx(8)
    assert plan.left("b", 3.0) == pytest.approx(5)
    plan.add(["c", "d"])
    for kind, seconds in (("c", 4.0), ("d", 40.0)):
        plan.done(kind, seconds)
    assert plan.left() == pytest.approx(8)


def test_a_task_that_takes_longer_than_expected_leaves_the_others():
    plan = Plan({"a": 10.0, "b": 7.0})
    plan.add(["a", "b"])
    assert plan.left("a", 100.0) == pytest.approx(7)


def test_tasks_that_will_not_run_are_not_waited_for():
    plan = Plan({"a": 10.0, "b": 7.0})
    plan.add(["a", "a", "b"])
    plan.drop("a")
    assert plan.left() == pytest.approx(7)


def test_claims_on_what_will_not_run_are_not_waited_for():
    plan = Plan({"mnist": 10.0, "on-mnist": 5.0, "on-digits": 3.0}, {"on-mnist": ("mnist",), "on-digits": ("digits",)})
    plan.add(["mnist", "on-mnist", "on-digits"])
    plan.drop("mnist")
    assert plan.left() == pytest.approx(3)


def test_a_task_that_does_the_work_of_others_says_nothing_of_the_pace():
    """The first claim that takes a control's run computes it: its own cost is a tenth of a second."""
    plan = Plan({"first": 0.1, "digits": 100.0, "noise": 100.0})
    plan.add(["first", "digits", "noise"])
    plan.done("first", 30.0)
    assert plan.left() == pytest.approx(200, rel=0.1)
    plan.done("digits", 200.0)
    assert plan.left() == pytest.approx(200, rel=0.1)


def test_work_that_another_claim_has_done_is_not_waited_for():
    """Claims share confined trainings: here another one is the first than in the earlier run."""
    costs = {"digits": 100.0, "first": 0.5, "payer": 60.0, "last": 20.0, "elsewhere": 30.0}
    plan = Plan(costs, {kind: ("noise" if kind == "elsewhere" else "digits",) for kind in costs if kind != "digits"})
    plan.add(list(costs))
    plan.done("digits", 100.0)
    plan.done("first", 65.0)
    assert plan.left() == pytest.approx(20 - 4.5 + 30, rel=0.02)
    assert plan.left("payer", 30.0) == pytest.approx(20 - 4.5 + 30, rel=0.02), "nothing of it is left to be taken off"
    plan.done("payer", 0.1)
    plan.done("last", 16.0)
    assert plan.left() == pytest.approx(30, rel=0.02)


def test_one_slow_task_among_many_leaves_the_pace():
    plan = Plan(dict.fromkeys("abcdef", 20.0))
    plan.add("abcdef")
    for kind in "abcd":
        plan.done(kind, 20.0)
    plan.done("e", 180.0)
    assert plan.left() == pytest.approx(20, rel=0.05)


def test_a_long_wait_is_taken_for_the_work_of_others_until_one_of_them_takes_its_own_time():
    """The machine slept through a claim of 5 s."""
    costs = dict.fromkeys(("asleep", "b", "c", "d", "e", "f"), 50.0) | {"asleep": 5.0}
    plan = Plan(costs, dict.fromkeys(costs, ("digits",)))
    plan.add(list(costs))
    plan.done("asleep", 300.0)
    assert plan.left() < 50
    plan.done("b", 50.0)
    assert plan.left() == pytest.approx(200, rel=0.1)
