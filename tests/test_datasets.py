"""Data sets for users' networks: sizes, splits, standardisation, MNIST from files that the tests write, bad input."""

import gzip
import subprocess
import sys

import numpy as np
import pytest

from harness import datasets
from harness.errors import InvalidInput

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (60, 28, 28), dtype=np.uint8)
LABELS = np.tile(np.arange(10, dtype=np.uint8), 6)


def idx(array):
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return gzip.compress(header + array.tobytes())


def write(folder, images=PIXELS, labels=LABELS, stem="train"):
    (folder / f"{stem}-images-idx3-ubyte.gz").write_bytes(idx(images))
    (folder / f"{stem}-labels-idx1-ubyte.gz").write_bytes(idx(labels))
    return folder


@pytest.mark.parametrize(
    ("name", "shape", "classes"),
    [("digits", (1797, 64), 10), ("wine", (178, 13), 3), ("breast_cancer", (569, 30), 2), ("diabetes", (442, 10), 0)],
)
def test_every_example_is_in_one_part(name, shape, classes):
    data = getattr(datasets, name)()
    assert (len(data.x) + len(data.x_test), data.x.shape[1]) == shape
    assert len(data.y) == len(data.x)
    assert len(data.y_test) == len(data.x_test) == np.ceil(0.2 * shape[0])
    for again, part in zip(getattr(datasets, name)(), data, strict=True):
        assert np.array_equal(again, part)
    if classes:
        shares = [np.bincount(y, minlength=classes) / len(y) for y in (data.y, data.y_test)]
        assert np.abs(shares[0] - shares[1]).max() < 1 / len(data.y_test)  # by classes: off by less than one example


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "diabetes"])
def test_the_training_part_alone_standardises(name):
    from sklearn import datasets as raw
    from sklearn.model_selection import train_test_split

    data = getattr(datasets, name)(test=40)
    x, y = getattr(raw, f"load_{name}")(return_X_y=True)
    train, test = train_test_split(x, test_size=40, random_state=0, stratify=None if name == "diabetes" else y)
    assert np.allclose(data.x.mean(axis=0), 0, atol=1e-12)
    assert np.allclose(data.x.std(axis=0), 1)
    assert np.allclose(data.x_test, (test - train.mean(axis=0)) / train.std(axis=0))


def test_targets_of_a_regression_are_standardised():
    data = datasets.diabetes()
    assert (data.y.mean(), data.y.std()) == (pytest.approx(0, abs=1e-12), pytest.approx(1))
    assert abs(data.y_test.mean()) < 0.5
    assert data.y_test.mean() != pytest.approx(0, abs=1e-6)


def test_digits_are_shares_of_full_ink():
    data = datasets.digits(test=197)
    assert (data.x.min(), data.x.max(), len(data.x)) == (0, 1, 1600)
    assert np.flatnonzero(~np.concatenate([data.x, data.x_test]).any(axis=0)).tolist() == [0, 32, 39]


def test_mnist_at_full_size_is_the_file(tmp_path):
    data = datasets.mnist(write(tmp_path), pixels=28, test=20)
    assert data.x.shape == (40, 784)
    assert data.x.dtype == np.float32
    rows = {tuple(image) for image in np.round(np.concatenate([data.x, data.x_test]) * 255).astype(int)}
    assert rows == {tuple(image) for image in PIXELS.reshape(60, -1).astype(int)}
    for image, label in zip(data.x, data.y, strict=True):
        found = np.flatnonzero((PIXELS.reshape(60, -1) == np.round(image * 255)).all(axis=1))
        assert LABELS[found].tolist() == [label]
    assert np.bincount(data.y_test).tolist() == [2] * 10


def test_mnist_at_a_divisor_is_a_mean_over_squares(tmp_path):
    whole, small = (datasets.mnist(write(tmp_path), pixels=pixels) for pixels in (28, 14))
    means = whole.x.reshape(-1, 14, 2, 14, 2).mean(axis=(2, 4)).reshape(-1, 196)
    assert np.allclose(small.x, means, atol=1e-6)


def test_mnist_at_8_shares_out_the_pixels_on_an_edge(tmp_path):
    """8 does not divide 28: as a mean over 7 x 7 blocks of the image with each pixel split into 2 x 2."""
    whole, small = (datasets.mnist(write(tmp_path), pixels=pixels) for pixels in (28, 8))
    fine = whole.x.reshape(-1, 28, 28).repeat(2, axis=1).repeat(2, axis=2)
    means = fine.reshape(-1, 8, 7, 8, 7).mean(axis=(2, 4)).reshape(-1, 64)
    assert np.allclose(small.x, means, atol=1e-6)


def test_mnist_takes_training_images_where_they_are(tmp_path):
    write(tmp_path, images=np.zeros_like(PIXELS), stem="t10k")
    assert not datasets.mnist(tmp_path).x.any()
    assert datasets.mnist(write(tmp_path), examples=30).x.all(axis=1).any()
    assert len(datasets.mnist(tmp_path, examples=30, test=10).x) == 30


def test_mnist_from_openml_is_its_first_60000(monkeypatch):
    def fetch_openml(name, **options):
        assert (name, options["return_X_y"]) == ("mnist_784", True)
        return np.repeat(PIXELS.reshape(60, -1), 2, axis=0)[:100], np.repeat(LABELS.astype(str), 2)[:100]

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    monkeypatch.setattr("harness.mnist.TRAINING_IMAGES", 90)
    data = datasets.mnist("openml", test=20)
    assert (len(data.x), len(data.x_test)) == (70, 20)
    assert data.y.dtype == np.int64


def test_openml_out_of_reach_is_one_line(monkeypatch):
    def fetch_openml(*_, **__):
        raise OSError("no route")

    monkeypatch.setattr("sklearn.datasets.fetch_openml", fetch_openml)
    with pytest.raises(InvalidInput, match=r"openml cannot be reached \(no route\); give a folder of idx files$"):
        datasets.mnist("openml")


def test_centres_of_a_mixture_are_apart_as_asked():
    data = datasets.gaussian_mixture(classes=3, dimension=5, separation=4.0, sizes=(4000, 8000, 4000), test=0.25)
    assert np.bincount(data.y).tolist() == [3000, 6000, 3000]
    centres = np.stack([data.x[data.y == k].mean(axis=0) for k in range(3)])
    # a mean over 3000 has a standard error of 0.018 a coordinate
    assert np.allclose([np.linalg.norm(centres[a] - centres[b]) for a, b in ((0, 1), (0, 2), (1, 2))], 4, atol=0.12)
    assert np.allclose(np.cov((data.x - centres[data.y]).T), np.eye(5), atol=0.06)


def test_more_classes_than_dimensions_have_that_distance_in_the_mean():
    data = datasets.gaussian_mixture(classes=6, dimension=2, separation=4.0, sizes=4000, seed=1)
    centres = np.stack([data.x[data.y == k].mean(axis=0) for k in range(6)])
    squares = ((centres[:, None] - centres) ** 2).sum(axis=-1)[np.triu_indices(6, 1)]
    assert np.sqrt(squares.mean()) == pytest.approx(4, abs=0.1)
    assert not np.array_equal(datasets.gaussian_mixture(seed=1).x, datasets.gaussian_mixture(seed=2).x)


def without_labels(folder):
    (write(folder) / "train-labels-idx1-ubyte.gz").unlink()
    return folder


def labels_as_images(folder):
    write(folder)
    (folder / "train-images-idx3-ubyte.gz").write_bytes(idx(LABELS))
    return folder


BAD = {
    "no folder": (
        lambda f: datasets.mnist(f / "nowhere"),
        "nowhere: no such folder; give the folder with them, or the word openml",
    ),
    "no files": (lambda f: datasets.mnist(f), r"no t10k- or train-images-idx3-ubyte\[.gz\]; give"),
    "no labels": (lambda f: datasets.mnist(without_labels(f)), "train-labels-idx1-ubyte.* is not beside the images"),
    "magic number": (lambda f: datasets.mnist(labels_as_images(f)), "magic number 00000801, need 00000803"),
    "other length": (lambda f: datasets.mnist(write(f, labels=LABELS[:50])), "60 images and 50 labels; need one label an image"),
    "too few": (
        lambda f: datasets.mnist(write(f), examples=70, test=10),
        "examples = 70 and test = 10 of 60 examples: .*ask for fewer",
    ),
    "pixels": (lambda f: datasets.mnist(write(f), pixels=30), "pixels = 30: choose 1 to 28"),
    "all for the test": (lambda f: datasets.wine(test=178), "test = 178 of 178 examples: .*ask for fewer"),
    "one class": (lambda f: datasets.gaussian_mixture(classes=1), "a mixture of classes = 1.*give 2 classes or more"),
    "other sizes": (lambda f: datasets.gaussian_mixture(sizes=(5, 5)), r"sizes = \(5, 5\): give"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_clear_line(case, tmp_path):
    call, message = BAD[case]
    with pytest.raises(InvalidInput, match=message) as caught:
        call(tmp_path)
    assert "\n" not in str(caught.value)


def test_scikit_learn_is_named_when_it_is_missing():
    code = "import sys; sys.modules['sklearn'] = None\nfrom harness import datasets\ndatasets.wine()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "harness.datasets needs scikit-learn, which is not installed: pip install" in done.stderr
