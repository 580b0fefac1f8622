"""Section 3.5: the bulk is roughly independent of the random seed."""

import numpy as np

from harness.engine.streams import numpy_stream
from harness.measure.measurement import Measurement
from harness.measure.overlap import SHARES, overlap_curve, random_baseline, random_geodesic
from harness.suite.claim import Control, claim
from harness.suite.verdict import at_least

# At the ends of the grid every pair agrees: k near n spans everything, and few k are mostly structural.
JUDGED = (0.1, 0.8)
SAYS = "training trajectories with independent random initializations have similar bulks, much more similar than one would expect by chance"


class _RandomOverlap:
    """Overlap with a random subspace: principal angles of the first k with a rotated basis, drawn once a dimension."""

    def __init__(self, run):
        self._run = run

    def overlap(self, other, *, structural=True):
        size = 400  # the law depends on k / n alone, and at 400 its spread is below 0.01
        cross = np.linalg.qr(numpy_stream(self._run.experiment.seed, "random-basis").normal(size=(size, size)))[0]
        dimensions = np.round(size * np.array(SHARES)).astype(int)
        return overlap_curve(cross, dimensions)


def _random_subspace(first, second):
    return _RandomOverlap(first), second


random_subspaces = Control("random subspaces of the same dimensions", _random_subspace)


def seed_overlap(reading, structural, measure="cosine", note=""):
    return claim(
        f"training-jacobian/bulk-seed-overlap[{reading}]",
        where="Section 3.5, Figure 5a" if measure == "cosine" else "Section 3.5, footnote 3",
        says=SAYS
        if measure == "cosine"
        else "the geodesic distance on the Grassmann manifold does not substantially change the results",
        reading=f"{note}: excess over the random baseline, smallest over k from 10 % to 80 % of the dimensions, at least 0.05",
        accept=at_least(
            0.05, reason="the sampling spread of the baseline is below 1e-3, so 0.05 is far beyond chance; our reading of 'much'"
        ),
        controls=[random_subspaces],
        on="digits",
        over="pairs",
        given={"structural": structural, "measure": measure},
        scales=("smoke", "paper"),
    )


@seed_overlap("all", True, note="mean cosine of the principal angles between bulks at k")
@seed_overlap("nontrivial", False, note="mean cosine between bulks at k, structural directions and their dimensions left out")
@seed_overlap(
    "geodesic", False, "geodesic", note="geodesic distance relative to orthogonal subspaces, structural directions left out"
)
def test_bulk_seed_overlap(first, second, structural, measure):
    return excess_overlap(first.overlap(second, structural=structural), measure)


def excess_overlap(curve, measure="cosine"):
    """Smallest excess over the random baseline on the judged part of the grid, with both curves as evidence."""
    shares = curve.dimensions / curve.size
    if measure == "cosine":
        baseline = random_baseline(shares)
        excess = curve.cosine - baseline
    else:
        baseline = np.array([random_geodesic(share) for share in shares])
        excess = baseline - curve.geodesic
    judged = (shares > JUDGED[0] - 0.01) & (shares < JUDGED[1] + 0.01)
    own = {"dimensions": curve.dimensions, "size": np.asarray(curve.size), measure: getattr(curve, measure)}
    return Measurement(
        float(excess[judged].min()),
        counted=f"{judged.sum()} values of k in {curve.size} dimensions",
        arrays={**own, "baseline": baseline},
    )
