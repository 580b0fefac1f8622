"""Import order: a floor imports only from the floors below it, a module only from earlier modules of its folder.

Imports inside functions count as well. Modules that must work without JAX do not import it.
"""

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# From the ground up: what each floor may import stands before it.
FLOORS = (
    *("errors", "progress", "mnist", "engine", "datasets", "closed_form", "measure"),
    *("runs", "suite", "report", "compare", "cluster", "plugin", "commands", "__main__"),
)
# Data sets for users' networks: the harness names no data set but there, so that nothing in it may rest on one.
DATA_SETS = {"harness.datasets", "harness.mnist"}
# Inside each folder, from first to last; modules of one line may not know each other.
ORDER = {
    "harness.engine": (
        "precision streams trees columns_last losses budget",
        "canaries devices training eigenpairs spectrum",
        "jacobian products descent hessian krylov",
        "sharded range_finder counting directions formed",
        "matrix_free",
    ),
    "harness.closed_form": ("exact", "quadratic softmax", "problems strategies"),
    "harness.engine.canaries": (
        "canary references known",
        "compiled declared decompositions elementary moves repeats special subnormals",
        "running",
    ),
    "harness.measure": (
        "measurement",
        "carried counts departure hessian_subspace influence overlap response restricted structural",
        "function_jacobian rotation outputs",
    ),
    "harness.runs": (
        "experiment provenance compilations shown examples programs modules",
        "store sketch checks bench",
        "shown_measurements shown_training",
        "stages",
        "probed",
        "run",
        "dense lab",
        "differentiated",
        "network_worlds network_hessian hessian_path",
        "network_run",
        "network_experiment",
        "network",
    ),
    "harness.suite": (
        "paper records verdict quotations",
        "claim evidence rejudge",
        "code",
        "ensemble",
        "expectation membership",
        "power acceptance",
        "catalogue judging",
        "portable audit",
    ),
    "harness.report": (
        "pages text json_file environment summary natural",
        "canaries sentences strip forest loading plain story",
        "figures",
        "links findings",
        "markdown html",
        "publish",
        "verdicts atlas",
    ),
    "harness.report.atlas": ("rows", "table", "measured judged", "figures sweep", "pages", "command"),
    "harness.compare": (
        "identity exchange differences",
        "measurements localise baseline",
        "comparison history",
        "text",
        "html history_page",
        "commands",
    ),
    "harness.cluster": ("entries fit scheduler", "work", "claims atlas"),
    "harness.plugin": (
        "costs plan",
        "hooks options terminal interrupt scheduling junit verdict_table witness",
        "settings collection preparation",
        "reporting",
        "canaries",
        "session",
    ),
}
WITHOUT_JAX = (
    *("errors", "progress", "mnist", "datasets", "runs.experiment", "runs.provenance"),
    *("suite", "report", "compare", "plugin", "commands", "__main__"),
)


@cache
def modules() -> dict[str, Path]:
    """Every module of the harness and of the papers by its dotted name, packages included."""
    found = {}
    for path in sorted([*ROOT.glob("harness/**/*.py"), *ROOT.glob("claims/**/*.py")]):
        parts = path.relative_to(ROOT).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


@cache
def imports(name: str, *, functions: bool = True) -> frozenset[str]:
    """Dotted names of everything that a module imports, ``from a import b`` as a.b where that is a module, else as a.

    Imports that only a type checker reads are no flow and are left out; those in functions with ``functions`` False.
    """
    path = modules()[name]
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    found = set()
    for node in _nodes(ast.parse(path.read_text(encoding="utf-8")), functions):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            source = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
            inner = {f"{source}.{alias.name}" for alias in node.names}
            found |= (inner & modules().keys()) | ({source} if inner - modules().keys() else set())
    return frozenset(found - {name})


def _nodes(tree: ast.AST, functions: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        inside = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (functions or not inside) and not (isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"):
            yield node
            yield from _nodes(node, functions)


def floor(name: str) -> str:
    """``engine`` of ``harness.engine.jacobian``; "" of the package itself, whose names are imported when they are asked for."""
    return name.removeprefix("harness").removeprefix(".").partition(".")[0]


HARNESS = [name for name in modules() if floor(name) and name.startswith("harness.")]


@pytest.mark.parametrize("name", HARNESS)
def test_a_floor_imports_only_from_the_floors_below_it(name):
    assert floor(name) in FLOORS, f"{name} is on no floor: give it a place in FLOORS"
    height = FLOORS.index(floor(name))
    above = {other for other in imports(name) if other.startswith("harness.") and FLOORS.index(floor(other)) > height}
    assert not above, f"{name} imports {', '.join(sorted(above))}, which is above it"


def test_the_harness_imports_no_paper():
    for name in HARNESS:
        assert not [other for other in imports(name) if other.partition(".")[0] == "claims"], f"{name} imports a paper"


def test_nothing_in_the_harness_rests_on_a_data_set():
    for name in set(HARNESS) - DATA_SETS:
        assert not imports(name) & DATA_SETS, f"{name} imports a data set"


@pytest.mark.parametrize("folder", ORDER)
def test_modules_flow_one_way_inside_a_folder(folder):
    rank = {f"{folder}.{module}": line for line, text in enumerate(ORDER[folder]) for module in text.split()}
    inside = {name for name in modules() if name.rpartition(".")[0] == folder}
    assert inside == rank.keys(), f"{folder}: ORDER and the folder differ in {sorted(inside ^ rank.keys())}"
    for name in inside:
        wrong = [other for other in imports(name, functions=False) if other in rank and rank[other] >= rank[name]]
        assert not wrong, f"{name} imports {', '.join(wrong)}, which does not come before it"


def private_imports(text: str) -> list[str]:
    """Names with a leading underscore that a module takes from other modules, Python's own ``__...__`` left out."""
    found = (alias.name for node in ast.walk(ast.parse(text)) if isinstance(node, ast.ImportFrom) for alias in node.names)
    return [name for name in found if name.startswith("_") and not name.startswith("__")]


def test_no_module_takes_anothers_private_names():
    assert private_imports("from .test_linearity import _even, linear\nfrom __future__ import annotations") == ["_even"]
    for name, path in modules().items():
        taken = private_imports(path.read_text(encoding="utf-8"))
        assert not taken, f"{name} imports {', '.join(taken)}: make it public where it is, or move it to where both may have it"


def test_there_is_no_import_circle():
    """Over the harness and the papers, imports inside functions included. A package's own module counts as the package."""
    graph = {
        name: {other for other in imports(name) if other in modules() and not name.startswith(f"{other}.")} for name in modules()
    }
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        pytest.fail(f"an import circle: {' -> '.join(error.args[1])}")


def test_the_checks_would_see_a_circle_and_a_wrong_floor():
    assert "harness.runs.lab" in imports("harness.plugin.session")
    assert "harness.runs.lab" not in imports("harness.plugin.session", functions=False)
    assert "harness.plugin.settings" not in imports("harness.plugin.hooks", functions=False)
    with pytest.raises(CycleError):
        TopologicalSorter({"a": {"b"}, "b": {"a"}}).prepare()


JAX_FREE = [name for name in HARNESS if any(f"{name}.".startswith(f"harness.{free}.") for free in WITHOUT_JAX)]


@pytest.mark.parametrize("name", JAX_FREE)
def test_jax_is_not_imported_where_verdicts_are_made(name):
    assert not {other for other in imports(name, functions=False) if other.split(".")[0] in ("jax", "jaxlib", "optax")}


def test_a_stored_report_is_judged_again_without_jax():
    """The whole closure of imports, not only the modules' own lines."""
    code = "import harness.plugin.session, harness.__main__, harness.suite.rejudge, sys; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, timeout=60).returncode == 0
