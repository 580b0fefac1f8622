"""Known red canaries of library releases, listed with the public report: they are reported and fail nothing."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Collection
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from harness.errors import InvalidInput

LIST = Path(__file__).with_name("known.toml")
REPORT = re.compile(r"[\w.-]+/[\w.-]+#\d+")


@dataclass(frozen=True)
class KnownRed:
    """Canaries that are red on releases of a library.

    Attributes:
        names: of the canaries.
        library: the distribution at fault.
        versions: releases on which the canaries were seen red.
        report: the public report, ``owner/name#number``.
        says: the report in one line.
    """

    names: tuple[str, ...]
    library: str
    versions: tuple[str, ...]
    report: str
    says: str


def read(path: Path = LIST, canaries: Collection[str] | None = None) -> tuple[KnownRed, ...]:
    """The known red canaries that the file lists.

    Args:
        canaries: names of all canaries; other names are refused.

    Raises:
        InvalidInput: no TOML, a key that is missing or unknown, a value of another kind, or an unknown canary.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8")).get("red", [])
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise InvalidInput(f"{path} cannot be read ({error}): repair it, or leave it empty") from None
    return tuple(_entry(f"{path}, red {number}", entry, canaries) for number, entry in enumerate(entries, 1))


def listed(known: Collection[KnownRed], name: str, library: str, version: str) -> str:
    """The report and the line of a canary that is listed for this release; "" if it is not."""
    found = (red for red in known if name in red.names and red.library == library and version in red.versions)
    return next((f"{red.report}: {red.says}" for red in found), "")


def _entry(where: str, entry: dict[str, Any], canaries: Collection[str] | None) -> KnownRed:
    keys = [field.name for field in fields(KnownRed)]
    if set(entry) != set(keys):
        raise InvalidInput(f"{where} has the keys {', '.join(sorted(entry))}: give {', '.join(keys)}")
    for key in ("names", "versions"):
        if not (isinstance(entry[key], list) and entry[key] and all(isinstance(one, str) for one in entry[key])):
            raise InvalidInput(f"{where}: {key} is {entry[key]!r}; give a list of one or more texts")
    for key in ("library", "report", "says"):
        if not isinstance(entry[key], str) or not entry[key] or "\n" in entry[key]:
            raise InvalidInput(f"{where}: {key} is {entry[key]!r}; give a line of text")
    if not REPORT.fullmatch(entry["report"]):
        raise InvalidInput(f"{where}: report is {entry['report']!r}; give owner/name#number of a public report")
    unknown = [name for name in entry["names"] if canaries is not None and name not in canaries]
    if unknown:
        raise InvalidInput(
            f"{where} names {', '.join(map(repr, unknown))}, which is no canary: `python -m harness canaries` lists them"
        )
    return KnownRed(tuple(entry["names"]), entry["library"], tuple(entry["versions"]), entry["report"], entry["says"])
