"""The canaries: none is red here except listed ones, and each goes red if a fault is planted in the function that it checks."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax
from scipy import linalg, special
from scipy.linalg import blas

from harness.engine.canaries import declared, elementary, known, references, repeats
from harness.engine.canaries.canary import Canary, Measured, exact, wrong
from harness.engine.canaries.running import CANARIES, run
from harness.engine.precision import _enable_x64
from harness.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
BY_NAME = {canary.name: canary for canary in CANARIES}
Plant = Callable[[pytest.MonkeyPatch, Canary], Any]


@pytest.fixture(scope="module")
def here():
    """What came of every canary here, by name."""
    return {outcome.canary.name: outcome for outcome in run()}


def test_none_is_red_here_but_those_that_are_listed(here):
    assert {name: (one.measured, one.failure) for name, one in here.items() if one.fails} == {}


def swapped(owner: Any, name: str, faulty: Callable[..., Any]) -> Plant:
    """Plants ``faulty(right, *arguments)`` in the place of a library's function."""

    def plant(monkeypatch: pytest.MonkeyPatch, canary: Canary) -> Measured:
        right = getattr(owner, name)
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, lambda *arguments, **options: faulty(right, *arguments, **options))
            jax.clear_caches()  # what was compiled with the right function
            return canary.check()

    return plant


def off(ulps: float) -> Callable[..., Any]:
    """The right function, times 1 + so many eps of its precision."""
    return lambda right, x, **options: right(x, **options) * (1 + ulps * np.finfo(x.dtype).eps)


def without_end(right, x, axis=None):
    """A sum that drops what is beyond 16,384 rows."""
    return right(x[:16_384], axis=axis)


def half(right, how, *arrays):
    return right(how, *(array.astype("float16") for array in arrays))


def last_lost(right, step, start, xs):
    """A scan whose last output is that before it."""
    end, every = right(step, start, xs)
    return end, every.at[-1].set(every[-2])


def last_zero(right, *arguments, **options):
    found = right(*arguments, **options)
    return found.at[-1].set(0)


def rounded(dtype: str) -> Callable[..., Any]:
    """A product whose factors are cut to a lower precision first."""
    cut = {"float32": jnp.bfloat16, "float64": "float32"}[dtype]

    def faulty(right, *arguments):
        return right(*(x.astype(cut).astype(dtype) if np.ndim(x) else x for x in arguments))

    return faulty


def unstable(right, x, **options):
    """Equal values in the opposite order."""
    return len(x) - 1 - right(x[::-1], **options)


def raised(right, a, b):
    """Small results become the smallest normal number."""
    return jnp.where(abs(right(a, b)) < np.finfo(a.dtype).tiny, np.finfo(a.dtype).tiny, right(a, b))


def flushed(right, a, b):
    """Small results become zero."""
    return np.where(abs(right(a, b)) < np.finfo(a.dtype).tiny, right(a, b) * 0, right(a, b))


def shuffled(right, matrix, **options):
    """Right values with the vectors of others."""
    found, vectors = right(matrix, **options)
    return found, np.roll(vectors, 1, axis=1)


def shuffled_left(right, matrix, **options):
    left, found, vectors = right(matrix, **options)
    return np.roll(left, 1, axis=1), found, vectors


def bent(right, matrix, **options):
    """Columns of Q that are orthonormal to ten digits."""
    q, r = right(matrix, **options)
    return q * (1 + 1e-10), r


def in_single(monkeypatch: pytest.MonkeyPatch, canary: Canary) -> Measured:
    with _enable_x64(False):
        return canary.check()


def rearranged(monkeypatch: pytest.MonkeyPatch, canary: Canary) -> Measured:
    """A compiler that takes one + y - one for y."""
    with monkeypatch.context() as patch:
        patch.setattr(declared, "jax", SimpleNamespace(jit=lambda function: lambda one, y: (y, y - y)))
        return canary.check()


def other_seed(name: str) -> Plant:
    return swapped(declared, name, lambda right, seed, stream: right(seed + 1, stream))


def disturbed(monkeypatch: pytest.MonkeyPatch, canary: Canary) -> Measured:
    """Products that come out otherwise away from the main thread."""
    multiply, dtype = canary.check.args  # type: ignore[attr-defined]
    shift = {threading.main_thread(): 0.0}
    return repeats.threads(lambda a, b: np.asarray(multiply(a, b)) + shift.get(threading.current_thread(), 1e-3), dtype)


def fickle(monkeypatch: pytest.MonkeyPatch, canary: Canary) -> Measured:
    """A compiled program whose third call gives another last bit."""
    calls = []

    def jit(function):
        def called(*arguments):
            calls.append(0)
            return jax.tree.map(lambda leaf: np.asarray(leaf) * (1 + 2.0**-23 * (len(calls) == 3)), jax.jit(function)(*arguments))

        return called

    with monkeypatch.context() as patch:
        patch.setattr(repeats, "jax", SimpleNamespace(**{**vars(jax), "jit": jit}))
        return canary.check()


PLANTED: dict[str, Plant] = {
    "reductions": swapped(jnp, "sum", without_end),
    "products in float32": swapped(jnp, "einsum", half),
    "products in float64": swapped(jnp, "einsum", half),
    "products with many rows": swapped(jnp, "sum", lambda right, x: right(x) + 1),
    "convolutions": swapped(lax, "conv_general_dilated", lambda right, *a, **options: right(*a, **options) * (1 + 2.0**-20)),
    "scans": swapped(lax, "scan", last_lost),
    "running sums": swapped(jnp, "cumsum", last_zero),
    "gathers of constants": swapped(jnp, "asarray", lambda right, x: right(x[:, ::-1])),
    "gathers, joins": swapped(jnp, "concatenate", last_zero),
    "assembly": swapped(jnp, "concatenate", last_zero),
    "special values of XLA": swapped(jnp, "maximum", lambda right, a, b: jnp.fmax(a, b)),
    "special values of NumPy": swapped(np, "maximum", lambda right, a, b: np.fmax(a, b)),
    "sorting of XLA": swapped(jnp, "argsort", unstable),
    "sorting of NumPy": swapped(np, "argsort", unstable),
    "NaN in long arrays of XLA": swapped(jnp, "max", lambda right, x, axis: right(x, axis=axis) * 2),
    "NaN in long arrays of NumPy": swapped(np, "max", lambda right, x, axis: np.nanmax(x, axis=axis)),
    "subnormal numbers of XLA": swapped(jnp, "maximum", raised),
    "subnormal numbers of NumPy": swapped(np, "maximum", flushed),
    "exp": swapped(jnp, "exp", off(4)),
    "log": swapped(jnp, "log", off(4)),
    "tanh": swapped(jnp, "tanh", off(8)),
    "sqrt": swapped(jnp, "sqrt", off(2)),
    "rsqrt": swapped(lax, "rsqrt", off(4)),
    "erf": swapped(lax, "erf", off(8)),
    "softplus": swapped(jax.nn, "softplus", off(8)),
    "gelu": swapped(jax.nn, "gelu", off(8)),
    "log softmax": swapped(jax.nn, "log_softmax", off(16)),
    "elementary functions of NumPy": swapped(np, "exp", off(4)),
    "eigh of SciPy": swapped(linalg, "eigh", shuffled),
    "eigh of NumPy": swapped(np.linalg, "eigh", shuffled),
    "gesdd": swapped(linalg, "svd", shuffled_left),
    "gesvd": swapped(linalg, "svd", shuffled_left),
    "svd of NumPy": swapped(np.linalg, "svd", shuffled_left),
    "qr of SciPy": swapped(linalg, "qr", bent),
    "qr of NumPy": swapped(np.linalg, "qr", bent),
    "precision of products of XLA in float32": swapped(jnp, "matmul", rounded("float32")),
    "precision of products of XLA in float64": swapped(jnp, "matmul", rounded("float64")),
    "precision of derivatives of products in float32": swapped(jnp, "matmul", rounded("float32")),
    "precision of derivatives of products in float64": swapped(jnp, "matmul", rounded("float64")),
    "precision of products of NumPy in float32": swapped(np, "matmul", rounded("float32")),
    "precision of products of NumPy in float64": swapped(np, "matmul", rounded("float64")),
    "precision of products of SciPy in float32": swapped(blas, "sgemm", rounded("float32")),
    "precision of products of SciPy in float64": swapped(blas, "dgemm", rounded("float64")),
    "sums as written": rearranged,
    "float64": in_single,
    "random stream of NumPy": other_seed("numpy_stream"),
    "random stream of JAX": other_seed("stream"),
    "products of NumPy from": disturbed,
    "products of SciPy from": disturbed,
    "products of XLA from": disturbed,
    "one program": fickle,
}


def planted_in(name: str) -> Plant:
    """The fault of the longest beginning of the name that there is one for."""
    return PLANTED[max((start for start in PLANTED if name.startswith(start)), key=len)]


@pytest.mark.parametrize("name", BY_NAME)
def test_each_goes_red_for_a_planted_fault(name, here, monkeypatch):
    """On a release on which it is red already, redder."""
    planted = planted_in(name)(monkeypatch, BY_NAME[name])
    assert not planted.green
    assert planted.error > here[name].measured.error


def test_a_jax_that_refuses_float64_is_named_by_its_canary(monkeypatch):
    """The engine's scope is an error there; the canaries run without the scope."""
    refusing = _enable_x64(False)
    monkeypatch.setattr("harness.engine.precision._enable_x64", lambda on: nullcontext())
    with refusing:
        asked, other = run([BY_NAME["float64"], BY_NAME["eigh of SciPy"]])
    assert asked.fails
    assert not asked.failure
    assert other.green


def test_every_fault_is_planted_somewhere():
    assert {id(planted_in(name)) for name in BY_NAME} == {id(plant) for plant in PLANTED.values()}


def test_a_derivative_that_is_off_by_a_ten_thousandth_is_seen(monkeypatch):
    @jax.custom_jvp
    def tanh(x):
        return jnp.tanh(x)

    tanh.defjvp(lambda x, dx: (jnp.tanh(*x), (1 + 1e-4) * (1 - jnp.tanh(*x) ** 2) * dx[0]))
    function = next(one for one in elementary.FUNCTIONS if one.name == "tanh")
    assert elementary.compiled(function).green
    assert not elementary.compiled(replace(function, program=lambda _, x: tanh(x))).green


@pytest.mark.parametrize(("flag", "green"), [("false", "True"), ("true", "False")])
def test_a_compiler_that_may_rearrange_sums_is_red(flag, green):
    """The real thing: XLA's own flag."""
    code = "from harness.engine.canaries.declared import written; print(written().green)"
    code = f"from harness.engine.precision import exact_dtypes\nwith exact_dtypes():\n    {code}"
    environment = os.environ | {"XLA_FLAGS": f"--xla_cpu_enable_fast_math={flag}", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == green, done.stderr


class TestAnswers:
    """The ruler: what the libraries are held against."""

    @pytest.mark.parametrize("function", elementary.FUNCTIONS, ids=lambda function: function.name)
    def test_derivatives_are_those_of_the_functions(self, function):
        step = Decimal("1e-20")
        with references.precisely():
            for x in function.arguments("float64")[::7]:
                point = Decimal(float(x))
                h = step * max(abs(point), step)
                secant = (function.value(point + h) - function.value(point - h)) / (2 * h)
                assert float(abs(secant - function.slope(point))) <= 1e-15 * float(1 + abs(secant))

    def test_the_error_function_is_that_of_another_library(self):
        points = np.linspace(-4, 4, 33)
        assert references.off(special.erf(points), references.erf, points, 0) <= 2
        assert references.off(special.erf(points) * (1 + 1e-15), references.erf, points, 0) > 2

    def test_units_in_the_last_place(self):
        above = np.nextafter(1, 2)
        assert references.ulps([above], [Decimal(1)], 0) == 1
        assert references.ulps([above], [Decimal(1)], 2.0) == 0.5
        assert references.ulps([math.nan], [Decimal(1)], 0) == math.inf
        assert references.ulps([1.0, 1.0], [Decimal(1)], 0) == math.inf

    @pytest.mark.parametrize(
        ("got", "count"), [([0.0, 1], 0), ([-0.0, 1], 1), ([math.nan, 1], 1), ([0.0], 2), ([0, 1], 2), ([0.0, 2], 1)]
    )
    def test_wrong_entries(self, got, count):
        assert wrong(np.array(got), np.array([0.0, 1.0])) == count
        assert wrong(np.array([math.nan]), np.array([math.nan])) == 0

    def test_an_error_that_is_no_number_is_red(self):
        assert not Measured(math.nan, 1, "", "").green
        assert Measured(1, 1, "", "").green
        assert exact([([1], [1])]).green


RED = Canary("planted", "numpy", "nothing", lambda: Measured(2, 1, "entries", "planted"))
ENTRY = """
[[red]]
names = ["planted"]
library = "numpy"
versions = ["{version}"]
report = "numpy/numpy#1"
says = "planted"
"""


class TestList:
    """Red canaries of a release that are known."""

    @pytest.fixture
    def listed(self, tmp_path):
        def read(text):
            (tmp_path / "known.toml").write_text(text)
            return known.read(tmp_path / "known.toml", {"planted"})

        return read

    def test_a_listed_red_is_said_and_does_not_fail(self, listed):
        (outcome,) = run([RED], listed(ENTRY.format(version=np.__version__)))
        assert (outcome.green, outcome.fails, outcome.known) == (False, False, "numpy/numpy#1: planted")

    def test_on_another_release_it_fails(self, listed):
        (outcome,) = run([RED], listed(ENTRY.format(version="0.1")))
        assert outcome.fails

    def test_a_check_that_breaks_is_red(self, listed):
        (outcome,) = run([replace(RED, check=lambda: 1 / 0)], listed(""))
        assert outcome.fails
        assert outcome.failure == "ZeroDivisionError: division by zero"

    def test_the_list_that_comes_with_the_project_names_canaries(self):
        assert {name for red in known.read(canaries=BY_NAME) for name in red.names} <= BY_NAME.keys()

    @pytest.mark.parametrize(
        ("old", "new", "says"),
        [
            (
                'says = "planted"',
                "",
                "has the keys library, names, report, versions: give names, library, versions, report, says",
            ),
            ('["planted"]', '["typo"]', "names 'typo', which is no canary"),
            ('["planted"]', "[]", r"names is \[\]; give a list of one or more texts"),
            ('["1"]', '"1"', "versions is '1'; give a list"),
            ("numpy/numpy#1", "somewhere", "report is 'somewhere'; give owner/name#number"),
            ('library = "numpy"', "library = 1", "library is 1; give a line of text"),
            ("[[red]]", "[[red", "cannot be read"),
        ],
    )
    def test_what_makes_no_sense_is_refused(self, listed, old, new, says):
        with pytest.raises(InvalidInput, match=says):
            listed(ENTRY.format(version="1").replace(old, new))
