"""Workers with other libraries, or on another kind of processor, are refused when they arrive."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from distributed.diagnostics.plugin import WorkerPlugin

from harness.cluster.work import unlike

TOPIC = "claims-refused"


class Refusal(WorkerPlugin):  # type: ignore[misc]
    """Closes a worker that is unlike the run, and tells the run by an event.

    Args:
        facts: of the run, from :func:`harness.cluster.work.facts`.
    """

    name = "claims-refusal"

    def __init__(self, facts: Mapping[str, str]) -> None:
        self.facts = dict(facts)

    def setup(self, worker: Any) -> None:
        if differs := unlike(self.facts):
            worker.log_event(TOPIC, {"worker": worker.address, "differs": differs})
            worker.loop.add_callback(worker.close, executor_wait=False, reason="claims: unlike the run")
