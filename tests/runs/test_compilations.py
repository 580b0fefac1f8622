"""Compiled programs are kept in the store, without a store in a temporary folder, or in the user's own folder."""

from __future__ import annotations

from pathlib import Path

import jax
import pytest
from jax.experimental.compilation_cache import compilation_cache

from harness.runs import compilations
from harness.runs.compilations import keep_in, keep_while_running

NAMES = ("compilation_cache_dir", "persistent_cache_min_compile_time_secs", "persistent_cache_min_entry_size_bytes")


@pytest.fixture(autouse=True)
def none_kept():
    """Nothing is kept yet; afterwards everything is as it was."""
    before = {f"jax_{name}": getattr(jax.config, f"jax_{name}") for name in NAMES}
    compilation_cache.reset_cache()
    compilations._temporary.cache_clear()
    jax.config.update("jax_compilation_cache_dir", None)
    yield
    for name, value in before.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    compilations._temporary.cache_clear()


def compiled(number: float) -> list[Path]:
    """The files in the folder where it is kept, after a program with this number was compiled."""
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    jax.jit(lambda x: x * number + number)(1.0)
    return list(Path(jax.config.jax_compilation_cache_dir).iterdir())


def test_without_a_store_programs_are_kept_as_long_as_the_process_lives():
    keep_while_running()
    folder = Path(jax.config.jax_compilation_cache_dir)
    assert compiled(0.1234)
    keep_while_running()
    assert Path(jax.config.jax_compilation_cache_dir) == folder
    compilations._temporary.cache_clear()  # as when the process ends
    assert not folder.exists()


def test_where_the_user_keeps_programs_they_stay(tmp_path):
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    keep_while_running()
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)


def test_a_store_keeps_them_from_then_on(tmp_path):
    keep_while_running()
    held = len(compiled(0.2345))
    temporary = Path(jax.config.jax_compilation_cache_dir)
    keep_in(str(tmp_path))
    assert jax.config.jax_compilation_cache_dir == str(tmp_path)
    assert compiled(0.3456)
    assert len(list(temporary.iterdir())) == held
