"""Linear functions on blocks with the column axis last give the same numbers as one column at a time, for all primitives."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax import lax

from harness.engine.columns_last import FEW, columns_last, elementwise

RNG = np.random.default_rng(0)
A, B = RNG.standard_normal((2, 4, 5))
X = RNG.standard_normal((6, 4))
YES = jnp.asarray(True)
THREE = RNG.standard_normal((3, 2, 5))


def mlp(w):
    hidden = jax.nn.gelu(X @ w["in"]) @ w["out"]
    return optax.softmax_cross_entropy_with_integer_labels(hidden, jnp.arange(6) % 3).mean()


def scanned(w):
    return lax.scan(lambda h, x: (jnp.tanh(h * x), jnp.sum(h)), w, X)


@jax.checkpoint
def remembered(w):
    return jnp.sin(X @ w) ** 2


def draw(*shape):
    return RNG.standard_normal(shape)  # NumPy's: what is made as the module is imported is outside the scope of exact dtypes


# (function, where it is linearised): together they hold every rule, and primitives that have none
FUNCTIONS = {
    "elementwise, with a constant in every place": (lambda w: (A * w - w / A, jnp.where(A > 0, w, -w), 2.0 * w, A - w), B),
    "one predicate for all": (lambda w: (jnp.where(YES, w, A), jnp.where(YES, w[0, 0], 0.0), jnp.where(YES, 0.0, w)), B),
    "products from both sides": (lambda w: (A.T @ w, w @ A.T, jnp.einsum("ij,kj->ki", w, A)), B),
    "products over several axes": (lambda w: jnp.einsum("abc,bcd->da", w, THREE), draw(4, 3, 2)),
    "a batch of products": (lambda w: jnp.einsum("bij,bjk->bik", w, THREE), draw(3, 4, 2)),
    "an inner product": (lambda w: jnp.vdot(w, A), B),
    "shapes": (lambda w: (w.reshape(2, 10), w.T, w[:, None], jnp.squeeze(w[1:2]), jnp.broadcast_to(w[0], (3, 5))), B),
    "slices": (lambda w: (w[1:3], w[::2, 1:], jnp.pad(w, ((1, 0), (0, 2))), jnp.concatenate([w, A, w])), B),
    "sums and a running one": (lambda w: (w.sum(), w.sum(0), w.mean(1), jnp.cumsum(w, 0)), B),
    "what has no rule": (lambda w: (w[jnp.array([2, 0, 0])], jnp.sort(w), lax.dynamic_slice(w, (1, 0), (2, 3)), w[::-1]), B),
    "a maximum": (lambda w: jnp.max(w, axis=0), B),
    "the gradient of a network": (jax.grad(mlp), {"in": draw(4, 8), "out": draw(8, 3)}),
    "a gradient through a checkpoint": (jax.grad(lambda w: jnp.sum(remembered(w))), draw(4, 2)),
    "a scan": (scanned, draw(4)),
    "a branch": (lambda w: lax.cond(jnp.sum(A) > 0, lambda v: 3 * v, lambda v: v**2, w), B),
    "a function of nothing": (lambda w: (w, A), B),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("columns", [FEW - 1, FEW])
def test_every_column_is_mapped_as_it_is_alone(name, columns):
    f, point = FUNCTIONS[name]
    _, linear = jax.linearize(f, jax.tree.map(jnp.asarray, point))
    block = jax.tree.map(lambda leaf: jnp.asarray(RNG.standard_normal((*np.shape(leaf), columns))), point)
    found = jax.jit(columns_last(linear))(block)
    for column in (0, columns - 1):
        alone = linear(jax.tree.map(lambda leaf, column=column: leaf[..., column], block))
        for got, expected in zip(jax.tree.leaves(found), jax.tree.leaves(alone), strict=True):
            # the same sums in another order, in float64
            np.testing.assert_allclose(got[..., column], expected, rtol=1e-12, atol=1e-13)


def test_an_adjoint_is_mapped_too():
    _, back = jax.vjp(jax.grad(mlp), {"in": draw(4, 8), "out": draw(8, 3)})
    block = {"in": draw(4, 8, FEW), "out": draw(8, 3, FEW)}
    found = columns_last(lambda w: back(w)[0])(block)
    expected = jax.vmap(lambda w: back(w)[0], in_axes=-1, out_axes=-1)(block)
    for got, column in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(got, column, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("f", [jnp.tanh, jax.nn.relu, jax.nn.softplus, lambda x: jax.nn.gelu(x, approximate=True)])
def test_elementwise_functions_keep_their_values_and_derivatives(f):
    x = jnp.linspace(-3, 3, 13)
    g = elementwise(f)
    np.testing.assert_array_equal(g(x), f(x))
    for _ in range(3):  # derivatives of first, second and third order
        f, g = (lambda v, h=h: jax.jvp(h, (v,), (jnp.ones_like(v),))[1] for h in (f, g))
        np.testing.assert_allclose(g(x), f(x), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(jax.grad(lambda v: jnp.sum(g(v)))(x), jax.grad(lambda v: jnp.sum(f(v)))(x), rtol=1e-11, atol=1e-11)


def test_the_columns_stay_last():
    """No operation on a block in the program of a network's Hessian product moves the column axis."""
    params = {"in": jnp.ones((4, 8)), "out": jnp.ones((8, 3))}
    _, linear = jax.linearize(jax.grad(mlp), params)
    block = jax.tree.map(lambda leaf: jnp.ones((*leaf.shape, 37)), params)
    program = jax.make_jaxpr(columns_last(linear))(block)
    shapes = [variable.aval.shape for equation in program.eqns for variable in equation.outvars]
    assert shapes
    assert all(37 not in shape[:-1] for shape in shapes)
