"""Lists in TOML of what is tried on purpose: named entries with known fields, chosen by a part of their name."""

from __future__ import annotations

import argparse
import math
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, Protocol, TypeVar


class Named(Protocol):
    """An entry of a list."""

    @property
    def name(self) -> str: ...


Entry = TypeVar("Entry", bound=Named)


class BadEntry(ValueError):
    """An entry that cannot be tried as it is written; the message is one line that says why."""


def read(path: Path, tables: dict[str, type[Entry]]) -> list[Entry]:
    """The entries of a TOML file, one ``[[table]]`` each; ``tables`` maps the tables to the dataclasses of their entries.

    Raises:
        BadEntry: the file is no TOML, it has no or an unknown table, a field is missing or unknown, or a name is there twice.
    """
    wanted = " or ".join(f"[[{table}]]" for table in tables)
    try:
        held = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise BadEntry(f"{path}: {error}; write one {wanted} an entry") from error
    if not held or held.keys() - tables.keys():
        raise BadEntry(f"{path}: it has {', '.join(sorted(held)) or 'nothing'}; write one {wanted} an entry")
    entries = [_entry(path, tables[table], values) for table in held for values in held[table]]
    twice = [name for name, count in Counter(entry.name for entry in entries).items() if count > 1]
    if twice:
        raise BadEntry(f"{path}: {', '.join(twice)} is there twice: names are unique")
    return entries


def _entry(path: Path, kind: type[Entry], values: dict[str, Any]) -> Entry:
    declared = [field for field in fields(kind) if field.init]  # type: ignore[arg-type]
    known = {field.name for field in declared}
    needed = {field.name for field in declared if field.default is MISSING and field.default_factory is MISSING}
    if values.keys() - known or needed - values.keys():
        name, got = values.get("name", "an entry"), ", ".join(sorted(values))
        optional = f", and may have {', '.join(sorted(known - needed))}" if known - needed else ""
        raise BadEntry(f"{path}: {name} has {got}; it needs {', '.join(sorted(needed))}{optional}")
    return kind(**{name: tuple(value) if isinstance(value, list) else value for name, value in values.items()})


def parser(module: str, description: str, path: Path, kept: Path) -> argparse.ArgumentParser:
    """The arguments of a module that runs a list's entries, keeps their runs and writes a page."""
    made = argparse.ArgumentParser(prog=f"python -m {module}", description=description)
    made.add_argument("names", nargs="*", help="only entries whose name contains one of these")
    made.add_argument("--list", type=Path, default=path, help=f"the list (default: mutants/{path.name})")
    made.add_argument("--again", action="store_true", help="run also what is kept")
    made.add_argument("--minutes", type=float, default=math.inf, help="begin no entry after so many; the same command goes on")
    made.add_argument("--show", action="store_true", help="only name the entries")
    made.add_argument("--table", type=Path, help="write a page of Markdown")
    made.add_argument("--kept", type=Path, default=kept, help="where runs are kept (default: %(default)s)")
    return made


def chosen(entries: Sequence[Entry], names: Sequence[str]) -> list[Entry]:
    """The entries whose name contains one of ``names``; all of them without names.

    Raises:
        BadEntry: a name that fits none.
    """
    for name in names:
        if not any(name in entry.name for entry in entries):
            raise BadEntry(f"nothing in the list is called {name!r}; there are: {'; '.join(entry.name for entry in entries)}")
    return [entry for entry in entries if not names or any(name in entry.name for name in names)]
