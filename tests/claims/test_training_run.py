"""A run of the first paper on planted spectra: its comparisons, and the separation of its artefacts from other runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.linalg import subspace_angles, svd, svdvals
from scipy.sparse import csr_matrix

from claims.networks import TRUNCATED_STD
from claims.training_jacobian import recipe
from claims.training_jacobian.as_network import network
from claims.training_jacobian.data import load
from claims.training_jacobian.experiments import SMOKE, Experiment, Model
from claims.training_jacobian.run import Run
from harness.engine.jacobian import dense_jacobian
from harness.engine.precision import exact_dtypes
from harness.engine.spectrum import Spectrum
from harness.engine.streams import numpy_stream
from harness.engine.trees import cast, flatten, unflatten
from harness.measure.overlap import SHARES
from harness.runs.lab import Lab
from harness.runs.store import Store

SIZE = 40
EXPERIMENT = Experiment("planted", "smoke", model=Model(hidden=(2,)), epochs=1)
# outliers on either side of one: the nearest are neither the first nor the last
SIGMA = np.concatenate([np.geomspace(20, 1.2, 12), np.linspace(1.1, 0.9, 16), np.geomspace(0.8, 1e-3, 12)])


STRUCTURAL = np.isin(np.arange(SIZE), (13, 17, 21, 25))


def orthogonal(size: int, seed: int) -> np.ndarray:
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size)))[0]


def planted(tmp_path: Path, seed: int) -> Run:
    """A run whose spectrum is planted: nothing is trained. All share the structural directions, as runs on one data set do."""
    run = Run(replace(EXPERIMENT, seed=seed), Lab(Store(tmp_path)))
    basis = orthogonal(SIZE, 99)
    basis[:, ~STRUCTURAL] = basis[:, ~STRUCTURAL] @ orthogonal(SIZE - 4, seed)
    run.__dict__["spectrum"] = Spectrum(SIGMA, basis, orthogonal(SIZE, seed + 50), STRUCTURAL, 0.0, 0.0, 0.0)
    run.__dict__["structural"] = csr_matrix(basis[:, STRUCTURAL]), csr_matrix(basis[:, ~STRUCTURAL])
    return run


def nearest_one(run: Run, *, structural: bool) -> np.ndarray:
    """Right singular vectors by |sigma - 1|, sorted plainly."""
    spectrum = run.spectrum
    order = sorted(range(SIZE), key=lambda i: abs(float(spectrum.sigma[i]) - 1))
    return spectrum.initial[:, [i for i in order if structural or not spectrum.structural[i]]]


@pytest.mark.parametrize("structural", [True, False])
def test_overlap_is_scipys_between_the_vectors_nearest_one(tmp_path: Path, structural: bool, compare: Any) -> None:
    first, second = planted(tmp_path, 0), planted(tmp_path, 1)
    found = first.overlap(second, structural=structural)
    bases = [nearest_one(run, structural=structural) for run in (first, second)]
    size = bases[0].shape[1]
    assert found.size == size
    np.testing.assert_array_equal(found.dimensions, np.round(size * np.array(SHARES)).astype(int))
    for k, got in zip(found.dimensions, found.cosine, strict=True):
        expected = np.cos(subspace_angles(bases[0][:, :k], bases[1][:, :k])).mean()
        reason = "a cosine near 0 is the root of an eigenvalue, good to sqrt(eps) = 1.5e-8"
        compare.error("bulk overlap of two runs", "scipy.linalg.subspace_angles", abs(got - expected), 1e-7, reason)


def test_function_jacobians_are_what_the_singular_vectors_of_f_say(tmp_path: Path, compare: Any) -> None:
    """On digits the structural directions move no prediction; on noise the weights of dead pixels do."""
    run = Run(EXPERIMENT, Lab(Store(tmp_path)))
    carried, rest = (basis.toarray() for basis in run.structural)
    size, free = len(rest), rest.shape[1]
    sigma = np.concatenate([np.random.default_rng(0).uniform(0.5, 1.5, free), np.ones(size - free)])
    basis = np.hstack([rest @ orthogonal(free, 1), carried])
    run.__dict__["spectrum"] = Spectrum(sigma, basis, basis, np.arange(size) >= free, 0.0, 0.0, 0.0)
    found, data = run.function_jacobians, run.dataset
    digits = np.concatenate([data.x_test, data.x_train])[:600]
    noise = numpy_stream(0, "function-jacobian-noise").uniform(size=digits.shape)
    order = sorted(range(free), key=lambda i: abs(sigma[i] - 1))
    for name, images in {"digits": digits, "noise": noise}.items():
        function = log_probability_rows(run, images)
        np.testing.assert_allclose(found.strength[name], np.linalg.norm(function @ basis, axis=0), atol=1e-5)
        np.testing.assert_allclose(found.sigma[name], svdvals(function)[::-1], atol=1e-5)
        weakest = rest @ svd(function @ rest)[2][::-1].T
        for k, got in zip(found.null_dimensions, found.null_cosine[name], strict=True):
            expected = np.cos(subspace_angles(weakest[:, :k], basis[:, order[:k]])).mean()
            reason = "the weakest directions of F^T F keep half of the digits"
            compare.error(f"null space beside the bulk, {name}", "scipy.linalg.svd of F", abs(got - expected), 1e-5, reason)


def log_probability_rows(run: Run, images: Any) -> Any:
    import jax

    with exact_dtypes():
        flat = flatten(run.theta_0)
        rows = jax.jacrev(lambda t: jax.nn.log_softmax(run.apply(unflatten(t, run.theta_0), images)).ravel())
        return np.asarray(rows(flat))


def test_runs_do_not_share_what_they_store(tmp_path: Path) -> None:
    """One store, two seeds, one name: each gets its own arrays, also when it asks again."""
    runs = [planted(tmp_path, seed) for seed in (0, 1, 0, 1)]
    found = [float(run.arrays("thing", lambda run=run: {"seed": np.array(run.experiment.seed)})["seed"]) for run in runs]
    assert found == [0, 1, 0, 1]


def test_what_other_code_of_the_run_stored_is_computed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    planted(tmp_path, 0).arrays("thing", lambda: {"version": np.array(1)})
    monkeypatch.setattr("harness.runs.run.source_hash", lambda module: f"another {module}")
    assert planted(tmp_path, 0).arrays("thing", lambda: {"version": np.array(2)})["version"] == 2


def test_overlaps_with_different_runs_are_kept_apart(tmp_path: Path) -> None:
    first, *others = (planted(tmp_path, seed) for seed in range(3))
    curves = [first.overlap(other).cosine for other in others]
    assert not np.array_equal(*curves)
    again = planted(tmp_path, 0).overlap(planted(tmp_path, 2)).cosine
    np.testing.assert_array_equal(again, curves[1])


def test_training_and_its_map_end_at_the_same_parameters(tmp_path: Path) -> None:
    """``trained`` follows the trajectory and J differentiates the map: two functions, which must train alike."""
    import jax

    from harness.engine.trees import cast, flatten

    run = Run(replace(EXPERIMENT, precision="float64"), Lab(Store(tmp_path)))
    mapped = flatten(jax.jit(run.training)(cast(run.theta_0, "float64")))
    # 25 steps of a few roundings each, which training hardly amplifies at so small a horizon
    np.testing.assert_allclose(run.trained.theta_T, mapped, rtol=0, atol=1e-13)
    assert run.trained.losses.shape == (25,)


def test_the_experiment_as_a_network_has_the_same_bits() -> None:
    """theta_T and J, of cross-entropy in float32 and of another seed in float64."""
    small = replace(SMOKE, epochs=1)
    for experiment in (small, replace(small, precision="float64", loss="squared-error", seed=1)):
        made = network(experiment).run(experiment.seed)
        with exact_dtypes():
            start = cast(recipe.initial_parameters(experiment, load(experiment.data)), experiment.precision)
            training = recipe.training(experiment, load(experiment.data))
            assert np.array_equal(flatten(training(start)), made.trained.theta_T)
            assert np.array_equal(dense_jacobian(training, start), made.jacobian)


def test_initial_parameters_have_the_notebooks_law() -> None:
    """Kernels of variance 1 / fan-in, cut at two of the normal's deviations; biases N(0, 1 / width), those of the outputs too."""
    data, model = load(EXPERIMENT.data), Model(hidden=(32,))
    drawn = [recipe.init(model, data, seed) for seed in range(200)]
    for layer, (fan_in, width) in enumerate(((64, 32), (32, 32))):
        kernels, biases = (np.stack([theta[layer][kind] for theta in drawn]).ravel() for kind in (0, 1))
        for values, variance in ((kernels, 1 / fan_in), (biases, 1 / width)):
            # five standard errors of a mean, and of a normal's variance, which is larger than that of a cut normal's
            assert abs(values.mean()) < 5 * np.sqrt(variance / values.size)
            assert abs(values.var() / variance - 1) < 5 * np.sqrt(2 / values.size)
        cut = 2 / TRUNCATED_STD / np.sqrt(fan_in)
        assert 0.99 * cut < np.abs(kernels).max() <= cut
        assert np.abs(biases).max() > 2.5 / np.sqrt(width), "no bias is cut"
