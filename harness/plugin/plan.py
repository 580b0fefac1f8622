"""Estimate how long a run still takes: the time of each task in an earlier run, times this machine's pace."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping

import numpy as np

from harness.suite.ensemble import HELD

PRIOR = 5.0  # seconds of cost that the earlier run's pace weighs against the tasks done here
OWN = 10.0  # a task that takes more than so many times its cost, at this machine's pace, does the work of other tasks too


class Plan:
    """The tasks of a run, each of some kind: an experiment's name (one task a seed) or a claim's id.

    Claims share work, such as confined trainings, and the first claim that needs it does it. Which one is first depends on the
    order of a run. So a claim's surplus is taken off the claims that depend on the same experiments.

    Args:
        costs: seconds that a task of each kind took in an earlier run. Kinds without a cost take the median of such tasks here.
        needs: the kinds of task that a kind depends on, such as a claim's experiments.
    """

    def __init__(self, costs: Mapping[str, float], needs: Mapping[str, Collection[str]] | None = None) -> None:
        self._costs, self._needs = costs, needs or {}
        self._todo: Counter[str] = Counter()
        self._took: dict[str, list[float]] = {}
        self._ahead: defaultdict[str, float] = defaultdict(float)  # seconds of a kind's work that another task did

    def add(self, kinds: Iterable[str]) -> None:
        """Add one task for each named kind."""
        self._todo.update(kinds)

    def done(self, kind: str, seconds: float) -> None:
        """Record that a task is over."""
        if self._todo[kind] > 0:
            self._todo[kind] -= 1
            self._took.setdefault(kind, []).append(seconds)
            own = self._priced(kind, self.pace, self._unknown()) or 0.0
            if seconds > OWN * own:
                self._share(kind, seconds - own)
            elif self._ahead[kind] and seconds > own / 2:
                self._take_back(kind)

    def _share(self, kind: str, surplus: float) -> None:
        """Take a task's surplus off the kinds that depend on the same experiments, those with most left first."""
        left = {other: seconds for other, seconds in self._left().items() if self._together(kind, other)}
        for other in sorted(left, key=left.__getitem__, reverse=True):
            taken = min(surplus, left[other])
            self._ahead[other] += taken
            surplus -= taken

    def _take_back(self, kind: str) -> None:
        """A task took its own time after all: the surplus of the others was no work of theirs."""
        for other in [other for other in self._ahead if self._together(kind, other)]:
            del self._ahead[other]

    def _together(self, kind: str, other: str) -> bool:
        """Whether two kinds depend on the same experiment."""
        return not set(self._needs.get(kind, ())).isdisjoint(self._needs.get(other, ()))

    def drop(self, kind: str) -> None:
        """Remove the remaining tasks of this kind, and those that depend on it."""
        for each in (kind, *(other for other, needed in self._needs.items() if kind in needed)):
            self._todo[each] = 0

    @property
    def _pairs(self) -> list[tuple[float, float]]:
        """Cost and seconds of each task that is over and has a cost."""
        return [(cost, took) for kind, each in self._took.items() if (cost := self._costs.get(kind)) for took in each]

    @property
    def _computed(self) -> list[tuple[float, float]]:
        """Cost and seconds of the tasks whose results were not in the store."""
        return [(cost, took) for cost, took in self._pairs if took > HELD * cost]

    @property
    def pace(self) -> float:
        """Seconds here for a second of the earlier run, from the tasks that were computed, or from all if none was.

        It is their median, each weighted by its cost: one task with the work of others does not move it far.
        """
        told = [(cost, min(took, OWN * cost)) for cost, took in self._computed or self._pairs]
        weights, took = np.array([(PRIOR, PRIOR), *told]).T
        order = np.argsort(took / weights)
        middle = np.searchsorted(np.cumsum(weights[order]), weights.sum() / 2)
        return float((took / weights)[order[middle]])

    def left(self, running: str = "", elapsed: float = 0.0) -> float | None:
        """Seconds that the tasks still take, including the running task; None where no task's time is known.

        A task that takes longer than expected is expected to end now.
        """
        left = self._left()
        done = min(elapsed, self.expected(running) or 0.0, left.get(running, 0.0))
        return sum(left.values()) - done if left else None

    def _left(self) -> dict[str, float]:
        """Seconds that the tasks of each kind still take, where it is known."""
        pace, unknown, all_held = self.pace, self._unknown(), not self._computed
        each = {kind: self._expected(kind, pace, unknown, all_held) for kind, count in self._todo.items() if count}
        return {kind: max(0.0, self._todo[kind] * cost - self._ahead[kind]) for kind, cost in each.items() if cost is not None}

    def expected(self, kind: str) -> float | None:
        """Seconds that a task of this kind should take on this machine; None where nothing is known."""
        return self._expected(kind, self.pace, self._unknown(), not self._computed)

    def _expected(self, kind: str, pace: float, unknown: float | None, all_held: bool) -> float | None:
        """Seconds of one task: those of the last task of its kind here, else its cost at this machine's pace."""
        took, cost = self._took.get(kind), self._costs.get(kind)
        if took and (cost is None or took[-1] > HELD * cost or all_held):
            return took[-1]
        return self._priced(kind, pace, unknown)

    def _priced(self, kind: str, pace: float, unknown: float | None) -> float | None:
        """Seconds of one task by its cost alone."""
        cost = self._costs.get(kind)
        return pace * cost if cost is not None else unknown

    def _unknown(self) -> float | None:
        took = [seconds for kind, each in self._took.items() if kind not in self._costs for seconds in each]
        return float(np.median(took)) if took else None
