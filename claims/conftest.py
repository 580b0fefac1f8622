"""The papers' additions to pytest: their own options, and Hypothesis profiles for the properties of the quadratics."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.closed_form.strategies import register_profiles
from harness.errors import InvalidInput
from harness.mnist import OPENML
from harness.plugin.options import add_option, path, value

register_profiles()


def pytest_addoption(parser: pytest.Parser) -> None:
    add_option(
        parser, "mnist", "", "DIR", "folder with MNIST's idx files, or the word openml to download them (default: $MNIST_DIR)"
    )
    text = "time for each large network's singular values, at scale large; more goes on where less ended"
    add_option(parser, "budget", "20", "MINUTES", text)


def pytest_claims_options(config: pytest.Config) -> Mapping[str, Any]:
    """``mnist``: the place of MNIST, None if there is none; ``budget``: minutes."""
    return {"mnist": _mnist(path(config, "mnist")), "budget": _budget(value(config, "budget"))}


def _mnist(given: Path | None) -> Path | None:
    place = given or (Path(os.environ["MNIST_DIR"]) if os.environ.get("MNIST_DIR") else None)
    if place is not None and not place.is_dir() and place.name != OPENML:
        raise InvalidInput(f"--claims-mnist {place} is not a folder; give the folder of MNIST's files, or the word {OPENML}")
    return place


def _budget(got: str) -> float:
    try:
        minutes = float(got)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise InvalidInput(f"--claims-budget {got!r} is no time to work in; give a number of minutes above 0 (20 is the default)")
    return minutes
