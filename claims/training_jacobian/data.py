"""Config -> data set: the digits of scikit-learn, or noise images in place of the images, or shuffled labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput, NotFinite

from .experiments import Data

Floats = np.ndarray[Any, np.dtype[np.float64]]
Integers = np.ndarray[Any, np.dtype[np.int64]]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Training and test examples.

    Attributes:
        x_train, x_test: images, shape (examples, pixels), float64 in [0, 1].
        y_train, y_test: labels 0 to classes - 1, shape (examples,).
        classes: number of classes.
    """

    x_train: Floats
    y_train: Integers
    x_test: Floats
    y_test: Integers
    classes: int

    def __post_init__(self) -> None:
        for part, x, y in (("training", self.x_train, self.y_train), ("test", self.x_test, self.y_test)):
            if x.ndim != 2 or y.shape != x.shape[:1]:
                raise InvalidInput(f"{part} data: {x.shape} images and {y.shape} labels; need (examples, pixels) and (examples,)")
            if not np.isfinite(x).all():
                row, pixel = np.argwhere(~np.isfinite(x))[0]
                raise NotFinite(f"{part} data: pixel {pixel} of image {row} is {x[row, pixel]}; clean the data before training")
            if len(y) and not (y.min() >= 0 and y.max() < self.classes):
                raise InvalidInput(f"{part} data: labels from {y.min()} to {y.max()}; need 0 to {self.classes - 1}")

    @property
    def pixels(self) -> int:
        return self.x_train.shape[1]

    @property
    def dead_inputs(self) -> Integers:
        """Indices of the pixels that are zero in every training image."""
        return np.flatnonzero(~self.x_train.any(axis=0))


def load(config: Data, seed: int = 0) -> Dataset:
    """The data set that ``config`` describes; ``seed`` draws noise images and permutations of the labels, nothing else.

    Source: Belrose & Scherlis 2024, section 3 and their notebook: digits / 16, ``random_state=0``, 197 test images.
    The shuffled labels are one permutation of the training labels; the white noise is uniform on [0, 1] with the real labels.
    """
    images, labels = load_digits(return_X_y=True)
    split = train_test_split(images / 16.0, labels.astype(np.int64), test_size=config.test_size, random_state=config.split_seed)
    x_train, x_test, y_train, y_test = split
    if config.inputs == "white-noise":
        x_train = numpy_stream(seed, "noise-images").uniform(size=x_train.shape)
    if config.labels == "shuffled":
        y_train = numpy_stream(seed, "label-permutation").permutation(y_train)
    return Dataset(x_train, y_train, x_test, y_test, classes=10)


def batches(data: Dataset, batch: int, remainder: str = "error") -> tuple[Floats, Integers]:
    """Training examples in their fixed order as (steps an epoch, batch, pixels) and (steps an epoch, batch).

    Raises:
        InvalidInput: ``batch`` does not divide the examples and ``remainder`` is not ``drop``.
    """
    examples = len(data.x_train)
    steps, rest = divmod(examples, batch)
    if (rest and remainder != "drop") or steps == 0:
        raise InvalidInput(f"batch {batch} does not divide {examples} examples: choose a divisor, or remainder='drop'")
    used = steps * batch
    return data.x_train[:used].reshape(steps, batch, -1), data.y_train[:used].reshape(steps, batch)
