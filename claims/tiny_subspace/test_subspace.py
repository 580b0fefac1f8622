"""Section 2.3, appendices B and C: the top subspace is mostly preserved, has k outliers, and is spread over the network."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from harness.engine.streams import numpy_stream
from harness.measure.hessian_subspace import (
    History,
    bulk_edge,
    dimension_curve,
    layer_shares,
    outliers,
    participation,
    root_mean_square,
)
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World, bounded, claim
from harness.suite.verdict import at_least, at_most, within

from . import worlds as w
from .sentences import DECAYS, PRESERVED
from .worlds import K, both, mnist, supported

UNTIL = 600  # Figures 2 and 3 follow the subspaces for up to 500 steps
damped = Control("eigenvalues that grow and decay by three tenths as many doublings", w.damped)
random_leading = Control("a random vector in the leading eigenvector's place", w.random_leading)
random_subspaces = Control("random subspaces, which overlap by k / N", w.random_subspaces)
exchanged = Control("the next ten eigenvectors and the top ten exchanged", w.shuffled_eigenvectors)
frozen = Control("subspaces that never move", w.frozen_subspaces)
untrained = Control("nothing learned: step 0 at all times", w.untrained)

# --- the top subspace is preserved, the next is not ---------------------------------------------------------------------

STAYS, LEAVES = "the top ten eigenvectors keep their span", "the next ten eigenvectors lose their span"
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
            quotes=PRESERVED,
            says=STAYS,
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
            quotes=DECAYS,
            says=LEAVES,
            accept=HARDLY,
            reading=OVERLAP.format(which="next", start=start) + "; supported if at most 1/2",
            controls=[frozen, supported("random subspaces", w.random_subspaces)],
            given={**given, "part": NEXT},
        )(function)
    return function


@readings
@bounded(0, 1)
def test_preserved(history: History, start: int, part: slice) -> Measurement:
    overlaps = history.overlaps(start, UNTIL, part)
    arrays = {"steps": history.steps, "cross": history.cross[..., part, part], "overlaps": overlaps}
    return Measurement(
        float(overlaps.mean()), "", f"{len(overlaps)} later steps", None, arrays, {"at step 600": float(overlaps[-1])}
    )


FIGURE_2 = "Section 2.3, Figures 2c and 2d"


def ports_of_figure_2(function: Any) -> Any:
    """Figures 2c and 2d, a ConvNet: CIFAR10 on an accelerator, and a port to digits."""
    for which, part, quotes, says, accept, controls in (
        ("top", TOP, PRESERVED, STAYS, MOSTLY, [random_subspaces]),
        ("next", NEXT, DECAYS, LEAVES, HARDLY, [Control("the top ten in their place", w.shuffled_eigenvectors)]),
    ):
        said: dict[str, Any] = {"where": FIGURE_2, "quotes": quotes, "says": says, "accept": accept, "bounds": (0, 1)}
        said["given"] = {"start": 100, "part": part}
        reading = (
            f"Keras' ConvNet: {OVERLAP.format(which=which, start=100)}; supported if at {'least' if part is TOP else 'most'} 1/2"
        )
        both_kinds = {
            **said,
            "controls": [*controls, supported("random subspaces", w.random_subspaces)] if part is NEXT else controls,
        }
        claim(
            f"tiny-subspace/top-preserved[cifar10,{which},100]",
            on="tiny-cifar10",
            scales=("large",),
            reading=reading,
            **both_kinds,
        )(function)
        w.digits("top-preserved", suffix="-convnet", tag=f"convnet,{which},100", reading=reading, **both_kinds)(function)
    return function


@ports_of_figure_2
def test_preserved_in_convnet(history: History, start: int, part: slice) -> Measurement:
    return test_preserved(history, start, part)


def at_twice(function: Any) -> Any:
    """'Decays quickly': when t2 - t1 is only as long as t1."""
    for start in (100, 200):
        both(
            "top-preserved",
            tag=f"next-quickly,{start}",
            where="Section 2.3, Figure 2b",
            quotes=DECAYS,
            says="the next ten eigenvectors lose their span quickly",
            bounds=(0, 1),
            accept=at_most(0.5, reason="quickly: most of it has left when training is twice as long"),
            reading=f"we measure Tr(P P') / 10 of the next ten eigenvectors at step {start} and at step {2 * start}; supported if at most 1/2",
            controls=[
                Control("the top ten in their place", w.shuffled_eigenvectors),
                supported("random subspaces", w.random_subspaces),
            ],
            given={"start": start},
        )(function)
    return function


@at_twice
def test_decays_quickly(history: History, start: int) -> Measurement:
    value = float(history.overlaps(start, 2 * start, NEXT)[-1])
    return Measurement(
        value, "", f"steps {start} and {2 * start}", None, {}, {"top ten": float(history.overlaps(start, 2 * start, TOP)[-1])}
    )


def contrasts(function: Any) -> Any:
    """Top against next at the largest t2 - t1 that is followed."""
    for start in (100, 200):
        both(
            "top-preserved",
            tag=f"contrast,{start}",
            where="Section 2.3, Figures 2a and 2b",
            quotes=DECAYS,
            says="the next ten eigenvectors lose more of their span than the top ten",
            reading=f"from step {start} to step 600, the largest t2 - t1: we measure how much of itself the next ten eigenvectors' span has "
            "lost, 1 - Tr(P P') / 10, over what the top ten's has; supported if at least 2",
            accept=at_least(2, reason="a contrast: the next ten lose at least twice as much"),
            controls=[random_subspaces, exchanged],
            given={"start": start},
            smoke=True,
        )(function)
    return function


@contrasts
@bounded(0, math.inf)
def test_contrast(history: History, start: int) -> Measurement:
    top, following = (float(history.overlaps(start, UNTIL, part)[-1]) for part in (TOP, NEXT))
    return Measurement(
        (1 - following) / (1 - top), "", f"steps {start} and {UNTIL}", None, {}, {"top ten": top, "next ten": following}
    )


# --- the kink at the number of classes ----------------------------------------------------------------------------------

FIGURE_3 = "Section 2.3, Figures 3 and 9"
DECREASES = "At d = 10 it begins to decrease monotonically with increasing dimension."
DIMENSIONS = np.arange(2, 2 * K + 1)
AVERAGED = "we average the overlap of the top d eigenvectors at step 100 with those at later measured steps up to 600"


def kink(history: History, value_of: Any) -> Measurement:
    """The averaged overlap against the dimension (Figure 3), and one number from it."""
    curve = dimension_curve(history, 100, UNTIL, DIMENSIONS)
    value = float(value_of(dict(zip(DIMENSIONS.tolist(), curve.tolist(), strict=True))))
    return Measurement(
        value, "", f"dimensions {DIMENSIONS[0]} to {DIMENSIONS[-1]}", None, {"dimensions": DIMENSIONS, "overlap": curve}
    )


@both(
    "kink-at-classes",
    tag="peak",
    where=FIGURE_3,
    quotes="The maximally (i.e. largest dimensional) preserved subspace seems to peak around the number of classes.",
    says="the best preserved top subspace has as many dimensions as there are classes, or one less",
    reading=f"{AVERAGED}; supported if the best preserved dimension is k - 1 or k (the paper leaves open which of the two)",
    accept=within(9, 10, reason="k - 1 to k with k = 10 classes (footnote 9)"),
    controls=[random_subspaces],
    unit="dimensions",
)
@bounded(DIMENSIONS[0], DIMENSIONS[-1])
def test_peak(history: History) -> Measurement:
    return kink(history, lambda overlap: max(overlap, key=overlap.__getitem__))


@both(
    "kink-at-classes",
    tag="falls",
    where=FIGURE_3,
    quotes=DECREASES,
    says="top subspaces of more dimensions than classes are less preserved",
    reading=f"{AVERAGED}; supported if it falls by at least 0.1 from d = 9 to d = 20",
    accept=at_least(0.1, reason="a fall that is visible on the figure's axis, from 0 to 1"),
    controls=[random_subspaces, Control("the eigenvectors in reverse, the bulk's first", w.backwards), frozen],
)
@bounded(-1, 1)
def test_falls(history: History) -> Measurement:
    return kink(history, lambda overlap: overlap[K - 1] - overlap[2 * K])


@both(
    "kink-at-classes",
    tag="monotone",
    where=FIGURE_3,
    quotes=DECREASES,
    says="each dimension beyond the number of classes makes the top subspace less preserved",
    reading=f"{AVERAGED}; supported if from d = 10 to 20 it never rises by more than 0.02 from one dimension to the next",
    accept=at_most(0.02, reason="monotone, but for what cannot be seen on the figure's axis, from 0 to 1"),
    controls=[
        Control("the eigenvectors in reverse, the bulk's first", w.backwards),
        Control("outliers that mix two by two", w.mixing_pairs),
    ],
)
@bounded(-1, 1)
def test_monotone(history: History) -> Measurement:
    return kink(history, lambda overlap: max(overlap[d + 1] - overlap[d] for d in range(K, 2 * K)))


@both(
    "kink-at-classes",
    tag="flat",
    where=FIGURE_3,
    quotes="increasing the subspace until d = 9 leads to a pretty fixed overlap as a function of dimension",
    says="top subspaces of up to k - 1 dimensions are equally preserved",
    reading=f"{AVERAGED}; supported if it varies by at most 0.1 over d = 2..9",
    accept=at_most(0.1, reason="pretty fixed: the same to one decimal"),
    controls=[
        supported("subspaces that never move", w.frozen_subspaces),
        Control("outliers that mix two by two", w.mixing_pairs),
    ],
)
@bounded(0, 1)
def test_flat(history: History) -> Measurement:
    return kink(history, lambda overlap: np.ptp([overlap[d] for d in range(2, K)]))


# --- outliers of the spectrum -------------------------------------------------------------------------------------------

EDGE = (
    "the bulk's edge is measured: log lambda_i is fitted as a line in i over i = 2 k + 1, ..., and extended to i = 0, the largest that the "
    "bulk's trend allows"
)
REALISATIONS = {"mnist": 4, "digits": 8}
MEMORISED = 0.1  # nats of training loss, below which any labels count as learned
MOST = at_least(0.5, reason="the paper shows one network: what it says of networks holds if it holds of most")
SPECTRA: list[dict[str, Any]] = [
    {
        "data": ("mnist", "digits"),
        "suffix": "-spectrum",
        "tag": "figure-4",
        "k": 10,
        "where": "Appendix B, Figure 4",
        "quotes": "The hidden layers each have 32 neurons, and the network was trained on MNIST for 40 epochs. The eigenvalues belonging to the "
        "top subspace are clearly visible, and for clarity, we labeled them showing that there's 10 nontrivial eigenvalues.",
        "says": "the Hessian of a small network has as many outliers as there are classes",
        "smoke": True,
    },
    {
        "data": ("mnist", "digits"),
        "suffix": "-parity",
        "tag": "parity",
        "k": 2,
        "where": "Appendix B",
        "quotes": "we artificially label the digits according to whether they are even or odd ... In this case, there were only 2 large "
        "eigenvalues",
        "says": "ten digits in two classes give two outliers",
    },
    {
        "data": ("digits",),
        "suffix": "-spectrum-memorised",
        "tag": "permuted",
        "k": 10,
        "where": "Appendix B",
        "quotes": "applying a random permutation to the MNIST labels ... but the network could still get very high training accuracy ... In this "
        "case, we still find 10 large eigenvalues.",
        "says": "ten classes of memorised random labels give ten outliers",
        "realisations": 2,
    },
    *(
        {
            "data": ("digits",),
            "suffix": f"-classes-{k}",
            "tag": f"classes-{k}",
            "k": k,
            "where": "Appendix B",
            "quotes": "We further confirmed this effect by studying datasets with a different number of classes",
            "says": "another number of classes gives as many outliers",
        }
        for k in (3, 5)
    ),
]


def spectra(run: Any, count: int) -> tuple[Any, Any]:
    """The largest eigenvalues at the last step (realisations, m), and the training losses there."""
    each = run.realisations(count)
    return np.stack([one.history.values[-1] for one in each]), np.array([one.overlaps.loss[-1] for one in each])


def planted(count: int) -> Any:
    """Each realisation's own bulk with ``count`` eigenvalues lifted above it."""

    def lifted(values: Any, k: int) -> Any:
        edge = bulk_edge(values, k)
        lift = np.where(np.arange(len(values)) < count, 3 * edge / values[count - 1], np.minimum(1, 0.9 * edge / values))
        return values * np.maximum(lift, 0)

    return lambda run: World(run, changed=lifted)


def two_readings(function: Any) -> Any:
    """Each sentence read as k outliers, and as k - 1: footnote 9 calls the two inconclusive."""
    for sentence in SPECTRA:
        k = sentence["k"]
        for name, count in (("k", k), ("k-minus-one", k - 1)):
            for data in sentence["data"]:
                realisations = sentence.get("realisations", REALISATIONS[data])
                w.on(
                    (data,),
                    "k-outliers",
                    suffix=sentence["suffix"],
                    smoke=sentence.get("smoke", False),
                    tag=f"{sentence['tag']},{name}",
                    where=sentence["where"],
                    quotes=sentence["quotes"],
                    says=sentence["says"],
                    over="trials",
                    controls=[
                        Control(f"{count + 1} eigenvalues lifted above the bulk", planted(count + 1)),
                        supported(f"{count} eigenvalues lifted above the bulk", planted(count)),
                    ],
                    accept=MOST,
                    reading=f"we count the Hessian eigenvalues beyond the bulk at the last step, of {realisations} networks a seed; {EDGE}; "
                    f"supported if at least half of the networks have {count} and have learned their labels (loss below {MEMORISED})",
                    given={"k": k, "expected": count, "count": realisations},
                )(function)
    return function


@two_readings
def test_outliers(run: Any, k: int, expected: int, count: int) -> Measurement:
    values, losses = spectra(run, count)
    changed = getattr(run, "changed", lambda each, _: each)
    found = np.array([outliers(changed(each, k), k) for each in values])
    learned = losses <= MEMORISED
    right = (found == expected) & learned
    arrays = {"eigenvalues": values, "outliers": found, "loss": losses}
    details = {"outliers, median": float(np.median(found)), "share that learned its labels": float(learned.mean())}
    details |= {"edge over lambda_k, median": float(np.median([bulk_edge(each, k) / each[k - 1] for each in values]))}
    return Measurement(right.mean(), "of the networks", "networks", count, arrays, details)


# --- the whole spectrum -------------------------------------------------------------------------------------------------

FIGURE_5 = "Appendix B, Figure 5"
TWO_COMPONENTS = (
    "the spectrum separates into two components: a bulk component with many small eigenvalues, and a top component of much larger positive "
    "eigenvalues"
)
WHOLE = "a 32-32 network on digits after 40 epochs, all 3466 Hessian eigenvalues"


def random_matrix(run: Any) -> World:
    """A symmetric Gaussian matrix with the trace of H^2: a bulk without outliers."""
    values = run.spectra[-1]
    size = len(values)
    drawn = numpy_stream(run.experiment.seed, "symmetric Gaussian matrix").standard_normal((size, size))
    found = np.linalg.eigvalsh(drawn + drawn.T)[::-1]
    return World(run, spectra=(found * np.sqrt(np.sum(values**2) / np.sum(found**2)))[None])


@w.digits(
    "full-spectrum",
    suffix="-dense",
    tag="bulk",
    where="Appendix B, Figure 4; section 1",
    quotes=TWO_COMPONENTS,
    says="nearly all eigenvalues of the Hessian are small",
    reading=f"{WHOLE}: we measure the share of them whose size is below a hundredth of the largest; supported if at least 0.9",
    accept=at_least(0.9, reason="many are small: nine in ten lie in the first bin of a histogram with a hundred of them"),
    controls=[Control("a symmetric Gaussian matrix with the same trace of H^2", random_matrix)],
)
@bounded(0, 1)
def test_small_bulk(spectra: Any) -> Measurement:
    final = spectra[-1]
    return Measurement(
        float(np.mean(np.abs(final) < final[0] / 100)),
        "of the eigenvalues",
        f"{len(final)} eigenvalues",
        None,
        {"spectrum": final},
    )


@w.digits(
    "full-spectrum",
    suffix="-dense",
    tag="positive-top",
    where="Section 1; section 4",
    quotes=TWO_COMPONENTS,
    says="the top eigenvalues are far larger than any negative one",
    reading=f"{WHOLE}: we measure eigenvalue k - 1 over the size of the most negative one; supported if at least 2",
    accept=at_least(2, reason="much larger than the bulk, whose extent on the other side is measured without knowing the top"),
    controls=[
        Control("a symmetric Gaussian matrix with the same trace of H^2", random_matrix),
    ],
)
def test_positive_top(spectra: Any) -> Measurement:
    final = spectra[-1]
    return Measurement(
        float(final[K - 2] / -final[-1]),
        "",
        f"{len(final)} eigenvalues",
        None,
        {},
        {"most negative": float(final[-1])},
    )


@w.digits(
    "full-spectrum",
    suffix="-spectrum",
    tag="underdensity",
    where=FIGURE_5,
    quotes="there is a clear underdensity around the 100th eigenvalue, counting from the right edge",
    says="eigenvalues are fewest around the k-th, averaged over networks",
    reading="a 32-32 network: we average log(lambda_i / lambda_(i+1)) over 8 networks and measure the larger of its values at i = k - 1 and k, "
    "over the largest at any other i from k / 2 to 2 k; supported if above 1",
    accept=at_least(1, reason="where eigenvalues are fewest, their logarithms are farthest apart"),
    controls=[Control("the spectrum without its first five eigenvalues", lambda run: World(run, dropped=5))],
)
@bounded(0, math.inf)
def test_underdensity(run: Any) -> Measurement:
    values = spectra(run, REALISATIONS["digits"])[0][:, getattr(run, "dropped", 0) :]
    apart = np.mean(np.log(values[:, :-1] / values[:, 1:]), axis=0)  # apart[i - 1]: from eigenvalue i to the next
    others = [apart[i - 1] for i in range(K // 2, 2 * K + 1) if i not in (K - 1, K)]
    return Measurement(float(max(apart[K - 2 : K]) / max(others)), "", f"{len(values)} networks", None, {"apart": apart})


# --- the leading eigenvector is spread over the network -----------------------------------------------------------------

FIGURE_6 = "Appendix B, Figures 6 and 7"
FIGURE_STEPS = (100, 200, 400)
TRAINED = "mean over steps 100, 200 and 400"


def leading(history: History, run: Any, value_of: Any) -> Measurement:
    """A number from the leading eigenvector, mean over the trained steps of Figure 6, with the vectors and layer shares."""
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
    quotes="One hypothesis is that the corresponding eigenvectors to the k largest eigenvalues would just correspond to either the weights or "
    "biases in the last layer ... there are many nonzero elements of the vectors across the entire range of model parameters",
    says="the leading eigenvector is not confined to the last layer",
    reading=f"we measure the last layer's share of the leading eigenvector's squared norm, {TRAINED}; supported if at most 1/2",
    bounds=(0, 1),
    accept=at_most(0.5, reason="most of the eigenvector is elsewhere; by the hypothesis the share would be 1"),
    controls=[last_layer_only, Control("a last layer three times as large", w.last_layer_tripled)],
)
def test_spread(history: History, run: Any) -> Measurement:
    return leading(history, run, lambda _, shares: list(shares.values())[-1])


LARGER = (
    "the top layer weights seem to have the largest coefficients ... larger than typical coefficients in the first hidden layer"
)
FOUR_TIMES = within(2, 8, reason="'~4 x' is read off a plot: within a factor of two")


def kernels(run: Any) -> tuple[slice, slice]:
    """The slices of theta for the first layer's kernel and the last layer's."""
    edges = np.cumsum([0, *(int(np.prod(shape)) for shape in run.network.shapes.values())])
    return slice(edges[0], edges[1]), slice(edges[-3], edges[-2])


@mnist(
    "not-localised",
    tag="largest-with-largest",
    where=FIGURE_6,
    quotes=LARGER,
    says="the largest coefficients of the last layer are about four times those of the first",
    reading=f"like with like: we measure the largest coefficient of the last kernel over the largest of the first's, {TRAINED}; "
    "supported if 2 to 8",
    accept=FOUR_TIMES,
    controls=[
        Control("the leading eigenvector with nothing but its 5 largest coefficients", w.largest_alone(5)),
        random_leading,
        supported("a last layer four times as large as the first", w.last_layer_times(4)),
    ],
)
@bounded(0, math.inf)
def test_largest_coefficients(history: History, run: Any) -> Measurement:
    first, last = kernels(run)
    tiny = np.finfo(float).tiny  # a first layer without any coefficient
    return leading(history, run, lambda vector, _: min(np.abs(vector[last]).max() / max(np.abs(vector[first]).max(), tiny), 1e9))


@mnist(
    "not-localised",
    tag="typical",
    where=FIGURE_6,
    quotes=LARGER,
    says="typical coefficients of the last layer are about four times those of the first",
    reading=f"we measure the root mean square of the last kernel's coefficients over that of the first kernel's nonzero ones, {TRAINED}; "
    "supported if 2 to 8",
    accept=FOUR_TIMES,
    controls=[random_leading],
)
@bounded(0, math.inf)
def test_typical_coefficients(history: History, run: Any) -> Measurement:
    first, last = kernels(run)
    return leading(history, run, lambda vector, _: root_mean_square(vector[last]) / root_mean_square(vector[first]))


@both(
    "not-localised",
    tag="not-constant",
    where=FIGURE_6,
    quotes="this vector is not constant during training ... is meaningfully changing in time",
    says="training turns the leading eigenvector",
    reading="we measure |cos| of the leading eigenvectors at steps 0 and 400, the ends of Figure 7; supported if at most 0.9",
    bounds=(0, 1),
    accept=at_most(0.9, reason="not constant: not the same to one decimal"),
    controls=[
        Control("the last step's eigenvector at all times", w.as_at_the_end),
        Control("nine tenths of the way to the last step's eigenvector at all times", w.nearly_fixed),
    ],
    smoke=True,
)
def test_not_constant(history: History) -> Measurement:
    early, late = (np.asarray(history.leading[history.at(step)], float) for step in (0, 400))
    cosine = abs(early @ late) / np.linalg.norm(early) / np.linalg.norm(late)
    return Measurement(float(cosine), "", "steps 0 and 400")


@both(
    "not-localised",
    tag="not-sparse",
    where="Appendix B, Figure 7",
    quotes="This makes it clear that the eigenvector is never sparse and is evolving in time.",
    says="the leading eigenvector has many coefficients that count",
    reading="we measure how many of the last layer's coefficients count, (sum v^2)^2 / sum v^4 over their number, least of steps 0 and 400; "
    "supported if at least 0.1",
    bounds=(0, 1),
    accept=at_least(
        0.1, reason="a vector of which a tenth is alike and the rest zero has 0.1, a Gaussian one 1/3, one parameter 1/1010"
    ),
    controls=[
        Control("nothing but its 5 largest coefficients", w.largest_alone(5)),
        supported("coefficients that are all alike", w.evenly_spread),
    ],
    smoke=True,
)
def test_not_sparse(history: History, run: Any) -> Measurement:
    last = list(run.layers.values())[-1]
    parts = [np.asarray(history.leading[history.at(step)][last], float) ** 2 for step in (0, 400)]
    return Measurement(min(participation(part) / len(part) for part in parts), "of the last layer", "steps 0 and 400")


@both(
    "not-localised",
    tag="no-one-parameter",
    where="Appendix B, Figure 7",
    quotes="eigenvector is clearly not dominated by any particular parameter",
    says="no parameter holds much of the leading eigenvector",
    reading="we measure the largest share of its squared norm in one parameter, largest of steps 0, 100, 200 and 400; supported if at most 0.1",
    bounds=(0, 1),
    accept=at_most(0.1, reason="not dominated: nine tenths are elsewhere"),
    controls=[Control("nothing but its 5 largest coefficients", w.largest_alone(5))],
)
def test_no_one_parameter(history: History) -> Measurement:
    vectors = [np.asarray(history.leading[history.at(step)], float) ** 2 for step in (0, *FIGURE_STEPS)]
    return Measurement(max(float(each.max() / each.sum()) for each in vectors), "of the squared norm", "4 steps")


# --- the largest eigenvalue ---------------------------------------------------------------------------------------------

FIGURE_8 = "Appendix B, Figure 8a"
GROWS_THEN_DECAYS = "In both cases, we see an initial period of growth, then the eigenvalue remains very large as the model is training, then it decays."


def largest(history: History, value: float, counted: str) -> Measurement:
    """The largest eigenvalue along training as evidence, with one number from it."""
    arrays = {"steps": history.steps, "eigenvalue": history.values[:, 0]}
    return Measurement(value, "", counted, None, arrays, {"largest of all": float(arrays["eigenvalue"].max())})


@both(
    "lambda-max-decays",
    tag="grows",
    smoke=True,
    where=FIGURE_8,
    quotes=GROWS_THEN_DECAYS,
    says="the largest eigenvalue grows at first",
    reading="we measure how often the largest eigenvalue doubles from step 0 to its largest; supported if at least once",
    accept=at_least(1, reason="growth that is plain on the figure: it doubles at least"),
    controls=[untrained, damped],
    unit="doublings",
)
def test_grows(history: History) -> Measurement:
    return largest(history, float(np.log2(history.values[:, 0].max() / history.values[0, 0])), "largest over first")


@both(
    "lambda-max-decays",
    tag="decays",
    where=FIGURE_8,
    quotes=GROWS_THEN_DECAYS,
    says="the largest eigenvalue decays late",
    reading="we measure the largest eigenvalue at the last step over the largest of all steps; supported if at most 1/2",
    accept=at_most(0.5, reason="decay that is plain on the figure: it halves at least"),
    controls=[untrained, damped],
)
@bounded(-math.inf, 1)
def test_decays(history: History) -> Measurement:
    return largest(history, float(history.values[-1, 0] / history.values[:, 0].max()), "last over largest")
