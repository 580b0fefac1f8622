"""docs/network.md: its programs run, one after the other, and it names everything that the package offers."""

import re
from pathlib import Path

import pytest

import harness
from harness.runs.experiment import CATALOGUE
from harness.suite.claim import REGISTRY

PAGE = Path(__file__).resolve().parents[1] / "docs" / "network.md"


@pytest.fixture
def clean(tmp_path, monkeypatch):
    """The page's programs make claims and experiments known, and write a report and a store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    before = dict(REGISTRY), dict(CATALOGUE)
    yield
    for registry, kept in zip((REGISTRY, CATALOGUE), before, strict=True):
        registry.clear()
        registry.update(kept)  # type: ignore[arg-type]


def test_its_programs_run(clean, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) > 5
    assert (tmp_path / "my-report" / "latest" / "report.html").exists()
    assert {claim.id for claim in names["test_learns"].__claims__} == {"mine/learns"}


def test_it_names_everything_that_the_package_offers():
    page = PAGE.read_text(encoding="utf-8")
    missing = [name for name in harness.__all__ if not name.startswith("__") and f"`{name}`" not in page]
    assert not missing
