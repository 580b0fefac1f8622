"""The probe finds a planted falsehood, prints it so that it can be pasted, and finds nothing in a truth."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.probe import main, probe, properties

TRUTH = "@given(run=descents(constant=True))\ndef test_truth(run):\n    assert len(run.rates) >= 1\n"
FALSEHOOD = "@given(run=descents(constant=True))\ndef test_falsehood(run):\n    assert run.rates[0] * max(run.eigenvalues) != 2\n"
HEAD = "from hypothesis import given\nfrom harness.strategies import descents\n"


@pytest.fixture
def planted(tmp_path: Path) -> Path:
    file = tmp_path / "planted.py"
    file.write_text(HEAD + TRUTH + FALSEHOOD)
    return file


@pytest.fixture(autouse=True)
def _quick_again() -> object:
    yield
    from harness.strategies import register_profiles

    register_profiles()


def test_the_planted_falsehood_is_printed_as_an_example(planted: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(planted), "--minutes", "0.001", "--seed", "1"]) == 1
    lines = capsys.readouterr().out.splitlines()
    (found,) = [line for line in lines if line.startswith("@example")]
    assert found.startswith("@example(run=Descent(eigenvalues=(")
    assert "test_falsehood: AssertionError" in found
    # what was printed is Python that fails the property when it is pasted
    pasted = HEAD + "from hypothesis import example\nfrom harness.strategies import *\n" + found + "\n" + FALSEHOOD
    scope: dict[str, object] = {}
    exec(compile(pasted, "pasted", "exec"), scope)
    with pytest.raises(AssertionError):
        scope["test_falsehood"]()  # type: ignore[operator]


def test_every_property_runs_once_however_short_the_time(planted: Path) -> None:
    lines = list(probe(properties([planted]), seconds=0, first_seed=3))
    found = re.fullmatch(r"# seed 3: 2 properties on (\d+) examples, 1 counterexamples so far, 0 s left", lines[-1])
    assert found
    assert int(found[1]) > 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--minutes", "0"], "give a positive number"), (["absent.py"], "no such file with properties")],
)
def test_bad_input_ends_with_one_line(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(arguments)
    assert stop.value.code == 2
    assert message in capsys.readouterr().err
