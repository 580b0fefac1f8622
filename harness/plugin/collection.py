"""Claims as pytest items: one item a claim, found by its function, selected like any test or by its id."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.plugin.verdict_table import width
from harness.report.story import filled, story
from harness.report.text import visible
from harness.suite.catalogue import base, item_name
from harness.suite.claim import Claim
from harness.suite.judging import Outcome

JUDGING = "claims-judging"  # name of the plugin that judges items


class ClaimFailed(Exception):
    """A claim that failed or could not be judged; the message says why in one line."""


class ClaimItem(pytest.Item):
    """One claim; the running session's ``judge`` gives its outcome."""

    def __init__(self, *, claim: Claim, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.claim = claim
        self.outcome: Outcome | None = None
        self.place = 0  # among the claims that were collected
        self.extra_keyword_matches.add(claim.id)
        paper = claim.paper.replace("-", "_")
        self.config.addinivalue_line("markers", f"{paper}: claims of the paper {claim.paper}")
        self.add_marker(paper)

    def runtest(self) -> None:
        self.outcome = self.config.pluginmanager.get_plugin(JUDGING).judge(self)  # type: ignore[union-attr]
        record = self.outcome.record
        if record.declared:
            pytest.skip(visible(record.message))
        if not record.passed:
            raise ClaimFailed(visible(record.message))

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ClaimFailed) and self.outcome is not None:
            told = filled(story(self.outcome.record), width())
            return "\n".join([str(excinfo.value), *told, *map(visible, self.outcome.traceback.splitlines())]).rstrip()
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        line = self.claim.function.__code__.co_firstlineno - 1 if not self.claim.file else 0
        return self.path, line, self.name


def collect(collector: pytest.Collector, function: Any) -> list[ClaimItem]:
    """The items of a function that declares claims; [] where it was only imported.

    Raises:
        CollectError: two readings of the function have the same name.
    """
    claims: Sequence[Claim] = [claim for claim in function.__claims__ if Path(claim.place) == collector.path]
    names = [item_name(claim) for claim in claims]
    if len(set(names)) < len(names):
        ids = ", ".join(claim.id for claim in claims)
        raise collector.CollectError(f"{function.__name__} declares claims of one name: {ids}; give each a [reading] of its own")
    return [ClaimItem.from_parent(collector, name=name, claim=claim) for name, claim in zip(names, claims, strict=True)]


def placed(items: list[pytest.Item], order: Callable[[Sequence[Claim]], Sequence[Claim]]) -> list[pytest.Item]:
    """The items, with the claims in this order in place of the first of them.

    Other tests keep their order and stay together, so that no fixture of a module is made twice. Each claim notes its place
    among the claims as they were collected, which is their place in the report.
    """
    claims = [item for item in items if isinstance(item, ClaimItem)]
    for place, item in enumerate(claims):
        item.place = place
    first = items.index(claims[0]) if claims else 0
    rank = {id(claim): rank for rank, claim in enumerate(order([item.claim for item in claims]))}
    ordered = sorted(claims, key=lambda item: rank[id(item.claim)])
    return [*items[:first], *ordered, *(item for item in items[first:] if not isinstance(item, ClaimItem))]


def named(items: list[pytest.Item], ids: Sequence[str]) -> list[pytest.Item]:
    """The claim items that ``--claims-id`` names: a full id, or one without its reading for all readings."""
    return [item for item in items if isinstance(item, ClaimItem) and {item.claim.id, base(item.claim.id)} & set(ids)]
