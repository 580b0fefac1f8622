"""Papers: one package each, and the folders of the papers and references that come with this one."""

import importlib
import sys
from pathlib import Path

import pytest

from harness.errors import InvalidInput
from harness.suite import paper as papers
from harness.suite.paper import PAPERS, Paper, fixtures, home, paper, title

ROOT = Path(__file__).resolve().parents[2]


def test_a_paper_belongs_to_one_package(monkeypatch):
    monkeypatch.setattr(papers, "PAPERS", {})
    made = paper("mine", "A. Author (2020)", "claims.mine")
    assert made == Paper("mine", "A. Author (2020)", "claims.mine", main=False)
    assert paper("mine", "A. Author (2021)", "claims.mine", main=True) == Paper("mine", "A. Author (2021)", "claims.mine", True)
    with pytest.raises(InvalidInput, match=r"'mine' of elsewhere is known from claims\.mine already"):
        paper("mine", "B. Author", "elsewhere")
    assert {"mine": Paper("mine", "A. Author (2021)", "claims.mine", True)} == papers.PAPERS
    assert (title("mine"), title("another")) == ("A. Author (2021)", "another")


def test_in_a_checkout_papers_and_references_are_the_checkouts():
    assert (home(), fixtures()) == (ROOT / "claims", ROOT / "fixtures")
    assert PAPERS is papers.PAPERS


def test_an_installation_has_its_own(monkeypatch, tmp_path):
    """Without a project file above the module, the folder is that of the installed package; references may be inside of it."""
    monkeypatch.setattr(papers, "__file__", str(tmp_path / "site" / "harness" / "suite" / "paper.py"))
    monkeypatch.setattr(papers, "INSTALLED", "planted_installed")
    monkeypatch.syspath_prepend(str(tmp_path / "installed"))
    assert home() == tmp_path / "site" / "claims"
    inside = tmp_path / "installed" / "planted_installed"
    inside.mkdir(parents=True)
    (inside / "__init__.py").touch()
    importlib.invalidate_caches()
    assert (home(), fixtures()) == (inside, tmp_path / "installed" / "fixtures")
    (inside / "fixtures").mkdir()
    assert fixtures() == inside / "fixtures"
    assert "planted_installed" not in sys.modules
