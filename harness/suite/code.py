"""One hash of the code that decides a claim's values: its function, the names of its module that it uses, the code of its runs.

Comments, docstrings, other claims of the module, the claim's declaration, and code that judges or reports do not count: they move
no value.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import importlib
import importlib.util
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from types import ModuleType
from typing import Any

from harness.runs.provenance import dump, meaning, meaning_hash, undeclared
from harness.suite.claim import Claim

JUDGING = ("harness.suite", "harness.report", "harness.compare", "harness.plugin")


def code_of(claim: Claim, runs: Iterable[Any]) -> str:
    """SHA-256 of the code that decides what the claim measures on these runs, and of its static arguments.

    "" for a function without a file, such as one of a notebook.

    Raises:
        InvalidInput: code of the runs without a source file, or an import that cannot be resolved.
    """
    module = inspect.getmodule(claim.function)
    if module is None or not getattr(module, "__file__", None):
        return ""
    given = [value.__name__ for value in claim.given.values() if getattr(value, "__module__", "") == module.__name__]
    parts, imported = _used(module, claim.function.__name__, given)
    modules = {type(run).__module__ for run in runs} | imported
    digest = hashlib.sha256(
        _without_addresses(repr(sorted((name, _static(value)) for name, value in claim.given.items()))).encode()
    )
    for part in (*parts, _closure_hash(tuple(sorted(modules)))):
        digest.update(part.encode() + b"\0")
    return digest.hexdigest()


def _static(value: Any) -> Any:
    """A static argument; for a function its name."""
    return f"{value.__module__}.{value.__qualname__}" if hasattr(value, "__qualname__") else value


def _without_addresses(text: str) -> str:
    """The text without memory addresses, which differ from process to process; functions within values show them."""
    return re.sub(r" at 0x[0-9a-f]+", "", text)


@functools.cache
def _closure_hash(modules: tuple[str, ...]) -> str:
    return meaning_hash([importlib.import_module(name) for name in modules], without=JUDGING)


@functools.cache
def _module(module: ModuleType) -> tuple[Mapping[str, list[ast.stmt]], Mapping[str, str]]:
    """The statements that give each name of the module its value, and the module that each imported name comes from."""
    tree = ast.parse(inspect.getsource(module))
    definitions: dict[str, list[ast.stmt]] = {}
    for node in _statements(tree.body):
        for name in _defines(node):
            definitions.setdefault(name, []).append(node)
    return definitions, dict(_imports(tree, _package(module)))


def _package(module: ModuleType) -> str:
    """What the module's relative imports start from."""
    return module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]


def _statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements at the top level of a module, including those below an ``if``, a ``try``, a ``with`` or a loop."""
    for node in body:
        yield node
        if isinstance(node, ast.If | ast.Try | ast.With | ast.For | ast.While):
            yield from _statements(child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt))


def _used(module: ModuleType, start: str, given: Iterable[str] = ()) -> tuple[list[str], set[str]]:
    """The definitions that ``start`` and ``given`` use, in normal form, ordered by name; the project's modules that they use."""
    definitions, imports = _module(module)
    todo, seen, modules = [start, *given], set[str](), set[str]()
    while todo:
        name = todo.pop()
        if name in seen or name not in {*definitions, *imports}:
            continue
        seen.add(name)
        if name in definitions:
            for body in (_body(node, name == start) for node in definitions[name]):
                todo += [node.id for node in ast.walk(body) if isinstance(node, ast.Name)]
                modules |= {found for _, found in _imports(body, _package(module))}
        else:
            modules.add(imports[name])
    parts = [dump(_body(node, name == start)) for name in sorted(seen & definitions.keys()) for node in definitions[name]]
    return parts, {name for name in modules if _own(name, module) and not name.startswith(JUDGING)}


def _body(node: ast.stmt, declared: bool) -> ast.stmt:
    """The statement in normal form; claims' functions lose their decorators, which only declare claims."""
    body = undeclared(meaning(node))
    if declared and isinstance(body, ast.FunctionDef):  # whatever its name is
        body.decorator_list = []
    return body


def _own(name: str, module: ModuleType) -> bool:
    return name.partition(".")[0] in {"harness", module.__name__.partition(".")[0]}


def _defines(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    targets: list[ast.expr] = []
    if isinstance(node, ast.Assign):
        targets = node.targets
    elif isinstance(node, ast.AnnAssign | ast.AugAssign | ast.For):
        targets = [node.target]
    for target in targets:
        yield from (name.id for name in ast.walk(target) if isinstance(name, ast.Name))


def _imports(tree: ast.AST, package: str) -> Iterator[tuple[str, str]]:
    """Each imported name with its module: the module that it is, or that it comes from."""
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
