"""Kept runs: an entry that ran with the same code, libraries and machine is not run again; its run is judged anew each time."""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Iterator
from pathlib import Path

from harness.runs import provenance
from mutants.museum.entries import Entry
from mutants.museum.run import OUTPUT, Left, left
from mutants.subprocesses import Ended

# the files that decide a run, beside the entry and the module of its injection
CODE = (
    *("harness", "claims", "fixtures/ensembles", "mutants/subprocesses.py", "mutants/museum/injections/patching.py"),
    *(f"mutants/museum/{name}.py" for name in ("run", "surroundings", "interpreters", "emulated", "injected")),
)
SUFFIXES = (".py", ".toml", ".json")
NAME = "run.json"


def code(root: Path) -> str:
    """A digest of all files that decide runs, of the installed libraries, and of the machine."""
    machine = (provenance.processor(), provenance.instructions(), provenance.blas())
    surroundings = [platform.python_version(), *provenance.versions().items(), *machine]
    return digest([*sorted(_files(root))], root, repr(surroundings))


def digest(paths: list[Path], root: Path, more: str) -> str:
    """SHA-256 over files and a text."""
    found = hashlib.sha256(more.encode())
    for path in paths:
        found.update(f"{path.relative_to(root)}\0".encode() + path.read_bytes() + b"\0")
    return found.hexdigest()


def _files(root: Path) -> Iterator[Path]:
    for place in CODE:
        path = root / place
        yield from [path] if path.is_file() else (one for one in path.rglob("*") if one.suffix in SUFFIXES)


def key(entry: Entry, code: str, root: Path) -> str:
    """The key of an entry's run. The entry's words, and the outcome that it demands, do not count."""
    change = (entry.injection, sorted(entry.environment.items()), entry.pins, entry.python, entry.architecture)
    deciding = (code, entry.claims, *change, entry.seeds, entry.with_canaries)
    module = root / "mutants" / "museum" / "injections" / f"{entry.injection.partition('.')[0]}.py"
    return digest([module] if entry.injection else [], root, repr(deciding))


def load(folder: Path, key: str) -> Left | str | None:
    """What a run left in a folder, or why the run was not possible; None if nothing is kept under that key."""
    try:
        held = json.loads((folder / NAME).read_text(encoding="utf-8"))
        if held["key"] != key:
            return None
        if held["absent"]:
            return str(held["absent"])
        ended = Ended(held["code"], (folder / OUTPUT).read_text(encoding="utf-8"), "")
        return Left(ended, *left(folder / "report"), held["seconds"])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def save(folder: Path, key: str, run: Left | str) -> None:
    """Keep a run, or the reason why it was not possible. This is written after all else of the run."""
    absent, ran = (run, None) if isinstance(run, str) else ("", run)
    held = {"key": key, "absent": absent, "code": ran and ran.ended.code, "seconds": ran.seconds if ran else 0.0}
    made = folder / f"{NAME}.part"
    made.write_text(json.dumps(held) + "\n", encoding="utf-8")
    made.replace(folder / NAME)
