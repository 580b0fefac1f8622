"""Appendix A.1: most singular values of LeNet-5's training Jacobian are very close to one."""

import numpy as np

from harness.suite.claim import claim
from harness.suite.verdict import at_least, at_most

from ..sentences import NOISE
from .worlds import gaussian_matrix, large_gaussian, measured

MOST = "'most' is more than half"
QUOTES = "Spectrum of the training Jacobian for LeNet-5 trained on MNIST. Most singular values are very close to one, just as in Figure 1a."
SAYS = "LeNet-5 (61,706 parameters, MNIST, Adam 0.01 cosine, 3 epochs) has a bulk of most directions"
WHERE = "Appendix A.1, both figures"


@claim(
    "training-jacobian/lenet-5[near]",
    where=WHERE,
    quotes=QUOTES,
    says=SAYS,
    reading="share of |sigma - 1| < 0.1, the distance that makes Section 3.1's count come out, by block Lanczos on J^T J; fewer steps than the paper's",
    accept=at_least(0.5, reason=MOST),
    controls=[gaussian_matrix],
    on="lenet-5",
    over="interval",
    given={"delta": 0.1},
    scales=("large",),
)
@claim(
    "training-jacobian/lenet-5[very-near]",
    where=WHERE,
    quotes=QUOTES,
    says=SAYS,
    reading="share of |sigma - 1| < 0.01: 'very close' taken as within 1 %, by block Lanczos on J^T J; fewer steps than the paper's",
    accept=at_least(0.5, reason=MOST),
    controls=[gaussian_matrix],
    on="lenet-5",
    over="interval",
    given={"delta": 0.01},
    scales=("large",),
)
def test_lenet_5(run, delta):
    space = run.spaces.gram
    values, vectors, _ = space.ritz()
    weights = np.mean(vectors[: space.width] ** 2, axis=0)
    return measured(run, run.spaces.counts[delta].inside, space.depth, ritz=values, weights=weights)


@claim(
    "training-jacobian/lenet-5-noise-no-bulk",
    where="Section 3.5, on LeNet-5",
    quotes=NOISE,
    says="trained on white noise, LeNet-5 has no bulk",
    reading="share of |sigma - 1| < 0.1 is at most 5 %, by block Lanczos on J^T J; fewer steps than the paper's",
    accept=at_most(0.05, reason="'very few': one in twenty, as for the small network"),
    controls=[large_gaussian],
    on="lenet-5-white-noise",
    over="interval",
    scales=("large",),
)
def test_noise_no_bulk(run):
    return measured(run, run.spaces.counts[0.1].inside, run.spaces.gram.depth)


@claim(
    "training-jacobian/lenet-5[unmoved]",
    where=WHERE,
    quotes=QUOTES,
    says=SAYS,
    reading="share of directions with |J v - v| < 0.1 |v|, which keep their length and their direction, by block Lanczos on (J - I)^T (J - I)",
    accept=at_least(0.5, reason=MOST),
    controls=[gaussian_matrix],
    on="lenet-5",
    over="interval",
    scales=("large",),
)
def test_unmoved(run):
    spaces = run.spaces
    found = measured(run, spaces.unmoved[0.1], spaces.displacement.depth)
    inside = spaces.low_rank[0.1].inside
    found.details["range finder, at most"] = inside[2] / run.size
    return found


@claim(
    "training-jacobian/lenet-5[full]",
    where=WHERE,
    quotes=QUOTES,
    says=SAYS,
    reading="share of |sigma - 1| < 0.1 with all 60,000 images, 2,811 steps of 64, by block Lanczos on J^T J",
    accept=at_least(0.5, reason=MOST),
    controls=[gaussian_matrix],
    on="lenet-5-full",
    over="interval",
    scales=("large",),
)
def test_full(run):
    return measured(run, run.spaces.counts[0.1].inside, run.spaces.gram.depth)
