"""How xdist spreads claims: those of one experiment stay on one worker, so that it is prepared once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from xdist.scheduler import LoadGroupScheduling


class ByExperiment(LoadGroupScheduling):  # type: ignore[misc]
    """Groups claims by their first experiment and everything else by ``xdist_group``.

    The experiments are looked up, not marked: xdist 3.8 finds no group marks under pytest 9.2, which has no ``_nodeid``.
    """

    def __init__(self, config: pytest.Config, log: Any, experiments: Mapping[str, Sequence[str]]) -> None:
        super().__init__(config, log)
        self.experiments = experiments

    def _split_scope(self, nodeid: str) -> str:
        needed = self.experiments.get(nodeid)
        return f"experiment {needed[0]}" if needed else str(super()._split_scope(nodeid))
