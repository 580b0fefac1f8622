"""The second paper's tools: measures on planted truths, the descent, the runs, and the toy model against closed forms."""

import dataclasses
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given
from hypothesis import strategies as st

from claims import networks
from claims.networks import example_losses
from claims.tiny_subspace import run as subspace_run
from claims.tiny_subspace import softmax_flow as flow
from claims.tiny_subspace import stages as subspace_stages
from claims.tiny_subspace import test_gradient as gradient
from claims.tiny_subspace import test_subspace as subspace
from claims.tiny_subspace.as_network import network
from claims.tiny_subspace.experiments import Architecture, SubspaceExperiment, Variant
from claims.tiny_subspace.run import Run, relabelled
from harness.compare.localise import change
from harness.engine.descent import advance, batch_order, stops
from harness.engine.precision import exact_dtypes
from harness.errors import InvalidInput, NotFinite, NotRun
from harness.measure import hessian_subspace as measure
from harness.runs.lab import Lab
from harness.runs.store import Store
from harness.suite.records import ExperimentRecord

RNG = np.random.default_rng(0)

# --- measures -----------------------------------------------------------------------------------------------------------


def orthonormal(size, k):
    return np.linalg.qr(RNG.standard_normal((size, k)))[0]


def test_shares_of_a_planted_gradient():
    vectors = orthonormal(50, 3)
    outside = RNG.standard_normal(50)
    outside -= vectors @ (vectors.T @ outside)
    gradient = 3 * vectors[:, 0] - 4 * vectors[:, 2] + 12 * outside / np.linalg.norm(outside)
    # 3-4-12-13; rounding of sums of fifty terms
    np.testing.assert_allclose(measure.gradient_shares(vectors, gradient), np.array([9, 0, 16]) / 169, atol=1e-15)


@pytest.mark.parametrize("gradient", [np.zeros(50), np.full(50, np.nan)])
def test_a_gradient_without_direction_is_refused(gradient):
    with pytest.raises(NotFinite, match="its direction is undefined"):
        measure.gradient_shares(orthonormal(50, 3), gradient)


def test_overlap_is_a_cosine():
    v = RNG.standard_normal(9)
    assert measure.overlap(v, 3 * v) == pytest.approx(1, abs=1e-15)
    assert measure.overlap(v, -v) == pytest.approx(-1, abs=1e-15)
    with pytest.raises(NotFinite, match="overlap is undefined"):
        measure.overlap(v, 0 * v)


@given(st.integers(1, 40))
def test_equation_4_in_closed_form(k):
    """For lambda_i = i the overlap is sqrt(3/4 (k + 1) / (k + 1/2))."""
    assert measure.spectrum_overlap(np.arange(1, k + 1)) == pytest.approx(np.sqrt(0.75 * (k + 1) / (k + 0.5)), abs=1e-14)


def test_random_vectors_of_a_span_overlap_as_explicit_ones():
    values, rng = np.array([5.0, 2.0, 1.0]), np.random.default_rng(1)
    explicit = [measure.overlap(w, values * w) for w in rng.standard_normal((4000, 3))]
    drawn = measure.random_vector_overlap(values, np.random.default_rng(2), 4000)
    # five standard errors of the difference of two means
    assert abs(drawn.mean() - np.mean(explicit)) < 5 * np.hypot(drawn.std(), np.std(explicit)) / np.sqrt(4000)


def test_random_subspaces_overlap_by_k_over_n():
    """E Tr(P P') / k = k / N exactly: the mean of 400 draws lies within five of its standard errors."""
    drawn = [measure.subspace_overlap(orthonormal(40, 4), orthonormal(40, 4)) for _ in range(400)]
    assert abs(np.mean(drawn) - 4 / 40) < 5 * np.std(drawn) / 20


def test_subspace_overlap_of_planted_subspaces():
    frame = orthonormal(30, 6)
    rotated = frame[:, :4] @ np.linalg.qr(RNG.standard_normal((4, 4)))[0]
    assert measure.subspace_overlap(frame[:, :4], rotated) == pytest.approx(1, abs=1e-14)
    assert measure.subspace_overlap(frame[:, :3], frame[:, 3:]) == pytest.approx(0, abs=1e-14)
    assert measure.subspace_overlap(frame[:, :4], frame[:, [0, 1, 4, 5]]) == pytest.approx(0.5, abs=1e-14)


def history(frames, steps=(0, 100, 200)):
    cross = np.stack([[a.T @ b for b in frames] for a in frames])
    ones = np.ones((len(frames), frames[0].shape[1]))
    return measure.History(np.array(steps), ones, ones, cross, np.stack([frame[:, 0] for frame in frames]))


def test_a_kink_that_is_planted_is_found():
    """Ten preserved directions and ten that are drawn anew: the curve is 1 up to ten, then falls as 10 / d."""
    kept = orthonormal(4000, 10)
    frames = [np.linalg.qr(np.column_stack([kept, RNG.standard_normal((4000, 10))]))[0] for _ in range(3)]
    curve = measure.dimension_curve(history(frames), 0, 200, [5, 10, 20])
    # the ten random ones overlap by 10 / 4000
    np.testing.assert_allclose(curve, [1, 1, 0.5], atol=5e-3)
    assert history(frames).overlaps(100, 200, slice(10, 20)).shape == (1,)


def test_cross_products_are_those_of_each_pair_of_times():
    frames = [orthonormal(30, 4) for _ in range(3)]
    np.testing.assert_allclose(measure.cross_products(frames), [[a.T @ b for b in frames] for a in frames], atol=1e-14)


def test_a_step_that_was_not_measured_is_named():
    with pytest.raises(InvalidInput, match="no eigenpairs at step 150; there are at 0, 100, 200"):
        history([orthonormal(5, 2)] * 3).at(150)


@given(st.integers(1, 10), st.floats(1.5, 100), st.floats(0.001, 0.2))
def test_outliers_that_are_planted_are_counted(count, height, decay):
    """A bulk that falls exponentially from rank 1 on, its edge at rank 0, and outliers above that edge."""
    k, ranks = 10, np.arange(1, 41)
    values = np.exp(-decay * ranks)
    values[:count] = height * np.geomspace(1.2, 1, count)
    assert measure.bulk_edge(values, k) == pytest.approx(1, rel=1e-9)
    assert measure.outliers(values, k) == count


def test_three_eigenvalues_of_the_bulk_give_its_edge():
    assert measure.bulk_edge(np.exp(-0.05 * np.arange(1, 24)), 10) == pytest.approx(1, rel=1e-9)


def test_a_bulk_of_its_own_has_no_outliers():
    assert measure.outliers(np.exp(-0.05 * np.arange(1, 41)), 10) == 0


@pytest.mark.parametrize("values", [np.ones(22), np.r_[np.ones(30), 0.0]])
def test_a_bulk_that_cannot_be_measured_is_refused(values):
    with pytest.raises(InvalidInput, match="eigenvalues beyond the first 20"):
        measure.outliers(values, 10)


def test_participation_counts_the_weights_that_matter():
    assert measure.participation([0, 3, 0]) == 1
    assert measure.participation(np.ones(7)) == pytest.approx(7)


def test_the_parts_of_a_gradient_are_its_projections():
    vectors, random = orthonormal(30, 6), orthonormal(30, 2)
    parts = measure.gradient_parts(RNG.standard_normal(30), vectors, 2, random)
    np.testing.assert_allclose(parts["top"] + parts["complement"], parts["whole"], atol=1e-14)
    np.testing.assert_allclose(vectors[:, :2].T @ parts["complement"], 0, atol=1e-14)
    np.testing.assert_allclose(vectors[:, 2:4].T @ parts["next"], vectors[:, 2:4].T @ parts["whole"], atol=1e-14)
    np.testing.assert_allclose(vectors[:, [0, 1, 4, 5]].T @ parts["next"], 0, atol=1e-14)
    np.testing.assert_allclose(random @ (random.T @ parts["random"]), parts["random"], atol=1e-14)


def test_layer_shares_and_sizes():
    layers = {"first": slice(0, 3), "last": slice(3, 5)}
    assert measure.layer_shares(np.array([1.0, 1, 1, 0, 1]), layers) == {"first": 0.75, "last": 0.25}
    assert measure.root_mean_square([0, 3, 0, 4]) == pytest.approx(np.sqrt(12.5))


# --- descent ------------------------------------------------------------------------------------------------------------


def test_every_epoch_sees_its_examples_once():
    order = batch_order(103, 10, 25, seed=3)
    assert order.shape == (25, 10)
    for epoch in (order[:10], order[10:20]):
        assert len(np.unique(epoch)) == 100
    assert not np.array_equal(order[:10], order[10:20])
    with pytest.raises(InvalidInput, match="batch 104 of 103 examples"):
        batch_order(103, 104, 5, seed=3)


def squares(theta, x, y):
    return (x @ theta - y) ** 2


PROBLEM = (RNG.standard_normal((8, 3)), RNG.standard_normal(8))
UPDATE = optax.sgd(0.1)


def descend(side="whole", order=None, basis=None):
    theta = jnp.asarray([1.0, -2.0, 0.5])
    order = jnp.zeros((1, 0), int) if order is None else order
    return np.asarray(advance(squares, UPDATE, side)((theta, UPDATE.init(theta)), order, *map(jnp.asarray, PROBLEM), basis)[0])


def test_an_empty_batch_is_the_whole_set():
    x, y = PROBLEM
    theta = np.array([1.0, -2.0, 0.5])
    np.testing.assert_allclose(descend(), theta - 0.1 * 2 * x.T @ (x @ theta - y) / 8, atol=1e-14)
    np.testing.assert_allclose(descend(order=jnp.arange(8)[None]), descend(), atol=1e-14)


def test_the_two_sides_of_a_step_add_up_to_it():
    basis, start = jnp.asarray(orthonormal(3, 1)), np.array([1.0, -2.0, 0.5])
    dominant, complement = (descend(side, basis=basis) - start for side in ("dominant", "complement"))
    np.testing.assert_allclose(dominant + complement, descend() - start, atol=1e-15)
    np.testing.assert_allclose(np.asarray(basis).T @ complement, 0, atol=1e-15)
    np.testing.assert_allclose(dominant, basis @ (basis.T @ dominant), atol=1e-15)


def test_descent_stops_where_it_is_told_and_names_divergence():
    def segment(step, state, order):
        return (state[0] + len(order), None) if step < 40 else (state[0] * jnp.nan, None)

    order = np.zeros((60, 1), np.int32)
    found = stops(segment, (jnp.zeros(2), None), order, [0, 20, 40, 50], 10)
    assert [(step, float(theta[0])) for step, theta in (next(found), next(found), next(found))] == [(0, 0), (20, 20), (40, 40)]
    with pytest.raises(NotFinite, match="a parameter is not finite at step 50"):
        next(found)


# --- experiments and runs -----------------------------------------------------------------------------------------------

TINY = SubspaceExperiment(
    "tiny-test",
    architecture=Architecture(hidden=()),
    steps=20,
    eigen_steps=(0, 20),
    eigenpairs=5,
    overlap_steps=(0, 20),
    precision="float64",
)


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("data", "imagenet", "cifar10, digits, mnist, sine"),
        ("labels", "noisy", "parity, permuted, true"),
        ("optimiser", "lion", "adam, sgd"),
        ("side", "left", "complement, dominant, whole"),
        ("step_size", 0.0, "positive and finite"),
        ("steps", 0, "1 or more"),
        ("confined_from", 5, "a multiple of 10 from 0 to 20"),
        ("confined_from", 30, "a multiple of 10 from 0 to 20"),
        ("batch", -1, "0 for the whole set"),
        ("images", 0, "1 or more"),
        ("eigen_steps", (15,), "multiples of 10 from 0 to 20"),
        ("overlap_steps", (30,), "multiples of 10 from 0 to 20"),
        ("eigenpairs", 0, "1 or more"),
    ],
)
def test_an_experiment_names_the_field_that_is_wrong(field, value, allowed):
    with pytest.raises(InvalidInput, match=f"{field} = .*allowed: .*{allowed}"):
        dataclasses.replace(TINY, **{field: value})


def test_the_catalogue_has_the_papers_set_up():
    import claims.tiny_subspace.experiments  # noqa: F401
    from harness.runs.experiment import find

    base = find("tiny-mnist", "paper")
    assert (base.architecture, base.optimiser, base.step_size, base.batch) == (Architecture((100, 100), "relu"), "sgd", 0.1, 64)
    assert find("tiny-mnist-slow", "paper").step_size == 0.01
    assert find("tiny-mnist-full-batch", "paper").batch == 0
    assert find("tiny-digits", "paper") == dataclasses.replace(
        base, name="tiny-digits", data="digits", eigen_steps=find("tiny-digits", "paper").eigen_steps
    )


def test_fingerprints_tell_every_field_apart():
    other = dataclasses.replace(TINY, architecture=Architecture(hidden=(3,)))
    assert len({TINY.fingerprint(), other.fingerprint(), dataclasses.replace(TINY, seed=1).fingerprint()}) == 3
    assert TINY.fingerprint() == dataclasses.replace(TINY).fingerprint()


def test_eigenvalues_at_the_start_and_later_have_a_rounding_model(tmp_path, monkeypatch):
    """Sums in another order are within it; eigenvalues times 1.5, products of 1.001 times H, or with one left out, are not."""

    def recorded(folder):
        run = Run(dataclasses.replace(TINY, precision="float32"), Lab(Store(tmp_path / folder)))
        run.prepare()
        return ExperimentRecord("tiny-test", 0, "f" * 64, {}, run.stage_records())

    def changed(name, values, step):
        def replaced(stage):
            chosen = (stage["name"], stage.get("step")) == (name, step)
            return {**stage, "digest": "other", "values": values(stage["values"])} if chosen else stage

        return dataclasses.replace(held, stages=[replaced(stage) for stage in held.stages])

    held = recorded("whole")
    monkeypatch.setattr(subspace_run, "CHUNK", 100)
    other = change(held, recorded("chunks"), "float32")
    assert other.moved is None
    assert other.bits is not None
    factors = {("Hessian eigenvalues", 0): 1.5, ("Hessian eigenvalues", 20): 1.5, ("products with the Hessian", 20): 1.001}
    for (name, step), large in factors.items():
        for wrong in (
            lambda values, large=large: [large * each for each in values],
            lambda values: [*values[1:], values[-1] / 2],
        ):
            moved = change(held, changed(name, wrong, step), "float32").moved
            assert moved is not None
            assert moved.stage == (name + (f" after step {step}" if step else ""))
        within = changed(name, lambda values: [(1 + 1e-8) * each for each in values], step)
        assert change(held, within, "float32").moved is None


def test_a_run_agrees_with_dense_second_derivatives(tmp_path):
    run = Run(TINY, Lab(Store(tmp_path)))
    x, y = jnp.asarray(run.examples.x, jnp.float64), jnp.asarray(run.examples.y)
    each, theta = example_losses(run.network, "cross-entropy"), jnp.asarray(run.network.init(0))

    def mean(t):
        return jnp.mean(each(t, x, y))

    gradient, hessian = np.asarray(jax.grad(mean)(theta)), np.asarray(jax.hessian(mean)(theta))
    values, vectors = np.linalg.eigh(hessian)
    # Lanczos is asked for 1e-3 of each eigenvalue; eigenvalues are then good to its square
    np.testing.assert_allclose(run.history.values[0], values[::-1][:5], rtol=1e-5)
    shares = (vectors[:, ::-1][:, :5].T @ gradient) ** 2 / (gradient @ gradient)
    np.testing.assert_allclose(run.history.shares[0].sum(), shares.sum(), atol=1e-3)
    assert run.overlaps.values[0] == pytest.approx(measure.overlap(gradient, hessian @ gradient), abs=1e-9)
    assert run.overlaps.loss[1] < run.overlaps.loss[0]
    assert run.overlaps.mean(0, 20) == pytest.approx(run.overlaps.values.mean())
    assert list(run.layers) == ["layer 1"]


VARIANT = Variant(**{**dataclasses.asdict(TINY), "architecture": TINY.architecture, "held_out": 297})


def test_examples_that_are_held_out_are_no_training_examples(tmp_path):
    run = Run(VARIANT, Lab(Store(tmp_path)))
    assert (len(run.examples.x), len(run.held_out.x)) == (1500, 297)
    whole = Run(TINY, Lab(Store(tmp_path))).examples
    together = np.concatenate([run.examples.x, run.held_out.x])
    np.testing.assert_array_equal(np.sort(together.sum(axis=1)), np.sort(whole.x.sum(axis=1)))
    x, y = jnp.asarray(run.held_out.x, jnp.float64), jnp.asarray(run.held_out.y)
    each, theta = example_losses(run.network, "cross-entropy"), jnp.asarray(run.network.init(0))
    assert run.held_out_overlaps.loss[0] == pytest.approx(float(jnp.mean(each(theta, x, y))), rel=1e-12)


def test_a_variant_takes_fewer_classes_and_all_eigenvalues(tmp_path):
    run = Run(dataclasses.replace(VARIANT, held_out=0, classes=3, eigenpairs=4, dense=True), Lab(Store(tmp_path)))
    assert set(run.examples.y) == {0, 1, 2}
    assert run.spectra.shape == (2, run.network.size)
    # Lanczos is asked for 1e-3 of each eigenvalue; eigenvalues are then good to its square
    np.testing.assert_allclose(run.spectra[:, :4], run.history.values, rtol=1e-5)
    with pytest.raises(InvalidInput, match=r"classes = 11 .*0, or 2 to 10"):
        dataclasses.replace(VARIANT, classes=11)


def test_one_step_falls_as_dense_derivatives_say(tmp_path):
    """To second order the loss falls by eta g.u - eta^2 u.H u / 2 along a part u of the gradient."""
    run = Run(dataclasses.replace(TINY, step_size=1e-3, eigenpairs=20), Lab(Store(tmp_path)))
    x, y = jnp.asarray(run.examples.x, jnp.float64), jnp.asarray(run.examples.y)
    each, theta = example_losses(run.network, "cross-entropy"), jnp.asarray(run.network.init(0))
    gradient, hessian = (np.asarray(of(lambda t: jnp.mean(each(t, x, y)))(theta)) for of in (jax.grad, jax.hessian))
    vectors = np.linalg.eigh(hessian)[1][:, ::-1]
    top = vectors[:, :10] @ (vectors[:, :10].T @ gradient)
    for name, part in (("whole", gradient), ("top", top)):
        expected = 1e-3 * gradient @ part - 1e-6 * part @ hessian @ part / 2
        # the third order of a step of 1e-3, and Lanczos' tolerance in the top subspace
        assert run.falls[0][name] == pytest.approx(expected, rel=1e-3)


def test_realisations_have_seeds_of_their_own(tmp_path):
    first, second = (Run(dataclasses.replace(TINY, seed=seed), Lab(Store(tmp_path))).realisations(3) for seed in (0, 1))
    assert [run.experiment.seed for run in first + second] == [0, 1, 2, 3, 4, 5]


def test_a_run_is_the_same_from_the_store(tmp_path):
    first, second = (Run(TINY, Lab(Store(tmp_path))) for _ in range(2))
    assert np.array_equal(first.history.cross, second.history.cross)
    assert len(list(tmp_path.glob("tiny-subspace-*"))) == 1


@pytest.mark.parametrize(("side", "inside"), [("dominant", True), ("complement", False)])
def test_a_confined_run_moves_on_its_side_only(tmp_path, side, inside):
    """A Hessian is planted whose top ten eigenvectors are the coordinates 100 to 109."""
    run = Run(dataclasses.replace(TINY, side=side, steps=10, eigen_steps=(), overlap_steps=(0, 10)), Lab(Store(tmp_path)))
    diagonal = np.zeros(run.network.size)
    diagonal[100:110] = np.arange(1, 11)
    (_, start), (_, end) = run._descent(lambda theta: lambda v: diagonal * v)
    moved = np.abs(np.asarray(end - start))
    top = diagonal > 0
    # Lanczos finds these coordinates to its tolerance, 1e-3 of the eigenvalues; a step moves by about 1e-2
    still, alive = (moved[~top], moved[top]) if inside else (moved[top], moved[~top])
    assert still.max() < 1e-6 < alive.max()


def test_without_mnist_claims_are_not_run_and_say_what_to_do(tmp_path):
    run = Run(dataclasses.replace(TINY, data="mnist"), Lab(Store(tmp_path)))
    run.prepare()
    with pytest.raises(NotRun, match="--claims-mnist DIR or MNIST_DIR"):
        run.history  # noqa: B018


def test_without_cifar10_claims_are_not_run(tmp_path, monkeypatch):
    monkeypatch.delenv("CIFAR10_DIR", raising=False)
    with pytest.raises(NotRun, match="set CIFAR10_DIR"):
        Run(dataclasses.replace(TINY, data="cifar10"), Lab(Store(tmp_path))).overlaps  # noqa: B018


def test_a_mnist_folder_without_files_is_an_error_and_not_a_skip(tmp_path):
    run = Run(dataclasses.replace(TINY, data="mnist"), Lab(Store(tmp_path / "store"), options={"mnist": tmp_path}))
    with pytest.raises(InvalidInput, match="give the folder with them"):
        run.prepare()


def test_labels_are_relabelled_as_the_experiment_says():
    labels = np.arange(100) % 10
    assert np.array_equal(relabelled(labels, TINY), labels)
    assert np.array_equal(relabelled(labels, dataclasses.replace(TINY, labels="parity")), labels % 2)
    permuted = relabelled(labels, dataclasses.replace(TINY, labels="permuted"))
    assert np.array_equal(np.sort(permuted), np.sort(labels))
    assert (permuted != labels).sum() > 50
    assert np.array_equal(permuted, relabelled(labels, dataclasses.replace(TINY, labels="permuted")))
    assert not np.array_equal(permuted, relabelled(labels, dataclasses.replace(TINY, labels="permuted", seed=5)))


# --- the toy model ------------------------------------------------------------------------------------------------------

seeds = st.integers(0, 10_000)


def test_the_toy_models_derivatives_are_jaxs(compare):
    rng = np.random.default_rng(2)
    sample = flow.mixture(rng.standard_normal((3, 4)), 0.5, 2, rng)
    theta, v = rng.standard_normal((3, 4)), rng.standard_normal((3, 4))

    def loss(flat):
        logits = jnp.asarray(sample.x) @ flat.reshape(3, 4).T
        return -jnp.mean(jax.nn.log_softmax(logits)[jnp.arange(len(sample.y)), jnp.asarray(sample.y)])

    bound, reason = 1e-13, "sums over 6 samples and 12 parameters: some hundred roundings"
    dense = np.asarray(jax.hessian(loss)(theta.ravel()))
    slope = jax.grad(loss)(theta.ravel()).reshape(3, 4)
    compare.entries("gradient of the toy model", "jax.grad", flow.gradient(theta, sample), slope, bound, reason)
    compare.entries("Hessian of the toy model", "jax.hessian", flow.hessian(theta, sample), dense, bound, reason)
    image = flow.hessian_product(theta, sample, v)
    compare.entries("Hessian product of the toy model", "jax.hessian", image, (dense @ v.ravel()).reshape(3, 4), bound, reason)


@pytest.mark.parametrize("eta_t", [0.01, 1.0, 1000.0])
def test_the_flow_against_its_closed_forms(eta_t, compare):
    """At fixed times, so that the error can be written down; hypothesis tries others below."""
    means, theta_0 = flow.orthonormal_means(2, 5, np.random.default_rng(0)), np.random.default_rng(1).standard_normal((2, 5))
    ends = [
        np.exp(flow.margins(flow.flow(start, flow.mixture(m), [eta_t])[0], m))
        for start, m in ((theta_0, means), (np.zeros((4, 4)), np.eye(4)))
    ]
    expected = flow.two_class_exponential(eta_t, flow.two_class_constants(theta_0, means)), flow.symmetric_exponential(eta_t, 4)
    bound, reason = 1e-8, "the integrator's tolerance of 1e-10 a step over at most a hundred steps, relative to e^m"
    compare.entries("integrated gradient flow, k = 2", "Wright omega function", ends[0], expected[0], bound, reason)
    compare.entries("integrated gradient flow, k = 4", "Wright omega function", ends[1], np.full(4, expected[1]), bound, reason)


@given(seeds, st.integers(2, 4), st.integers(1, 3))
def test_gradient_and_hessian_are_derivatives_of_the_loss(seed, k, samples):
    rng = np.random.default_rng(seed)
    sample = flow.mixture(rng.standard_normal((k, 3)), 0.5, samples, rng)
    theta, v = rng.standard_normal((k, 3)), rng.standard_normal((k, 3))
    step = 1e-5  # central differences: error step^2, rounding 1e-16 / step
    ahead, behind = theta + step * v, theta - step * v
    numeric = (flow.gradient(ahead, sample) - flow.gradient(behind, sample)) / (2 * step)
    np.testing.assert_allclose(flow.hessian_product(theta, sample, v), numeric, atol=1e-8)
    dense = flow.hessian(theta, sample) @ v.ravel()
    np.testing.assert_allclose(dense, flow.hessian_product(theta, sample, v).ravel(), atol=1e-13)

    def loss(t):
        logits = sample.x @ t.T
        return np.mean(np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(sample.y)), sample.y])

    slope = np.sum(flow.gradient(theta, sample) * v)
    assert slope == pytest.approx((loss(ahead) - loss(behind)) / (2 * step), abs=1e-8)


@given(seeds, st.integers(2, 30), st.floats(-2, 3))
def test_two_classes_follow_the_wright_omega_function(seed, d, exponent):
    """From any start, at any time, in any dimension: the integrated flow against e^m = wrightomega(eta t + c)."""
    rng, eta_t = np.random.default_rng(seed), 10.0**exponent
    means, theta_0 = flow.orthonormal_means(2, d, rng), rng.standard_normal((2, d))
    theta = flow.flow(theta_0, flow.mixture(means), [eta_t])[0]
    c = flow.two_class_constants(theta_0, means)
    # the integrator's 1e-10 a step, over hundreds of steps
    np.testing.assert_allclose(np.exp(flow.margins(theta, means)), flow.two_class_exponential(eta_t, c), rtol=1e-8)
    values = flow.eigenpairs(theta, flow.mixture(means))[0]
    np.testing.assert_allclose(values[:2], np.sort(flow.two_class_eigenvalue(eta_t, c))[::-1], rtol=1e-8)
    # a Hessian of size one has rounding of 1e-16 in its zero eigenvalues; d = 30 makes sixty of them
    assert np.abs(values[2:]).max() < 1e-14


@given(st.integers(2, 8), st.floats(-2, 3))
def test_k_classes_from_zero_have_the_symmetric_closed_form(k, exponent):
    eta_t, means = 10.0**exponent, np.eye(k)
    sample = flow.mixture(means)
    theta = flow.flow(np.zeros((k, k)), sample, [eta_t])[0]
    np.testing.assert_allclose(np.exp(flow.margins(theta, means)), flow.symmetric_exponential(eta_t, k), rtol=1e-8)
    top, rest = flow.symmetric_eigenvalues(eta_t, k)
    expected = np.sort(np.r_[np.full(k, top), np.full(k * (k - 2), rest), np.zeros(k)])[::-1]
    np.testing.assert_allclose(flow.eigenpairs(theta, sample)[0], expected, rtol=1e-8, atol=1e-15)


@given(st.floats(-3, 8), st.floats(0.01, 50))
def test_the_closed_form_solves_its_equation(exponent, c):
    """e^m + m = eta t + c."""
    exponential = float(flow.two_class_exponential(10.0**exponent, c))
    assert exponential + np.log(exponential) == pytest.approx(10.0**exponent + c, rel=1e-12)
    assert float(flow.symmetric_exponential(10.0**exponent, 2)) == pytest.approx(
        float(flow.two_class_exponential(10.0**exponent, 1.0)), rel=1e-13
    )


@given(seeds, st.integers(2, 5))
def test_the_rank_is_k_times_k_minus_one_anywhere(seed, k):
    """For any theta and any independent means, not only along the flow."""
    rng = np.random.default_rng(seed)
    sample = flow.mixture(flow.random_unit_vectors(k, 40, rng))
    values = flow.eigenpairs(rng.standard_normal((k, 40)), sample)[0]
    assert np.sum(values > 1e-10 * values[0]) == k * (k - 1)


@given(seeds, st.integers(2, 4), st.booleans())
def test_the_span_of_the_samples_is_all_that_matters(seed, k, bias):
    rng = np.random.default_rng(seed)
    sample = flow.mixture(flow.random_unit_vectors(k, 30, rng), 0.1, 3, rng)
    sample = sample.with_bias() if bias else sample
    small = sample.in_its_span()
    zero, small_zero = np.zeros((k, sample.x.shape[1])), np.zeros((k, small.x.shape[1]))
    assert small.x.shape == (3 * k, min(3 * k, sample.x.shape[1]))
    found = flow.eigenpairs(small_zero, small)[0]
    np.testing.assert_allclose(found, flow.eigenpairs(zero, sample)[0][: len(found)], atol=1e-14)
    norms = [np.linalg.norm(flow.gradient(*at)) for at in ((small_zero, small), (zero, sample))]
    assert norms[0] == pytest.approx(norms[1], abs=1e-14)


def test_the_flow_stays_put_at_time_zero_and_lowers_the_loss():
    sample = flow.mixture(np.eye(3))
    start = RNG.standard_normal((3, 3))
    first, second = flow.flow(start, sample, [0.0, 50.0])
    assert np.array_equal(first, start)
    assert np.linalg.norm(flow.gradient(second, sample)) < np.linalg.norm(flow.gradient(start, sample))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: flow.orthonormal_means(5, 4, RNG), "5 orthonormal means in 4 dimensions"),
        (lambda: flow.Sample(np.zeros((3, 2)), np.zeros(2, int), 2), "inputs and .* labels"),
        (lambda: flow.Sample(np.zeros((2, 2)), np.array([0, 2]), 2), "need 0 to classes - 1"),
        (lambda: flow.Sample(np.zeros((2, 2)), np.zeros(2, int), 1), "two or more"),
    ],
)
def test_a_mixture_that_makes_no_sense_is_refused(make, message):
    with pytest.raises(InvalidInput, match=message):
        make()


def test_the_gradient_must_come_to_the_top_soon_and_stay_there():
    """Full shares at first and half of them later on; and the other way round."""
    steps, rows = np.array([0, 100, 600, 1000, 3000]), np.zeros((5, 10))
    for later in ([1.0, 1.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]):
        shares = np.vstack([rows[:1], np.repeat(np.array(later)[:, None] / 10, 10, axis=1)])
        found = gradient.test_stays_in_top(measure.History(steps, rows, shares, rows, rows))
        assert found.value == pytest.approx(0.5)
        assert list(found.details.values()) == pytest.approx([later[0], later[-1]])


def test_first_and_last_kernel_lie_where_the_network_has_them():
    """On a real network: a kernel before its bias, layer after layer."""
    made = networks.classifier((5,), 3, (4, 2), "relu")
    first, last = subspace.kernels(SimpleNamespace(network=made))
    theta = made.init(0)
    assert (first, last) == (slice(0, 20), slice(34, 40))  # 5 x 4, 4, 4 x 2, 2, 2 x 3, 3
    assert np.all(theta[first] != 0)
    assert np.all(theta[last] != 0)
    assert np.all(theta[40:] == 0)


# --- as networks --------------------------------------------------------------------------------------------------------

PLAIN = SubspaceExperiment("tiny", architecture=Architecture(hidden=(5,)), steps=40, precision="float64")


@pytest.mark.parametrize(
    "experiment",
    [
        PLAIN,  # 40 of the 28 batches of an epoch: the second one has another order
        dataclasses.replace(PLAIN, batch=0, steps=10),
        dataclasses.replace(PLAIN, data="sine", optimiser="adam", step_size=1e-3, batch=100),
        Variant("tiny", architecture=PLAIN.architecture, steps=20, precision="float64", labels="permuted", held_out=97, seed=3),
    ],
    ids=["sgd", "full-batch", "sine-adam", "held-out"],
)
def test_the_experiment_as_a_network_ends_where_the_papers_run_does(experiment, compare):
    run, made = Run(experiment, Lab()), network(experiment)
    with exact_dtypes():
        (theta,) = subspace_stages.descend_in(run, "float64", [experiment.steps])
    found = made.run(experiment.seed).trained.theta_T
    assert made.steps == experiment.steps
    assert not np.array_equal(found, run.network.init(experiment.seed))
    compare.entries("second paper as a Network", "the paper's own descent", found, theta, 1e-11, "float64, 10 to 40 steps")
    assert len(made.data[2]) == (getattr(experiment, "held_out", 0) or len(run.examples.x))


def test_a_confined_training_is_no_network():
    with pytest.raises(InvalidInput, match="tiny confines its steps to the dominant part of the gradient"):
        network(dataclasses.replace(PLAIN, side="dominant"))


def test_the_papers_claims_on_it_see_its_classes():
    assert network(PLAIN).classes == 10
    assert network(dataclasses.replace(PLAIN, data="sine")).classes == 0
