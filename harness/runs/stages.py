"""Stage records: the stages of a run before its measurements, small enough to keep in a report.

A record names a stage and holds the data for comparing two runs of it, on any machine and without JAX:

    digest    SHA-256 of the stage's arrays: equal digests are equal bits
    exact     true if nothing is rounded: other bits are then another stage
    values    a few numbers that stand for the arrays (a random-projection sketch, or one number a step)
    steps     the step that each value belongs to, when the stage is a series
    step      the step at which the stage was taken, when it is a moment of training
    rounding  size of the rounding error of ``values``: measured, as the distance of the run from the same run in the other
              precision; a list of one number, or of one a value; None where no model is known
    groups    number of groups that ``values`` sketch one after another; groups with a kink of their own may differ
    note      a remark for readers of the stage, in words

Records are computed once and kept in the store beside the arrays that they describe.
"""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from harness.runs.store import digest

Record = dict[str, Any]
UNIT = {"float32": 2.0**-24, "float64": 2.0**-53}  # unit roundoff


def definition(experiment: Any) -> Record:
    """The first stage: the experiment, whatever its precision."""
    return {"name": "experiment", "digest": dataclasses.replace(experiment, precision="float64").fingerprint(), "exact": True}


def exact(name: str, **arrays: Any) -> Record:
    """A stage in which nothing is rounded: two runs of it are equal or they differ."""
    return {"name": name, "digest": digest(arrays), "exact": True}


def method(name: str, taken: str, failures: str) -> Record:
    """A stage that says how the next ones were computed: another method is another stage, even where its numbers agree.

    Args:
        failures: why methods that come first were not taken, "" where none failed.
    """
    note = {"note": f"{taken}, since {failures}"} if failures else {}
    return {"name": name, "digest": digest({"": np.array(taken)}), "exact": True, **note}


def record(name: str, values: Any, rounding: Any, arrays: Any = None, **more: Any) -> Record:
    """A stage of rounded numbers.

    Args:
        values: the numbers that are compared, flattened; part of the report.
        rounding: as in the module's docstring; one number, or one a value.
        arrays: the arrays of the digest, ``values`` by default.
    """
    kept = [float(value) for value in values]
    sizes = None if rounding is None else [float(f"{size:.3g}") for size in np.ravel(rounding)]
    return {"name": name, "digest": digest({"": values} if arrays is None else arrays), "values": kept, "rounding": sizes, **more}
