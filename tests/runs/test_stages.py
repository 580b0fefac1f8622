"""Stage records and the localiser, on a small run with planted disturbances: each disturbance is found at its stage."""

import dataclasses
import io
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from types import SimpleNamespace

import jax
import numpy as np
import optax
import pytest
from scipy import linalg

from claims import networks
from claims.training_jacobian import recipe
from claims.training_jacobian import run as training_run
from claims.training_jacobian import stages as described
from claims.training_jacobian.experiments import Experiment, Model
from harness.compare.differences import FACTOR
from harness.compare.localise import change
from harness.engine import spectrum
from harness.engine.precision import exact_dtypes
from harness.engine.training import Training
from harness.engine.trees import cast
from harness.plugin.preparation import PreparedRuns
from harness.plugin.terminal import PrintedProgress
from harness.runs import sketch, stages
from harness.runs.lab import Lab, open_run
from harness.runs.run import Run
from harness.runs.store import Store
from harness.suite.records import ExperimentRecord

# 50 steps of a network with 152 parameters: everything up to J's spectrum in a second once it is compiled
SMALL = Experiment("digits", "smoke", model=Model(hidden=(2,)), epochs=2)


@pytest.fixture
def record(tmp_path: Path) -> Callable[..., ExperimentRecord]:
    """The record of a run of SMALL with changes, in a store of its own."""

    def made(*, spectrum: bool = True, **changes: object) -> ExperimentRecord:
        experiment = dataclasses.replace(SMALL, **changes)  # type: ignore[arg-type]
        store = Store(tmp_path / str(len(list(tmp_path.iterdir()))))
        run = open_run(experiment, Lab(store, scale="smoke"))
        _ = run.spectrum if spectrum else run.trained
        return ExperimentRecord("digits", 0, experiment.fingerprint(), {}, [*run.stage_records(), *run.stages])

    return made


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> ExperimentRecord:
    run = open_run(SMALL, Lab(Store(tmp_path_factory.mktemp("reference")), scale="smoke"))
    _ = run.spectrum
    return ExperimentRecord("digits", 0, SMALL.fingerprint(), {}, [*run.stage_records(), *run.stages])


def test_the_same_run_again_is_the_same_bits(reference, record):
    found = change(reference, record(), "float32")
    assert (found.moved, found.bits, found.uncompared) == (None, None, ())


def test_a_run_taken_from_the_store_tells_as_much_as_one_computed(tmp_path):
    told = []
    for _ in range(2):
        run = open_run(SMALL, Lab(Store(tmp_path), scale="smoke"))
        run.prepare()
        told.append(run.stage_records())
        assert "spectrum" not in run.__dict__  # it is given back
    assert told[0] == told[1]
    assert len(told[0]) > 5


def test_news_of_a_run_are_told_once(tmp_path):
    for _ in range(2):  # computed, then taken from the store
        run = open_run(SMALL, Lab(Store(tmp_path), scale="smoke"))
        lab = SimpleNamespace(runs=lambda _, run=run: [run], opened=lambda run=run: [run])
        with closing(PrintedProgress(io.StringIO())) as progress:
            runs = PreparedRuns(lambda lab=lab: lab, progress)
            runs.of("digits")
        (told,) = runs.changed_records()
        assert {"loss", "singular values"} <= {stage["name"] for stage in told.stages}
        assert runs.changed_records() == []


def test_another_prng_is_found_in_the_initial_parameters(reference, record, monkeypatch):
    another = lambda seed, name: np.random.Generator(np.random.Philox(len(name) + 100 * seed))  # noqa: E731
    monkeypatch.setattr(networks, "numpy_stream", another)
    found = change(reference, record(spectrum=False), "float32")
    assert found.moved is not None
    assert found.moved.stage == "initial parameters"
    assert not found.same_start


def test_float64_differs_from_float32_from_the_cast_on_and_by_no_more_than_rounding(reference, record):
    ours = record(precision="float64")
    found = change(reference, ours, "float32")
    assert found.moved is None, found.moved
    assert found.bits is not None
    assert found.bits.stage == "initial parameters"
    assert 0.05 < found.bits.ulps < 1  # a cast is half an ulp at most
    assert 0.01 < found.ratio <= 1
    # held to float64's own rounding, parameters that were rounded to float32 have moved
    rounded = [
        {**stage, "values": [float(np.float32(value)) for value in stage["values"]], "digest": "other"}
        if stage["name"] == "parameters"
        else stage
        for stage in ours.stages
    ]
    theirs = dataclasses.replace(ours, stages=rounded)
    moved = change(ours, theirs, "float64").moved
    assert moved is not None
    assert moved.stage == "parameters after step 1"


def test_a_perturbed_step_is_found_at_that_step(reference, record, monkeypatch):
    """The update of step 20 is off by 1 in 1000: the parameters after it are, and the next loss is the first to tell."""
    monkeypatch.setattr(recipe, "optimiser", _perturbed(recipe.optimiser, step=20))
    found = change(reference, record(spectrum=False), "float32")
    assert found.moved is not None
    assert found.moved.stage == "loss at step 21"
    assert found.moved.ratio > 1
    assert found.same_start


def test_sums_in_another_order_are_within_rounding(reference, record, monkeypatch):
    """The examples of each batch in another order: the same mathematics, other roundings, as from another BLAS."""
    monkeypatch.setattr(recipe, "training", _reordered(recipe.training, 1))
    found = change(reference, record(), "float32")
    assert found.moved is None, found.moved
    assert found.bits is not None
    assert found.bits.stage.startswith(("loss at step", "parameters after step"))
    assert found.same_start


def test_a_jacobian_that_is_off_is_found_there(reference, record, monkeypatch):
    """One entry in a hundred of J is off by 1e-2: training is the same, J is not."""
    dense = training_run.dense_jacobian

    def off(*arguments: object, **options: object) -> np.ndarray:
        matrix = dense(*arguments, **options)
        return np.where(np.random.default_rng(0).uniform(size=matrix.shape) < 0.01, matrix + np.float32(1e-2), matrix)

    monkeypatch.setattr(training_run, "dense_jacobian", off)
    monkeypatch.setattr(training_run.Run, "structural", property(lambda run: (None, None)))
    moved = change(reference, record(), "float32").moved
    assert moved is not None
    assert moved.stage == "J rebuilt from its spectrum"


def test_another_method_of_the_spectrum_is_named_with_the_reason(reference, record, monkeypatch):
    def fails(matrix):
        raise linalg.LinAlgError("internal error")

    monkeypatch.setattr(spectrum, "_squared", fails)
    found = record()
    moved = change(reference, found, "float32").moved
    assert (moved.stage, moved.note) == ("method of the spectrum", "gesdd, since eigh of J^T J: internal error")
    assert found.notes == ["gesdd, since eigh of J^T J: internal error"]


def test_false_alarms_and_power_of_the_rounding_model(reference, tmp_path):
    """Twenty correct runs, each with its sums in another order, raise no alarm; a thousandth of a step more always does."""
    run = open_run(SMALL, Lab(Store(tmp_path), scale="smoke"))
    held = described._replayed(run)
    theta = cast(run.theta_0, "float32")
    base = [np.asarray(part, np.float64) for part in described.replay(run.training, theta)]
    worst = []
    for draw in range(20):
        again = [np.asarray(part, np.float64) for part in described.replay(_in_another_order(run.training, draw), theta)]
        sketches, losses, columns = (a - b for a, b in zip(again, base, strict=True))
        floor = 4 * stages.UNIT["float32"] * np.abs(base[1])
        ratios = [
            np.max(np.sqrt(np.mean(sketches**2, axis=1)) / held["parameters"]),
            np.max(np.abs(losses) / np.maximum(held["losses"], floor)),
            sketch.rms(columns) / np.sqrt(len(columns)) / float(held["jacobian"]),
        ]
        worst.append(max(ratios) / (2 * FACTOR))
    assert max(worst) < 1
    assert max(worst) > 0.02  # the model is not so wide that nothing could be seen
    nearby = cast(tuple(tuple(leaf * (1 + 1e-5) for leaf in layer) for layer in run.theta_0), "float32")
    shifted = described.replay(run.training, nearby)
    assert np.max(np.abs(np.asarray(shifted[1]) - base[1]) / held["losses"]) > 2 * FACTOR


@pytest.mark.parametrize("where", [0, 77, 151])
def test_a_sketch_sees_any_entry(where):
    theta = np.linspace(-1, 1, 152)
    other = theta.copy()
    other[where] += 1e-3
    assert sketch.rms(sketch.vector(other) - sketch.vector(theta)) == pytest.approx(1e-3 / np.sqrt(152), rel=1e-9)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 152, 4811])
def test_sums_are_taken_in_an_order_of_our_own(size):
    """The same bits from NumPy, from compiled JAX and from one addition of Python after another."""
    terms = np.random.default_rng(size).normal(size=(size, 2)) * 10.0 ** np.arange(size)[:, None].clip(0, 30)
    signs = sketch.whole_signs(size, 2)
    found = sketch.folded(terms * signs)
    with exact_dtypes():
        compiled = jax.jit(lambda values: sketch.folded(values * signs))(terms)
        assert compiled.dtype == np.float64
        np.testing.assert_array_equal(compiled, found)
    for column in range(2):
        left, now = 0.0, [float(value) for value in (terms * signs)[:, column]]
        while len(now) > 1:
            half = len(now) // 2
            left += now[-1] if len(now) % 2 else 0.0
            now = [now[i] + now[half + i] for i in range(half)]
        assert now[0] + left == found[column]


def test_no_library_is_asked_for_a_sum():
    """The sketch of a vector and of a matrix of rank one, with Python's own additions."""

    def total(values):
        left = 0.0
        while len(values) > 1:
            half = len(values) // 2
            left += values[-1] if len(values) % 2 else 0.0
            values = [values[i] + values[half + i] for i in range(half)]
        return values[0] + left

    theta, other = np.random.default_rng(0).normal(size=(2, 77))
    signs = sketch.whole_signs(77, sketch.WIDTH)
    expected = [total([float(x * sign) for x, sign in zip(theta, signs[:, i], strict=True)]) for i in range(sketch.WIDTH)]
    assert sketch.vector(theta).tolist() == [value / np.sqrt(77) for value in expected]
    rows, columns = (sketch.whole_signs(77, sketch.SIDE, name) for name in ("rows", "columns"))
    sums = [
        [total([float(x * sign) for x, sign in zip(factor, signs[:, i], strict=True)]) for i in range(sketch.SIDE)]
        for factor, signs in ((theta, rows), (other, columns))
    ]
    found = sketch.factored(theta[:, None], [3.0], other[:, None])
    assert found.tolist() == [row * 3.0 * column / 77 for row in sums[0] for column in sums[1]]


def test_a_sketch_knows_the_size_of_a_matrix():
    left, right = (np.linalg.qr(np.random.default_rng(seed).normal(size=(300, 300)))[0] for seed in (1, 2))
    sigma = np.linspace(0.1, 3, 300)
    sizes = sketch.rms(sketch.factored(left, sigma, right)), np.linalg.norm(sigma) / 300
    assert sizes[0] == pytest.approx(sizes[1], rel=0.3)


def test_a_run_that_describes_no_stages_has_its_experiment_alone(tmp_path):
    assert Run(SMALL, Lab(Store(tmp_path))).stage_records() == [stages.definition(SMALL)]


def _perturbed(factory: Callable[..., optax.GradientTransformation], step: int) -> Callable[..., optax.GradientTransformation]:
    """The optimiser whose update of one step is 1.001 times what it should be."""

    def make(*arguments: object) -> optax.GradientTransformation:
        inner = factory(*arguments)

        def update(gradient: object, state: tuple, params: object = None) -> tuple:
            count, held = state
            change, held = inner.update(gradient, held, params)
            return jax.tree.map(lambda leaf: leaf * (1 + 1e-3 * (count == step)).astype(leaf.dtype), change), (count + 1, held)

        return optax.GradientTransformation(lambda params: (np.int32(0), inner.init(params)), update)

    return make


def _reordered(factory: Callable[..., Training], seed: int) -> Callable[..., Training]:
    return lambda experiment, data: _in_another_order(factory(experiment, data), seed)


def _in_another_order(training: Training, seed: int) -> Training:
    """The same training with the examples of each batch in another order."""
    order = np.random.default_rng(seed).permutation(training.batches[1].shape[1])
    return dataclasses.replace(training, batches=tuple(part[:, order] for part in training.batches))
