"""Every program in examples/ runs unchanged, prints its run and its spectrum, and is short."""

from __future__ import annotations

import ast
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from harness.report import json_file

FOLDER = Path(__file__).resolve().parents[2] / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))
PROJECT = FOLDER / "own_project"
NEEDS = {"flax_nnx": "flax", "equinox_mlp": "equinox"}
LONG = {"transformer"}  # the definition of the model is not counted here; the whole file has 60 lines at most


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path, capsys):
    if path.stem in NEEDS:
        pytest.importorskip(NEEDS[path.stem], reason=f"{NEEDS[path.stem]} is not installed")
    runpy.run_path(str(path))
    printed = capsys.readouterr().out
    assert "seed 0: N = " in printed
    assert "training Jacobian: " in printed


def test_the_project_of_ones_own_runs_anywhere(tmp_path):
    """In a copy of its folder, outside of this checkout: its own claim holds, and every claim of the papers gets an answer."""
    shutil.copytree(PROJECT, tmp_path / "mine")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--claims-store=store"]
    path = os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH")]))
    ended = subprocess.run(
        command, cwd=tmp_path / "mine", env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=300
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json_file.read(tmp_path / "mine" / "reports" / "latest")
    found = {record.id: record for record in report.claims}
    assert not report.partial
    assert found["wine/learns"].verdict == "SUPPORTED"
    assert sum(record.judged for record in report.claims) > 25
    assert all(record.declared for record in report.claims if not record.judged)


def test_the_notebook_runs(tmp_path, monkeypatch):
    """Every cell, in a kernel of its own; what it shows is there, and nothing that was shown is tracked."""
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(FOLDER.parent), os.environ.get("PYTHONPATH")])))
    notebook = nbformat.read(FOLDER / "notebook.ipynb", as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = "".join(str(output) for cell in notebook.cells for output in cell.get("outputs", []))
    assert "training Jacobian: " in shown
    assert "image/png" in shown
    assert "bulk-exists[more-than-on-noise,on-breast-cancer]" in shown


@pytest.mark.parametrize("path", [*EXAMPLES, PROJECT / "test_wine.py"], ids=lambda path: path.stem)
def test_an_example_is_short(path):
    """Lines of the user's own: without blanks, imports and the docstring."""
    text = path.read_text(encoding="utf-8")
    lines = text.splitlines()
    if path.stem in LONG:
        assert len(lines) <= 60
        model = [node for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
        lines = [line for i, line in enumerate(lines, 1) if not any(one.lineno <= i <= one.end_lineno for one in model)]
    lines = [line for line in lines if line.strip()]
    own = [line for line in lines if not line.startswith(("import ", "from ", '"""'))]
    assert len(own) <= (25 if path.parent == FOLDER else 35)  # the project has three parts: a network, a claim, two papers
