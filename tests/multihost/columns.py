"""One process that computes its part of a Jacobian, shared through the store.

python -m tests.multihost.columns STORE OUT [--die-after BLOCKS]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jax
import numpy as np

from harness.engine.jacobian import dense_jacobian, layout
from harness.runs.store import Store
from tests.multihost.world import EXPERIMENT, MODULES, world


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--die-after", type=int, default=None, metavar="BLOCKS", help="be killed with one more block claimed")
    parser.add_argument("--together", type=int, default=1, metavar="PROCESSES", help="start when so many are ready")
    given = parser.parse_args()
    f, x = world()
    key = {"experiment": EXPERIMENT.fingerprint(), "columns": layout(x)[1]}
    blocks = Store(given.store).blocks("jacobian", key, MODULES)
    claimed: list[int] = []
    (given.store / f"ready-{os.getpid()}").touch()
    while len(list(given.store.glob("ready-*"))) < given.together:
        time.sleep(0.05)

    @contextmanager
    def claim(first: int) -> Iterator[bool]:
        with blocks.claim(first) as mine:
            if mine:
                if len(claimed) == given.die_after:
                    os.kill(os.getpid(), signal.SIGKILL)
                claimed.append(first)
            yield mine

    matrix = dense_jacobian(f, x, done=blocks, claim=claim)
    np.save(given.out, matrix)
    print(json.dumps({"claimed": claimed, "devices": jax.local_device_count()}))


if __name__ == "__main__":
    main()
