"""What the site has beside the pages of this folder: those of the tracked run and of the tracked sweep, as they were written."""

from __future__ import annotations

import lzma
import tarfile
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

RUN = Path(__file__).resolve().parent / "run" / "report.html.xz"
SWEEP = RUN.with_name("atlas.tar.xz")


def on_files(files: Files, config: Any) -> Files:
    """Put the example report and the atlas's map among the files, so that links to them are checked as all others are."""
    files.append(File.generated(config, "example-report.html", content=lzma.decompress(RUN.read_bytes())))
    if SWEEP.exists():
        with tarfile.open(SWEEP) as tar:
            for entry in tar:
                held = tar.extractfile(entry)
                if held is not None and not entry.name.startswith("rows/"):
                    files.append(File.generated(config, f"map/{entry.name}", content=held.read()))
    return files
