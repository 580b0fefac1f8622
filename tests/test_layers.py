"""The direction of flow: a layer imports only from the layers before it, and JAX stays out of what must work without it."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

HARNESS = Path(__file__).resolve().parents[1] / "harness"
# From first to last; modules of one line may know each other. Verdict comes before measure because a measurement is a value
# of verdict's; provenance and progress know nothing of the project and serve every layer.
LAYERS = (
    {"errors", "progress", "provenance"},
    {"config"},
    {"keys", "batching", "budget", "machine", "columns"},
    {"data", "mnist", "cifar", "mixtures"},
    {"model", "classifiers", "lenet"},
    {"closed_form", "softmax_flow"},
    {"train", "descent", "one_pass"},
    {"jacobian", "hessian", "products", "krylov", "randomised", "directions"},
    {"sharded"},
    {"spectrum", "structural"},
    {"lab", "strategies", "probe"},
    {"verdict"},
    {"measure", "counting"},
    {"claim"},
    {"store"},
    {"artefacts"},
    {"training_run", "subspace", "subspace_run", "large"},
    {"stages"},
    {"report"},
    {"compare"},
    {"ensemble", "expectation", "judging"},
    {"interrupt", "terminal", "runs", "options", "items", "hooks", "scheduling", "reporting", "plugin"},
    {"__main__"},
)
RANK = {module: rank for rank, layer in enumerate(LAYERS) for module in layer}
WITHOUT_JAX = {"errors", "progress", "provenance", "config", "verdict", "claim"}.union(*LAYERS[-5:])


def modules() -> list[Path]:
    return sorted(HARNESS.rglob("*.py"))


def name_of(path: Path) -> str:
    """The part of the harness that a file belongs to: its module or package directly below harness."""
    return path.relative_to(HARNESS).parts[0].removesuffix(".py")


def imports(path: Path, *, at_module_level: bool = False) -> set[str]:
    """Dotted names of everything that a file imports, ``from a import b`` as both a and a.b."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    nodes = _outside_functions(tree) if at_module_level else list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    sources = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module]
    members = {f"{node.module}.{alias.name}" for node in sources for alias in node.names}
    return names | members | {str(node.module) for node in sources}


def _outside_functions(node: ast.AST) -> list[ast.AST]:
    inner = [child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef)]
    return inner + [deeper for child in inner for deeper in _outside_functions(child)]


def used(path: Path) -> set[str]:
    """Parts of the harness that a file imports."""
    return {name.split(".")[1] for name in imports(path) if name.startswith("harness.")} & RANK.keys()


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(HARNESS)))
def test_a_layer_imports_only_from_layers_before_it(path):
    own = name_of(path)
    if own == "__init__":
        assert not used(path)
        return
    assert own in RANK, f"harness/{own} has no place among the layers: give it one in LAYERS"
    later = {other for other in used(path) if RANK[other] > RANK[own]}
    assert not later, f"harness/{own} imports {', '.join(sorted(later))}, which come after it"


def test_every_layer_exists():
    """A name in LAYERS that no file has would make the order say less than it seems to."""
    assert not {module for module in RANK if not (HARNESS / f"{module}.py").exists() and not (HARNESS / module).is_dir()}


JAX_FREE = [path for path in modules() if name_of(path) in WITHOUT_JAX]


@pytest.mark.parametrize("path", JAX_FREE, ids=lambda path: str(path.relative_to(HARNESS)))
def test_jax_is_not_imported_where_verdicts_are_made(path):
    assert not {name for name in imports(path, at_module_level=True) if name.split(".")[0] in ("jax", "jaxlib", "optax")}


def test_a_stored_report_is_judged_again_without_jax():
    """The whole closure of imports, not only the modules' own lines."""
    code = "import harness.plugin, harness.__main__, harness.report.rejudge, sys; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=HARNESS.parent, timeout=60).returncode == 0


def test_the_order_would_catch_a_loop():
    """The checker itself: a file of an early layer that imports a later one is seen, also inside a function."""
    tree = HARNESS / "report" / "publish.py"
    assert used(tree) == {"report"}
    assert RANK["report"] > RANK["verdict"]
    assert "harness.large" in imports(HARNESS / "plugin.py")
    assert "harness.large" not in imports(HARNESS / "plugin.py", at_module_level=True)
