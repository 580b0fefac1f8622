"""What is kept of one variant with one seed: a small JSON file each, enough to judge and to draw without JAX."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.suite.records import ControlRecord, Json, plain

FORMAT = 1
# every measured quantity of a row: its name, and what it is
FACTS = {
    "near": "share of the free directions with |sigma - 1| < 0.1",
    "above": "share of the free directions with sigma >= 1.1",
    "below": "share of the free directions with sigma <= 0.9",
    "structural": "share of all directions that training carries exactly and that are kept apart; the others are free",
    "near_all": "share of all directions with |sigma - 1| < 0.1, structural ones included",
    "near_noise": "near, of the same network trained on white noise",
    "rank_0.001": "singular values of J - I above 0.001, as a share of N",
    "rank_0.01": "singular values of J - I above 0.01, as a share of N",
    "rank_0.1": "singular values of J - I above 0.1, as a share of N",
    "sigma_1": "largest singular value",
    "bulk_cosine": "median cos(u_i, v_i) over the free directions with |sigma - 1| < 0.1",
    "base_overlap": "mean cosine of the principal angles between the bulks of the variant and of the base network; excess over "
    "chance, smallest over k from 10 % to 80 % of the dimensions",
    "log_volume": "sum of log sigma over the free directions outside the bulk, over the number of all free ones, in nats",
    "log_volume_shuffled": "log_volume, of the same network trained on shuffled labels",
    "path_regions": "largest difference of the three regions' shares of all directions between J and the product of its steps, "
    "with Hessians of the mean loss in place of the batches' (`harness.runs.hessian_path`)",
    "path_regions_memoryless": "path_regions, of the product without momentum",
    "path_sigma": "median |ln| of the ratio of that product's singular values to those of J at the same rank, outside the bulk",
    "path_sigma_memoryless": "path_sigma, of the product without momentum",
    "path_null": "how far the directions that all Hessians move least (eta^2 H^2, summed), as many as the bulk has, are "
    "from chance, 0, to the bulk, 1: (mean cosine - chance) / (1 - chance), structural directions left out",
    "path_null_strongest": "path_null, of the directions that they move most",
    "train_loss": "training loss after the last step",
    "test_loss": "test loss after the last step",
    "test_accuracy": "share of test examples classified right",
    "inputs": "inputs of an example",
    "input_rank": "rank of the training inputs' covariance",
    "input_participation": "participation ratio of that covariance's eigenvalues, (sum)^2 / sum of squares",
}
PAIR_FACTS = {
    "chaotic_overlap": "mean cosine of the principal angles between both seeds' top right singular vectors, as many as are above "
    "1.1 in both; excess over chance",
    "chaotic_in_bulk": "the same between one seed's top vectors and as many of the other's that are nearest one",
}


@dataclass(frozen=True)
class Measured:
    """A claim's value on one run or pair of runs.

    Attributes:
        value: None where there is none.
        why: why there is none.
        broken: whether something failed; False for a claim that does not apply.
        controls: the claim in its controls' worlds, of this seed or pair.
    """

    value: float | None
    why: str = ""
    broken: bool = False
    controls: list[ControlRecord] = field(default_factory=list)


@dataclass(frozen=True)
class Row:
    """One variant with one seed.

    Attributes:
        variant, axis, value, given: as in the table.
        size: N, the number of parameters.
        examples, batch, epochs, steps, precision: of the training. Rows that do not say a precision have float32.
        failure: why nothing was measured, such as a diverging training; else "".
        facts: by the names of :data:`FACTS`; None where a quantity is not there.
        sigma: singular values, descending, at evenly spaced ranks from the first to the last.
        claims: by id, of one run; empty where the sweep was asked for facts alone.
        pairs: by the other seed and id, of two runs.
        common: by the other seed and the names of :data:`PAIR_FACTS`.
        seconds: time that the row took.
    """

    variant: str
    axis: str
    value: float | str
    given: dict[str, float]
    seed: int
    size: int
    examples: int
    batch: int
    epochs: int
    steps: int
    precision: str = "float32"
    failure: str = ""
    facts: dict[str, float | None] = field(default_factory=dict)
    sigma: list[float] = field(default_factory=list)
    claims: dict[str, Measured] = field(default_factory=dict)
    pairs: dict[str, dict[str, Measured]] = field(default_factory=dict)
    common: dict[str, dict[str, float | None]] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def broken(self) -> list[str]:
        """Ids of claims that failed, each with its reason."""
        every = [self.claims, *self.pairs.values()]
        return [f"{id}: {one.why}" for held in every for id, one in held.items() if one.broken]

    def to_json(self) -> Json:
        return dict(plain(dataclasses.asdict(self)))

    @classmethod
    def from_json(cls, data: Json) -> Row:
        claims = {id: _measured(one) for id, one in data["claims"].items()}
        pairs = {other: {id: _measured(one) for id, one in held.items()} for other, held in data["pairs"].items()}
        return cls(**{**data, "claims": claims, "pairs": pairs})


def _measured(data: Json) -> Measured:
    return Measured(**{**data, "controls": [ControlRecord(**control) for control in data["controls"]]})


def read(path: Path, key: Mapping[str, Any], of: Collection[str] = ()) -> Row | None:
    """The row that was kept for this key; None where there is none, it answers another key, or it is cut short.

    Args:
        of: the parts of the key that count; all by default.
    """
    try:
        held, row = parsed(path.read_text(encoding="utf-8"))
        same = all(held[part] == key[part] for part in of) if of else held == dict(key)
        return row if same else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def parsed(content: str) -> tuple[Json, Row]:
    """The key and the row of a file's text."""
    data = json.loads(content)
    return dict(data["key"]), Row.from_json(data["row"])


def text(key: Mapping[str, Any], row: Row) -> str:
    """The text of a row's file."""
    return json.dumps({"key": dict(key), "row": row.to_json()}, allow_nan=False) + "\n"


def write(path: Path, key: Mapping[str, Any], row: Row) -> None:
    """Keep a row; a process that is killed meanwhile leaves the old file or none."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}-{os.getpid()}")
    try:
        beside.write_text(text(key, row), encoding="utf-8")
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)
