"""The amount of free memory, as the system says it."""

from pathlib import Path

import pytest

from harness.runs.bench import free

MEMINFO = """MemTotal:       24689420 kB
MemFree:         1000000 kB
MemAvailable:   20000000 kB
HugePages_Total:       0
"""


def test_files_that_the_system_would_give_up_count_as_free(tmp_path: Path) -> None:
    held = tmp_path / "meminfo"
    held.write_text(MEMINFO, encoding="ascii")
    assert free(held) == 20_000_000 * 1024


@pytest.mark.parametrize("text", [None, "", "MemFree: 1 kB\n", "MemAvailable: plenty\n", "no colon\n"])
def test_a_system_that_does_not_say_has_four_gibibytes(tmp_path: Path, text: str | None) -> None:
    held = tmp_path / "meminfo"
    if text is not None:
        held.write_text(text, encoding="ascii")
    assert free(held) == 2**32
