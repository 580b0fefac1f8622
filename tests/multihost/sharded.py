"""One process of a job whose Jacobian stays sharded over all processes.

python -m tests.multihost.sharded ADDRESS PROCESSES ID OUT
"""

from __future__ import annotations

import sys
from pathlib import Path

import jax
import numpy as np


def main() -> None:
    address, processes, identity, out = sys.argv[1:]
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(address, int(processes), int(identity))

    from harness.engine.counting import share
    from harness.engine.krylov import Krylov, gram, probes
    from harness.engine.sharded import ShardedJacobian
    from tests.multihost.world import world

    f, x = world()
    sharded = ShardedJacobian(f, x)
    rng = np.random.default_rng(0)
    block = rng.standard_normal((sharded.size, 3))
    krylov = Krylov.start(probes(sharded.size, 4, rng))
    for _ in range(10):
        krylov.extend(gram(sharded))
    counted = share(krylov, 0.81, 1.21, confidence=0.95)
    kept = [shard.data.nbytes for shard in sharded.matrix.addressable_shards]
    np.savez(
        Path(out),
        block=block,
        forward=sharded.forward(block),
        adjoint=sharded.adjoint(block),
        devices=jax.device_count(),
        kept=sum(kept),
        counted=[counted.low, counted.estimate, counted.high],
    )


if __name__ == "__main__":
    main()
