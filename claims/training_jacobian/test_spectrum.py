"""Section 3.1: how many singular values lie in each region, and nearly identical left and right singular vectors."""

import math

import numpy as np

from harness.measure.counts import count, near_one
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, claim
from harness.suite.verdict import Verdict, at_least, at_most, within

from .sentences import ALIGNED, IDENTICAL, MAGNIFIED, NEAR_ONE, NOISE, UNCHANGED
from .worlds import (
    exact_bulk,
    gaussian_matrix,
    scaled,
    shuffled_vectors,
    turned_vectors,
    white_noise_inputs,
    zero_steps,
)

FIRST_500 = f"The first 500 or so singular values are also notable. {MAGNIFIED}"
CHAOTIC = 'a "chaotic" region of values orders of magnitude greater than one'
LAST_750 = "the last 750 or so singular vectors are less than one"
ABOUT_3000 = "'about 3000': one significant figure, so 10 % either way"
OR_SO = "'or so' of a round number: 50 either way"


@claim(
    "training-jacobian/bulk-count[all]",
    where="Section 3.1, Figure 1a",
    quotes=NEAR_ONE,
    says="the bulk holds about 3000 of the 4810 directions",
    calibrated=True,
    reading="number of |sigma - 1| < 0.1; 0.1 is calibrated: the paper gives no threshold, and this one makes its count come out",
    bounds=(0, math.inf),
    accept=within(2700, 3300, reason=ABOUT_3000),
    controls=[white_noise_inputs, gaussian_matrix, zero_steps],
    on="digits",
    given={"delta": 0.1},
    published=3000,
)
@claim(
    "training-jacobian/bulk-count[strict]",
    where="Section 3.1, Figure 1a",
    quotes=NEAR_ONE,
    says="the bulk holds about 3000 of the 4810 directions",
    reading="number of |sigma - 1| < 0.01: 'extremely close' taken as within 1 %",
    bounds=(0, math.inf),
    accept=within(2700, 3300, reason=ABOUT_3000),
    controls=[white_noise_inputs, exact_bulk],
    on="digits",
    given={"delta": 0.01},
    published=3000,
)
def test_bulk_count(spectrum, delta):
    return near_one(spectrum, delta)


@claim(
    "training-jacobian/bulk-count[nontrivial]",
    bounds=(0, 1),
    where="Section 3.1, Figure 1a",
    quotes=UNCHANGED,
    says="the bulk has its share of the directions that structure leaves, too",
    calibrated=True,
    reading="share of |sigma - 1| < 0.1 among the directions that are not carried exactly for structural reasons",
    accept=within(2700 / 4810, 3300 / 4810, reason="the paper's share of 3000 / 4810, one significant figure"),
    controls=[white_noise_inputs, gaussian_matrix, zero_steps],
    on="digits",
    published=3000 / 4810,
)
def test_bulk_share(spectrum):
    inside = near_one(spectrum, 0.1, structural=False)
    total = np.count_nonzero(~spectrum.structural)
    return Measurement(inside.value / total, counted=f"of {total} directions", arrays=inside.arrays)


@claim(
    "training-jacobian/chaotic-count[1.5]",
    where="Section 3.1",
    quotes=FIRST_500,
    says="about 500 singular values are greater than one",
    calibrated=True,
    reading="number of sigma > 1.5; 1.5 is calibrated: the paper gives no threshold",
    bounds=(0, math.inf),
    accept=within(450, 550, reason=OR_SO),
    controls=[white_noise_inputs, gaussian_matrix, zero_steps],
    on="digits",
    given={"above": 1.5},
    published=500,
)
@claim(
    "training-jacobian/chaotic-count[1.1]",
    where="Section 3.1",
    quotes=FIRST_500,
    says="about 500 singular values are greater than one",
    reading="number of sigma > 1.1: everything above the bulk as bulk-count delimits it",
    bounds=(0, math.inf),
    accept=within(450, 550, reason=OR_SO),
    controls=[white_noise_inputs, Control("J shrunk by 1.1 / 1.5", scaled(1.1 / 1.5).world, Verdict.SUPPORTED)],
    on="digits",
    given={"above": 1.1},
    published=500,
)
def test_chaotic_count(spectrum, above):
    return count(spectrum, above, np.inf)


@claim(
    "training-jacobian/chaotic-magnitude[top-weak]",
    where="Abstract",
    quotes=CHAOTIC,
    says="chaotic singular values are greater than one by orders of magnitude",
    reading="sigma_1 is at least one order of magnitude above one",
    bounds=(0, math.inf),
    accept=at_least(10, reason="one order of magnitude"),
    controls=[scaled(0.01), gaussian_matrix, zero_steps],
    on="digits",
    scales=("smoke", "paper"),
    given={"rank": 1},
)
@claim(
    "training-jacobian/chaotic-magnitude[top-strong]",
    where="Abstract",
    quotes=CHAOTIC,
    says="chaotic singular values are greater than one by orders of magnitude",
    reading="sigma_1 is at least two orders of magnitude above one ('orders' is plural)",
    bounds=(0, math.inf),
    accept=at_least(100, reason="two orders of magnitude"),
    controls=[gaussian_matrix, scaled(10, expect=Verdict.SUPPORTED)],
    on="digits",
    given={"rank": 1},
)
@claim(
    "training-jacobian/chaotic-magnitude[median]",
    where="Abstract",
    quotes=CHAOTIC,
    says="chaotic singular values are greater than one by orders of magnitude",
    reading="the median of the first 500 singular values ('first 500 or so') is at least one order of magnitude above one",
    bounds=(0, math.inf),
    accept=at_least(10, reason="one order of magnitude, of the region and not of its largest value"),
    controls=[gaussian_matrix, scaled(10, expect=Verdict.SUPPORTED)],
    on="digits",
    given={"rank": 250},
)
def test_chaotic_magnitude(spectrum, rank):
    return Measurement(float(spectrum.sigma[rank - 1]), counted=f"sigma_{rank}", arrays={"sigma": spectrum.sigma})


@claim(
    "training-jacobian/stable-count[0.9]",
    where="Section 3.1",
    quotes=LAST_750,
    says="about 750 singular values are less than one",
    reading="number of sigma < 0.9: everything below the bulk as bulk-count delimits it",
    bounds=(0, math.inf),
    accept=within(700, 800, reason=OR_SO),
    controls=[zero_steps, Control("J multiplied by 0.9 / 0.65", scaled(0.9 / 0.65).world, Verdict.SUPPORTED)],
    on="digits",
    given={"below": 0.9},
    published=750,
)
@claim(
    "training-jacobian/stable-count[0.5]",
    where="Section 3.1",
    quotes=LAST_750,
    says="about 750 singular values are less than one",
    reading="number of sigma < 0.5: directions along which at least half of a perturbation is cancelled",
    bounds=(0, math.inf),
    accept=within(700, 800, reason=OR_SO),
    controls=[zero_steps, Control("J multiplied by 0.5 / 0.65", scaled(0.5 / 0.65).world, Verdict.SUPPORTED)],
    on="digits",
    given={"below": 0.5},
    published=750,
)
@claim(
    "training-jacobian/stable-count[1]",
    where="Section 3.1",
    quotes=LAST_750,
    says="about 750 singular values are less than one",
    reading="number of sigma < 1, as the sentence is written",
    bounds=(0, math.inf),
    accept=within(700, 800, reason=OR_SO),
    controls=[zero_steps, Control("J multiplied by 1 / 0.65", scaled(1 / 0.65).world, Verdict.SUPPORTED)],
    on="digits",
    given={"below": 1.0},
    published=750,
)
def test_stable_count(spectrum, below):
    return count(spectrum, -np.inf, below)


@claim(
    "training-jacobian/stable-count[threshold]",
    where="Section 3.1",
    quotes=LAST_750,
    says="about 750 singular values are less than one",
    calibrated=True,
    reading="the threshold below which exactly 750 singular values lie: between 0.5 and 0.9, so the paper's 750 counts values "
    "that are clearly, but not all strongly, contracted",
    bounds=(0, math.inf),
    accept=within(0.5, 0.9, reason="between half of the perturbation cancelled and the edge of the bulk (0.9)"),
    controls=[scaled(1.6), zero_steps, gaussian_matrix],
    on="digits",
    unit="sigma",
)
def test_stable_threshold(spectrum):
    return Measurement(float(spectrum.sigma[-750]), unit="sigma", counted="750th singular value from below")


@claim(
    "training-jacobian/alignment-bulk[median]",
    where="Section 3.1, Figure 1b",
    quotes=IDENTICAL,
    says="along the bulk u_i and v_i nearly agree",
    reading="median of cos(u_i, v_i) over |sigma_i - 1| < 0.1 is at least 0.99",
    bounds=(-1, 1),
    accept=at_least(0.99, reason="an angle of 8 degrees or less: 'nearly identical', our reading"),
    controls=[turned_vectors(0.98), shuffled_vectors],
    on="digits",
    given={"structural": True, "above": None},
    scales=("smoke", "paper"),
)
@claim(
    "training-jacobian/alignment-bulk[median,nontrivial]",
    where="Section 3.1, Figure 1b",
    quotes=IDENTICAL,
    says="along the bulk u_i and v_i nearly agree",
    reading="the same without the structural directions, whose cosine is 1 for trivial reasons",
    bounds=(-1, 1),
    accept=at_least(0.99, reason="an angle of 8 degrees or less: 'nearly identical', our reading"),
    controls=[turned_vectors(0.98), shuffled_vectors],
    on="digits",
    given={"structural": False, "above": None},
)
@claim(
    "training-jacobian/alignment-bulk[fraction]",
    bounds=(0, 1),
    where="Section 3.1, Figure 1b",
    quotes=IDENTICAL,
    says="along the bulk u_i and v_i nearly agree",
    reading="at least 90 % of the bulk's cosines are above 0.95",
    accept=at_least(
        0.9, reason="'nearly identical' for nine in ten: the cosines fall towards both ends of the bulk; our reading"
    ),
    controls=[turned_vectors(0.955), shuffled_vectors],
    on="digits",
    given={"structural": True, "above": 0.95},
    scales=("smoke", "paper"),
)
def test_alignment_bulk(spectrum, structural, above):
    bulk = spectrum.region(0.9, 1.1, structural=structural)
    cosines = spectrum.cosines[bulk]
    value = np.median(cosines) if above is None else np.mean(cosines > above)
    arrays = {"cosine": spectrum.cosines, "sigma": spectrum.sigma}
    return Measurement(float(value), counted=f"{len(bulk)} bulk directions", arrays=arrays)


@claim(
    "training-jacobian/alignment-chaotic",
    bounds=(0, 1),
    where="Section 3.1, Figure 1b",
    quotes=ALIGNED,
    says="along the chaotic directions u_i and v_i still point the same way",
    reading="cos(u_i, v_i) > 0.6 for at least 99 % of the directions with sigma_i > 1.5 (chance is 1 / sqrt(N) = 0.014)",
    accept=at_least(
        0.99,
        reason="0.6 is the paper's; all but one in a hundred, since the smallest of 500 says more about luck than about them",
    ),
    controls=[turned_vectors(0.65), shuffled_vectors],
    on="digits",
)
def test_alignment_chaotic(spectrum):
    chaotic = spectrum.region(1.5, np.inf)
    cosines = spectrum.cosines[chaotic]
    arrays = {"cosine": spectrum.cosines, "sigma": spectrum.sigma}
    details = {"smallest": float(cosines.min()), "median": float(np.median(cosines))}
    return Measurement(
        float(np.mean(cosines > 0.6)), counted=f"{len(chaotic)} chaotic directions", arrays=arrays, details=details
    )


@claim(
    "training-jacobian/noise-no-bulk[strict]",
    bounds=(0, 1),
    where="Section 3.5, Figure 5b",
    quotes=NOISE,
    says="trained on white noise, the network has no bulk",
    reading="share of |sigma - 1| < 0.01 on white noise is at most 5 %",
    accept=at_most(0.05, reason="'very few': one in twenty, our reading; real data has more than a third"),
    controls=[
        Control("the real images in place of noise", lambda run: run.sibling("digits")),
        Control("the real images with shuffled labels: the inputs make the bulk", lambda run: run.sibling("shuffled-labels")),
    ],
    on="white-noise",
    given={"delta": 0.01},
)
@claim(
    "training-jacobian/noise-no-bulk[lenient]",
    bounds=(0, 1),
    where="Section 3.5, Figure 5b",
    quotes=NOISE,
    says="trained on white noise, the network has no bulk",
    reading="share of |sigma - 1| < 0.1 on white noise, the bulk's own threshold, is at most 5 %",
    accept=at_most(0.05, reason="'very few': one in twenty, our reading; real data has about 60 %"),
    controls=[
        Control("the real images in place of noise", lambda run: run.sibling("digits")),
        Control("white noise, J multiplied by 3", scaled(3).world, Verdict.SUPPORTED),
    ],
    on="white-noise",
    given={"delta": 0.1},
)
def test_noise_no_bulk(spectrum, delta):
    inside = near_one(spectrum, delta)
    return Measurement(inside.value / spectrum.size, counted=inside.counted, arrays=inside.arrays)
