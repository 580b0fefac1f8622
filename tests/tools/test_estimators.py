"""The record of LeNet-5's formed J, and the comparison of estimators on its spectrum."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from benchmarks import estimators
from benchmarks.form_lenet import load, table
from harness.engine.streams import numpy_stream
from harness.errors import InvalidInput

RECORD = Path(__file__).resolve().parents[2] / "benchmarks" / "records" / "lenet-5-240.npz"
SQUARED_LENGTH = 2_943_276  # of J as a vector, summed over its entries on the device


def test_the_record_is_a_krylov_space_of_lenet_5(capsys):
    table(load(RECORD), [100])
    line = capsys.readouterr().out.splitlines()[-1]
    assert line.startswith("| 100 | 45.6 [0.0, 91.")


def test_more_steps_than_the_record_has_are_refused():
    with pytest.raises(InvalidInput, match="--depths 6000: the record has 5454 block steps"):
        table(load(RECORD), [100, 6000])


def test_the_spectrum_has_the_length_of_the_matrix(monkeypatch):
    monkeypatch.setattr(estimators, "DEPTH", 400)
    squares = estimators.spectrum(load(RECORD))
    assert len(squares) == 61_706
    assert np.all(np.diff(squares) <= 0)
    assert np.sum(squares) == pytest.approx(SQUARED_LENGTH, rel=0.01)  # two random directions give it to a few thousandths
    assert np.mean(np.abs(np.sqrt(squares) - 1) < 0.1) == pytest.approx(0.71, abs=0.04)


@pytest.fixture
def squares(monkeypatch):
    monkeypatch.setattr(estimators, "PRODUCTS", (40, 160))
    rng = numpy_stream(0, "estimators-test")
    sigma = np.concatenate([rng.uniform(0.95, 1.05, 300), rng.uniform(0, 0.6, 50), rng.uniform(1.5, 2, 50)])
    return np.sort(sigma**2)[::-1]


@pytest.mark.parametrize(("width", "known"), [(1, 0), (2, 0), (2, 10)])
def test_intervals_of_lanczos_hold_the_share(squares, width, known):
    for cell in estimators.lanczos(squares, width, known):
        low, high = (float(end) for end in cell.partition("[")[2].rstrip("]").split(", "))
        assert low <= 75 <= high
    assert high - low < 25


def test_a_filter_counts_the_bulk_once_its_degree_resolves_it(squares):
    assert estimators.chebyshev(squares, 600) == pytest.approx(0.75, abs=0.01)
    assert estimators.chebyshev(squares, 4) < 0.6
