"""One process that computes a Jacobian and keeps its finished blocks in a store.

python -m tests.multihost.columns STORE OUT [--die-after BLOCKS]
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from pathlib import Path
from typing import Any

import jax
import numpy as np

from harness.engine import jacobian
from harness.engine.jacobian import dense_jacobian, layout
from harness.runs.store import Store
from tests.multihost.world import EXPERIMENT, MODULES, world


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("store", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--die-after", type=int, default=None, metavar="BLOCKS", help="be killed at the end of one more block")
    given = parser.parse_args()
    f, x = world()
    key = {"experiment": EXPERIMENT.fingerprint(), "columns": layout(x)[1]}
    blocks = Store(given.store).blocks("jacobian", key, MODULES)
    computed: list[int] = []
    finite = jacobian._finite

    def logged(block: Any, first: int, label: str) -> Any:
        if len(computed) == given.die_after:
            os.kill(os.getpid(), signal.SIGKILL)
        computed.append(first)
        return finite(block, first, label)

    jacobian._finite = logged
    matrix = dense_jacobian(f, x, done=blocks)
    np.save(given.out, matrix)
    print(json.dumps({"computed": computed, "devices": jax.local_device_count()}))


if __name__ == "__main__":
    main()
