"""Facts of two machines: those that can move a number, those that cannot, and the platform family of a report."""

import pytest

from harness.compare.identity import IDENTITY, Change, family, identity_changes, incidental_changes
from tests.compare.planted import report


def made(precision="float32", seconds=1.0, peak_memory=None, **environment):
    return report(environment=environment, precision=precision, seconds=seconds, peak_memory=peak_memory)


@pytest.mark.parametrize("fact", [fact for fact in IDENTITY if fact != "precision"])
def test_every_fact_that_can_move_a_number_is_named(fact):
    before, after = (made(**{"jax": "1", "load": "2", fact: value}) for value in ("old", "new"))
    assert identity_changes(before, after) == [Change(fact, "old", "new")]
    assert incidental_changes(before, after) == []


def test_facts_come_in_their_order_and_what_a_report_does_not_say_is_empty():
    before, after = made(system="a", jax="1", numpy="2", blas="b"), made("float64", system="c", scipy="3", numpy="2", blas="d")
    assert identity_changes(before, after) == [
        Change("jax", "1", ""),
        Change("scipy", "", "3"),
        Change("blas", "b", "d"),
        Change("precision", "float32", "float64"),
        Change("system", "a", "c"),
    ]


def test_all_else_is_incidental():
    before, after = (
        made(seconds=1.4, peak_memory=100, load="1", jax="1"),
        made("float64", seconds=7.6, load="2", jax="2", site="x"),
    )
    assert incidental_changes(before, after) == [
        Change("load", "1", "2"),
        Change("seconds", "1", "8"),
        Change("peak MiB", "100", ""),
        Change("site", "", "x"),
    ]
    assert incidental_changes(after, before)[-2:] == [Change("seconds", "8", "1"), Change("peak MiB", "", "100")]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"system": "Linux x86_64", "device": "2 x cpu (cpu)"}, "linux-x86_64-cpu"),
        ({"system": "Darwin arm64", "device": "1 x Apple (M2) GPU (metal)"}, "darwin-arm64-metal"),
        ({"system": "Linux x86_64", "device": "1 x NVIDIA H100 (gpu)"}, "linux-x86_64-gpu"),
        ({"system": "Linux x86_64"}, "linux-x86_64-cpu"),
        ({"device": "1 x NVIDIA H100 (gpu)"}, "gpu"),
        ({}, "cpu"),
    ],
)
def test_the_family_is_system_and_kind_of_device(environment, expected):
    assert family(made(**environment)) == expected
