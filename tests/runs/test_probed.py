"""Measurements along fixed directions, in both precisions: faults of a measurement's code are found at its stage."""

import dataclasses
import itertools
from pathlib import Path

import numpy as np
import pytest

from claims.training_jacobian import recipe
from claims.training_jacobian.experiments import Experiment, Model
from harness.compare.localise import change, wider
from harness.measure import influence, response, restricted
from harness.runs import probed
from harness.runs.lab import Lab, open_run
from harness.runs.stages import UNIT
from harness.runs.store import Store
from harness.suite.records import ExperimentRecord

SMALL = Experiment("digits", "smoke", model=Model(hidden=(2,)), epochs=2)  # 152 parameters
STAGES = ("responses along fixed directions", "influence along fixed directions", "restricted training in a fixed basis")
KINDS = ("response", "influence", "restricted")


def recorded(
    folder: Path, monkeypatch: pytest.MonkeyPatch, reached: tuple[str, ...] = KINDS, precision: str = "float32"
) -> ExperimentRecord:
    run = open_run(dataclasses.replace(SMALL, precision=precision), Lab(Store(folder), scale="smoke"))
    _ = run.spectrum
    with monkeypatch.context() as patch:  # the measurements themselves take longer than what stands for them here
        patch.setattr(type(run), "reached", lambda run, kind: kind in ("training", "spectrum", *reached))
        # with the digests of what was computed, as a report has them: records of one name count as one
        kept = [*run.stages, *({"name": kind, "digest": "of the measurement"} for kind in reached)]
        return ExperimentRecord("digits", 0, SMALL.fingerprint(), {}, [*run.stage_records(), *kept])


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> ExperimentRecord:
    with pytest.MonkeyPatch.context() as patch:
        return recorded(tmp_path_factory.mktemp("reference"), patch)


def test_a_measurement_has_a_record_once_a_run_has_reached_it(reference, tmp_path, monkeypatch):
    found = recorded(tmp_path, monkeypatch, ("influence",))
    assert [stage["name"] for stage in found.stages if stage["name"] in STAGES] == [STAGES[1]]
    assert [stage["name"] for stage in reference.stages if stage["name"] in STAGES] == list(STAGES)


def test_the_rounding_errors_are_small_and_not_zero(reference):
    for stage in (stage for stage in reference.stages if stage["name"] in STAGES):
        values, rounding = (np.array(stage[name]) for name in ("values", "rounding"))
        assert values.shape == rounding.shape
        unit = UNIT["float64" if stage["name"] == STAGES[1] else "float32"]  # predictions are measured in float64
        assert 0.1 < np.median(rounding / np.abs(values)) / unit < 1e5, stage["name"]


@pytest.mark.parametrize("precision", ["float32", "float64"])
def test_sums_in_another_order_are_within_rounding(tmp_path, monkeypatch, precision):
    """And the rounding errors that are measured on both sides are of one size."""
    build, found = recipe.training, []
    for seed in range(4):

        def reordered(experiment, data, seed=seed):
            training = build(experiment, data)
            order = np.random.default_rng(seed).permutation(training.batches[1].shape[1])
            return dataclasses.replace(training, batches=tuple(part[:, order] for part in training.batches))

        monkeypatch.setattr(recipe, "training", reordered)
        found.append(recorded(tmp_path / str(seed), monkeypatch, precision=precision))
    for before, after in itertools.combinations(found, 2):
        changed = change(before, after, precision)
        assert changed.moved is None, changed.moved
        assert changed.bits is not None
        assert wider(before, after) == wider(after, before) == ""


@pytest.mark.parametrize("stage", STAGES)
def test_a_fault_of_a_measurement_is_found_at_its_stage(reference, tmp_path, monkeypatch, stage):
    train, each, spread = response.train_from, influence.along_each, restricted.spreading

    def along_each(effect, *arguments):
        def off(*values):
            return tuple(1.01 * value for value in effect(*values))

        return each(off, *arguments)

    def spreading(allowed):
        inner = spread(allowed)
        return lambda c, *split: inner(1.001 * c, *split)

    faults = {
        STAGES[0]: (response, "train_from", lambda *arguments: 1.01 * train(*arguments)),
        STAGES[1]: (influence, "along_each", along_each),
        STAGES[2]: (restricted, "spreading", spreading),
    }
    monkeypatch.setattr(*faults[stage])
    moved = change(reference, recorded(tmp_path, monkeypatch), "float32").moved
    assert moved is not None
    assert moved.stage == stage


def test_directions_are_the_same_everywhere_and_unit_vectors():
    along = probed.directions(152)
    np.testing.assert_allclose(np.linalg.norm(along, axis=0), 1, rtol=1e-15)


@pytest.mark.parametrize("size", [40, 152, 4810])
def test_the_fixed_basis_is_orthogonal_and_its_first_columns_are_spread_over_all_parameters(size):
    basis = probed.fixed_basis(size)
    if size < 1000:
        np.testing.assert_allclose(basis @ basis.T, np.eye(size), atol=1e-14)
    few = size // 5
    places = np.sort(np.abs(basis[:, :few]).argmax(axis=0))
    assert len(set(places)) == few
    assert np.diff([-1, *places, size]).max() < 15


def test_rounding_errors_follow_the_precision():
    def taken(precision):
        return np.array([[1.0, 2.0]]) + (1e-4 if precision == "float32" else 0)

    low, high = (probed.compared(taken, precision) for precision in ("float32", "float64"))
    np.testing.assert_allclose(low["rounding"], 1e-4, rtol=1e-6)
    np.testing.assert_allclose(high["rounding"], low["rounding"] * 2.0**-29, rtol=1e-6)
