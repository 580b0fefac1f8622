"""The pytest plugin's entry point. It acts only in a project that sets the ini key ``claims_paths``.

Everywhere else it declares its options and does nothing: no environment variable is set, no output changes, and nothing heavy is
imported. In a project with claims, :mod:`harness.plugin.session` does the work.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from types import FunctionType
from typing import Any

import pytest

from harness.plugin import hooks, options


def pytest_addoption(parser: pytest.Parser) -> None:
    options.add_options(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    pluginmanager.add_hookspecs(hooks)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> None:
    """Share the cores between xdist's workers, before any conftest can import JAX."""
    if options.active(early_config):
        workers = getattr(early_config.known_args_namespace, "numprocesses", None)
        options.share_cores((os.cpu_count() or 1) if isinstance(workers, str) else workers or 1)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> Generator[None, Any, Any]:
    """With ``-n`` alone, keep the claims of one experiment on one worker."""
    if options.active(config) and getattr(config.option, "numprocesses", None) and config.option.dist == "no":
        config.option.dist = "loadgroup"
    return (yield)


def pytest_configure(config: pytest.Config) -> None:
    if options.active(config):
        try:
            from harness.plugin import session
        except ModuleNotFoundError as error:
            remedy = 'pip install "training-jacobian-claims[claims]"'
            raise pytest.UsageError(f"claims need {error.name}, which is not installed: {remedy}") from error

        config.pluginmanager.register(session, "claims-session")


@pytest.hookimpl(tryfirst=True)
def pytest_pycollect_makeitem(collector: pytest.Collector, obj: object) -> None:
    """Refuse claims in a project that does not ask for claims: they would pass as tests."""
    if isinstance(obj, FunctionType) and hasattr(obj, "__claims__") and not options.active(collector.config):
        raise collector.CollectError(
            "claims are judged in a project that asks for them: set the ini key claims_paths to the folder that they are in "
            f"(rootdir is {collector.config.rootpath}; write --claims-store=DIR with =, or DIR may be taken for a place of tests)"
        )
