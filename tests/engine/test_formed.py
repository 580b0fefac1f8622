"""J formed from products with it, block by block."""

from __future__ import annotations

import numpy as np
import pytest

from harness.engine.formed import Formed, form
from harness.engine.krylov import Dense
from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput

SIZE = 50


class Counting(Dense):
    """Dense products that count their columns."""

    columns = 0

    def forward(self, block):
        Counting.columns += block.shape[1]
        return super().forward(block)


@pytest.fixture
def matrix():
    Counting.columns = 0
    return numpy_stream(0, "formed-matrix").standard_normal((SIZE, SIZE)).astype(np.float32)


def test_products_are_those_of_the_matrix_in_float64(matrix, tmp_path):
    form(Counting(matrix), SIZE, tmp_path, width=16)
    formed, exact = Formed(tmp_path, SIZE), matrix.astype(np.float64)
    block = numpy_stream(1, "formed-block").standard_normal((SIZE, 3))
    assert np.allclose(formed.forward(block), exact @ block, rtol=1e-14, atol=1e-13)
    assert np.allclose(formed.adjoint(block), exact.T @ block, rtol=1e-14, atol=1e-13)


def test_finished_blocks_are_not_computed_again(matrix, tmp_path):
    form(Counting(matrix), SIZE, tmp_path, width=16)
    done, told = Counting.columns, []
    (tmp_path / "columns-000016.npy").unlink()
    form(Counting(matrix), SIZE, tmp_path, width=16, report=told.append)
    assert (done, Counting.columns - done, told) == (64, 16, [16, 32, 48, 50])
    blocks = [np.load(path) for path in sorted(tmp_path.glob("columns-*"))]
    assert np.array_equal(np.concatenate(blocks, axis=1), matrix)


def test_a_missing_block_is_refused(matrix, tmp_path):
    form(Counting(matrix), SIZE, tmp_path, width=16)
    (tmp_path / "columns-000016.npy").unlink()
    with pytest.raises(InvalidInput, match="16 of 50 columns are there without a gap; run form again"):
        Formed(tmp_path, SIZE)
