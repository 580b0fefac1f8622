"""How often a run of seeds of the tracked ensembles is said to be wrong, and how often a planted shift is seen.

Every run takes a few seeds out of an ensemble and is judged against the others, as if it had never been part of it. The
interval of the share of false alarms is computed as for independent runs. Runs share seeds, so it is too narrow, and more so
where an ensemble has few of them: eight seeds have 56 runs of three.
With the report of a run of many seeds, the controls of its claims are judged again on a few of its seeds at a time.

    python -m benchmarks.false_alarms [--seeds 3] [--runs 400] [--ensembles DIR] [--report REPORT]
"""

from __future__ import annotations

import argparse
import dataclasses
import itertools
import math
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from harness.errors import InvalidInput
from harness.report import json_file
from harness.suite.catalogue import declare_all
from harness.suite.claim import REGISTRY, Claim, Control, World
from harness.suite.ensemble import Ensembles, Reference, fingerprints, load
from harness.suite.expectation import of_ensemble
from harness.suite.judging import contradicts, run_control
from harness.suite.membership import difference, membership
from harness.suite.records import ControlRecord, MeasurementRecord, Report
from harness.suite.rejudge import ensemble_of, interval_of
from harness.suite.verdict import FEWEST, Ensemble, Verdict, judge, mean_interval, proportion_interval

SHIFTS = (1, 2, 3, 5)  # standard deviations between seeds
LEAST = 8  # seeds that must be left for the expectation


@dataclass(frozen=True)
class Tried:
    """What was found over many runs.

    Attributes:
        claims: number of claims tested in each run.
        seeds: the largest number of seeds of an ensemble.
        runs: number of runs.
        alarms: runs with a claim whose values do not belong.
        contradicted: runs with a verdict that contradicts the ensemble's.
        failed: runs with either.
        blamed: how often each claim failed a run, of those that ever did.
        seen: by shift in standard deviations, the share of runs and claims in which a claim that was shifted alone fails.
        covered: by kind of interval, the number of intervals that hold what the other seeds measured, and the number of all.
    """

    claims: int
    seeds: int
    runs: int
    alarms: int
    contradicted: int
    failed: int
    blamed: Mapping[str, int]
    seen: Mapping[int, float]
    covered: Mapping[str, tuple[int, int]]


def trial(claims: Mapping[str, tuple[Claim, Ensemble]], seeds: int, runs: int, rng: np.random.Generator) -> Tried:
    """Take ``runs`` sets of ``seeds`` seeds (all there are, if fewer) out of the ensembles and judge each against the rest."""
    known = sorted({seed for _, ensemble in claims.values() for names in ensemble.runs for seed in map(_seed, names)})
    chosen = list(_chosen(known, seeds, runs, rng))
    alarms, contradicted, blamed = np.zeros(len(chosen), bool), np.zeros(len(chosen), bool), dict.fromkeys(claims, 0)
    seen: dict[int, list[bool]] = {shift: [] for shift in SHIFTS}
    covered: dict[str, list[bool]] = {}
    for at, picked in enumerate(chosen):
        for id, (claim, ensemble) in claims.items():
            run, rest = _split(ensemble, _own(ensemble, picked))
            if not run.values or rest is None:
                continue
            expected = of_ensemble(claim, rest)[0]
            found = _found(claim, run, ensemble, rest, expected, len(claims))
            alarms[at] |= found[0]
            contradicted[at] |= found[1]
            blamed[id] += any(found)
            if (held := _covered(claim, run, ensemble, rest)) is not None:
                covered.setdefault("logarithms" if _logarithms(claim, ensemble) else claim.over, []).append(held)
            if (spread := float(np.std(ensemble.values, ddof=1))) > 0:
                sign = rng.choice([-1, 1])
                for shift, results in seen.items():
                    moved = _shifted(run, sign * shift * spread)
                    results.append(any(_found(claim, moved, ensemble, rest, expected, len(claims))))
    shares = {shift: float(np.mean(results)) if results else 0.0 for shift, results in seen.items()}
    failed = int(np.sum(alarms | contradicted))
    blamed = {id: count for id, count in blamed.items() if count}
    kinds = {kind: (sum(held), len(held)) for kind, held in sorted(covered.items())}
    return Tried(len(claims), len(known), len(chosen), int(alarms.sum()), int(contradicted.sum()), failed, blamed, shares, kinds)


@dataclass(frozen=True)
class TriedControls:
    """What was found of a report's controls over many runs.

    Attributes:
        controls: number of controls that have a value for each seed.
        runs: number of runs.
        failed: runs in which a control does not hold.
        blamed: how often each control does not hold, of those that ever did not.
        opened: how often each control is open, of those that ever were.
    """

    controls: int
    runs: int
    failed: int
    blamed: Mapping[str, int]
    opened: Mapping[str, int]


def controls(report: Report, claims: Mapping[str, Claim], seeds: int, runs: int, rng: np.random.Generator) -> TriedControls:
    """Judge the controls of a report on ``seeds`` of its seeds, ``runs`` times. Controls over pairs or trials are left out."""
    held = {
        f"{record.id}, control '{control.name}'": (claims[record.id], control, ensemble_of(record))
        for record in report.claims
        if record.over in ("seeds", "share") and record.id in claims
        for control in record.controls
        if len(control.values) == report.seeds
    }
    chosen = list(_chosen(range(report.seeds), seeds, runs, rng))
    again = {name: [_again(*of, picked) for picked in chosen] for name, of in held.items()}
    wrong = {name: [bool(one.message) for one in found] for name, found in again.items()}
    failed = int(np.any(list(wrong.values()), axis=0).sum()) if wrong else 0
    blamed = {name: sum(found) for name, found in wrong.items() if any(found)}
    opened = {name: sum(one.open for one in found) for name, found in again.items()}
    return TriedControls(len(held), len(chosen), failed, blamed, {name: count for name, count in opened.items() if count})


def _again(claim: Claim, recorded: ControlRecord, ensemble: Ensemble | None, picked: Sequence[int]) -> ControlRecord:
    """The control on some of its seeds: it is run again, with its recorded values as worlds."""
    again = dataclasses.replace(claim, function=lambda value: value, given={})
    control = Control(recorded.name, lambda run: World(run, value=run.value), Verdict[recorded.expect])
    runs: list[tuple[Any, ...]] = [
        (SimpleNamespace(value=recorded.values[i], experiment=SimpleNamespace(name="it", seed=i)),) for i in picked
    ]
    return run_control(again, control, runs, ensemble)


def describe(tried: Tried, seeds: int) -> str:
    """The shares with their intervals."""
    lines = [f"{tried.claims} claims, {tried.seeds} seeds, {tried.runs} runs of {seeds} judged against the others"]
    for what, count in (("do not belong", tried.alarms), ("contradict", tried.contradicted), ("fail", tried.failed)):
        lines.append(_share(what, count, tried.runs))
    lines += [
        f"  a shift of {shift} standard deviations in one claim is seen in {share:.1%}" for shift, share in tried.seen.items()
    ]
    lines += [f"  intervals over {kind}: {held / count:.1%} of {count} hold it" for kind, (held, count) in tried.covered.items()]
    worst = sorted(tried.blamed.items(), key=lambda item: -item[1])[:10]
    return "\n".join([*lines, *(f"  {id} fails {count} runs" for id, count in worst)])


def describe_controls(tried: TriedControls, seeds: int) -> str:
    """The share with its interval, and each control that ever did not hold."""
    head = [
        f"{tried.controls} controls, {tried.runs} runs of {seeds}",
        _share("have a control that does not hold", tried.failed, tried.runs),
    ]
    blamed = [f"  {name} does not hold in {count}" for name, count in tried.blamed.items()]
    return "\n".join([*head, *blamed, *(f"  {name} is open in {count}" for name, count in tried.opened.items())])


def _share(what: str, count: int, runs: int) -> str:
    interval = proportion_interval(count, runs)
    return f"  runs that {what:<14} {count:5d}  {count / runs:6.2%}  [{interval.low:.2%}, {interval.high:.2%}]"


def _found(
    claim: Claim, run: MeasurementRecord, ensemble: Ensemble, rest: Ensemble, expected: Verdict, tests: int
) -> tuple[bool, bool]:
    """Whether the values do not belong, and whether the verdict contradicts that of the seeds that are not in the run."""
    alarm = membership(claim.over, run, Reference(ensemble), tests).state == "alarm"
    try:
        verdict = judge(interval_of(claim.over, run, rest), claim.accept)
    except InvalidInput:  # the shift took a proportion to where no proportion of so many trials lies
        return alarm, False
    return alarm, contradicts(verdict.name, expected.name, difference(claim.over, run, ensemble))


def _covered(claim: Claim, run: MeasurementRecord, ensemble: Ensemble, rest: Ensemble) -> bool | None:
    """Whether the run's interval holds the mean of the rest, which has an error of its own: the interval is widened by that.

    None where the run's values have no interval of their own.
    """
    seeds, others = (len({name for names in runs for name in names}) for runs in (run.runs, rest.runs))
    if seeds < FEWEST:
        return None
    values = [value for value in run.values if value is not None]
    if _logarithms(claim, ensemble):
        found, truth = mean_interval(list(np.log(values))), float(np.mean(np.log(rest.values)))
    else:
        found, truth = interval_of(claim.over, run), float(np.mean(rest.values))
    if not found.bounded:
        return None
    centre, widen = float(np.mean(np.log(values) if _logarithms(claim, ensemble) else values)), math.sqrt(1 + seeds / others)
    return centre + (found.low - centre) * widen <= truth <= centre + (found.high - centre) * widen


def _logarithms(claim: Claim, ensemble: Ensemble) -> bool:
    return claim.over == "seeds" and ensemble.skewed


def _own(ensemble: Ensemble, picked: Sequence[int]) -> set[int]:
    """The picked seeds, or as many seeds that the ensemble has: an ensemble of few seeds stands for runs of the same size."""
    own = sorted({_seed(name) for names in ensemble.runs for name in names})
    if set(picked) <= set(own):
        return set(picked)
    found: set[int] = set()
    for at in picked:
        free = [seed for seed in own if seed not in found]
        if not free:
            break
        found.add(free[at % len(free)])
    return found


def _split(ensemble: Ensemble, picked: set[int]) -> tuple[MeasurementRecord, Ensemble | None]:
    """A run of the picked seeds, and the ensemble of those that have none of them (None if too few are left)."""
    of = [{_seed(name) for name in names} for names in ensemble.runs]
    inside = [i for i, seeds in enumerate(of) if seeds <= picked]
    outside = [i for i, seeds in enumerate(of) if not seeds & picked]
    run = MeasurementRecord("it", "", "", [list(ensemble.runs[i]) for i in inside], [ensemble.values[i] for i in inside])
    trials = ensemble.trials
    if trials is not None:
        run = dataclasses.replace(run, trials=[trials[i] for i in inside])
    if len(outside) < LEAST - len(picked):
        return run, None
    return run, _left(ensemble, outside)


def _left(ensemble: Ensemble, rows: Sequence[int]) -> Ensemble:
    """The ensemble of these rows, even if they are few: a tracked ensemble of eight seeds leaves five."""
    left = object.__new__(Ensemble)
    trials = None if ensemble.trials is None else tuple(ensemble.trials[i] for i in rows)
    content = {"values": tuple(ensemble.values[i] for i in rows), "runs": tuple(ensemble.runs[i] for i in rows), "trials": trials}
    for name, value in {**content, "provenance": ensemble.provenance}.items():
        object.__setattr__(left, name, value)
    return left


def _shifted(run: MeasurementRecord, by: float) -> MeasurementRecord:
    return dataclasses.replace(run, values=[value + by for value in run.values if value is not None])


def _chosen(known: Sequence[int], seeds: int, runs: int, rng: np.random.Generator) -> Iterator[tuple[int, ...]]:
    every = list(itertools.islice(itertools.combinations(known, seeds), 20000))
    picked = range(len(every)) if len(every) <= runs else rng.choice(len(every), runs, replace=False)
    return (every[int(i)] for i in picked)


def _seed(run: str) -> int:
    """3 of ``digits[3]``."""
    found = re.fullmatch(r".*\[(\d+)\]", run)
    assert found is not None, run
    return int(found.group(1))


def _claims(known: Ensembles, scale: str, precision: str) -> dict[str, tuple[Claim, Ensemble]]:
    claims = [claim for id, claim in REGISTRY.items() if id in known.claims and scale in claim.scales]
    found = [(claim, known.of(claim, fingerprints(claim, scale, precision)).ensemble) for claim in claims]
    return {claim.id: (claim, ensemble) for claim, ensemble in found if ensemble is not None}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=3, help="of a run (default: 3)")
    parser.add_argument("--runs", type=int, default=400, help="at most (default: 400)")
    parser.add_argument("--ensembles", type=Path, default=Path("fixtures/ensembles"), help="default: %(default)s")
    parser.add_argument("--report", type=Path, help="of a run of many seeds, whose controls are judged as well")
    options = parser.parse_args(arguments)
    declare_all(Path("claims").resolve(), Path.cwd())
    if options.report is not None:
        found = controls(json_file.read(options.report), REGISTRY, options.seeds, options.runs, np.random.default_rng(0))
        print(f"{options.report}: {describe_controls(found, options.seeds)}", flush=True)
    for path in sorted(options.ensembles.glob("*.json")):
        scale, _, precision = path.stem.partition("-")
        claims = _claims(load(options.ensembles, scale, precision), scale, precision)
        tried = trial(claims, options.seeds, options.runs, np.random.default_rng(0))
        print(f"{path.stem}: {describe(tried, options.seeds)}", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
