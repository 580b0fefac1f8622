"""LeNet-5: the network against JAX's own convolutions, its products, and a run that spends its budget once."""

import itertools
import re
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from claims.images import digits, load_mnist
from claims.training_jacobian.lenet import hessian, test_bulk
from claims.training_jacobian.lenet import network as lenet
from claims.training_jacobian.lenet.experiments import LENET, OTHER, PARTS, LeNetExperiment, at, named
from claims.training_jacobian.lenet.horizons import horizons, longest, near, table
from claims.training_jacobian.lenet.run import HELD_OUT, Run
from claims.training_jacobian.lenet.worlds import gaussian_on_noise, noise_for_images
from harness.engine.counting import Share
from harness.engine.jacobian import jvp, vjp
from harness.engine.krylov import gram
from harness.engine.losses import cross_entropy, supervised
from harness.engine.matrix_free import count
from harness.errors import InvalidInput, NotRun
from harness.progress import Progress, Step
from harness.runs.experiment import CATALOGUE
from harness.runs.lab import Lab
from harness.runs.store import Store
from harness.suite.claim import REGISTRY
from harness.suite.judging import run_control

TINY = replace(LENET, images=128, epochs=1, width=2)
RNG = np.random.default_rng(0)


def reference(params, x):
    """LeNet-5 as libraries have it: convolution, bias, ReLU, pooling."""
    h = x[..., None]
    for (kernel, bias), padding in zip(params[:2], ("SAME", "VALID"), strict=True):
        h = jax.lax.conv_general_dilated(h, kernel, (1, 1), padding, dimension_numbers=("NHWC", "HWIO", "NHWC")) + bias
        h = jax.lax.reduce_window(jax.nn.relu(h), -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")
    h = h.reshape(len(x), -1)
    for kernel, bias in params[2:4]:
        h = jax.nn.relu(h @ kernel + bias)
    return h @ params[4][0] + params[4][1]


def test_the_network_is_lenet_5():
    params = lenet.init(0)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == lenet.SIZE == 61_706
    biased = jax.tree.map(lambda leaf: leaf + 0.01 * RNG.standard_normal(leaf.shape), params)
    x = RNG.uniform(size=(3, 28, 28))
    # the same sums in another order, in float64
    assert np.allclose(lenet.apply(biased, x), reference(biased, x), rtol=1e-12, atol=1e-13)


def test_initial_kernels_keep_the_variance_and_seeds_differ():
    for kernel, bias in lenet.init(0):
        fan_in, count = np.prod(kernel.shape[:-1]), kernel.size
        # the relative standard error of a variance from n draws is about sqrt(2 / n); four of them
        assert abs(kernel.var() * fan_in - 1) < 4 * np.sqrt(2 / count)
        # no bias at zero, where blank pixels would meet the kink of ReLU
        assert bias.all()
    assert not np.array_equal(lenet.init(0)[0][0], lenet.init(1)[0][0])


def test_digits_are_scaled_and_mnist_is_left_alone():
    small = digits().pixels[:5]
    large = lenet.scaled(small)
    assert large.shape == (5, 28, 28)
    assert large.min() >= 0
    assert large.max() <= 1
    # interpolation keeps the mean to what the edges weigh
    assert np.allclose(large.mean(axis=(1, 2)), small.mean(axis=(1, 2)), atol=0.02)
    assert np.array_equal(lenet.scaled(large), large)
    with pytest.raises(InvalidInput, match="LeNet-5 takes square ones"):
        lenet.scaled(np.zeros((5, 8, 7)))


@pytest.mark.parametrize("blank", [False, True])
def test_its_hessian_products_are_the_derivative_of_the_gradient(blank):
    """Also where a window has equal pixels, of which pooling selects one."""
    params = jax.tree.map(lambda leaf: leaf + 0.1 * RNG.standard_normal(leaf.shape), lenet.init(0))
    x = RNG.uniform(size=(5, 28, 28)) * (RNG.uniform(size=(5, 28, 28)) < 0.3)
    if blank:
        x[:, :, :17] = 0
    batch = jnp.asarray(x), jnp.asarray([3, 1, 4, 1, 5])
    vector = jax.tree.map(lambda leaf: RNG.standard_normal(leaf.shape), params)
    gradient = jax.grad(lambda at: supervised(lenet.apply, cross_entropy)(at, batch))
    expected = jax.jvp(gradient, (params,), (vector,))[1]
    found = hessian.product(params, batch, hessian.linearise(params, batch), vector)
    for own, jaxs in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        assert np.abs(jaxs).max() > 0
        # the same sums in another order, in float64
        assert np.abs(own - jaxs).max() < 1e-12 * np.abs(jaxs).max()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_patches_have_one_sum_on_every_device(dtype):
    """A CPU adds them in place, an accelerator at once; the order of the sum is the same."""
    patches = jnp.asarray(RNG.standard_normal((5, 5, 3, 4, 4, 2, 6)), dtype)
    in_place, at_once = (jax.vmap(f, -1, -1)(patches) for f in (hessian._summed_in_place, hessian._summed_at_once))
    assert in_place.dtype == at_once.dtype == dtype
    assert np.array_equal(in_place, at_once)


def run_in(folder, budget, experiment=TINY):
    return Run(experiment, Lab(Store(folder), scale="large", options={"budget": budget}))


class Planted:
    """Products with J = I + u v^T in the place of training's, so that spending, keeping and counting can be seen in a second."""

    rank = 1

    def __init__(self, *_, **__):
        self.u, self.v = (np.random.default_rng([9, i]).standard_normal((lenet.SIZE, self.rank)) / 250 for i in range(2))

    def forward(self, block):
        return block + self.u @ (self.v.T @ block)

    def adjoint(self, block):
        return block + self.v @ (self.u.T @ block)


def test_a_budget_is_spent_once_and_what_it_bought_is_kept(tmp_path, monkeypatch):
    # a budget that only the least steps are done in, whatever the machine's load
    monkeypatch.setattr("harness.engine.matrix_free._price", lambda *_: 0.0)
    monkeypatch.setattr("claims.training_jacobian.lenet.run.TrainingProducts", Planted)
    first = run_in(tmp_path, 1e-3)
    spaces = first.spaces
    assert "products" not in vars(first), "the trajectory leaves the memory with the last product"
    assert (spaces.gram.depth, spaces.displacement.depth, len(spaces.range.range)) == (2, 2, 2)
    assert "digits" in first.origin
    assert "2 steps of 64 images" in first.origin

    def never(*_, **__):
        raise AssertionError("what is kept must not be computed again")

    monkeypatch.setattr("claims.training_jacobian.lenet.run.TrainingProducts", never)
    again = run_in(tmp_path, 1e-3)
    assert again.spaces.gram.depth == spaces.gram.depth
    assert np.array_equal(again.spaces.gram.tridiagonal(), spaces.gram.tridiagonal())
    found = again.spaces.counts[0.1]
    assert 0 <= found.inside.low <= found.inside.estimate <= found.inside.high <= 1
    # J - I has rank one: only two singular values of J are not one, and the range finder knows it
    assert again.spaces.low_rank[0.1].inside[0] >= lenet.SIZE - 2


class Noted(Progress):
    """Progress that keeps what stages note."""

    def __init__(self):
        self.notes = []

    @contextmanager
    def stage(self, label, total=1):
        step = Step()
        step.note = self.notes.append
        yield step


def test_a_run_says_what_is_needed_and_what_fits(tmp_path, monkeypatch):
    """The clock ticks a tenth of a second each time that it is read, so that a busy machine changes nothing."""
    ticks = itertools.count()
    monkeypatch.setitem(count.__kwdefaults__, "clock", lambda: next(ticks) / 10)
    monkeypatch.setattr("harness.engine.matrix_free._price", lambda *_: 0.0)
    monkeypatch.setattr("claims.training_jacobian.lenet.run.TrainingProducts", Planted)
    for again in (False, True):
        noted = Noted()
        run = Run(TINY, Lab(Store(tmp_path), scale="large", options={"budget": 0.05 * (1 + again)}, progress=noted))
        assert run.spaces.gram.depth >= 2
        first, *later = noted.notes
        assert first.startswith("|sigma - 1| < 0.1: " if again else "400 block steps gave the share within 0.1 to five points")
        assert later
        assert all(
            re.fullmatch(r"\|sigma - 1\| < 0.1: .* after \d+ block steps of 2; one in .* s, \d+ more fit", note) for note in later
        )


def test_two_seeds_are_compared_by_samples_that_stay(tmp_path, monkeypatch):
    """Both J are the same here: what lies in the one bulk lies in the other. Two steps do not resolve it, which is let pass."""
    monkeypatch.setattr("harness.engine.directions.farthest", lambda delta: np.inf)
    monkeypatch.setattr("harness.engine.matrix_free._price", lambda *_: 0.0)
    monkeypatch.setattr("claims.training_jacobian.lenet.run.TrainingProducts", type("Wider", (Planted,), {"rank": 50}))
    for experiment in (LENET, OTHER):  # on as many images as scikit-learn has
        monkeypatch.setitem(CATALOGUE[experiment.name], "large", replace(experiment, images=640))
    labs = [Lab(Store(tmp_path), scale="large", options={"budget": 1e-3}) for _ in range(2)]
    run = labs[0].run("lenet-5-other-seed")
    assert run.experiment.seed == 1
    assert (run.compared.inside.depth, run.compared.outside.depth) == (2, 2)
    assert run.compared.contrast.estimate > 0.9
    assert abs(labs[0].run("lenet-5").contrast_of_layers) < 0.2
    # with more steps the first run would be sampled otherwise, and what was compared would be lost
    more = labs[1].run("lenet-5")
    more.spaces.gram.extend(gram(more.products))
    assert np.array_equal(more.parts.inside, labs[0].run("lenet-5").parts.inside)


def test_products_and_what_is_measured_with_them(tmp_path, monkeypatch):
    """Two steps in float64, differentiated through the loop by JAX itself and trained again from displaced starts.

    Blocks are as wide everywhere, so that each program is compiled once.
    """
    monkeypatch.setattr("harness.engine.matrix_free._price", lambda *_: 0.0)
    monkeypatch.setattr("harness.engine.directions.farthest", lambda delta: np.inf)  # two steps resolve no bulk
    for name, value in {"DELTA": 0.99, "STIMULI": (1e-9, 1.0), "ENDS": 4}.items():
        monkeypatch.setattr(f"claims.training_jacobian.lenet.run.{name}", value)
    experiment = replace(TINY, width=4, precision="float64", images=16, batch=8)
    run = run_in(tmp_path, 1e-3, experiment)
    block = RNG.standard_normal((lenet.SIZE, 4))
    for product, oracle in ((run.products.forward, jvp), (run.products.adjoint, vjp)):
        expected = oracle(run.training, run.theta_0, block[:, 0])
        assert np.linalg.norm(product(block)[:, 0] - expected) < 1e-10 * np.linalg.norm(expected)
    assert run.chaotic.initial.shape == (lenet.SIZE, 4)
    assert run.bulk.initial.shape == (lenet.SIZE, 4)
    # the basis is kept in float32, and two steps leave the leading pair as good as its residual
    assert run.chaotic.gains[0] == pytest.approx(np.sqrt(run.spaces.gram.ritz()[0][0]), rel=1e-3)
    assert run.parts.inside.shape == (lenet.SIZE, 4)
    assert run.responses["bulk"].shape == (2, 4)
    # steps of 1e-9 against eps_root's scale of 1e-4: trained again from there, in float64, J v is what comes out
    assert (run.responses["chaotic"][0] < 1e-2).all()
    assert (run.responses["bulk"][0] < 1e-2).all()
    assert (run.influence["chaotic"] > 0).all()
    again = run_in(tmp_path, 1e-3, experiment)
    assert np.array_equal(again.bulk.images, run.bulk.images)


def test_a_budget_too_small_for_the_least_steps_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr("claims.training_jacobian.lenet.run.TrainingProducts", Planted)
    with pytest.raises(InvalidInput, match=r"1.5e-07 minutes, this run's part of the budget, are too few: a step takes about"):
        run_in(tmp_path, 1e-6).spaces  # noqa: B018


def test_mnist_is_taken_where_there_is_one(tmp_path, monkeypatch):
    from tests.claims.test_mnist import LABELS, PIXELS, write

    monkeypatch.setitem(HELD_OUT, "mnist", 5)
    monkeypatch.setattr("claims.images.TEST_IMAGES", 20)
    place = write(tmp_path, PIXELS, LABELS)
    lab = Lab(Store(tmp_path / "store"), scale="large", options={"mnist": place})
    run = Run(replace(TINY, images=15, batch=15), lab)
    assert run.images.origin == "the first 15 of MNIST's test images"
    assert np.array_equal(run.held_out, lenet.scaled(load_mnist(place, 20).pixels[-5:]))
    shuffled = Run(replace(TINY, images=15, batch=15, labels="shuffled"), lab)
    assert shuffled.images.origin == "the first 15 of MNIST's test images, labels shuffled"
    assert np.array_equal(shuffled.images.pixels, run.images.pixels)
    assert not np.array_equal(shuffled.images.labels, run.images.labels)
    assert np.array_equal(np.sort(shuffled.images.labels), np.sort(run.images.labels))
    noise = Run(replace(TINY, images=15, batch=15, inputs="white-noise"), lab)
    assert "white noise in the place of the first 15 of MNIST" in noise.images.origin
    assert np.array_equal(noise.images.labels, run.images.labels)
    assert run.images.digest != noise.images.digest


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"eps_root": 0.0}, "eps_root = 0.0 is not allowed; allowed: positive .the derivative of Adam's square root"),
        ({"width": 1}, "the range finder needs two probes"),
        ({"images": 10}, "a batch of 64 or more"),
        ({"inputs": "noise"}, "allowed: images, white-noise"),
        ({"labels": "none"}, "allowed: shuffled, true"),
    ],
)
def test_experiments_that_make_no_sense_are_refused(changes, message):
    with pytest.raises(InvalidInput, match=message):
        LeNetExperiment("lenet-5", **changes)


def test_horizons_share_one_budget_and_leave_the_last_images_out():
    lab = Lab(scale="large", options={"mnist": None})
    for world, parts in PARTS.items():
        for name, steps in zip(at(world), sorted(parts, reverse=True), strict=True):
            run = lab.run(name)
            assert (run.steps, run.experiment.part) == (steps, parts[steps])
            assert run.experiment.images <= 10_000 - HELD_OUT["mnist"]
    other = lab.run("lenet-5-other-seed")
    assert other.steps == lab.run("lenet-5").steps == 120
    assert sum(part for parts in PARTS.values() for part in parts.values()) + other.experiment.part == pytest.approx(1)
    assert named("white-noise", 420) == "lenet-5-420-white-noise"


def test_a_horizon_beyond_the_digits_asks_for_mnist():
    lab = Lab(scale="large", options={"mnist": None})
    assert lab.run("lenet-5-60").missing == ""
    assert "it trains on 2,560 of MNIST's images: give their folder with --claims-mnist" in lab.run("lenet-5").missing
    with pytest.raises(NotRun, match="2,560 of MNIST's images"):
        lab.run("lenet-5").spaces  # noqa: B018


class Shares:
    """A run with the intervals of each horizon of a world; those that are left out have no data, or too small a budget."""

    size = lenet.SIZE

    def __init__(self, world, intervals):
        self.held = {named(world, steps): (steps, interval) for steps, interval in intervals.items()}

    def sibling(self, name):
        if name not in self.held:
            raise NotRun(f"no {name}")
        steps, (low, high) = self.held[name]
        if low > high:
            raise InvalidInput(f"too few minutes for {name}")
        share = Share((low + high) / 2, low, high, (high - low) / 2, 0.0, 0.0)
        spaces = SimpleNamespace(counts={0.1: SimpleNamespace(inside=share)})
        spaces.gram = spaces.displacement = spaces.range = SimpleNamespace(depth=steps)
        return SimpleNamespace(steps=steps, spaces=spaces, size=self.size, origin=f"{steps} steps")


@pytest.mark.parametrize(
    ("intervals", "steps"),
    [
        ({30: (0.7, 0.8), 60: (0.6, 0.7), 120: (0.55, 0.7), 240: (0.3, 0.7), 420: (0, 1)}, 120),  # the longest that decides
        ({30: (0.7, 0.8), 60: (0.2, 0.9), 120: (0.1, 1)}, 120),  # none does: 30 steps say nothing of learning
        ({60: (0.6, 0.7), 240: (0.1, 0.5), 420: (1, 0)}, 60),  # an interval up to the edge does not lie below it
        ({60: (0.6, 0.7), 240: (0.5, 0.6)}, 240),  # nor does one from the edge on lie across it
    ],
)
def test_a_claim_is_judged_at_the_longest_horizon_that_decides(intervals, steps):
    found = horizons(Shares("images", intervals), "images", near(0.1))
    assert longest(found, 0.5).depth == steps
    rows = [(number, low, (low + high) / 2, high) for number, (low, high) in sorted(intervals.items()) if low <= high]
    assert table(found).tolist() == [pytest.approx(row) for row in rows]


def test_without_a_horizon_to_judge_at_the_longest_says_why():
    with pytest.raises(NotRun, match="too few minutes for lenet-5-420"):
        horizons(Shares("images", {30: (0.7, 0.8), 420: (1, 0)}), "images", near(0.1))


def test_noise_with_as_large_a_bulk_has_no_fewer():
    run = Shares("images", {30: (0.7, 0.9), 60: (0.7, 0.8), 120: (0.6, 0.7)})
    run.held |= Shares("white-noise", {30: (0.7, 0.9), 120: (0.1, 0.2), 420: (1, 0)}).held
    found = test_bulk.test_fewer_on_noise(run)
    assert (found.value, found.interval[:2]) == (pytest.approx(0.5), pytest.approx((0.4, 0.6)))
    assert "120 steps" in found.counted
    assert set(found.arrays) == {"on-images", "on-white-noise"}
    control = test_bulk.test_fewer_on_noise(noise_for_images.world(run))
    assert (control.value, control.interval[:2]) == (pytest.approx(0), pytest.approx((-0.1, 0.1)))


def test_images_have_a_larger_bulk_than_a_gaussian_matrix():
    """A Gaussian matrix of the same size has 11 % of its singular values within a tenth of one, at whatever horizon."""
    run = Shares("images", {30: (0.7, 0.9), 120: (0.6, 0.7), 420: (0.15, 1.0)})
    run.held |= Shares("white-noise", {30: (0.7, 0.9), 120: (0.6, 0.7), 420: (0.3, 0.4)}).held
    world = gaussian_on_noise.world(run)
    assert test_bulk.test_fewer_on_noise(world).interval[:2] == pytest.approx((0.6 - 0.11, 0.7 - 0.11), abs=0.002)
    declared = REGISTRY["training-jacobian/lenet-5-noise-no-bulk[fewer]"]
    assert run_control(declared, gaussian_on_noise, [(run,)]).verdict == "SUPPORTED"
