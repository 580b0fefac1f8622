"""The parameter-function Jacobian beside a planted bulk, against decompositions of F itself."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import linalg

from harness.engine.spectrum import Spectrum
from harness.measure.function_jacobian import beside, singular_values
from harness.measure.overlap import random_baseline

SIZE, STRUCTURAL, BULK = 30, 4, 9


def planted() -> Spectrum:
    """Nine singular values near one and four structural directions, in no order."""
    rng = np.random.default_rng(0)
    sigma = np.concatenate([np.linspace(0.95, 1.05, BULK), np.geomspace(2, 9, SIZE - BULK - STRUCTURAL), np.ones(STRUCTURAL)])
    order = rng.permutation(SIZE)
    basis = linalg.qr(rng.normal(size=(SIZE, SIZE)))[0][:, order]
    return Spectrum(sigma[order], basis, basis, order >= SIZE - STRUCTURAL, 0.0, 0.0, 0.0)


@pytest.mark.parametrize("rows", [50, 20], ids=["tall", "wide"])
@pytest.mark.parametrize("idle", [True, False], ids=["structure moves nothing", "structure moves predictions"])
def test_beside_is_what_the_singular_vectors_of_f_say(rows: int, idle: bool) -> None:
    spectrum, function = planted(), np.random.default_rng(1).normal(size=(rows, SIZE))
    carried = spectrum.initial[:, spectrum.structural]
    if idle:
        function -= function @ carried @ carried.T
    found = beside(spectrum, function.T @ function, 0.1)
    descending = np.pad(linalg.svdvals(function), (0, max(0, SIZE - rows)))
    np.testing.assert_allclose(found["sigma"], descending[::-1], atol=1e-6)  # a root of rounding
    np.testing.assert_allclose(found["strength"], np.linalg.norm(function @ spectrum.initial, axis=0), atol=1e-6)

    free = linalg.null_space(carried.T)
    weakest = free @ linalg.svd(function @ free)[2][::-1].T[:, :BULK]
    bulk = spectrum.initial[:, ~spectrum.structural & (np.abs(spectrum.sigma - 1) < 0.1)]
    chance = random_baseline(BULK / (SIZE - STRUCTURAL))
    cosine = np.cos(linalg.subspace_angles(weakest, bulk)).mean()
    if rows > SIZE or SIZE - STRUCTURAL - rows <= BULK:  # else any nine of the null space are the weakest
        assert abs(found["closeness"] - (cosine - chance) / (1 - chance)) < 1e-6


@pytest.mark.parametrize("near", [0.0, 100.0])
def test_without_a_bulk_or_anything_else_there_is_no_closeness(near: float) -> None:
    function = np.random.default_rng(1).normal(size=(50, SIZE))
    found = beside(planted(), function.T @ function, near)
    assert np.isnan(found["closeness"])
    np.testing.assert_allclose(found["sigma"], linalg.svdvals(function)[::-1], rtol=1e-10)


@pytest.mark.parametrize("zero", [[], [0], [3, 4, 29], list(range(SIZE))])
def test_columns_of_zeros_are_zero_singular_values(zero: Any) -> None:
    function = np.random.default_rng(2).normal(size=(50, SIZE))
    function[:, zero] = 0
    found = singular_values(function.T @ function)
    np.testing.assert_allclose(found, linalg.svdvals(function), atol=1e-6)
    assert np.count_nonzero(found == 0) == len(zero)
