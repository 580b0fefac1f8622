"""The parameter-function Jacobian from F^T F, against decompositions of F itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import linalg

from harness.measure.function_jacobian import singular_values

SIZE = 30


@pytest.mark.parametrize("zero", [[], [0], [3, 4, 29]])
def test_columns_of_zeros_are_zero_singular_values(zero: Any) -> None:
    function = np.random.default_rng(2).normal(size=(50, SIZE))
    function[:, zero] = 0
    found = singular_values(function.T @ function)
    np.testing.assert_allclose(found, linalg.svdvals(function), atol=1e-6)
    assert np.count_nonzero(found == 0) == len(zero)
