"""What the site has beside the pages of this folder: the page of the tracked run, as the run wrote it."""

from __future__ import annotations

import lzma
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

RUN = Path(__file__).resolve().parent / "run" / "report.html.xz"


def on_files(files: Files, config: Any) -> Files:
    """Put the example report among the files, so that links to it are checked as all others are."""
    files.append(File.generated(config, "example-report.html", content=lzma.decompress(RUN.read_bytes())))
    return files
