"""Run the canaries before any experiment: in this process, or in a process of their own if xdist's workers do the work."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest

from harness.plugin.collection import JUDGING
from harness.plugin.reporting import Reporting
from harness.plugin.settings import Settings
from harness.report import canaries
from harness.suite.catalogue import declared
from harness.suite.records import CanariesRecord

COMMAND = (sys.executable, "-m", "harness", "canaries", "--json")
LONGEST = 600  # seconds that the canaries may take; they take ten
NOTHING = "no claim of this run rests on an experiment"


class Canaries:
    """Registered outside xdist's workers. A red canary that is not listed ends the session before the first experiment."""

    def __init__(self, config: pytest.Config, settings: Settings, reporting: Reporting) -> None:
        self.config, self.settings, self.reporting = config, settings, reporting
        self.session: pytest.Session | None = None

    def pytest_sessionstart(self, session: pytest.Session) -> None:
        self.session = session

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> None:
        broken = session.testsfailed and not session.config.option.continue_on_collection_errors
        if self.config.pluginmanager.hasplugin(JUDGING) and not (session.config.option.collectonly or broken):
            self._check(canaries.collect)

    @pytest.hookimpl(optionalhook=True, trylast=True)
    def pytest_xdist_node_collection_finished(self, node: Any, ids: Sequence[str]) -> None:
        """In xdist's controller, check once a worker has collected: no worker gets a task before all have collected."""
        if self.reporting.canaries is None:
            self._check(in_child)

    def _check(self, run: Any) -> None:
        """Run the canaries if an experiment will be prepared; print and record their result.

        Raises:
            pytest.Session.Failed: a canary is red and not listed.
        """
        if not self.reporting.selected:
            return
        known = declared(self.settings.claims)
        chosen = [known[id] for id in self.reporting.selected if id in known]
        if not any(claim.on and self.settings.scale in claim.scales for claim in chosen):
            record = CanariesRecord(off=NOTHING)
        elif not self.settings.canaries:
            record = CanariesRecord(off=canaries.OFF)
        else:
            record = run()
        self.reporting.canaries = record
        writer = self.config.pluginmanager.get_plugin("terminalreporter")
        writer.write_line(f"canaries: {canaries.said(record)}")  # type: ignore[union-attr]
        for red in record.failing:
            writer.write_line(canaries.line(red), red=True)  # type: ignore[union-attr]
        if record.failing and self.session is not None:
            self.session.shouldfail = f"red canaries, {len(record.failing)} of them: nothing was prepared"
            raise self.session.Failed(self.session.shouldfail)


def in_child() -> CanariesRecord:
    """Run the canaries in a process of their own, with this process's environment. It leaves no JAX and no memory behind."""
    try:
        done = subprocess.run(COMMAND, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        return canaries.died(f"was ended after {LONGEST} s")
    try:
        return CanariesRecord.from_json(json.loads(done.stdout))
    except (ValueError, KeyError, TypeError):
        last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        how = f"died of signal {-done.returncode}" if done.returncode < 0 else f"ended with exit code {done.returncode}"
        return canaries.died(f"{how} ({last})")
