"""A user's network against plain Python loops, its identity in the store, and all input that it refuses."""

from __future__ import annotations

import dataclasses
import math

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from harness import InvalidInput, Network, NetworkRun, Store, judge
from harness.errors import NotFinite, NotRun
from harness.measure.carried import shifts_of
from harness.runs import programs
from harness.runs.network_experiment import NetworkExperiment
from harness.suite.ensemble import reference_identity

RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(22, 3)), RNG.integers(0, 3, 22)
X_TEST, Y_TEST = RNG.normal(size=(9, 3)), RNG.integers(0, 3, 9)
DATA = (X, Y, X_TEST, Y_TEST)


def init(key):
    first, second = jax.random.split(key)
    return {"hidden": jax.random.normal(first, (3, 4)), "output": jax.random.normal(second, (4, 3)) / 2}


def apply(params, x):
    return jnp.tanh(x @ params["hidden"]) @ params["output"]


def dropout(params, x, key):
    hidden = jnp.tanh(x @ params["hidden"])
    if key is not None:
        hidden = hidden * jax.random.bernoulli(key, 0.7, hidden.shape) / 0.7
    return hidden @ params["output"]


def cross_entropy(outputs, y):
    return optax.softmax_cross_entropy_with_integer_labels(outputs, y).mean()


def contrast(outputs, y):
    """No mean over examples: the whole batch decides."""
    return jnp.log(jnp.sum(outputs**2)) + cross_entropy(outputs, y) ** 2


NESTEROV = optax.sgd(0.05, momentum=0.9, nesterov=True)


def network(**changes):
    given = {"init": init, "apply": apply, "loss": cross_entropy, "data": DATA, "optimiser": NESTEROV, "epochs": 2, "batch": 9}
    return Network(**(given | {"precision": "float64", "name": "mine"} | changes))


def loop(net, theta, keys=None):
    """theta_T by a Python loop over unequal slices, one step at a time."""
    state, step = net.optimiser.init(theta), 0
    for _ in range(net.epochs):
        for first in range(0, len(X), net.batch):
            x, y = X[first : first + net.batch], Y[first : first + net.batch]

            def value(p, x=x, y=y, step=step):
                return net.loss(net.apply(p, x) if keys is None else net.apply(p, x, keys[step]), y)

            change, state = net.optimiser.update(jax.grad(value)(theta), state, theta)
            theta, step = optax.apply_updates(theta, change), step + 1
    return theta


def dense(f, theta):
    flat, unravel = jax.flatten_util.ravel_pytree(theta)
    return jax.jit(jax.jacfwd(lambda t: jax.flatten_util.ravel_pytree(f(unravel(t)))[0]))(flat)


@pytest.mark.parametrize("loss", [cross_entropy, contrast])
def test_unequal_batches_are_those_of_a_plain_loop(compare, loss):
    net = network(loss=loss)
    run = net.run(seed=1)
    theta = net.initial(1)
    assert (net.plan.steps, net.plan.rest, net.steps) == (3, 4, 6)
    oracle = dense(lambda t: loop(net, t), theta)
    compare.entries("Network", "jacfwd of a Python loop, last batch smaller", run.jacobian, oracle, 1e-11, "float64")
    final = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(loop(net, theta))])
    compare.entries("Network", "theta_T of a Python loop", run.trained.theta_T, final, 1e-12, "float64")
    vectors = np.random.default_rng(1).normal(size=(run.size, 2))
    compare.entries("Network.products", "J of a Python loop", run.products.adjoint(vectors), oracle.T @ vectors, 1e-10, "float64")


def test_random_keys_are_those_of_the_batch_tree(compare):
    net = network(apply=dropout)
    run = net.run(seed=1)
    keys = jax.random.wrap_key_data(run.training.batches.key)
    assert len(keys) == net.steps == len(np.unique(np.asarray(run.training.batches.key), axis=0))
    oracle = dense(lambda t: loop(net, t, keys), net.initial(1))
    compare.entries("Network with dropout", "jacfwd of a Python loop", run.jacobian, oracle, 1e-11, "float64")
    assert not np.array_equal(net.training(2).batches.key, run.training.batches.key)


def test_each_epoch_of_a_reshuffled_order_sees_each_example_once():
    batches = network(order="reshuffled").training().batches
    first, second = (np.concatenate([x[:2].reshape(-1, 3), x[2][:4]]) for x in np.split(np.asarray(batches.x), 2))
    assert not np.array_equal(first, second)
    for rows in (first, second):
        assert np.array_equal(np.sort(rows, axis=0), np.sort(X, axis=0))


def test_an_order_of_ones_own_is_followed_step_by_step(compare):
    """Four steps of five examples, some of them twice, in two epochs."""
    rows = RNG.integers(0, len(X), (4, 5))
    net = network(order=rows, batch=None)
    assert (net.plan.batch, net.steps) == (5, 8)
    theta = net.initial(0)
    state = net.optimiser.init(theta)
    for chosen in (*rows, *rows):
        gradient = jax.grad(lambda p, chosen=chosen: cross_entropy(apply(p, X[chosen]), Y[chosen]))(theta)
        change, state = net.optimiser.update(gradient, state, theta)
        theta = optax.apply_updates(theta, change)
    final = np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(theta)])
    found = net.run()
    compare.entries("Network with an order", "theta_T of a Python loop", found.trained.theta_T, final, 1e-12, "float64")
    assert "in an order of their own" in str(found)
    moved = net.with_another_order(3).order
    assert not np.array_equal(moved, rows)
    assert len({tuple(pair) for pair in zip(rows.ravel(), moved.ravel(), strict=True)}) == len(np.unique(rows))


def test_the_order_that_is_given_as_numbers_has_the_bits_of_its_name():
    rows = np.arange(18).reshape(2, 9)
    assert np.array_equal(network(order=rows).run().jacobian, network(remainder="drop").run().jacobian)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": np.arange(22)}, r"order of shape \(22,\) and dtype int64: give given, shuffled, reshuffled, or whole numbers"),
        ({"order": np.ones((2, 9))}, "dtype float64: give given"),
        ({"order": np.array([[0, 22]]), "batch": None}, "order names examples 0 to 22: there are 22, numbered from 0"),
        ({"order": np.zeros((2, 4), int)}, "batch = 9, and order has 4 examples a step: leave batch out"),
    ],
)
def test_an_order_that_is_none_is_refused(changes, message):
    with pytest.raises(InvalidInput, match=message):
        network(**changes)


def test_trees_of_inputs_and_labels():
    def both(params, x):
        return apply(params, x["a"] + x["b"])

    def weighted(outputs, y):
        return (optax.softmax_cross_entropy_with_integer_labels(outputs, y["label"]) * y["weight"]).sum() / y["weight"].sum()

    def data(x, y):
        return {"a": x, "b": 0 * x}, {"label": y, "weight": np.ones(len(y))}

    tree = network(apply=both, loss=weighted, data=(*data(X, Y), *data(X_TEST, Y_TEST)))
    assert np.allclose(tree.run().jacobian, network().run().jacobian, atol=1e-12)


def test_a_loss_of_parameters_is_the_same_network():
    def whole(params, batch):
        return cross_entropy(apply(params, batch[0]), batch[1])

    alone = network(apply=None, loss=None, batch_loss=whole)
    assert np.array_equal(alone.run().jacobian, network().run().jacobian)
    with pytest.raises(InvalidInput, match="give apply= as well"):
        alone.run().influence  # noqa: B018


def identity(net):
    return net.programs().digest


def activated(f, scale=1.0):
    return lambda params, x: scale * f(x @ params["hidden"]) @ params["output"]


def test_the_digest_knows_the_program_and_not_the_text():
    again = identity(network(apply=activated(jnp.tanh)))
    assert identity(network(apply=activated(jnp.tanh))) == again
    others = [
        network(apply=activated(jnp.sin)),
        network(apply=activated(jnp.tanh, 1.0000001)),
        network(apply=activated(jnp.tanh, jnp.array([1.0, 1.0, 1.0, 1.0 + 1e-12])[None])),
        network(apply=activated(jnp.tanh), epochs=3),
        network(apply=activated(jnp.tanh), optimiser=optax.sgd(0.0500001, momentum=0.9, nesterov=True)),
        network(apply=activated(jnp.tanh), data=(X + np.eye(22, 3) * 1e-12, Y, X_TEST, Y_TEST)),
    ]
    digests = [identity(net) for net in others]
    assert len({again, *digests}) == 7


def test_constants_of_inner_programs_count():
    def with_constant(value):
        held = np.array([1.0, 1.0, value])
        inner = jax.jit(lambda outputs: outputs * held)
        return lambda params, x: inner(apply(params, x))

    assert identity(network(apply=with_constant(1.0))) == identity(network(apply=with_constant(1.0)))
    assert identity(network(apply=with_constant(1.0))) != identity(network(apply=with_constant(1.0 + 1e-15)))


def rounded_there(by):
    """A network whose theta_0, data, constants and scalars are ``by`` times those of here; an entry of 0 is ``by - 1``."""
    scale = jnp.array([1.0, 1.0, 1.0, 0.7 * by])[None]
    data = np.where(np.arange(3) == 2, np.where(np.arange(22)[:, None] == 5, by - 1, X), X * by)
    made = network(
        init=lambda seed: jax.tree.map(lambda leaf: leaf * by, init(jax.random.key(seed))),
        apply=activated(lambda hidden: jnp.tanh(hidden * scale) * (0.3 * by)),
        data=(data, Y, X_TEST, Y_TEST),
    )
    return NetworkExperiment(made)


def test_the_identity_survives_the_rounding_of_another_machine():
    """A deviation or a logarithm may differ in its last bit there; a change that training notices is another network."""
    here, there, other = rounded_there(1.0), rounded_there(1 + 3e-16), rounded_there(1 + 1e-6)
    assert here.fingerprint() != there.fingerprint()
    assert here.identity() == there.identity() != other.identity()
    assert reference_identity(here) == here.identity()
    assert here.identity() != dataclasses.replace(here, precision="float32").identity()


@pytest.mark.parametrize("value", [0.0, -0.0, 1.0, -1.0, 3e-300, math.pi])
def test_a_scalar_is_rounded_and_stays_what_it_is(value):
    assert programs.bits(np.float64(value), rounded=True) == programs.bits(np.float64(value * (1 + 2e-16)), rounded=True)
    for factor in (1.001, 2.0, -1.0):
        assert value == 0 or programs.bits(np.float64(value), rounded=True) != programs.bits(
            np.float64(value * factor), rounded=True
        )


@pytest.mark.parametrize(
    "leaf", [np.array([1.0, np.inf]), np.array([1.0, np.nan]), np.zeros(3), np.float32(0.1), np.array([], float)]
)
def test_what_has_no_rounding_keeps_its_bits(leaf):
    assert programs.bits(leaf, rounded=True) == programs.bits(leaf)


def test_the_derivative_of_a_custom_rule_counts():
    def ruled(slope):
        @jax.custom_jvp
        def f(x):
            return jnp.tanh(x)

        f.defjvp(lambda primals, tangents: (f(*primals), slope * tangents[0]))
        return activated(f)

    assert identity(network(apply=ruled(1.0))) != identity(network(apply=ruled(1.5)))


def test_the_store_is_asked_by_the_program(tmp_path):
    store = Store(tmp_path)
    first = network(apply=activated(jnp.tanh)).run(store=store)
    sigma = np.asarray(first.spectrum.sigma)
    again = network(apply=activated(jnp.tanh)).run(store=Store(tmp_path))
    assert np.array_equal(again.spectrum.sigma, sigma)
    assert isinstance(again.spectrum.initial, np.memmap)
    assert "jacobian" not in vars(again)
    other = network(apply=activated(jnp.sin)).run(store=store)
    assert not np.allclose(other.spectrum.sigma, sigma)
    assert not np.allclose(network(apply=activated(jnp.tanh)).run(1, store=store).spectrum.sigma, sigma)


def test_programs_with_callbacks_are_not_stored(tmp_path):
    def noisy(params, x):
        jax.debug.callback(lambda v: None, x[0, 0])
        return apply(params, x)

    run = network(apply=noisy).run(store=Store(tmp_path))
    assert "calls Python" in run.unstored
    run.trained  # noqa: B018
    assert "calls Python" in str(run)
    assert not list(tmp_path.glob("network-*"))


def test_other_worlds():
    net = network()
    assert np.array_equal(net.untrained().run().jacobian, np.eye(24))
    shuffled = net.with_shuffled_labels()
    assert sorted(shuffled.data[1]) == sorted(Y)
    assert not np.array_equal(shuffled.data[1], Y)
    wide = np.random.default_rng(2).normal(size=(4000, 3)) @ np.array([[1, 0.5, 0], [0, 1, 0], [0, 0, 2.0]]) + 3
    many = network(data=(wide, np.zeros(4000, int), X_TEST, Y_TEST))
    drawn = many.with_gaussian_inputs().data[0]
    assert np.allclose(np.cov(drawn.T), np.cov(wide.T), atol=0.3)
    assert np.allclose(drawn.mean(axis=0), 3, atol=0.15)
    noise = many.on_white_noise().data[0]
    assert abs(np.corrcoef(noise.T)[0, 1]) < 0.1
    assert noise.std() == pytest.approx(wide.std(), rel=0.05)
    assert many.on_white_noise().data[2] is many.data[2]


def test_squared_error_sees_what_cross_entropy_does_not():
    run = network(carried=shifts_of(lambda params: params["output"])).run()
    assert run.spectrum.structural.sum() == 4
    assert not run.squared_error.spectrum.structural.any()


def test_guessing():
    counts = np.bincount(Y, minlength=3) / len(Y)
    assert network().guessing_loss == pytest.approx(-np.log(counts)[Y_TEST].mean(), rel=1e-5)
    regression = network(
        init=lambda key: {"w": jax.random.normal(key, (3,))},
        apply=lambda params, x: x @ params["w"],
        loss=lambda outputs, y: ((outputs - y) ** 2).mean(),
        data=(X, X[:, 0], X_TEST, X_TEST[:, 0]),
    )
    assert regression.guessing_loss == pytest.approx(((X_TEST[:, 0] - X[:, 0].mean()) ** 2).mean(), rel=1e-6)


def test_measurements_and_what_they_show():
    net = network(epochs=1)
    run, other = net.run(0), net.run(1)
    assert isinstance(run, NetworkRun)
    assert run.responses_along([0]).along.shape == (1, 2, 13)
    small = run.responses_along([0, 5], [1e-3]).along[:, 0, 0]
    assert np.allclose(small, 1e-3 * run.spectrum.sigma[[0, 5]], rtol=1e-2)
    assert set(run.influence.final.mean) == {"train", "test", "white"}
    assert len(run.function_jacobian) == 24
    assert run.overlap(other).cosine.max() <= 1
    assert run.overlap(run).cosine == pytest.approx(1)
    full = run.restricted
    assert full.losses["bulk"].shape == full.dimensions.shape
    assert "N = 24, 3 steps, float64" in str(run)
    assert "guessing" in run._repr_html_()
    assert "of 24" in str(run.spectrum)
    assert "<table>" in run.spectrum._repr_html_()
    pytest.importorskip("matplotlib")
    assert run.spectrum.plot().get_ylabel() == "singular value of J"


PLOTS = {
    "training": ("loss of the batch", lambda run: run),
    "training of": ("loss of the batch", lambda run: run.trained),
    "singular values within": ("singular value of J", lambda run: run.spectrum),
    "|sigma - 1|": ("share of singular values", lambda run: run.counts(0.1)),
    "responses of training": ("response / (lambda sigma)", lambda run: run.top_responses),
    "median effect": ("mean effect of a step along u", lambda run: run.influence),
    "overlap of two bulks": ("mean cosine", lambda run: run.overlap(run.shuffled_labels)),
    "without": ("test loss", lambda run: run.restricted),
    "beside the bulk": ("singular value", lambda run: run.function_overlaps),
    "largest": ("share of |g|^2 in the top k", lambda run: run.history),
}


def test_every_measurement_shows_itself():
    plt = pytest.importorskip("matplotlib.pyplot", reason="matplotlib is not installed")
    run = network(epochs=1).run()
    for words, (label, of) in PLOTS.items():
        shown = of(run)
        assert words in str(shown) or shown is run
        assert shown._repr_html_().startswith("<b>")
        axes = shown.plot()
        assert axes.get_ylabel() == label
        assert shown.plot(axes) is axes
        axes.figure.canvas.draw()
        plt.close(axes.figure)
    assert str(run.structural).startswith("0 parameters that training carries exactly")


def test_what_a_measurement_shows_is_what_was_measured():
    run = network(epochs=1).run()
    found = run.responses_along([0], [1e-3])
    ratio = np.median(found.along / (1e-3 * run.spectrum.sigma[0]))
    assert f"lambda = 0.001  median response / (lambda sigma) {ratio:.4g}" in str(found)
    assert "sigma) inf, orthogonal" in str(dataclasses.replace(found, along=np.full_like(found.along, np.nan)))
    influence = run.influence
    assert f"test   along u {np.median(influence.final.mean['test']):.3g}" in str(influence)
    assert f"{run.restricted.losses['stable'][-1]:.4g} at k = {run.restricted.dimensions[-1]}" in str(run.restricted)
    assert f"({run.history.shares[-1, :3].sum():.1%}" in str(run.history).replace(", ", "(")


def test_nothing_shows_its_arrays():
    net = network(epochs=1)
    run = net.run(0)
    shown = {
        "mine: N = 24, 3 steps, float64": net,
        "training: theta_0 -> theta_T in 3 steps, 1 epochs of 3": run.training,
        "products J V and J^T W of 3 steps: N = 24, float64": run.products,
        "mine, seed 0: N = 24, 3 steps, float64": run,
    }
    for title, one in shown.items():
        assert str(one).startswith(title)
        assert len(str(one).splitlines()) <= 10
        assert len(str(one)) < 1000
        assert title in repr(one)
        assert len(repr(one)) < 200
    assert "22 for training, 9 for the test" in str(net)
    assert "3 classes" in str(net)
    assert type(jax.tree.map(lambda leaf: leaf, run.training)) is type(run.training)


def test_a_misspelt_argument_is_named():
    with pytest.raises(InvalidInput, match=r"^Network has no argument optimizer=: did you mean optimiser=$"):
        network(optimizer=NESTEROV)
    with pytest.raises(InvalidInput, match=r"^Network has no argument colour=: it has data, optimiser, "):
        network(colour="red")


def test_regression_has_its_own_divergence():
    net = network(
        init=lambda key: {"w": jax.random.normal(key, (3,))},
        apply=lambda params, x: x @ params["w"],
        loss=lambda outputs, y: ((outputs - y) ** 2).mean(),
        data=(X, X[:, 0], X_TEST, X_TEST[:, 0]),
    )
    run = net.run()
    direction = run.spectrum.final[:, 0]
    assert run.influence.final.mean["test"][0] == pytest.approx(((X_TEST @ direction) ** 2).mean() / 2)
    assert run.function_jacobian == pytest.approx(np.sort(np.linalg.svd(np.concatenate([X_TEST, X]))[1]))


def test_a_network_too_large_for_its_memory_is_counted_from_products():
    run = network(batch=None, epochs=3).run(memory=1000)
    assert not run.dense
    with pytest.raises(InvalidInput, match=r"N = 24.*GiB.*run.counts\(seconds=60\)"):
        run.spectrum  # noqa: B018
    found = run.counts(0.3, seconds=5)
    true = network(batch=None, epochs=3).run().counts(0.3)
    assert found.method == "matrix-free"
    assert found.inside[1] - 1e-6 <= true.inside[0] <= found.inside[2] + 1e-6
    assert "matrix-free" in str(found)


def test_directions_that_are_carried():
    shifts = np.zeros((24, 4))  # a constant added to all outputs of a hidden unit changes no softmax
    for unit in range(4):
        shifts[12 + 3 * unit : 15 + 3 * unit, unit] = 3**-0.5
    spectrum = network(carried=shifts, optimiser=optax.sgd(0.1)).run().spectrum
    assert spectrum.structural.sum() == 4
    assert "structural" in str(spectrum)


@pytest.mark.parametrize(
    ("precision", "remedy"), [("float32", "take precision='float64'"), ("float64", "take smaller steps, or fewer")]
)
def test_a_bulk_that_rounding_hides_is_not_measured(precision, remedy):
    """J is a power of I + X^T X / n: one singular value of it is so large that its rounding covers those near one."""
    away = {"apply": lambda params, x: x @ params, "loss": lambda outputs, y: -jnp.mean(outputs**2)}
    steps = {"float32": 30, "float64": 100}[precision]
    net = network(**away, init=lambda key: jnp.eye(3, 4), optimiser=optax.sgd(1.0), epochs=steps, batch=None, precision=precision)
    with pytest.raises(NotRun, match=f"rounding in {precision} about .* cannot be told: {remedy}"):
        _ = net.run().bulk


def test_divergence_is_said_before_the_derivative():
    def loss(outputs, y):
        return ((outputs - jax.nn.one_hot(y, 3)) ** 2).sum()

    with pytest.raises(NotFinite, match=r"mine, seed 0: the loss at step \d+ of 36 is (inf|nan)"):
        network(loss=loss, optimiser=optax.sgd(1e6), epochs=12).run().jacobian  # noqa: B018


def test_an_optimiser_without_a_finite_derivative_names_the_remedy():
    blank = np.array(X)
    blank[:, 1] = 0
    data = (blank, Y, X_TEST, Y_TEST)
    with pytest.raises(InvalidInput, match="eps_root"):
        network(data=data, optimiser=optax.adam(0.01)).run().jacobian  # noqa: B018
    assert np.isfinite(network(data=data, optimiser=optax.adam(0.01, eps_root=1e-8)).run().jacobian).all()


def needs_rng(params, x, rng):
    return apply(params, x)


def changing(params, x):
    return apply(params, x) * RNG.normal()


BAD = {
    "other test inputs": (
        {"data": (X, Y, X_TEST[:, :2], Y_TEST)},
        r"x_test of shape \(9, 2\) and x of shape \(22, 3\): test examples must be like training examples",
    ),
    "other test labels": ({"data": (X, Y, X_TEST, np.eye(3)[Y_TEST])}, r"y_test of shape \(9, 3\) and y of shape \(22,\)"),
    "a list of lists": ({"data": (X.tolist(), Y, X_TEST, Y_TEST)}, "make it an array by np.asarray"),
    "no key outside training": (
        {"apply": lambda params, x, key: apply(params, x) * jax.random.normal(key)},
        "a random key is None outside training",
    ),
    "failing init": ({"init": lambda: {}}, r"init fails: TypeError: .*; it is called as init\(key\)"),
    "no init": ({"init": {"w": 1.0}}, "give a function of a random key that makes the parameters"),
    "infinite leaf": ({"init": lambda key: init(key) | {"n": jnp.log(jnp.zeros(2))}}, r"params\['n'\], which is not finite"),
    "fraction of a batch": ({"batch": 4.5}, "batch = 4.5: give a whole number of examples"),
    "order seed": ({"order_seed": "a"}, "order_seed = 'a': give a whole number, 0 or more"),
    "name": ({"name": None}, "name = None: give a text"),
    "different lengths": ({"data": (X, Y[:-1], X_TEST, Y_TEST)}, "one row an example"),
    "no batch axis": ({"data": (np.float64(3), Y, X_TEST, Y_TEST)}, "first axis must be the examples"),
    "batches made already": ({"data": (X[:20].reshape(4, 5, 3), Y[:20], X_TEST, Y_TEST)}, "no axis of batches"),
    "three parts": ({"data": (X, Y, X_TEST)}, "x, y, x_test, y_test"),
    "strings": ({"data": (X, Y.astype(str), X_TEST, Y_TEST)}, "dtype <U"),
    "few test examples": ({"data": (X, Y, X_TEST[:3], Y_TEST[:3])}, "3 test examples: give 8 or more"),
    "integer leaf": ({"init": lambda key: init(key) | {"n": jnp.arange(3)}}, r"params\['n'\] of dtype int.*module="),
    "bool leaf": ({"init": lambda key: init(key) | {"n": jnp.array(True)}}, r"params\['n'\] of dtype bool"),
    "key leaf": ({"init": lambda key: init(key) | {"n": key}}, "a random key"),
    "function leaf": ({"init": lambda key: init(key) | {"n": jnp.tanh}}, "of type"),
    "no leaf": ({"init": lambda key: {}}, "no parameters"),
    "unknown argument": ({"apply": needs_rng}, "params, x, rng.*call the random key `key`"),
    "changing outputs": ({"apply": changing}, "other outputs when it was called again"),
    "one example": ({"apply": lambda params, x: apply(params, x)[0]}, r"shape \(3,\) for 8 examples.*jax.vmap"),
    "failing apply": ({"apply": lambda params, x: apply(params, x.T)}, "apply fails on inputs of shape"),
    "labels too large": ({"data": (X, Y + 1, X_TEST, Y_TEST)}, "labels from 1 to 3 do not fit 3 outputs"),
    "spread to a square": (
        {
            "apply": lambda p, x: apply(p, x)[:, :1],
            "data": (X, X[:, 0], X_TEST, X_TEST[:, 0]),
            "loss": lambda o, y: ((o - y) ** 2).mean(),
        },
        "would spread to a square",
    ),
    "loss an example": ({"loss": lambda o, y: o.sum(axis=1)}, r"shape \(8,\).*take the mean"),
    "failing loss": ({"loss": lambda o, y: (o @ y).sum()}, "the loss fails on a batch"),
    "two losses": ({"batch_loss": lambda p, b: 0.0}, "one of them"),
    "no loss": ({"loss": None}, "one of them"),
    "batch": ({"batch": 23}, "batch = 23 of 22"),
    "remainder": ({"remainder": "error"}, "leaves 4 of 22"),
    "unknown remainder": ({"remainder": "wrap"}, "allowed: keep, drop, error"),
    "order": ({"order": "random"}, "given, reshuffled, shuffled"),
    "precision": ({"precision": "float16"}, "float32, float64"),
    "epochs": ({"epochs": -1}, "epochs = -1"),
    "no optimiser": ({"optimiser": 0.1}, "give an optax rule"),
    "line search": ({"optimiser": optax.lbfgs()}, "the optimiser fails"),
    "module and init": ({"module": init}, "not both"),
    "missing init": ({"init": None}, "not both"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(case):
    changes, message = BAD[case]
    with pytest.raises(InvalidInput, match=message) as caught:
        network(**changes)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("seed", [-1, "a", 1.5, True])
def test_a_seed_that_is_none_is_refused(seed):
    with pytest.raises(InvalidInput, match=f"seed = {seed!r}: give a whole number, 0 or more"):
        network().run(seed=seed)


def test_no_paper_gives_no_verdicts():
    with pytest.raises(InvalidInput, match=r"claims = \[\]: name a paper"):
        judge(network(), claims=[])


def test_parameters_are_made_within_a_compiled_program_too():
    net = network(precision="float32")
    inside = jax.jit(lambda: net.initial(0))()
    assert np.allclose(inside["hidden"], net.initial(0)["hidden"])


def test_data_that_are_not_finite():
    with pytest.raises(NotFinite, match=r"x\[3, 1\] is nan"):
        network(data=(np.where(np.arange(66).reshape(22, 3) == 10, np.nan, X), Y, X_TEST, Y_TEST))


def test_runs_of_other_sizes_have_no_overlap():
    wide = dataclasses.replace(network(), init=lambda key: {"hidden": jax.random.normal(key, (3, 5)), "output": jnp.ones((5, 3))})
    with pytest.raises(InvalidInput, match="N = 24 and 30"):
        network().run().overlap(wide.run())
