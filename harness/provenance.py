"""What a stored number depends on besides its experiment: code, library versions, machine."""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib.metadata
import importlib.util
import platform
from collections.abc import Iterable
from pathlib import Path

LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "optax", "scikit-learn")
# Modules that carry or describe results without deciding any number.
CARRIERS = ("harness.progress", "harness.errors", "harness.store", "harness.provenance")


@functools.cache
def code_hash(modules: tuple[str, ...]) -> str:
    """SHA-256 over the sources of ``modules`` and of all of the project's modules that they import."""
    digest = hashlib.sha256()
    for name, path in sorted(_closure(modules).items()):
        digest.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return digest.hexdigest()


@functools.cache
def source_hash(module: str) -> str:
    """SHA-256 of the source of one module, without what it imports."""
    spec = importlib.util.find_spec(module)
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest() if spec and spec.origin else ""


def _closure(modules: Iterable[str]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    todo = list(modules)
    while todo:
        name = todo.pop()
        if name in found or name in CARRIERS or not name.startswith(("harness.", "claims.")):
            continue
        spec = importlib.util.find_spec(name)
        if spec is None or spec.origin is None:
            continue
        found[name] = Path(spec.origin)
        todo.extend(_imports(Path(spec.origin)))
    return found


def _imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {
                f"{node.module}.{alias.name}" for alias in node.names if node.module.split(".")[0] in ("harness", "claims")
            }
    return {name for name in names if name.startswith(("harness.", "claims.")) and _is_module(name)}


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ModuleNotFoundError:
        return False


@functools.cache
def versions() -> dict[str, str]:
    """Installed version of every library that numbers depend on."""
    return {name: importlib.metadata.version(name) for name in LIBRARIES}


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
    """JAX's default backend, the kind of its devices and the precision of its matrix products."""
    import jax

    return f"{jax.default_backend()}: {jax.devices()[0].device_kind}, {getattr(jax.config, 'jax_default_matmul_precision', None)}"
