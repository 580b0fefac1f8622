"""A pytest plugin that distinguishes checks that judged from checks that crashed, and writes down which did what.

Used as ``-p mutants.outcomes``; the environment names the faulty file, ``MUTANT_FILE``, and what to write, ``MUTANT_OUTCOMES``.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

PASSED, JUDGED, CRASHED = "passed", "judged", "crashed"
_outcomes: dict[str, tuple[str, str]] = {}


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> None:
    """Keep the worst of a test's phases: (passed | judged | crashed, one line of what it said)."""
    before = _outcomes.get(item.nodeid, (PASSED, ""))
    if call.excinfo is not None and before[0] == PASSED:
        kind = JUDGED if call.when == "call" and judged(item, call.excinfo.value) else CRASHED
        before = (kind, _line(call.excinfo.value))
    _outcomes[item.nodeid] = before


def judged(item: Any, error: BaseException) -> bool:
    """Whether a failure is the check's own judgement: an assertion, an expected error that did not come, or a claim's verdict."""
    if isinstance(error, BaseExceptionGroup):  # hypothesis found several
        return all(judged(item, one) for one in error.exceptions)
    if isinstance(error, AssertionError | pytest.fail.Exception):
        return True
    record = getattr(getattr(item, "outcome", None), "record", None)
    return record is not None and record.verdict != "NOT_RUN" and all(control.verdict for control in record.controls)


def pytest_sessionfinish() -> None:
    """Write the outcomes, and whether the faulty file was imported at all."""
    faulty = Path(os.environ["MUTANT_FILE"]).resolve()
    loaded = any(file and Path(file).resolve() == faulty for file in _files())
    found = {"loaded": loaded, "outcomes": _outcomes}
    Path(os.environ["MUTANT_OUTCOMES"]).write_text(json.dumps(found), encoding="utf-8")


def _files() -> list[str | None]:
    return [getattr(module, "__file__", None) for module in list(sys.modules.values())]


def _line(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return _line(error.exceptions[0])
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:160]
