"""The exchangeability test: level and power by simulation, and no result if the data allow none."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, stats

from harness.compare import exchange
from harness.compare.exchange import Exchange

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


def of_student(shift, error, dof, level):
    """Power of a two-sided Student t test by SciPy's non-central t; of its far tail SciPy has NaN in place of nothing."""
    critical = stats.t.isf(level / 2, dof)
    return stats.nct.sf(critical, dof, shift / error) + np.nan_to_num(stats.nct.cdf(-critical, dof, shift / error))


class TestAgainstOracles:
    """Each answer whole, against SciPy or against all arrangements counted one by one."""

    @pytest.mark.parametrize("values", [[0.1, 0.25, 0.7], [-0.1, -0.25, -0.7], [0.3, 0.21, 0.5, 0.12, -0.03], [3.1, 3.2, 3.25]])
    def test_few_pairs_by_students_t(self, values):
        n = len(values)
        found, p = exchange.paired(values), float(stats.ttest_1samp(values, 0).pvalue)
        expected = Exchange(f"paired t, {n} seeds", n, found.p, 1 / math.sqrt(n), n - 1, 0.0, exchange.inflation(n))
        assert found == expected
        assert found.p == pytest.approx(exchange.inflation(n) * p)

    def test_p_is_never_above_one(self):
        assert exchange.paired([1.0, -1.1, 0.11]).p == 1.0

    @pytest.mark.parametrize(
        "values",
        [
            [1, 2, 3, 1, 1, 5],
            [1, -2, 3, 1, 4, 5, 7],
            [0.5, 0.5, 0.1, 0.2, -0.3, 0.4, 0.6, 0.7],
            np.random.default_rng(1).normal(0.4, 1, 12).tolist(),
        ],
    )
    def test_signs(self, values):
        n = len(values)
        sums = [abs(sum(s * v for s, v in zip(signs, values, strict=True))) for signs in itertools.product((1, -1), repeat=n)]
        p, least = (np.mean(np.array(sums) > size * (1 - 1e-9)) for size in (abs(sum(values)), max(sums)))
        assert exchange.paired(values) == Exchange(f"signs of {n} differences", n, p, 1 / math.sqrt(n), n - 1, least)

    @pytest.mark.parametrize(("n", "m", "shift"), [(6, 4, 1.0), (20, 1, 2.0), (4, 5, -1.0), (8, 3, 0.0)])
    def test_permutations(self, n, m, shift):
        rng = np.random.default_rng([n, m])
        before, after = rng.normal(5, 1, n), rng.normal(5 + shift, 1, m)
        values = np.array([*after, *before])
        sums = [abs(sum(values[list(chosen)]) - m * values.mean()) for chosen in itertools.combinations(range(n + m), m)]
        p, least = (np.mean(np.array(sums) > size * (1 - 1e-9)) for size in (sums[0], max(sums)))
        error = math.sqrt(1 / n + 1 / m)
        assert exchange.unpaired(list(before), list(after)) == Exchange(
            f"{m} new values among {n} of other seeds", m, p, pytest.approx(error), n + m - 2, least
        )

    @pytest.mark.parametrize(("before", "after"), [((9, 10), (3, 12)), ((0, 7), (5, 5)), ((50, 100), (50, 100))])
    def test_proportions(self, before, after):
        table = [[before[0], before[1] - before[0]], [after[0], after[1] - after[0]]]
        assert exchange.proportions(before, after) == Exchange(
            "Fisher's exact test", after[1], pytest.approx(stats.fisher_exact(table).pvalue)
        )

    @pytest.mark.parametrize("n", [3, 4, 5, 8, 11])
    def test_inflation_is_the_ratio_of_both_tails(self, n):
        """Integrals of f(x)^n |x|^(n - 1), which do not depend on the scale."""
        tails = [
            integrate.quad(lambda x, f=f: f.pdf(x) ** n * abs(x) ** (n - 1), -20, 20, points=[-1, 1], limit=200)[0]
            for f in (stats.uniform(-1, 2), stats.norm)
        ]
        assert exchange.inflation(n) == pytest.approx(tails[0] / tails[1], rel=1e-6)

    @pytest.mark.parametrize(
        ("n", "shift", "alpha"), [(3, 5.0, 0.05), (5, 1.0, 0.05), (11, 1.0, 0.01), (12, 1.0, 0.05), (20, 0.3, 0.2)]
    )
    def test_power(self, n, shift, alpha):
        level = alpha / exchange.inflation(n) if n < 12 else alpha
        expected = of_student(shift, 1 / math.sqrt(n), n - 1, level)
        assert exchange.power(n, shift, alpha) == exchange.power(n, -shift, alpha) == pytest.approx(expected, abs=1e-3)
        assert exchange.power(n, 0.0, alpha) == pytest.approx(level, abs=1e-3)
        assert exchange.power(n, shift) == exchange.power(n, shift, 0.05)


class TestDetectable:
    @pytest.mark.parametrize(("claims", "together", "level"), [(1, 1, 0.05), (10, 1, 0.005), (10, 5, 0.025), (40, 2, 0.0025)])
    @pytest.mark.parametrize(("error", "dof", "inflation"), [(0.5, 5, 1.0), (0.25, 15, 1.0), (0.5, 5, 1.5)])
    def test_the_shift_is_seen_four_times_in_five(self, claims, together, level, error, dof, inflation):
        shift = Exchange("t", 9, 0.5, error, dof, inflation=inflation).detectable(claims, together)
        assert of_student(shift, error, dof, level / inflation) == pytest.approx(0.8, abs=2e-3)

    @pytest.mark.parametrize(("least", "level"), [(0.02, 0.04), (0.025, 0.025), (0.03, 0.03), (0.0001, 0.0499)])
    def test_p_values_come_in_steps(self, least, level):
        shift = Exchange("signs", 9, 0.5, 0.5, 8, least).detectable()
        assert of_student(shift, 0.5, 8, level) == pytest.approx(0.8, abs=2e-3)

    @pytest.mark.parametrize(("least", "claims"), [(0.05, 1), (0.02, 3), (0.0251, 2)])
    def test_where_no_p_value_is_low_enough_no_shift_is_seen(self, least, claims):
        assert Exchange("signs", 9, 0.5, 0.5, 8, least).detectable(claims) == math.inf

    @pytest.mark.parametrize("found", [Exchange("none"), exchange.proportions((5, 10), (6, 10)), exchange.paired([1.0, 2.0])])
    def test_nothing_is_said_where_the_power_is_not_known(self, found):
        assert found.detectable() is None


class TestEqualButForRounding:
    """Values that differ by a billionth of the largest are equal."""

    @pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
    def test_arrangements_that_only_rounding_tells_apart_count_alike(self, scale):
        """One of 60 values is as large as the new one but for ``by``."""

        def found(by):
            return exchange.unpaired([*(scale * np.linspace(0, 1, 59)), scale * (9.0 + by)], [scale * 9.0])

        assert [(one.p, one.least) for one in map(found, (1e-12, 1e-6, -1e-6))] == [
            (2 / 61, 2 / 61),
            (2 / 61, 1 / 61),
            (1 / 61, 1 / 61),
        ]

    @pytest.mark.parametrize(
        ("values", "counted"),
        [
            ([1.0, 2.0, 4.0, 8.0, 16.0, 32.0], True),
            ([1.5, 2.0, 4.0, 8.0, 16.0, 32.0], False),
            ([1.5, 2.5, -1.5, 8.5, 16.0, 32.0], True),
            ([1.5, 2.5, 1.5 + 2e-8, 8.5, 16.0, 32.0], True),
            ([1.5, 2.5, 1.5 + 1e-7, 8.5, 16.0, 32.0], False),
            ([0.0, 0.0, 1.5, 8.5, 16.0, 32.0], True),
        ],
    )
    def test_whole_numbers_and_equal_sizes_are_told_by_their_signs(self, values, counted):
        assert exchange.paired(values).method.startswith("signs" if counted else "paired t")


class TestManyValues:
    """More than 20 000 arrangements: some at random, the observed one first."""

    def test_of_many_pairs(self):
        """The share of drawn signs is that of all signs, to four standard errors."""
        values = np.random.default_rng(3).normal(0.9, 1, 16)
        found = exchange.paired(values.tolist())
        all_sums = np.abs(np.array(list(itertools.product((1.0, -1.0), repeat=16))) @ values)
        p = np.mean(all_sums >= abs(values.sum()) * (1 - 1e-9))
        assert 0.01 < p < 0.2
        assert found.p == pytest.approx(p, abs=4 * math.sqrt(p / 20_000))
        assert exchange.paired([9.0 + 0.01 * n for n in range(40)]).p == 1 / 20_000

    def test_of_many_other_seeds(self):
        rng = np.random.default_rng(8)
        before, after = rng.normal(0, 1, 20), rng.normal(0.8, 1, 20)
        found = exchange.unpaired(before.tolist(), after.tolist())
        p = stats.permutation_test(
            (after, before), lambda a, b, axis: a.mean(axis) - b.mean(axis), n_resamples=20_000, rng=np.random.default_rng(0)
        ).pvalue
        assert found.p == pytest.approx(p, abs=6 * math.sqrt(p / 20_000))
        assert exchange.unpaired(list(range(20)), [100.0 + n for n in range(20)]).p == 1 / 20_000


@pytest.mark.parametrize(("n", "m", "tested"), [(2, 90, False), (3, 90, True), (30, 0, False), (30, 1, True)])
def test_three_seeds_of_the_baseline_and_one_new_value_are_the_least(n, m, tested):
    rng = np.random.default_rng(0)
    found = exchange.unpaired(rng.normal(size=n).tolist(), rng.normal(size=m).tolist())
    assert (found.p is not None) is tested
    assert found.n == m


def test_answers_that_test_nothing_say_of_how_many_values():
    assert exchange.paired([0.1, 0.2]).n == 2
    assert exchange.paired([1.0, 1.0, 1.0]).n == 3
    assert exchange.paired([0.0] * 4).n == 4
    assert exchange.unpaired([1.0, 2.0, 3.1], [9.0, 9.5]).n == 2
