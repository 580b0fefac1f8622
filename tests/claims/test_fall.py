"""Shares of the fall of the test loss, on any network: there is no share if the loss hardly falls."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
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


@pytest.mark.parametrize(
    ("losses", "k"),
    [
        ([1.6, 0.6, 0.5, 0.5], 10),  # 0.65 is nine tenths of the fall
        ([1.6, 0.6, 0.5, 0.9], 10),  # overfitting in many dimensions takes nothing back
        ([1.6, np.nan, 0.6, 0.9], 10**1.95),  # a training that diverged reached nothing
        ([1.6, 0.9, 0.9, 0.9], 2000),  # never: all N parameters
    ],
)
def test_a_region_works_from_the_first_dimension_that_takes_the_fall(losses, k):
    held = SimpleNamespace(unrestricted=0.5, dimensions=np.array([9.99, 10, 100, 1000]), losses={"chaotic": np.array(losses)})
    found = SimpleNamespace(initial_test_loss=2.0, restricted=held, spectrum=SimpleNamespace(size=2000))
    assert 10 ** confined._works_from(found, "chaotic") == pytest.approx(k, rel=1e-3)
