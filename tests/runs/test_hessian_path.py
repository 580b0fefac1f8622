"""The product of Hessians against J where both are equal, and the refusal of a rule that has no such product."""

import jax
import numpy as np
import optax
import pytest

from harness import Network, NotRun
from harness.closed_form.exact import Momentum
from harness.engine.losses import cross_entropy
from harness.runs.hessian_path import coefficients, hessian_path, transfer

RNG = np.random.default_rng(1)
X, Y = RNG.normal(size=(40, 4)), RNG.integers(0, 3, 40)
STEPS = 6
RATES = optax.cosine_decay_schedule(0.5, STEPS)


def network(optimiser, **changes):
    given = {
        "init": lambda key: {"w": jax.random.normal(key, (4, 3)), "b": jax.numpy.ones(3)},
        "apply": lambda params, x: jax.numpy.tanh(x @ params["w"]) + params["b"],
        "loss": cross_entropy,
        "data": (X[:30], Y[:30], X[30:], Y[30:]),
        "optimiser": optimiser,
        "epochs": STEPS,
        "precision": "float64",
    }
    return Network(**given | changes)


@pytest.mark.parametrize(
    "optimiser",
    [
        optax.sgd(RATES, momentum=0.9),
        optax.sgd(RATES, momentum=0.9, nesterov=True),
        optax.sgd(RATES),
        optax.chain(optax.add_decayed_weights(0.1), optax.sgd(RATES, momentum=0.9)),
    ],
    ids=["heavy-ball", "nesterov", "plain", "decayed"],
)
def test_the_product_is_j_where_every_step_has_the_whole_set_and_a_segment_of_its_own(optimiser):
    run = network(optimiser).run()
    path = hessian_path(run, STEPS)
    np.testing.assert_allclose(path.predicted, run.jacobian, atol=1e-6 * np.abs(run.jacobian).max())
    # half as many Hessians are no longer exact, and come close
    fewer = hessian_path(run, STEPS // 2).predicted
    assert 1e-4 < np.abs(fewer - run.jacobian).max() < 0.3 * np.abs(run.jacobian - np.eye(run.size)).max()


def test_without_memory_it_is_the_plain_product():
    with_memory, plain = (hessian_path(network(optax.sgd(RATES, momentum=mu)).run(), STEPS) for mu in (0.9, None))
    assert np.abs(with_memory.memoryless - with_memory.predicted).max() > 0.1
    np.testing.assert_allclose(plain.memoryless, plain.predicted, atol=1e-12)


def test_the_common_null_space_is_what_no_hessian_sees():
    """The last input is always zero: no gradient reaches its three weights, and other directions have one."""
    blank = X * [1, 1, 1, 0]
    run = network(optax.sgd(RATES, momentum=0.9), data=(blank[:30], Y[:30], blank[30:], Y[30:])).run()
    values, vectors = np.linalg.eigh(hessian_path(run, STEPS).squares)
    # and the outputs' common shift, which cross-entropy does not see
    assert (values < 1e-12 * values[-1]).sum() == 4
    assert (values > 1e-6 * values[-1]).sum() == 11
    weights = np.zeros((15, 3))
    weights[[12, 13, 14], [0, 1, 2]] = 1  # b comes first, then the rows of w
    assert np.linalg.norm(vectors[:, :4].T @ weights) == pytest.approx(3**0.5)


def test_transfer_is_the_closed_form_s_block_product():
    momentum, hessian = Momentum(0.9), np.diag([0.5, 2.0])
    rule = coefficients(optax.sgd(RATES, momentum=0.9), {"w": np.ones((2, 2), np.float32)}, STEPS)
    expected = np.eye(4)
    for step in range(STEPS):
        expected = momentum.step(hessian, float(RATES(step))) @ expected
    found = transfer(rule, np.diag(hessian))
    blocks = np.block([[np.diag(found[0, 0]), np.diag(found[0, 1])], [np.diag(found[1, 0]), np.diag(found[1, 1])]])
    np.testing.assert_allclose(blocks, expected, atol=1e-6)


@pytest.mark.parametrize(
    "optimiser",
    [
        optax.adam(0.01, eps_root=1e-8),
        optax.masked(optax.sgd(0.1), {"w": True, "b": False}),
        optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(0.1)),
    ],
    ids=["adam", "one-leaf", "clipped"],
)
def test_a_rule_that_is_no_such_product_is_refused(optimiser):
    with pytest.raises(NotRun, match="not linear"):
        hessian_path(network(optimiser).run(), STEPS)
    with pytest.raises(NotRun, match="no step"):
        hessian_path(network(optax.sgd(0.1), epochs=0).run())
