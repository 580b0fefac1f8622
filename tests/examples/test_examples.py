"""Every program in examples/ runs as it stands, prints its run and its spectrum, and is short."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

EXAMPLES = sorted((Path(__file__).resolve().parents[2] / "examples").glob("*.py"))
NEEDS = {"flax_nnx": "flax", "equinox_mlp": "equinox"}


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, capsys):
    if path.stem in NEEDS:
        pytest.importorskip(NEEDS[path.stem], reason=f"{NEEDS[path.stem]} is not installed")
    runpy.run_path(str(path))
    printed = capsys.readouterr().out
    assert "seed 0: N = " in printed
    assert "training Jacobian: " in printed


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_is_short(path):
    """Lines of the user's own: without blanks, imports and the docstring."""
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
    own = [line for line in lines if not line.startswith(("import ", "from ", '"""'))]
    assert len(own) <= 25
