"""The exchangeability test: level and power by simulation, and no result if the data allow none."""

import numpy as np
import pytest

from harness.compare import exchange

# values of exchangeable seeds
DRAWS = {
    "normal": lambda rng, shape: rng.normal(size=shape),
    "uniform": lambda rng, shape: rng.uniform(size=shape),
    "skewed": lambda rng, shape: rng.lognormal(sigma=1.5, size=shape),
    "counts": lambda rng, shape: rng.binomial(9, 0.9, size=shape).astype(float),
    "shares": lambda rng, shape: rng.binomial(20, 0.5, size=shape) / 20,
    "heavy": lambda rng, shape: rng.standard_cauchy(size=shape),
}
CLAIMS, SWEEPS = 50, 80


def answers(test, rows):
    return [test(row).p for row in rows]


def alarms(p_values):
    """Whether any claim of a sweep is named."""
    return any(p is not None and p < exchange.ALPHA for p in exchange.corrected(p_values))


def few(alarmed):
    """At most five in a hundred, to three standard errors of the simulation."""
    return np.mean(alarmed) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / len(alarmed))


@pytest.mark.parametrize("n", [3, 5, 8, 12])
@pytest.mark.parametrize("name", DRAWS)
def test_sweeps_of_paired_seeds_raise_few_alarms(name, n):
    """The same theta_0 on two platforms that give two draws of one distribution."""
    rng = np.random.default_rng(n)
    a, b = (DRAWS[name](rng, (SWEEPS, CLAIMS, n)) for _ in range(2))
    assert few([alarms(answers(exchange.paired, sweep)) for sweep in b - a])


@pytest.mark.parametrize("n", [3, 5, 8])
def test_sweeps_of_uniform_differences_raise_few_alarms(n):
    """The worst smooth differences for Student's t; without the inflation a sweep of three alarms twice as often."""
    d = np.random.default_rng(n).uniform(-1, 1, size=(150, CLAIMS, n))
    assert few([alarms(answers(exchange.paired, sweep)) for sweep in d])


def test_claims_of_the_same_runs_raise_few_alarms_together():
    rng = np.random.default_rng(5)
    d = rng.normal(size=(SWEEPS, 1, 3)) + 0.3 * rng.normal(size=(SWEEPS, CLAIMS, 3))
    assert few([alarms(answers(exchange.paired, sweep)) for sweep in d])


@pytest.mark.parametrize(("n", "m"), [(20, 1), (8, 3)])
@pytest.mark.parametrize("name", DRAWS)
def test_sweeps_over_other_seeds_raise_few_alarms(name, n, m):
    draws = DRAWS[name](np.random.default_rng(7), (SWEEPS, CLAIMS, n + m))
    assert few([alarms(answers(lambda row: exchange.unpaired(row[:n], row[n:]), sweep)) for sweep in draws])


@pytest.mark.parametrize("values", [[1, 1, 1], [1, 2, 3], [0, 0, 1], [0.1, 0.1, 0.1], [5, 6, 7, 8, 9], [0.1, 0.1 + 1e-12, 0.7]])
def test_ties_and_few_whole_numbers_prove_nothing(values):
    found = exchange.paired(values)
    assert found.p is None
    assert "could not show anything" in found.method
    assert found.detectable() is None


def test_five_counts_of_a_hundred_claims_that_move_by_one_raise_no_alarm():
    rng = np.random.default_rng(3)
    moved = [answers(exchange.paired, [*rng.integers(-1, 2, (5, 3)).astype(float), *[[0.0] * 3] * 95]) for _ in range(100)]
    assert not any(map(alarms, moved))


def test_six_whole_numbers_of_one_sign_are_told():
    assert exchange.paired([1, 1, 2, 1, 1, 3]).p == pytest.approx(2 / 64)
    assert exchange.paired([1, 1, 2, 1, 1, -3]).p > 0.05


def test_what_is_equal_throughout_is_no_alarm():
    assert exchange.paired([0.0] * 3).p == 1.0
    assert exchange.unpaired([2.0] * 20, [2.0] * 3).p == 1.0


def test_two_pairs_are_too_few():
    assert exchange.paired([0.1, 0.2]).p is None


def test_other_seeds_need_enough_of_them():
    """Of n + m values in any order, the new ones are the largest in one of as many as there are choices."""
    assert exchange.unpaired([1.0, 2.0, 3.1], [9.0, 9.5, 8.5]).p is None
    assert exchange.unpaired(list(np.arange(20.0) ** 2), [1e4]).p == pytest.approx(1 / 21)


@pytest.mark.parametrize("n", [3, 5, 11, 12, 20])
def test_power_is_what_is_stated(n):
    found = exchange.paired(list(np.random.default_rng(0).normal(size=n)))
    shift = found.detectable()
    assert exchange.power(n, shift) == pytest.approx(0.8, abs=1e-3)
    d = np.random.default_rng(n).normal(shift, 1, size=(800, n))
    assert np.mean([p < 0.05 for p in answers(exchange.paired, d)]) == pytest.approx(0.8, abs=0.05)


@pytest.mark.parametrize(("n", "m"), [(8, 3), (20, 1), (5, 3), (20, 8)])
def test_power_over_other_seeds_is_what_is_stated(n, m):
    rng = np.random.default_rng([n, m])
    shift = exchange.unpaired(list(rng.normal(size=n)), list(rng.normal(size=m))).detectable()
    before, after = rng.normal(size=(800, n)), rng.normal(shift, 1, size=(800, m))
    seen = [exchange.unpaired(a, b).p < exchange.ALPHA for a, b in zip(before, after, strict=True)]
    assert np.mean(seen) == pytest.approx(0.8, abs=0.06)


def test_power_of_whole_numbers_is_that_of_their_signs():
    """Eleven differences of whole numbers need no inflation of Student's t, which eleven others do."""
    rng = np.random.default_rng(2)
    whole = exchange.paired(list(np.round(rng.normal(0, 9, 11))))
    assert (whole.inflation, exchange.paired(list(rng.normal(size=11))).inflation) == (1.0, exchange.inflation(11))
    d = np.round(9 * rng.normal(whole.detectable(), 1, size=(400, 11)))
    assert np.mean([p < exchange.ALPHA for p in answers(exchange.paired, d)]) == pytest.approx(0.8, abs=0.07)


def test_a_p_value_at_the_level_is_no_alarm():
    """Of 20 values in any order one is the largest in a twentieth of all: never below the level."""
    found = exchange.unpaired(list(np.arange(19.0) ** 2), [1e4])
    assert found.p is None
    assert found.detectable() is None


@pytest.mark.parametrize(("together", "least"), [(1, 0.8), (20, 0.8)])
def test_corrected_power_is_what_is_stated(together, least):
    """Of 100 claims of five seeds some shift by what is said to be seen; each is named four times in five, or more often."""
    rng, n, claims = np.random.default_rng(11), 5, 100
    shift = exchange.paired(list(rng.normal(size=n))).detectable(claims, together)
    seen = []
    for _ in range(40 if together == 1 else 5):
        d = rng.normal(size=(claims, n))
        d[:together] += shift
        found = exchange.corrected(answers(exchange.paired, d))
        seen += [p < exchange.ALPHA for p in found[:together]]
    assert np.mean(seen) > least - 3 * np.sqrt(0.16 / len(seen))


def test_a_claim_alone_among_many_is_seen_far_away_only():
    found = exchange.paired([0.1, 0.25, 0.7])
    alone, of_a_hundred = found.detectable(), found.detectable(100)
    assert 5 < alone < 6
    assert of_a_hundred > 50
    assert exchange.unpaired(list(np.random.default_rng(0).normal(size=20)), [0.3]).detectable(100) == np.inf


def test_correction():
    """Benjamini & Hochberg 1995: p_(i) m / i, made monotone from the largest down."""
    found = exchange.corrected([0.01, None, 0.04, 0.03])
    assert found == [pytest.approx(0.03), None, pytest.approx(0.04), pytest.approx(0.04)]
    assert exchange.corrected([None, None]) == [None, None]
