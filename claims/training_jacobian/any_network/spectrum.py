"""Sections 3.1 and 3.5: a bulk exists, its vectors agree, and perturbations along it stay; on noise there is no bulk."""

import math

import numpy as np

from harness.measure.measurement import Measurement
from harness.runs.shown import NEAR
from harness.suite.claim import Control, World
from harness.suite.verdict import at_least, at_most

from .. import sentences
from ..test_regions import test_bulk_unmoved as unmoved
from ..test_regions import test_peak_of_the_bulk as peak
from ..test_spectrum import test_alignment_bulk as alignment
from ..test_spectrum import test_noise_no_bulk as share_near_one
from ..worlds import gaussian_matrix, gaussian_sigma, scaled, shuffled_vectors, turned_vectors
from .shared import on_any, require_bulk, require_resolved


def _noise(run):
    return World(run.white_noise, white_noise=run.more_white_noise)


def _share(spectrum):
    return float(np.mean(spectrum.distance[~spectrum.structural] < NEAR))


@on_any(
    "training-jacobian/bulk-exists[more-than-on-noise]",
    where="Section 3.5, Figure 5b",
    quotes="depends strongly on the data distribution; in particular, random data does not have a bulk",
    says="the data give a larger bulk than white noise",
    reading="share of |sigma - 1| < 0.1, less that of the same network trained on white-noise inputs, is at least 0.05",
    accept=at_least(0.05, reason="one direction in twenty: more than seeds move the share; our reading"),
    bounds=(-1, 1),
    controls=[Control("white noise in the data's place, another draw beside it", _noise)],
)
def test_more_than_on_noise(run):
    shares = {"data": _share(run.resolved_spectrum), "white noise": _share(run.white_noise.resolved_spectrum)}
    arrays = {"sigma": run.spectrum.sigma}
    return Measurement(shares["data"] - shares["white noise"], counted="shares of directions", arrays=arrays, details=shares)


@on_any(
    "training-jacobian/bulk-exists[more-than-random-matrix]",
    where="Section 3.1, Figure 1a",
    quotes='a large "bulk" region of values extremely close to one',
    says="more singular values are near one than those of a random matrix",
    reading="share of |sigma - 1| < 0.1, less that of a Gaussian random matrix of the same size, is at least 0.05",
    accept=at_least(0.05, reason="one direction in twenty: more than seeds move the share; our reading"),
    bounds=(-1, 1),
    controls=[gaussian_matrix],
)
def test_more_than_random_matrix(run):
    require_resolved(run)
    random = float(np.mean(np.abs(gaussian_sigma(run.spectrum.size, seed=1) - 1) < NEAR))
    return Measurement(_share(run.spectrum) - random, counted="shares of directions", details={"random matrix": random})


@on_any(
    "training-jacobian/three-regions[peak]",
    where="Abstract",
    quotes=sentences.THREE,
    says="singular values are dense around one, and sparse on either side",
    reading="the density of log sigma within 10 % of one is at least ten times that of the windows of the same width above and below",
    accept=at_least(10, reason="an order of magnitude: 'distinctive' as seen on a logarithmic axis; our reading"),
    bounds=(0, math.inf),
    controls=[scaled(1.1)],
)
def test_three_regions(run):
    require_resolved(run)
    return peak(run.spectrum)


@on_any(
    "training-jacobian/noise-no-bulk[strict]",
    where="Section 3.5, Figure 5b",
    quotes=sentences.NOISE,
    says="trained on white noise, the network has no bulk",
    reading="share of |sigma - 1| < 0.01 on white-noise inputs is at most 5 %",
    accept=at_most(0.05, reason="'very few': one in twenty, our reading"),
    bounds=(0, 1),
    controls=[Control("the network's own data in place of noise", lambda run: World(run, white_noise=run))],
)
def test_noise_has_no_bulk(run):
    return share_near_one(run.white_noise.resolved_spectrum, 0.01)


@on_any(
    "training-jacobian/alignment-bulk[median]",
    where="Section 3.1, Figure 1b",
    quotes=sentences.IDENTICAL,
    says="along the bulk u_i and v_i nearly agree",
    reading="median of cos(u_i, v_i) over |sigma_i - 1| < 0.1 is at least 0.99",
    accept=at_least(0.99, reason="an angle of 8 degrees or less: 'nearly identical', our reading"),
    bounds=(-1, 1),
    controls=[turned_vectors(0.98), shuffled_vectors],
)
def test_bulk_is_aligned(run):
    require_bulk(run)
    return alignment(run.spectrum, structural=False, above=None)


@on_any(
    "training-jacobian/bulk-unmoved[median]",
    where="Section 3.1",
    quotes=sentences.ALMOST_UNCHANGED,
    says="J v is nearly v along the bulk",
    reading="median of |J v_i - v_i| over the bulk is at most 0.1",
    accept=at_most(0.1, reason="the bulk's own width: as much as sigma alone may be off"),
    bounds=(0, math.inf),
    controls=[turned_vectors(0.98)],
)
def test_bulk_is_unmoved(run):
    require_bulk(run)
    return unmoved(run.spectrum, run.moved, None)
