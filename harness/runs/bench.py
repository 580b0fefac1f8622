"""Parts that a run of a user's network needs: the result of training, a store in memory, the amount of free memory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Trained:
    """The result of training.

    Attributes:
        theta_0, theta_T: parameters before and after, shape (N,).
        losses: the batch's loss before each step, shape (steps,).
        train_loss, test_loss: after the last step, over all training and all test examples.
        train_accuracy, test_accuracy: shares of examples classified right; NaN where labels are no classes.
    """

    theta_0: Any
    theta_T: Any
    losses: Any
    train_loss: float
    test_loss: float
    train_accuracy: float
    test_accuracy: float


class InMemory:
    """The part of a store that a run uses, without a disk."""

    def arrays(self, kind: str, key: Any, compute: Any, *, modules: Any = ()) -> Any:
        return {name: np.asarray(value) for name, value in compute().items()}

    def holds(self, kind: str, key: Any, modules: Any) -> bool:
        return False

    def blocks(self, kind: str, key: Any, modules: Any) -> Any:
        return {}

    def keep_compilations(self) -> None:
        """Compiled programs live as long as the process."""


def free(meminfo: Path = Path("/proc/meminfo")) -> int:
    """Bytes of free memory, with the files that the system would give up for it; 4 GiB if the system does not say."""
    try:
        fields = dict(line.split(":") for line in meminfo.read_text(encoding="ascii").splitlines())
        return int(fields["MemAvailable"].removesuffix("kB")) * 1024
    except (OSError, ValueError, KeyError):
        return 2**32


def gib(size: int) -> str:
    return f"{size / 2**30:.3g} GiB"
