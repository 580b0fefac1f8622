"""The GitHub action: its inputs are those that its page lists, and its steps work in a shell."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"] if "name" in step}
Shell = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """Run a step of the action in bash, in an empty folder of another project, with this Python first on PATH."""
    commands = tmp_path / "bin"
    commands.mkdir()
    executable(commands / "python", f'exec {sys.executable} "$@"')
    (tmp_path / "project").mkdir()

    def run(name: str, **variables: str) -> subprocess.CompletedProcess[str]:
        unset = STEPS[name]["env"].keys() - variables.keys()
        assert not unset, f"the step needs {unset}"
        environment = {**os.environ, "RUNNER_TEMP": str(tmp_path), "GITHUB_OUTPUT": str(tmp_path / "output"), **variables}
        environment["PATH"] = f"{commands}:{environment['PATH']}"
        script = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", STEPS[name]["run"]]  # as the runner does
        return subprocess.run(
            script, cwd=tmp_path / "project", env=environment, capture_output=True, text=True, check=False, timeout=300
        )

    return run


JUDGED = {"SCALE": "smoke", "PRECISION": "float64", "SEEDS": "1", "BASELINE": "", "STRICT": "false"}


def test_every_input_is_on_the_page_and_used() -> None:
    page, text = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8"), (ROOT / "action.yml").read_text(encoding="utf-8")
    listed = {name for row in re.findall(r"^\| (`.*?) \|", page, flags=re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}
    assert listed == ACTION["inputs"].keys() - {"token"}
    assert all(f"inputs.{name}" in text for name in ACTION["inputs"])


def test_no_script_has_an_expression_in_it() -> None:
    """What comes from a pull request must reach a shell as a variable, never as text of the script."""
    assert all("${{" not in step.get("run", "") for step in ACTION["runs"]["steps"])


def test_claims_are_judged_and_the_report_is_named(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "project" / "harness").mkdir()  # a folder of the caller's own, which must not take the suite's place
    (tmp_path / "project" / "harness" / "__init__.py").write_text("raise RuntimeError", encoding="utf-8")
    arguments = "--claims-id training-jacobian/quadratic-rank[flow]\n--claims-canaries=off"
    done = shell("Judge", **JUDGED, ARGUMENTS=arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = (tmp_path / "output").read_text(encoding="utf-8").splitlines()
    report = Path(line.removeprefix("report="))
    assert {"report.html", "report.md", "report.json", "junit.xml"} <= {path.name for path in report.iterdir()}
    body, called = tmp_path / "claims-comment.md", tmp_path / "called"
    assert comment(shell, tmp_path, report, f'echo "$@" >> {called}').returncode == 0
    written = body.read_text(encoding="utf-8")
    assert written.startswith("<!-- training-jacobian-claims tests-0 -->\n")
    assert re.search(r"^1 of \d+ claims judged: 1 SUPPORTED", written, flags=re.MULTILINE)
    assert "<details>" not in written
    assert called.read_text(encoding="utf-8").splitlines()[1].startswith("api --silent repos/o/n/issues/7/comments --field")


def test_a_comment_of_its_own_is_written_anew(shell: Shell, tmp_path: Path) -> None:
    called = tmp_path / "called"
    report = reported(tmp_path)
    assert comment(shell, tmp_path, report, f'echo "$@" >> {called}; [ "$2" != --paginate ] || echo 42').returncode == 0
    assert "--method PATCH repos/o/n/issues/comments/42" in called.read_text(encoding="utf-8").splitlines()[1]


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"ARGUMENTS": "--claims-id no-such-claim"}, "no-such-claim"),
        ({"ARGUMENTS": "", "STRICT": "true"}, "strict compares with a baseline: give one, such as auto"),
    ],
)
def test_a_run_that_fails_fails_the_step(shell: Shell, variables: dict[str, str], says: str) -> None:
    done = shell("Judge", **{**JUDGED, **variables})
    assert done.returncode != 0
    assert says in done.stdout + done.stderr


def test_a_comment_that_may_not_be_written_is_a_warning(shell: Shell, tmp_path: Path) -> None:
    done = comment(shell, tmp_path, reported(tmp_path), "exit 1")
    assert done.returncode == 0
    assert "::warning::the comment could not be written" in done.stdout
    body = (tmp_path / "claims-comment.md").read_text(encoding="utf-8")
    assert "none moved" in body
    assert "rows" not in body


def reported(folder: Path) -> Path:
    """The folder of a report with a comparison."""
    report = folder / "report"
    report.mkdir()
    (report / "report.md").write_text("# Claims\n\n1 claim\n", encoding="utf-8")
    (report / "compare.md").write_text("# Comparison\n\nnone moved\n\n## Claims\n\nrows\n", encoding="utf-8")
    return report


def executable(path: Path, does: str) -> None:
    """A command that does that."""
    path.write_text(f"#!/bin/sh\n{does}\n", encoding="utf-8")
    path.chmod(0o755)


def comment(shell: Shell, folder: Path, report: Path, does: str) -> Any:
    """The step that comments, with a ``gh`` that does that."""
    executable(folder / "bin" / "gh", does)
    return shell(
        "Comment", GH_TOKEN="", REPOSITORY="o/n", NUMBER="7", NAME="tests-0", RUN="https://example.org", REPORT=str(report)
    )
