"""Chaotic, stable and bulk directions from Krylov spaces, against the dense singular vectors."""

import numpy as np
import pytest

from harness.engine.directions import Unresolved, bulk_and_complement, bulk_sample, contrast_of_layers, extreme
from harness.engine.krylov import Dense, Krylov, gram, probes
from harness.errors import InvalidInput

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
    rest = bulk_and_complement(krylov, 0.1)[1]
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


def test_what_has_no_bulk_or_nothing_else_is_not_sampled():
    rng = np.random.default_rng(2)
    rotation = np.linalg.qr(rng.standard_normal((SIZE, SIZE)))[0]
    with pytest.raises(Unresolved, match=r"0 of 18 Ritz values lie within 0.1 of one, too few for 6 samples of the bulk"):
        bulk_sample(grown(gram(Dense(3 * rotation)), depth=3), Dense(3 * rotation), 0.1)
    with pytest.raises(InvalidInput, match="the bulk has no complement to sample"):
        bulk_and_complement(grown(gram(Dense(np.diag(np.linspace(0.95, 1.05, SIZE)))), depth=3), 0.1)


def test_a_bulk_that_is_not_resolved_is_not_sampled(world):
    """Enough Ritz values lie near one by accident; what lies along them does not come back as the bulk does."""
    products = world[3]
    few, many = grown(gram(products), depth=5), grown(gram(products), depth=20)
    with pytest.raises(Unresolved, match=r"\|J\^T J v - v\| is .* where the bulk has at most 0.21: 5 steps do not tell"):
        bulk_and_complement(few, 0.1)
    assert bulk_and_complement(many, 0.1)[0].shape == (SIZE, 6)


def test_the_layers_alone_explain_what_they_explain():
    """Bulks with 250 of one layer's 300 directions and 20 of another's 100, random within each, against the truth of a pair."""
    rng = np.random.default_rng(5)

    def bases():
        first, second = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (300, 100))
        basis = np.block([[first, np.zeros((300, 100))], [np.zeros((100, 300)), second]])
        bulk = np.concatenate([np.arange(300) < 250, np.arange(100) < 20])
        return basis[:, bulk], basis[:, ~bulk]

    (bulk, rest), (other, _) = bases(), bases()
    truth = np.mean(np.sum((other.T @ bulk) ** 2, axis=0)) - np.mean(np.sum((other.T @ rest) ** 2, axis=0))
    samples = [np.linalg.qr(part @ rng.standard_normal((part.shape[1], 100)))[0] for part in (bulk, rest)]
    assert contrast_of_layers(*samples, (300, 100), 270 / 400) == pytest.approx(truth, abs=0.03)
    assert truth > 0.25
    # one layer tells nothing
    assert contrast_of_layers(*samples, (400,), 270 / 400) == pytest.approx(0, abs=1e-12)


def test_more_directions_than_the_space_holds_are_refused(world):
    products = world[3]
    with pytest.raises(InvalidInput, match="20 directions of a Krylov space of 12"):
        extreme(grown(gram(products), depth=2), products, 20, largest=True)
