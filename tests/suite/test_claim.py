"""Declaring claims: refused declarations, stacked readings, and the arguments of a claim function."""

import math
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import InvalidInput
from harness.suite.claim import ANY_NETWORK, REGISTRY, Claim, Control, World, bounded, claim
from harness.suite.verdict import Verdict, within

REGION = within(0, 1, reason="planted")
CONTROL = Control("another world", lambda run: run)


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    before = dict(REGISTRY)
    REGISTRY.clear()
    yield
    REGISTRY.clear()
    REGISTRY.update(before)


def declared(id: str = "paper/statement", function: Any = lambda run: 1.0, **changes: Any) -> Claim:
    fields = {"where": "1", "says": "s", "reading": "r", "accept": REGION, "controls": [CONTROL], **changes}
    claim(id, **fields)(function)
    return REGISTRY[id]


@pytest.mark.parametrize("id", ["statement", "Paper/statement", "paper/statement[", "paper/a b", "paper/x[A]", "paper/x/y"])
def test_a_malformed_id_is_refused(id):
    with pytest.raises(InvalidInput, match="write paper/statement"):
        declared(id)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scales": ["huge"]}, "allowed: smoke, paper, large"),
        ({"scales": []}, "allowed: smoke, paper, large"),
        ({"controls": []}, "at least one control"),
        ({"quotes": "the paper's own words", "derived": True}, "a derived statement is not the paper's"),
        ({"quotes": "nearly one ... and nothing else"}, "'nearly one' has 2 words: quote 3 or more in a row"),
    ],
)
def test_a_claim_that_cannot_be_judged_is_refused(changes, says):
    with pytest.raises(InvalidInput, match=says):
        declared(**changes)


def test_every_field_of_a_declaration_arrives():
    def size(sigma, *, delta):
        return sigma * delta

    fields = {"where": "Section 1", "says": "it is one", "reading": "its size", "accept": REGION, "over": "pairs", "unit": "m"}
    marks = {"published": 1.5, "bounds": (0, math.inf), "quotes": "the paper's own words", "calibrated": True}
    made = declared(
        "p/x[a.b,c-1]", size, on=["digits", "noise"], given={"delta": 2}, scales=["smoke", "large"], **fields, **marks
    )
    lists = {"controls": (CONTROL,), "on": ("digits", "noise"), "given": {"delta": 2}, "scales": ("smoke", "large")}
    assert made == Claim(id="p/x[a.b,c-1]", function=size, **fields, **marks, **lists)
    assert (made.paper, made.variant, made.place) == ("p", "a.b,c-1", __file__)
    assert declared("p/y", derived=True).derived
    plain = declared("p/z")
    assert plain == Claim("p/z", "1", "s", "r", REGION, plain.function, (CONTROL,), (), "seeds", {}, ("paper",))
    assert Claim("p/z", "", "", "", REGION, size, (), file="/there.py").place == "/there.py"


@pytest.mark.parametrize("bounds", [(1, 1), (2, 1), (math.nan, 1)])
def test_bounds_that_hold_no_interval_are_refused(bounds):
    with pytest.raises(InvalidInput, match="are empty: give"):
        declared(bounds=bounds)


def test_bounds_of_a_function_stand_below_its_claims():
    assert declared(function=bounded(0, 1)(lambda run: 0.5)).bounds == (0, 1)
    above = declared("p/late").function
    with pytest.raises(InvalidInput, match=r"claim p/late: bounded\(0, 1\) stands above @claim, where it has no effect"):
        bounded(0, 1)(above)


def test_a_claim_for_any_network_is_kept_apart(monkeypatch):
    monkeypatch.setattr("harness.suite.claim.PORTABLE", {})
    from harness.suite.claim import PORTABLE

    function = lambda run: 1.0  # noqa: E731
    claim("p/x", where="1", says="s", reading="r", accept=REGION, controls=[CONTROL], on=ANY_NETWORK)(function)
    assert (list(PORTABLE), REGISTRY, PORTABLE["p/x"].portable) == (["p/x"], {}, True)
    assert not hasattr(function, "__claims__")
    assert not declared("p/y", on=[ANY_NETWORK, "digits"]).portable


def test_a_network_is_known_by_its_name(monkeypatch):
    net = SimpleNamespace(name="mine")
    monkeypatch.setattr("harness.runs.network_experiment.known", lambda network: f"name of {network.name}")
    assert declared(on=net).on == ("name of mine",)
    assert declared("p/y", on=(net, "digits")).on == ("name of mine", "digits")


def test_a_world_is_a_run_with_other_attributes():
    run = SimpleNamespace(sigma=2.0, steps=5)
    world = World(run, sigma=3.0)
    assert (world.sigma, world.steps, run.sigma) == (3.0, 5, 2.0)
    with pytest.raises(AttributeError, match="none_such"):
        _ = world.none_such


def test_an_id_is_declared_once():
    declared(function=lambda run: 1.0)

    def elsewhere(run: Any) -> float:
        return 2.0

    with pytest.raises(InvalidInput, match="declared twice"):
        declared(function=elsewhere)


def test_the_same_function_imported_again_replaces_itself():
    def function(run: Any) -> float:
        return 1.0

    assert declared(function=function) is not declared(function=function)


def test_readings_stack_in_the_order_they_are_written():
    @claim("p/x[strict]", where="1", says="s", reading="r", accept=REGION, controls=[CONTROL], given={"delta": 0.01})
    @claim("p/x[lenient]", where="1", says="s", reading="r", accept=REGION, controls=[CONTROL], given={"delta": 0.1})
    def counted(sigma, *, delta):
        return sigma * delta

    strict, lenient = counted.__claims__
    assert (strict.variant, lenient.variant, strict.paper) == ("strict", "lenient", "p")
    assert (strict.measure(SimpleNamespace(sigma=3)), lenient.measure(SimpleNamespace(sigma=3))) == (3 * 0.01, 3 * 0.1)


def test_arguments_are_the_runs_attributes_and_the_run_itself():
    run = SimpleNamespace(sigma=2.0)
    assert declared(function=lambda sigma, run: (sigma, run)).measure(run) == (2.0, run)


def test_given_arguments_are_not_taken_from_the_run():
    run = SimpleNamespace(sigma=2.0, delta=9.0)
    assert declared(function=lambda sigma, *, delta: (sigma, delta), given={"delta": 1.0}).measure(run) == (2.0, 1.0)
    pair = declared("p/y", lambda a, b, *, delta: (a, b, delta), over="pairs", given={"delta": 1.0})
    assert pair.measure("first", "second") == ("first", "second", 1.0)


def test_over_pairs_the_function_gets_both_runs():
    assert declared(function=lambda a, b: (a, b), over="pairs", on="x").measure("first", "second") == ("first", "second")


def test_without_runs_only_the_given_arguments_are_passed():
    assert declared(function=lambda *, steps: steps, given={"steps": 5}, over="once").measure() == 5


def test_a_single_experiment_may_be_named_without_brackets():
    assert declared(on="digits").on == ("digits",)


def test_a_control_must_refute_unless_it_says_otherwise():
    assert CONTROL.expect is Verdict.REFUTED
