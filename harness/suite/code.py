"""What decides a claim's values, as one hash: its function, what that uses of its module, and the code of its runs.

Comments, docstrings, other claims of the module, what is declared of a claim and whatever judges or reports do not count: they
move no value.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import inspect
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from harness.errors import InvalidInput
from harness.runs.provenance import meaning, meaning_hash
from harness.suite.claim import Claim

JUDGING = ("harness.suite", "harness.report", "harness.compare", "harness.plugin")


def code_of(claim: Claim, runs: Iterable[Any]) -> str:
    """SHA-256 of the code that decides what the claim measures on these runs, and of its static arguments.

    "" for a function without a file, such as one of a notebook.
    """
    try:
        return _hash(claim, runs)
    except (OSError, TypeError, InvalidInput):
        return ""


def _hash(claim: Claim, runs: Iterable[Any]) -> str:
    module = inspect.getmodule(claim.function)
    if module is None:
        raise InvalidInput(f"{claim.id}: its function belongs to no module")
    parts, imported = _used(module, claim.function.__name__)
    modules = {type(run).__module__ for run in runs} | imported
    digest = hashlib.sha256(repr(sorted((name, _static(value)) for name, value in claim.given.items())).encode())
    for part in (*parts, _closure_hash(tuple(sorted(modules)))):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _static(value: Any) -> Any:
    """A static argument; a function by its name, since its representation has its address."""
    return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else value


@functools.cache
def _closure_hash(modules: tuple[str, ...]) -> str:
    return meaning_hash([importlib.import_module(name) for name in modules], without=JUDGING)


@functools.cache
def _module(module: ModuleType) -> tuple[Mapping[str, ast.stmt], Mapping[str, str]]:
    """The module's top-level definitions by name, and which module each imported name is of."""
    tree = ast.parse(inspect.getsource(module))
    definitions = {name: node for node in tree.body for name in _defines(node)}
    package = module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]
    return definitions, dict(_imports(tree, package))


def _used(module: ModuleType, start: str) -> tuple[list[str], set[str]]:
    """What a function uses of its module, in normal form by name, and the project's modules that it uses."""
    definitions, imports = _module(module)
    todo, seen, modules = [start], set[str](), set[str]()
    while todo:
        name = todo.pop()
        if name in seen or name not in {*definitions, *imports}:
            continue
        seen.add(name)
        if name in definitions:
            body = _body(definitions[name], name == start)
            todo += [node.id for node in ast.walk(body) if isinstance(node, ast.Name)]
            modules |= {found for _, found in _imports(body, module.__name__.rpartition(".")[0])}
        else:
            modules.add(imports[name])
    parts = [ast.dump(_body(definitions[name], name == start)) for name in sorted(seen & definitions.keys())]
    return parts, {name for name in modules if _own(name, module) and not name.startswith(JUDGING)}


def _body(node: ast.stmt, declared: bool) -> ast.stmt:
    """In normal form; what is declared of a claim, the decorators of its function, is no part of it."""
    body = meaning(node)
    if declared and isinstance(body, ast.FunctionDef):
        body.decorator_list = []
    return body


def _own(name: str, module: ModuleType) -> bool:
    return name.partition(".")[0] in {"harness", module.__name__.partition(".")[0]}


def _defines(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    for target in targets:
        yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


def _imports(tree: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """Each imported name with the module that it is, or that it is of."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.asname or alias.name.partition(".")[0], alias.name) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            for alias in node.names:
                name = f"{base}.{alias.name}"
                yield alias.asname or alias.name, name if _is_module(name) else base


@functools.cache
def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except (ModuleNotFoundError, ValueError, AttributeError):
        return False
