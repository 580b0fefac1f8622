"""Replacements for the digits' inputs: functions from a data set to another data set with the same labels.

Each random choice has a stream of its own and one seed, and is part of the variant. The seeds of a sweep change theta_0 alone.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.engine.streams import numpy_stream
from harness.runs import examples

from ..data import Dataset, Floats

SIDE = 8  # pixels of a digit's row
SEED = 0


def without_border(data: Dataset) -> Dataset:
    """Without the first and the last column of pixels, which are blank in most digits: 48 inputs."""
    kept = np.arange(SIDE * SIDE).reshape(SIDE, SIDE)[:, 1:-1].ravel()
    return _mapped(data, lambda x: x[:, kept])


def pooled(data: Dataset) -> Dataset:
    """Means over 2 x 2 pixels: 16 inputs."""
    half = SIDE // 2
    return _mapped(data, lambda x: x.reshape(-1, half, 2, half, 2).mean(axis=(2, 4)).reshape(-1, half * half))


def whitened(data: Dataset) -> Dataset:
    """The principal components that vary, scaled to equal variance; mean 0, and the original total variance."""
    mean, variances, axes = _principal(data.x_train)
    kept = variances > 1e-6 * variances[0]
    scale = np.sqrt(variances[kept].sum() / kept.sum() / variances[kept])
    return _mapped(data, lambda x: (x - mean) @ axes[:, kept] * scale)


def of_rank(data: Dataset, rank: int) -> Dataset:
    """The mean plus the part in the first ``rank`` principal components."""
    mean, _, axes = _principal(data.x_train)
    return _mapped(data, lambda x: mean + (x - mean) @ axes[:, :rank] @ axes[:, :rank].T)


def shuffled_pixels(data: Dataset) -> Dataset:
    """One permutation of the pixels for all images."""
    order = numpy_stream(SEED, "atlas-pixels").permutation(data.pixels)
    return _mapped(data, lambda x: x[:, order])


def shuffled_each(data: Dataset) -> Dataset:
    """Each image's pixels in an order of its own."""
    rng = numpy_stream(SEED, "atlas-pixels-each")
    return _mapped(data, lambda x: rng.permuted(x, axis=1))


def rotated(data: Dataset) -> Dataset:
    """A random rotation of the input space."""
    rotation = _orthonormal(data.pixels, "atlas-rotation")
    return _mapped(data, lambda x: x @ rotation)


def gaussian(data: Dataset) -> Dataset:
    """Normal inputs of the training images' mean and covariance; the test images stay."""
    return replace(data, x_train=examples.gaussian(data.x_train, SEED))


def white_noise(data: Dataset) -> Dataset:
    """Normal inputs of the training images' overall mean and deviation; the test images stay."""
    return replace(data, x_train=examples.white_noise(data.x_train, SEED))


def noise_of_rank(data: Dataset, rank: int) -> Dataset:
    """Normal inputs of mean 0 in a random subspace of ``rank`` dimensions, of the training images' mean variance a pixel."""
    rng, pixels = numpy_stream(SEED, f"atlas-noise-{rank}"), data.pixels
    frame = _orthonormal(pixels, "atlas-noise-frame")[:rank] * np.sqrt(pixels / rank) * data.x_train.std()
    return _mapped(data, lambda x: rng.standard_normal((len(x), rank)) @ frame)


def noisy_labels(data: Dataset, share: float) -> Dataset:
    """The given share of the training labels, drawn at random, permuted among themselves."""
    rng = numpy_stream(SEED, "atlas-labels")
    chosen = rng.permutation(len(data.y_train))[: round(share * len(data.y_train))]
    labels = np.array(data.y_train)
    labels[chosen] = labels[rng.permutation(chosen)]
    return replace(data, y_train=labels)


def _mapped(data: Dataset, change: Any) -> Dataset:
    return replace(data, x_train=change(data.x_train), x_test=change(data.x_test))


def _principal(x: Floats) -> tuple[Floats, Floats, Floats]:
    """Mean, variances in descending order and principal axes as columns."""
    values, vectors = np.linalg.eigh(np.cov(x, rowvar=False))
    return x.mean(axis=0), np.maximum(values[::-1], 0), vectors[:, ::-1]


def _orthonormal(size: int, name: str) -> Floats:
    q, r = np.linalg.qr(numpy_stream(SEED, name).standard_normal((size, size)))
    return np.asarray(q * np.sign(np.diag(r)))
