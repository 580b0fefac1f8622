"""The example claim of docs/claim.md works as written."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness.engine.spectrum import decompose
from harness.suite.claim import REGISTRY
from harness.suite.quotations import load, unquoted

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "claim.md"


@pytest.fixture
def claim():
    program = PAGE.read_text(encoding="utf-8").split("```python\n")[1].split("```")[0]
    names: dict[str, object] = {"__name__": "page"}
    exec(compile(program, "claims/training_jacobian/test_trace.py", "exec"), names)
    (made,) = names["test_mostly_identity"].__claims__  # type: ignore[attr-defined]
    yield made
    del REGISTRY[made.id]


def planted(share: float):
    """J is the identity on a share of its directions, and maps the others to a tenth of orthogonal ones."""
    size, kept = 200, round(200 * share)
    turned = np.linalg.qr(np.random.default_rng(0).standard_normal((size - kept, size - kept)))[0]
    jacobian = np.eye(size)
    jacobian[kept:, kept:] = 0.1 * turned
    return SimpleNamespace(spectrum=decompose(jacobian), experiment=SimpleNamespace(seed=0))


class TestExample:
    def test_the_measurement_is_the_mean_of_the_diagonal(self, claim):
        run = planted(0.8)
        assert claim.measure(run) == pytest.approx(0.8, abs=0.01)
        assert claim.accept.low <= claim.measure(run)

    def test_a_jacobian_that_is_mostly_something_else_is_refused(self, claim):
        assert claim.measure(planted(0.3)) < claim.accept.low

    def test_what_it_quotes_is_in_the_paper(self, claim):
        assert unquoted(claim.quotes, load(ROOT / "fixtures" / "quotes.json.gz")[claim.paper]) == []

    def test_its_control_is_refused(self, claim):
        (control,) = claim.controls
        assert claim.measure(control.world(planted(0.8))) < claim.accept.low
