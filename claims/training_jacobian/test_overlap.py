"""Section 3.5: the bulk is roughly independent of the random seed."""

import numpy as np

from harness.measure.measurement import Measurement
from harness.measure.overlap import random_baseline, random_geodesic
from harness.suite.claim import Control, bounded, claim
from harness.suite.verdict import Verdict, at_least

from .sentences import SIMILAR

# At the ends of the grid every pair agrees: k near n spans the whole space, and small k are mostly structural.
JUDGED = (0.1, 0.8)
GEODESIC = (
    "other measures of subspace similarity, such as the geodesic distance on the Grassman manifold, and these did not substantially "
    "change the results"
)
SAYS = "bulks of independent initialisations overlap beyond chance"


noise_in_second_place = Control(
    "the run on white noise in the second run's place", lambda first, second: (first, first.sibling("white-noise"))
)


def seed_overlap(reading, structural, measure="cosine", note=""):
    return claim(
        f"training-jacobian/bulk-seed-overlap[{reading}]",
        where="Section 3.5, Figure 5a" if measure == "cosine" else "Section 3.5, footnote 3",
        quotes=SIMILAR if measure == "cosine" else GEODESIC,
        says=SAYS if measure == "cosine" else "the geodesic distance shows the same overlap",
        reading=f"{note}: excess over the random baseline, smallest over k from 10 % to 80 % of the dimensions, at least 0.05",
        accept=at_least(
            0.05, reason="the sampling spread of the baseline is below 1e-3, so 0.05 is far beyond chance; our reading of 'much'"
        ),
        controls=[noise_in_second_place],
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
@bounded(-1, 1)
def test_bulk_seed_overlap(first, second, structural, measure):
    return excess_overlap(first.overlap(second, structural=structural), measure)


@claim(
    "training-jacobian/bulk-seed-overlap[beyond-pixels]",
    where="Section 3.5, Figure 5a",
    quotes=SIMILAR,
    says=SAYS,
    reading="structural directions left out: what the mean cosine exceeds that with the second bulk turned at random within the weights that leave "
    "each pixel (and each hidden unit) by, smallest over k from 10 % to 80 % of the dimensions, is at least 0.05",
    accept=at_least(0.05, reason="as for the other readings, with the pixels that each bulk avoids as the chance level"),
    controls=[
        noise_in_second_place,
        Control("the first run's own bulk in the second's place", lambda first, second: (first, first), Verdict.SUPPORTED),
    ],
    on="digits",
    over="pairs",
)
@bounded(-1, 1)
def test_beyond_pixels(first, second):
    curve, turned = (first.overlap(second, structural=False, turned=turned) for turned in (False, True))
    return _smallest(curve, turned.cosine, curve.cosine - turned.cosine)


def excess_overlap(curve, measure="cosine"):
    """Smallest excess over the random baseline on the judged part of the grid; both curves are evidence."""
    shares = curve.dimensions / curve.size
    if measure == "cosine":
        baseline = random_baseline(shares)
        excess = curve.cosine - baseline
    else:
        baseline = np.array([random_geodesic(share) for share in shares])
        excess = baseline - curve.geodesic
    return _smallest(curve, baseline, excess, measure)


def _smallest(curve, baseline, excess, measure="cosine"):
    shares = curve.dimensions / curve.size
    judged = (shares > JUDGED[0] - 0.01) & (shares < JUDGED[1] + 0.01)
    own = {"dimensions": curve.dimensions, "size": np.asarray(curve.size), measure: getattr(curve, measure)}
    return Measurement(
        float(excess[judged].min()),
        counted=f"{judged.sum()} values of k in {curve.size} dimensions",
        arrays={**own, "baseline": baseline},
    )
