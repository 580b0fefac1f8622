"""The claims options and their ini keys, and what the command line, the ini file and the default give for each.

Nothing heavy is imported here: every pytest run of every project loads this.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

import pytest

_DEVICES = "--xla_force_host_platform_device_count"

# option -> (default, value's name, help); each has the ini key claims_<option>
VALUES: dict[str, tuple[str, str, str]] = {
    "scale": (
        "paper",
        "{smoke,paper,large}",
        "size of the experiments: smoke takes three minutes, paper is as published, large is LeNet-5 from products with J",
    ),
    "seeds": ("3", "N", "number of seeds of every experiment; below 3 the spread comes from a reference ensemble"),
    "first_seed": ("0", "N", "the first of the seeds; the others follow it"),
    "precision": ("", "{float32,float64}", "of training and Jacobian (default: each experiment's own, float32)"),
    "report": ("reports", "DIR", "folder for reports: <time>/ and latest/, or partial/ when some claims were left out"),
    "store": ("", "DIR", "folder of the cache of trained networks and spectra (default: the user's cache folder)"),
    "chunk": (
        "",
        "COLUMNS",
        "columns of a Jacobian that a device computes at once (default: as many as fit its cache or memory)",
    ),
    "scheduler": (
        "",
        "ADDRESS",
        "compute on a Dask cluster: its scheduler's address, or local:N for N processes of this machine",
    ),
    "canaries": ("on", "{on,off}", "check the libraries first, in seconds; a wrong answer fails the run"),
    "baseline": ("", "FILE", "compare with this report, or with this platform's tracked one (auto); a changed verdict fails"),
}
# ini key -> (default, help); {claims} is the folder of claims, {fixtures} the folder fixtures in it or beside it
FOLDERS: dict[str, tuple[str, str]] = {
    "claims_paths": ("", "folder in which all claims are declared, relative to rootdir; without it the plugin does nothing"),
    "claims_deviations": ("{claims}/deviations.toml", "claims that fail as published: id, scale, verdict, reason"),
    "claims_ledger": ("{claims}/ledger.toml", "what the papers say and no claim judges: id, where, says, reason"),
    "claims_baselines": ("{fixtures}/baselines", "folder of tracked baselines, <scale>-<precision>-<platform>.json.gz"),
    "claims_ensembles": ("{fixtures}/ensembles", "folder of reference ensembles, <scale>-<precision>.json"),
}


def add_options(parser: pytest.Parser) -> None:
    """Declare every option and its ini key."""
    for name, (default, metavar, text) in VALUES.items():
        add_option(parser, name, default, metavar, text)
    group = parser.getgroup("claims", "scientific claims")
    group.addoption("--claims-fresh", action="store_true", help="compute everything again, and ignore the store")
    parser.addini("claims_fresh", "default of --claims-fresh", type="bool", default=False)
    more = "take more seeds for open claims, up to 24; all looks together have the error of one look, 5 %"
    group.addoption("--claims-until-decided", action="store_true", help=more)
    parser.addini("claims_until_decided", "default of --claims-until-decided", type="bool", default=False)
    group.addoption("--claims-id", action="append", default=[], metavar="ID", help="judge this claim only (repeatable)")
    group.addoption("--claims-ensemble", action="store_true", help="all seeds of every experiment, to make ensembles from")
    for key, (default, text) in FOLDERS.items():
        parser.addini(key, f"{text} (default: {default})" if default else text, default=default)


def add_option(parser: pytest.Parser, name: str, default: str, metavar: str, text: str) -> None:
    """Declare ``--claims-<name>``, with hyphens, and its ini key ``claims_<name>``."""
    group = parser.getgroup("claims", "scientific claims")
    group.addoption(
        f"--claims-{name.replace('_', '-')}", metavar=metavar, help=f"{text}{f' (default: {default})' if default else ''}"
    )
    parser.addini(f"claims_{name}", f"default of --claims-{name.replace('_', '-')}", default=default)


def active(config: pytest.Config) -> bool:
    """Whether this project asks for claims."""
    return bool(config.getini("claims_paths"))


def value(config: pytest.Config, name: str) -> str:
    """What ``--claims-<name>`` is: from the command line, the ini file or the default."""
    given = config.getoption(f"claims_{name}", None)
    return str(config.getini(f"claims_{name}") if given is None else given)


def path(config: pytest.Config, name: str) -> Path | None:
    """The folder or file of an option: relative to the working directory on the command line, to rootdir in the ini file."""
    base = config.rootpath if config.getoption(f"claims_{name}", None) is None else config.invocation_params.dir
    return base / Path(value(config, name)).expanduser() if value(config, name) else None


def folder(config: pytest.Config, key: str) -> Path:
    """The folder or file of one of FOLDERS' ini keys, relative to rootdir."""
    claims = config.rootpath / str(config.getini("claims_paths"))
    inside = claims / "fixtures"
    fixtures = inside if inside.is_dir() else config.rootpath / "fixtures"
    return config.rootpath / str(config.getini(key)).format(claims=claims, fixtures=fixtures)


def touches_claims(config: pytest.Config) -> bool:
    """Whether the paths that pytest was asked to collect may hold claims."""
    claims = folder(config, "claims_paths")
    paths = [config.invocation_params.dir / argument.partition("::")[0] for argument in config.args]
    return any(path.is_relative_to(claims) or claims.is_relative_to(path) for path in paths)


def devices_in(environment: Mapping[str, str]) -> int:
    """Number of host devices that XLA_FLAGS asks for, 1 if it does not."""
    match = re.search(rf"{_DEVICES}=(\d+)", environment.get("XLA_FLAGS", ""))
    return int(match.group(1)) if match else 1


def share_cores(workers: int) -> None:
    """Side effect on the environment: JAX gets one host device for each core that this worker may use."""
    flags = os.environ.get("XLA_FLAGS", "")
    if _DEVICES not in flags:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        os.environ["XLA_FLAGS"] = f"{flags} {_DEVICES}={max(1, cores // max(1, workers))}".strip()
