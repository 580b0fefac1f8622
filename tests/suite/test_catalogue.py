"""The files of claims below a folder: which are imported and under which name, and the ids and nodes of claims."""

import importlib
import sys
from pathlib import Path

import pytest

from harness.errors import InvalidInput
from harness.suite import catalogue
from harness.suite.catalogue import base, check_ids, declare_all, declare_folder, declare_papers, declared, item_name, node_id
from harness.suite.claim import REGISTRY, Claim
from harness.suite.verdict import Verdict, at_least

CLAIMS = """
from harness.suite.claim import Control, claim
from harness.suite.verdict import at_least

@claim("{id}", where="1", says="s", reading="r", accept=at_least(0, reason="r"), controls=[Control("c", len)])
def test_it(run):
    return 1.0
"""
ENTRY = '[[deviation]]\nid = "planted/one"\nscale = "paper"\nverdict = "REFUTED"\nreason = "planted"\n'


def planted(id="planted/one", file="") -> Claim:
    def test_it():
        return 1.0

    return Claim(id, "", "", "", at_least(0, reason="planted"), test_it, (), file=file)


@pytest.fixture(autouse=True)
def _unchanged(monkeypatch):
    """The registry is empty, and what a test imports is forgotten after it."""
    before, modules, path = dict(REGISTRY), set(sys.modules), list(sys.path)
    REGISTRY.clear()
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    importlib.invalidate_caches()
    yield
    REGISTRY.clear()
    REGISTRY.update(before)
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def test_a_claim_is_named_by_its_function_its_reading_and_its_file(tmp_path):
    strict = planted("planted/one[strict]", str(tmp_path / "claims" / "test_mine.py"))
    assert (item_name(planted()), item_name(strict)) == ("test_it", "test_it[strict]")
    assert node_id(strict, tmp_path) == "claims/test_mine.py::test_it[strict]"
    assert node_id(strict, tmp_path / "elsewhere") == f"{tmp_path}/claims/test_mine.py::test_it[strict]"
    assert [base(id) for id in ("a/b[c]", "a/b", "a/b[c[d]")] == ["a/b"] * 3


def test_ids_are_those_of_declared_claims_with_or_without_their_reading():
    REGISTRY.update({id: planted(id) for id in ("planted/one[strict]", "planted/two")})
    check_ids(["planted/one[strict]", "planted/one", "planted/two"])
    for id in ("planted/one[lenient]", "planted/twos"):
        with pytest.raises(InvalidInput, match=r"--claims-id: unknown claim id 'planted/.*did you mean planted/"):
            check_ids(["planted/two", id])


def test_claims_of_a_folder_are_those_whose_file_lies_below(tmp_path):
    REGISTRY.update(
        {id: planted(id, str(tmp_path / where / "test_it.py")) for id, where in (("a/in", "in/deep"), ("a/out", "out"))}
    )
    assert list(declared(tmp_path / "in")) == ["a/in"]
    assert list(declared(tmp_path)) == ["a/in", "a/out"]


class TestDeclareAll:
    def test_modules_are_named_as_pytest_names_them(self, tmp_path):
        """A module of a package by its outermost package, another one by its place below the root."""
        write(tmp_path / "claims" / "deep" / "test_alone.py", CLAIMS.format(id="planted/alone"))
        write(tmp_path / "claims" / "planted_top" / "__init__.py", "")
        write(tmp_path / "claims" / "planted_top" / "inner" / "__init__.py", "")
        write(tmp_path / "claims" / "planted_top" / "inner" / "more_test.py", CLAIMS.format(id="planted/inner"))
        write(tmp_path / "claims" / "helper.py", "raise AssertionError")
        sys.path.insert(0, str(tmp_path / "claims"))
        declare_all(tmp_path / "claims", tmp_path)
        assert {id: claim.function.__module__ for id, claim in REGISTRY.items()} == {
            "planted/alone": "claims.deep.test_alone",
            "planted/inner": "planted_top.inner.more_test",
        }
        assert "planted_top.inner" in sys.modules
        assert REGISTRY["planted/alone"].place == str(tmp_path / "claims" / "deep" / "test_alone.py")

    def test_patterns_choose_the_files(self, tmp_path):
        for name in ("test_planted_x", "check_planted_x"):
            write(tmp_path / f"{name}.py", CLAIMS.format(id=f"planted/{name.replace('_', '-')}"))
        declare_all(tmp_path, tmp_path, ["check_*.py"])
        assert list(REGISTRY) == ["planted/check-planted-x"]

    def test_a_folder_outside_the_root_is_imported_too(self, tmp_path):
        write(tmp_path / "there" / "test_planted_there.py", CLAIMS.format(id="planted/there"))
        declare_all(tmp_path / "there", tmp_path / "here")
        assert REGISTRY["planted/there"].function.__module__ == "test_planted_there"

    def test_nothing_is_imported_twice(self, tmp_path):
        """Neither a file whose claims are known, under whatever name, nor a module of that name."""
        path = write(tmp_path / "test_planted_once.py", "raise AssertionError")
        REGISTRY["planted/one"] = planted("planted/one", str(path))
        declare_all(tmp_path, tmp_path)
        assert "test_planted_once" not in sys.modules
        REGISTRY.clear()
        sys.modules["test_planted_once"] = sys
        declare_all(tmp_path, tmp_path)
        assert sys.modules["test_planted_once"] is sys

    @pytest.mark.parametrize("package", [True, False])
    def test_a_module_that_breaks_is_named_with_its_cause_and_forgotten(self, tmp_path, package):
        folder = tmp_path / "planted_broken"
        path = write(folder / "test_planted_broken.py", 'raise ZeroDivisionError("by\\n  nothing")')
        if package:
            write(folder / "__init__.py", "")
            sys.path.insert(0, str(tmp_path))
        with pytest.raises(InvalidInput, match=r"cannot be imported \(ZeroDivisionError: by nothing\)") as refused:
            declare_all(folder, tmp_path)
        assert str(path) in str(refused.value)
        assert "planted_broken.test_planted_broken" not in sys.modules


def test_a_folder_brings_its_claims_its_helpers_and_its_deviations(tmp_path, monkeypatch):
    """Modules of the folder import each other by the folder's name."""
    folder = tmp_path / "planted_folder"
    write(folder / "helpers.py", "")
    write(folder / "test_planted_one.py", "import planted_folder.helpers\n" + CLAIMS.format(id="planted/one"))
    write(folder / "deviations.toml", ENTRY)
    monkeypatch.chdir(tmp_path)
    sys.path[:] = [entry for entry in sys.path if entry]
    listed = declare_folder(Path("planted_folder"))
    assert list(REGISTRY) == ["planted/one"]
    assert {key: entry.verdict for key, entry in listed.items()} == {("planted/one", "paper"): Verdict.REFUTED}
    assert sys.path[0] == str(tmp_path)
    with pytest.raises(InvalidInput, match="nowhere is not a folder"):
        declare_folder(tmp_path / "nowhere")


def test_papers_are_the_packages_directly_below(tmp_path):
    write(tmp_path / "planted_paper" / "__init__.py", "HERE = True")
    write(tmp_path / "planted_paper" / "figures" / "__init__.py", "raise AssertionError")
    write(tmp_path / "planted_known" / "__init__.py", "raise AssertionError")
    write(tmp_path / "plain" / "test_it.py", "raise AssertionError")
    sys.modules["planted_known"] = sys
    sys.path.insert(0, str(tmp_path))
    declare_papers(tmp_path)
    assert sys.modules["planted_paper"].HERE
    assert "planted_paper.figures" not in sys.modules
    write(tmp_path / "planted_torn" / "__init__.py", "import nowhere_at_all")
    with pytest.raises(InvalidInput, match=r"planted_torn/__init__\.py cannot be imported \(ModuleNotFoundError"):
        declare_papers(tmp_path)
    assert catalogue.PATTERNS == ("test_*.py", "*_test.py")
