"""Replace a function of a library wherever the library's modules hold it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import wraps
from types import ModuleType
from typing import Any

Function = Callable[..., Any]


class DoesNotFit(RuntimeError):
    """A patch found nothing to replace in this release of the library."""


def everywhere(package: str, original: Any, patched: Any) -> None:
    """Put ``patched`` in the place of ``original`` in every imported module of ``package``.

    Raises:
        DoesNotFit: no module holds it.
    """
    held = [module for name, module in list(sys.modules.items()) if name == package or name.startswith(f"{package}.")]
    places = [(module, name) for module in held for name, value in _names(module) if value is original]
    if not places:
        raise DoesNotFit(f"no module of {package} holds {original!r}")
    for module, name in places:
        setattr(module, name, patched)


def instead_of(original: Any, package: str) -> Callable[[Function], Function]:
    """Decorate the function that takes the place of ``original`` everywhere in ``package``.

    Raises:
        DoesNotFit: no module holds it.
    """

    def put(patched: Function) -> Function:
        everywhere(package, original, wraps(original)(patched))
        return patched

    return put


def _names(module: ModuleType | None) -> list[tuple[str, Any]]:
    return list(vars(module).items()) if isinstance(module, ModuleType) else []
