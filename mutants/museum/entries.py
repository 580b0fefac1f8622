"""What the list holds: regressions with their reports, and harmless changes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path

from mutants import listing
from mutants.listing import BadEntry
from mutants.museum import emulated

LIST = Path(__file__).parents[1] / "field.toml"
REPORT = re.compile(r"[\w.-]+/[\w.-]+#\d+")
PIN = re.compile(r"([\w.-]+)==([\w.]+)")
INJECTION = re.compile(r"\w+\.\w+")
SMALLEST = ("outlier-eigenspaces/gmm-outliers[gradients-test]",)
BROAD = (
    "training-jacobian/alignment-bulk[median]",
    "training-jacobian/quadratic-flow[momentum]",
    "tiny-subspace/top-preserved[digits,top,100]",
    *SMALLEST,
)
PYTHON = re.compile(r"3\.\d+")
WAYS = ("injection", "environment", "pins", "python", "architecture")


@dataclass(frozen=True)
class Entry:
    """One change of a library or of its surroundings, and how it is brought about.

    Attributes:
        name: what changes, in words.
        claims: ids of the claims that are judged with it, at scale smoke.
        injection: module and function below :mod:`mutants.museum.injections` that patches a library, before the suite imports it.
        environment: variables of the suite's process.
        pins: releases, ``distribution==version``, that come before the installed ones.
        python: another Python, ``3.13``, with the installed releases of all libraries in an environment of its own.
        architecture: another processor's, ``aarch64``, which is emulated.
        seeds: number of seeds.
        known: why the suite is known to do less than is demanded; "" where it must do all.
        quarter: whether the entry belongs to the quarter that CI runs.
    """

    name: str
    claims: tuple[str, ...] = SMALLEST
    injection: str = ""
    environment: dict[str, str] = field(default_factory=dict)
    pins: tuple[str, ...] = ()
    python: str = ""
    architecture: str = ""
    seeds: int = 1
    known: str = ""
    quarter: bool = False

    def __post_init__(self) -> None:
        for name in ("claims", "pins", "canaries", "stages"):
            value = getattr(self, name, ())
            if not (isinstance(value, tuple) and all(isinstance(one, str) and one for one in value)):
                raise BadEntry(f"{self.name}: {name} is {value!r}; give a list of texts")
        if sum(bool(getattr(self, way)) for way in WAYS) != 1:
            raise BadEntry(f"{self.name}: give one of {', '.join(WAYS)}")
        if self.injection and not INJECTION.fullmatch(self.injection):
            raise BadEntry(f"{self.name}: injection is {self.injection!r}; give module.function")
        bad = [pin for pin in self.pins if not PIN.fullmatch(pin)]
        if bad:
            raise BadEntry(f"{self.name}: pin {bad[0]!r}; give distribution==version")
        if self.python and not PYTHON.fullmatch(self.python):
            raise BadEntry(f"{self.name}: python is {self.python!r}; give a version such as 3.13")
        if self.architecture and self.architecture not in emulated.KNOWN:
            raise BadEntry(f"{self.name}: architecture is {self.architecture!r}; known: {', '.join(emulated.KNOWN)}")
        if not all(isinstance(value, str) for value in self.environment.values()):
            raise BadEntry(f"{self.name}: environment is {self.environment}; give texts")
        if not self.claims:
            raise BadEntry(f"{self.name}: give one claim or more")
        if not (isinstance(self.seeds, int) and self.seeds >= 1):
            raise BadEntry(f"{self.name}: seeds is {self.seeds!r}; give 1 or more")

    @property
    def way(self) -> str:
        """How it is brought about, in one line."""
        variables = " ".join(f"{key}={value}" for key, value in self.environment.items())
        another = f"Python {self.python}" if self.python else f"{self.architecture}, emulated"
        return self.injection or variables or " ".join(self.pins) or another

    @property
    def with_canaries(self) -> bool:
        """Whether the suite runs with its canaries."""
        return True


@dataclass(frozen=True)
class Regression(Entry):
    """A change that makes numbers wrong, or the process die. The suite must say so, and name the right thing first.

    Attributes:
        library: the distribution at fault.
        report: the public report it stands for, ``owner/name#number``.
        says: what is wrong, in one line.
        canaries: one of these canaries must be the first that is red; the suite then runs with its canaries.
        stages: used without canaries: the name of the stage that moved first, died or broke must begin with one of these.
    """

    library: str = ""
    report: str = ""
    says: str = ""
    canaries: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not REPORT.fullmatch(self.report):
            raise BadEntry(f"{self.name}: report is {self.report!r}; give owner/name#number of a public report")
        if not (self.library and self.says):
            raise BadEntry(f"{self.name}: give the library at fault, and what the report says")
        if bool(self.canaries) == bool(self.stages):
            raise BadEntry(f"{self.name}: give the canaries that must be red, or the stages that must be named without them")

    @property
    def with_canaries(self) -> bool:
        return bool(self.canaries)

    @property
    def wanted(self) -> tuple[str, ...]:
        """The names of which one must be named first."""
        return self.canaries or self.stages


@dataclass(frozen=True)
class Harmless(Entry):
    """A change that moves numbers within rounding at most: no alarm is demanded, from claims of each paper."""

    claims: tuple[str, ...] = BROAD


def read(path: Path = LIST) -> list[Entry]:
    """The entries of a TOML file with one ``[[regression]]`` or ``[[harmless]]`` each.

    Raises:
        BadEntry: an entry that cannot be tried as it is written.
    """
    kinds: dict[str, type[Entry]] = {"regression": Regression, "harmless": Harmless}
    return listing.read(path, kinds)
