"""Blocks of a run's Jacobian, computed by one run and taken by another: the same bits, nothing twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import pytest

from harness import Network
from harness.engine.jacobian import Columns
from harness.errors import InvalidInput
from harness.runs.lab import Lab
from harness.runs.run import Run
from harness.runs.store import Store

SIZE = 20


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """(folder of the store) -> a run of 20 parameters in blocks of 4 columns."""
    monkeypatch.setattr("harness.engine.jacobian.BLOCK", 4)
    monkeypatch.setattr(Store, "keep_compilations", lambda store: None)
    random = np.random.default_rng(0)
    x, y = random.normal(size=(20, 5)), random.normal(size=(20, 4))
    net = Network(
        init=lambda key: {"weights": jax.random.normal(key, (5, 4))},
        apply=lambda params, x: x @ params["weights"],
        loss=lambda outputs, y: ((outputs - y) ** 2).mean(),
        data=(x, y, x, y),
        optimiser=optax.sgd(0.05),
        epochs=2,
        batch=10,
    )

    def made(folder: str) -> Any:
        found = net.run(seed=0, store=Store(tmp_path / folder))
        found.lab.chunk, found.width = 4, 4
        return found

    return made


def test_blocks_of_one_run_are_taken_by_another(run, monkeypatch):
    expected = run("alone").jacobian
    assert run("shared").blocks_left() == [0, 4, 8, 12, 16]
    run("shared").compute_block(8)
    other = run("shared")
    assert other.blocks_left() == [0, 4, 12, 16]
    for first in other.blocks_left():
        other.compute_block(first)
    monkeypatch.setattr(Columns, "block", lambda *_: pytest.fail("a block was computed again"))
    other.compute_block(8)
    assert run("shared").blocks_left() == []
    assert np.array_equal(run("shared").jacobian, expected)


def test_no_block_is_left_where_the_spectrum_is_kept(run):
    first = run("shared")
    first.prepare()
    again = run("shared")
    assert again.blocks_left() == ()
    again.compute_block(0)
    assert not list(again.store.root.glob("*.blocks")), "blocks would never be removed"


def test_the_devices_of_those_who_compute_decide_the_width(run):
    assert run("shared").columns_of(2) == 8
    wide = run("shared")
    wide.width = 8
    assert wide.blocks_left() == [0, 8, 16]


def test_a_process_that_works_on_fewer_columns_at_once_computes_blocks_of_the_given_width(run, monkeypatch):
    """As one with a smaller cache does: the run that asked for the blocks finds them all. Their sums are rounded otherwise."""
    expected = run("alone").jacobian
    small = run("shared")
    small.lab.chunk, small.width = 2, 8
    for first in small.blocks_left():
        small.compute_block(first)
    asked = run("shared")
    asked.width = 8
    assert asked.blocks_left() == []
    monkeypatch.setattr(Columns, "block", lambda *_: pytest.fail("a block was computed again"))
    assert np.allclose(asked.jacobian, expected, rtol=0, atol=1e-6)


def test_a_run_that_cannot_be_divided_says_so():
    plain = Run(type("Plain", (), {"name": "plain", "seed": 0, "fixed_seed": True}), Lab())
    assert not plain.blocks_left()
    with pytest.raises(InvalidInput, match="plain: no block of columns begins at 0: take one of blocks_left"):
        plain.compute_block(0)
