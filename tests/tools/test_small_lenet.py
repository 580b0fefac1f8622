"""The small LeNet that counts are validated on."""

from __future__ import annotations

import jax
import numpy as np

from benchmarks import small_lenet


def test_the_small_lenet_has_the_parameters_it_says() -> None:
    params = small_lenet.init(0)
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == 6_122
    assert small_lenet.apply(params, np.ones((3, small_lenet.SIDE, small_lenet.SIDE))).shape == (3, 10)
