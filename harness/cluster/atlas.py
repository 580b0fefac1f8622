"""An atlas on a cluster: every variant with a seed is a task. Its row comes back as the text of the file that a sweep keeps."""

from __future__ import annotations

import argparse
import importlib
import sys
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from harness.cluster import fit, scheduler
from harness.cluster.scheduler import Submit, Tasks
from harness.errors import InvalidInput
from harness.report.atlas import rows
from harness.report.atlas.sweep import Sweep, forget, line
from harness.runs.store import Store


@dataclass(frozen=True)
class Request:
    """What a sweep asks of every worker.

    Attributes:
        table: module and name of the function that makes the table of some options, with a colon between.
        root: the folder that the module is named from.
        code: digest of the sources of the module's outermost package.
        token: the sweep's name.
        options: names and values of the command's options.
    """

    table: str
    root: str
    code: str
    token: str
    options: tuple[tuple[str, Any], ...]


@dataclass(frozen=True)
class Answer:
    """The result of a task: the text of a row's file, or "" with the fault that left no row."""

    text: str = ""
    fault: str = ""


def compute(sweep: Sweep, options: argparse.Namespace, table: str) -> None:
    """Let the cluster of ``--scheduler`` measure the missing rows of a sweep. Side effect: the rows are kept.

    Args:
        options: of the command; their values can be pickled and hashed.
        table: as in :class:`Request`.

    Raises:
        InvalidInput: no scheduler there, or no worker that fits.
    """
    address = scheduler.checked("--scheduler", options.scheduler)
    folder, token = _package(table), scheduler.token()
    request = Request(table, str(folder.parent), fit.digest(folder), token, tuple(vars(options).items()))
    missing, kept = sweep.missing(), 0

    def submit(to: Submit, devices: int) -> Tasks:
        numbered = enumerate(missing)
        return {to(measure, request, one.name, seed, priority=-n): f"{one.name}, seed {seed}" for n, (one, seed) in numbered}

    def take(answer: Answer) -> str:
        nonlocal kept
        if not answer.text:
            return answer.fault
        key, row = rows.parsed(answer.text)
        try:
            rows.write(sweep.path(row.variant, row.seed), key, row)
        except OSError as error:
            return f"its row cannot be kept ({error})"
        kept += 1
        sweep.say(f"{kept} of {len(missing)} on the cluster: {line(row)}")
        return ""

    if missing:
        scheduler.follow(address, token, submit, take, sweep.progress, sweep.say)


def measure(request: Request, variant: str, seed: int) -> Answer:
    """Measure one row on a worker."""
    try:
        sweep = _sweep(request)
        chosen = next((one for one in sweep.variants if one.name == variant), None)
        if chosen is None:
            raise InvalidInput(f"this worker's table has no variant {variant}: give the worker the sweep's code")
        return Answer(rows.text(sweep.key(chosen, seed), sweep.measure(chosen, seed)))
    except Exception as error:
        return Answer(fault=f"{type(error).__name__}: {' '.join(str(error).split())}")
    finally:
        forget()


@lru_cache(maxsize=1)
def _sweep(request: Request) -> Sweep:
    """The sweep of a worker, made once: it holds the base's run.

    Raises:
        InvalidInput: the worker has other code, or none.
    """
    if request.root not in sys.path and Path(request.root).is_dir():
        sys.path.insert(0, request.root)
    module, _, name = request.table.partition(":")
    try:
        folder = _package(request.table)
        same = fit.imported(folder) == request.code
        made = importlib.import_module(module)
    except ImportError as error:
        raise InvalidInput(f"this worker cannot import {module} ({error}): start it in that folder, or install it") from error
    if not same:
        raise InvalidInput(f"this worker has another {module} than the sweep: update it and start the worker again")
    options = argparse.Namespace(**dict(request.options))
    table = getattr(made, name)(options)
    Store(options.store if options.store and options.store.is_dir() else None).keep_compilations()
    return Sweep(table, table.variants, options.seeds, Path(), lambda line: None, claims_of=options.claims_of)


def _package(table: str) -> Path:
    """The folder of the module's outermost package."""
    return Path(importlib.import_module(table.partition(".")[0]).__path__[0])
