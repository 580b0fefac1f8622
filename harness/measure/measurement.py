"""The result of a measurement: one number a seed, with the data that its interval and its figure need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Measurement:
    """One value of one seed (or pair of seeds), with the data that its figure and its interval need.

    Attributes:
        value: the number that the region judges.
        unit: its unit, or "" for a pure number.
        counted: the objects that were counted or averaged over, in words.
        trials: number of independent trials behind ``value`` when it is a proportion, else None.
        arrays: evidence that figures are drawn from; name -> array.
        details: further numbers worth reporting beside the value; name -> number.
        interval: the value's own 95 % interval (low, high) and the method that made it, for a claim over ``interval``.
    """

    value: float
    unit: str = ""
    counted: str = ""
    trials: int | None = None
    arrays: Mapping[str, np.ndarray[Any, Any]] = field(default_factory=dict)
    details: Mapping[str, float] = field(default_factory=dict)
    interval: tuple[float, float, str] | None = None
