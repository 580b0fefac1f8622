"""Entries of a store as bytes, for a worker that does not see the run's store."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

from harness.runs.store import Store

MANIFEST = "manifest.json"
NAME, FILE = re.compile(r"[a-z0-9-]+-[0-9a-f]{32}(\.blocks/\d+)?"), re.compile(r"[\w.-]+\.npy|manifest\.json")
Packed = dict[str, dict[str, bytes]]  # entry -> file -> content


def pack(store: Store, names: Iterable[str]) -> Packed:
    """The files of some entries; names of entries that the store could not keep are left out."""
    kept = [name for name in names if (store.root / name / MANIFEST).exists()]
    return {name: {path.name: path.read_bytes() for path in sorted((store.root / name).iterdir())} for name in kept}


def unpack(packed: Packed, store: Store) -> None:
    """Side effect: add entries to a store; the store's own entries stay. A reader of the store refuses damaged ones."""
    for name, files in packed.items():
        if NAME.fullmatch(name) and all(map(FILE.fullmatch, files)):
            with store.locked(name.replace("/", "-")):
                if not (store.root / name / MANIFEST).exists():
                    _write(store, name, files)


def _write(store: Store, name: str, files: dict[str, bytes]) -> None:
    target = store.root / name
    made = target  # until there is a folder
    try:
        target.parent.mkdir(exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        for file, content in files.items():
            (made / file).write_bytes(content)
        os.replace(made, target)
    except OSError as error:
        store.complain(target, error)
    finally:
        if made != target:
            shutil.rmtree(made, ignore_errors=True)
