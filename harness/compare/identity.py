"""The facts that distinguish two machines, and the passing circumstances in which a report was made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.suite.records import Report

# the facts that can move a number; everything else in a report's environment is incidental
IDENTITY = (
    "jax",
    "jaxlib",
    "numpy",
    "scipy",
    "optax",
    "sklearn",
    "python",
    "blas",
    "threads",
    "device",
    "cpu",
    "simd",
    "xla_flags",
    "settings",
    "matrix products",
    "prng",
    "precision",
    "system",
)


@dataclass(frozen=True)
class Change:
    """One fact of two environments, "" where a report does not say."""

    key: str
    before: str
    after: str


def identity_changes(before: Report, after: Report) -> list[Change]:
    """The facts that differ and can move a number, in the order of :data:`IDENTITY`."""
    return _changes(_environment(before), _environment(after), IDENTITY)


def incidental_changes(before: Report, after: Report) -> list[Change]:
    """Changes of the clock, the load and similar facts: they are shown, but explain nothing."""
    a, b = ({**_environment(report), **_circumstances(report)} for report in (before, after))
    return _changes(a, b, [key for key in dict.fromkeys([*a, *b]) if key not in IDENTITY])


def family(report: Report) -> str:
    """The kind of platform that a baseline stands for: ``linux-x86_64-cpu``."""
    platform = report.environment.get("device", "").rpartition("(")[2].rstrip(")")
    return "-".join([*report.environment.get("system", "").lower().split(), platform or "cpu"])


def _environment(report: Report) -> dict[str, str]:
    return {**report.environment, "precision": report.precision}


def _circumstances(report: Report) -> dict[str, str]:
    return {"created": report.created, "seconds": f"{report.seconds:.0f}", "peak MiB": str(report.peak_memory or "")}


def _changes(before: dict[str, str], after: dict[str, str], keys: Sequence[str]) -> list[Change]:
    found = [Change(key, before.get(key, ""), after.get(key, "")) for key in keys]
    return [change for change in found if change.before != change.after]
