"""The list of faults, and how one is put into a copy of the tree."""

from __future__ import annotations

import shutil
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

LIST = Path(__file__).with_name("faults.toml")
# What a copy holds: everything that a check imports or reads.
SOURCES = ("harness", "claims", "tests", "fixtures", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info")


class BadFault(ValueError):
    """A fault that cannot be tried as it is written; the message is one line that says why."""


@dataclass(frozen=True)
class Fault:
    """One deliberate fault.

    Attributes:
        name: what is wrong, in words.
        file: where, relative to the tree's root.
        old: text that occurs there exactly once.
        new: what takes its place.
        killed_by: node ids of the checks of which each must fail by its own judgement; a parametrised test named without its
            brackets must fail in one case at least.
        green: node ids that must pass: what the fault does not touch.
    """

    name: str
    file: str
    old: str
    new: str
    killed_by: tuple[str, ...]
    green: tuple[str, ...]

    def __post_init__(self) -> None:
        if not (self.killed_by and self.green):
            raise BadFault(f"{self.name}: name at least one check that kills it and one that stays green")
        if self.old == self.new:
            raise BadFault(f"{self.name}: old and new text are the same")


def read(path: Path = LIST) -> list[Fault]:
    """The faults of a TOML file with one ``[[fault]]`` each.

    Raises:
        BadFault: a field is missing, unknown or of another type, or a name is there twice.
    """
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))["fault"]
    except (KeyError, tomllib.TOMLDecodeError) as error:
        raise BadFault(f"{path}: {error}; write one [[fault]] a fault") from error
    faults = [_fault(path, entry) for entry in entries]
    twice = [name for name, count in Counter(fault.name for fault in faults).items() if count > 1]
    if twice:
        raise BadFault(f"{path}: {', '.join(twice)} is there twice: names are unique")
    return faults


def _fault(path: Path, entry: dict[str, Any]) -> Fault:
    wanted = {field.name for field in fields(Fault)}
    if entry.keys() != wanted:
        name, got, needed = entry.get("name", "a fault"), ", ".join(sorted(entry)), ", ".join(sorted(wanted))
        raise BadFault(f"{path}: {name} has {got}; it needs {needed}")
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in entry.items()}
    return Fault(**values)


def chosen(faults: Sequence[Fault], names: Sequence[str]) -> list[Fault]:
    """The faults whose name contains one of ``names``; all of them without names.

    Raises:
        BadFault: a name that fits none.
    """
    for name in names:
        if not any(name in fault.name for fault in faults):
            raise BadFault(f"no fault is called {name!r}; there are: {'; '.join(fault.name for fault in faults)}")
    return [fault for fault in faults if not names or any(name in fault.name for name in names)]


def faulty(fault: Fault, root: Path) -> str:
    """The text of the fault's file with the fault in it.

    Raises:
        BadFault: the file is not there, or its old text does not occur exactly once.
    """
    path = root / fault.file
    if not path.is_file():
        raise BadFault(f"{fault.name}: there is no {fault.file}")
    text = path.read_text(encoding="utf-8")
    if (count := text.count(fault.old)) != 1:
        raise BadFault(f"{fault.name}: its old text occurs {count} times in {fault.file}, not once: write what is there now")
    return text.replace(fault.old, fault.new)


def plant(fault: Fault, root: Path, copy: Path, sources: Sequence[str] = SOURCES) -> None:
    """Copy the tree at ``root`` to ``copy`` with the fault in it; raises as :func:`faulty`."""
    text = faulty(fault, root)
    copy.mkdir(parents=True, exist_ok=True)
    for source in sources:
        if (root / source).is_dir():
            shutil.copytree(root / source, copy / source, ignore=LEFT_OUT)
        else:
            shutil.copy2(root / source, copy / source)
    (copy / fault.file).write_text(text, encoding="utf-8")
