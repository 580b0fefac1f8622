"""Find the files of claims below a folder, import them, and name each claim by its id and by its pytest node."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator, Sequence
from fnmatch import fnmatch
from importlib.machinery import SourceFileLoader
from pathlib import Path

from harness.errors import InvalidInput
from harness.suite.claim import REGISTRY, Claim
from harness.suite.expectation import Deviations, read_deviations, unknown_id

PATTERNS = ("test_*.py", "*_test.py")


def item_name(claim: Claim) -> str:
    """``test_bulk_count``, or ``test_bulk_count[strict]`` for the reading called strict."""
    return claim.function.__name__ + (f"[{claim.variant}]" if claim.variant else "")


def node_id(claim: Claim, root: Path) -> str:
    """The node id with which pytest, started in ``root``, judges this claim alone."""
    path = Path(claim.place)
    return f"{path.relative_to(root).as_posix() if path.is_relative_to(root) else path}::{item_name(claim)}"


def base(id: str) -> str:
    """The id without its reading."""
    return id.partition("[")[0]


def declared(folder: Path) -> dict[str, Claim]:
    """The claims whose file lies below ``folder``, by id. Claims that were only imported belong to another project."""
    root = folder.resolve()
    files = {place: Path(place).resolve().is_relative_to(root) for place in {claim.place for claim in REGISTRY.values()}}
    return {id: claim for id, claim in REGISTRY.items() if files[claim.place]}


def check_ids(ids: Sequence[str]) -> None:
    """Check that declared claims have these ids.

    Raises:
        InvalidInput: an id that no declared claim has; the message names similar ids.
    """
    known = {name for id in REGISTRY for name in (id, base(id))}
    for id in ids:
        if id not in known:
            raise InvalidInput(f"--claims-id: {unknown_id(id, sorted(known))}")


def declare_all(folder: Path, root: Path, patterns: Sequence[str] = PATTERNS) -> None:
    """Import every claims module below ``folder``, so that the registry also has claims that pytest did not collect.

    Args:
        root: modules outside any package are named relative to it.
        patterns: file names of modules with claims.

    Raises:
        InvalidInput: a module that cannot be imported.
    """
    known = {claim.place for claim in REGISTRY.values()}
    for path in _modules(folder, patterns):
        name = _module_name(path, root)
        if str(path) not in known and name not in sys.modules:
            _import(name, path)


def declare_folder(claims: Path) -> Deviations:
    """Import the claims of the folder and read its deviations file.

    Raises:
        InvalidInput: the path is no folder, or a module in it cannot be imported.
    """
    if not claims.is_dir():
        raise InvalidInput(f"{claims} is not a folder: run this where the claims are, or give --claims DIR")
    root = claims.resolve().parent
    sys.path.insert(0, str(root))
    declare_all(claims.resolve(), root)
    return read_deviations(claims / "deviations.toml", REGISTRY)


def declare_papers(folder: Path) -> None:
    """Import the packages directly below ``folder``. Each package registers its paper and its experiments.

    Raises:
        InvalidInput: a package that cannot be imported.
    """
    for path in sorted(folder.glob("*/__init__.py")):
        name = _module_name(path, folder).removesuffix(".__init__")
        if name not in sys.modules:
            _import(name, path)


def _module_name(path: Path, root: Path) -> str:
    """The dotted name of a module: from its outermost package, or relative to ``root`` if the file is in no package."""
    top = path.parent
    while (top / "__init__.py").is_file():
        top = top.parent
    base = top if top != path.parent else root if path.is_relative_to(root) else path.parent
    return ".".join(path.relative_to(base).with_suffix("").parts)


def _modules(folder: Path, patterns: Sequence[str]) -> Iterator[Path]:
    return (path for path in sorted(folder.rglob("*.py")) if any(fnmatch(path.name, pattern) for pattern in patterns))


def _import(name: str, path: Path) -> None:
    try:
        if (path.parent / "__init__.py").is_file():
            importlib.import_module(name)
        else:
            _execute(name, path)
    except Exception as error:
        cause = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InvalidInput(f"{path} cannot be imported ({cause}), so its claims are not known: repair it") from error


def _execute(name: str, path: Path) -> None:
    """Import a file that is in no package."""
    loader = SourceFileLoader(name, str(path))
    spec = importlib.util.spec_from_loader(name, loader)
    assert spec is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
