"""The third paper's tools: mixtures, one-pass SGD, products, outlier spaces, closed forms, each independently checked."""

from __future__ import annotations

import itertools
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.flatten_util import ravel_pytree

from claims.outlier_eigenspaces import eigenspaces, stages, test_xor, theory, three_layers
from claims.outlier_eigenspaces.as_network import network
from claims.outlier_eigenspaces.experiments import GMM_SMOKE, TILTED_SMOKE, XOR_SMOKE
from claims.outlier_eigenspaces.mixtures import Mixture
from claims.outlier_eigenspaces.one_pass import CHUNK, HEADS, Params, Stream, ahead, initial, loss, one_pass
from harness.compare.localise import change
from harness.engine.streams import numpy_stream
from harness.errors import EmptyOutcome, InvalidInput, NotFinite
from harness.runs.lab import Lab, open_run
from harness.runs.store import Store
from harness.suite.claim import World
from harness.suite.records import ExperimentRecord

EPS = float(np.finfo(float).eps)
# Products and dense matrices of a few hundred float64 terms of order one.
ROUNDING = 1e4 * EPS
NESTED = "nested differentiation, example by example, dense"
REASON = "1e4 roundings: sums of a few dozen products, twice differentiated, and a wide margin"


@pytest.fixture
def random():
    return numpy_stream(0, "test outliers")


def small(task, random):
    """Parameters and examples of a small model: 3 rows, d = 6, 20 examples, far from any symmetry."""
    last = random.normal(size=3 if task == "xor" else 0)
    x, y = Mixture(task, 4 if task == "xor" else 3, 6).draw(random, (20,), snr=2.0)
    return Params(random.normal(size=(3, 6)), last), x, y


@pytest.fixture(params=["gaussians", "xor"])
def task(request):
    return request.param


@pytest.fixture
def dense(task, random):
    """(params, x, y, H, G) with H and G formed whole by nested differentiation, example by example."""
    params, x, y = small(task, random)
    theta, unravel = ravel_pytree(params)

    def one(x, y):
        value = lambda at: loss(HEADS[task])(unravel(at), x, y)  # noqa: E731
        return jax.hessian(value)(theta), jax.grad(value)(theta)

    hessians, slopes = map(np.asarray, jax.jit(jax.vmap(one))(x, y))
    return params, x, y, hessians.mean(axis=0), slopes.T @ slopes / len(x)


def test_whole_products_are_the_dense_matrices(task, dense, compare):
    params, x, y, *matrices = dense
    for name, product, matrix in zip("HG", eigenspaces.whole_products(HEADS[task]), matrices, strict=True):
        found = jax.jit(product)(params, x, y, np.eye(len(matrix)))
        compare.entries(f"products with {name} of a mixture", NESTED, found, matrix, ROUNDING, REASON)


def test_block_products_are_the_blocks_of_the_dense_matrices(task, dense, compare):
    params, x, y, *matrices = dense
    weighted = jax.jit(eigenspaces.block_weights(HEADS[task]))(params, x, y)
    for name, weights, matrix in zip("HG", weighted, matrices, strict=True):
        for row in range(3):
            block = matrix[6 * row : 6 * row + 6, 6 * row : 6 * row + 6]
            found = eigenspaces.weighted_gram(x, np.asarray(weights[row]))(np.eye(6))
            error = float(np.max(np.abs(found - block)))  # of the whole: a block may vanish
            compare.error(f"blocks of {name} of a mixture", NESTED, error, ROUNDING, REASON)


def test_last_blocks_are_the_blocks_of_the_dense_matrices(random):
    params, x, y = small("xor", random)
    gates = np.maximum(x @ params.rows.T, 0)
    p = 1 / (1 + np.exp(-gates @ params.last))
    found = jax.jit(eigenspaces.last_blocks(HEADS["xor"]))(params, x, y)
    np.testing.assert_allclose(found.hessian, (gates.T * (p * (1 - p))) @ gates / len(x), atol=ROUNDING)
    np.testing.assert_allclose(found.gradients, (gates.T * (y - p) ** 2) @ gates / len(x), atol=ROUNDING)


def planted(random, size, spectrum):
    basis = np.linalg.qr(random.normal(size=(size, size)))[0]
    return basis, (basis * spectrum) @ basis.T


def test_top_eigenpairs_find_a_planted_space(random):
    basis, matrix = planted(random, 120, np.concatenate([[5.0, 4.0, 3.0], np.linspace(1, 0, 117)]))
    values, vectors = eigenspaces.krylov_eigenpairs(matrix.__matmul__, random.normal(size=(120, 7)), depth=15)
    # Chebyshev: the angle falls by e^(2 sqrt(gap)) a power, e^2.8 for 3 against 1, and values by its square
    np.testing.assert_allclose(values[:3], [5, 4, 3], atol=1e-12)
    np.testing.assert_allclose([eigenspaces.alignment(vectors[:, :3], basis[:, i]) for i in range(3)], 1, atol=1e-12)
    assert values[3] <= 1 + ROUNDING


def test_three_powers_are_enough_at_ten_times_the_edge(random):
    basis, matrix = planted(random, 120, np.concatenate([[12.0, 11.0, 10.0], np.linspace(1, 0, 117)]))
    _, vectors = eigenspaces.krylov_eigenpairs(matrix.__matmul__, random.normal(size=(120, 7)))
    assert 1 - eigenspaces.alignment(vectors[:, :3], basis[:, 2]) < 1e-6  # half the square of an angle of 1e-3


def test_top_eigenpairs_fill_a_small_matrix(random):
    _, matrix = planted(random, 12, np.arange(12.0))
    values, _ = eigenspaces.krylov_eigenpairs(matrix.__matmul__, random.normal(size=(12, 6)))
    np.testing.assert_allclose(values, np.arange(12.0)[::-1], atol=ROUNDING)


def test_top_eigenpairs_of_a_matrix_of_low_rank(random):
    basis, matrix = planted(random, 40, np.concatenate([[2.0, 1.0], np.zeros(38)]))
    values, vectors = eigenspaces.krylov_eigenpairs(matrix.__matmul__, random.normal(size=(40, 6)))
    np.testing.assert_allclose(values[:6], [2, 1, 0, 0, 0, 0], atol=ROUNDING)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(vectors.shape[1]), atol=ROUNDING)
    assert abs(basis[:, 1] @ vectors[:, 1]) == pytest.approx(1, abs=ROUNDING)


def test_a_stack_of_matrices_is_each_of_them(random):
    x, weights, start = random.normal(size=(60, 20)), random.uniform(size=(3, 2, 60)), random.normal(size=(20, 4))
    values, vectors = eigenspaces.krylov_eigenpairs(eigenspaces.weighted_gram(x, weights), start)
    for i, j in np.ndindex(3, 2):
        alone = eigenspaces.krylov_eigenpairs(eigenspaces.weighted_gram(x, weights[i, j]), start)
        np.testing.assert_allclose(values[i, j], alone[0], atol=ROUNDING)
        np.testing.assert_allclose(np.abs(np.sum(vectors[i, j] * alone[1], axis=0))[:3], 1, atol=1e-9)


def test_top_eigenpairs_refuse(random):
    with pytest.raises(InvalidInput, match=r"size 3 has at most 3"):
        eigenspaces.krylov_eigenpairs(np.eye(3).__matmul__, random.normal(size=(3, 4)))
    with pytest.raises(NotFinite, match="NaN"):
        eigenspaces.krylov_eigenpairs(lambda v: v * np.nan, random.normal(size=(9, 2)))


def test_bulk_edge_is_marchenko_pastur_for_equal_weights(compare):
    for examples, dimension in ((1000, 200), (50, 200), (400, 400)):
        expected = 3 / 7 * (1 + np.sqrt(dimension / examples)) ** 2
        found = eigenspaces.bulk_edge(np.full(examples, 3.0), dimension, 7.0)
        reason = "the minimum is found to half the digits of u, which is all of the edge"
        compare.entries("edge of the noise's spectrum", "Marchenko & Pastur", found, expected, 1e-10, reason)


def test_bulk_edge_bounds_a_sampled_bulk(random, compare):
    weights = random.uniform(size=(2, 2000)) ** 4 * (random.uniform(size=(2, 2000)) < 0.5)
    edges = eigenspaces.bulk_edge(weights, 400, 10.0)
    for w, edge in zip(weights, edges, strict=True):
        z = random.normal(size=(2000, 400)) / np.sqrt(10)
        top = np.linalg.eigvalsh((z.T * w) @ z / 2000)[-1]
        reason = "Tracy-Widom: mean -1.2 and spread 1.3 in units of about d^(-2/3) = 1.8 %, so four spreads"
        compare.entries("edge of the noise's spectrum", "the largest eigenvalue of a sample", top, edge, 0.08, reason)
    assert eigenspaces.bulk_edge(np.zeros(10), 5, 1.0) >= 0


def test_planted_outliers_are_counted_and_aligned_with(random):
    means = np.linalg.qr(random.normal(size=(100, 3)))[0].T
    x = means[random.integers(3, size=1500)] + random.normal(size=(1500, 100)) / 10
    space = eigenspaces.block_space(x, np.ones(1500), 100.0, 3, random.normal(size=(100, 7)))
    assert eigenspaces.outlier_count(space.values, space.edge) == 3
    assert eigenspaces.alignment(space.vectors, means[0]) > 0.99  # sin^2 is about noise over signal, c / (lambda / 3) = 0.2 %
    noise = eigenspaces.block_space(x - x @ means.T @ means, np.ones(1500), 100.0, 3, random.normal(size=(100, 7)))
    assert eigenspaces.outlier_count(noise.values, noise.edge) == 0


def test_alignment_is_the_cosine_of_the_angle():
    basis = np.eye(4)[:, :2]
    for angle in (0.0, 0.3, np.pi / 2):
        vector = 7 * np.array([0, np.cos(angle), np.sin(angle), 0])
        assert eigenspaces.alignment(basis, vector) == pytest.approx(abs(np.cos(angle)), abs=ROUNDING)
    assert eigenspaces.alignment(basis, np.zeros(4)) == 0


@pytest.mark.parametrize(("task", "components"), [("gaussians", 3), ("xor", 4)])
def test_mixture_has_the_moments_it_says(task, components, random):
    mixture = Mixture(task, components, 8)
    x, y = mixture.draw(random, (40000,), snr=25.0)
    assert x.shape == (40000, 8)
    assert y.shape == (40000,)
    nearest = np.argmax(x @ mixture.means.T, axis=1)  # lambda = 25: the wrong mean is nearest in 3e-4 of draws at most
    assert np.mean(mixture.targets[nearest] == y) > 0.999
    for a in range(components):
        part = x[nearest == a] - mixture.means[a]
        assert len(part) == pytest.approx(40000 / components, rel=0.04)  # binomial: 4 standard deviations
        np.testing.assert_allclose(part.mean(axis=0), 0, atol=5 * 0.2 / np.sqrt(len(part)))
        np.testing.assert_allclose(np.cov(part.T), np.eye(8) / 25, atol=5 / 25 * np.sqrt(2 / len(part)))


def test_tilted_means_have_their_angles_and_classes_their_weights(random):
    mixture = Mixture("gaussians", 3, 8, cosine=0.5, weights=(0.5, 0.3, 0.2))
    np.testing.assert_allclose(mixture.means @ mixture.means.T, 0.5 + 0.5 * np.eye(3), atol=ROUNDING)
    x, y = mixture.draw(random, (40000,), snr=1e6)
    np.testing.assert_allclose(np.bincount(y) / 40000, [0.5, 0.3, 0.2], atol=0.01)  # 4 standard deviations
    np.testing.assert_allclose(x, mixture.means[y], atol=0.01)  # 10 standard deviations of the noise
    np.testing.assert_array_equal(Mixture("gaussians", 3, 8).means, np.eye(3, 8))


def test_block_values_are_those_of_the_dense_blocks(random):
    x, weights = random.normal(size=(50, 12)), random.uniform(size=(2, 50))
    values = eigenspaces.block_values(x, weights)
    for w, found in zip(weights, values, strict=True):
        np.testing.assert_allclose(found, np.linalg.eigvalsh((x.T * w) @ x / 50)[::-1], atol=ROUNDING)


def test_spans_that_are_one_share_all_and_orthogonal_ones_nothing(random):
    frame = np.linalg.qr(random.normal(size=(20, 6)))[0]
    turned = frame[:, :3] @ np.linalg.qr(random.normal(size=(3, 3)))[0]
    assert eigenspaces.shared(frame[:, :3], turned) == pytest.approx(1, abs=ROUNDING)
    assert eigenspaces.shared(frame[:, :3], frame[:, 3:]) == pytest.approx(0, abs=ROUNDING)
    assert eigenspaces.shared(frame[:, :2], frame[:, [0, 3]]) == pytest.approx(np.sqrt(0.5), abs=ROUNDING)


def test_shuffled_labels_know_nothing_of_the_inputs(random):
    mixture = Mixture("gaussians", 3, 5, labels="shuffled")
    x, y = mixture.draw(random, (30000,), snr=1e6)
    assert np.mean(np.argmax(x, axis=1) == y) == pytest.approx(1 / 3, abs=0.012)  # 4 standard deviations


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "spirals"}, "task"),
        ({"components": 1}, "components"),
        ({"dimension": 2}, "dimension"),
        ({"labels": "no"}, "labels"),
    ],
)
def test_mixture_refuses(changes, message):
    with pytest.raises(InvalidInput, match=rf"mixture: {message} = .* is not allowed"):
        Mixture(**{"task": "gaussians", "components": 3, "dimension": 5, **changes})


def test_one_step_is_the_equation(random):
    params, x, y = small("gaussians", random)
    found = jax.jit(one_pass(HEADS["gaussians"]))(params, x[:1], y[:1], 0.3, 0.1)
    logits = params.rows @ x[0]
    slope = np.outer(np.exp(logits) / np.exp(logits).sum() - np.eye(3)[y[0]], x[0])
    np.testing.assert_allclose(found.rows, params.rows - 0.3 * (slope + 0.1 * params.rows), atol=ROUNDING)


def test_one_step_of_the_network_is_the_equation(random):
    params, x, y = small("xor", random)
    found = jax.jit(one_pass(HEADS["xor"]))(params, x[:1], y[:1], 0.3, 0.1)
    s = params.rows @ x[0]
    residual = y[0] - 1 / (1 + np.exp(-params.last @ np.maximum(s, 0)))
    rows = params.rows * (1 - 0.03) + 0.3 * residual * np.outer(params.last * (s > 0), x[0])
    np.testing.assert_allclose(found.rows, rows, atol=ROUNDING)
    np.testing.assert_allclose(found.last, params.last * (1 - 0.03) + 0.3 * residual * np.maximum(s, 0), atol=ROUNDING)


def test_many_steps_are_steps_one_after_another(random):
    params, x, y = small("xor", random)
    run = jax.jit(one_pass(HEADS["xor"]))
    halves = run(run(params, x[:9], y[:9], 0.2, 0.1), x[9:], y[9:], 0.2, 0.1)
    for a, b in zip(run(params, x, y, 0.2, 0.1), halves, strict=True):
        np.testing.assert_allclose(a, b, atol=ROUNDING)


def test_initial_parameters_have_the_paper_s_law():
    params = initial(0, 500, 4, 50, last=True)
    assert np.var(params.rows) * 50 == pytest.approx(1, abs=5 * np.sqrt(2 / params.rows.size))
    assert np.var(params.last) == pytest.approx(1, abs=5 * np.sqrt(2 / params.last.size))
    assert initial(0, 2, 3, 5, last=False).last.shape == (2, 0)


def test_a_stream_gives_the_same_chunk_each_time_and_no_two_alike():
    stream = Stream(Mixture("gaussians", 3, 6), 4.0, "float32", 0, "examples", 2)
    chunks = list(stream.chunks(3, 6))
    x, y = stream.chunk(4)
    np.testing.assert_array_equal(chunks[1][0], x)
    np.testing.assert_array_equal(chunks[1][1], y)
    assert x.shape == (CHUNK, 2, 6)
    assert x.dtype == np.float32
    assert not np.any(chunks[0][0] == x)
    assert not np.any(stream._replace(seed=1).chunk(4)[0] == x)
    assert not np.any(stream._replace(name="test examples").chunk(4)[0] == x)


def test_ahead_keeps_order_and_raises_what_a_thread_raised():
    assert list(ahead(lambda i: i * i, range(10), 3)) == [i * i for i in range(10)]
    with pytest.raises(ZeroDivisionError):
        list(ahead(lambda i: 1 // i, [1, 0], 2))


@pytest.mark.parametrize(("classes", "ridge"), [(3, 0.05), (5, 0.01), (2, 0.2)])
def test_fixed_point_of_softmax_regression_is_the_one_of_gradient_flow(classes, ridge):
    x = np.zeros((classes, classes))  # coordinates along the means; without noise nothing else moves
    for _ in range(int(40 / ridge)):
        p = np.exp(x) / np.exp(x).sum(axis=0)
        x += 0.5 * ((np.eye(classes) - p) / classes - ridge * x)
    p = np.exp(x) / np.exp(x).sum(axis=0)
    right, wrong = theory.probabilities(classes, ridge)
    assert p[0, 0] == pytest.approx(right, abs=1e-8)
    assert p[0, 1] == pytest.approx(wrong, abs=1e-8)
    assert x[0, 0] / np.linalg.norm(x[0]) == pytest.approx(theory.top_share(classes), abs=1e-8)
    for matrix, weights in (("hessian", p[0] * (1 - p[0])), ("gradients", (np.eye(classes)[0] - p[0]) ** 2)):
        np.testing.assert_allclose(theory.late_eigenvalues(classes, ridge, matrix), (weights / classes)[:2], atol=1e-8)


@pytest.mark.parametrize("matrix", ["hessian", "gradients"])
def test_first_order_share_matches_quadrature(matrix):
    classes, ridge, snr = 3, 0.05, 1e4
    nodes, mass = np.polynomial.hermite_e.hermegauss(9)
    z = np.array(list(itertools.product(nodes, repeat=3))) / np.sqrt(snr)
    mass = np.prod(list(itertools.product(mass / mass.sum(), repeat=3)), axis=1)
    right, _ = theory.probabilities(classes, ridge)
    rows = (np.eye(3) * 1.5 - 0.5) * (1 - right) / (classes * ridge)
    block = np.zeros((3, 3))
    for a in range(3):
        x = np.eye(3)[a] + z
        p = np.exp(x @ rows.T) / np.exp(x @ rows.T).sum(axis=1, keepdims=True)
        weights = p[:, 0] * (1 - p[:, 0]) if matrix == "hessian" else ((a == 0) - p[:, 0]) ** 2
        block += (x.T * (mass * weights)) @ x / classes
    share = abs(np.linalg.eigh(block)[1][:, -1] @ rows[0]) / np.linalg.norm(rows[0])
    shift = theory.noisy_top_share(classes, ridge, snr, matrix) - theory.top_share(classes)
    assert share - theory.top_share(classes) == pytest.approx(shift, rel=0.02)  # second order: 3 / lambda of the first


def test_fixed_point_of_the_network_does_not_move():
    ridge = 0.05
    norm = np.sqrt(np.log((1 - 4 * ridge) / (4 * ridge)))
    mixture = Mixture("xor", 4, 6)
    params = Params(norm * mixture.means, norm * np.array([1.0, 1, -1, -1]))
    losses = jax.jit(jax.vmap(loss(HEADS["xor"]), (None, 0, 0)))
    slope = jax.jit(jax.grad(lambda p: jnp.mean(losses(p, mixture.means, mixture.targets))))(params)
    for leaf, g in zip(params, slope, strict=True):
        np.testing.assert_allclose(g + ridge * leaf, 0, atol=ROUNDING)
    blocks = jax.jit(eigenspaces.last_blocks(HEADS["xor"]))(params, mixture.means, mixture.targets)
    for matrix, block in blocks._asdict().items():
        np.testing.assert_allclose(np.linalg.eigvalsh(block), theory.late_last_layer(ridge, matrix), atol=ROUNDING)
    fitted = float(losses(params, mixture.means, mixture.targets).mean())
    three = float(losses(params._replace(last=params.last * [1, 1, 1, 0]), mixture.means, mixture.targets).mean())
    assert theory.optimal_below(ridge) == pytest.approx((fitted + three) / 2)


@pytest.mark.parametrize("neurons", [3, 4, 5, 6])
def test_optimal_probability_counts_the_starts_that_cover_all_types(neurons):
    starts = list(itertools.product(range(4), repeat=neurons))
    assert theory.optimal_probability(neurons) == pytest.approx(sum(len(set(start)) == 4 for start in starts) / len(starts))


def test_k_four_has_probability_three_in_thirty_two():
    assert theory.optimal_probability(4) == pytest.approx(3 / 32, abs=ROUNDING)


@pytest.fixture
def lab(tmp_path):
    return Lab(Store(tmp_path), scale="smoke")


SHORT = {"name": "short", "dimension": 16, "horizon": 12.5, "snapshots": 2, "trajectories": 3}


def test_a_run_keeps_snapshots_and_draws_its_training_examples_again(lab):
    run = open_run(replace(XOR_SMOKE, **SHORT), lab)
    assert run.trajectory["rows"].shape == (3, 3, 8, 16)
    assert run.trajectory["last"].shape == (3, 3, 8)
    np.testing.assert_allclose(run.times, [0, 6.25, 12.5])
    x, _ = map(np.asarray, run._seen(slice(0, 3)))
    stream = run.stream("examples", slice(0, 3))
    np.testing.assert_array_equal(x, np.concatenate([stream.chunk(i)[0] for i in range(4, 8)]))
    with pytest.raises(InvalidInput, match="0 examples seen so far"):
        run.after(0).first_layer("hessian", "training")


def test_a_run_steps_through_exactly_its_examples(lab):
    run = open_run(replace(GMM_SMOKE, **SHORT, precision="float64"), lab)
    stream = run.stream("examples", slice(0, 3))
    x, y = (np.concatenate(part) for part in zip(*(stream.chunk(i) for i in range(8)), strict=True))
    start = Params(run.trajectory["rows"][0, 1], run.trajectory["last"][0, 1])
    found = jax.jit(one_pass(HEADS["gaussians"]))(start, x[:, 1], y[:, 1], 1 / 16, 0.05)
    np.testing.assert_allclose(run.params.rows[1], found.rows, atol=ROUNDING)


def test_views_leave_the_run_as_it_was(lab):
    run = open_run(replace(GMM_SMOKE, **SHORT), lab)
    before = run.alignments("hessian")
    assert run.after(0).alignments("hessian").mean() < before.mean()
    assert not np.allclose(run.with_random_directions().alignments("hessian"), before)
    np.testing.assert_array_equal(run.alignments("hessian"), before)


def test_a_neuron_is_dead_below_a_tenth_of_the_largest(lab):
    run = open_run(replace(XOR_SMOKE, **SHORT), lab)
    last = np.array([[1.0, -0.5, 0.09, -0.11, 0, 2, 3, 4]])
    run._held[("one-pass",)] = {"rows": np.ones((3, 1, 8, 16)), "last": np.broadcast_to(last, (3, 1, 8))}
    np.testing.assert_array_equal(run.live, [[True, True, False, False, False, True, True, True]])


@pytest.mark.parametrize(("field", "value"), [("cosine", 1.0), ("weights", (0.5, 0.5)), ("weights", (0.5, 0.4, 0.2))])
def test_a_tilted_experiment_names_the_field_that_is_wrong(field, value):
    with pytest.raises(InvalidInput, match=rf"experiment gmm-tilted: {field} = "):
        replace(TILTED_SMOKE, **{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("task", "moons"),
        ("snr", 0.0),
        ("ridge", -1.0),
        ("step", float("inf")),
        ("width", 1),
        ("dimension", 5),
        ("snapshots", 0),
        ("seed", -1),
    ],
)
def test_an_experiment_names_the_field_that_is_wrong(field, value):
    with pytest.raises(InvalidInput, match=rf"experiment gmm: {field} = "):
        replace(GMM_SMOKE, **{field: value})


@pytest.mark.parametrize("outcome", ["optimal", "suboptimal"])
def test_a_share_of_trajectories_of_which_there_are_none_is_a_failure_and_no_skip(monkeypatch, outcome):
    monkeypatch.setattr(test_xor, "rank", lambda run, matrix: np.full(8, 4))
    monkeypatch.setattr(test_xor, "optimal", lambda run: np.full(8, outcome != "optimal"))
    with pytest.raises(EmptyOutcome, match=f"none of 8 trajectories ended {outcome}"):
        test_xor.test_rank_deficient(World(None), "hessian", outcome)


def test_blocks_of_three_layers_are_those_of_nested_differentiation(random):
    """Curvatures of the middle layer's rows and of the last layer, each formed on its own from the network as it is written."""
    s, y, neurons = random.normal(size=(20, 5)), random.integers(2, size=20), 5
    last = random.normal(size=neurons * (neurons + 1))
    params = Params(np.eye(5), last)
    middle, final = three_layers.split(last, neurons)
    assert middle.shape == (neurons, neurons)

    def network(middle, final, s, y):
        output = final @ jax.nn.relu(middle @ jax.nn.relu(s))
        return jnp.log1p(jnp.exp(output)) - y * output

    each = jax.vmap(jax.hessian(network, argnums=(0, 1)), (None, None, 0, 0))(middle, final, s, y)
    block = np.asarray(eigenspaces.last_blocks(three_layers.three_layer_relu)(params, s, y).hessian)
    rows, top = three_layers._tops(block, neurons)
    for r in range(neurons):
        want = np.asarray(each[0][0][:, r, :, r].mean(axis=0))
        np.testing.assert_allclose(want @ rows[r], rows[r] * np.sort(np.linalg.eigvalsh(want))[::-1][:4], atol=ROUNDING)
    want = np.asarray(each[1][1].mean(axis=0))
    np.testing.assert_allclose(want @ top[0], top[0] * np.sort(np.linalg.eigvalsh(want))[::-1][:4], atol=ROUNDING)


def test_three_layers_are_trained_once_and_dead_neurons_do_not_count(tmp_path):
    lab = Lab(Store(tmp_path))
    run = open_run(replace(XOR_SMOKE, trajectories=2, horizon=1.0, snapshots=1, examples=1.0), lab)
    start, end = three_layers.moments(run)
    assert [rows.shape for rows in end.rows] == [(2, 8, 50), (2, 8, 8), (2, 1, 8)]
    assert [vectors.shape for vectors in end.spaces["gradients"]] == [(2, 8, 50, 2), (2, 8, 8, 4), (2, 1, 8, 4)]
    assert not np.array_equal(start.rows.first, end.rows.first)
    np.testing.assert_array_equal(end.live.middle, np.abs(end.rows.last[:, 0]) >= 0.1 * np.abs(end.rows.last).max(axis=-1))


@pytest.mark.parametrize("base", [GMM_SMOKE, XOR_SMOKE], ids=["gaussians", "xor"])
def test_a_trajectory_as_a_network_ends_where_the_papers_run_does(base, compare):
    """Trajectory 1 of 3: 10 d steps of one fresh example each."""
    experiment = replace(base, dimension=10, horizon=10.0, snapshots=2, trajectories=3, seed=2, precision="float64")
    run, made = open_run(experiment, Lab()), network(experiment, trajectory=1)
    params = run.params
    theta = np.concatenate([params.last[1], params.rows[1].ravel()])  # a tree's leaves come by name
    found = made.run(experiment.seed)
    assert (made.steps, made.batch, made.classes) == (100, 1, experiment.width if base is GMM_SMOKE else 2)
    compare.entries(
        "third paper as a Network", "the paper's own one-pass SGD", found.trained.theta_T, theta, 1e-12, "float64, 100 steps"
    )
    if base is XOR_SMOKE:  # the paper looks at the loss of two layers alone
        assert found.trained.test_loss == pytest.approx(float(run.test_loss[1]), abs=1e-12)


def test_a_trajectory_that_is_not_there_is_named():
    with pytest.raises(InvalidInput, match="trajectory = 40: gmm has 40, numbered from 0"):
        network(GMM_SMOKE, 40)


def recorded(trajectory, moved):
    """Stages of 64 trajectories whose parameters are off by ``moved`` each."""
    again = {"snapshots": np.array([1]), "rounding": np.array([moved])}
    found = stages.records("float32", (np.zeros(1), np.zeros(1)), trajectory, np.array([0, 4]), again)
    return ExperimentRecord("many", 0, "", {}, found)


@pytest.fixture
def many(random):
    """Parameters of 64 trajectories at the start and at the end, and the size of their rounding errors."""
    shapes = Params((2, 64, 4, 8), (2, 64, 4))
    trajectory = {name: random.normal(size=shape) for name, shape in shapes._asdict().items()}
    return trajectory, np.full(64, 1e-6) * random.uniform(0.5, 2, size=64)


def off(trajectory, which, by, random):
    """The same with the final parameters of some trajectories off by so much."""
    after = {name: leaf.copy() for name, leaf in trajectory.items()}
    for leaf in after.values():
        leaf[1, which] += by * random.normal(size=leaf[1, which].shape)
    return after


def test_a_trajectory_on_the_other_side_of_a_kink_is_no_fault(many, random):
    trajectory, moved = many
    kinked = np.where(np.arange(64) == 7, 1e-3, moved)
    found = change(recorded(trajectory, moved), recorded(off(trajectory, [7], 1e-3, random), kinked), "float32")
    assert (found.moved, found.wider) == (None, "")
    assert found.bits.note == "1 of 64 trajectories took another side of a kink in float64"


@pytest.mark.parametrize("which", [[7], slice(None)], ids=["one", "all"])
def test_trajectories_that_move_without_a_kink_are_a_fault(many, random, which):
    trajectory, moved = many
    found = change(recorded(trajectory, moved), recorded(off(trajectory, which, 1e-3, random), moved), "float32")
    assert found.moved.stage == "parameters after step 100"


def test_one_kink_does_not_hide_a_fault_in_all(many, random):
    trajectory, moved = many
    kinked = np.where(np.arange(64) == 7, 1e-3, moved)
    both = off(off(trajectory, [7], 1e-3, random), slice(None), 5e-5, random)
    found = change(recorded(trajectory, moved), recorded(both, kinked), "float32")
    assert found.moved.stage == "parameters after step 100"


def test_sketches_of_another_version_are_not_compared(many):
    found = recorded(*many)
    old = [
        {name: 0.0 if name == "digest" else value for name, value in one.items() if name != "groups"} for one in found.stages[1:]
    ]
    there = change(replace(found, stages=old), replace(found, stages=found.stages[1:]), "float32")
    assert there.moved is None
    assert there.bits.stage == "initial parameters (recorded by another version)"


def test_the_rounding_of_every_trajectory_is_measured(lab):
    run = open_run(replace(XOR_SMOKE, **{**SHORT, "trajectories": 5}), lab)
    run.prepare()
    *_, last = run.stage_records()
    assert len(last["values"]) == len(last["rounding"]) == 20  # five groups of one, in four numbers each
    assert len(set(last["rounding"])) == 5
    assert 1e-9 < max(last["rounding"]) < 1e-4
