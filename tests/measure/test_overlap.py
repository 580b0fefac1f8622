"""Overlaps of bulks from the ends of their bases, against the angles that SciPy finds between whole subspaces."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
from scipy import linalg

from harness.engine.spectrum import Spectrum
from harness.errors import InvalidInput
from harness.measure.overlap import bulk_ends, cosines, overlap_of_ends, principal_cosines
from harness.measure.rotation import turned, within_inputs
from harness.measure.structural import structural_split

SIZES, SIZE = (5, 4, 3), 39


def structure(dead: list[int]) -> Any:
    return structural_split(SIZES, dead, shift_invariant=True)[0]


def planted(structural: Any, seed: int) -> Spectrum:
    """A spectrum with these structural columns (N, s), in descending order."""
    rng = np.random.default_rng(seed)
    rest = linalg.null_space(structural.T) @ linalg.qr(rng.normal(size=(SIZE - structural.shape[1],) * 2))[0]
    sigma = np.concatenate([np.exp(rng.normal(size=rest.shape[1])), np.ones(structural.shape[1])])
    order, flags = np.argsort(-sigma), np.arange(SIZE) >= rest.shape[1]
    basis = np.hstack([rest, structural])[:, order]
    return Spectrum(sigma[order], basis, basis, flags[order], 0.0, 0.0, 0.0)


@pytest.mark.parametrize("ks", [[2, 8, 13, 14, 20, 25], [5, 12], [16, 23]], ids=["both ends", "first", "last"])
@pytest.mark.parametrize("turn", [False, True], ids=["as it is", "turned"])
@pytest.mark.parametrize("dead", [[1, 3], []], ids=["alike", "one has fewer"])
@pytest.mark.parametrize("structural", [False, True], ids=["left out", "left in"])
def test_the_ends_give_scipys_angles(ks: list[int], turn: bool, dead: list[int], structural: bool) -> None:
    carried = structure([1, 3])
    own, other = planted(carried.toarray(), 1), planted(structure(dead).toarray(), 2)
    blocks = within_inputs(SIZES, np.random.default_rng(3), shift_invariant=True) if turn else [np.eye(SIZE)]
    size = SIZE if structural else SIZE - carried.shape[1]
    others = bulk_ends(other, size, ks, carried, partial(turned, blocks))
    ends = zip(bulk_ends(own, size, ks, carried), others, strict=True)
    curve = overlap_of_ends(*(mine.T @ theirs for mine, theirs in ends), ks, size)

    part = np.eye(SIZE) if structural else np.eye(SIZE) - carried.toarray() @ carried.toarray().T
    for k, cosine, geodesic in zip(ks, curve.cosine, curve.geodesic, strict=True):
        first = nearest_one(own, structural)[:, :k]
        second = linalg.block_diag(*blocks) @ nearest_one(other, structural)[:, :k]
        angles = linalg.subspace_angles(part @ first, part @ second)
        assert abs(cosine - np.cos(angles).mean()) < 1e-7  # an angle near 0 is the root of a rounding error
        assert abs(geodesic - np.linalg.norm(angles) / (np.pi / 2 * np.sqrt(k))) < 1e-7


def test_a_run_whose_structural_directions_lie_elsewhere_is_refused() -> None:
    """Neither run's structural directions hold the other's: a dead input each, and another one."""
    own, other = structure([1]), planted(structure([3]).toarray(), 2)
    with pytest.raises(InvalidInput, match="4 of 9 structural directions lie outside the 9 carried ones"):
        bulk_ends(other, SIZE - own.shape[1], [5], own)


@pytest.mark.parametrize("shape", [(7, 3), (3, 7), (4, 4), (0, 3)])
def test_there_are_as_many_cosines_as_the_smaller_space_has_dimensions(shape: tuple[int, int]) -> None:
    first, second = (linalg.qr(np.random.default_rng(n).normal(size=(12, 12)))[0][:, :n] for n in shape)
    found = cosines(first.T @ second)
    assert len(found) == min(shape)
    np.testing.assert_allclose(found, principal_cosines(first, second)[::-1] if found.size else [], atol=1e-7)


def nearest_one(spectrum: Spectrum, structural: bool) -> Any:
    order = sorted(range(SIZE), key=lambda i: abs(spectrum.sigma[i] - 1))
    return spectrum.initial[:, [i for i in order if structural or not spectrum.structural[i]]]
