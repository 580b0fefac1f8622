"""MNIST from idx files (plain or gzipped) or from openml. Users' networks and the papers both read MNIST here.

Format: http://yann.lecun.com/exdb/mnist (big-endian: two zero bytes, a type byte, the number of dimensions, the dimensions, the
values).
"""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import InvalidInput

UNSIGNED_BYTE = 0x08
OPENML = "openml"  # in place of a folder: download from openml
TRAINING_IMAGES = 60_000  # the first ones of the data set at openml; the others are the test images


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
    """The file ``name`` in the folder, plain or gzipped, in either spelling of its last dash; None if there is no such file."""
    spellings = [name, name.replace("-idx", ".idx")]
    places = [folder / f"{spelling}{suffix}" for spelling in spellings for suffix in ("", ".gz")]
    return next((place for place in places if place.is_file()), None)


def read_part(folder: Path, stem: str) -> tuple[NDArray[np.uint8], NDArray[np.uint8]] | None:
    """Images (images, rows, columns) and labels (images,) of the part ``train`` or ``t10k``; None if the images are missing.

    Raises:
        InvalidInput: images without labels, or a file that :func:`read_idx` refuses.
    """
    images, labels = (find_idx(folder, f"{stem}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1"))
    if images is None:
        return None
    if labels is None:
        raise InvalidInput(f"{folder}: {stem}-labels-idx1-ubyte[.gz] is not beside the images: copy the labels there too")
    return read_idx(images, 3), read_idx(labels, 1)


def missing(folder: Path) -> InvalidInput:
    """The error for a folder that has none of the files."""
    what = "no t10k- or train-images-idx3-ubyte[.gz]" if folder.is_dir() else "no such folder"
    return InvalidInput(f"{folder}: {what}; give the folder with them, or the word {OPENML}")


def fetch(remedy: str = "give a folder of idx files") -> tuple[NDArray[Any], NDArray[Any]]:
    """The training images (images, 28, 28) and their labels, as text, from openml.org; scikit-learn caches them.

    Raises:
        InvalidInput: openml.org cannot be reached; the message ends with ``remedy``.
    """
    from sklearn.datasets import fetch_openml

    try:
        pixels, labels = fetch_openml("mnist_784", version=1, return_X_y=True, as_frame=False, parser="liac-arff")
    except OSError as error:
        raise InvalidInput(f"openml cannot be reached ({error}); {remedy}") from error
    return pixels[:TRAINING_IMAGES].reshape(-1, 28, 28), labels[:TRAINING_IMAGES]
