"""A linear function on many vectors at once, with the column axis last from the first operation to the last.

``jax.vmap`` does not keep the column axis last. Where an array without columns meets an array with columns, it moves the
columns to the front, and each matrix product of a training step then waits for a transposition. Here every leaf is (...,
columns) throughout. A product with an unbatched factor is one large matrix product, and elementwise work runs along columns.
All functions are linear, as ``jax.linearize`` and ``jax.vjp`` make them. They consist of a dozen primitives; any other
primitive is left to ``jax.vmap``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

Value = tuple[Any, bool]  # an array, and whether its last axis is the column axis

FEW = 16  # columns; fewer leave vector units idle along the last axis, and the first axis is then faster
ENTRYWISE = frozenset({"add", "add_any", "convert_element_type", "copy", "copy_p", "div", "mul", "neg", "select_n", "sub"})
NESTED = ("jaxpr", "call_jaxpr")  # parameters under which a call keeps its body
CALLS = frozenset({"pjit", "jit", "closed_call", "core_call", "custom_jvp_call", "custom_lin", "remat", "remat2", "checkpoint"})


def elementwise(f: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """The entrywise function ``f`` with derivatives of every order that are one product with an array of slopes.

    Otherwise JAX differentiates each operation in ``f``, and every tangent goes through all of them.
    """

    @jax.custom_jvp
    def g(x: Array) -> Array:
        return f(x)

    def slope(x: Array) -> Array:
        return jax.jvp(f, (x,), (jnp.ones_like(x),))[1]

    @g.defjvp
    def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
        return g(*primals), elementwise(slope)(*primals) * tangents[0]

    return g


def columns_last(linear: Callable[..., Any]) -> Callable[..., Any]:
    """The function of trees with leaves (..., columns) that applies ``linear``, a linear function of trees, to each column."""

    def apply(*blocks: Any) -> Any:
        leaves, structure = jax.tree.flatten(blocks)
        columns = leaves[0].shape[-1]
        if columns < FEW:
            return jax.vmap(linear, in_axes=-1, out_axes=-1)(*blocks)
        one = jax.tree.unflatten(structure, [jax.ShapeDtypeStruct(leaf.shape[:-1], leaf.dtype) for leaf in leaves])
        traced, shape = jax.make_jaxpr(linear, return_shape=True)(*one)
        found = _evaluate(traced.jaxpr, traced.consts, [(leaf, True) for leaf in leaves])
        return jax.tree.unflatten(jax.tree.structure(shape), [_spread(value, columns) for value in found])

    return apply


def _evaluate(jaxpr: Any, consts: Sequence[Any], arguments: Sequence[Value]) -> list[Value]:
    known: dict[Any, Value] = dict(zip(jaxpr.constvars, ((const, False) for const in consts), strict=True))
    known.update(zip(jaxpr.invars, arguments, strict=True))

    def read(atom: Any) -> Value:
        return (atom.val, False) if hasattr(atom, "val") else known[atom]

    for equation in jaxpr.eqns:
        found = _step(equation, [read(atom) for atom in equation.invars])
        known.update(zip(equation.outvars, found, strict=True))
    return [read(atom) for atom in jaxpr.outvars]


def _step(equation: Any, values: list[Value]) -> list[Value]:
    """The results of one equation of the program; some of its values have columns."""
    name, parameters = equation.primitive.name, equation.params
    if name in CALLS:
        body = next(parameters[key] for key in NESTED if key in parameters)
        return _evaluate(getattr(body, "jaxpr", body), getattr(body, "consts", ()), values)
    if not any(batched for _, batched in values):
        found = _bind(equation, *(value for value, _ in values))
        return [(one, False) for one in found]
    if name in ENTRYWISE:
        aligned = [value if batched or not jnp.ndim(value) else value[..., None] for value, batched in values]
        return [(_entrywise(equation, aligned), True)]
    if name in RULES and (found := RULES[name](parameters, *values)) is not None:
        return [(found, True)]
    axes = [-1 if batched else None for _, batched in values]
    found = jax.vmap(lambda *arrays: _bind(equation, *arrays), in_axes=axes, out_axes=-1)(*(value for value, _ in values))
    return [(one, True) for one in found]


def _bind(equation: Any, *arrays: Any) -> list[Any]:
    known = equation.primitive.get_bind_params(equation.params)
    functions, parameters = ((), known) if isinstance(known, dict) else known  # JAX 0.10 and before
    found = equation.primitive.bind(*functions, *arrays, **parameters)
    return list(found) if equation.primitive.multiple_results else [found]


def _entrywise(equation: Any, arrays: list[Any]) -> Any:
    shape = jnp.broadcast_shapes(*(jnp.shape(array) for array in arrays))
    one = equation.primitive.name == "select_n" and not jnp.ndim(arrays[0])  # a scalar predicate stays scalar
    full = [array if one and i == 0 else jnp.broadcast_to(array, shape) for i, array in enumerate(arrays)]
    return _bind(equation, *full)[0]


def _spread(value: Value, columns: int) -> Any:
    array, batched = value
    return array if batched else jnp.broadcast_to(jnp.asarray(array)[..., None], (*jnp.shape(array), columns))


def _dot_general(parameters: Any, left: Value, right: Value) -> Any:
    """The product with the factor that has columns as the second, so that columns come last; other axes are then reordered."""
    (contracted, (batch, _)) = parameters["dimension_numbers"]
    if batch:
        return None
    kind = {name: parameters[name] for name in ("precision", "preferred_element_type")}
    if right[1]:
        return lax.dot_general(left[0], right[0], (contracted, ((), ())), **kind)
    swapped = lax.dot_general(right[0], left[0], (contracted[::-1], ((), ())), **kind)
    first = right[0].ndim - len(contracted[1])
    return jnp.moveaxis(swapped, range(first), range(-first - 1, -1)) if first else swapped


def _broadcast_in_dim(parameters: Any, value: Value, *dynamic: Value) -> Any:
    if dynamic:
        return None
    shape, axes = parameters["shape"], parameters["broadcast_dimensions"]
    return lax.broadcast_in_dim(value[0], (*shape, value[0].shape[-1]), (*axes, len(shape)))


def _reshape(parameters: Any, value: Value, *dynamic: Value) -> Any:
    if dynamic or parameters["dimensions"] is not None:
        return None
    return lax.reshape(value[0], (*parameters["new_sizes"], value[0].shape[-1]))


def _slice(parameters: Any, value: Value) -> Any:
    array, strides = value[0], parameters["strides"]
    starts, stops = (*parameters["start_indices"], 0), (*parameters["limit_indices"], array.shape[-1])
    return lax.slice(array, starts, stops, None if strides is None else (*strides, 1))


def _concatenate(parameters: Any, *values: Value) -> Any:
    columns = next(array.shape[-1] for array, batched in values if batched)
    return lax.concatenate([_spread(value, columns) for value in values], parameters["dimension"])


RULES: dict[str, Callable[..., Any]] = {
    "broadcast_in_dim": _broadcast_in_dim,
    "concatenate": _concatenate,
    "dot_general": _dot_general,
    "pad": lambda parameters, value, fill: (
        None if fill[1] else lax.pad(value[0], fill[0], (*parameters["padding_config"], (0, 0, 0)))
    ),
    "reduce_sum": lambda parameters, value: jnp.sum(value[0], axis=parameters["axes"]),
    "reshape": _reshape,
    "slice": _slice,
    "squeeze": lambda parameters, value: lax.squeeze(value[0], parameters["dimensions"]),
    "transpose": lambda parameters, value: lax.transpose(value[0], (*parameters["permutation"], value[0].ndim - 1)),
}
