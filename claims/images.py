"""The papers' images: MNIST from idx files (plain or gzipped) or from openml, scikit-learn's digits, and CIFAR10.

The folder needs an images file and its labels. The 10,000 test images are enough where no more are asked for; the data
set's ``origin`` says which images they are. Format: http://yann.lecun.com/exdb/mnist (big-endian:
two zero bytes, a type byte, the number of dimensions, the dimensions, the values).
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InvalidInput

RECORD = 1 + 3 * 32 * 32  # CIFAR10: a label, then the red, green and blue planes, row by row
UNSIGNED_BYTE = 0x08
OPENML = "openml"
TEST_IMAGES = 10_000
STEMS = {"train": "training", "t10k": "test"}


@dataclass(frozen=True, eq=False)
class Images:
    """Images with their labels.

    Attributes:
        pixels: float32 in [0, 1], shape (images, rows, columns).
        labels: 0 to classes - 1, shape (images,).
        classes: number of classes.
        origin: what these images are, in words, for the report.
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


def read_idx(path: Path, dimensions: int) -> NDArray[np.uint8]:
    """The array of an idx file of unsigned bytes.

    Raises:
        InvalidInput: not readable, wrong magic number, another number of dimensions, truncated or with bytes left over.
    """
    try:
        content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path}: cannot be read ({error}); copy or download the file again") from error
    magic, header = content[:4], 4 + 4 * dimensions
    if magic != bytes([0, 0, UNSIGNED_BYTE, dimensions]):
        need = f"0000080{dimensions}"
        raise InvalidInput(f"{path}: magic number {magic.hex()}, need {need}: not an idx file of {dimensions}-dimensional bytes")
    shape = tuple(int(n) for n in np.frombuffer(content[4:header], ">u4")) if len(content) >= header else ()
    got, need_bytes = len(content) - header, int(np.prod(shape, dtype=np.int64))
    if not shape or got != need_bytes:
        raise InvalidInput(f"{path}: {max(got, 0)} bytes of data, its header {shape} asks for {need_bytes}; copy the file again")
    return np.frombuffer(content, np.uint8, offset=header).reshape(shape)


def find_idx(folder: Path, name: str) -> Path | None:
    """The file ``name`` in the folder, plain or gzipped, in either spelling of its last dash; None if it is not there."""
    spellings = [name, name.replace("-idx", ".idx")]
    places = [folder / f"{spelling}{suffix}" for spelling in spellings for suffix in ("", ".gz")]
    return next((place for place in places if place.is_file()), None)


def read_mnist(folder: Path, images: int = TEST_IMAGES) -> Images:
    """The first ``images`` of a folder's test images, or of its training images where the test images are too few or not there.

    Raises:
        InvalidInput: no images file, images without labels, too few of them, or a file that :func:`read_idx` refuses.
    """
    stems = [stem for stem in ("t10k", "train") if find_idx(folder, f"{stem}-images-idx3-ubyte")]
    if not stems:
        raise InvalidInput(f"{folder}: no t10k- or train-images-idx3-ubyte[.gz]; give the folder with them")
    stem = stems[-1] if images > TEST_IMAGES else stems[0]
    files = [find_idx(folder, f"{stem}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")]
    if files[0] is None or files[1] is None:
        raise InvalidInput(f"{folder}: {stem}-labels-idx1-ubyte[.gz] is not beside the images: copy the labels there too")
    return _scaled(read_idx(files[0], 3), read_idx(files[1], 1), images, STEMS[stem])


def fetch_mnist(images: int = TEST_IMAGES) -> Images:
    """The first ``images`` of the 60,000 training images from openml.org (scikit-learn caches them).

    Raises:
        InvalidInput: openml.org cannot be reached.
    """
    from sklearn.datasets import fetch_openml

    try:
        pixels, labels = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False, parser="liac-arff")
    except OSError as error:
        raise InvalidInput(f"openml cannot be reached ({error}); give a folder of idx files with --claims-mnist") from error
    return _scaled(pixels[:60_000].reshape(-1, 28, 28), labels[:60_000], images, "training")


def load_mnist(place: Path, images: int = TEST_IMAGES) -> Images:
    """MNIST from a folder, or from openml.org where ``place`` is the word ``openml``."""
    return fetch_mnist(images) if place.name == OPENML and not place.exists() else read_mnist(place, images)


def digits() -> Images:
    """The 1797 digits of scikit-learn, 8 x 8 pixels: a port, for where there is no MNIST."""
    from sklearn.datasets import load_digits

    held = load_digits()
    return Images((held.images / 16).astype(np.float32), held.target.astype(np.int64), 10, "a port to scikit-learn's digits")


def read_cifar10(folder: Path) -> Images:
    """The training images, float32 in [0, 1], shape (images, 32, 32, 3). Format: https://www.cs.toronto.edu/~kriz/cifar.html.

    Raises:
        InvalidInput: no batches there, or a file that is not a whole number of records.
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
