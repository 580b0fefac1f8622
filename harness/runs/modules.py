"""flax.linen, flax.nnx and equinox networks as two plain functions, ``init(key)`` and ``apply(params, x, key)``.

A library is imported only if one of its networks is given. Random parts (dropout) get the step's key, and are switched off if
the key is None.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from harness.errors import InvalidInput

SWITCHES = {"deterministic": False, "train": True, "training": True, "is_training": True}  # linen arguments, as in training


class Functions(NamedTuple):
    """Attributes:
    init: (key) -> parameters.
    apply: (params, x, key) -> outputs; a key of None means no randomness.
    random: whether training takes keys.
    """

    init: Callable[[Any], Any]
    apply: Callable[[Any, Any, Any], Any]
    random: bool


def plain(init: Callable[[Any], Any], apply: Callable[..., Any]) -> Functions:
    """Plain functions; ``apply`` is random if it has a parameter called ``key``.

    Raises:
        InvalidInput: ``apply`` asks for more than params, x and key.
    """
    asked = _parameters(apply)
    needed = [
        name for name, one in asked.items() if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)
    ]
    more = [name for name in needed[2:] if name != "key"]
    if more:
        raise InvalidInput(
            f"apply asks for {', '.join(needed)}; allowed are (params, x) and, for dropout and the like, (params, x, key): "
            f"call the random key `key` (it is None outside training), and bind all else with functools.partial"
        )
    if "key" in asked:
        return Functions(init, lambda params, x, key: apply(params, x, key=key), True)
    return Functions(init, lambda params, x, key: apply(params, x), False)


def adapted(module: Any, x: Any) -> Functions:
    """The functions of a flax.linen module, or of a function or class that makes a flax.nnx or equinox module.

    Args:
        module: a flax.linen module; a function or class that makes a flax.nnx module from ``rngs``; or a function or class that
            makes an equinox module from ``key``. An equinox module sees one example at a time.
        x: a few examples.

    Raises:
        InvalidInput: any other object, or a module with state besides its parameters that training changes.
    """
    if _instance(module, "flax.linen", "Module"):
        return _linen(module, x)
    for library, name in (("flax.nnx", "lambda rngs: MLP(..., rngs=rngs)"), ("equinox", "lambda key: MLP(..., key=key)")):
        if _instance(module, library, "Module"):
            raise InvalidInput(
                f"module is a finished {library} module, whose parameters no seed could change: give what makes it, module={name}"
            )
    if not callable(module):
        raise InvalidInput(f"module = {module!r}: give a flax.linen module, or a function of rngs (flax.nnx) or key (equinox)")
    if "rngs" in _parameters(module):
        return _nnx(module)
    return _equinox(module, x)


def _linen(module: Any, x: Any) -> Functions:
    switches = {name: on for name, on in SWITCHES.items() if name in _parameters(type(module).__call__)}
    off = {name: not on for name, on in switches.items()}

    def init(key: Any) -> Any:
        variables = dict(module.init({"params": key}, x, **off))
        params = variables.pop("params", {})
        if variables:
            raise _stateful("flax.linen", variables)
        return params

    def apply(params: Any, x: Any, key: Any) -> Any:
        if key is None:
            return module.apply({"params": params}, x, **off)
        return module.apply({"params": params}, x, **switches, rngs={"dropout": key})

    return Functions(init, apply, bool(switches))


def _nnx(make: Callable[..., Any]) -> Functions:
    from flax import nnx

    def parts(key: Any) -> Any:
        made = make(rngs=nnx.Rngs(key))
        if not isinstance(made, nnx.Module):
            raise InvalidInput(f"module(rngs=...) gave {type(made).__name__}: need a flax.nnx module")
        return nnx.split(made, nnx.Param, nnx.RngState, ...)

    graph, _, randomness, rest = parts(jax.random.key(0))
    if jax.tree.leaves(rest):
        raise _stateful("flax.nnx", nnx.to_pure_dict(rest))

    def apply(params: Any, x: Any, key: Any) -> Any:
        model = nnx.merge(graph, params, randomness if key is None else _keyed(randomness, key), rest)
        if key is None:
            model.eval()
        else:
            model.train()
        return model(x)

    return Functions(lambda key: parts(key)[1], apply, bool(jax.tree.leaves(randomness)) and _dropout(make, nnx))


def _keyed(randomness: Any, key: Any) -> Any:
    """The state of random streams at their start; each stream gets a key of its own, derived from this key."""
    leaves, structure = jax.tree.flatten(randomness)
    fresh = [
        jax.random.fold_in(key, i) if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else jnp.zeros_like(leaf)
        for i, leaf in enumerate(leaves)
    ]
    return jax.tree.unflatten(structure, fresh)


def _dropout(make: Callable[..., Any], nnx: Any) -> bool:
    return any(isinstance(part, nnx.Dropout) for _, part in nnx.iter_graph(make(rngs=nnx.Rngs(0))))


def _equinox(make: Callable[..., Any], x: Any) -> Functions:
    def built(key: Any) -> Any:
        return make(key=key) if "key" in _parameters(make) else make(key)

    made = built(jax.random.key(0))
    if not _instance(made, "equinox", "Module"):
        raise InvalidInput(f"module(key) gave {type(made).__name__}: need an equinox module; a flax.nnx one is made from rngs")
    import equinox as eqx

    static = eqx.partition(made, eqx.is_inexact_array)[1]
    if any(
        isinstance(leaf, eqx.nn.StateIndex)
        for leaf in jax.tree.leaves(made, is_leaf=lambda one: isinstance(one, eqx.nn.StateIndex))
    ):
        raise _stateful("equinox", ["StateIndex"])

    def apply(params: Any, x: Any, key: Any) -> Any:
        model = eqx.combine(params, static)
        if key is None:
            return jax.vmap(eqx.nn.inference_mode(model))(x)
        keys = jax.random.split(key, len(jax.tree.leaves(x)[0]))
        return jax.vmap(lambda one, key: model(one, key=key))(x, keys)

    return Functions(lambda key: eqx.partition(built(key), eqx.is_inexact_array)[0], apply, _wants_key(made, x))


def _wants_key(model: Any, x: Any) -> bool:
    """Whether an equinox module in training mode needs a key."""
    if "key" not in _parameters(type(model).__call__):
        return False
    try:
        jax.eval_shape(jax.vmap(model), x)
    except Exception:
        return True
    return False


def _stateful(library: str, what: Any) -> InvalidInput:
    return InvalidInput(
        f"the {library} module keeps state besides its parameters ({', '.join(map(str, what))}), such as running averages: "
        "the training map is one of parameters alone; use layers without it (LayerNorm or GroupNorm for BatchNorm)"
    )


def _instance(value: Any, library: str, name: str) -> bool:
    return library in sys.modules and isinstance(value, getattr(sys.modules[library], name))


def _parameters(function: Any) -> dict[str, inspect.Parameter]:
    try:
        made: Any = vars(function).get("__init__", function) if isinstance(function, type) else function
        return dict(inspect.signature(made).parameters)
    except (TypeError, ValueError):
        return {}
