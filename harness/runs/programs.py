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


class Programs(NamedTuple):
    """Attributes:
    digest: SHA-256 of all programs and their constants.
    callbacks: names of the primitives that call Python; the digest cannot see what they compute.
    """

    digest: str
    callbacks: tuple[str, ...]


@with_exact_dtypes
def traced(functions: Mapping[str, tuple[Callable[..., Any], tuple[Any, ...]]]) -> Programs:
    """The digest of functions, each with the arguments that it is traced for (their shapes and types count alone)."""
    found, callbacks = hashlib.sha256(), set()
    for name, (function, arguments) in functions.items():
        program = jax.make_jaxpr(function)(*arguments)
        found.update(f"{name}\0{ADDRESS.sub('', str(program))}\0".encode())
        for constant in _constants(program):
            found.update(_bits(constant))
        callbacks |= {name for name in _primitives(program.jaxpr) if "callback" in name or "debug" in name}
    return Programs(found.hexdigest(), tuple(sorted(callbacks)))


def bits(tree: Any) -> str:
    """SHA-256 of a tree of arrays: its structure, and the types, shapes and bits of its leaves."""
    leaves, structure = jax.tree.flatten(tree)
    found = hashlib.sha256(str(structure).encode())
    for leaf in leaves:
        found.update(_bits(leaf))
    return found.hexdigest()


def _bits(value: Any) -> bytes:
    if jnp.issubdtype(getattr(value, "dtype", np.dtype(float)), jax.dtypes.prng_key):
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
