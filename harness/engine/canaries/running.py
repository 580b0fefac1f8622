"""Every canary, run once, in the engine's scope of exact dtypes."""

from __future__ import annotations

import importlib.metadata
import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass

import jax

from harness.engine.canaries import compiled, declared, decompositions, elementary, moves, repeats, special, subnormals
from harness.engine.canaries.canary import Canary, Measured
from harness.engine.canaries.known import KnownRed, listed, read
from harness.engine.precision import PRODUCTS, exact_dtypes
from harness.errors import WrongPrecision

# Cheap canaries come first. All run, even after a red one: the set of red canaries tells more than the first.
CANARIES: tuple[Canary, ...] = (
    *declared.CANARIES,
    *decompositions.CANARIES,
    *repeats.CANARIES,
    *moves.CANARIES,
    *special.CANARIES,
    *subnormals.CANARIES,
    *elementary.CANARIES,
    *compiled.CANARIES,
)


@dataclass(frozen=True)
class Outcome:
    """The result of one canary.

    Attributes:
        version: of its library, "" if no distribution of that name is installed.
        measured: error and bound; the error is infinite if the check raised an exception.
        failure: the exception that the check raised, "" if none.
        known: report and line of a listed red, "" for any other canary.
        seconds: time that the canary took.
    """

    canary: Canary
    version: str
    measured: Measured
    failure: str
    known: str
    seconds: float

    @property
    def green(self) -> bool:
        return not self.failure and self.measured.green

    @property
    def fails(self) -> bool:
        """Whether the canary is red and not listed."""
        return not self.green and not self.known


def run(canaries: Sequence[Canary] = CANARIES, known: Sequence[KnownRed] | None = None) -> list[Outcome]:
    """Run every canary.

    Args:
        known: listed reds; by default those of ``known.toml``.

    Raises:
        InvalidInput: the list of known reds is not valid.
    """
    reds = read(canaries={canary.name for canary in CANARIES}) if known is None else known
    with ExitStack() as scope:
        try:
            scope.enter_context(exact_dtypes())
        except WrongPrecision:  # the canaries run all the same, and the one named float64 is red
            scope.enter_context(jax.default_matmul_precision(PRODUCTS))
        return [_outcome(canary, reds) for canary in canaries]


def _outcome(canary: Canary, reds: Sequence[KnownRed]) -> Outcome:
    began, failure = time.monotonic(), ""
    try:
        measured = canary.check()
    except Exception as error:
        failure = f"{type(error).__name__}: {' '.join(str(error).split())}"
        measured = Measured(math.inf, 0, "", "it has an answer")
    version = _version(canary.library)
    known = listed(reds, canary.name, canary.library, version)
    return Outcome(canary, version, measured, failure, known, time.monotonic() - began)


def _version(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""
