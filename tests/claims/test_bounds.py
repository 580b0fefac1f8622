"""Claims on shares have the bounds 0 and 1, so that no interval of a share reaches beyond them."""

from __future__ import annotations

import inspect
import math
import re
from pathlib import Path

import pytest

from harness.suite.catalogue import declare_all
from harness.suite.claim import REGISTRY
from harness.suite.portable import of_paper

ROOT = Path(__file__).parents[2]
declare_all(ROOT / "claims", ROOT)

ANYWHERE = [claim for paper in ("tiny-subspace", "training-jacobian") for claim in of_paper(paper)]  # on any network
# those that random seeds decide: only their intervals come from Student's law, which knows no bounds
SEEDED = [
    claim for claim in REGISTRY.values() if claim.over in ("seeds", "pairs") and claim.place.startswith(str(ROOT / "claims"))
]
PORTS = ("on-wine]", "on-breast-cancer]", "on-diabetes]")  # claims on any network, which have a test of their own
UNBOUNDED = re.compile(r"log10|share of the fall|doublings")  # what may be anything: a logarithm, and a fall that may be a rise
ANY_VALUE = {
    # exponents
    "test_alignment_time",
    "test_emergence",
    # ratios of eigenvalues of a Hessian, which may be negative
    "test_late_eigenvalues",
    "test_late_last_layer",
    "test_whole_separation",
    "test_positive_top",
    # shares of a fall of the loss, which may rise
    "test_confined",
    "test_no_progress",
    "test_one_step",
    # logarithms
    "test_rapidly_nonsurgical",
}


def units(claim):
    """The claim's unit, and those that its function gives what it measured."""
    return {claim.unit, *re.findall(r'unit="([^"]*)"', inspect.getsource(claim.function))} - {""}


@pytest.mark.parametrize("claim", SEEDED + ANYWHERE, ids=lambda claim: f"{claim.id}, any network" if claim.portable else claim.id)
def test_a_share_has_bounds(claim):
    if "share" in units(claim):
        assert claim.bounds == (0, 1)
    if "ratio" in units(claim):
        assert claim.bounds == (0, math.inf)


@pytest.mark.parametrize("claim", [one for one in SEEDED if not one.id.endswith(PORTS)], ids=lambda claim: claim.id)
def test_what_has_no_bounds_is_listed(claim):
    """Every other quantity has them, whatever its unit: Student's intervals of overlaps near one reach beyond one."""
    unbounded = any(UNBOUNDED.search(unit) for unit in units(claim)) or claim.function.__name__ in ANY_VALUE
    assert (claim.bounds is None) == unbounded


@pytest.mark.parametrize("claim", ANYWHERE, ids=lambda claim: claim.id)
def test_on_any_network_whatever_is_no_logarithm_has_bounds(claim):
    unbounded = "log10" in inspect.getsource(claim.function) or any(UNBOUNDED.search(unit) for unit in units(claim))
    assert (claim.bounds is None) == unbounded
