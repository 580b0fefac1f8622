"""What the machine offers to a computation in blocks: how many columns go well together."""

from __future__ import annotations

import math
import os
from typing import Any

import jax

LEAST = 8  # columns; below, vector units idle
# Networks of 610 to 10,210 parameters in both precisions are differentiated fastest, or within a tenth of it, with 32 columns a
# core as long as they fit twice its second-level cache, and with fewer beyond (measured on an AMD EPYC with 1 MiB).
CPU_MOST, CPU_CACHES = 32, 2
SECOND_LEVEL = 2**20  # bytes of cache where the system does not tell
# Accelerators: what a sixty-fourth of the memory holds, since the memory of the optimiser and activations come on top.
ACCELERATOR_MOST, ACCELERATOR_SHARE = 1024, 1 / 64


def columns(x: Any, device: Any) -> int:
    """Tangents of x that a device pushes at once, a power of two: training reads and writes all of them at each step.

    Args:
        x: a tree of arrays.
        device: a JAX device.
    """
    each = sum(leaf.size * leaf.dtype.itemsize for leaf in jax.tree.leaves(x))
    if device.platform == "cpu":
        most, room = CPU_MOST, float(CPU_CACHES * second_level_cache())
    else:
        most, room = ACCELERATOR_MOST, accelerator_memory(device) * ACCELERATOR_SHARE
    return min(most, max(LEAST, 2 ** math.floor(math.log2(max(1.0, room / each)))))


def second_level_cache() -> int:
    """Bytes of a core's second-level cache; 1 MiB where the system does not tell."""
    try:
        return max(0, os.sysconf("SC_LEVEL2_CACHE_SIZE")) or SECOND_LEVEL
    except (AttributeError, ValueError, OSError):
        return SECOND_LEVEL


def accelerator_memory(device: Any) -> int:
    """Bytes that JAX may use on an accelerator; 8 GiB where it does not tell."""
    return int((device.memory_stats() or {}).get("bytes_limit", 2**33))
