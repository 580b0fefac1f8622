"""Entries of a store as bytes, for a worker that does not see the run's store."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from pathlib import Path

MANIFEST = "manifest.json"
Packed = dict[str, dict[str, bytes]]  # entry -> file -> content


def names(root: Path) -> set[str]:
    """The entries that a store has."""
    return {path.parent.name for path in root.glob(f"*/{MANIFEST}")}


def pack(root: Path, wanted: Iterable[str]) -> Packed:
    """The files of some entries of the store in ``root``."""
    return {name: {path.name: path.read_bytes() for path in sorted((root / name).iterdir())} for name in wanted}


def unpack(packed: Packed, root: Path) -> None:
    """Side effect: add entries to the store in ``root``; those that it has stay. What arrives damaged its reader refuses."""
    for name, files in packed.items():
        if (root / name / MANIFEST).exists():
            continue
        made = Path(tempfile.mkdtemp(prefix=f".{name}-", dir=root))
        try:
            for file, content in files.items():
                (made / file).write_bytes(content)
            os.replace(made, root / name)
        except OSError:
            if not (root / name / MANIFEST).exists():  # else another process was faster
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
