"""Where the fixtures are: beside this package in a checkout, inside it where it is installed."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures" if (HERE / "fixtures").is_dir() else HERE.parent / "fixtures"
