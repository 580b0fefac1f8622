"""Releases and variables of an entry, and whether they are in force: a library may ignore variables that it does not know."""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from harness.runs import provenance
from mutants.museum.entries import Entry
from mutants.museum.installing import PIP, NotThere, install
from mutants.subprocesses import Ended, python

PROBING = 120.0
UNKNOWN = ("Unknown flag", "Unknown CPU ISA")  # XLA's words; after an unknown processor name it goes on
# prints as JSON what is in force in a process
PROBE = """
import importlib.metadata, json, os, warnings
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    import numpy
import scipy.linalg, threadpoolctl
blas = [pool.get("architecture") for pool in threadpoolctl.threadpool_info() if pool["internal_api"] == "openblas"]
said = [" ".join(str(one.message).split()) for one in caught if "NPY_" in str(one.message)]
pins = json.loads(os.environ["MUSEUM_PINS"])
if pins:
    import optax, sklearn.datasets
if pins or any(name.startswith(("XLA_", "JAX_")) for name in os.environ):
    import jax
    jax.devices()
versions = {name: importlib.metadata.version(name) for name in pins}
print(json.dumps({"blas": blas, "numpy": said, "versions": versions}))
"""


def releases(entry: Entry, cache: Path) -> list[Path]:
    """The folder with the entry's pinned releases, without their dependencies; [] where these releases are installed anyway.

    Raises:
        NotThere: pip cannot install them.
    """
    if all(provenance.version(name) == wanted for name, wanted in (pin.split("==") for pin in entry.pins)):
        return []
    tag = hashlib.sha256(repr((entry.pins, sys.version_info[:2])).encode()).hexdigest()[:12]
    # code outside a folder of this name counts as the project's, and not as a library's
    folder = cache / f"{entry.pins[0]}-{tag}" / "site-packages"
    if not folder.exists():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as made:
            install([*PIP, "--no-deps", "--target", f"{made}/whole", *entry.pins], entry.way)
            Path(made, "whole").rename(folder)
    return [folder]


def in_force(entry: Entry, folder: Path, variables: Mapping[str, str], path: list[Path], root: Path) -> None:
    """Ask a separate process whether the entry's variables and releases are in force.

    Raises:
        NotThere: the library does not know a flag, a feature is not here, or another release is imported.
    """
    if not (entry.pins or entry.environment):
        return
    probe = {**variables, "MUSEUM_PINS": json.dumps([pin.partition("==")[0] for pin in entry.pins])}
    problem = refused(entry, python(["-c", PROBE], folder, probe, path, root, PROBING))
    if problem:
        raise NotThere(problem)


def refused(entry: Entry, ended: Ended) -> str:
    """One line that names what is not in force, "" if all is."""
    unknown = [line for line in ended.errors.splitlines() if any(says in line for says in UNKNOWN)]
    if unknown:
        return f"XLA does not know this: {unknown[0].partition('] ')[2] or unknown[0]}"
    if ended.code != 0:
        return f"the libraries cannot be imported with {entry.way}: {ended.line}"
    found = json.loads(ended.output.splitlines()[-1])
    if found["numpy"]:
        return f"NumPy refuses a feature: {found['numpy'][0]}"
    core = entry.environment.get("OPENBLAS_CORETYPE", "")
    if core and core.lower() not in [str(one).lower() for one in found["blas"]]:
        return f"OpenBLAS has no core {core} here, and took {', '.join(map(str, found['blas'])) or 'no part'}"
    others = [pin for pin in entry.pins if found["versions"].get(pin.partition("==")[0]) != pin.partition("==")[2]]
    return f"{others[0]} is not the one that is imported: {found['versions']}" if others else ""
