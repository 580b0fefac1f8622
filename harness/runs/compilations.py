"""Where JAX keeps compiled programs; only this module changes JAX's configuration of that."""

from __future__ import annotations

import tempfile
from functools import cache
from typing import Any


def keep_in(folder: str) -> None:
    """Side effect on JAX: compiled programs, also small ones, are kept in this folder. Seeds and worlds share every program."""
    import jax
    from jax.experimental.compilation_cache import compilation_cache

    if _temporary.cache_info().currsize and _kept() == _temporary().name != folder:
        compilation_cache.reset_cache()  # else JAX would keep writing to the former folder
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.2)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def keep_while_running() -> None:
    """Side effect on JAX: compiled programs are kept as long as the process lives, unless they are kept somewhere already."""
    if _kept() is None:
        keep_in(_temporary().name)


def _kept() -> str | None:
    import jax

    folder: str | None = jax.config.jax_compilation_cache_dir  # type: ignore[attr-defined]  # options have no types
    return folder


@cache
def _temporary() -> Any:
    """A folder that is removed when the process ends."""
    return tempfile.TemporaryDirectory(prefix="compiled-")
