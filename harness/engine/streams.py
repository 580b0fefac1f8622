"""Named random streams: every random number comes from a seed and a name, and no stream is used twice.

A stream is the seed folded with a hash of the name, so adding a stream changes no other stream.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from harness.errors import InvalidInput

if TYPE_CHECKING:
    import jax


def _words(name: str) -> list[int]:
    digest = hashlib.sha256(name.encode()).digest()
    return [int.from_bytes(digest[i : i + 4], "little") for i in range(0, 16, 4)]


def numpy_stream(seed: int, name: str) -> np.random.Generator:
    """NumPy generator of the stream ``name`` of ``seed``: the same numbers on every platform (PCG64).

    Raises:
        InvalidInput: negative seed.
    """
    if seed < 0:
        raise InvalidInput(f"seed {seed} is negative: give 0 or more")
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, *_words(name)])))


def stream(seed: int, name: str) -> jax.Array:
    """JAX key of the stream ``name`` of ``seed``, for draws inside compiled code.

    Raises:
        InvalidInput: negative seed.
    """
    if seed < 0:
        raise InvalidInput(f"seed {seed} is negative: give 0 or more")
    import jax

    return jax.random.fold_in(jax.random.key(seed), _words(name)[0])
