"""The checked options of a run."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs
import pytest

from harness.cluster import scheduler
from harness.compare import baseline
from harness.errors import InvalidInput
from harness.plugin import options
from harness.report import json_file
from harness.runs.experiment import PRECISIONS, SCALES
from harness.suite.verdict import LOOKS

SEEDS = 2**31  # JAX takes a seed as a whole number of 32 bits with a sign


@dataclass(frozen=True)
class Settings:
    """The checked options of a run.

    ``override`` replaces the precision of every experiment; ``devices`` is the number of JAX host devices a process gets;
    ``papers`` are the options of the papers' own, by name.
    """

    root: Path
    scale: str
    seeds: int
    first_seed: int
    until_decided: bool
    override: str | None
    report: Path
    store: Path
    fresh: bool
    chunk: int | None
    scheduler: str
    canaries: bool
    baseline: Path | None
    ids: tuple[str, ...]
    ensemble: bool
    devices: int
    claims: Path
    deviations: Path
    ledger: Path
    ensembles: Path
    papers: Mapping[str, Any]

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
        value = {name: options.value(config, name) for name in options.VALUES}
        seeds = _seeds(value["seeds"])
        until_decided = bool(config.getoption("claims_until_decided") or config.getini("claims_until_decided"))
        if until_decided and config.getoption("claims_seeds") is not None:
            raise InvalidInput("--claims-until-decided takes the seeds that it needs: leave --claims-seeds out")
        store = options.path(config, "store") or platformdirs.user_cache_path("training-jacobian-claims")
        settings = cls(
            root=config.rootpath,
            scale=_one_of("--claims-scale", value["scale"], SCALES),
            seeds=min(LOOKS) if until_decided else seeds,
            first_seed=_first_seed(value["first_seed"], max(LOOKS) if until_decided else seeds),
            until_decided=until_decided,
            override=_one_of("--claims-precision", value["precision"], PRECISIONS) if value["precision"] else None,
            report=_report(config),
            store=store,
            fresh=bool(config.getoption("claims_fresh") or config.getini("claims_fresh")),
            chunk=_chunk(value["chunk"]),
            scheduler=_scheduler(value["scheduler"], getattr(config.option, "dist", "no") != "no"),
            canaries=_one_of("--claims-canaries", value["canaries"], ("on", "off")) == "on",
            baseline=None,
            ids=tuple(config.getoption("claims_id")),
            ensemble=bool(config.getoption("claims_ensemble")),
            devices=options.devices_in(os.environ),
            claims=options.folder(config, "claims_paths"),
            deviations=options.folder(config, "claims_deviations"),
            ledger=options.folder(config, "claims_ledger"),
            ensembles=options.folder(config, "claims_ensembles"),
            papers=of_papers(config),
        )
        settings = replace(settings, baseline=_baseline(config, settings, value))
        if settings.scheduler and settings.fresh:
            raise InvalidInput(
                "--claims-fresh would not take what the cluster computes: give an empty folder with --claims-store"
            )
        writable("--claims-report", settings.report)
        writable("--claims-store", settings.store)
        return settings


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


def _one_of(option: str, got: str, allowed: tuple[str, ...]) -> str:
    if got not in allowed:
        raise InvalidInput(f"{option} {got!r} is unknown; give one of {', '.join(allowed)}")
    return got


def _seeds(got: str) -> int:
    if not got.isdecimal() or int(got) < 1:
        raise InvalidInput(f"--claims-seeds {got!r} leaves nothing to judge; give a whole number of 1 or more (3 give a spread)")
    return int(got)


def _first_seed(got: str, seeds: int) -> int:
    if not got.isdecimal() or int(got) + seeds > SEEDS:
        allowed = f"give a whole number from 0 to {SEEDS - seeds}"
        raise InvalidInput(f"--claims-first-seed {got!r} is no seed that {seeds} seed(s) can start at; {allowed}")
    return int(got)


def _scheduler(got: str, divided: bool) -> str:
    if got and divided:
        raise InvalidInput(f"--claims-scheduler {got} and xdist's -n both divide the work: give one of them")
    return scheduler.checked("--claims-scheduler", got) if got else got


def _chunk(got: str) -> int | None:
    if got and (not got.isdecimal() or int(got) < 1):
        raise InvalidInput(f"--claims-chunk {got!r} is no number of columns; give 1 or more, or leave it to the machine")
    return int(got) if got else None


def _baseline(config: pytest.Config, settings: Settings, value: Mapping[str, str]) -> Path | None:
    """The report to compare with, or for ``auto`` the folder that holds one for each platform."""
    path = options.path(config, "baseline")
    try:
        if value["baseline"] == "auto":
            path = options.folder(config, "claims_baselines")
            baseline.candidates(path, settings.scale, settings.precision)
        elif path is not None:
            report = json_file.read(path)
            asked, got = (f"scale {it.scale} in {it.precision}" for it in (settings, report))
            if asked != got:
                raise InvalidInput(f"{path} is of {got}, this run of {asked}: give one of this run's")
    except InvalidInput as error:
        raise InvalidInput(f"--claims-baseline: {error}") from None
    return path


def _report(config: pytest.Config) -> Path:
    """The report's folder: by default below rootdir, or below the working directory if rootdir has installed papers."""
    installed = {"site-packages", "dist-packages"} & set(config.rootpath.parts)
    if installed and config.getoption("claims_report") is None:
        return config.invocation_params.dir / options.value(config, "report")
    return options.path(config, "report") or config.rootpath / "reports"


def of_papers(config: pytest.Config) -> dict[str, Any]:
    """The papers' own options, as their conftests give them."""
    return {name: value for found in config.hook.pytest_claims_options(config=config) for name, value in found.items()}
