"""Chaotic, stable and bulk directions out of Krylov spaces, against the dense singular vectors."""

import numpy as np
import pytest

from harness.directions import bulk_sample, extreme, parted
from harness.errors import InvalidInput
from harness.krylov import Dense, Krylov, gram, probes

SIZE = 300


def grown(operator, depth=12, width=6):
    krylov = Krylov.start(probes(SIZE, width, np.random.default_rng(0)))
    for _ in range(depth):
        krylov.extend(operator)
    return krylov


@pytest.fixture(scope="module")
def world():
    """20 chaotic directions, 20 stable ones, and a bulk that J leaves where it is."""
    rng = np.random.default_rng(1)
    right = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    left = right.copy()
    left[:, :40] = right[:, :40] @ np.linalg.qr(rng.standard_normal((40, 40)))[0]
    sigma = np.concatenate([np.geomspace(20, 2, 20), np.geomspace(0.5, 0.01, 20), np.ones(SIZE - 40)])
    return sigma, left, right, Dense(left @ (sigma[:, None] * right.T))


def test_chaotic_directions_are_the_top_singular_vectors(world):
    sigma, left, right, products = world
    found = extreme(grown(gram(products)), products, 5, largest=True)
    assert np.allclose(found.gains, sigma[:5], rtol=1e-4)
    assert np.allclose(np.abs(np.sum(found.initial * right[:, :5], axis=0)), 1, atol=1e-4)
    assert np.allclose(np.abs(np.sum(found.final * left[:, :5], axis=0)), 1, atol=1e-4)
    truth = np.sum(left[:, :5] * right[:, :5], axis=0)
    assert np.allclose(found.cosines, truth, atol=1e-3)
    assert (found.residuals < 1e-4).all()


def test_stable_directions_lose_their_length(world):
    sigma, _, _, products = world
    found = extreme(grown(gram(products), depth=20), products, 3, largest=False)
    assert (found.gains < 0.5).all()
    assert found.gains[0] >= sigma.min() - 1e-6


def test_bulk_vectors_are_random_ones_of_the_bulk(world):
    _, _, right, products = world
    krylov = grown(gram(products), depth=20)
    found = bulk_sample(krylov, products, 0.1)
    assert found.initial.shape == (SIZE, 6)
    assert (found.residuals < 0.1).all()
    exact = products.adjoint(products.forward(found.initial)) - found.initial
    assert np.allclose(found.residuals, np.linalg.norm(exact, axis=0), rtol=1e-3, atol=1e-5)
    # of a random vector's 260 bulk coordinates none stands out, and none lies outside the bulk
    shares = (right.T @ found.initial) ** 2
    assert shares[40:].sum(axis=0) == pytest.approx(np.ones(6), abs=1e-2)
    assert shares[40:].max() < 0.15
    # there u_i = v_i
    assert np.allclose(found.cosines, 1, atol=1e-2)
    rest = parted(krylov, 0.1)[1]
    assert np.allclose(rest.T @ rest, np.eye(6), atol=1e-6)
    assert ((right[:, :40].T @ rest) ** 2).sum(axis=0) == pytest.approx(np.ones(6), abs=0.05)


@pytest.mark.parametrize("angle", [0.0, 0.3, np.pi / 2])
def test_cosines_of_the_sample_are_those_of_the_bulk(angle):
    """Singular values alone leave the direction of J v open: with u_i at an angle to v_i the cosines say so."""
    rng = np.random.default_rng(4)
    right = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    # pairs of bulk directions are turned in their planes
    left = right.copy()
    left[:, 40::2] = np.cos(angle) * right[:, 40::2] + np.sin(angle) * right[:, 41::2]
    left[:, 41::2] = np.cos(angle) * right[:, 41::2] - np.sin(angle) * right[:, 40::2]
    sigma = np.concatenate([np.geomspace(20, 2, 20), np.geomspace(0.5, 0.01, 20), 1 + 0.03 * rng.standard_normal(SIZE - 40)])
    products = Dense(left @ (sigma[:, None] * right.T))
    found = bulk_sample(grown(gram(products), depth=25), products, 0.1)
    assert found.cosines.mean() == pytest.approx(np.cos(angle), abs=0.02)


def test_without_a_bulk_there_is_nothing_to_sample():
    rng = np.random.default_rng(2)
    products = Dense(3 * np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0])
    with pytest.raises(InvalidInput, match=r"0 of 18 Ritz values put a singular value within 0.1 of one, too few for 6 samples"):
        bulk_sample(grown(gram(products), depth=3), products, 0.1)


def test_more_directions_than_the_space_holds_are_refused(world):
    products = world[3]
    with pytest.raises(InvalidInput, match="20 directions of a Krylov space of 12"):
        extreme(grown(gram(products), depth=2), products, 20, largest=True)
