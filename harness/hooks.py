"""Hooks that the claims plugin adds to pytest."""

from __future__ import annotations

from typing import Any

import pytest

from harness.options import Settings
from harness.progress import Progress


@pytest.hookspec(firstresult=True)
def pytest_claims_lab(config: pytest.Config, settings: Settings, progress: Progress) -> Any:
    """The lab that opens runs: ``runs(name)`` gives an experiment's runs, ``run(name, seed)`` one of them.

    Called once a process, at the first claim that needs an experiment. A conftest may bring a lab of its own.
    """
