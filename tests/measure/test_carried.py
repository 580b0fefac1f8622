"""Parameters that training carries exactly: which are found, which only look similar, and their place in spectrum and store."""

from __future__ import annotations

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from harness import InvalidInput, Network, Store
from harness.measure import carried
from harness.measure.carried import shifts_of

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(22, 5)), RNG.integers(0, 3, 22)
X_TEST, Y_TEST = RNG.normal(size=(9, 5)), RNG.integers(0, 3, 9)
BLANK = X * [1, 0, 1, 0, 1]  # inputs 1 and 3 are zero in every training example
# theta is bias (4), hidden (5, 4), output (4, 3)
BLANK_WEIGHTS = [4 + 4 * i + unit for i in (1, 3) for unit in range(4)]
HEAVY_BALL = optax.sgd(0.1, momentum=0.9)


def init(key):
    first, second = jax.random.split(key)
    return {"bias": jnp.zeros(4), "hidden": jax.random.normal(first, (5, 4)), "output": jax.random.normal(second, (4, 3)) / 2}


def apply(params, x):
    return jax.nn.relu(x @ params["hidden"] + params["bias"]) @ params["output"]


def cross_entropy(outputs, y):
    return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()


def network(x=BLANK, **changes):
    given = {"init": init, "apply": apply, "loss": cross_entropy, "optimiser": HEAVY_BALL, "epochs": 2, "batch": 9}
    return Network(data=(x, Y, X_TEST, Y_TEST), **(given | changes))


@cache
def blank(precision="float32"):
    return network(precision=precision).run()


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_weights_of_inputs_that_are_always_zero_are_found(precision):
    run = blank(precision)
    assert run.structural.coordinates.tolist() == BLANK_WEIGHTS
    spectrum = run.spectrum
    assert spectrum.structural.sum() == 8
    assert spectrum.structural_error == 0  # zero times anything: there is nothing to round
    assert np.array_equal(spectrum.sigma[spectrum.structural], np.ones(8))
    assert np.flatnonzero(np.abs(spectrum.initial[:, spectrum.structural]).sum(axis=1)).tolist() == BLANK_WEIGHTS
    assert "structural" in str(spectrum)
    assert "8 of 36" in str(spectrum)


def test_the_spectrum_is_that_of_the_whole_jacobian():
    found, plain = (run.spectrum for run in (blank("float64"), network(structural="none", precision="float64").run()))
    assert not plain.structural.any()
    assert np.allclose(found.sigma, plain.sigma, atol=1e-12)
    matrices = [(one.final * one.sigma) @ one.initial.T for one in (found, plain)]
    assert np.allclose(*matrices, atol=1e-12)


def test_a_dead_unit_is_not_counted():
    """Its weights have no gradient along the training, and J e_i = e_i holds for them: other parameters tell them apart."""

    def dead(key):
        params = init(key)
        return params | {"bias": params["bias"].at[2].set(-50.0)}

    run = network(init=dead).run()
    column = run.jacobian[:, 4 + 2]  # the weight from input 0 to the dead unit
    assert np.array_equal(column, np.eye(36)[4 + 2])
    assert run.structural.coordinates.tolist() == BLANK_WEIGHTS


def test_a_layer_that_starts_at_zero_is_not_counted():
    """Both factors of a product at zero have no gradient for ever; elsewhere they have."""

    def factors(key):
        return init(key) | {"left": jnp.zeros((5, 2)), "right": jnp.zeros((2, 3))}

    run = network(init=factors, apply=lambda params, x: apply(params, x) + x @ params["left"] @ params["right"]).run()
    assert run.structural.idle == 8 + 4  # the first factor's weights of the two inputs
    assert set(BLANK_WEIGHTS) < set(run.structural.coordinates.tolist())
    assert len(run.structural.coordinates) == 12


@pytest.mark.parametrize(("decay", "rate"), [(1e-2, 0.1), (1e-4, 0.01)])
def test_weight_decay_carries_nothing(decay, rate):
    decayed = optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))
    run = network(optimiser=decayed).run()
    assert (run.structural.idle, len(run.structural.coordinates)) == (8, 0)
    assert run.structural.moved == pytest.approx(6 * decay * rate, rel=0.2)
    assert not run.spectrum.structural.any()


def test_weight_decay_of_some_leaves_carries_the_others():
    def two(key):
        return init(key) | {"second": jnp.ones((5, 2))}

    def both(params, x):
        return apply(params, x) + (x @ params["second"]).sum(axis=1, keepdims=True) * jnp.arange(3.0)

    mask = {"bias": True, "hidden": True, "output": True, "second": False}
    decayed = optax.chain(optax.add_decayed_weights(0.01, mask), optax.sgd(0.1))
    run = network(init=two, apply=both, optimiser=decayed).run()
    assert run.structural.idle == 12
    assert run.structural.coordinates.tolist() == [36 + 2, 36 + 3, 36 + 6, 36 + 7]


def test_parameters_behind_stop_gradient_count_as_j_has_them():
    """JAX hides them from J as from the gradient: their columns are unit vectors, though training depends on them."""

    def frozen(params, x):
        return apply(params | {"bias": jax.lax.stop_gradient(params["bias"])}, x)

    run = network(apply=frozen).run()
    assert np.array_equal(run.jacobian[:, :4], np.eye(36)[:, :4])
    assert run.structural.coordinates.tolist() == [0, 1, 2, 3, *BLANK_WEIGHTS]


def test_rules_that_scale_each_coordinate_carry_them():
    run = network(optimiser=optax.adam(0.01, eps_root=1e-8)).run()
    assert run.structural.coordinates.tolist() == BLANK_WEIGHTS


def test_what_products_cannot_confirm_is_not_claimed():
    """Adam without eps_root has no derivative at a zero gradient; J says what to do."""
    run = network(optimiser=optax.adam(0.01)).run()
    assert (run.structural.idle, len(run.structural.coordinates), run.structural.moved) == (8, 0, np.inf)
    with pytest.raises(InvalidInput, match="eps_root"):
        run.spectrum  # noqa: B018


def test_a_rule_that_looks_at_the_norm_of_a_leaf_does_not():
    run = network(optimiser=optax.lamb(0.01, eps_root=1e-8)).run()
    assert (run.structural.idle, len(run.structural.coordinates)) == (8, 0)


def test_without_idle_parameters_nothing_changes(monkeypatch):
    found, plain = network(x=X).run(), network(x=X, structural="none").run()
    monkeypatch.setattr(type(found), "products", property(lambda self: pytest.fail("products are not needed")))
    assert found.structural.idle == 0
    assert found._carried_key == plain._carried_key == ""
    for name in ("sigma", "initial", "final", "structural"):
        assert np.array_equal(getattr(found.spectrum, name), getattr(plain.spectrum, name))


def test_no_steps_and_no_gradients_find_nothing():
    assert network().untrained().run().structural.idle == 0
    everything = network(apply=lambda params, x: 0 * apply(params, x)).run()
    assert (everything.structural.idle, len(everything.structural.coordinates)) == (36, 0)
    assert np.array_equal(everything.spectrum.sigma, np.ones(36))


def test_the_store_keeps_what_was_found_apart(tmp_path):
    first = network().run(store=Store(tmp_path))
    assert first.spectrum.structural.sum() == 8
    again = network().run(store=Store(tmp_path))
    assert again.spectrum.structural.sum() == 8
    assert not {"jacobian", "products"} & vars(again).keys()
    assert not network(structural="none").run(store=Store(tmp_path)).spectrum.structural.any()


def test_shifts_join_what_is_found():
    shifts = shifts_of(lambda params: params["output"])
    spectrum = network(carried=shifts, optimiser=optax.sgd(0.1)).run().spectrum
    assert spectrum.structural.sum() == 4 + 8
    assert spectrum.structural_error < 1e-5


def test_shifts_are_unit_vectors_of_one_row_of_weights_each():
    shifts, expected = shifts_of(lambda params: params["output"]), np.zeros((36, 4))
    for unit in range(4):
        expected[24 + 3 * unit : 27 + 3 * unit, unit] = 3**-0.5
    assert np.allclose(shifts(init(jax.random.key(0))), expected)
    layer = {"bias": jnp.zeros(3), "kernel": jnp.zeros((2, 5, 3))}  # theta is bias (3), then ten rows of the kernel
    each = np.kron(np.eye(11), np.full((3, 1), 3**-0.5))
    assert np.allclose(shifts_of(lambda params: (params["kernel"], params["bias"]))(layer), np.roll(each, -1, axis=1))


def test_directions_that_are_given_twice_count_once():
    """Without a hidden layer, a shift along the weights of a blank input lies among those weights."""
    linear = {"init": lambda key: {"w": jax.random.normal(key, (5, 3))}, "apply": lambda params, x: x @ params["w"]}
    run = network(carried=shifts_of(lambda params: params["w"]), **linear).run()
    assert run.spectrum.structural.sum() == 2 * 3 + 3


def test_a_split_keeps_only_independent_directions():
    basis, rest = carried.split(6, np.array([1, 2]), np.eye(6)[:, [1, 4, 4]])
    assert (basis.shape, rest.shape) == ((6, 3), (6, 3))
    assert np.allclose(np.hstack([basis, rest]).T @ np.hstack([basis, rest]), np.eye(6))
    assert np.allclose(np.abs(basis).sum(axis=1), [0, 1, 1, 0, 1, 0])
    basis, rest = carried.split(6, np.array([1, 2]), np.eye(6)[:, [1]])  # nothing is left of a direction among the coordinates
    assert (basis.shape, rest.shape) == ((6, 2), (6, 4))
    with pytest.raises(InvalidInput, match="fill all 6 dimensions"):
        carried.split(6, np.array([1, 2]), np.eye(6)[:, [0, 3, 4, 5]])


def test_the_setting_is_checked():
    with pytest.raises(InvalidInput, match="structural = 'lost' is not allowed; allowed: found, none"):
        network(structural="lost")
