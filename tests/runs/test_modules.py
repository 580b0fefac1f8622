"""flax and equinox networks as plain functions: outputs, randomness, and refused input."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from harness.errors import InvalidInput
from harness.runs import modules

X = np.random.default_rng(0).normal(size=(4, 3))
KEYS = jax.random.split(jax.random.key(1), 2)


def check(found, random):
    """Outputs without a key are repeatable; with one they depend on it where the network is random."""
    first, second = (found.init(key) for key in KEYS)
    assert not np.array_equal(jax.tree.leaves(first)[-1], jax.tree.leaves(second)[-1])
    assert np.array_equal(found.apply(first, X, None), found.apply(first, X, None))
    assert found.random == random
    if random:
        a, b = (jax.jit(found.apply)(first, X, key) for key in KEYS)
        assert not np.array_equal(a, b)
        assert np.array_equal(a, found.apply(first, X, KEYS[0]))


def test_equinox():
    eqx = pytest.importorskip("equinox", reason="equinox is not installed")
    check(modules.adapted(lambda key: eqx.nn.MLP(3, 2, 4, 1, key=key), X), False)

    def dropped(key):
        return eqx.nn.Sequential([eqx.nn.Linear(3, 8, key=key), eqx.nn.Dropout(0.5)])

    check(modules.adapted(dropped, X), True)
    with pytest.raises(InvalidInput, match=r"finished equinox module.*lambda key"):
        modules.adapted(eqx.nn.Linear(3, 2, key=KEYS[0]), X)


def test_flax_nnx():
    pytest.importorskip("flax", reason="flax is not installed")
    from flax import nnx

    def made(rngs, *more):
        return nnx.Sequential(nnx.Linear(3, 8, rngs=rngs), *more)

    check(modules.adapted(lambda rngs: made(rngs), X), False)
    check(modules.adapted(lambda rngs: made(rngs, nnx.Dropout(0.5, rngs=rngs)), X), True)
    with pytest.raises(InvalidInput, match=r"finished flax.nnx module.*lambda rngs"):
        modules.adapted(made(nnx.Rngs(0)), X)
    with pytest.raises(InvalidInput, match=r"keeps state"):
        modules.adapted(lambda rngs: made(rngs, nnx.BatchNorm(8, rngs=rngs)), X)


def test_flax_linen():
    pytest.importorskip("flax", reason="flax is not installed")
    from flax import linen

    class Dropped(linen.Module):
        @linen.compact
        def __call__(self, x, train):
            return linen.Dropout(0.5, deterministic=not train)(linen.Dense(8)(x))

    check(modules.adapted(linen.Sequential([linen.Dense(8), jnp.tanh]), X), False)
    check(modules.adapted(Dropped(), X), True)
    with pytest.raises(InvalidInput, match=r"keeps state"):
        found = modules.adapted(linen.BatchNorm(use_running_average=False), X)
        found.init(KEYS[0])


def test_anything_else():
    with pytest.raises(InvalidInput, match=r"give a flax.linen module"):
        modules.adapted(3, X)
    pytest.importorskip("equinox", reason="equinox is not installed")
    with pytest.raises(InvalidInput, match=r"need an equinox module"):
        modules.adapted(lambda key: {"w": key}, X)
