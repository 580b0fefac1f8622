"""Checks of a user's network before training; each error says in one line what is not allowed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from harness.engine.precision import with_exact_dtypes
from harness.engine.trees import floating
from harness.errors import HarnessError, InvalidInput
from harness.runs.examples import shapes

MODULE = "give a flax or equinox module as module=, or keep what is not trained out of the parameters and bind it to apply"


def whole_number(name: str, value: Any) -> None:
    """Raise InvalidInput unless the value is a whole number, 0 or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 0:
        raise InvalidInput(f"{name} = {value!r}: give a whole number, 0 or more")


def made(init: Callable[[Any], Any] | None, key: Any) -> Any:
    """The result of ``init``.

    Raises:
        InvalidInput: ``init`` fails.
    """
    if not callable(init):
        raise InvalidInput(f"init = {init!r}: give a function of a random key that makes the parameters")
    try:
        return init(key)
    except HarnessError:
        raise
    except Exception as error:
        raise InvalidInput(
            f"init fails: {_first(error)}; it is called as init(key) with a random key, or as init(seed) where its parameter is "
            "called seed"
        ) from error


def parameters(params: Any) -> None:
    """Raise InvalidInput for a tree with leaves that cannot be trained."""
    leaves = jax.tree_util.tree_leaves_with_path(params)
    if not leaves:
        raise InvalidInput("init gave no parameters: it must return a tree of floating arrays")
    for path, leaf in leaves:
        where = f"init gave the leaf params{jax.tree_util.keystr(path)}"
        dtype: Any = getattr(leaf, "dtype", None)
        if dtype is None and not isinstance(leaf, int | float | complex):
            raise InvalidInput(f"{where} of type {type(leaf).__name__}; every parameter must be a floating array: {MODULE}")
        if dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key):
            raise InvalidInput(
                f"{where}, a random key; every parameter must be a floating array: take keys in apply(params, x, key)"
            )
        if not jnp.issubdtype(jnp.result_type(leaf), jnp.floating):
            raise InvalidInput(f"{where} of dtype {jnp.result_type(leaf)}; every parameter must be a floating array: {MODULE}")
        if not isinstance(leaf, jax.core.Tracer) and not np.isfinite(np.asarray(leaf)).all():  # traced: no numbers yet
            raise InvalidInput(f"{where}, which is not finite everywhere: check what it divides by")


def outputs(apply: Callable[[Any, Any, Any], Any], params: Any, x: Any) -> Any:
    """Shapes of the outputs for ``x``.

    Raises:
        InvalidInput: ``apply`` fails on these inputs, or the first axis of its outputs is not that of the examples.
    """
    examples = len(jax.tree.leaves(x)[0])
    try:
        found = jax.eval_shape(apply, params, x, None)
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(
            f"apply fails on inputs of shape {shapes(x)}: {_first(error)}; x has its examples first, and a random key is None "
            "outside training; a function of one example becomes one of many by jax.vmap(apply, (None, 0))"
        ) from error
    if any(not leaf.shape or leaf.shape[0] != examples for leaf in jax.tree.leaves(found)):
        raise InvalidInput(
            f"apply gave outputs of shape {shapes(found)} for {examples} examples; need the examples first: "
            "jax.vmap(apply, (None, 0)) makes a function of many examples of a function of one"
        )
    return found


def labels(found: Any, y: Any) -> None:
    """Raise InvalidInput if outputs and labels would combine without an error but without meaning."""
    out, given = jax.tree.leaves(found), jax.tree.leaves(y)
    if len(out) != 1 or len(given) != 1:
        return
    o, t = out[0], given[0]
    if {o.shape[1:], t.shape[1:]} == {(), (1,)}:
        raise InvalidInput(
            f"outputs of shape {o.shape} and labels of shape {t.shape} would spread to a square: give both one shape "
            "(outputs[:, 0], or y[:, None])"
        )
    if classes(found, y) and (t.min() < 0 or t.max() >= o.shape[1]):
        raise InvalidInput(
            f"labels from {t.min()} to {t.max()} do not fit {o.shape[1]} outputs: number the classes from 0 to {o.shape[1] - 1}, "
            "or turn numbers that are no classes into floating ones"
        )


def classes(found: Any, y: Any) -> int:
    """Number of classes where outputs are (n, classes) and labels whole numbers of shape (n,); 0 elsewhere."""
    out, given = jax.tree.leaves(found), jax.tree.leaves(y)
    if len(out) != 1 or len(given) != 1 or len(out[0].shape) != 2 or given[0].ndim != 1 or given[0].dtype.kind not in "iu":
        return 0
    return int(out[0].shape[1]) if out[0].shape[1] > 1 else 0


def scalar_loss(loss: Callable[[Any, Any], Any], params: Any, batch: Any) -> None:
    """Raise InvalidInput unless the loss of a batch is one floating number."""
    try:
        found = jax.eval_shape(loss, params, batch)
    except InvalidInput:
        raise
    except Exception as error:
        raise InvalidInput(
            f"the loss fails on a batch with x of shape {shapes(batch.x)} and y of shape {shapes(batch.y)}: {_first(error)}; "
            "it is called as loss(outputs, y), or as batch_loss(params, (x, y))"
        ) from error
    leaves = jax.tree.leaves(found)
    if len(leaves) != 1 or leaves[0].shape != () or not jnp.issubdtype(leaves[0].dtype, jnp.floating):
        raise InvalidInput(
            f"the loss of a batch has shape {shapes(found)} and dtype {', '.join(str(leaf.dtype) for leaf in leaves)}; "
            "need one floating number: take the mean over the batch"
        )


@with_exact_dtypes
def repeatable(apply: Callable[[Any, Any, Any], Any], params: Any, x: Any) -> None:
    """Raise InvalidInput if a second call of ``apply`` gives other outputs."""
    first, second = (jax.tree.map(np.asarray, apply(params, x, None)) for _ in range(2))
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(*map(jax.tree.leaves, (first, second)), strict=True)):
        raise InvalidInput(
            "apply gave other outputs when it was called again with the same arguments: take random numbers from a parameter "
            "`key` alone, as in apply(params, x, key)"
        )


def derivable(optimiser: optax.GradientTransformation, params: Any) -> bool:
    """Whether the first update has a finite derivative if some gradients are zero, such as those of dead units."""
    memory = optimiser.init(params)
    gradient = jax.tree.map(lambda leaf: jnp.ones_like(leaf).at[(0,) * leaf.ndim].set(0.0), params)

    def after(gradient: Any) -> Any:
        change, kept = optimiser.update(gradient, memory, params)
        return change, floating(kept)

    moved = jax.jvp(after, (gradient,), (jax.tree.map(jnp.ones_like, params),))[1]
    return all(bool(jnp.isfinite(leaf).all()) for leaf in jax.tree.leaves(moved))


def updates(optimiser: optax.GradientTransformation, params: Any) -> None:
    """Raise InvalidInput unless the rule is an optax rule that needs gradients alone."""
    if not (hasattr(optimiser, "init") and hasattr(optimiser, "update")):
        raise InvalidInput(f"optimiser = {optimiser!r}: give an optax rule, such as optax.sgd(0.1, momentum=0.9)")
    try:
        memory = jax.eval_shape(optimiser.init, params)
        jax.eval_shape(lambda m, p: optimiser.update(p, m, p), memory, params)
    except Exception as error:
        raise InvalidInput(
            f"the optimiser fails on these parameters: {_first(error)}; allowed are optax rules of gradients and parameters "
            "(a line search needs the loss itself, and has no training map of this kind)"
        ) from error


def _first(error: Exception) -> str:
    """The error's kind and first line."""
    return f"{type(error).__name__}: {(str(error).strip() or 'no message').splitlines()[0]}"
