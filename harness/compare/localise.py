"""Which stage of each run moved first: the stages in the order in which they feed each other, the trajectory by its steps."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.compare.differences import Difference, Stage, State, differences
from harness.runs.experiment import PRECISIONS
from harness.suite.records import ExperimentRecord, Json, Report

# stages that come before any step; the trajectory's follow by step, and all others after it in the order of their records
BEFORE = ("experiment", "data", "initial parameters", "batch order")
TRAJECTORY = ("parameters", "loss", "later loss")


@dataclass(frozen=True)
class RunChange:
    """One run (an experiment with one seed) in both reports.

    Attributes:
        moved: the first stage beyond its rounding-error model, or None.
        bits: the first stage of other bits, or None.
        ratio: the largest difference over what is allowed, among stages that stayed within rounding.
        uncompared: stages of one report alone, and stages that could not be recorded.
    """

    name: str
    seed: int
    moved: Difference | None
    bits: Difference | None
    ratio: float
    uncompared: tuple[str, ...]

    @property
    def label(self) -> str:
        return f"{self.name}[{self.seed}]"

    @property
    def redefined(self) -> bool:
        """Whether it is another experiment under the same name."""
        return self.moved is not None and self.moved.stage == BEFORE[0]

    @property
    def same_start(self) -> bool:
        """Whether both began at the same theta_0, so that their results are a pair."""
        return self.moved is None or self.moved.stage not in BEFORE

    @property
    def first(self) -> Difference | None:
        """What to look at: the first stage that moved, else the first of other bits."""
        return self.moved or self.bits


def localise(before: Report, after: Report) -> list[RunChange]:
    """Every run that both reports hold."""
    precision = next(name for name in PRECISIONS if name in (before.precision, after.precision))
    held = {(run.name, run.seed): run for run in before.experiments}
    return [change(held[run.name, run.seed], run, precision) for run in after.experiments if (run.name, run.seed) in held]


def change(before: ExperimentRecord, after: ExperimentRecord, precision: str) -> RunChange:
    """One run in both reports; ``precision`` is the coarser of both."""
    a, b = _named(before.stages), _named(after.stages)
    found = sorted(_ranked(a, b, precision), key=lambda entry: entry[0])
    ordered = [difference for _, difference in found]
    inside = [difference.ratio for difference in ordered if difference.state is State.ROUNDING]
    return RunChange(
        before.name,
        before.seed,
        next((difference for difference in ordered if difference.state is State.MOVED), None),
        next(iter(ordered), None),
        max(inside, default=0.0),
        tuple(_uncompared(a, b)),
    )


def _ranked(a: dict[str, Stage], b: dict[str, Stage], precision: str) -> Iterator[tuple[tuple[int, int, int], Difference]]:
    for position, (key, stage) in enumerate(a.items()):
        if key not in b or stage.failure or b[key].failure:
            continue
        held, there = set(stage.digest.split()), set(b[key].digest.split())
        if not (_bare(stage) and (held <= there or there <= held)):
            for difference in differences(stage, b[key], precision):
                yield _rank(stage, difference, position), difference


def _rank(stage: Stage, difference: Difference, position: int) -> tuple[int, int, int]:
    if stage.name in BEFORE:
        return BEFORE.index(stage.name), 0, 0
    if stage.name in TRAJECTORY:
        return len(BEFORE), difference.at, TRAJECTORY.index(stage.name)
    return len(BEFORE) + 1, position, 0


def _named(records: Iterable[Json]) -> dict[str, Stage]:
    """Stages by name and step. What has a digest alone may be there several times (looked at from several sides): one stage."""
    found: dict[str, Stage] = {}
    for stage in map(Stage.of, records):
        key = stage.name if stage.step is None else f"{stage.name} after step {stage.step}"
        others = found[key].digest.split() if key in found else []
        found[key] = dataclasses.replace(stage, digest=" ".join(sorted({stage.digest, *others})))
    return found


def _bare(stage: Stage) -> bool:
    """Whether it is a digest and nothing else."""
    return not (stage.values or stage.exact or stage.failure)


def _uncompared(a: dict[str, Stage], b: dict[str, Stage]) -> Iterator[str]:
    for side, stages in (("baseline", a), ("new report", b)):
        for stage in stages.values():
            if stage.failure:
                yield f"no stage records in the {side}: {stage.failure}"
    if all(map(_bare, a.values())) or all(map(_bare, b.values())):
        yield "no stage records to localise by"
    for side, here, there in (("baseline", a, b), ("new report", b, a)):
        only = [key for key, stage in here.items() if key not in there and not _bare(stage)]
        if only:
            yield f"only in the {side}: {', '.join(only)}"
