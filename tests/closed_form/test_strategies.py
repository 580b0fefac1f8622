"""The profile that looks for counterexamples finds and shrinks a planted falsehood, and finds none of a true statement."""

import pytest
from hypothesis import settings

from harness.closed_form.strategies import register_profiles

pytest_plugins = ("pytester",)

CONFTEST = "from harness.closed_form.strategies import register_profiles\nregister_profiles()\n"
PROPERTIES = """
from hypothesis import given
from harness.closed_form.strategies import descents

@given(run=descents(constant=True))
def test_truth(run):
    assert len(run.rates) >= 1

@given(run=descents(constant=True, highest=1.0))
def test_falsehood(run):
    assert run.rates[0] * max(run.eigenvalues) != 2
"""


@pytest.fixture
def _same_profile_afterwards():
    yield
    register_profiles()


@pytest.mark.usefixtures("_same_profile_afterwards")
def test_a_planted_falsehood_is_found_and_shrunk(pytester):
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(PROPERTIES)
    result = pytester.runpytest_inprocess("--hypothesis-profile=deep")
    result.assert_outcomes(passed=1, failed=1)
    # shrunk: one step, the coordinate axes, and a product at the edge that was planted
    result.stdout.re_match_lines([r".*run = Descent\(eigenvalues=.*, basis=0, rates=\((0.5|1.0),\)"])


def test_ci_gets_the_same_examples_every_time_and_a_search_does_not():
    quick, deep = (settings.get_profile(name) for name in ("quick", "deep"))
    assert quick.derandomize
    assert not deep.derandomize
    assert deep.max_examples > 50 * quick.max_examples
    assert quick.deadline is None is deep.deadline
