"""Experiments as frozen values: everything that decides a number, and nothing else.

An experiment validates itself when built, and its fingerprint is the hash of every field, so that
two experiments share an artefact only if they are the same.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import json
from collections.abc import Collection, Mapping
from typing import Any, Protocol, TypeVar, runtime_checkable

from harness.errors import InvalidInput

PRECISIONS = ("float32", "float64")
SCALES = ("smoke", "paper", "large")


@runtime_checkable
class AnyExperiment(Protocol):
    """The interface of any paper's experiment to the plugin, the store and the catalogue."""

    @property
    def name(self) -> str: ...
    @property
    def scale(self) -> str: ...
    @property
    def seed(self) -> int: ...
    @property
    def precision(self) -> str: ...
    @property
    def fixed_seed(self) -> bool: ...
    def fingerprint(self) -> str: ...


E = TypeVar("E", bound=AnyExperiment)


def fingerprint(value: Any) -> str:
    """SHA-256 of a frozen dataclass: its class name and every field, as canonical JSON."""
    content = {"class": type(value).__name__, **dataclasses.asdict(value)}
    return hashlib.sha256(json.dumps(content, sort_keys=True, allow_nan=False).encode()).hexdigest()


def require(ok: bool, owner: str, name: str, got: object, allowed: str) -> None:
    """Raise InvalidInput unless ``ok``; the message names the field, the value and the allowed values."""
    if not ok:
        raise InvalidInput(f"{owner}: {name} = {got!r} is not allowed; allowed: {allowed}")


def require_one_of(owner: str, name: str, got: object, allowed: Collection[str]) -> None:
    require(got in allowed, owner, name, got, ", ".join(sorted(allowed)))


def of_one_seed(experiment: AnyExperiment, every_seed: bool = False) -> bool:
    """Whether a session runs the experiment for its own seed alone.

    Args:
        every_seed: the session makes ensembles. It draws fixed seeds anew, but for those of published initial parameters.
    """
    return experiment.fixed_seed and not (every_seed and getattr(experiment, "initialisation", "seed") == "seed")


CATALOGUE: dict[str, dict[str, AnyExperiment]] = {}


def register(name: str, scales: Mapping[str, AnyExperiment]) -> None:
    """Add a named experiment, one value a scale.

    Raises:
        InvalidInput: the name is taken by another experiment.
    """
    if CATALOGUE.get(name, scales) != scales:
        raise InvalidInput(f"experiment {name!r} is already registered with other values: names are unique")
    CATALOGUE[name] = dict(scales)


def find(name: str, scale: str) -> Any:
    """The experiment of that name at that scale.

    Raises:
        InvalidInput: unknown name, or a scale that the experiment does not have.
    """
    if name not in CATALOGUE:
        near = difflib.get_close_matches(name, CATALOGUE, 3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"allowed: {', '.join(sorted(CATALOGUE))}"
        raise InvalidInput(f"unknown experiment {name!r}; {hint}")
    if scale not in CATALOGUE[name]:
        raise InvalidInput(f"experiment {name!r} has no scale {scale!r}; it has: {', '.join(CATALOGUE[name])}")
    return CATALOGUE[name][scale]
