"""The claims options: command line over ini key over default, every one checked before anything runs."""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import platformdirs
import pytest

from harness.claim import SCALES
from harness.compare import baseline
from harness.config import PRECISIONS
from harness.errors import InvalidInput
from harness.mnist import OPENML
from harness.report import json_file

_DEVICES = "--xla_force_host_platform_device_count"

# option -> (default, value's name, help); each has the ini key claims_<option>
VALUES: dict[str, tuple[str, str, str]] = {
    "scale": ("paper", "{smoke,paper,large}", "size of the experiments: smoke takes a minute or so, paper is what is claimed"),
    "seeds": ("3", "N", "number of seeds of every experiment; below 3 the spread comes from a reference ensemble"),
    "precision": ("", "{float32,float64}", "of training and Jacobian (default: each experiment's own, float32)"),
    "report": ("reports", "DIR", "folder for reports: <time>/ and latest/, or partial/ when some claims were left out"),
    "store": ("", "DIR", "folder of the cache of trained networks and spectra (default: the user's cache folder)"),
    "mnist": ("", "DIR", "folder with MNIST's files, for the claims that need it (default: $MNIST_DIR)"),
    "budget": ("20", "MINUTES", "time for each large network's singular values, at scale large; more goes on where less ended"),
    "chunk": ("", "COLUMNS", "of a Jacobian, worked on at once by a device (default: what fits its cache or memory)"),
    "baseline": ("", "FILE", "compare with this report, or with this platform's tracked one (auto); a changed verdict fails"),
}
FOLDERS: dict[str, tuple[str, str]] = {
    "claims_paths": ("claims", "folder in which all claims are declared, relative to rootdir"),
    "claims_deviations": ("claims/deviations.toml", "claims that fail as published: id, scale, verdict, reason"),
    "claims_ledger": ("claims/ledger.toml", "what the papers say and no claim judges: id, where, says, reason"),
    "claims_baselines": ("fixtures/baselines", "folder of tracked baselines, <scale>-<precision>-<platform>.json.gz"),
    "claims_ensembles": ("fixtures/ensembles", "folder of reference ensembles, <scale>-<precision>.json"),
}


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and its ini key."""
    group = parser.getgroup("claims", "scientific claims")
    for name, (default, metavar, text) in VALUES.items():
        group.addoption(f"--claims-{name}", metavar=metavar, help=f"{text}{f' (default: {default})' if default else ''}")
        parser.addini(f"claims_{name}", f"default of --claims-{name}", default=default)
    group.addoption("--claims-fresh", action="store_true", help="compute everything again, whatever the store holds")
    parser.addini("claims_fresh", "default of --claims-fresh", type="bool", default=False)
    group.addoption("--claims-id", action="append", default=[], metavar="ID", help="judge this claim only (repeatable)")
    group.addoption("--claims-ensemble", action="store_true", help="all seeds of every experiment, to make ensembles from")
    for key, (default, text) in FOLDERS.items():
        parser.addini(key, text, default=default)


@dataclass(frozen=True)
class Settings:
    """The checked options of a run.

    ``override`` replaces the precision of every experiment; ``devices`` is the number of JAX host devices a process gets.
    """

    root: Path
    scale: str
    seeds: int
    override: str | None
    report: Path
    store: Path
    fresh: bool
    mnist: Path | None
    budget: float
    chunk: int | None
    baseline: Path | None
    ids: tuple[str, ...]
    ensemble: bool
    devices: int
    claims: Path
    deviations: Path
    ledger: Path
    ensembles: Path

    @property
    def precision(self) -> str:
        """Name of the precision of training and Jacobian."""
        return self.override or PRECISIONS[0]

    @classmethod
    def of(cls, config: pytest.Config) -> Settings:
        """Read and check every option.

        Raises:
            InvalidInput: a value that is not allowed, or a folder that cannot be written.
        """
        value = {name: _value(config, name) for name in VALUES}
        store = _path(config, "store", value) or platformdirs.user_cache_path("training-jacobian-claims")
        settings = cls(
            root=config.rootpath,
            scale=_one_of("--claims-scale", value["scale"], SCALES),
            seeds=_seeds(value["seeds"]),
            override=_one_of("--claims-precision", value["precision"], PRECISIONS) if value["precision"] else None,
            report=_path(config, "report", value) or config.rootpath / "reports",
            store=store,
            fresh=bool(config.getoption("claims_fresh") or config.getini("claims_fresh")),
            mnist=_mnist(_path(config, "mnist", value)),
            budget=_budget(value["budget"]),
            chunk=_chunk(value["chunk"]),
            baseline=None,
            ids=tuple(config.getoption("claims_id")),
            ensemble=bool(config.getoption("claims_ensemble")),
            devices=devices_in(os.environ),
            claims=folder(config, "claims_paths"),
            deviations=folder(config, "claims_deviations"),
            ledger=folder(config, "claims_ledger"),
            ensembles=folder(config, "claims_ensembles"),
        )
        settings = replace(settings, baseline=_baseline(config, settings, value))
        writable("--claims-report", settings.report)
        writable("--claims-store", settings.store)
        return settings


def folder(config: pytest.Config, key: str) -> Path:
    """The folder or file of one of FOLDERS' ini keys."""
    return config.rootpath / str(config.getini(key))


def touches_claims(config: pytest.Config) -> bool:
    """Whether what pytest was asked to collect may hold claims."""
    claims = folder(config, "claims_paths")
    paths = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return any(path.is_relative_to(claims) or claims.is_relative_to(path) for path in paths)


def devices_in(environment: Mapping[str, str]) -> int:
    """Number of host devices that XLA_FLAGS asks for, 1 if it does not."""
    match = re.search(rf"{_DEVICES}=(\d+)", environment.get("XLA_FLAGS", ""))
    return int(match.group(1)) if match else 1


def share_cores(workers: int) -> None:
    """Side effect on the environment: JAX gets x64, matrix products of full precision, and one host device for each core that
    this worker may use."""
    os.environ["JAX_ENABLE_X64"] = "1"
    # accelerators otherwise multiply float32 with ten bits (TF32): no claim may rest on that
    os.environ["JAX_DEFAULT_MATMUL_PRECISION"] = "highest"
    flags = os.environ.get("XLA_FLAGS", "")
    if _DEVICES not in flags:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ["XLA_FLAGS"] = f"{flags} {_DEVICES}={max(1, cores // max(1, workers))}".strip()


def writable(option: str, target: Path) -> None:
    """Check without creating anything that the folder ``target`` can be made and written to.

    Raises:
        InvalidInput: it cannot.
    """
    there = target
    while not there.exists() and there != there.parent:
        there = there.parent
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        what = "is not a folder" if not there.is_dir() else "cannot be written to"
        raise InvalidInput(f"{option} {target}: {there} {what}; give a folder that can be written: {option} DIR")


def _value(config: pytest.Config, name: str) -> str:
    given = config.getoption(f"claims_{name}")
    return str(config.getini(f"claims_{name}") if given is None else given)


def _path(config: pytest.Config, name: str, value: Mapping[str, str]) -> Path | None:
    """A folder or file: relative to the working directory on the command line, to rootdir in the ini file."""
    base = config.rootpath if config.getoption(f"claims_{name}") is None else config.invocation_params.dir
    return base / Path(value[name]).expanduser() if value[name] else None


def _one_of(option: str, got: str, allowed: tuple[str, ...]) -> str:
    if got not in allowed:
        raise InvalidInput(f"{option} {got!r} is unknown; give one of {', '.join(allowed)}")
    return got


def _seeds(got: str) -> int:
    if not got.isdecimal() or int(got) < 1:
        raise InvalidInput(f"--claims-seeds {got!r} leaves nothing to judge; give a whole number of 1 or more (3 give a spread)")
    return int(got)


def _budget(got: str) -> float:
    try:
        minutes = float(got)
    except ValueError:
        minutes = math.nan
    if not 0 < minutes < math.inf:
        raise InvalidInput(f"--claims-budget {got!r} is no time to work in; give a number of minutes above 0 (20 is the default)")
    return minutes


def _chunk(got: str) -> int | None:
    if got and (not got.isdecimal() or int(got) < 1):
        raise InvalidInput(f"--claims-chunk {got!r} is no number of columns; give 1 or more, or leave it to the machine")
    return int(got) if got else None


def _mnist(given: Path | None) -> Path | None:
    path = given or (Path(os.environ["MNIST_DIR"]) if os.environ.get("MNIST_DIR") else None)
    if path is not None and not path.is_dir() and path.name != OPENML:
        raise InvalidInput(f"--claims-mnist {path} is not a folder; give the folder of MNIST's files, or the word {OPENML}")
    return path


def _baseline(config: pytest.Config, settings: Settings, value: Mapping[str, str]) -> Path | None:
    """The report to compare with, or for ``auto`` the folder that holds one for each platform."""
    path = _path(config, "baseline", value)
    try:
        if value["baseline"] == "auto":
            path = folder(config, "claims_baselines")
            baseline.candidates(path, settings.scale, settings.precision)
        elif path is not None:
            report = json_file.read(path)
            asked, got = (f"scale {it.scale} in {it.precision}" for it in (settings, report))
            if asked != got:
                raise InvalidInput(f"{path} is of {got}, this run of {asked}: give one of this run's")
    except InvalidInput as error:
        raise InvalidInput(f"--claims-baseline: {error}") from None
    return path
