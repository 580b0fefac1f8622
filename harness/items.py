"""Claims as pytest items: one item a claim, found by its function, selected like any test or by its id."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from importlib.machinery import SourceFileLoader
from pathlib import Path
from typing import Any

import pytest

from harness.claim import REGISTRY, Claim
from harness.errors import InvalidInput
from harness.expectation import unknown_id
from harness.judging import Outcome

JUDGING = "claims-judging"  # name of the plugin that judges items


class ClaimFailed(Exception):
    """A claim whose verdict is not the expected one, or that could not be judged; the message is one line."""


class ClaimItem(pytest.Item):
    """One claim; the ``judge`` of the running session turns it into an outcome."""

    def __init__(self, *, claim: Claim, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.claim = claim
        self.outcome: Outcome | None = None
        self.extra_keyword_matches.add(claim.id)
        paper = claim.paper.replace("-", "_")
        self.config.addinivalue_line("markers", f"{paper}: claims of the paper {claim.paper}")
        self.add_marker(paper)

    def runtest(self) -> None:
        self.outcome = self.config.pluginmanager.get_plugin(JUDGING).judge(self)  # type: ignore[union-attr]
        record = self.outcome.record
        if record.declared:
            pytest.skip(record.message)
        if not record.passed:
            raise ClaimFailed(record.message)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        if isinstance(excinfo.value, ClaimFailed) and self.outcome is not None:
            return f"{excinfo.value}\n{self.outcome.traceback}".rstrip()
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, self.claim.function.__code__.co_firstlineno - 1, self.name


def item_name(claim: Claim) -> str:
    """``test_bulk_count``, or ``test_bulk_count[strict]`` for the reading called strict."""
    return claim.function.__name__ + (f"[{claim.variant}]" if claim.variant else "")


def node_id(claim: Claim, root: Path) -> str:
    """What runs this claim alone when given to pytest in ``root``."""
    path = Path(claim.function.__code__.co_filename)
    return f"{path.relative_to(root).as_posix() if path.is_relative_to(root) else path}::{item_name(claim)}"


def collect(collector: pytest.Collector, function: Any) -> list[ClaimItem]:
    """The items of a function that declares claims; [] where it was only imported.

    Raises:
        CollectError: two readings of the function have the same name.
    """
    if Path(function.__code__.co_filename) != collector.path:
        return []
    claims: Sequence[Claim] = function.__claims__
    names = [item_name(claim) for claim in claims]
    if len(set(names)) < len(names):
        ids = ", ".join(claim.id for claim in claims)
        raise collector.CollectError(f"{function.__name__} declares claims of one name: {ids}; give each a [reading] of its own")
    return [ClaimItem.from_parent(collector, name=name, claim=claim) for name, claim in zip(names, claims, strict=True)]


def named(items: list[pytest.Item], ids: Sequence[str]) -> list[pytest.Item]:
    """The claim items that ``--claims-id`` names: a full id, or one without its reading for all readings."""
    return [item for item in items if isinstance(item, ClaimItem) and {item.claim.id, base(item.claim.id)} & set(ids)]


def base(id: str) -> str:
    """The id without its reading."""
    return id.partition("[")[0]


def check_ids(ids: Sequence[str]) -> None:
    """Raises InvalidInput for an id that no declared claim has, naming those that are near."""
    known = {name for id in REGISTRY for name in (id, base(id))}
    for id in ids:
        if id not in known:
            raise InvalidInput(f"--claims-id: {unknown_id(id, sorted(known))}")


def declare_all(folder: Path, root: Path, patterns: Sequence[str]) -> None:
    """Import every claims module below ``folder``, so that the registry knows the claims that were not collected.

    Raises:
        InvalidInput: a module that cannot be imported.
    """
    known = {claim.function.__code__.co_filename for claim in REGISTRY.values()}
    for path in _modules(folder, patterns):
        name = ".".join(path.relative_to(root).with_suffix("").parts) if path.is_relative_to(root) else path.stem
        if str(path) not in known and name not in sys.modules:
            _import(name, path)


def _modules(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if any(fnmatch(path.name, pattern) for pattern in patterns))


def _import(name: str, path: Path) -> None:
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InvalidInput(f"{path} cannot be imported ({cause}), so its claims are not known: repair it") from error
