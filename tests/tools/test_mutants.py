"""The mutation session itself, on a small project: kills, crashes, survivors, and replacements that do not fit."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
ENGINE = "def double(x):\n    return x + x\n\n\ndef triple(x):\n    return 3 * x\n"
CHECKS = """
import pytest
from engine import double, triple

def test_double():
    assert double(2) == 4

def test_triple():
    assert triple(2) == 6

@pytest.mark.parametrize("x", [0, 5])
def test_many(x):
    assert double(x) == 2 * x

def test_refusal():
    with pytest.raises(TypeError):
        double(None)
"""
SOURCES = ("engine.py", "test_engine.py", "pytest.ini")


@pytest.fixture(scope="module")
def mutants() -> ModuleType:
    """The package beside this folder; a test never relies on the working folder."""
    sys.path.insert(0, str(ROOT))
    try:
        return importlib.import_module("mutants.__main__")
    finally:
        sys.path.remove(str(ROOT))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {"engine.py": ENGINE, "test_engine.py": CHECKS, "pytest.ini": "[pytest]\n"}.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def fault(name: str, old: str, new: str, killed_by: list[str], green: list[str]) -> str:
    kills, stays = ([f"test_engine.py::{check}" for check in checks] for checks in (killed_by, green))
    change = f"file = 'engine.py'\nold = {old!r}\nnew = {new!r}\n"
    return f"[[fault]]\nname = {name!r}\n{change}killed_by = {kills}\ngreen = {stays}\n"


def tried(mutants: ModuleType, project: Path, *faults: str) -> int:
    (project / "faults.toml").write_text("".join(faults), encoding="utf-8")
    return mutants.main(["--faults", str(project / "faults.toml")], project, SOURCES)  # type: ignore[no-any-return]


KILLED = fault("tripled", "x + x", "3 * x", ["test_double", "test_many"], ["test_triple"])
SWALLOWED = fault("swallowed", "return x + x", "return x and x + x", ["test_refusal"], ["test_double", "test_many"])


def test_an_assertion_kills_and_the_tree_is_left_alone(
    mutants: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(mutants, project, KILLED, SWALLOWED) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 faults killed" in printed
    assert "test_engine.py::test_double: AssertionError: assert 6 == 4" in printed
    assert "test_engine.py::test_many: AssertionError: assert 15 == " in printed  # one case of two is enough
    assert "test_engine.py::test_refusal: Failed: DID NOT RAISE" in printed
    assert (project / "engine.py").read_text(encoding="utf-8") == ENGINE


SURVIVORS = {
    "test_double crashed, which kills nothing: NameError": fault("crash", "x + x", "y", ["test_double"], ["test_triple"]),
    "did not run: ERROR: not found": fault("renamed", "x + x", "3 * x", ["test_quadruple"], ["test_triple"]),
    "did not run: ERROR test_engine.py": fault("unreadable", "def double(x):", "def double(x:", ["test_double"], ["test_triple"]),
}


def test_crashes_and_checks_that_do_not_run_kill_nothing(
    mutants: ModuleType, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tried(mutants, project, *SURVIVORS.values()) == 1
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("0 of 3 faults killed") for line in lines)
    last = [line for line in lines if line.startswith("SURVIVED ") and ": " in line]
    for says in SURVIVORS:
        assert any(says in line for line in last), says


ALIVE, DEAD, BROKEN = ("passed", ""), ("judged", "AssertionError: 3"), ("crashed", "TypeError: 4")


@pytest.mark.parametrize(
    ("outcomes", "complaint"),
    [
        ({"t.py::a": DEAD, "t.py::b": ALIVE}, None),
        ({"t.py::a[1]": ALIVE, "t.py::a[2]": DEAD, "t.py::b": ALIVE}, None),
        ({"t.py::a": ALIVE, "t.py::b": ALIVE}, "t.py::a let it live"),
        ({"t.py::b": ALIVE}, "t.py::a does not exist"),
        ({"t.py::a[1]": BROKEN, "t.py::a[2]": DEAD, "t.py::b": ALIVE}, "t.py::a crashed, which kills nothing: TypeError: 4"),
        ({"t.py::a": DEAD, "t.py::b": DEAD}, "t.py::b should have stayed green: AssertionError: 3"),
        ({"t.py::a": DEAD, "t.py::b[1]": ALIVE, "t.py::b[2]": BROKEN}, "t.py::b should have stayed green: TypeError: 4"),
        ({"t.py::a": DEAD}, "t.py::b should have stayed green: it does not exist"),
    ],
)
def test_each_check_is_judged(mutants: ModuleType, outcomes: dict[str, tuple[str, str]], complaint: str | None) -> None:
    faults, trial = importlib.import_module("mutants.faults"), importlib.import_module("mutants.trial")
    judged = trial.judge(faults.Fault("f", "t.py", "x", "y", ("t.py::a",), ("t.py::b",)), outcomes, 0.0)
    assert judged.complaints == (() if complaint is None else (complaint,))
    assert judged.killed is (complaint is None)
    assert ("SURVIVED" in mutants.page([judged], 1)) is (complaint is not None)


@pytest.mark.parametrize(
    ("written", "says"),
    [
        (fault("gone", "x * x", "x", ["test_double"], ["test_triple"]), "gone: its old text occurs 0 times in engine.py"),
        (fault("twice", "return", "yield", ["test_double"], ["test_triple"]), "twice: its old text occurs 2 times in engine.py"),
        (fault("blunt", "x + x", "x", [], ["test_triple"]), "blunt: name at least one check that kills it"),
        (fault("idle", "x + x", "x + x", ["test_double"], ["test_triple"]), "idle: old and new text are the same"),
        (KILLED.replace("old =", "was ="), "tripled has file, green, killed_by, name, new, was; it needs"),
        (KILLED + KILLED, "tripled is there twice"),
        (KILLED.replace("engine.py'", "motor.py'"), "tripled: there is no motor.py"),
        ("", "write one [[fault]] an entry"),
    ],
)
def test_a_fault_that_does_not_fit_is_named(
    mutants: ModuleType, project: Path, capsys: pytest.CaptureFixture[str], written: str, says: str
) -> None:
    assert tried(mutants, project, written) == 2
    assert says in capsys.readouterr().err


def test_every_fault_of_the_list_fits_the_tree(mutants: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    """Cheap, and at once: whoever changes a line that a fault replaces learns it here."""
    faults = importlib.import_module("mutants.faults")
    for one in faults.read():
        faults.faulty(one, ROOT)
        for check in (*one.killed_by, *one.green):
            path, *names = check.partition("[")[0].split("::")
            assert (ROOT / path).is_file(), check
            assert not names or f"def {names[-1]}(" in (ROOT / path).read_text(encoding="utf-8"), check
    assert mutants.main(["--list", "no such fault"]) == 2
    assert "nothing in the list is called 'no such fault'" in capsys.readouterr().err


def test_the_page_has_every_fault_of_the_list(mutants: ModuleType) -> None:
    rows = (ROOT / "docs" / "mutants.md").read_text(encoding="utf-8").splitlines()
    named = [row.split(" | ")[0].removeprefix("| ") for row in rows if row.startswith("| ") and " | `" in row]
    faults = importlib.import_module("mutants.faults")
    assert named == [one.name.replace("|", "\\|") for one in faults.read()]
