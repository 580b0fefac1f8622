"""Run the tests that compare an engine with an oracle, and write what they observed into docs/oracles.md.

    python docs/make_oracles.py              # in an environment with the package and its development tools
    python docs/make_oracles.py junit.xml    # from the JUnit file of a run that was made already

Every comparison of ``tests`` records engine, oracle, error, bound and the bound's reason (``tests/conftest.py``). Of each engine
against each oracle the table has the largest error relative to its bound.
"""

from __future__ import annotations

import json
import platform
import re
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "oracles.md"
BEGIN, END = "<!-- measured by docs/make_oracles.py -->\n", "<!-- end of what was measured -->\n"


def comparing() -> list[str]:
    """The test files that compare with an oracle."""
    files = sorted((ROOT / "tests").rglob("test_*.py"))
    return [str(path) for path in files if re.search(r"compare\.(error|entries)\(", path.read_text(encoding="utf-8"))]


def observed(junit: Path) -> Iterator[dict[str, Any]]:
    """Every recorded comparison of a JUnit file."""
    for element in ElementTree.parse(junit).iter("property"):
        if element.get("name") == "oracle":
            yield json.loads(str(element.get("value")))


def table(comparisons: Iterator[dict[str, Any]]) -> str:
    """One line an engine and oracle, the largest error relative to its bound."""
    worst: dict[tuple[str, str], dict[str, Any]] = {}
    count: dict[tuple[str, str], int] = {}
    for one in comparisons:
        key = (one["engine"], one["oracle"])
        count[key] = count.get(key, 0) + 1
        if key not in worst or one["error"] / one["bound"] > worst[key]["error"] / worst[key]["bound"]:
            worst[key] = one
    lines = ["| engine | oracle | cases | largest error | its bound | reason of the bound |"]
    lines += ["| --- | --- | ---: | ---: | ---: | --- |"]
    for (engine, oracle), one in sorted(worst.items()):
        numbers = f"{count[engine, oracle]} | {one['error']:.1e} | {one['bound']:.1e}"
        cells = [cell.replace("|", "\\|") for cell in (engine, oracle)]
        lines.append(f"| {cells[0]} | {cells[1]} | {numbers} | {one['reason'].replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"


def measure() -> str:
    with tempfile.TemporaryDirectory() as folder:
        junit = Path(folder, "junit.xml")
        subprocess.run([sys.executable, "-m", "pytest", "-q", f"--junitxml={junit}", *comparing()], cwd=ROOT, check=True)
        return table(observed(junit))


def main() -> None:
    found = table(observed(Path(sys.argv[1]))) if len(sys.argv) > 1 else measure()
    libraries = ", ".join(f"{name} {version(name)}" for name in ("jax", "numpy", "scipy"))
    held = f"{BEGIN}\nMeasured on {platform.machine()}, Python {platform.python_version()}, {libraries}.\n\n{found}\n{END}"
    page = PAGE.read_text(encoding="utf-8")
    before, _, rest = page.partition(BEGIN)
    PAGE.write_text(before + held + rest.partition(END)[2], encoding="utf-8")


if __name__ == "__main__":
    main()
