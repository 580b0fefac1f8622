"""The digest of a computation: of the programs that JAX traces, with every constant in them, to the last bit.

The source of lambdas, notebooks and modules cannot be trusted to distinguish two networks; the traced program can. The same
function written again gives the same digest. Another activation, constant or array gives another digest.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from harness.engine.precision import with_exact_dtypes

ADDRESS = re.compile(r"0x[0-9a-fA-F]+")
NUMBER = re.compile(r"[-+.\w]+(?=:f64\[\])")  # in a program's text; its value is among the constants


class Programs(NamedTuple):
    """Attributes:
    digest: SHA-256 of all programs and their constants.
    rounded: the same with each constant in double precision rounded to 2^-24 of its largest entry. Another processor or
        mathematical library, which may differ in the last bit of a logarithm, gives the same digest.
    callbacks: names of the primitives that call Python; the digest cannot see what they compute.
    """

    digest: str
    rounded: str
    callbacks: tuple[str, ...]


@with_exact_dtypes
def traced(functions: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]]) -> Programs:
    """The digest of functions, each with the arguments that it is traced for (their shapes and types count alone)."""
    found, rounded, callbacks = hashlib.sha256(), hashlib.sha256(), set()
    for name, (function, arguments) in functions.items():
        program = jax.make_jaxpr(function)(*arguments)
        text = f"{name}\0{ADDRESS.sub('', str(program))}\0"
        found.update(text.encode())
        rounded.update(NUMBER.sub("", text).encode())
        for constant in _constants(program):
            found.update(_bits(constant))
            rounded.update(_bits(_rounded(constant)))
        callbacks |= {name for name in _primitives(program.jaxpr) if "callback" in name or "debug" in name}
    return Programs(found.hexdigest(), rounded.hexdigest(), tuple(sorted(callbacks)))


def bits(tree: Any, *, rounded: bool = False) -> str:
    """SHA-256 of a tree of arrays: its structure, and the types, shapes and bits of its leaves.

    Args:
        rounded: round leaves in double precision, as for :attr:`Programs.rounded`.
    """
    leaves, structure = jax.tree.flatten(tree)
    found = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        found.update(_bits(_rounded(leaf) if rounded else leaf))
    return found.hexdigest()


def _rounded(value: Any) -> Any:
    """An array in double precision, to 2^-24 of its largest entry: a difference that cancels is 0 on every machine."""
    if _is_key(value) or np.asarray(value).dtype != np.float64:
        return value
    array = np.asarray(value)
    largest = np.max(np.abs(array), initial=0.0)
    if not 0 < largest < np.inf:
        return array
    scale = 2.0 ** np.round(np.log2(largest))
    return np.round(array / scale * 2**24) * (scale / 2**24) + 0.0  # 0.0 for -0.0


def _is_key(value: Any) -> bool:
    return bool(jnp.issubdtype(getattr(value, "dtype", np.dtype(float)), jax.dtypes.prng_key))


def _bits(value: Any) -> bytes:
    if _is_key(value):
        value = jax.random.key_data(value)
    array = np.asarray(value, order="C")
    return f"{array.dtype.str}{array.shape}".encode() + array.tobytes()


def _constants(program: Any) -> Iterator[Any]:
    """Every array and number that a closed program holds, inner programs included, in order."""
    yield from getattr(program, "consts", ())
    jaxpr = getattr(program, "jaxpr", program)
    for equation in jaxpr.eqns:
        yield from (atom.val for atom in equation.invars if hasattr(atom, "val"))
        for inner in _inner(equation):
            yield from _constants(inner)
    yield from (atom.val for atom in jaxpr.outvars if hasattr(atom, "val"))


def _primitives(jaxpr: Any) -> Iterator[str]:
    for equation in jaxpr.eqns:
        yield equation.primitive.name
        for inner in _inner(equation):
            yield from _primitives(getattr(inner, "jaxpr", inner))


def _inner(equation: Any) -> Iterator[Any]:
    for value in equation.params.values():
        for one in value if isinstance(value, tuple | list) else (value,):
            if hasattr(one, "eqns") or hasattr(one, "jaxpr"):
                yield one
