"""Install what an entry needs, or say in one line why that is not possible."""

from __future__ import annotations

import importlib.metadata
import subprocess
import sys
from collections.abc import Sequence

from packaging.requirements import Requirement

PIP = (sys.executable, "-m", "pip", "install", "--quiet", "--only-binary=:all:", "--no-compile")
INSTALLING = 900.0  # seconds for one command
ERRORS = ("ERROR", "E: ")  # how pip and apt-get begin the line that says what is wrong
PROJECT = "training-jacobian-claims"


class NotThere(Exception):
    """A release, flag, feature, Python or architecture that cannot be had here; the message is one line that names it."""


def pins() -> list[str]:
    """The requirements of the claims, in the releases that are installed here."""
    needed = [Requirement(line) for line in importlib.metadata.requires(PROJECT) or ()]
    names = [one.name for one in needed if one.marker is None or one.marker.evaluate({"extra": "claims"})]
    return [f"{name}=={importlib.metadata.version(name)}" for name in names]


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
