"""Install what an entry needs, or say in one line why that is not possible."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence

PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--no-compile")
INSTALLING = 900.0  # seconds for one command
ERRORS = ("ERROR", "E: ")  # how pip and apt-get begin the line that says what is wrong


class NotThere(Exception):
    """A release, flag, feature, Python or architecture that cannot be had here; the message is one line that names it."""


def install(command: Sequence[str], what: str) -> None:
    """Run a command that installs something.

    Raises:
        NotThere: it fails, or takes too long.
    """
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=INSTALLING, check=False)
    except subprocess.TimeoutExpired:
        raise NotThere(f"{what} was not installed within {INSTALLING:.0f} s") from None
    if done.returncode:
        said = [line for line in (done.stderr + done.stdout).splitlines() if line.startswith(ERRORS)]
        raise NotThere(f"{what} cannot be installed: {said[-1] if said else f'exit code {done.returncode}'}")
