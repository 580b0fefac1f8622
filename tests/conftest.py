"""Hypothesis profiles, exact dtypes for tests that call JAX, and the only comparison of an engine with an oracle in tests."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.closed_form.strategies import register_profiles

register_profiles()

HERE = Path(__file__).parent
WITHOUT_JAX = {"plugin", "report", "compare"}  # folders whose tests need no JAX, or must see that none is imported


@dataclass(frozen=True)
class Comparison:
    """Asserts that an engine is within its bound of an oracle, and writes both numbers to the JUnit file.

    ``docs/make_oracles.py`` reads them back, so that the documentation states measured numbers.
    """

    record: Callable[[str, object], None]

    def error(self, engine: str, oracle: str, error: float, bound: float, reason: str) -> None:
        """The error itself, in whatever unit the bound has."""
        held = {"engine": engine, "oracle": oracle, "error": float(error), "bound": float(bound), "reason": reason}
        self.record("oracle", json.dumps(held))
        assert error <= bound, f"{engine} against {oracle}: error {error:.3g} exceeds {bound:.3g} ({reason})"

    def entries(self, engine: str, oracle: str, got: Any, expected: Any, bound: float, reason: str) -> None:
        """The largest entry of the difference over the largest expected entry."""
        expected = np.asarray(expected, np.float64)
        error = float(np.max(np.abs(np.asarray(got, np.float64) - expected)) / np.max(np.abs(expected)))
        self.error(engine, oracle, error, bound, reason)


@pytest.fixture
def compare(request: pytest.FixtureRequest) -> Comparison:
    return Comparison(lambda name, value: request.node.user_properties.append((name, value)))


@pytest.fixture(autouse=True)
def _exact_dtypes(request: pytest.FixtureRequest) -> Iterator[None]:
    """The harness's own scope of dtypes, for tests that call JAX directly."""
    if WITHOUT_JAX & set(request.path.relative_to(HERE).parts):
        yield
        return
    from harness.engine.precision import exact_dtypes

    with exact_dtypes():
        yield
