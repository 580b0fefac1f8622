"""Track a sweep of the atlas for the documentation: its folder, and what was found, at the head of docs/atlas.md.

    python docs/make_atlas.py reports/atlas    # track this sweep, a complete one, and write what was found into docs/atlas.md
    python docs/make_atlas.py                  # write it again from the sweep that is tracked

The site has the sweep's own pages under map/, as the sweep wrote them (docs/site.py).
"""

from __future__ import annotations

import io
import json
import re
import sys
import tarfile
from pathlib import Path

from harness.errors import InvalidInput

DOCS = Path(__file__).resolve().parent
ARCHIVE, PAGE = DOCS / "run" / "atlas.tar.xz", DOCS / "atlas.md"
BEGIN, END = "<!-- found: made by docs/make_atlas.py -->", "<!-- end -->"


def track(folder: Path, archive: Path = ARCHIVE) -> None:
    """Keep the pages and rows of a sweep; the same files give the same bytes.

    Raises:
        InvalidInput: the folder has no sweep, or one that is not complete.
    """
    try:
        held = json.loads((folder / "atlas.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InvalidInput(f"{folder}: no atlas.json that can be read ({error}); give the folder of a sweep") from error
    if not held["complete"] or held["faults"]:
        raise InvalidInput(f"{folder}: the sweep is not complete, or a variant broke: run it to its end")
    names = [name for pattern in ("*.*", "variants/*.md", "rows/*.json") for name in sorted(folder.glob(pattern))]
    with tarfile.open(archive, "w:xz", preset=9) as tar:
        for name in names:
            entry, content = tarfile.TarInfo(name.relative_to(folder).as_posix()), name.read_bytes()
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))


def found(page: str) -> str:
    """The numbered sentences of a sweep's page, with links from docs/atlas.md."""
    part = page.partition("## What was found")[2].partition("![")[0]
    lines = re.findall(r"^\d+\. .*$", part, flags=re.MULTILINE)
    counted = re.search(r"^\d+ of \d+ variants, \d+ seed.*$", page, flags=re.MULTILINE)
    head = "[The map](map/atlas.md) has all variants, claims and questions" + (f": {counted[0]}" if counted else ".")
    others = re.search(r"^\d+ rows were measured with other code.*$", page, flags=re.MULTILINE)
    return "\n".join([f"{head} {others[0]}" if others else head, "", *(line.replace("](#", "](map/atlas.md#") for line in lines)])


def written(text: str, archive: Path = ARCHIVE) -> str:
    """docs/atlas.md with what the tracked sweep found.

    Raises:
        InvalidInput: no sweep is tracked.
    """
    if not archive.exists():
        raise InvalidInput(f"{archive} is not there: give the folder of a complete sweep")
    with tarfile.open(archive) as tar:
        held = tar.extractfile("atlas.md")
        assert held is not None
        page = held.read().decode()
    before, _, rest = text.partition(BEGIN)
    return f"{before}{BEGIN}\n\n{found(page)}\n\n{END}{rest.partition(END)[2]}"


def main(arguments: list[str]) -> None:
    if arguments:
        track(Path(arguments[0]))
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except InvalidInput as error:
        sys.exit(f"make_atlas: {error}")
