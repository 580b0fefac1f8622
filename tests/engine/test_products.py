"""Products with J against the dense J, for every kind of update rule, and refused input."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from jax.flatten_util import ravel_pytree

from claims.training_jacobian.data import Dataset, load
from claims.training_jacobian.experiments import Data, Experiment, Model
from claims.training_jacobian.recipe import apply, initial_parameters
from harness.engine import jacobian
from harness.engine.losses import cross_entropy, supervised
from harness.engine.products import TrainingProducts, segment
from harness.engine.training import HessianProduct, Training
from harness.engine.trees import cast
from harness.errors import InvalidInput, NotFinite


def pulled_to_its_average():
    """A rule whose memory starts at theta_0 itself, so that J has a part that goes through the memory alone."""

    def update(gradient, average, params):
        change = jax.tree.map(lambda g, p, a: -0.1 * g - 0.05 * (p - a), gradient, params, average)
        return change, jax.tree.map(lambda p, a: 0.9 * a + 0.1 * p, params, average)

    return optax.GradientTransformation(lambda params: params, update)


RULES = {
    "sgd": optax.sgd(0.1),
    "momentum": optax.sgd(optax.cosine_decay_schedule(0.1, 9), momentum=0.9),
    "nesterov": optax.sgd(0.1, momentum=0.9, nesterov=True),
    "adam": optax.adam(optax.cosine_decay_schedule(0.01, 9), eps_root=1e-8),
    "clipped": optax.chain(optax.clip_by_global_norm(0.5), optax.adamw(0.01, eps_root=1e-8)),
    "averaged": pulled_to_its_average(),
}


def world(rule, precision="float64", steps=3, epochs=3):
    """A small network on digits, trained with a rule: (training, params)."""
    experiment = Experiment("small", "smoke", data=Data(), model=Model(hidden=(4,), activation="tanh"))
    data: Dataset = load(experiment.data)
    x = jnp.asarray(data.x_train[: 16 * steps].reshape(steps, 16, -1), precision)
    y = jnp.asarray(data.y_train[: 16 * steps].reshape(steps, 16))
    training = Training(supervised(apply(experiment.model), cross_entropy), rule, (x, y), epochs)
    return training, cast(initial_parameters(experiment, data), precision)


def products_of(rule, *, precision="float64", **options):
    return TrainingProducts(*world(rule, precision), **options)


@pytest.mark.parametrize("name", RULES)
def test_products_are_those_of_the_dense_jacobian(name):
    dense = jacobian.dense_jacobian(*world(RULES[name]))
    products = products_of(RULES[name])
    vectors = np.random.default_rng(0).standard_normal((products.size, 3))
    scale = np.linalg.norm(dense, 2) * np.linalg.norm(vectors)
    # float64 rounding over nine steps, with a factor of a hundred for the sums in each
    assert np.linalg.norm(products.forward(vectors) - dense @ vectors) < 1e-12 * scale
    assert np.linalg.norm(products.adjoint(vectors) - dense.T @ vectors) < 1e-12 * scale
    assert products.spent == 2 * 3 * 9


def own_products(training, factor=1.0):
    """The derivative of the gradient as a network's own products, and a list that gets an entry for each use of either part."""
    used = []

    def linearise(params, batch):
        used.append("linearise")
        return jax.grad(training.loss)(params, batch), batch

    def product(params, batch, shared, vector):
        used.append("product")
        found = jax.jvp(lambda at: jax.grad(training.loss)(at, shared[1]), (params,), (vector,))[1]
        return jax.tree.map(lambda leaf: factor * leaf, found)

    return dataclasses.replace(training, hessian=HessianProduct(linearise, product)), used


def test_a_network_may_bring_its_own_hessian_products():
    """What it shares between products is kept with the states, or computed again with them."""
    training, params = world(RULES["adam"])
    own, used = own_products(training)
    expected = TrainingProducts(training, params)
    block = np.random.default_rng(0).standard_normal((expected.size, 3))
    for memory, kept in ((2**31, True), (0, False)):
        found = TrainingProducts(own, params, memory=memory)
        assert found.kept is kept
        used.clear()
        np.testing.assert_allclose(found.forward(block), expected.forward(block), rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(found.adjoint(block), expected.adjoint(block), rtol=1e-10, atol=1e-12)
        assert used.count("product") == 2  # traced once for each direction
    room = 130_000 * len(jax.local_devices())  # nine states and gradients, but not what the products share as well
    assert TrainingProducts(training, params, memory=room).kept
    assert not TrainingProducts(own, params, memory=room).kept


def test_hessian_products_of_another_loss_are_refused():
    training, params = world(RULES["adam"])
    with pytest.raises(InvalidInput, match=r"off by 0.01 of its length .* allows 1.5e-08"):
        TrainingProducts(own_products(training, 1.01)[0], params)


@pytest.mark.parametrize(("name", "precision", "eps"), [("momentum", "float64", 2.3e-16), ("adam", "float32", 1.2e-7)])
def test_dot_products_agree_to_rounding(name, precision, eps):
    products = products_of(RULES[name], precision=precision)
    rng = np.random.default_rng(1)
    v, w = rng.standard_normal((2, products.size, 4))
    pushed, pulled = products.forward(v), products.adjoint(w)
    for i in range(4):
        scale = np.linalg.norm(w[:, i]) * np.linalg.norm(pushed[:, i])
        # rounding of nine steps adds up as a random walk; 100 eps is ten times what that gives
        assert abs(w[:, i] @ pushed[:, i] - pulled[:, i] @ v[:, i]) < 100 * eps * scale


def test_recomputed_states_give_the_same_products():
    kept, again = products_of(RULES["adam"]), products_of(RULES["adam"], memory=0)
    assert kept.kept
    assert not again.kept
    block = np.random.default_rng(2).standard_normal((kept.size, 2))
    assert np.array_equal(kept.forward(block), again.forward(block))
    assert np.array_equal(kept.adjoint(block), again.adjoint(block))


def test_one_device_and_all_give_the_same_products():
    rule = RULES["adam"]
    one, every = products_of(rule, devices=jax.devices()[:1]), products_of(rule)
    # five columns are no multiple of two devices: the block is filled up and cut again
    block = np.random.default_rng(3).standard_normal((one.size, 5))
    assert np.allclose(one.forward(block), every.forward(block), rtol=1e-10, atol=1e-12)
    assert np.allclose(one.adjoint(block), every.adjoint(block), rtol=1e-10, atol=1e-12)


def test_training_ends_where_the_training_map_does():
    training, params = world(RULES["adam"])
    expected = training(params)
    products = products_of(RULES["adam"])
    assert np.allclose(products.theta_T, ravel_pytree(expected)[0], rtol=1e-12, atol=1e-14)
    assert jax.tree.structure(products.final) == jax.tree.structure(params)


def test_momentum_left_out_of_the_tangent_is_seen():
    """The ruler itself: a product without momentum is not the dense Jacobian's."""
    dense = jacobian.dense_jacobian(*world(RULES["nesterov"]))
    block = np.random.default_rng(0).standard_normal((len(dense), 1))
    wrong = products_of(optax.sgd(0.1)).forward(block)
    assert np.linalg.norm(wrong - dense @ block) > 1e-3 * np.linalg.norm(dense @ block)


def test_adam_without_eps_root_is_refused():
    with pytest.raises(InvalidInput, match=r"slope at 0 is infinite; set eps_root, as in optax.adam\(0.01, eps_root=1e-8\)"):
        products_of(optax.adam(0.01))


def test_a_diverging_run_is_refused():
    # |theta| grows by 1e100 a step and leaves float64 at the fourth
    training = Training(lambda theta, batch: jnp.sum(theta**2) / 2, optax.sgd(1e100), jnp.zeros((9, 1)), 1)
    with pytest.raises(NotFinite, match="a parameter is not finite by step 6; lower the step size"):
        TrainingProducts(training, jnp.ones(4))


def test_products_that_overflow_say_so():
    products = products_of(RULES["sgd"], precision="float32")
    with pytest.raises(NotFinite, match="J v: column 1 of the product is not finite"):
        products.forward(np.array([[1.0, 1e300]] * products.size))


def test_blocks_of_the_wrong_shape_are_refused():
    products = products_of(RULES["sgd"])
    for block in (np.ones(products.size), np.ones((3, 2)), np.ones((products.size, 0))):
        with pytest.raises(InvalidInput, match=rf"need \({products.size}, columns\)"):
            products.forward(block)


@pytest.mark.parametrize(("steps", "stride"), [(1, 1), (9, 3), (60, 10), (2811, 54), (625, 25), (7, 7)])
def test_checkpoints_are_a_root_of_the_steps_apart(steps, stride):
    assert segment(steps) == stride


def test_no_steps_and_mixed_precision_are_refused():
    with pytest.raises(InvalidInput, match="leave no step"):
        TrainingProducts(*world(RULES["sgd"], epochs=0))
    training, params = world(RULES["sgd"], epochs=1)
    mixed = (params[0], jax.tree.map(lambda leaf: leaf.astype("float32"), params[1]))
    with pytest.raises(InvalidInput, match="cast all of them"):
        TrainingProducts(training, mixed)
