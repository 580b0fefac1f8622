"""Stored reports for the commands that read them."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.report import json_file
from harness.suite.claim import REGISTRY
from tests.compare.planted import BASE, REFUTED, SHIFTED

DECLARED = """
from harness import claim, within
from harness.suite.claim import Control


def doubled(run):
    return run


def test_size():
    return 1.0


claim(
    "paper/size",
    where="Section 1",
    says="it is one",
    reading="size",
    published=1.0,
    accept=within(0.9, 1.1, reason="ten percent"),
    controls=[Control("doubled", doubled)],
    scales=("smoke",),
)(test_size)
"""


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Reports in folders, the claims that they are of, and the working directory above them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.path", list(sys.path))
    (tmp_path / "claims").mkdir()
    (tmp_path / "claims/test_it.py").write_text(DECLARED)
    for name, made in {"base": BASE, "shifted": SHIFTED, "refuted": REFUTED}.items():
        (tmp_path / name).mkdir()
        json_file.write(made, tmp_path / name)
    yield tmp_path
    REGISTRY.pop("paper/size", None)
    sys.modules.pop("claims.test_it", None)
