"""Data sets and experiments: training data are those of the paper, and errors name bad input."""

import dataclasses

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from claims.training_jacobian.data import Dataset, batches, load
from claims.training_jacobian.experiments import Data, Experiment, Model, Optimiser
from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput, NotFinite
from harness.runs.experiment import find, register


def test_digits_are_the_papers_split():
    data = load(Data())
    assert data.x_train.shape == (1600, 64)
    assert data.x_test.shape == (197, 64)
    assert (data.x_train.min(), data.x_train.max()) == (0.0, 1.0)
    assert data.dead_inputs.tolist() == [0, 32, 39]
    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images / 16, labels, test_size=197, random_state=0)
    for got, expected in zip((data.x_train, data.x_test, data.y_train, data.y_test), split, strict=True):
        np.testing.assert_array_equal(got, expected)


def test_shuffled_labels_are_one_permutation_of_the_true_ones():
    true, shuffled = load(Data()), load(Data(labels="shuffled"))
    np.testing.assert_array_equal(true.x_train, shuffled.x_train)
    np.testing.assert_array_equal(np.bincount(true.y_train), np.bincount(shuffled.y_train))
    assert 0.05 < np.mean(true.y_train == shuffled.y_train) < 0.15  # chance agreement of ten classes is 0.1, spread 0.0075
    np.testing.assert_array_equal(shuffled.y_train, load(Data(labels="shuffled")).y_train)
    np.testing.assert_array_equal(true.y_test, shuffled.y_test)


@pytest.mark.parametrize("config", [Data(labels="shuffled"), Data(inputs="white-noise")])
def test_each_seed_draws_its_own(config):
    first, second = load(config, 0), load(config, 1)
    part = "y_train" if config.labels == "shuffled" else "x_train"
    assert np.mean(getattr(first, part) != getattr(second, part)) > 0.85  # labels of ten classes agree by chance on one in ten
    np.testing.assert_array_equal(load(Data(), 0).x_train, load(Data(), 1).x_train)


def test_white_noise_is_uniform_with_the_real_labels():
    noise = load(Data(inputs="white-noise"))
    np.testing.assert_array_equal(noise.y_train, load(Data()).y_train)
    assert abs(noise.x_train.mean() - 0.5) < 5 * 12**-0.5 / 320  # five standard errors of 102400 uniform pixels
    assert noise.dead_inputs.size == 0


def test_batches_keep_the_order():
    data = load(Data())
    x, y = batches(data, 64)
    assert x.shape == (25, 64, 64)
    np.testing.assert_array_equal(x.reshape(1600, 64), data.x_train)
    np.testing.assert_array_equal(y.ravel(), data.y_train)
    assert batches(data, 300, "drop")[0].shape == (5, 300, 64)


def test_a_batch_that_does_not_divide_is_refused():
    with pytest.raises(InvalidInput, match=r"batch 48 does not divide 1600"):
        batches(load(Data()), 48)


def test_nan_in_the_data_is_named():
    data = load(Data())
    broken = data.x_train.copy()
    broken[7, 3] = np.nan
    with pytest.raises(NotFinite, match="pixel 3 of image 7 is nan"):
        dataclasses.replace(data, x_train=broken)


def test_wrong_shapes_and_labels_are_named():
    x, y = np.zeros((4, 2)), np.zeros(3, int)
    with pytest.raises(InvalidInput, match=r"\(4, 2\) images and \(3,\) labels"):
        Dataset(x, y, x, np.zeros(4, int), classes=2)
    with pytest.raises(InvalidInput, match="labels from 0 to 5"):
        Dataset(x, np.array([0, 1, 5, 0]), x, np.zeros(4, int), classes=2)


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: Experiment("e", "paper", batch=48), "batch = 48"),
        (lambda: Experiment("e", "paper", epochs=-1), "epochs = -1"),
        (lambda: Experiment("e", "paper", precision="float16"), "precision = 'float16'"),
        (lambda: Experiment("e", "paper", loss="hinge"), "loss = 'hinge'"),
        (lambda: Model(hidden=(0,)), r"hidden = \(0,\)"),
        (lambda: Optimiser(name="lion"), "name = 'lion'"),
        (lambda: Optimiser(name="adam", eps_root=0.0), "eps_root = 0.0"),
        (lambda: Data(test_size=0), "test_size = 0"),
    ],
)
def test_an_experiment_that_makes_no_sense_is_refused_when_built(make, field):
    with pytest.raises(InvalidInput, match=f"{field} is not allowed; allowed: .+"):
        make()


def test_fingerprints_tell_every_field_apart():
    base = Experiment("e", "paper")
    others = [
        dataclasses.replace(base, seed=1),
        dataclasses.replace(base, precision="float64"),
        dataclasses.replace(base, optimiser=Optimiser(momentum=0.8)),
        dataclasses.replace(base, data=Data(labels="shuffled")),
    ]
    assert len({e.fingerprint() for e in [base, *others]}) == 5
    assert base.fingerprint() == Experiment("e", "paper").fingerprint()


def test_unknown_experiments_and_scales_are_named():
    register("known-to-this-test", {"smoke": Experiment("known-to-this-test", "smoke")})
    with pytest.raises(InvalidInput, match="unknown experiment 'known-to-this-tset'; did you mean known-to-this-test"):
        find("known-to-this-tset", "smoke")
    with pytest.raises(InvalidInput, match="has no scale 'large'; it has: smoke"):
        find("known-to-this-test", "large")
    with pytest.raises(InvalidInput, match="already registered"):
        register("known-to-this-test", {"smoke": Experiment("other", "smoke")})


def test_streams_are_named_and_independent_of_each_other():
    assert numpy_stream(0, "a").integers(1 << 40) == numpy_stream(0, "a").integers(1 << 40)
    draws = {numpy_stream(seed, name).integers(1 << 40) for seed in (0, 1) for name in ("a", "b")}
    assert len(draws) == 4
    with pytest.raises(InvalidInput, match="seed -1"):
        numpy_stream(-1, "a")
