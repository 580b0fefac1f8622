"""Which verdict is expected of a claim: that of its ensemble; without an ensemble the listed verdict, else SUPPORTED.

The deviations file lists verdicts, and says in prose what was measured instead. :func:`disagreements` compares the file with the
ensembles.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.errors import InvalidInput
from harness.runs.experiment import SCALES
from harness.suite.claim import Claim
from harness.suite.ensemble import Ensembles
from harness.suite.records import LedgerEntry
from harness.suite.rejudge import ensemble_interval
from harness.suite.verdict import Ensemble, Interval, Verdict, judge

NEAR = 0.75  # difflib's ratio at which a name is similar enough to be suggested
_FIELDS = {"id", "scale", "verdict", "reason"}


@dataclass(frozen=True)
class Expectation:
    """The documented verdict; ``reason`` says what was measured instead when the verdict is not SUPPORTED.

    ``verdict`` is None where nothing is expected: a paper's claim on a network of one's own, whose verdict is a finding.
    """

    verdict: Verdict | None = Verdict.SUPPORTED
    reason: str | None = None

    @property
    def name(self) -> str:
        """The verdict's name, "" where nothing is expected."""
        return "" if self.verdict is None else self.verdict.name


Deviations = Mapping[tuple[str, str], Expectation]


def expected(claim: Claim, scale: str, deviations: Deviations) -> Expectation:
    """The listed expectation; else SUPPORTED, or nothing for a paper's claim on a network of one's own."""
    return deviations.get((claim.id, scale), Expectation(None) if claim.portable else Expectation())


def read_deviations(path: Path, registry: Mapping[str, Claim]) -> Deviations:
    """The listed deviations by (claim id, scale); an absent file lists none.

    Raises:
        InvalidInput: not TOML, a field missing, or an id or scale that no declared claim has.
    """
    listed: dict[tuple[str, str], Expectation] = {}
    for entry in read_tables(path, "deviation"):
        key = _checked(entry, path, registry)
        if key in listed:
            raise InvalidInput(f"{path}: {key[0]} at scale {key[1]} is listed twice: keep one")
        listed[key] = Expectation(Verdict[entry["verdict"]], entry["reason"])
    return listed


def of_ensemble(claim: Claim, ensemble: Ensemble) -> tuple[Verdict, Interval]:
    """The verdict that the ensemble gives by the claim's own rule, and the ensemble's interval."""
    interval = ensemble_interval(claim.over, ensemble).within(claim.bounds)
    return judge(interval, claim.accept), interval


def disagreements(
    deviations: Deviations,
    ensembles: Ensembles,
    registry: Mapping[str, Claim],
    scale: str,
    fingerprints: Callable[[Claim], Mapping[str, str]],
) -> list[str]:
    """A line for each claim whose deviations entry and ensemble disagree.

    A claim whose ensemble says REFUTED needs an entry that says so. A claim whose ensemble says SUPPORTED must have no entry. An
    ensemble that is INCONCLUSIVE, or of another version of the experiments, disagrees with nothing.

    Args:
        fingerprints: gives, for a claim, the fingerprints at seed 0 of the experiments that it is measured on now.
    """
    claims = [claim for id, claim in registry.items() if id in ensembles.claims and scale in claim.scales and not claim.portable]
    found = [(claim, ensembles.of(claim, fingerprints(claim)).ensemble) for claim in claims]
    lines = [_disagreement(claim, ensemble, deviations.get((claim.id, scale))) for claim, ensemble in found if ensemble]
    return [line for line in lines if line]


def _disagreement(claim: Claim, ensemble: Ensemble, listed: Expectation | None) -> str:
    verdict, interval = of_ensemble(claim, ensemble)
    says = f"{claim.id}: its ensemble says {verdict.name}, {interval} against {claim.accept}"
    if verdict is Verdict.SUPPORTED and listed is not None:
        return f"{says}: remove its entry from the deviations, which lists {listed.name}"
    if verdict is Verdict.REFUTED and (listed is None or listed.verdict is not verdict):
        return f"{says}: list it in the deviations with that verdict and with what was measured instead"
    return ""


def missing_control(claim: Claim, listed: Expectation) -> list[str]:
    """What is wrong with the controls of a claim of the papers; [] if one of them must come out unlike the claim.

    A claim that is expected to fail proves something only if it can hold somewhere, and the reverse.
    """
    needed = Verdict.SUPPORTED if listed.verdict is Verdict.REFUTED else Verdict.REFUTED
    if listed.verdict is None or claim.portable or any(control.expect is needed for control in claim.controls):
        return []
    return [f"a claim expected {listed.name} needs a control expected {needed.name} and has none"]


def read_ledger(path: Path) -> list[LedgerEntry]:
    """The sentences of papers that no claim judges; an absent file lists nothing.

    Raises:
        InvalidInput: not TOML, or an entry without exactly id, where, says and reason.
    """
    try:
        return [LedgerEntry(**entry) for entry in read_tables(path, "entry")]
    except TypeError as error:
        raise InvalidInput(f"{path}: each [[entry]] has id, where, says, reason and nothing else ({error})") from None


def read_tables(path: Path, name: str) -> list[dict[str, Any]]:
    """The ``[[name]]`` tables of a TOML file, [] if there is no such file."""
    if not path.exists():
        return []
    try:
        tables: list[dict[str, Any]] = tomllib.loads(path.read_text(encoding="utf-8")).get(name, [])
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidInput(f"{path} is not TOML: {error}") from None
    return tables


def unknown_id(got: str, known: Iterable[str]) -> str:
    """One line about an id that no claim has, naming close matches."""
    wanted, names = _name(got), {id: _name(id) for id in known}
    holding = {name for name in names.values() if wanted and wanted in name}
    alike = holding or difflib.get_close_matches(wanted, set(names.values()), 2, cutoff=NEAR)
    near = [id for id, name in names.items() if name in alike][:3]
    hint = f"did you mean {' or '.join(near)}?" if near else "`python -m harness list` shows all"
    return f"unknown claim id {got!r}; {hint}"


def _name(id: str) -> str:
    """``bulk-count`` of ``training-jacobian/bulk-count[all]``."""
    return id.rpartition("/")[2].partition("[")[0]


def _checked(entry: Mapping[str, Any], path: Path, registry: Mapping[str, Claim]) -> tuple[str, str]:
    if set(entry) != _FIELDS or not all(isinstance(value, str) and value.strip() for value in entry.values()):
        raise InvalidInput(f"{path}: [[deviation]] {dict(entry)}: give id, scale, verdict and reason as texts, none empty")
    id, scale, verdict = entry["id"], entry["scale"], entry["verdict"]
    if id not in registry:
        raise InvalidInput(f"{path}: {unknown_id(id, registry)}")
    if scale not in registry[id].scales:
        where = ", ".join(registry[id].scales)
        raise InvalidInput(f"{path}: {id} is not judged at scale {scale!r} (scales: {', '.join(SCALES)}); it is at: {where}")
    if verdict not in (Verdict.REFUTED.name, Verdict.INCONCLUSIVE.name):
        allowed = "allowed: REFUTED, INCONCLUSIVE (SUPPORTED needs no entry)"
        raise InvalidInput(f"{path}: {id} lists verdict {verdict!r}; {allowed}")
    return id, scale
