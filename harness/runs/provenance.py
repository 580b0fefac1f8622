"""What a stored number depends on besides its experiment: code, library versions, machine."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
import sys
from collections.abc import Callable, Iterable, Iterator
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

from harness.errors import InvalidInput

# A module, or a function or class, which stands for the module that defines it.
Code = ModuleType | Callable[..., Any]

LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "optax", "scikit-learn")
# Modules that carry or describe results without deciding any number.
CARRIERS = ("harness.progress", "harness.errors", "harness.runs.store", "harness.runs.provenance")


class _Import(NamedTuple):
    """``import name`` or ``from name import members``; ``optional`` in a ``try``, an ``if`` or a function: it may be missing."""

    name: str
    members: tuple[str, ...]
    optional: bool


@functools.cache
def code_hash(code: frozenset[Code]) -> str:
    """SHA-256 over the sources of ``code`` and of all modules that these import, except the standard library and installed
    libraries.

    A module counts by its name below its top-level package, so that the same package hashes alike under another name.

    Raises:
        InvalidInput: code without a source file, or an import that cannot be resolved: the hash would miss it.
    """
    digest = hashlib.sha256()
    for name, path in sorted(_closure(code).items()):
        digest.update(name.partition(".")[2].encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def source_hash(code: Code) -> str:
    """SHA-256 of the source of one module, without what it imports.

    Raises:
        InvalidInput: code without a source file.
    """
    return hashlib.sha256(_source(_module(code)).read_bytes()).hexdigest()


def _module(code: Code) -> ModuleType:
    if isinstance(code, ModuleType):
        return code
    if isinstance(code, functools.partial):
        return _module(code.func)
    name = getattr(code, "__module__", None)
    if name not in sys.modules:
        raise InvalidInput(
            f"{code!r} belongs to no imported module: give modules, functions or classes whose code decides the numbers"
        )
    return sys.modules[name]


def _source(module: ModuleType) -> Path:
    path = Path(getattr(module, "__file__", None) or "")
    if not path.is_file():
        raise InvalidInput(
            f"module {module.__name__} has no source file, so that what is stored could not tell its versions apart: "
            "put the code into a file"
        )
    return path


def _closure(code: Iterable[Code]) -> dict[str, Path]:
    """Name and source of every module of the project that ``code`` is made of."""
    for carrier in CARRIERS:
        _found(carrier, "CARRIERS")
    modules = [_module(one) for one in code]
    own = {"harness", *(module.__name__.partition(".")[0] for module in modules)}
    found: dict[str, Path] = {}
    todo = [(module.__name__, _source(module)) for module in modules]
    while todo:
        name, path = todo.pop()
        if name not in found and name not in CARRIERS:
            found[name] = path
            todo.extend(_imported(name, path, own))
    return found


def _imported(importer: str, path: Path, own: set[str]) -> Iterator[tuple[str, Path]]:
    """The project's modules that a source imports."""
    package = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
    for entry in _imports(ast.parse(path.read_text(encoding="utf-8")), package):
        top = entry.name.partition(".")[0]
        if top not in own and _installed(top, importer, entry.optional):
            continue
        members = (_spec(f"{entry.name}.{member}") for member in entry.members)
        for spec in [_found(entry.name, importer), *filter(None, members)]:
            if spec.origin is not None and spec.has_location:
                yield spec.name, Path(spec.origin)


def _imports(tree: ast.AST, package: str, optional: bool = False) -> Iterator[_Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (_Import(alias.name, (), optional) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            yield _Import(importlib.util.resolve_name(relative, package), tuple(alias.name for alias in node.names), optional)
        else:
            yield from _imports(
                node, package, optional or isinstance(node, ast.Try | ast.If | ast.FunctionDef | ast.AsyncFunctionDef)
            )


def _found(name: str, importer: str) -> ModuleSpec:
    """Where a module of the project is.

    Raises:
        InvalidInput: nowhere.
    """
    spec = _spec(name)
    if spec is None:
        raise InvalidInput(
            f"{importer} imports {name}, which cannot be found, so that stored numbers could not tell its versions apart: "
            "mend the import"
        )
    return spec


def _installed(top: str, importer: str, optional: bool) -> bool:
    """Whether a top-level package is Python's own or an installed library; an optional one may be missing."""
    if top in sys.stdlib_module_names or (optional and _spec(top) is None):
        return True
    spec = _found(top, importer)
    places = [spec.origin] if spec.origin else list(spec.submodule_search_locations or [])
    return any({"site-packages", "dist-packages"} & set(Path(place).parts) for place in places)


@functools.cache
def _spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # no such parent, or a module without a spec, such as __main__
        return getattr(sys.modules.get(name), "__spec__", None)


@functools.cache
def versions() -> dict[str, str]:
    """Installed version of every library that numbers depend on, "" for one that is not there."""
    return {name: version(name) for name in LIBRARIES}


def version(package: str) -> str:
    """Installed version of a package, "" if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def processor() -> str:
    """The processor's name as the operating system gives it; a cluster's shared store holds one entry a kind."""
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@functools.cache
def backend() -> str:
    """JAX's default backend, the kind of its devices and the engine's precision of matrix products."""
    import jax

    from harness.engine.precision import PRODUCTS

    return f"{jax.default_backend()}: {jax.devices()[0].device_kind}, {PRODUCTS}"
