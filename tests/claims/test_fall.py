"""Shares of the fall of the test loss, on any network: there is no share if the loss hardly falls."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from claims.training_jacobian.any_network import confined
from harness.errors import NotRun


def run(before, after):
    return SimpleNamespace(initial_test_loss=before, restricted=SimpleNamespace(unrestricted=after))


def test_a_fall_is_what_training_takes():
    assert confined._fall(run(2.0, 0.5)) == 1.5


@pytest.mark.parametrize(
    ("after", "why"),
    [
        (2.1, "from 2 to 2.1: no fall"),
        (2.0, "from 2 to 2: no fall"),
        (1.99, "from 2 to 1.99: a fall of 0.5%, and of less than 10% no share can be told"),
        (1.81, "a fall of 9.5%"),
        (float("nan"), "from 2 to nan: no fall"),
    ],
)
def test_a_fall_that_is_small_is_no_measure(after, why):
    with pytest.raises(NotRun, match=why):
        confined._fall(run(2.0, after))
