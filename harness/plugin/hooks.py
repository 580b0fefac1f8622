"""Hooks that the claims plugin adds to pytest."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from harness.plugin.settings import Settings
    from harness.progress import Progress


@pytest.hookspec(firstresult=True)
def pytest_claims_lab(config: pytest.Config, settings: Settings, progress: Progress) -> Any:
    """The lab that opens runs: ``runs(name)`` gives an experiment's runs, ``run(name, seed)`` one of them.

    Called once a process, when its first experiment is opened. A conftest may bring a lab of its own.
    """


@pytest.hookspec
def pytest_claims_options(config: pytest.Config) -> Mapping[str, Any]:  # type: ignore[empty-body]
    """The papers' own options, checked, by name; runs find them in ``lab.options``.

    A conftest declares them in ``pytest_addoption`` (:func:`harness.plugin.options.add_option`). It raises
    :class:`harness.errors.InvalidInput` for a value that is not allowed.
    """
