"""The list of faults, and how one is put into a copy of the tree."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mutants import listing
from mutants.listing import BadEntry

LIST = Path(__file__).with_name("faults.toml")
# What a copy holds: everything that a check imports or reads.
SOURCES = ("harness", "claims", "tests", "fixtures", "pyproject.toml")
LEFT_OUT = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info")


@dataclass(frozen=True)
class Fault:
    """One deliberate fault.

    Attributes:
        name: what is wrong, in words.
        file: where, relative to the tree's root.
        old: text that occurs there exactly once.
        new: what takes its place.
        killed_by: node ids of checks that must each fail by their own judgement. A parametrised test that is named without its
            brackets must fail in at least one case.
        green: node ids of checks that must pass, since the fault does not touch them.
    """

    name: str
    file: str
    old: str
    new: str
    killed_by: tuple[str, ...]
    green: tuple[str, ...]

    def __post_init__(self) -> None:
        if not (self.killed_by and self.green):
            raise BadEntry(f"{self.name}: name at least one check that kills it and one that stays green")
        if self.old == self.new:
            raise BadEntry(f"{self.name}: old and new text are the same")


def read(path: Path = LIST) -> list[Fault]:
    """The faults of a TOML file with one ``[[fault]]`` each.

    Raises:
        BadEntry: a field is missing or unknown, or a name is there twice.
    """
    return listing.read(path, {"fault": Fault})


def faulty(fault: Fault, root: Path) -> str:
    """The text of the fault's file with the fault in it.

    Raises:
        BadEntry: the file is not there, or its old text does not occur exactly once.
    """
    path = root / fault.file
    if not path.is_file():
        raise BadEntry(f"{fault.name}: there is no {fault.file}")
    text = path.read_text(encoding="utf-8")
    if (count := text.count(fault.old)) != 1:
        raise BadEntry(f"{fault.name}: its old text occurs {count} times in {fault.file}, not once: write what is there now")
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
