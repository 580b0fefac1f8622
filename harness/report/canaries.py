"""The record of a run's canaries, and its summary in one line, the same in terminal, Markdown and HTML."""

from __future__ import annotations

import math
import time

from harness.report import environment
from harness.runs import provenance
from harness.suite.records import CanariesRecord, RedCanary

OFF = "turned off by --claims-canaries=off"
ON_BLAS = ("numpy", "scipy")  # libraries whose products and decompositions a BLAS computes


def collect() -> CanariesRecord:
    """Run every canary in this process; imports JAX."""
    from harness.engine.canaries import running

    began = time.monotonic()
    outcomes = running.run()
    red = [
        RedCanary(
            name=one.canary.name,
            library=one.canary.library,
            version=_version(one.canary.library),
            rests=one.canary.rests,
            error=one.measured.error if math.isfinite(one.measured.error) else None,
            bound=one.measured.bound,
            unit=one.measured.unit,
            reason=one.measured.reason,
            failure=one.failure,
            known=one.known,
        )
        for one in outcomes
        if not one.green
    ]
    return CanariesRecord(len(outcomes) - len(red), time.monotonic() - began, red)


def died(cause: str) -> CanariesRecord:
    """The record of a process that ran the canaries and crashed or hung."""
    blas = f"numpy {provenance.version('numpy')} and scipy {provenance.version('scipy')} with their BLAS"
    failure = f"the process that ran the canaries {cause}; {blas} run there too"
    return CanariesRecord(red=[RedCanary("all", "jaxlib", _version("jaxlib"), "everything", None, 0, "", "", failure)])


def line(red: RedCanary) -> str:
    """Everything that is known about a red canary, and what to do."""
    where = f"canary {red.name!r} of {red.library} {red.version}"
    if red.known:
        return f"{where}: red, as listed: {red.known}"
    return (
        f"{where} is red: {measured(red)}; on it rest: {red.rests}. "
        f"Try without XLA_FLAGS and the like, then another release of {red.library}, and report it to its makers; "
        "--claims-canaries=off goes on all the same"
    )


def measured(red: RedCanary) -> str:
    """Error, bound and its reason, or what the check raised."""
    if red.failure:
        return red.failure
    error = "no finite number" if red.error is None else f"{red.error:.3g}"
    return f"measured {error}, allowed {red.bound:.3g} {red.unit} ({red.reason})"


def said(found: CanariesRecord | None) -> str:
    """How many were green and which were red, or why none ran; "" where nothing is known."""
    if found is None or found.off:
        return "" if found is None else found.off
    parts = [f"{found.green} green in {found.seconds:.1f} s"]
    listed = [red for red in found.red if red.known]
    if listed:
        parts.append(f"listed red: {', '.join(_names(listed))}")
    if found.failing:
        parts.append(f"RED: {', '.join(_names(found.failing))}")
    elif listed:
        parts.append(f"nothing to do: {'this one is' if len(listed) == 1 else f'these {len(listed)} are'} known")
    return "; ".join(parts)


def _names(reds: list[RedCanary]) -> list[str]:
    """A text for each library and public report, with its canaries."""
    kinds = dict.fromkeys((red.library, red.version, red.known.partition(": ")[0]) for red in reds)
    found = []
    for library, version, known in kinds:
        names = ", ".join(r.name for r in reds if (r.library, r.version, r.known.partition(": ")[0]) == (library, version, known))
        found.append(f"{names} ({library} {version}{f', {known}' if known else ''})")
    return found


def _version(library: str) -> str:
    version = provenance.version(library)
    return f"{version} on {environment.pools()['blas']}" if library in ON_BLAS else version
