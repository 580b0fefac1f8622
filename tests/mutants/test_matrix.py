"""The matrix: its list, another Python, and its page."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.report import json_file
from harness.suite.records import Report
from mutants.listing import BadEntry
from mutants.matrix import __main__ as command
from mutants.matrix.__main__ import CLAIMS, Changed, read
from mutants.matrix.page import Variant, page
from mutants.museum.installing import NotThere
from mutants.museum.interpreters import interpreter
from mutants.museum.run import ROOT

BASELINE = ROOT / "fixtures" / "baselines" / "smoke-float32-linux-x86_64-cpu.json.gz"


@pytest.fixture(scope="module")
def reference() -> Report:
    return json_file.read(BASELINE)


def test_the_list_varies_five_libraries_over_three_releases_and_the_machine() -> None:
    axes = [entry.axis for entry in read()]
    assert all(axes.count(library) >= 3 for library in ("JAX", "NumPy", "SciPy", "optax", "scikit-learn"))
    assert all(entry.name == f"{entry.axis} {entry.value}" for entry in read())
    assert len(set(axes)) >= 10
    assert set(CLAIMS) <= {record.id for record in json_file.read(BASELINE).claims if record.judged}


def test_a_variant_needs_an_axis_and_a_value() -> None:
    with pytest.raises(BadEntry, match="give both, such as NumPy"):
        Changed(pins=("numpy==2.3.5",))
    with pytest.raises(BadEntry, match=r"python is '313'; give a version such as 3\.13"):
        Changed(python="313", axis="Python", value="313")


def test_a_python_that_does_not_run_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Changed(python="3.13", axis="Python", value="3.13")
    shim = tmp_path / "python3.13"
    shim.write_text("#!/bin/sh\nexit 127\n", encoding="utf-8")
    shim.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotThere, match=r"no python3\.13 on PATH that runs"):
        interpreter(entry, tmp_path, ROOT)
    assert interpreter(replace(entry, python="", pins=("numpy==2.3.5",)), tmp_path, ROOT).command == (sys.executable,)


def test_the_page_has_a_section_an_axis_and_says_what_moved(reference: Report) -> None:
    def far(record: dict[str, Any]) -> dict[str, Any]:
        return {**record, "digest": "0" * 64, "values": [3 * value + 1 for value in record["values"]]}

    runs = [
        replace(run, stages=[far(one) if one["name"] == "loss" else one for one in run.stages]) if run.name == "digits" else run
        for run in reference.experiments
    ]
    claims = [
        replace(one, verdict="REFUTED") if one.id == "training-jacobian/alignment-bulk[median]" else one
        for one in reference.claims
    ]
    variants = [
        Variant("NumPy", "2.3.5", replace(reference, experiments=runs, claims=claims)),
        Variant("NumPy", "2.2.6", reference),
        Variant("Python", "3.14", "there is no python3.14"),
    ]
    lines = page(reference, "numpy 2.4.6, on Linux", variants).splitlines()
    assert "2 of 3 variants ran. In 1 a claim has another verdict, in 0 a value moved beyond rounding, in 1 a stage did." in lines
    (moved,) = (line for line in lines if line.startswith("| 2.3.5 |"))
    assert "digits[0]: loss at step" in moved
    (same,) = (line for line in lines if line.startswith("| 2.2.6 |"))
    assert "| 0 | 0 | none | none | none |" in same
    assert any(line.startswith("| 3.14 | NOT_RUN: there is no python3.14 |") for line in lines)
    (row,) = (line for line in lines if line.startswith("| training-jacobian/alignment-bulk[median] |"))
    assert row.split(" | ")[1].startswith("S ")
    assert row.split(" | ")[2].startswith("**R ")


def test_a_list_that_makes_no_sense_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "matrix.toml"
    path.write_text("[[variant]]\naxis = 'NumPy'\nvalue = '1'\n", encoding="utf-8")
    assert command.main(["--list", str(path), "--show"]) == 2
    assert "NumPy 1: give one of injection, environment, pins, python, architecture" in capsys.readouterr().err
    assert command.main(["--show", "NumPy"]) == 0
    assert "NumPy 2.3.5 (numpy==2.3.5)" in capsys.readouterr().out
    assert command.main(["--show", "nothing"]) == 2


def test_an_environment_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Changed(python="3.13", axis="Python", value="3.13")
    broken = tmp_path / "bin" / "python3.13"
    broken.parent.mkdir()
    broken.write_text('#!/bin/sh\n[ "$1" = --version ] && exit 0\necho "ERROR: no venv" >&2\nexit 1\n', encoding="utf-8")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", f"{broken.parent}:/bin:/usr/bin")
    with pytest.raises(NotThere, match=r"Python 3\.13 cannot be installed: ERROR: no venv"):
        interpreter(entry, tmp_path / "cache", ROOT)


def test_an_architecture_needs_debian(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = Changed(architecture="aarch64", axis="Architecture", value="aarch64")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(NotThere, match="no apt-get and dpkg-deb on PATH: aarch64 is emulated with packages of Debian"):
        interpreter(entry, tmp_path / "cache", ROOT)
    with pytest.raises(BadEntry, match="architecture is 'm68k'; known: aarch64"):
        replace(entry, architecture="m68k")
