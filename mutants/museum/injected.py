"""A pytest plugin that puts a fault into a library before the suite imports it.

Used as ``-p mutants.museum.injected``; the environment names the injection, ``MUSEUM_INJECTION``, as module.function.
"""

from __future__ import annotations

import importlib
import os

VARIABLE = "MUSEUM_INJECTION"


def inject(name: str) -> None:
    """Apply the injection of that name; raises where there is none, or where it does not fit the library."""
    module, _, function = name.partition(".")
    getattr(importlib.import_module(f"mutants.museum.injections.{module}"), function)()


if VARIABLE in os.environ:
    inject(os.environ[VARIABLE])
