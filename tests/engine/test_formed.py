"""J formed from products with it, block by block."""

from __future__ import annotations

import numpy as np
import pytest

from harness.engine.formed import Formed, form
from harness.engine.krylov import Dense
from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput

SIZE, KEY = 50, {"of": "a test"}


class Counting(Dense):
    """Dense products that note the number of columns of each block."""

    def __init__(self, matrix):
        super().__init__(matrix)
        object.__setattr__(self, "asked", [])

    def forward(self, block):
        self.asked.append(block.shape[1])
        return super().forward(block)


@pytest.fixture
def matrix():
    return numpy_stream(0, "formed-matrix").standard_normal((SIZE, SIZE)).astype(np.float32)


def test_products_are_those_of_the_matrix_in_float64(matrix, tmp_path):
    form(Counting(matrix), SIZE, tmp_path, KEY, width=16)
    formed, exact = Formed(tmp_path, SIZE), matrix.astype(np.float64)
    block = numpy_stream(1, "formed-block").standard_normal((SIZE, 3))
    assert np.allclose(formed.forward(block), exact @ block, rtol=1e-14, atol=1e-13)
    assert np.allclose(formed.adjoint(block), exact.T @ block, rtol=1e-14, atol=1e-13)


def test_finished_blocks_are_not_computed_again(matrix, tmp_path):
    first, second, told = Counting(matrix), Counting(matrix), []
    form(first, SIZE, tmp_path, KEY, width=16)
    (tmp_path / "columns-000016.npy").unlink()
    form(second, SIZE, tmp_path, KEY, width=16, report=told.append)
    assert (first.asked, second.asked, told) == ([16] * 4, [16], [16, 32, 48, 50])
    blocks = [np.load(path) for path in sorted(tmp_path.glob("columns-*"))]
    assert np.array_equal(np.concatenate(blocks, axis=1), matrix)


@pytest.mark.parametrize(("key", "width"), [({"of": "another test"}, 16), (KEY, 8)])
def test_columns_of_another_matrix_or_width_are_refused(matrix, tmp_path, key, width):
    form(Counting(matrix), SIZE, tmp_path, KEY, width=16)
    with pytest.raises(InvalidInput, match=r"has columns of .* give another folder"):
        form(Counting(matrix), SIZE, tmp_path, key, width=width)


def test_a_missing_block_is_refused(matrix, tmp_path):
    form(Counting(matrix), SIZE, tmp_path, KEY, width=16)
    (tmp_path / "columns-000016.npy").unlink()
    with pytest.raises(InvalidInput, match="16 of 50 columns are there without a gap; run form again"):
        Formed(tmp_path, SIZE)
