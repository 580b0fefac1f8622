"""Shared parts of the claims on any network: their declaration, and the regions that they compare."""

import functools
import math
from dataclasses import replace

from harness.errors import NotRun
from harness.suite.claim import ANY_NETWORK, claim
from harness.suite.verdict import at_least

from ..test_influence import regions

LEAST = 10  # directions of a region that is compared; a median over fewer says nothing
EXCESS = at_least(0.05, reason="as on the paper's network: far beyond the sampling spread of chance; our reading of 'much'")

on_any = functools.partial(claim, on=ANY_NETWORK)


def require_bulk(run):
    run.bulk  # noqa: B018 - raises where there is none


def require_resolved(run):
    """For claims whose controls replace the spectrum: the run's own must be told by its precision."""
    run.resolved_spectrum  # noqa: B018 - raises where rounding hides which singular values are near one


def each_region(declare):
    """One claim against chaotic and one against stable directions: if pooled, their proportions would decide."""
    return lambda function: declare("chaotic")(declare("stable")(function))


def log10(measured):
    """log10 of a positive quantity, on which scale seeds spread evenly.

    Raises:
        NotRun: the quantity is zero or not finite, for example if a step changes no prediction.
    """
    if not 0 < measured.value < math.inf:
        raise NotRun(f"it is {measured.value}, which has no logarithm: a median of one side is zero or not finite")
    return replace(measured, value=math.log10(measured.value), unit=f"log10 {measured.unit or 'ratio'}")


def compared(run, against):
    bulk, others = regions(run.spectrum, against)
    if min(len(bulk), len(others)) < LEAST:
        raise NotRun(f"{len(bulk)} bulk and {len(others)} {against} directions: need {LEAST} of each to compare medians")
