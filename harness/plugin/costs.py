"""What experiments and claims cost, and the order of claims in which the first verdicts come early."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from harness.runs.experiment import CATALOGUE, of_one_seed
from harness.suite.claim import Claim

LEAST = 1.0  # seconds of the cheapest class


def values(over: str, runs: int) -> int:
    """Number of values of a claim on so many runs: one for each run, one for each pair, or one in all."""
    return {"once": 1, "interval": 1, "pairs": math.comb(runs, 2)}.get(over, max(runs, 1))


def runs_of(name: str, scale: str, seeds: int, every_seed: bool) -> int:
    """Number of runs of an experiment: one if its seed is fixed, else one a seed."""
    experiment = CATALOGUE.get(name, {}).get(scale)
    return 1 if experiment is not None and of_one_seed(experiment, every_seed) else seeds


@dataclass(frozen=True)
class Costs:
    """Seconds that the tasks of a run took in an earlier run.

    Attributes:
        seconds: to prepare one run of each experiment, by its name, and for one value of each claim, by its id.
        runs: gives the number of runs of an experiment by its name.
        needs: ids of claims -> experiments that a claim takes beside its own, such as those of its controls.
    """

    seconds: Mapping[str, float] = field(default_factory=dict)
    runs: Callable[[str], int] = lambda name: 1
    needs: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def claim(self, claim: Claim) -> float | None:
        """Seconds to judge the claim on prepared runs; None where no earlier run says."""
        known = self.seconds.get(claim.id)
        return None if known is None else known * values(claim.over, sum(map(self.runs, claim.on)))

    def experiment(self, name: str) -> float:
        """Seconds to prepare all runs of the experiment. An experiment without a recorded time counts as the cheapest."""
        return self.seconds.get(name, LEAST) * self.runs(name)

    def used(self, claim: Claim) -> tuple[str, ...]:
        """The experiments that the claim and its controls take."""
        return tuple(dict.fromkeys([*claim.on, *self.needs.get(claim.id, ())]))

    def cheapest_first(self, claims: Sequence[Claim]) -> list[Claim]:
        """The claims by the cost of what they still need when their turn comes; those of one class of cost stay in their order.

        The readings of one statement stay together, since the first of them often does the work of all. The order follows from
        the claims and the recorded costs alone, so that it is the same on every machine.
        """
        waiting = [list(group) for _, group in itertools.groupby(claims, key=lambda claim: (claim.function, claim.on))]
        prepared: set[str] = set()
        found: list[Claim] = []
        while waiting:
            chosen = min(waiting, key=lambda group: self._class(group, prepared))
            waiting.remove(chosen)
            prepared.update(name for claim in chosen for name in self.used(claim))
            found += chosen
        return found

    def _class(self, claims: Sequence[Claim], prepared: set[str]) -> int:
        needed = {name for claim in claims for name in self.used(claim)} - prepared
        cost = sum(map(self.experiment, sorted(needed))) + sum(self.claim(claim) or 0.0 for claim in claims)
        # costs of one class differ by less than two: times of an earlier run are no finer, and the claims of a file stay together
        return math.frexp(max(cost, LEAST) / LEAST)[1]
