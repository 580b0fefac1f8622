"""Hypothesis profiles, and the one way in which this folder's tests compare an engine with an oracle."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from harness.strategies import register_profiles

register_profiles()


@dataclass(frozen=True)
class Comparison:
    """Asserts that an engine is within its bound of an oracle, and writes both numbers to the JUnit file.

    ``docs/make_oracles.py`` reads them back, so that what the documentation says was measured.
    """

    record: Callable[[str, object], None]

    def error(self, engine: str, oracle: str, error: float, bound: float, reason: str) -> None:
        """The error itself, in whatever unit the bound has."""
        held = {"engine": engine, "oracle": oracle, "error": float(error), "bound": float(bound), "reason": reason}
        self.record("oracle", json.dumps(held))
        assert error <= bound, f"{engine} against {oracle}: error {error:.3g} exceeds {bound:.3g} ({reason})"

    def entries(self, engine: str, oracle: str, got: Any, expected: Any, bound: float, reason: str) -> None:
        """The largest entry of the difference over the largest entry expected."""
        expected = np.asarray(expected, np.float64)
        error = float(np.max(np.abs(np.asarray(got, np.float64) - expected)) / np.max(np.abs(expected)))
        self.error(engine, oracle, error, bound, reason)


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Comparison:
    return Comparison(lambda name, value: request.node.user_properties.append((name, value)))
