"""Data sets that are easy to get, in the form that ``Network(data=...)`` takes.

In the harness only this module and :mod:`harness.mnist`, which reads files for it, name data sets. Both exist for users'
networks, and no other module of the harness imports them.

Every data set is split by scikit-learn's ``train_test_split(random_state=0)``, by classes where there are classes. Standardised
arrays have mean 0 and deviation 1 over the training part; the test part is scaled by the same numbers.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from harness import mnist as files
from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput

Share = float | int  # share of the examples, or their number


class Data(NamedTuple):
    """Training and test examples.

    Attributes:
        x, x_test: inputs, (examples, features), floating.
        y, y_test: labels from 0, or floating targets, (examples,).
    """

    x: NDArray[Any]
    y: NDArray[Any]
    x_test: NDArray[Any]
    y_test: NDArray[Any]


def digits(*, test: Share = 0.2) -> Data:
    """1,797 digits of 8 x 8 pixels, divided by 16, in 10 classes. Pixels 0, 32 and 39 are zero in all of them.

    Args:
        test: share or number of test examples, also in the functions below.
    """
    x, y = _loaded("digits")
    return _split(x / 16, y, test)


def wine(*, test: Share = 0.2) -> Data:
    """178 wines of 3 cultivars by 13 measurements, standardised."""
    return _standardised(_split(*_loaded("wine"), test))


def breast_cancer(*, test: Share = 0.2) -> Data:
    """569 tumours, malignant or benign, by 30 measurements, standardised."""
    return _standardised(_split(*_loaded("breast_cancer"), test))


def diabetes(*, test: Share = 0.2) -> Data:
    """Progression of diabetes in 442 patients by 10 measurements, a regression; inputs and targets are standardised."""
    data = _standardised(_split(*_loaded("diabetes"), test))
    y, y_test = _scaled(data.y, data.y_test)
    return data._replace(y=y, y_test=y_test)


def mnist(path: str | Path, *, examples: int | None = None, test: Share = 0.2, pixels: int = 8) -> Data:
    """MNIST's training images, or its test images if the folder has only these: float32 in [0, 1], 10 classes, flat.

    Args:
        path: the folder of the idx files, plain or gzipped; ``"openml"`` downloads the training images.
        examples: number of training examples; None takes all that are not test examples.
        test: share or number of test examples.
        pixels: rows and columns of an image, 1 to 28. Fewer than 28 are means over equal areas.

    Raises:
        InvalidInput: no such folder, missing or damaged files, too few images, or ``pixels`` out of range.
    """
    if isinstance(pixels, bool) or not isinstance(pixels, int) or not 1 <= pixels <= 28:
        raise InvalidInput(f"pixels = {pixels!r}: choose 1 to 28 rows and columns, such as 8, 14 or 28")
    images, labels = _mnist(Path(path))
    x, y, x_test, y_test = _split(images, labels.astype(np.int64), test, examples)
    return Data(_resampled(x, pixels), y, _resampled(x_test, pixels), y_test)


def gaussian_mixture(
    *,
    classes: int = 3,
    dimension: int = 10,
    separation: float = 3.0,
    sizes: int | Sequence[int] = 100,
    test: Share = 0.2,
    seed: int = 0,
) -> Data:
    """Classes that are normal with unit covariance about centres of their own.

    Args:
        classes: how many.
        dimension: of an input.
        separation: distance between any two centres if ``classes`` is at most ``dimension``, else the root mean square
            distance.
        sizes: examples of each class, one number for all or one a class; test examples are among them.
        test: share or number of test examples.
        seed: of the centres and of the examples.

    Raises:
        InvalidInput: numbers that do not define a mixture.
    """
    counts = [sizes] * classes if isinstance(sizes, int) else list(sizes)
    if classes < 2 or dimension < 1 or separation < 0 or len(counts) != classes or min(counts) < 2:
        raise InvalidInput(
            f"a mixture of classes = {classes}, dimension = {dimension}, separation = {separation}, sizes = {sizes}: give 2 "
            "classes or more, a dimension of 1 or more, a separation of 0 or more, and 2 examples or more of each class"
        )
    rng = numpy_stream(seed, "gaussian-mixture")
    centres = separation / 2**0.5 * _orthonormal(rng.standard_normal((classes, dimension)))
    y = np.repeat(np.arange(classes), counts)
    return _split(centres[y] + rng.standard_normal((len(y), dimension)), y, test)


def _orthonormal(rows: NDArray[Any]) -> NDArray[Any]:
    """Unit rows, at right angles where possible; rows at right angles all have distance sqrt(2)."""
    if len(rows) <= rows.shape[1]:
        return np.linalg.qr(rows.T)[0].T
    centred = rows - rows.mean(axis=0)
    # the mean square distance of n centred points is 2 n / (n - 1) times their mean square length
    return centred * ((len(rows) - 1) / np.sum(centred**2)) ** 0.5


def _mnist(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    if path.name == files.OPENML and not path.exists():
        _sklearn("datasets")
        return files.fetch()
    part = files.read_part(path, "train") or files.read_part(path, "t10k")
    if part is None:
        raise files.missing(path)
    if len(part[0]) != len(part[1]):
        raise InvalidInput(f"{path}: {len(part[0])} images and {len(part[1])} labels; need one label an image")
    return part


def _resampled(images: NDArray[Any], pixels: int) -> NDArray[np.float32]:
    """Means over ``pixels`` x ``pixels`` equal areas of each image, divided by 255, flat; a pixel on an edge is divided."""
    side = images.shape[-1]
    edges = np.arange(pixels + 1) * side / pixels
    covered = np.minimum(edges[1:, None], np.arange(1, side + 1)) - np.maximum(edges[:-1, None], np.arange(side))
    means = (np.maximum(covered, 0) * pixels / side).astype(np.float32)
    scaled = np.asarray(images, np.float32) / np.float32(255)
    found = scaled if pixels == side else means @ scaled @ means.T
    return np.asarray(found, np.float32).reshape(len(images), -1)


def _split(x: Any, y: Any, test: Share, examples: int | None = None) -> Data:
    by_class = y if np.asarray(y).dtype.kind in "iu" else None
    try:
        parts = _sklearn("model_selection").train_test_split(
            x, y, train_size=examples, test_size=test, random_state=0, stratify=by_class
        )
    except ValueError as error:
        asked = f"test = {test}" if examples is None else f"examples = {examples} and test = {test}"
        raise InvalidInput(f"{asked} of {len(x):,} examples: {error}; ask for fewer, or give more") from error
    x_train, x_test, y_train, y_test = parts
    return Data(x_train, y_train, x_test, y_test)


def _standardised(data: Data) -> Data:
    x, x_test = _scaled(data.x, data.x_test)
    return data._replace(x=x, x_test=x_test)


def _scaled(train: NDArray[Any], test: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Both arrays scaled by the mean and deviation of the first; a column that is constant in the first becomes 0 in it."""
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation = np.where(deviation > 0, deviation, 1.0)
    return (train - mean) / deviation, (test - mean) / deviation


def _loaded(name: str) -> tuple[Any, Any]:
    x, y = getattr(_sklearn("datasets"), f"load_{name}")(return_X_y=True)
    return x, y


def _sklearn(module: str) -> Any:
    try:
        return importlib.import_module(f"sklearn.{module}")
    except ModuleNotFoundError as error:
        remedy = 'pip install "training-jacobian-claims[claims]"'
        raise ImportError(f"harness.datasets needs scikit-learn, which is not installed: {remedy}") from error
