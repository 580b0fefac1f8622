"""The papers' images: MNIST from idx files (plain or gzipped) or from openml, scikit-learn's digits, and CIFAR10.

The folder needs an images file and its labels. The 10,000 test images suffice if no more are requested. The data set's
``origin`` says which images were read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import mnist
from harness.errors import InvalidInput

RECORD = 1 + 3 * 32 * 32  # CIFAR10: a label, then the red, green and blue planes, row by row
TEST_IMAGES = 10_000
STEMS = {"train": "training", "t10k": "test"}


@dataclass(frozen=True, eq=False)
class Images:
    """Images with their labels.

    Attributes:
        pixels: float32 in [0, 1], shape (images, rows, columns).
        labels: 0 to classes - 1, shape (images,).
        classes: number of classes.
        origin: description of the images for the report.
    """

    pixels: NDArray[np.float32]
    labels: NDArray[np.int64]
    classes: int
    origin: str

    def __post_init__(self) -> None:
        if len(self.pixels) != len(self.labels) or not len(self.labels):
            raise InvalidInput(f"{self.origin}: {len(self.pixels)} images and {len(self.labels)} labels; need one label an image")
        present = np.unique(self.labels)
        if present[0] < 0 or present[-1] >= self.classes:
            raise InvalidInput(f"{self.origin}: labels from {present[0]} to {present[-1]}; need 0 to {self.classes - 1}")
        if len(present) < self.classes:
            raise InvalidInput(
                f"{self.origin}: {len(present)} classes are present, k = {self.classes} are needed: "
                "the top subspace has one dimension a class; give the whole file"
            )

    @property
    def flat(self) -> NDArray[np.float32]:
        """The images as vectors, shape (images, pixels)."""
        return self.pixels.reshape(len(self.pixels), -1)

    @property
    def digest(self) -> str:
        """SHA-256 of images and labels: part of the key of everything computed from them."""
        return hashlib.sha256(self.pixels.tobytes() + self.labels.tobytes()).hexdigest()


def read_mnist(folder: Path, images: int = TEST_IMAGES) -> Images:
    """The first ``images`` of a folder's test images, or of its training images if the test images are too few or missing.

    Raises:
        InvalidInput: no images file, images without labels, too few of them, or a file that :func:`harness.mnist.read_idx` refuses.
    """
    stems = ("train", "t10k") if images > TEST_IMAGES else ("t10k", "train")
    for stem in stems:
        if (part := mnist.read_part(folder, stem)) is not None:
            return _scaled(*part, images, STEMS[stem])
    raise mnist.missing(folder)


def load_mnist(place: Path, images: int = TEST_IMAGES) -> Images:
    """MNIST from a folder, or the training images of openml.org where ``place`` is the word ``openml``.

    Raises:
        InvalidInput: openml.org cannot be reached, or :func:`read_mnist` refuses the files.
    """
    if place.name != mnist.OPENML or place.exists():
        return read_mnist(place, images)
    return _scaled(*mnist.fetch("give a folder of idx files with --claims-mnist"), images, "training")


def digits() -> Images:
    """The 1797 digits of scikit-learn, 8 x 8 pixels, in place of MNIST."""
    from sklearn.datasets import load_digits

    held = load_digits()
    return Images((held.images / 16).astype(np.float32), held.target.astype(np.int64), 10, "a port to scikit-learn's digits")


def read_cifar10(folder: Path) -> Images:
    """The training images, float32 in [0, 1], shape (images, 32, 32, 3). Format: https://www.cs.toronto.edu/~kriz/cifar.html.

    Raises:
        InvalidInput: the folder has no batches, or a file is not a whole number of records.
    """
    files = sorted(folder.glob("data_batch_*.bin"))
    if not files:
        raise InvalidInput(f"{folder}: no data_batch_*.bin; give the folder of CIFAR10's binary version")
    for file in files:
        size = file.stat().st_size
        if not size or size % RECORD:
            raise InvalidInput(f"{file}: {size} bytes is no whole number of {RECORD}-byte records; download it again")
    records = np.concatenate([np.fromfile(file, np.uint8).reshape(-1, RECORD) for file in files])
    planes = records[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
    labels = records[:, 0].astype(np.int64)
    return Images((planes / 255).astype(np.float32), labels, 10, f"{len(records):,} of CIFAR10's training images")


def _scaled(pixels: NDArray[Any], labels: NDArray[Any], images: int, part: str) -> Images:
    whole = Images(pixels, labels.astype(np.int64), 10, f"MNIST's {part} images")
    if len(whole.pixels) < images:
        asked = f"there are {len(whole.pixels):,} and {images:,} are asked for"
        raise InvalidInput(f"{whole.origin}: {asked}; give a folder that has as many")
    first = "" if len(whole.pixels) == images else "the first "
    return Images((pixels[:images] / 255).astype(np.float32), whole.labels[:images], 10, f"{first}{images:,} of {whole.origin}")
