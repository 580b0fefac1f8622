"""Section 2.3, appendices B and C: the top subspace is mostly preserved, has k outliers, and is spread over the network."""

from __future__ import annotations

from typing import Any

import numpy as np

from harness.measure.hessian_subspace import History, dimension_curve, layer_shares, log_slope, outliers, root_mean_square
from harness.measure.measurement import Measurement
from harness.suite.claim import Control
from harness.suite.verdict import at_least, at_most, within

from . import worlds as w
from .worlds import K, both, mnist, supported

UNTIL = 600  # Figures 2 and 3 follow the subspaces for up to 500 steps
random_subspaces = Control("random subspaces, which overlap by k / N", w.random_subspaces)
frozen = Control("subspaces that never move", w.frozen_subspaces)
untrained = Control("nothing learned: step 0 at all times", w.untrained)

# --- the top subspace is preserved, the next is not ---------------------------------------------------------------------

PRESERVED = "after about t1 = 100 steps the overlap remains significant even when t2 - t1 >> t1"
DECAYS = (
    "the subspace spanned by the next k eigenvectors does not have this property: even for large t1 the overlap decays quickly"
)
OVERLAP = (
    "we measure Tr(P P') / 10 of the {which} ten eigenvectors at step {start} and at each later measured step up to 600, mean"
)
MOSTLY = at_least(0.5, reason="significant: most of the later subspace lies in the earlier one; at random it is k / N")
HARDLY = at_most(0.5, reason="decayed: most of the later subspace lies outside of the earlier one")
TOP, NEXT = slice(0, K), slice(K, 2 * K)


def readings(function: Any) -> Any:
    """Top and next ten eigenvectors from steps 100 and 200, on both data sets."""
    for start in (100, 200):
        given = {"start": start}
        both(
            "top-preserved",
            tag=f"top,{start}",
            where="Section 2.3, Figure 2a",
            says=PRESERVED,
            accept=MOSTLY,
            reading=OVERLAP.format(which="top", start=start) + "; supported if at least 1/2",
            controls=[random_subspaces],
            given={**given, "part": TOP},
            smoke=True,
        )(function)
        both(
            "top-preserved",
            tag=f"next,{start}",
            where="Section 2.3, Figure 2b",
            says=DECAYS,
            accept=HARDLY,
            reading=OVERLAP.format(which="next", start=start) + "; supported if at most 1/2",
            controls=[frozen, supported("random subspaces", w.random_subspaces)],
            given={**given, "part": NEXT},
        )(function)
    return function


@readings
def test_preserved(history: History, start: int, part: slice) -> Measurement:
    overlaps = history.overlaps(start, UNTIL, part)
    arrays = {"steps": history.steps, "cross": history.cross[..., part, part], "overlaps": overlaps}
    return Measurement(
        float(overlaps.mean()), "", f"{len(overlaps)} later steps", None, arrays, {"at step 600": float(overlaps[-1])}
    )


# --- the kink at the number of classes ----------------------------------------------------------------------------------

FIGURE_3 = "Section 2.3, Figures 3 and 9"
DIMENSIONS = np.arange(2, 2 * K + 1)
AVERAGED = "we average the overlap of the top d eigenvectors at step 100 with those at later measured steps up to 600"


def kink(history: History, value_of: Any) -> Measurement:
    """The averaged overlap against the dimension (Figure 3), and one number drawn from it."""
    curve = dimension_curve(history, 100, UNTIL, DIMENSIONS)
    value = float(value_of(dict(zip(DIMENSIONS.tolist(), curve.tolist(), strict=True))))
    return Measurement(
        value, "", f"dimensions {DIMENSIONS[0]} to {DIMENSIONS[-1]}", None, {"dimensions": DIMENSIONS, "overlap": curve}
    )


@both(
    "kink-at-classes",
    tag="peak",
    where=FIGURE_3,
    says="the maximally (i.e. largest dimensional) preserved subspace seems to peak around the number of classes",
    reading=f"{AVERAGED}; supported if the best preserved dimension is k - 1 or k (the paper leaves open which of the two)",
    accept=within(9, 10, reason="k - 1 to k with k = 10 classes (footnote 9)"),
    controls=[random_subspaces],
    unit="dimensions",
)
def test_peak(history: History) -> Measurement:
    return kink(history, lambda overlap: max(overlap, key=overlap.__getitem__))


@both(
    "kink-at-classes",
    tag="falls",
    where=FIGURE_3,
    says="at d = 10 it begins to decrease monotonically with increasing dimension",
    reading=f"{AVERAGED}; supported if it falls by at least 0.1 from d = 9 to d = 20",
    accept=at_least(0.1, reason="a fall that is visible on the figure's axis, from 0 to 1"),
    controls=[random_subspaces, frozen],
)
def test_falls(history: History) -> Measurement:
    return kink(history, lambda overlap: overlap[K - 1] - overlap[2 * K])


@both(
    "kink-at-classes",
    tag="monotone",
    where=FIGURE_3,
    says="at d = 10 it begins to decrease monotonically with increasing dimension",
    reading=f"{AVERAGED}; supported if from d = 10 to 20 it never rises by more than 0.02 from one dimension to the next",
    accept=at_most(0.02, reason="monotone, but for what cannot be seen on the figure's axis, from 0 to 1"),
    controls=[Control("outliers that mix two by two", w.mixing_pairs)],
)
def test_monotone(history: History) -> Measurement:
    return kink(history, lambda overlap: max(overlap[d + 1] - overlap[d] for d in range(K, 2 * K)))


@both(
    "kink-at-classes",
    tag="flat",
    where=FIGURE_3,
    says="increasing the subspace until d = 9 leads to a pretty fixed overlap as a function of dimension",
    reading=f"{AVERAGED}; supported if it varies by at most 0.1 over d = 2..9",
    accept=at_most(0.1, reason="pretty fixed: the same to one decimal"),
    controls=[
        supported("subspaces that never move", w.frozen_subspaces),
        Control("outliers that mix two by two", w.mixing_pairs),
    ],
)
def test_flat(history: History) -> Measurement:
    return kink(history, lambda overlap: np.ptp([overlap[d] for d in range(2, K)]))


# --- outliers of the spectrum -------------------------------------------------------------------------------------------

GAP = "we count the Hessian eigenvalues above the largest ratio lambda_i / lambda_(i+1) among the largest twelve"
SPECTRA: list[dict[str, Any]] = [
    {
        "data": ("mnist", "digits"),
        "suffix": "-figure-4",
        "tag": "figure-4",
        "k": 10,
        "where": "Appendix B, Figure 4",
        "says": "two hidden layers of 32 neurons, 40 epochs: there are 10 nontrivial eigenvalues",
    },
    {
        "data": ("mnist", "digits"),
        "suffix": "-parity",
        "tag": "parity",
        "k": 2,
        "where": "Appendix B",
        "says": "labelled according to whether they are even or odd, there were only 2 large eigenvalues",
    },
    {
        "data": ("mnist",),
        "suffix": "-random-labels",
        "tag": "permuted",
        "k": 10,
        "where": "Appendix B",
        "says": "applying a random permutation to the labels, we still find 10 large eigenvalues",
    },
    {
        "data": ("digits",),
        "suffix": "-memorised",
        "tag": "permuted",
        "k": 10,
        "where": "Appendix B",
        "says": "applying a random permutation to the labels, learned to high training accuracy, we still find 10 large eigenvalues",
    },
]


def two_readings(function: Any) -> Any:
    """Each sentence read as k outliers, and as k - 1: footnote 9 calls the two inconclusive."""
    for sentence in SPECTRA:
        data, k = sentence["data"], sentence["k"]
        said = {name: sentence[name] for name in ("suffix", "where", "says")}
        published = [supported(f"a spectrum with {k} outliers planted", w.planted_outliers(k))]
        more = Control(f"a spectrum with {k + 1} outliers planted", w.planted_outliers(k + 1))
        fewer = Control(f"a spectrum with {k} outliers planted", w.planted_outliers(k))
        for name, count, controls in (("k", k, [more, *published]), ("k-minus-one", k - 1, [fewer])):
            w.on(
                data,
                "k-outliers",
                smoke=sentence["tag"] == "figure-4",
                tag=f"{sentence['tag']},{name}",
                **said,
                unit="outliers",
                controls=controls,
                accept=within(count - 0.5, count + 0.5, reason=f"{count}: a whole number"),
                reading=f"{GAP} at the last step; supported if there are {count}",
            )(function)
    return function


@two_readings
def test_outliers(history: History) -> Measurement:
    values = history.values[-1]
    ratios = {f"lambda_{i + 1} / lambda_{i + 2}": float(values[i] / values[i + 1]) for i in (0, 1, 8, 9)}
    return Measurement(float(outliers(values)), "outliers", f"{len(values)} eigenvalues", None, {"eigenvalues": values}, ratios)


# --- the leading eigenvector is spread over the network -----------------------------------------------------------------

FIGURE_6 = "Appendix B, Figures 6 and 7"
FIGURE_STEPS = (100, 200, 400)
TRAINED = "mean over steps 100, 200 and 400"


def leading(history: History, run: Any, value_of: Any) -> Measurement:
    """A number drawn from the leading eigenvector, mean over the trained steps of Figure 6, with the vectors and layer shares."""
    vectors = np.stack([history.leading[history.at(step)] for step in FIGURE_STEPS])
    by_layer = [layer_shares(vector, run.layers) for vector in vectors]
    details = {f"share of {name}": float(np.mean([shares[name] for shares in by_layer])) for name in run.layers}
    value = float(np.mean([value_of(vector, shares) for vector, shares in zip(vectors, by_layer, strict=True)]))
    return Measurement(value, "", TRAINED, None, {"steps": np.array(FIGURE_STEPS), "leading": vectors}, details)


last_layer_only = Control("the leading eigenvector with nothing but its last layer", w.confined_to_last_layer)


@both(
    "not-localised",
    tag="spread",
    where=FIGURE_6,
    says="one hypothesis is that the eigenvectors would just correspond to the last layer; there are many nonzero elements across the "
    "entire range of model parameters",
    reading=f"we measure the last layer's share of the leading eigenvector's squared norm, {TRAINED}; supported if at most 1/2",
    accept=at_most(0.5, reason="most of the eigenvector is elsewhere; by the hypothesis the share would be 1"),
    controls=[last_layer_only],
)
def test_spread(history: History, run: Any) -> Measurement:
    return leading(history, run, lambda _, shares: list(shares.values())[-1])


FOUR_TIMES = within(2, 8, reason="'~4 x' is read off a plot: within a factor of two")


def kernels(run: Any) -> tuple[slice, slice]:
    """Where the first layer's kernel lies in theta, and the last layer's."""
    first, last = run.network.blocks[0], run.network.blocks[-2]
    return slice(first.start, first.stop), slice(last.start, last.stop)


@mnist(
    "not-localised",
    tag="largest",
    where=FIGURE_6,
    says="the top layer weights seem to have the largest coefficients, only ~4 x larger than typical coefficients in the first layer",
    reading=f"we measure the largest coefficient of the last kernel over the root mean square of the first kernel's nonzero ones, {TRAINED}; "
    "supported if 2 to 8",
    accept=FOUR_TIMES,
    controls=[
        Control("coefficients that are all alike", w.evenly_spread),
        supported("a last layer four times as large as the first", w.last_layer_times(4)),
    ],
)
def test_largest_coefficients(history: History, run: Any) -> Measurement:
    first, last = kernels(run)
    return leading(history, run, lambda vector, _: np.abs(vector[last]).max() / root_mean_square(vector[first]))


@mnist(
    "not-localised",
    tag="typical",
    where=FIGURE_6,
    says="the top layer weights seem to have the largest coefficients, only ~4 x larger than typical coefficients in the first layer",
    reading=f"we measure the root mean square of the last kernel's coefficients over that of the first kernel's nonzero ones, {TRAINED}; "
    "supported if 2 to 8",
    accept=FOUR_TIMES,
    controls=[Control("coefficients that are all alike", w.evenly_spread)],
)
def test_typical_coefficients(history: History, run: Any) -> Measurement:
    first, last = kernels(run)
    return leading(history, run, lambda vector, _: root_mean_square(vector[last]) / root_mean_square(vector[first]))


# --- the largest eigenvalue ---------------------------------------------------------------------------------------------

FIGURE_8 = "Appendix B, Figure 8a"


def largest(history: History, value: float, counted: str) -> Measurement:
    """The largest eigenvalue along training beside one number drawn from it."""
    arrays = {"steps": history.steps, "eigenvalue": history.values[:, 0]}
    return Measurement(value, "", counted, None, arrays, {"largest of all": float(arrays["eigenvalue"].max())})


@both(
    "lambda-max-decays",
    tag="grows",
    smoke=True,
    where=FIGURE_8,
    says="we see an initial period of growth",
    reading="we measure how often the largest eigenvalue doubles from step 0 to its largest; supported if at least once",
    accept=at_least(1, reason="growth that is plain on the figure: it doubles at least"),
    controls=[untrained],
    unit="doublings",
)
def test_grows(history: History) -> Measurement:
    return largest(history, float(np.log2(history.values[:, 0].max() / history.values[0, 0])), "largest over first")


@both(
    "lambda-max-decays",
    tag="decays",
    where=FIGURE_8,
    says="then the eigenvalue remains very large as the model is training, then it decays",
    reading="we measure the largest eigenvalue at the last step over the largest of all steps; supported if at most 1/2",
    accept=at_most(0.5, reason="decay that is plain on the figure: it halves at least"),
    controls=[untrained],
)
def test_decays(history: History) -> Measurement:
    return largest(history, float(history.values[-1, 0] / history.values[:, 0].max()), "last over largest")


@both(
    "lambda-max-decays",
    tag="inverse-time",
    where="Appendix B",
    says="our toy model suggests that eigenvalues should decay at the late part of training like ~1/t",
    reading="we fit lambda_max ~ t^a over the measured steps from 600 on; supported if a is within 0.2 of -1",
    accept=within(-1.2, -0.8, reason="the exponent -1, with the 20 % by which log t bends it within a decade of t"),
    controls=[Control("an eigenvalue that stays", w.decaying(0)), supported("the toy model's 1/t", w.decaying(-1))],
    unit="exponent",
)
def test_inverse_time(history: History) -> Measurement:
    late = history.steps >= UNTIL
    slope = log_slope(history.steps[late], history.values[late, 0])
    return largest(history, slope, f"fit to {late.sum()} steps")
