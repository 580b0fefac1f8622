"""The dependencies of a stored number besides its experiment: code, library versions, machine."""

from __future__ import annotations

import ast
import copy
import functools
import hashlib
import importlib.metadata
import importlib.util
import os
import platform
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple, TypeVar

from harness.errors import InvalidInput

# A module, or a function or class in place of the module that defines it.
Code = ModuleType | Callable[..., Any]
Tree = TypeVar("Tree", bound=ast.AST)

# Libraries that every number depends on; other libraries that a run's code imports are added.
LIBRARIES = ("jax", "jaxlib", "numpy", "scipy", "optax", "scikit-learn")
# Modules that carry or describe results without deciding any number.
CARRIERS = ("harness.progress", "harness.errors", "harness.runs.store", "harness.runs.provenance")

# Prefixes of environment variables that can move a number, and prefixes among these that cannot.
MOVERS = ("JAX_", "XLA_", "NPY_", "OPENBLAS_", "MKL_", "BLIS_", "NVIDIA_TF32", "CUBLAS_", "CUDNN_")
IDLE = (
    *(
        "JAX_COMPILATION_CACHE",
        "JAX_PERSISTENT_CACHE",
        "JAX_ENABLE_COMPILATION_CACHE",
        "JAX_LOG",
        "JAX_TRACEBACK",
        "JAX_PLATFORMS",
    ),
    *("JAX_NUM_CPU_DEVICES", "JAX_ENABLE_X64", "JAX_DEFAULT_MATMUL_PRECISION"),  # the engine's own scope decides the last two
    *("XLA_PYTHON_CLIENT", "OPENBLAS_NUM_THREADS", "OPENBLAS_VERBOSE", "OPENBLAS_MAIN_FREE", "MKL_NUM_THREADS", "MKL_VERBOSE"),
    "BLIS_NUM_THREADS",
)
IDLE_FLAGS = ("--xla_force_host_platform_device_count", "--xla_dump", "--xla_hlo_profile")
# How the names of vector instruction sets begin, of x86 and of ARM.
VECTORS = ("sse", "ssse", "avx", "fma", "f16c", "amx", "vaes", "vpclmul", "asimd", "sve")
# A BLAS that another library brings for itself, in its own folder of packages.
OTHERS_BLAS = re.compile(r"(site|dist)-packages[/\\\\](?!numpy|scipy)")
# JAX's settings that a program can change without an environment variable, with their defaults.
CONFIGURED = {"jax_default_prng_impl": "threefry2x32", "jax_disable_jit": False, "jax_numpy_dtype_promotion": "standard"}


class _Import(NamedTuple):
    """``import name`` or ``from name import members``. ``optional`` ones, in a ``try``, ``if`` or function, may be missing."""

    name: str
    members: tuple[str, ...]
    optional: bool


class _Source(NamedTuple):
    """One file of the project: its module's name, its bytes and its imports."""

    name: str
    content: bytes
    imports: tuple[_Import, ...]


class _Closure(NamedTuple):
    """The project's modules that some code consists of, and the top-level names of the libraries that they import."""

    sources: dict[str, _Source]
    libraries: set[str]


def code_hash(code: Iterable[Code]) -> str:
    """SHA-256 over the sources of ``code`` and of all modules that these import, except the standard library and installed
    libraries.

    A module's name counts below its top-level package, so that a package has the same hash under another name. A module that
    was imported again after an edit counts in its present form.

    Raises:
        InvalidInput: code without a source file, or an import that cannot be resolved and that the hash would miss.
    """
    digest = hashlib.sha256()
    for name, content in sorted((source.name.partition(".")[2], source.content) for source in _closure(code).sources.values()):
        digest.update(name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()


def meaning_hash(code: Iterable[Code], without: tuple[str, ...] = ()) -> str:
    """As :func:`code_hash`, blind to comments and docstrings, and to modules whose names start with one of ``without``.

    With ``without``, imports from these modules at the top level are left out too, and so are the decorators of ``test_``
    functions, which declare claims.

    Raises:
        InvalidInput: as for :func:`code_hash`.
    """
    sources = _closure(code, without).sources.values()
    digest = hashlib.sha256()
    for name, content in sorted((source.name.partition(".")[2], _normal_form(source.content, without)) for source in sources):
        digest.update(f"{name}\0{content}\0".encode())
    return digest.hexdigest()


def meaning(tree: Tree) -> Tree:
    """A copy of the tree without docstrings."""
    tree = copy.deepcopy(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node):
            node.body = node.body[1:]
    return tree


def dump(node: Any) -> str:
    """A syntax tree as text, the same on every version of Python. Empty fields are left out, since some versions lack them."""
    if isinstance(node, list):
        return f"[{','.join(map(dump, node))}]"
    if not isinstance(node, ast.AST):
        return repr(node)
    fields = ((name, value) for name, value in ast.iter_fields(node) if value is not None and value != [])
    return f"{type(node).__name__}({','.join(f'{name}={dump(value)}' for name, value in fields)})"


@functools.cache
def _normal_form(content: bytes, without: tuple[str, ...]) -> str:
    try:
        return dump(_undeclared(meaning(ast.parse(content)), without))
    except (SyntaxError, ValueError):  # a compiled extension
        return content.hex()


def _undeclared(tree: ast.Module, without: tuple[str, ...]) -> ast.Module:
    """The tree without imports from some modules and without declarations of claims; as it is where no module is named."""
    if without:
        kept = [node for node in tree.body if not (isinstance(node, ast.ImportFrom) and (node.module or "").startswith(without))]
        tree.body = [undeclared(node) for node in kept]
    return tree


def undeclared(node: ast.stmt) -> ast.stmt:
    """The statement; a ``test_`` function loses its decorators, which declare claims."""
    if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
        node.decorator_list = []
    return node


def source_hash(code: Code) -> str:
    """SHA-256 of the source of one module, without its imports.

    Raises:
        InvalidInput: code without a source file.
    """
    return hashlib.sha256(_source(_spec_of(code)).content).hexdigest()


def versions(code: Iterable[Code] = ()) -> dict[str, str]:
    """Installed version of every library that numbers depend on, "" for one that is not there.

    Args:
        code: further libraries that this code imports, such as a user's, are added.
    """
    more = {package for top in _closure(code).libraries for package in _distributions().get(top, ())} if code else set()
    return {name: version(name) for name in (*LIBRARIES, *sorted(more - set(LIBRARIES)))}


@functools.cache
def version(package: str) -> str:
    """Installed version of a package, "" if it is not there."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _distributions() -> Mapping[str, list[str]]:
    return importlib.metadata.packages_distributions()


def _spec_of(code: Code) -> ModuleSpec:
    """The spec of the given module, or of the module that defines the given object."""
    while isinstance(code, functools.partial):
        code = code.func
    module = code if isinstance(code, ModuleType) else sys.modules.get(getattr(code, "__module__", None) or "")
    if module is None:
        raise InvalidInput(
            f"{code!r} belongs to no imported module: give modules, functions or classes whose code decides the numbers"
        )
    spec = module.__spec__ or ModuleSpec(module.__name__, None, origin=getattr(module, "__file__", None))
    if not (spec.origin and Path(spec.origin).is_file()):
        raise InvalidInput(
            f"module {module.__name__} has no source file, so that what is stored could not tell its versions apart: "
            "put the code into a file"
        )
    return spec


def _closure(code: Iterable[Code], without: tuple[str, ...] = ()) -> _Closure:
    for carrier in CARRIERS:
        _found(carrier, "CARRIERS")
    todo = [_spec_of(one) for one in code]
    own = {"harness", *(spec.name.partition(".")[0] for spec in todo)}
    found = _Closure({}, set())
    while todo:
        spec = todo.pop()
        if spec.name not in found.sources and spec.name not in CARRIERS and not spec.name.startswith(without):
            found.sources[spec.name] = _source(spec)
            todo.extend(_imported(found.sources[spec.name], own, found.libraries))
    return found


_READ: dict[int, tuple[ModuleSpec, _Source]] = {}  # by the spec's identity: a module that is imported again has a new spec


def _source(spec: ModuleSpec) -> _Source:
    if id(spec) not in _READ:
        path = Path(str(spec.origin))
        content = path.read_bytes()
        package = spec.name if path.name == "__init__.py" else spec.name.rpartition(".")[0]
        # the imports of a compiled extension cannot be read
        imports = tuple(_imports(ast.parse(content), package)) if path.suffix == ".py" else ()
        _READ[id(spec)] = spec, _Source(spec.name, content, imports)
    return _READ[id(spec)][1]


def _imported(source: _Source, own: set[str], libraries: set[str]) -> Iterator[ModuleSpec]:
    """The project's modules that a source imports, and their packages; names of libraries are added to the set."""
    for entry in source.imports:
        top = entry.name.partition(".")[0]
        if top not in own and _installed(top, source.name, entry.optional):
            libraries.add(top)
            continue
        members = (_spec(f"{entry.name}.{member}") for member in entry.members)
        packages = (_spec(entry.name[:end]) for end, letter in enumerate(entry.name) if letter == ".")
        for spec in [_found(entry.name, source.name), *filter(None, members), *filter(None, packages)]:
            if spec.origin is not None and spec.has_location:
                yield spec


def _imports(tree: ast.AST, package: str, optional: bool = False) -> Iterator[_Import]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from (_Import(alias.name, (), optional) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            relative = "." * node.level + (node.module or "")
            yield _Import(importlib.util.resolve_name(relative, package), tuple(alias.name for alias in node.names), optional)
        elif not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            inside = isinstance(node, ast.Try | ast.If | ast.FunctionDef | ast.AsyncFunctionDef)
            yield from _imports(node, package, optional or inside)


def _found(name: str, importer: str) -> ModuleSpec:
    """The spec of a module of the project.

    Raises:
        InvalidInput: the module cannot be found.
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
    return any({"site-packages", "dist-packages"} & set(Path(place).parts) or _recorded(top, Path(place)) for place in places)


def _recorded(top: str, place: Path) -> bool:
    """Whether an installer recorded the package in the folder where it lies, as ``pip install --target`` does."""
    folder = next((parent.parent for parent in (place, *place.parents) if _top(parent.name) == top), None)
    # without its distribution it has no version, which tells stored numbers of two versions apart
    return folder is not None and top in _recorded_in(folder) and top in _distributions()


@functools.cache
def _recorded_in(folder: Path) -> frozenset[str]:
    """The top-level names of what was installed into a folder.

    Only an installer writes a RECORD. The ``egg-info`` of a project under work lists its sources, which are no library.
    """
    installed = [found for found in importlib.metadata.distributions(path=[str(folder)]) if found.read_text("RECORD")]
    return frozenset(_top(file.parts[0]) for found in installed for file in found.files or ())


def _top(name: str) -> str:
    """The top-level name of a file or folder: ``alone`` of ``alone.cpython-311-x86_64-linux-gnu.so``."""
    return name.partition(".")[0]


def _spec(name: str) -> ModuleSpec | None:
    """The spec of the imported module, or of the module that an import would find."""
    if (module := sys.modules.get(name)) is not None and module.__spec__ is not None:
        return module.__spec__
    return _find_spec(name)


@functools.cache
def _find_spec(name: str) -> ModuleSpec | None:
    try:
        return importlib.util.find_spec(name)
    except (ModuleNotFoundError, ValueError):  # no such parent, or a module without a spec, such as __main__
        return None


@functools.cache
def processor() -> str:
    """The processor's name from the operating system; a cluster's shared store holds one entry for each kind of processor."""
    return _cpuinfo("model name") or platform.processor() or platform.machine()


@functools.cache
def instructions() -> str:
    """The processor's vector instruction sets, sorted; "" if the operating system does not list them.

    Two machines of one name may differ in them, since a virtual machine can hide some. Compilers choose their code by them.
    """
    listed = (_cpuinfo("flags") or _cpuinfo("Features")).split()
    return " ".join(sorted(flag for flag in listed if flag.startswith(VECTORS)))


@functools.cache
def blas() -> str:
    """BLAS of NumPy and SciPy, with version and kernels: ``openblas 0.3.30 SkylakeX``; "" if it is not known."""
    import numpy  # noqa: F401 - loads its BLAS
    import scipy.linalg  # noqa: F401
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    pools = [pool for pool in threadpool_info() if pool["user_api"] == "blas" and not OTHERS_BLAS.search(pool["filepath"])]
    return ", ".join(sorted({pool_name(pool) for pool in pools}))


def pool_name(pool: Mapping[str, Any]) -> str:
    """A thread pool of threadpoolctl in words: library, version and kernels."""
    return " ".join(f"{pool['internal_api']} {pool['version'] or ''} {pool.get('architecture', '')}".split())


def machine() -> dict[str, str]:
    """The facts of the machine that a stored number depends on."""
    return {"processor": processor(), "instructions": instructions(), "blas": blas(), "backend": backend()}


def _cpuinfo(field: str) -> str:
    """The first value of a field of Linux's list of processors, "" without one."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.partition(":")[0].strip() == field), "")


def settings() -> dict[str, str]:
    """The user's settings that can move a number: variables of JAX, XLA, NumPy and BLAS, flag by flag; {} by default.

    Numbers of threads and devices are left out; reports list them.
    """
    found = {name: value for name, value in os.environ.items() if name.startswith(MOVERS) and not name.startswith(IDLE)}
    flags = [flag for flag in found.pop("XLA_FLAGS", "").split() if not flag.startswith(IDLE_FLAGS)]
    found |= {"XLA_FLAGS": " ".join(sorted(flags))} if flags else {}
    if (jax := sys.modules.get("jax")) is not None:
        chosen = {name: getattr(jax.config, name, default) for name, default in CONFIGURED.items()}
        found |= {name: str(value) for name, value in chosen.items() if value != CONFIGURED[name]}
    return dict(sorted(found.items()))


@functools.cache
def backend() -> str:
    """JAX's default backend, the kind of its devices and the engine's precision of matrix products."""
    import jax

    from harness.engine.precision import PRODUCTS

    return f"{jax.default_backend()}: {jax.devices()[0].device_kind}, {PRODUCTS}"
