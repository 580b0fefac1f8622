"""Python in a process of its own, with a store and folders of its own, and the line that says how it ended."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

PYTEST_ALONE = ("-p", "no:cacheprovider")


@dataclass(frozen=True)
class Ended:
    """How a process ended.

    Attributes:
        code: its exit code, minus the signal that ended it, or None where it was stopped for taking too long.
    """

    code: int | None
    output: str
    errors: str

    @property
    def line(self) -> str:
        """What the process said: pytest's first error, else the last line."""
        lines = [line for line in (self.output + self.errors).splitlines() if line.strip()]
        return next((line for line in lines if line.startswith("ERROR")), lines[-1] if lines else f"exit code {self.code}")


def python(
    arguments: Sequence[str],
    folder: Path,
    environment: Mapping[str, str],
    path: Sequence[Path],
    cwd: Path,
    limit: float,
    interpreter: Sequence[str] = (sys.executable,),
) -> Ended:
    """Run a Python, by default this one, with ``path`` before all installed packages, and with no cache outside ``folder``.

    Args:
        limit: seconds after which the process is stopped.
    """
    whole = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, path)),
        "PYTHONDONTWRITEBYTECODE": "1",
        "XDG_CACHE_HOME": str(folder / "cache"),
        **environment,
    }
    whole.pop("PYTEST_ADDOPTS", None)
    try:
        done = subprocess.run(
            [*interpreter, *arguments], cwd=cwd, env=whole, capture_output=True, text=True, timeout=limit, check=False
        )
    except subprocess.TimeoutExpired:
        return Ended(None, f"stopped after {limit:.0f} s", "")
    return Ended(done.returncode, done.stdout, done.stderr)
