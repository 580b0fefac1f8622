"""Deep probing: run the hypothesis properties with fresh random examples until the time is up.

    python -m harness.probe --minutes 5

Each counterexample is printed once, shrunk, as a line that can be pasted above its test. Exits with 1 if there was any.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from harness.errors import InvalidInput

PROPERTIES = ("claims/training_jacobian/test_quadratic_properties.py", "tests/test_engine_properties.py")
Property = Callable[[], None]


def properties(paths: Sequence[Path]) -> list[Property]:
    """The hypothesis tests of the files, under the ``deep`` profile.

    Raises:
        InvalidInput: a file is missing, or none holds a property.
    """
    from hypothesis import is_hypothesis_test, settings

    from harness.strategies import register_profiles

    register_profiles()
    settings.load_profile("deep")
    found = [value for path in paths for value in vars(_load(path)).values() if is_hypothesis_test(value)]
    if not found:
        raise InvalidInput(f"no property in {', '.join(map(str, paths))}: give files with @given tests")
    return found


def counterexample(test: Property, seed: int) -> tuple[str | None, int]:
    """One line that shows the shrunk failure of the property under this seed, or None where it holds; and the examples tried."""
    from hypothesis import seed as seeded

    handle: Any = test
    inner, failing, tried = handle.hypothesis.inner_test, {}, 0

    def recording(**arguments: Any) -> None:
        nonlocal tried
        tried += 1
        try:
            inner(**arguments)
        except Exception:
            failing.update(arguments)  # the last one to fail is the shrunk one
            raise

    handle.hypothesis.inner_test = recording
    try:
        seeded(seed)(handle)()
    except Exception as error:
        example = ", ".join(f"{name}={value!r}" for name, value in failing.items())
        said = f"{handle.__name__}: {type(error).__name__}: {str(error).partition(chr(10))[0]}".rstrip()
        return f"@example({example})  # {said}", tried
    finally:
        handle.hypothesis.inner_test = inner
    return None, tried


def probe(tests: Sequence[Property], seconds: float, first_seed: int) -> Iterator[str]:
    """Yield counterexamples and one line a round, until the time is up; every property runs at least once."""
    end, seen, seed, total = time.monotonic() + seconds, set[str](), first_seed, 0
    while seed == first_seed or time.monotonic() < end:
        for test in tests:
            if seed > first_seed and time.monotonic() >= end:
                break
            line, tried = counterexample(test, seed)
            total += tried
            if line is not None and line not in seen:
                seen.add(line)
                yield line
        left = max(0.0, end - time.monotonic())
        yield f"# seed {seed}: {len(tests)} properties on {total} examples, {len(seen)} counterexamples so far, {left:.0f} s left"
        seed += 1


def main(arguments: Sequence[str] | None = None) -> int:
    """Probe and print; the exit status is 1 after a counterexample and 2 for bad input."""
    parser = argparse.ArgumentParser(prog="python -m harness.probe", description="Probe the hypothesis properties for a while.")
    parser.add_argument("--minutes", type=float, default=5.0, help="how long to probe (default 5)")
    parser.add_argument("--seed", type=int, default=None, help="first seed (default: the clock)")
    parser.add_argument("files", nargs="*", type=Path, default=list(map(Path, PROPERTIES)), help="files with @given tests")
    given = parser.parse_args(arguments)
    if not given.minutes > 0:
        parser.error(f"--minutes {given.minutes}: give a positive number")
    os.environ["JAX_ENABLE_X64"] = "1"
    try:
        tests = properties(given.files)
    except InvalidInput as error:
        parser.error(str(error))
    failed = False
    for line in probe(tests, 60 * given.minutes, int(time.time()) if given.seed is None else given.seed):
        failed |= line.startswith("@example")
        print(line, flush=True)
    return int(failed)


def _load(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"probed_{path.stem}", path)
    if not path.is_file() or spec is None or spec.loader is None:
        raise InvalidInput(f"{path}: no such file with properties; run this from the repository's root")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up by name
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    sys.exit(main())
