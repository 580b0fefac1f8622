"""Appendix A.1: most singular values of LeNet-5's training Jacobian are very close to one."""

from contextlib import suppress
from dataclasses import replace

import numpy as np

from harness.engine.counting import difference
from harness.errors import NotRun
from harness.suite.claim import claim
from harness.suite.verdict import at_least, at_most

from ..sentences import NOISE
from .experiments import at
from .horizons import horizons, longest, near, table
from .worlds import gaussian_matrix, gaussian_on_noise, large_gaussian, measured, noise_for_images

HALF, VERY_FEW, A_TENTH = 0.5, 0.05, 0.1
MOST = "'most' is more than half"
QUOTES = "Spectrum of the training Jacobian for LeNet-5 trained on MNIST. Most singular values are very close to one, just as in Figure 1a."
SAYS = "LeNet-5 (61,706 parameters, MNIST, Adam 0.01 cosine, 3 epochs) has a bulk of most directions"
WHERE = "Appendix A.1, both figures"
HOW = "by block Lanczos on J^T J, at the longest horizon that decides (60 to 420 training steps)"
IMAGES, ON_NOISE, SHUFFLED = at("images"), at("white-noise"), at("shuffled-labels")


@claim(
    "training-jacobian/lenet-5[near]",
    where=WHERE,
    quotes=QUOTES,
    says=SAYS,
    reading=f"share of |sigma - 1| < 0.1, the distance that makes Section 3.1's count come out, {HOW}",
    accept=at_least(HALF, reason=MOST),
    controls=[gaussian_matrix],
    on=IMAGES,
    over="interval",
    given={"delta": 0.1},
    scales=("large",),
)
@claim(
    "training-jacobian/lenet-5[very-near]",
    where=WHERE,
    quotes=QUOTES,
    says=SAYS,
    reading=f"share of |sigma - 1| < 0.01: 'very close' taken as within 1 %, {HOW}",
    accept=at_least(HALF, reason=MOST),
    controls=[gaussian_matrix],
    on=IMAGES,
    over="interval",
    given={"delta": 0.01},
    scales=("large",),
)
def test_lenet_5(run, delta):
    found = horizons(run, "images", near(delta))
    one = longest(found, HALF)
    space = one.run.spaces.gram
    values, vectors, _ = space.ritz()
    weights = np.mean(vectors[: space.width] ** 2, axis=0)
    return measured(one.run, one.share, one.depth, ritz=values, weights=weights)


@claim(
    "training-jacobian/lenet-5-noise-no-bulk",
    where="Section 3.5, on LeNet-5",
    quotes=NOISE,
    says="trained on white noise, LeNet-5 has no bulk",
    reading=f"share of |sigma - 1| < 0.1 is at most 5 %, {HOW}",
    accept=at_most(VERY_FEW, reason="'very few': one in twenty, as for the small network"),
    controls=[large_gaussian],
    on=ON_NOISE,
    over="interval",
    scales=("large",),
)
def test_noise_no_bulk(run):
    one = longest(horizons(run, "white-noise", near(0.1)), VERY_FEW)
    return measured(one.run, one.share, one.depth)


@claim(
    "training-jacobian/lenet-5-noise-no-bulk[fewer]",
    where="Section 3.5, on LeNet-5",
    quotes=NOISE,
    says="trained on white noise, LeNet-5 has a smaller bulk than trained on images",
    reading="share of |sigma - 1| < 0.1 on images less that on white noise, at the longest horizon of both that decides, is at least 0.1",
    accept=at_least(A_TENTH, reason="a tenth of all directions; our reading of a bulk beside very few"),
    controls=[noise_for_images, gaussian_on_noise],
    on=(*IMAGES, *ON_NOISE, *SHUFFLED),
    over="interval",
    scales=("large",),
)
def test_fewer_on_noise(run):
    worlds = {world: horizons(run, world, near(0.1)) for world in ("images", "white-noise")}
    both = worlds["images"].keys() & worlds["white-noise"].keys()
    less = {
        steps: replace(worlds["images"][steps], share=difference(*(worlds[world][steps].share for world in worlds)))
        for steps in both
    }
    one = longest(less, A_TENTH)
    with suppress(NotRun):  # it is shown where it was measured, and nothing is judged by it
        worlds["shuffled-labels"] = horizons(run, "shuffled-labels", near(0.1))
    tables = {f"on-{world}": table(found) for world, found in worlds.items()}
    return measured(one.run, one.share, one.depth, **tables)


@claim(
    "training-jacobian/lenet-5[unmoved]",
    where=WHERE,
    quotes=QUOTES,
    says=SAYS,
    reading="share of directions with |J v - v| < 0.1 |v|, which keep their length and their direction, by block Lanczos on "
    "(J - I)^T (J - I), at the longest horizon that decides (60 to 420 training steps)",
    accept=at_least(HALF, reason=MOST),
    controls=[gaussian_matrix],
    on=IMAGES,
    over="interval",
    scales=("large",),
)
def test_unmoved(run):
    one = longest(horizons(run, "images", lambda spaces: spaces.unmoved[0.1], "displacement"), HALF)
    found = measured(one.run, one.share, one.depth)
    inside = one.run.spaces.low_rank[0.1].inside
    found.details["range finder, at most"] = inside[2] / run.size
    return found


@claim(
    "training-jacobian/lenet-5[full]",
    where=WHERE,
    quotes=QUOTES,
    says=SAYS,
    reading="share of |sigma - 1| < 0.1 with all 60,000 images, 2,811 steps of 64, by block Lanczos on J^T J",
    accept=at_least(HALF, reason=MOST),
    controls=[gaussian_matrix],
    on="lenet-5-full",
    over="interval",
    scales=("large",),
)
def test_full(run):
    full = run.sibling("lenet-5-full")
    return measured(full, full.spaces.counts[0.1].inside, full.spaces.gram.depth)
