"""Matrix-free counts for any network: the documented example, the three counts and the comparison against the dense truth."""

import re
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from harness.engine.directions import Unresolved, bulk_and_complement
from harness.engine.krylov import Dense, Krylov, gram, probes
from harness.engine.matrix_free import compare_bulks, count
from harness.errors import InvalidInput
from harness.suite.verdict import CONFIDENCE

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "large.md"


class Ticking:
    """A clock on which every step takes one second, however busy the machine is."""

    def __init__(self):
        self.now = 0

    def __call__(self):
        self.now += 1
        return self.now


def test_the_documented_examples_run(capsys):
    own, _, directions = re.findall(r"```python\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    names = {"__name__": "example", "Ticking": Ticking}
    for program in (own, directions):
        exec(compile(program.replace("seconds=20", "seconds=40, clock=Ticking()"), str(DOCUMENT), "exec"), names)
    assert names["found"].gram.depth == 24
    shown = capsys.readouterr().out
    assert shown.count("|sigma - 1| < ") == 4
    assert "directions that do not move" in shown
    assert "cos(v, J v) along the bulk: [0.9" in shown
    shares = [float(re.search(rf"{what}: (-?[\d.]+)", shown)[1]) for what in ("contrast", "of the layers alone")]
    assert -1 < shares[1] < 100 * shares[0], "the seeds of this example share more than their layers"


def world(size=400):
    """A J with a bulk of nine tenths that stays where it is."""
    rng = np.random.default_rng(0)
    moved = rng.standard_normal((2, size, size // 10))
    return np.eye(size) + 4 * moved[0] @ moved[1].T / size + 0.01 * rng.standard_normal((size, size)) / np.sqrt(size)


def test_three_counts_hold_the_truth_and_agree():
    matrix = world()
    sigma, shifted = np.linalg.svd(matrix, compute_uv=False), np.linalg.svd(matrix - np.eye(len(matrix)), compute_uv=False)
    found = count(Dense(matrix), len(matrix), seconds=160, confidence=CONFIDENCE, width=4, clock=Ticking())
    inside = np.mean(np.abs(sigma - 1) < 0.1)
    assert found.counts[0.1].inside.low <= inside <= found.counts[0.1].inside.high
    assert found.unmoved[0.1].low <= np.mean(shifted < 0.1) <= found.unmoved[0.1].high
    estimate, least, most = found.low_rank[0.1].inside
    assert least <= inside * len(matrix) <= most
    assert estimate / len(matrix) == pytest.approx(inside, abs=0.05)
    assert set(found.spent) == {"gram", "displacement", "range"}


def test_what_is_kept_is_taken_up():
    matrix, kept = world(), {}
    keep = lambda name: kept.setdefault(name, {})  # noqa: E731
    first = count(Dense(matrix), len(matrix), seconds=20, confidence=CONFIDENCE, width=4, keep=keep, clock=Ticking())

    class Never:
        def forward(self, block):
            raise AssertionError("what is kept must not be computed again")

        adjoint = forward

    again = count(Never(), len(matrix), seconds=20, confidence=CONFIDENCE, width=4, keep=keep, clock=Ticking())
    assert np.array_equal(again.gram.tridiagonal(), first.gram.tridiagonal())
    assert again.counts[0.1] == first.counts[0.1]
    assert again.low_rank == first.low_rank


def test_progress_is_told_with_the_time_left():
    told = []
    report = lambda spaces, left: told.append((spaces.gram.depth, left))  # noqa: E731
    count(Dense(world(100)), 100, seconds=10, confidence=CONFIDENCE, width=4, report=report, clock=Ticking())
    assert told[0] == (0, 10)
    assert [left for _, left in told] == sorted((left for _, left in told), reverse=True)
    assert told[-1] == (5, 0)


def test_a_budget_too_small_for_one_probe_is_refused():
    with pytest.raises(InvalidInput, match=r"too few: a step takes about .* s and 6 more are the least"):
        count(Dense(world(100)), 100, seconds=1e-8, confidence=CONFIDENCE, width=4)


def bulky(basis, spread=0.02):
    """A J whose bulk is the span of all but the first 60 columns of an orthonormal basis."""
    size = len(basis)
    sigma = np.concatenate([np.geomspace(30, 1.5, 60), 1 + spread * np.linspace(-1, 1, size - 60)])
    return basis @ (sigma[:, None] * basis.T)


def contrast_of(first, second, outside):
    """The truth: mean squared cosines with the second's bulk, of the first one's bulk less those of its complement."""
    shares = np.sum((first.T @ second[:, outside:]) ** 2, axis=1)
    return shares[outside:].mean() - shares[:outside].mean()


@pytest.mark.parametrize("shared", [0, 30, 60])
def test_a_comparison_holds_the_truth(shared):
    """Two runs whose complements of the bulk share none, half or all of their 60 directions."""
    size, (first, second) = 400, (np.linalg.qr(np.random.default_rng(i).standard_normal((400, 400)))[0] for i in (0, 1))
    second = np.linalg.qr(np.concatenate([first[:, :shared], second[:, : size - shared]], axis=1))[0]
    truth = contrast_of(first, second, 60)
    space = count(Dense(bulky(first)), size, seconds=120, confidence=CONFIDENCE, width=4, clock=Ticking()).gram
    parts = bulk_and_complement(space, 0.1)
    compared = compare_bulks(Dense(bulky(second)), *parts, 0.1, seconds=80, sampled=0.75, confidence=CONFIDENCE, clock=Ticking())
    # blocks are kept in float32
    assert compared.contrast.low - 1e-6 <= truth <= compared.contrast.high + 1e-6
    assert compared.contrast.estimate == pytest.approx(truth, abs=0.1)
    assert set(compared.spent) == {"inside", "outside"}


def test_what_leaks_across_the_edge_of_the_bulk_lowers_the_contrast_a_little():
    """Singular values without a gap at 1.1, sampled from as few steps as are allowed."""
    size, (first, second) = 600, (np.linalg.qr(np.random.default_rng(i).standard_normal((600, 600)))[0] for i in (0, 1))
    second = np.linalg.qr(np.concatenate([first[:, :100], second[:, :500]], axis=1))[0]
    sigma = np.concatenate([np.geomspace(20, 1.1, 150), 1.1 - 0.1 * np.linspace(0, 1, 450) ** 0.5])
    truth, parts = contrast_of(first, second, 150), None
    operator = gram(Dense(first @ (sigma[:, None] * first.T)))
    space = Krylov.start(probes(size, 4, np.random.default_rng(3)))
    while parts is None:
        for _ in range(5):
            space.extend(operator)
        with suppress(Unresolved):
            parts = bulk_and_complement(space, 0.1)
    products = Dense(second @ (sigma[:, None] * second.T))
    found = compare_bulks(products, *parts, 0.1, seconds=140, sampled=0.75, confidence=CONFIDENCE, clock=Ticking()).contrast
    assert space.depth > 10, "a few steps do not resolve this bulk"
    assert truth - 0.15 < found.estimate < truth + 0.02


def test_a_comparison_is_taken_up():
    matrix, kept = world(), {}
    keep = lambda name: kept.setdefault(name, {})  # noqa: E731
    space = count(Dense(matrix), len(matrix), seconds=40, confidence=CONFIDENCE, width=4, clock=Ticking()).gram
    parts = bulk_and_complement(space, 0.1)
    first = compare_bulks(Dense(matrix), *parts, 0.1, seconds=10, sampled=0.75, confidence=CONFIDENCE, keep=keep, clock=Ticking())
    steps = {name: len(held) for name, held in kept.items()}
    more = compare_bulks(Dense(matrix), *parts, 0.1, seconds=20, sampled=0.75, confidence=CONFIDENCE, keep=keep, clock=Ticking())
    assert steps == {"inside": 5, "inside-seconds": 5, "outside": 5, "outside-seconds": 5}
    assert np.array_equal(more.inside.tridiagonal(5), first.inside.tridiagonal())
    assert more.contrast.bias < first.contrast.bias
