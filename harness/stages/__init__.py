"""Stage records: what a run passed through on its way to its measurements, small enough to keep in a report.

A record names a stage and holds what two runs of it can be compared by, on any machine and without JAX:

    digest    SHA-256 of the stage's arrays: equal digests are equal bits
    exact     true where nothing is rounded, so that other bits are another stage
    values    a few numbers that stand for the arrays (a random-projection sketch, or one number a step)
    steps     the step that each value belongs to, when the stage is a series
    step      the step at which the stage was taken, when it is a moment of training
    rounding  size of the rounding error of ``values``: measured, as the distance of the run from the same run in the other
              precision; a list of one number, or of one a step; None where no model is known

Records are computed once and kept in the store beside what they describe.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import importlib.util
from typing import Any

import numpy as np

from harness.artefacts import Run
from harness.store import digest

Record = dict[str, Any]
# where the records of the harness's own runs are made; a folder of claims has them in its module ``stages``
HOMES = {"harness.training_run": "harness.stages.training", "harness.subspace_run": "harness.stages.subspace"}


def describe(run: Any) -> list[Record]:
    """The records of every stage that ``run`` has reached, first to last; [] for a kind of run that nobody describes."""
    module = type(run).__module__
    home = HOMES.get(module, f"{module.rpartition('.')[0]}.stages")
    if home != "harness.stages" and not home.startswith(".") and _exists(home):
        importlib.import_module(home)
    return stages_of(run)


@functools.singledispatch
def stages_of(run: Any) -> list[Record]:
    """The records of a run; each kind of run registers its own function."""
    return []


def definition(run: Run) -> Record:
    """The stage before all others: what was asked for, whatever the precision."""
    experiment = dataclasses.replace(run.experiment, precision="float64")
    return {"name": "experiment", "digest": experiment.fingerprint(), "exact": True}


def exact(name: str, **arrays: Any) -> Record:
    """A stage in which nothing is rounded: it is the same or it is not."""
    return {"name": name, "digest": digest(arrays), "exact": True}


def record(name: str, values: Any, rounding: Any, arrays: Any = None, **more: Any) -> Record:
    """A stage of rounded numbers.

    Args:
        values: what it is compared by, flattened; part of the report.
        rounding: see the module; a number, or one a value.
        arrays: what the digest is taken of, if not of ``values``.
    """
    kept = [float(value) for value in values]
    sizes = None if rounding is None else [float(f"{size:.3g}") for size in np.ravel(rounding)]
    return {"name": name, "digest": digest({"": values} if arrays is None else arrays), "values": kept, "rounding": sizes, **more}


@functools.cache
def _exists(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        return False
