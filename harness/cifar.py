"""CIFAR10 from the binary version that its authors distribute, for whoever has it."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.errors import InvalidInput
from harness.mnist import Images

RECORD = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes, row by row


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
