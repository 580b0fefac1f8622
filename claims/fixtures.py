"""Where the fixtures are: beside this package in a checkout, inside it where it is installed."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
FIXTURES = next(folder for folder in (HERE / "fixtures", HERE.parent / "fixtures") if folder.is_dir())
