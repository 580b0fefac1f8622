"""Which stage of each run moved first: the stages in the order in which they feed each other, the trajectory by its steps."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from harness.compare.differences import Difference, Stage, State, differences
from harness.runs.experiment import PRECISIONS
from harness.suite.records import ExperimentRecord, Json, Report

# stages that come before any step; the trajectory's follow by step, and all others after it in the order of their records
BEFORE = ("experiment", "data", "initial parameters", "batch order")
TRAJECTORY = ("parameters", "loss", "later loss")
# A small run's rounding error was .87 to 1.15 times as large with AVX-512, AVX2, SSE4.2 and three kernels of OpenBLAS; float32
# products that are taken in ten bits make it thousands of times as large.
GREW = 8.0


@dataclass(frozen=True)
class RunChange:
    """One run (an experiment with one seed) in both reports.

    Attributes:
        moved: the first stage beyond its rounding-error model, or None.
        bits: the first stage of other bits, or None.
        ratio: the largest difference over what is allowed, among stages that stayed within rounding.
        uncompared: stages that only one report has, and stages that could not be recorded.
        wider: the first stage whose own rounding error, which decides what is allowed, grew more than :data:`GREW` times, or "".
    """

    name: str
    seed: int
    moved: Difference | None
    bits: Difference | None
    ratio: float
    uncompared: tuple[str, ...]
    wider: str = ""

    @property
    def label(self) -> str:
        return f"{self.name}[{self.seed}]"

    @property
    def redefined(self) -> bool:
        """Whether the run is of another experiment under the same name."""
        return self.moved is not None and self.moved.stage == BEFORE[0]

    @property
    def same_start(self) -> bool:
        """Whether both began at the same theta_0, so that their results are a pair."""
        return self.moved is None or self.moved.stage not in BEFORE

    @property
    def first(self) -> Difference | None:
        """The stage to look at: the first that moved, else the first of other bits."""
        return self.moved or self.bits


def localise(before: Report, after: Report) -> list[RunChange]:
    """Every run that both reports hold."""
    precision = next(name for name in PRECISIONS if name in (before.precision, after.precision))
    held = {(run.name, run.seed): run for run in before.experiments}
    same = before.precision == after.precision
    pairs = [(held[run.name, run.seed], run) for run in after.experiments if (run.name, run.seed) in held]
    return [dataclasses.replace(change(a, b, precision), wider=wider(a, b) if same else "") for a, b in pairs]


def wider(before: ExperimentRecord, after: ExperimentRecord) -> str:
    """The first stage whose measured rounding error grew too much for another machine's, "" if none did.

    The allowed difference is measured on the runs themselves. A fault that makes both precisions wrong, such as products of ten
    bits, would widen it, and so hide itself.
    """
    there = _named(after.stages)
    for key, stage in _named(before.stages).items():
        sizes = [_size(one) for one in (stage, there.get(key, stage))]
        if sizes[0] > 0 and sizes[1] > GREW * sizes[0]:
            where = stage.name if not stage.step else key
            return f"{where}: its own rounding error grew {sizes[1] / sizes[0]:.3g} times, from {sizes[0]:.2g} to {sizes[1]:.2g}"
    return ""


def _size(stage: Stage) -> float:
    """Root mean square of a record's errors; for groups their median, since a kink (a ReLU's other side) widens one group."""
    sizes = stage.rounding
    if stage.groups:
        return statistics.median(sizes)
    return math.sqrt(sum(size * size for size in sizes) / len(sizes)) if sizes else 0.0


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
    for key, stage in a.items():
        if key not in b or stage.failure or b[key].failure:
            continue
        held, there = set(stage.digest.split()), set(b[key].digest.split())
        if not (_bare(stage) and (held <= there or there <= held)):
            for difference in differences(stage, b[key], precision):
                yield _rank(stage, difference), difference


def _rank(stage: Stage, difference: Difference) -> tuple[int, int, int]:
    """Sorts by the flow of the data; stages of equal rank keep the order of their records."""
    if stage.name in BEFORE:
        return BEFORE.index(stage.name), 0, 0
    if stage.name in TRAJECTORY:
        return len(BEFORE), difference.at, TRAJECTORY.index(stage.name)
    return len(BEFORE) + 1, 0, 0


def _named(records: Iterable[Json]) -> dict[str, Stage]:
    """Stages by name and step. A stage that has a digest alone may be recorded several times; it counts as one stage."""
    found: dict[str, Stage] = {}
    for stage in map(Stage.of, records):
        key = stage.name if stage.step is None else f"{stage.name} after step {stage.step}"
        others = found[key].digest.split() if key in found else []
        found[key] = dataclasses.replace(stage, digest=" ".join(sorted({stage.digest, *others})))
    return found


def _bare(stage: Stage) -> bool:
    """Whether the stage is a digest and nothing else."""
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
