"""Softmax regression on a k-class Gaussian mixture: rapid alignment of every class with its outlier eigenspaces."""

from dataclasses import replace

import numpy as np

from harness.errors import InvalidInput
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, bounded, claim
from harness.suite.verdict import Verdict, at_least, within

from .eigenspaces import BEYOND, alignment, shared
from .experiments import DIMENSIONS
from .theory import late_eigenvalues, noisy_top_share, top_share
from .worlds import (
    ALIGNED,
    ALIGNS,
    DATA,
    EMERGE,
    MATRIX,
    USUALLY,
    counted_right,
    in_units_of_edge,
    random_directions,
    sibling,
    zero_steps,
)

SCALES = ("smoke", "paper")
noise_alone = sibling("gmm-snr-1", "lambda = 1: no outliers")
shuffled = sibling("gmm-shuffled", "labels shuffled")


def aligned(matrix, data):
    return claim(
        f"outlier-eigenspaces/gmm-alignment[{matrix}-{data}]",
        bounds=(0, 1),
        where="Abstract",
        quotes=ALIGNS,
        says="SGD moves every class into the outlier eigenspace of its block",
        reading=f"after 40 d steps the least aligned class has ||P_E x|| / ||x|| of 0.95 or more, with E the top k eigenvectors of its "
        f"block of {MATRIX[matrix]} on {DATA[data]}; mean over trajectories; d = 200, k = 3, lambda = 100 (smoke: d = 50)",
        accept=ALIGNED,
        controls=[noise_alone, random_directions, shuffled, *([zero_steps] if data == "test" else [])],
        on="gmm",
        given={"matrix": matrix, "data": data},
        scales=SCALES,
    )


@aligned("hessian", "test")
@aligned("gradients", "test")
@aligned("hessian", "training")
@aligned("gradients", "training")
def test_alignment(run, matrix, data):
    found = run.alignments(matrix, data)
    return Measurement(found.min(axis=1).mean(), counted=f"{len(found)} trajectories", arrays={"alignment": found})


def whole_aligned(matrix, rank):
    return claim(
        f"outlier-eigenspaces/gmm-alignment[{matrix}-whole]",
        bounds=(0, 1),
        where="Abstract",
        quotes=ALIGNS,
        says="SGD moves all parameters into the outlier eigenspace of the whole matrix",
        reading=f"after 40 d steps the parameters of all classes together are aligned with the top {rank} eigenvectors of "
        f"{MATRIX[matrix]} on fresh test data, which has that many outliers",
        accept=ALIGNED,
        controls=[noise_alone, random_directions, shuffled, zero_steps],
        on="gmm",
        given={"matrix": matrix},
        scales=SCALES,
    )


@whole_aligned("hessian", "k (k - 1)")
@whole_aligned("gradients", "k")
def test_whole_alignment(run, matrix):
    vectors = run.whole(matrix).vectors
    found = alignment(vectors, run.directions.rows[: len(vectors)].reshape(len(vectors), -1))
    return Measurement(found.mean(), counted=f"{len(found)} trajectories", arrays={"alignment": found})


def linear_time(matrix):
    return claim(
        f"outlier-eigenspaces/gmm-alignment-time[{matrix}]",
        where="Abstract",
        quotes=ALIGNS,
        says="SGD aligns within O(d) steps",
        reading="'rapidly' is in O(d) steps: the number of steps to an alignment of 0.9 (first class, mean over trajectories) grows as "
        "d^a with a within 0.1 of 1, by least squares over d = 50 to 800",
        accept=within(
            0.9, 1.1, reason="d^(-1/2) is 14 % at d = 50; over a factor of 16 in d that moves a by 0.05, allowed twice over"
        ),
        controls=[Control("a step size that does not shrink with d", lambda run: run.view(family="gmm-fixed-step"))],
        on="gmm-d-50",
        given={"matrix": matrix},
    )


@linear_time("hessian")
@linear_time("gradients")
def test_alignment_time(run, matrix):
    dimensions = np.array(DIMENSIONS)
    runs = [run.sibling(f"{getattr(run, 'family', 'gmm')}-d-{d}") for d in dimensions]
    curves = [each.curve(matrix).mean(axis=1) for each in runs]
    times = np.array([_first_time(each.times, curve, 0.9) for each, curve in zip(runs, curves, strict=True)])
    if not (np.isfinite(times).all() and times.all()):
        raise InvalidInput(
            f"steps / d to an alignment of 0.9 are {times}: a level never reached, or held from the start, has no exponent"
        )
    exponent = np.polyfit(np.log(dimensions), np.log(times * dimensions), 1)[0]
    arrays = {f"alignment-{d}": curve for d, curve in zip(dimensions, curves, strict=True)}
    arrays |= {f"steps-over-d-{d}": each.times for d, each in zip(dimensions, runs, strict=True)}
    details = {f"steps / d to 0.9, d = {d}": time for d, time in zip(dimensions, times, strict=True)}
    return Measurement(exponent, counted=f"{len(dimensions)} dimensions", arrays=arrays, details=details)


def _first_time(times, curve, level):
    """Time at which the curve first reaches the level, interpolated; infinity if it never does."""
    above = np.flatnonzero(curve >= level)
    if not len(above):
        return np.inf
    around = slice(max(above[0] - 1, 0), above[0] + 1)
    return np.interp(level, curve[around], times[around])


def counted(matrix, data):
    return claim(
        f"outlier-eigenspaces/gmm-outliers[{matrix}-{data}]",
        where="Abstract",
        quotes=EMERGE,
        says="every class's block has as many outliers as there are classes",
        reading=f"share of trajectories in which every class's block of {MATRIX[matrix]} on {DATA[data]} has exactly k eigenvalues beyond "
        "twice the edge of its bulk (the Marchenko-Pastur edge of the same weights on noise alone)",
        accept=USUALLY,
        controls=[noise_alone],
        on="gmm",
        over="trials",
        given={"matrix": matrix, "data": data},
        scales=SCALES,
    )


@counted("hessian", "test")
@counted("gradients", "test")
@counted("hessian", "training")
@counted("gradients", "training")
def test_outliers(run, matrix, data):
    space, k = run.first_layer(matrix, data), run.experiment.outliers
    right = counted_right(space, k)
    details = {"k-th over next eigenvalue, median": float(np.median(space.values[..., k - 1] / space.values[..., k]))}
    return Measurement(right.mean(), counted="trajectories", trials=len(right), arrays=in_units_of_edge(space), details=details)


def emerging(matrix):
    return claim(
        f"outlier-eigenspaces/gmm-emergence[{matrix}-in-lambda]",
        where="Abstract",
        quotes=EMERGE,
        says="the outliers rise over the bulk with the signal",
        reading=f"the k-th eigenvalue of a class's block of {MATRIX[matrix]} rises over the next, the measured edge of its bulk, in proportion to "
        "lambda: slope of the logarithm of their ratio (median over blocks) against log lambda, from 100 to 1000, within 0.1 of 1",
        accept=within(
            0.9,
            1.1,
            reason="eigenvalues of order one over a bulk of order 1 / lambda; next order 1 / lambda, a few per cent at 100",
        ),
        controls=[Control("lambda from 1 to 10, where they emerge", lambda run: run.view(lambdas=("gmm-snr-1", "gmm-snr-10")))],
        on="gmm",
        given={"matrix": matrix},
    )


@emerging("hessian")
@emerging("gradients")
def test_emergence(run, matrix):
    runs = [run.sibling(name) for name in getattr(run, "lambdas", ("gmm", "gmm-snr-1000"))]
    spectra = {each.experiment.snr: each.block_values(matrix) for each in runs}
    ratios = {snr: np.median(over_bulk(values, run.experiment.outliers)) for snr, values in spectra.items()}
    slope = np.diff(np.log(list(ratios.values())))[0] / np.diff(np.log(list(ratios)))[0]
    arrays = {f"eigenvalues-{snr:g}": values[..., : run.experiment.outliers + 2] for snr, values in spectra.items()}
    details = {f"k-th eigenvalue over the next, lambda = {snr:g}": float(ratio) for snr, ratio in ratios.items()}
    details |= {f"alignment, lambda = {each.experiment.snr:g}": float(each.alignments(matrix).mean()) for each in runs}
    return Measurement(slope, arrays=arrays, details=details)


def absent_at_first(matrix):
    return claim(
        f"outlier-eigenspaces/gmm-emergence[{matrix}-in-time]",
        where="Abstract",
        quotes=EMERGE,
        says="the outliers come with training",
        reading="'emerging' taken in time: share of trajectories in which, before the first step, some class's block of "
        f"{MATRIX[matrix]} on fresh test data has not yet its k outliers: its k-th eigenvalue is below twice the next, the measured bulk",
        accept=USUALLY,
        controls=[replace(noise_alone, expect=Verdict.SUPPORTED)],
        on="gmm",
        over="trials",
        given={"matrix": matrix},
        scales=SCALES,
    )


@absent_at_first("hessian")
@absent_at_first("gradients")
def test_emergence_in_time(run, matrix):
    start, k = run.after(0), run.experiment.outliers
    absent = (over_bulk(start.block_values(matrix), k) < BEYOND).any(axis=1)
    arrays = in_units_of_edge(start.first_layer(matrix))
    return Measurement(absent.mean(), counted="trajectories", trials=len(absent), arrays=arrays)


def over_bulk(values, k):
    """The k-th eigenvalue of each block over the next eigenvalue, the largest of its bulk."""
    return values[..., k - 1] / values[..., k]


SPAN = "our reading of one span: root mean square cosine of the principal angles; noise of order 1 / lambda turns them by a few per cent"
SPANS = {
    "sgd-means": "the parameters of every class lie in the span of the class means",
    "hessian-means": "the outlier eigenspace of every class's block of the Hessian is the span of the class means",
    "gradients-means": "the outlier eigenspace of every class's block of the second moment of gradients is the span of the class means",
    "hessian-gradients": "the Hessian and the second moment of gradients share their outlier eigenspaces",
}
MIXTURES = {
    "gmm": ("", "orthonormal means, equal classes"),
    "gmm-tilted": ("-tilted", "means at 60 degrees, classes of weight 0.5, 0.3 and 0.2, lambda = 1000"),
}


def spans(function):
    for on, (tag, words) in MIXTURES.items():
        for pair, says in SPANS.items():
            claim(
                f"outlier-eigenspaces/gmm-span[{pair}{tag}]",
                where="derived: abstract, section 3",
                derived=True,
                says=says,
                reading=f"{words}: after 40 d steps on fresh test data, least of the classes, mean over trajectories; supported if at least 0.95",
                accept=at_least(0.95, reason=SPAN),
                controls=[
                    sibling(f"{on}-snr-1", "lambda = 1: no outliers"),
                    *([Control("another mixture's means", lambda run: run.view(turned=True))] if pair.endswith("means") else []),
                ],
                on=on,
                given={"pair": pair},
                scales=SCALES,
            )(function)
    return function


@spans
@bounded(0, 1)
def test_span(run, pair):
    means = np.linalg.qr(run.mixture.means.T)[0]
    if getattr(run, "turned", False):
        means = np.roll(means, run.experiment.width, axis=0)  # now along other coordinates
    first, second = pair.split("-")
    if first == "sgd":
        found = alignment(means, run.params.rows)
    else:
        other = means if second == "means" else run.first_layer(second).vectors
        found = shared(run.first_layer(first).vectors, np.broadcast_to(other, run.first_layer(first).vectors.shape))
    return Measurement(found.min(axis=1).mean(), counted=f"{len(found)} trajectories", arrays={"cosine": found})


def tilted(matrix):
    return claim(
        f"outlier-eigenspaces/gmm-alignment[{matrix}-tilted]",
        bounds=(0, 1),
        where="Abstract",
        quotes=ALIGNS,
        says="SGD aligns for unlike classes as well",
        reading=f"means at 60 degrees and classes of weight 0.5, 0.3 and 0.2: as [{matrix}-test], at lambda = 1000",
        accept=ALIGNED,
        controls=[sibling("gmm-tilted-snr-1", "lambda = 1: no outliers"), random_directions, zero_steps],
        on="gmm-tilted",
        given={"matrix": matrix},
        scales=SCALES,
    )


@tilted("hessian")
@tilted("gradients")
def test_tilted_alignment(run, matrix):
    return test_alignment(run, matrix, "test")


def separated(matrix, rank):
    return claim(
        f"outlier-eigenspaces/gmm-outliers[{matrix}-whole]",
        where="Abstract",
        quotes=EMERGE,
        says="the whole matrix has low rank up to noise",
        reading=f"the whole of {MATRIX[matrix]} has rank {rank} up to noise: eigenvalue number {rank} is at least twice the next",
        accept=at_least(
            2, reason="outliers are of order one and the bulk of order 1 / lambda: at lambda = 100 any separation exceeds 2"
        ),
        controls=[noise_alone, Control("one eigenvalue further on", lambda run: run.view(beyond=1))],
        on="gmm",
        given={"matrix": matrix},
        scales=SCALES,
    )


@separated("hessian", "k (k - 1)")
@separated("gradients", "k")
def test_whole_separation(run, matrix):
    space = run.whole(matrix)
    last = space.vectors.shape[-1] - 1 + getattr(run, "beyond", 0)
    found = space.values[:, last] / space.values[:, last + 1]
    return Measurement(found.mean(), counted=f"{len(found)} trajectories", arrays=in_units_of_edge(space))


def along_top(matrix):
    return claim(
        f"outlier-eigenspaces/gmm-top-eigenvector[{matrix}]",
        bounds=(0, 1),
        where="derived: abstract",
        derived=True,
        says="for orthonormal means sqrt((k - 1) / k) of a class lies along the top eigenvector of its block "
        "(claims/outlier_eigenspaces/theory.py)",
        reading=f"share |v_1.x^c| / ||x^c|| along the top eigenvector of the class's block of {MATRIX[matrix]}, at lambda = 1000 after 100 d steps",
        accept=within(
            top_share(3) - 0.01,
            top_share(3) + 0.01,
            reason="noise turns v_1 by -3 / lambda of the share, 0.003; sampling of M = 5 d test examples and step size as much again",
        ),
        controls=[random_directions, zero_steps, Control("the second eigenvector", lambda run: run.view(which=1))],
        on="gmm-late",
        given={"matrix": matrix},
        published=top_share(3),
        scales=SCALES,
    )


@along_top("hessian")
@along_top("gradients")
def test_top_eigenvector(run, matrix):
    e, which = run.experiment, getattr(run, "which", 0)
    found = alignment(run.first_layer(matrix).vectors[..., [which]], run.directions.rows)
    details = {"predicted to first order in 1 / lambda": noisy_top_share(e.width, e.ridge, e.snr, matrix)}
    return Measurement(found.mean(), counted=f"{found.size} class blocks", arrays={"share": found}, details=details)


def late(matrix, which, words):
    return claim(
        f"outlier-eigenspaces/gmm-late-eigenvalues[{matrix}-{which}]",
        where="derived: abstract",
        derived=True,
        says="at the ridge's fixed point the outliers are known in closed form (claims/outlier_eigenspaces/theory.py)",
        reading=f"{words} of each class's block of {MATRIX[matrix]} at lambda = 1000 after 100 d steps, over its prediction; mean over blocks",
        accept=within(
            0.95,
            1.05,
            reason="neglected: noise of the logits, ||x||^2 / lambda = 0.3 %, memory of the start e^(-beta t) = 0.7 %, stationary noise of a "
            "step 1 / d, 1 %; sampling 5 % a block over 48 blocks",
        ),
        controls=[zero_steps, Control("the prediction for twice the ridge", lambda run: run.view(ridges=2))],
        on="gmm-late",
        given={"matrix": matrix, "which": which},
        published=1.0,
        scales=SCALES,
    )


@late("hessian", "top", "the top eigenvalue")
@late("hessian", "others", "the mean of outliers 2 to k")
@late("gradients", "top", "the top eigenvalue")
@late("gradients", "others", "the mean of outliers 2 to k")
def test_late_eigenvalues(run, matrix, which):
    e, values = run.experiment, run.first_layer(matrix).values
    top, others = late_eigenvalues(e.width, getattr(run, "ridges", 1) * e.ridge, matrix)
    found = values[..., 0] / top if which == "top" else values[..., 1 : e.width].mean(axis=-1) / others
    return Measurement(found.mean(), counted=f"{found.size} class blocks", arrays={"ratio": found})
