"""Planted reports: three runs of one experiment with their stage records, and a claim judged as a live run judges it."""

import dataclasses
import json
from pathlib import Path

from harness.suite.records import (
    ClaimRecord,
    ControlRecord,
    ExperimentRecord,
    Json,
    MeasurementRecord,
    MembershipRecord,
    Report,
    RuleRecord,
    sealed,
)
from harness.suite.rejudge import interval_of, rejudge

RUNS = [f"digits[{seed}]" for seed in range(3)]
ENVIRONMENT = {"jax": "0.10.2", "device": "2 x cpu (cpu)", "system": "Linux x86_64", "cpu": "planted", "load": "1.0"}


def stages(*, at: int | None = None, by: float = 1e-7, **digests: str) -> list[Json]:
    """A planted run: data, theta_0, ten losses, parameters, J; ``at`` shifts losses from that step on ``by`` so much."""
    losses = [2.0 - 0.1 * step + (by if at is not None and step >= at else 0.0) for step in range(10)]
    theta = [0.5 + (by if at is not None else 0.0)] * 16
    return [
        {"name": "experiment", "digest": digests.get("experiment", "e"), "exact": True},
        {"name": "data", "digest": digests.get("data", "d"), "exact": True},
        {"name": "initial parameters", "digest": "t", "values": [0.5] * 16, "rounding": [1e-8], "step": 0},
        {"name": "loss", "digest": f"l{at}{by}", "values": losses, "rounding": [1e-7] * 10, "steps": list(range(10))},
        {"name": "parameters", "digest": f"p{at}{by}", "values": theta, "rounding": [1e-7], "step": 10},
        {"name": "blocks", "digest": digests.get("blocks", "b")},
    ]


def judged(values: list[float], id: str = "paper/size", **changes: object) -> ClaimRecord:
    """A claim supported in [0.9, 1.1], judged as a live run judges it."""
    over = str(changes.pop("over", "seeds"))
    runs = [[run] for run in RUNS[: len(values)]] if len(values) <= 3 else [[f"digits[{n}]"] for n in range(len(values))]
    measured = MeasurementRecord("size", "", "", runs, list(values), changes.pop("trials", None))  # type: ignore[arg-type]
    interval = interval_of(over, measured)
    shown = [interval.low, interval.high] if interval.bounded else None
    measured = dataclasses.replace(measured, interval=shown, method=interval.method)
    record = ClaimRecord(
        id,
        "paper",
        "Section 1",
        "it is one",
        "size",
        over,
        "",
        1.0,
        "claims/test_it.py::test_size",
        RuleRecord([0.9, 1.1], "ten percent"),
        "SUPPORTED",
        None,
        verdict="SUPPORTED",
        passed=True,
        measurements=[measured],
        experiments={"digits": "0" * 64},
        controls=[ControlRecord("doubled", "REFUTED", "REFUTED", 2.0)],
        membership=MembershipRecord("absent", "there is no reference ensemble for it"),
    )
    return dataclasses.replace(record, **{"verdict": rejudge(record).name, **changes})  # type: ignore[arg-type]


def report(*claims: ClaimRecord, steps: list[Json] | None = None, **changes: object) -> Report:
    runs = [ExperimentRecord("digits", seed, "f" * 64, {}, steps if steps is not None else stages()) for seed in range(3)]
    made = Report(
        complete=True,
        partial=False,
        scale="smoke",
        seeds=3,
        precision="float32",
        created="2025-01-02T03:04:05Z",
        seconds=1.0,
        peak_memory=None,
        environment=ENVIRONMENT,
        experiments=runs,
        claims=list(claims) or [judged([0.99, 1.0, 1.01])],
    )
    return dataclasses.replace(made, **changes)  # type: ignore[arg-type]


BASE = report()
SHIFTED = report(judged([0.99, 1.0, 1.015]), steps=stages(at=4, by=1e-3))
REFUTED = report(judged([1.99, 2.0, 2.01]), steps=stages(at=4, by=1e-3))


def edit(folder: Path, change: object) -> None:
    """Change a stored report's JSON, and seal it again."""
    data = json.loads((folder / "report.json").read_text())
    change(data)  # type: ignore[operator]
    (folder / "report.json").write_text(json.dumps(sealed(data)))
