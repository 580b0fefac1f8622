"""The code that decides a claim's values has one hash, which changes if and only if a change of code can move a value."""

import ast
import functools
import importlib
import sys

import pytest

from harness.errors import InvalidInput
from harness.runs import provenance
from harness.suite import code
from harness.suite.claim import Claim
from harness.suite.verdict import at_least

PLANTED = '''
"""What is planted."""

from planted_claims.helpers import squared

from . import offsets
from harness.suite.claim import claim

FACTOR = 2
OTHER = 3
TABLE = {}
TABLE[1] = 1
SCALE: int = 1
SCALE *= 3
for key in (2, 3):
    TABLE[key] = key + 1
if FACTOR:
    SIGN = 1


def unchanged(f):
    return f


@unchanged
def doubled(x):
    """Twice x."""
    from .late import later

    return later(SIGN * TABLE[1] * FACTOR * SCALE * x)  # a comment


def tripled(x):
    return 3 * x


@claim("x")
def test_it(x):
    return squared(doubled(x)) + offsets.START


def test_another(x):
    return OTHER * x
'''
SOURCES = {
    "__init__": "START = 4\n\n\ndef begin():\n    from .late import later\n\n    return later(START)\n",
    "helpers": "def squared(x):\n    return x * x\n",
    "late": "def later(x):\n    return x + 7\n",
    "offsets": "START = 11\n",
    "planted": PLANTED.replace("@claim", "@(lambda id: lambda f: f)"),
}


@pytest.fixture
def hashed(tmp_path, monkeypatch):
    """The hash of ``test_it``, its modules written anew with replacements in any of them.

    ``named`` is a function of its module that is a static argument."""
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = tmp_path / "planted_claims"
    folder.mkdir()

    def write(old: str = "", new: str = "", given: dict | None = None, named: str = "") -> str:
        for name, text in SOURCES.items():
            (folder / f"{name}.py").write_text(text.replace(old, new) if old else text)
        for name in [name for name in sys.modules if name.partition(".")[0] == "planted_claims"]:
            del sys.modules[name]
        importlib.invalidate_caches()
        code._closure_hash.cache_clear()
        planted = importlib.import_module("planted_claims.planted")
        given = {"of": getattr(planted, named)} if named else given or {}
        return code.code_of(Claim("a/b", "", "", "", at_least(0, reason="planted"), planted.test_it, (), given=given), [])

    yield write
    for name in [name for name in sys.modules if name.partition(".")[0] == "planted_claims"]:
        del sys.modules[name]
    code._closure_hash.cache_clear()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("SCALE * x", "SCALE / x"),
        ("FACTOR = 2", "FACTOR = 4"),
        ("x * x", "x * x * x"),
        ("squared(doubled(x))", "doubled(squared(x))"),
        ("TABLE[1] = 1", "TABLE[1] = 2"),
        ("    SIGN = 1", "    SIGN = -1"),
        ("SCALE *= 3", "SCALE *= 4"),
        ("SCALE: int = 1", "SCALE: int = 2"),
        ("key + 1", "key + 2"),
        ("in (2, 3)", "in (1, 3)"),
        ("return f\n", "return lambda x: -f(x)\n"),
        ("@unchanged\n", ""),
        ("x + 7", "x + 8"),
        ("START = 11", "START = 12"),
    ],
    ids=[
        *("a helper", "a constant", "another module", "the claim itself", "what is added to a constant", "below an if"),
        *("a constant that is multiplied", "a constant with a type", "a loop", "what a loop goes through"),
        *("the decorator of a helper", "a helper without it", "what a helper imports when it is called", "what the package has"),
    ],
)
def test_whatever_can_move_a_value_moves_the_hash(hashed, old, new):
    assert hashed() != hashed(old, new)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Twice x.", "x, twice."),
        ("# a comment", ""),
        ("OTHER = 3", "OTHER = 5"),
        ("OTHER * x", "OTHER + x"),
        ('lambda f: f)("x")', 'lambda f: f)("y")'),
        ("What is planted.", "What was planted."),
        ("3 * x", "x * 3"),
    ],
    ids=[
        "a docstring",
        "a comment",
        "what another claim uses",
        "another claim",
        "what is declared",
        "the module's docstring",
        "unused",
    ],
)
def test_nothing_else_moves_it(hashed, old, new):
    before = hashed()
    assert before
    assert before == hashed(old, new)


def test_the_text_of_a_tree_is_that_of_every_python():
    """Python 3.12 gave functions a list of type parameters, and 3.13 leaves empty lists out of its own dump."""
    shown = provenance.dump(ast.parse("def f(x):\n    return [x, None]"))
    assert shown == (
        "Module(body=[FunctionDef(name='f',args=arguments(args=[arg(arg='x')]),"
        "body=[Return(value=List(elts=[Name(id='x',ctx=Load()),Constant()],ctx=Load()))])])"
    )


def test_what_cannot_be_resolved_is_an_error_and_not_a_hash(hashed):
    with pytest.raises(InvalidInput, match="nowhere"):
        hashed("def squared(x):", "def other():\n    import harness.nowhere\n\n\ndef squared(x):")


def test_static_arguments_count(hashed):
    assert hashed(given={"delta": 0.1}) != hashed(given={"delta": 0.2})


def test_a_function_among_them_counts_by_its_name_in_every_process(hashed):
    assert hashed(given={"of": sorted}) != hashed(given={"of": len})
    assert str(id(hashed)) not in repr(code._static(hashed))
    assert code._static(test_static_arguments_count) == "tests.suite.test_code.test_static_arguments_count"


def test_a_function_of_the_claims_module_among_them_counts_with_its_code(hashed):
    assert hashed(named="tripled") != hashed("3 * x", "x * 3", named="tripled")
    assert hashed(named="tripled") == hashed("OTHER * x", "OTHER + x", named="tripled")


def test_code_that_judges_does_not_count_wherever_it_is_used(hashed):
    hashed("def squared(x):", "import harness.suite.verdict\n\n\ndef squared(x):")
    helpers = importlib.import_module("planted_claims.helpers")
    found = code._closure_hash(("planted_claims.helpers",))
    assert found == provenance.meaning_hash([helpers], without=code.JUDGING) != provenance.meaning_hash([helpers])


def test_how_an_imported_claim_is_declared_does_not_count(hashed):
    """Claims on any network call the functions of other claims, whose modules count as a whole."""
    imports = "from harness.suite.claim import Claim\n\n\n"
    plain = "def squared(x):\n    return test_square(x)\n\n\ndef test_square(x):\n    return x * x"
    old = "def squared(x):\n    return x * x"
    before = hashed(old, imports + plain)
    more = imports.replace("import Claim", "import Claim, Control")
    assert hashed(old, more + plain.replace("def test_square", "@(lambda f: f)\ndef test_square")) == before
    assert hashed(old, imports + plain.replace("x * x", "x * x + 1")) != before
    helpers = importlib.import_module("planted_claims.helpers")
    whole = provenance.meaning_hash([helpers])
    hashed(old, imports + plain.replace("def test_square", "@(lambda f: f)\ndef test_square"))
    again = provenance.meaning_hash([importlib.import_module("planted_claims.helpers")])
    assert again != whole, "the arguments of a claim stand in its decorator, and only code_of hashes them apart"
    helper = plain.replace("test_square", "square")
    assert hashed(old, imports + helper.replace("def square(", "@(lambda f: f)\ndef square(")) != hashed(old, imports + helper)


def test_how_a_claim_that_another_calls_is_declared_does_not_count(hashed):
    called = "def test_it(x):\n    return test_another(x)"
    before = hashed("def test_it(x):\n    return squared(doubled(x)) + offsets.START", called)
    again = hashed(
        "def test_it(x):\n    return squared(doubled(x)) + offsets.START\n\n\ndef test_another",
        called + "\n\n\n@(lambda f: f)\ndef test_another",
    )
    assert again == before


def test_a_package_imports_from_itself(hashed):
    hashed()
    parts, modules = code._used(importlib.import_module("planted_claims"), "begin")
    assert (len(parts), modules) == (2, {"planted_claims.late"})


def test_a_function_inside_of_another_value_counts_by_its_name(hashed):
    first, second = (hashed(given={"of": functools.partial(lambda x: x, 1)}) for _ in range(2))  # two functions, one name
    assert first == second != hashed(given={"of": functools.partial(sorted, 1)})


def test_a_function_without_a_file_has_no_hash():
    space: dict = {}
    exec("def test_it(x):\n    return x", space)
    assert code.code_of(Claim("a/b", "", "", "", at_least(0, reason="planted"), space["test_it"], ()), []) == ""


def test_modules_are_the_projects_own_or_the_harnesss():
    module = type(sys)("project.claims.test_it")
    names = {"project": True, "project.helpers": True, "harness": True, "harness.measure.rank": True}
    others = {"numpy": False, "numpy.linalg": False, "claims.test_it": False, "projects": False}
    assert {name: code._own(name, module) for name in names | others} == names | others


def test_imported_names_are_modules_or_come_from_them():
    text = """
import harness.errors
import jax.numpy.linalg
import numpy.linalg as la
from . import claim, nothing_of_that_name
from .claim import Claim as Declared
from ..errors import InvalidInput
from harness.suite import verdict
if True:
    from harness.suite.verdict import Verdict
"""
    assert dict(code._imports(ast.parse(text), "harness.suite")) == {
        "harness": "harness.errors",
        "jax": "jax.numpy.linalg",
        "la": "numpy.linalg",
        "claim": "harness.suite.claim",
        "nothing_of_that_name": "harness.suite",
        "Declared": "harness.suite.claim",
        "InvalidInput": "harness.errors",
        "verdict": "harness.suite.verdict",
        "Verdict": "harness.suite.verdict",
    }


def test_modules_of_the_harness_that_a_claim_uses_count_and_those_that_judge_do_not():
    """``pack`` uses errors, and records, which judge."""
    parts, modules = code._used(importlib.import_module("harness.suite.evidence"), "pack")
    assert modules == {"harness.errors"}
    assert [part.partition("(name=")[2].partition(",")[0] for part in parts if part.startswith("FunctionDef")] == [
        "'pack'",
        "'slug'",
    ]
