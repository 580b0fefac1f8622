"""The Python that runs an entry: this one, another release, or one of another architecture."""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from mutants.museum import emulated
from mutants.museum.entries import Entry
from mutants.museum.installing import NotThere, install, pins

INSTALLED = "installed"  # marks an environment that is whole


@dataclass(frozen=True)
class Interpreter:
    """A Python and what it needs.

    Attributes:
        command: the command that runs it.
        path: folders of libraries, after all others.
        variables: environment variables that its processes need.
        slower: how many times as long as this Python's processes its processes may take.
    """

    command: tuple[str, ...] = (sys.executable,)
    path: tuple[Path, ...] = ()
    variables: dict[str, str] = field(default_factory=dict)
    slower: float = 1.0


def interpreter(entry: Entry, cache: Path, root: Path) -> Interpreter:
    """The Python for an entry. A Python other than this one is made in a folder of the cache.

    Raises:
        NotThere: that Python is not available, or the project cannot be installed for it.
    """
    if entry.python:
        return Interpreter((str(_environment(entry, cache, root)),))
    if entry.architecture:
        command, site = emulated.python(entry.architecture, cache / entry.architecture)
        # the project is not installed there, so nothing tells pytest of the plugin
        return Interpreter(tuple(command), (site,), {"PYTEST_PLUGINS": "harness.plugin"}, slower=emulated.SLOWER)
    return Interpreter()


def _environment(entry: Entry, cache: Path, root: Path) -> Path:
    """The Python of an environment with this project and the installed releases of its requirements."""
    found = shutil.which(f"python{entry.python}")
    if found is None or subprocess.run([found, "--version"], capture_output=True, check=False).returncode:
        raise NotThere(f"there is no python{entry.python} on PATH that runs")
    wanted = pins()
    folder = cache / f"python-{entry.python}-{hashlib.sha256(repr(wanted).encode()).hexdigest()[:12]}"
    made = folder / "bin" / "python"
    if not (folder / INSTALLED).exists():
        shutil.rmtree(folder, ignore_errors=True)
        install([found, "-m", "venv", str(folder)], entry.way)
        install([str(made), "-m", "pip", "install", "--quiet", f"{root}[claims]", *wanted], entry.way)
        (folder / INSTALLED).touch()
    return made
