"""Reading MNIST and CIFAR10 from files that the tests write: plain and gzipped, whole and broken."""

import gzip
import re

import numpy as np
import pytest

from claims.images import RECORD, digits, load_mnist, read_cifar10, read_mnist
from harness.errors import InvalidInput
from harness.mnist import read_idx

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (20, 28, 28), dtype=np.uint8)
LABELS = np.tile(np.arange(10, dtype=np.uint8), 2)


def idx(array):
    """The array as the content of an idx file."""
    header = bytes([0, 0, 8, array.ndim]) + b"".join(n.to_bytes(4, "big") for n in array.shape)
    return header + array.tobytes()


def write(folder, images=PIXELS, labels=LABELS, stem="t10k", dash="-", zipped=True):
    for name, array in ((f"{stem}-images{dash}idx3-ubyte", images), (f"{stem}-labels{dash}idx1-ubyte", labels)):
        content = idx(array)
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(content) if zipped else content)
    return folder


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("dash", ["-", "."])
def test_files_are_read_as_they_were_written(tmp_path, zipped, dash):
    images = read_mnist(write(tmp_path, zipped=zipped, dash=dash), 20)
    # float32 holds n / 255 to half a unit in its last place
    assert np.array_equal(images.pixels, (PIXELS / 255).astype(np.float32))
    assert np.array_equal(images.labels, LABELS)
    assert images.flat.shape == (20, 784)
    assert images.origin == "20 of MNIST's test images"


def test_test_images_are_taken_unless_more_are_asked_for(tmp_path):
    write(tmp_path)
    write(tmp_path, images=255 - PIXELS, stem="train")
    assert read_mnist(tmp_path, 20).origin == "20 of MNIST's test images"
    assert read_mnist(tmp_path, 10).origin == "the first 10 of MNIST's test images"
    with pytest.raises(InvalidInput, match=r"MNIST's training images: there are 20 and 60,000 are asked for"):
        read_mnist(tmp_path, 60_000)


def test_training_images_serve_where_there_are_no_test_images(tmp_path):
    assert load_mnist(write(tmp_path, stem="train"), 20).origin == "20 of MNIST's training images"


def test_the_digest_tells_images_and_labels_apart(tmp_path):
    first = read_mnist(write(tmp_path), 20)
    second = read_mnist(write(tmp_path, labels=np.roll(LABELS, 1)), 20)
    assert first.digest != second.digest
    assert first.digest == read_mnist(write(tmp_path), 20).digest


def test_a_folder_without_mnist_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"no t10k- or train-images-idx3-ubyte"):
        read_mnist(tmp_path)


def test_images_without_labels_are_refused(tmp_path):
    write(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(InvalidInput, match=r"t10k-labels-idx1-ubyte\[.gz\] is not beside the images"):
        read_mnist(tmp_path)


def test_images_and_labels_of_different_length_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="20 images and 19 labels"):
        read_mnist(write(tmp_path, labels=LABELS[:19]), 10)


def test_fewer_classes_than_k_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="9 classes are present, k = 10 are needed"):
        read_mnist(write(tmp_path, labels=np.minimum(LABELS, 8)), 20)


def test_labels_beyond_the_classes_are_refused(tmp_path):
    with pytest.raises(InvalidInput, match="labels from 0 to 10; need 0 to 9"):
        read_mnist(write(tmp_path, labels=np.where(LABELS == 3, 10, LABELS).astype(np.uint8)), 20)


def test_a_truncated_file_is_refused(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(idx(PIXELS)[:-1])
    with pytest.raises(InvalidInput, match=re.escape("15679 bytes of data, its header (20, 28, 28) asks for 15680")):
        read_idx(path, 3)


def test_bytes_left_over_are_refused(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(idx(PIXELS) + b"\0")
    with pytest.raises(InvalidInput, match="15681 bytes of data"):
        read_idx(path, 3)


def test_a_truncated_header_is_refused(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(idx(PIXELS)[:9])
    with pytest.raises(InvalidInput, match="0 bytes of data"):
        read_idx(path, 3)


def test_a_damaged_gzip_is_refused(tmp_path):
    path, content = tmp_path / "images.gz", bytearray(gzip.compress(idx(PIXELS)))
    for place in range(12, len(content), 7):
        content[place] ^= 0x5A
    path.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"images\.gz: cannot be read"):
        read_idx(path, 3)


def test_a_truncated_gzip_is_refused(tmp_path):
    path = tmp_path / "images.gz"
    path.write_bytes(gzip.compress(idx(PIXELS))[:-20])
    with pytest.raises(InvalidInput, match="cannot be read"):
        read_idx(path, 3)


def test_labels_in_the_place_of_images_are_refused(tmp_path):
    path = tmp_path / "images"
    path.write_bytes(idx(LABELS))
    with pytest.raises(InvalidInput, match="magic number 00000801, need 00000803"):
        read_idx(path, 3)


def test_digits_are_labelled_as_a_port():
    held = digits()
    assert held.pixels.shape == (1797, 8, 8)
    assert held.pixels.max() == 1
    assert "port" in held.origin


def test_cifar10_keeps_planes_and_labels(tmp_path):
    planes = RNG.integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
    records = np.concatenate([LABELS[:, None], planes.reshape(20, -1)], axis=1)
    (tmp_path / "data_batch_1.bin").write_bytes(records[:10].tobytes())
    (tmp_path / "data_batch_2.bin").write_bytes(records[10:].tobytes())
    images = read_cifar10(tmp_path)
    assert np.array_equal(images.labels, LABELS)
    assert np.array_equal(images.pixels[:, 5, 7, 2], (planes[:, 2, 5, 7] / 255).astype(np.float32))


@pytest.mark.parametrize("content", [b"", bytes(RECORD + 1)])
def test_a_cifar10_file_of_no_whole_records_is_refused(tmp_path, content):
    (tmp_path / "data_batch_1.bin").write_bytes(content)
    with pytest.raises(InvalidInput, match="no whole number of 3073-byte records"):
        read_cifar10(tmp_path)


def test_a_folder_without_cifar10_is_refused(tmp_path):
    with pytest.raises(InvalidInput, match=r"no data_batch_\*.bin"):
        read_cifar10(tmp_path)
