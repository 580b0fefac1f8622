"""Which verdict is expected: SUPPORTED, unless the deviations file lists the claim at this scale with another one."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InvalidInput
from harness.runs.experiment import SCALES
from harness.suite.claim import Claim
from harness.suite.records import LedgerEntry
from harness.suite.verdict import Verdict

_FIELDS = {"id", "scale", "verdict", "reason"}
FEW = 3  # with fewer seeds a claim may always stay open


@dataclass(frozen=True)
class Expectation:
    """The verdict that lets a claim pass; ``reason`` says why when it is not SUPPORTED, or takes more than three ``seeds``.

    ``verdict`` is None where nothing is expected: a paper's claim on a network of one's own, whose verdict is a finding.
    """

    verdict: Verdict | None = Verdict.SUPPORTED
    reason: str | None = None
    seeds: int = FEW

    @property
    def name(self) -> str:
        """The verdict's name, "" where nothing is expected."""
        return "" if self.verdict is None else self.verdict.name


Deviations = Mapping[tuple[str, str], Expectation]


def expected(claim: Claim, scale: str, deviations: Deviations) -> Expectation:
    """What is expected of the claim: as listed; else that it holds, but nothing of a paper's on a network of one's own."""
    return deviations.get((claim.id, scale), Expectation(None) if claim.portable else Expectation())


def read_deviations(path: Path, registry: Mapping[str, Claim]) -> Deviations:
    """The listed deviations by (claim id, scale); an absent file lists none.

    Raises:
        InvalidInput: not TOML, a field missing, or an id or scale that no declared claim has.
    """
    listed: dict[tuple[str, str], Expectation] = {}
    for entry in read_tables(path, "deviation"):
        key = _checked(entry, path, registry)
        if key in listed:
            raise InvalidInput(f"{path}: {key[0]} at scale {key[1]} is listed twice: keep one")
        listed[key] = Expectation(Verdict[entry["verdict"]], entry["reason"], entry.get("seeds", FEW))
    return listed


def read_ledger(path: Path) -> list[LedgerEntry]:
    """What the papers say and no claim judges; an absent file lists nothing.

    Raises:
        InvalidInput: not TOML, or an entry without exactly id, where, says and reason.
    """
    try:
        return [LedgerEntry(**entry) for entry in read_tables(path, "entry")]
    except TypeError as error:
        raise InvalidInput(f"{path}: each [[entry]] has id, where, says, reason and nothing else ({error})") from None


def read_tables(path: Path, name: str) -> list[dict[str, Any]]:
    """The ``[[name]]`` tables of a TOML file, [] if there is no such file."""
    if not path.exists():
        return []
    try:
        tables: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8")).get(name, [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not TOML: {error}") from None
    return tables


def unknown_id(got: str, known: Iterable[str]) -> str:
    """One line about an id that no claim has, naming close matches."""
    wanted, names = _name(got), {id: _name(id) for id in known}
    holding = {name for name in names.values() if wanted and wanted in name}
    alike = holding or difflib.get_close_matches(wanted, set(names.values()), 2)
    near = [id for id, name in names.items() if name in alike][:3]
    hint = f"did you mean {' or '.join(near)}?" if near else "`python -m harness list` shows all"
    return f"unknown claim id {got!r}; {hint}"


def _name(id: str) -> str:
    """``bulk-count`` of ``training-jacobian/bulk-count[all]``."""
    return id.rpartition("/")[2].partition("[")[0]


def _checked(entry: Mapping[str, Any], path: Path, registry: Mapping[str, Claim]) -> tuple[str, str]:
    seeds = entry.get("seeds", FEW)
    texts = {name: value for name, value in entry.items() if name != "seeds"}
    if set(texts) != _FIELDS or not all(isinstance(value, str) and value.strip() for value in texts.values()):
        raise InvalidInput(f"{path}: [[deviation]] {dict(entry)}: give id, scale, verdict and reason as texts, none empty")
    id, scale, verdict = entry["id"], entry["scale"], entry["verdict"]
    if id not in registry:
        raise InvalidInput(f"{path}: {unknown_id(id, registry)}")
    if scale not in registry[id].scales:
        where = ", ".join(registry[id].scales)
        raise InvalidInput(f"{path}: {id} is not judged at scale {scale!r} (scales: {', '.join(SCALES)}); it is at: {where}")
    if not isinstance(seeds, int) or seeds < FEW:
        raise InvalidInput(f"{path}: {id} lists seeds = {seeds!r}; allowed: a whole number from {FEW}, as many as it takes")
    allowed = [Verdict.REFUTED, Verdict.INCONCLUSIVE] if seeds == FEW else [Verdict.REFUTED, Verdict.SUPPORTED]
    if verdict not in [each.name for each in allowed]:
        names = ", ".join(each.name for each in allowed)
        hint = "SUPPORTED needs no entry" if seeds == FEW else f"it is what {seeds} seeds decide"
        raise InvalidInput(f"{path}: {id} lists verdict {verdict!r}; allowed: {names} ({hint})")
    return id, scale
