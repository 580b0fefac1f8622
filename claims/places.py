"""The folder of fixtures: beside this package in a checkout, inside the package if it is installed."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
FIXTURES = HERE / "fixtures" if (HERE / "fixtures").is_dir() else HERE.parent / "fixtures"
