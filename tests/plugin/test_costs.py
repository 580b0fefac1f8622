"""The order of claims by what they still need, from the times of an earlier run."""

import random
from types import SimpleNamespace

import pytest

from harness.plugin.costs import Costs, runs_of, values


def claim(id, *on, over="seeds", function=None):
    return SimpleNamespace(id=id, on=on, over=over, function=function or id)


CLAIMS = [
    claim("on-large", "large"),
    claim("on-both", "large", "small"),
    claim("free"),
    claim("on-small", "small"),
    claim("slow-on-small", "small"),
    claim("also-free"),
]
SECONDS = {"large": 100.0, "small": 5.0, "slow-on-small": 40.0}


def order(costs, claims=CLAIMS):
    return [one.id for one in costs.cheapest_first(claims)]


def test_what_needs_nothing_comes_first_then_what_needs_little():
    assert order(Costs(SECONDS)) == ["free", "also-free", "on-small", "slow-on-small", "on-large", "on-both"]


def test_what_is_prepared_costs_the_next_claim_nothing():
    """The large experiment is prepared once: its second claim comes before a claim that takes less than both together."""
    costs = Costs({"large": 100.0, "medium": 90.0, "on-medium": 60.0})
    claims = [claim("on-medium", "medium"), claim("on-large", "large"), claim("more-on-large", "large")]
    assert order(costs, claims) == ["on-large", "more-on-large", "on-medium"]


def test_times_of_one_class_are_a_tie_and_keep_the_order_of_the_files():
    claims = [claim("a", "a"), claim("b", "b"), claim("c", "c")]
    assert order(Costs({"a": 39.0, "b": 33.0, "c": 36.0}), claims) == ["a", "b", "c"]
    assert order(Costs({"a": 90.0, "b": 33.0, "c": 36.0}), claims) == ["b", "c", "a"]


def test_the_readings_of_a_statement_stay_together():
    """The first of them often does the work of all, whatever the times of each were."""
    claims = [claim("dear", function="f"), claim("cheap", function="f"), claim("other")]
    assert order(Costs({"dear": 90.0, "cheap": 0.1, "other": 3.0}), claims) == ["other", "dear", "cheap"]


def test_an_experiment_that_a_control_takes_counts_as_well():
    claims = [claim("controlled", "small"), claim("on-medium", "medium")]
    seconds = {"small": 5.0, "medium": 20.0, "large": 100.0}
    assert order(Costs(seconds), claims) == ["controlled", "on-medium"]
    assert order(Costs(seconds, needs={"controlled": ["large"]}), claims) == ["on-medium", "controlled"]


def test_without_an_earlier_run_what_needs_no_experiment_comes_first():
    claims = [claim("on-two", "a", "b"), claim("on-one", "c"), claim("free"), claim("on-one-more", "c")]
    assert order(Costs(), claims) == ["on-one", "free", "on-one-more", "on-two"]
    assert order(Costs(runs=lambda name: 3), claims) == ["free", "on-one", "on-one-more", "on-two"]


def test_the_order_follows_from_the_costs_alone():
    expected = order(Costs(SECONDS))
    for seed in range(5):
        shuffled = list(SECONDS.items())
        random.Random(seed).shuffle(shuffled)
        assert order(Costs(dict(shuffled))) == expected


def test_every_claim_keeps_its_turn():
    assert sorted(order(Costs(SECONDS))) == sorted(one.id for one in CLAIMS)


@pytest.mark.parametrize(("over", "expected"), [("seeds", 8), ("pairs", 28), ("trials", 8), ("once", 1), ("interval", 1)])
def test_a_claim_takes_as_many_values_as_its_rule_asks(over, expected):
    assert values(over, 8) == expected
    assert Costs({"it": 2.0}, lambda name: 4).claim(claim("it", "a", "b", over=over)) == 2.0 * expected


def test_a_claim_without_runs_has_one_value():
    assert Costs({"it": 2.0}).claim(claim("it")) == 2.0
    assert Costs().claim(claim("it")) is None


def test_an_experiment_of_a_fixed_seed_runs_once_but_for_an_ensemble():
    import claims.training_jacobian.experiments  # noqa: F401

    assert runs_of("digits", "paper", 3, every_seed=False) == 3
    for every_seed, runs in ((False, 1), (True, 3)):
        assert runs_of("squared-error", "paper", 3, every_seed=every_seed) == runs
        assert runs_of("as-published", "paper", 3, every_seed=every_seed) == 1, "its initial parameters are the authors'"
    assert runs_of("nobody's", "paper", 3, every_seed=False) == 3
