"""Sections 2.1 and 2.2: the gradient lies in the top Hessian subspace, and overlaps with its product with the Hessian."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from harness.engine.streams import numpy_stream
from harness.errors import EmptyOutcome
from harness.measure.hessian_subspace import (
    History,
    Overlaps,
    overlap,
    participation,
    random_vector_overlap,
    spectrum_overlap,
)
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World, bounded, claim
from harness.suite.verdict import at_least, at_most, within

from . import experiments as e
from . import worlds as w
from .sentences import STARTS_SMALL
from .worlds import K, both, digits, mnist, near, supported

# --- the fraction of the gradient in the top subspace -------------------------------------------------------------------

SPREAD = (
    "the gradient is spread over the different c_i^2's from i = 1 . . . 10 in the top subspace and never has any real significant weight "
    "for i > 10"
)
random_gradient = Control("a random gradient", w.random_gradient)
shuffled = Control("the next ten eigenvectors in the place of the top ten", w.shuffled_eigenvectors)
untrained = Control("nothing learned: step 0 at all times", w.untrained)


def shares(history: History, value: float, counted: str) -> Measurement:
    """c_i^2 along training (Figures 1 and 11) as evidence, with one value from it."""
    arrays = {"steps": history.steps, "shares": history.shares, "f_top": history.shares[:, :K].sum(axis=1)}
    return Measurement(value, "of |g|^2", counted, None, arrays, {"f_top at the last step": float(arrays["f_top"][-1])})


@both(
    "gradient-in-top",
    tag="start",
    where="Section 2.1, Figure 1",
    quotes=STARTS_SMALL,
    says="little of the initial gradient lies in the top subspace",
    reading="we measure |P g|^2 / |g|^2 at step 0, P the projection on the top ten eigenvectors; supported if at most 1/2",
    bounds=(0, 1),
    accept=at_most(0.5, reason="small, in its weakest sense: most of the gradient is elsewhere"),
    controls=[Control("a trained network in the place of the initial one", w.trained_at_the_start)],
)
def test_starts_small(history: History) -> Measurement:
    return shares(history, float(history.shares[0, :K].sum()), "top ten at step 0")


@both(
    "gradient-in-top",
    tag="training",
    where="Section 2.1, Figure 1",
    quotes=STARTS_SMALL,
    says="nearly all of the gradient of a training network lies in the top subspace",
    reading="we measure |P g|^2 / |g|^2, mean over the measured steps from 100 on; supported if at least 0.9",
    bounds=(0, 1),
    accept=at_least(0.9, reason="close to 1: rounds to 1 at one decimal or lies within 0.1 of it"),
    controls=[random_gradient, shuffled, untrained],
)
@claim(
    "tiny-subspace/gradient-in-top[cifar10,training]",
    on="tiny-cifar10",
    scales=("large",),
    where="Section 2.1, Figures 1c and 1d",
    quotes=STARTS_SMALL,
    says="nearly all of the gradient of a training network lies in the top subspace",
    reading="Keras' ConvNet on CIFAR10: we measure |P g|^2 / |g|^2, mean over the measured steps from 100 on; supported if at least 0.9",
    bounds=(0, 1),
    accept=at_least(0.9, reason="close to 1: rounds to 1 at one decimal or lies within 0.1 of it"),
    controls=[random_gradient, shuffled, untrained],
)
def test_grows(history: History) -> Measurement:
    later = history.steps >= 100
    return shares(history, float(history.shares[later, :K].sum(axis=1).mean()), f"top ten, mean over {later.sum()} steps")


@mnist(
    "gradient-in-top",
    tag="top-twenty-at-start",
    where="Appendix C, Figure 11",
    quotes="before any training, the gradient doesn't seem to have any significant overlap in the top or next subspaces ... .20, after 0 steps "
    "of training",
    says="0.20 of the initial gradient lies in the top twenty eigenvectors",
    reading="we measure the sum of c_i^2 over i = 1..20 at step 0, on 10,000 images; supported if it agrees with the paper's",
    bounds=(0, 1),
    accept=near(0.20),
    controls=[
        Control("a trained network in the place of the initial one", w.trained_at_the_start),
        supported("a fifth of the gradient in the top twenty", w.share_in_top_twenty(0.20)),
    ],
    published=0.20,
    given={"step": 0, "part": slice(0, 2 * K)},
)
@mnist(
    "gradient-in-top",
    tag="top-twenty",
    where="Appendix C, Figure 11",
    quotes=".94 after 50 steps of training",
    says="0.94 of the gradient lies in the top twenty eigenvectors after 50 steps",
    reading="we measure the sum of c_i^2 over i = 1..20 at step 50, on 10,000 images; supported if it agrees with the paper's",
    bounds=(0, 1),
    accept=near(0.94),
    controls=[random_gradient, untrained],
    published=0.94,
    given={"step": 50, "part": slice(0, 2 * K)},
)
@mnist(
    "gradient-in-top",
    tag="top-ten",
    where="Appendix C, Figure 11",
    quotes=SPREAD,
    says="0.93 of the gradient lies in the top ten eigenvectors after 50 steps",
    reading="we measure the sum of c_i^2 over i = 1..10 at step 50, on 10,000 images; supported if it agrees with the paper's",
    bounds=(0, 1),
    accept=near(0.93),
    controls=[random_gradient, shuffled, untrained],
    published=0.93,
    given={"step": 50, "part": slice(0, K)},
)
@mnist(
    "gradient-in-top",
    tag="next-ten",
    where="Appendix C, Figure 11",
    quotes=".01 after 50 steps of training",
    says="0.01 of the gradient lies in the next ten eigenvectors after 50 steps",
    reading="we measure the sum of c_i^2 over i = 11..20 at step 50, on 10,000 images; supported if it agrees with the paper's",
    bounds=(0, 1),
    accept=at_most(0.06, reason="the paper's .01 is one run without an error bar: within half a unit of the first decimal"),
    controls=[shuffled],
    published=0.01,
    given={"step": 50, "part": slice(K, 2 * K)},
)
def test_published_shares(history: History, step: int, part: slice) -> Measurement:
    return shares(history, float(history.shares[history.at(step), part].sum()), f"step {step}")


AFTER = (50, 100, 200)  # Figures 11b to 11d
FIGURE_11 = "Appendix C, Figures 11b to 11d"
WATCHED = "at steps 50, 100 and 200"


@both(
    "gradient-in-top",
    tag="next-ten-never",
    where=FIGURE_11,
    quotes=SPREAD,
    says="hardly any of the gradient lies in the next ten eigenvectors",
    reading=f"we measure the sum of c_i^2 over i = 11..20, largest of its values {WATCHED}; supported if at most 0.1",
    bounds=(0, 1),
    accept=at_most(0.1, reason="no significant weight: a tenth of the gradient at most"),
    controls=[shuffled],
    smoke=True,
)
def test_next_ten(history: History) -> Measurement:
    found = [float(history.shares[history.at(step), K : 2 * K].sum()) for step in AFTER]
    return shares(history, max(found), f"largest {WATCHED}")


@both(
    "gradient-in-top",
    tag="spread",
    where=FIGURE_11,
    quotes=f"the gradient is not simply an eigenvector of the Hessian ... {SPREAD}",
    says="the gradient has parts along several of the top ten eigenvectors",
    reading="we measure over how many of the top ten eigenvectors the gradient is spread, (sum c_i^2)^2 / sum c_i^4 over i = 1..10, least "
    f"of its values {WATCHED}; supported if at least 2",
    accept=at_least(2, reason="more than one: an eigenvector has 1, a random direction of ten dimensions 12 / 3 = 4"),
    controls=[Control("H^20 g in the gradient's place, which is nearly an eigenvector", w.driven_to_the_top)],
    unit="eigenvectors",
)
@bounded(1, K)
def test_spread_over_eigenvectors(history: History) -> Measurement:
    found = [participation(history.shares[history.at(step), :K]) for step in AFTER]
    return replace(shares(history, min(found), f"least {WATCHED}"), unit="eigenvectors")


# --- Figure 12: the same under other choices ----------------------------------------------------------------------------

ALWAYS = (
    "In all these experiments, we see pretty consistently that the gradient quickly converges to live in the top subspace and then stays "
    "there."
)
# the experiment's suffix by the figure's panel
PANELS = {"a": "slow", "b": "batch-256", "c": "softmax", "d": "softplus", "e": "random-labels", "f": "adam"}
SOON, LATER = (100, 600), (1000, 3000)
STAYS = (
    "we measure |P g|^2 / |g|^2, mean over the measured steps from 100 to 600 and mean over those from 1000 on; supported if the "
    "smaller of both is at least 0.9"
)
IN_TOP = at_least(0.9, reason="as for Figure 1, close to 1: rounds to 1 at one decimal or lies within 0.1 of it")
# for the rows that fail: another row, for which the claim holds
softplus = supported("the softplus network", lambda run: run.sibling(f"tiny-{run.experiment.data}-softplus"))


def panels(function: Any) -> Any:
    """One claim a panel. The last panel takes the network of Figure 1 in place of the paper's ConvNet on CIFAR10."""
    for panel, name in PANELS.items():
        both(
            "gradient-in-top",
            suffix=f"-{name}",
            tag=f"{name},stays",
            where=f"Appendix D, Figure 12{panel}",
            quotes=ALWAYS,
            says="soon nearly all of the gradient lies in the top subspace, and so it does later on",
            reading=f"the fully connected network under Adam: {STAYS}" if name == "adam" else STAYS,
            accept=IN_TOP,
            controls=[random_gradient, *([] if name == "softplus" else [softplus])],
            bounds=(0, 1),
        )(function)
    return function


@claim(
    "tiny-subspace/gradient-in-top[cifar10,adam,stays]",
    on="tiny-cifar10-adam",
    scales=("large",),
    where="Appendix D, Figure 12f",
    quotes=ALWAYS,
    says="soon nearly all of the gradient lies in the top subspace, and so it does later on",
    reading=f"Keras' ConvNet on CIFAR10 under Adam: {STAYS}",
    accept=IN_TOP,
    controls=[random_gradient],
    bounds=(0, 1),
)
@panels
def test_stays_in_top(history: History) -> Measurement:
    f_top = history.shares[:, :K].sum(axis=1)
    windows = [(history.steps >= first) & (history.steps <= last) for first, last in (SOON, LATER)]
    if not all(window.any() for window in windows):
        raise EmptyOutcome(f"eigenvectors at steps {history.steps.tolist()}: none soon, or none later on")
    means = [float(f_top[window].mean()) for window in windows]
    found = shares(history, min(means), f"{len(history.steps)} steps")
    return replace(found, details=dict(zip(("soon", "later"), means, strict=True)))


# --- Hessian-gradient overlap -------------------------------------------------------------------------------------------

TABLE = "Section 2.2, Table 1"
WINDOW = 1000  # "the reported overlap is the mean over the last 1,000 steps of training"
OVERLAP = "we measure g.Hg / (|g| |Hg|) on the whole training set, mean over the last 1000 steps"
LARGE = at_least(0.855, reason="large: the smallest mean overlap of Table 1 is 0.86, given to two decimals")
LARGE_HERE = at_least(0.5, reason="'big (of order 1)': nearer to one than to zero; the table's numbers belong to other data")
GROWS = at_least(0.05, reason="more than before training by what is seen at one decimal; without training it is 0")
random_vectors = Control("random vectors of the whole space in the gradient's place", w.random_vectors)
no_training = Control("no training", w.no_training)
CLOSE_TO_ONE = "In all the examples that we checked, the overlap was consistently close to one after some training."
BIG = f"the overlap becomes big (of order 1) if the gradient is contained in the top subspace of the Hessian ... {CLOSE_TO_ONE}"
# suffix of the experiment: the table's row, its number
ROWS = {
    "softmax": ("Softmax", 0.96),
    "softplus": ("FC, softplus activation", 0.96),
    "slow": ("FC, eta = 0.01", 0.96),
    "batch-256": ("FC, batch size 256", 0.97),
    "random-labels": ("FC, random labels", 0.86),
}
ADAM = f"models trained using different optimization algorithms (SGD and Adam) ... {CLOSE_TO_ONE}"


def mean_overlap(overlaps: Overlaps, run: Any) -> Measurement:
    """Mean over the last 1000 steps, with all values as evidence."""
    last = run.experiment.steps
    arrays = {"steps": overlaps.steps, "overlap": overlaps.values, "loss": overlaps.loss, "gradient norm": overlaps.gradient_norm}
    details = {
        "images": len(run.examples.x),
        "training loss": float(overlaps.loss[-1]),
        "random vectors": float(overlaps.random.mean()),
        "before training": float(overlaps.values[0]),
    }
    return Measurement(overlaps.mean(last - WINDOW + 1, last), "", f"mean over the last {WINDOW} steps", None, arrays, details)


def rows_of_the_table(function: Any) -> Any:
    """Claims for each row of Table 1. On MNIST: its number, and that it is large by the table; on digits: that it is large."""
    statement = "hessian-gradient-overlap"
    for name, (row, published) in ROWS.items():
        said: dict[str, Any] = {
            "suffix": f"-{name}",
            "where": f"{TABLE}, MNIST, {row}",
            "says": f"the mean overlap is {published}",
        }
        said["quotes"] = f"MNIST, {row}, {published}"
        said["controls"] = [random_vectors, softplus] if name in ("softmax", "slow") else [random_vectors]
        agrees = f"{OVERLAP}, 10,000 images; supported if it agrees with the paper's"
        mnist(statement, tag=name, **said, accept=near(published), reading=agrees, published=published)(function)
        mnist(statement, tag=f"{name},large", **said, accept=LARGE, reading=f"{OVERLAP}; supported if at least 0.855")(function)
        said |= {"says": "the overlap is large", "quotes": BIG}
        digits(statement, tag=f"{name},large", **said, accept=LARGE_HERE, reading=f"{OVERLAP}; supported if at least 1/2")(
            function
        )
    return function


@digits(
    "hessian-gradient-overlap",
    suffix="-convnet-adam",
    tag="convnet-adam,large",
    where=f"{TABLE}, CIFAR10, ConvNet optimised using Adam",
    quotes=BIG,
    says="the overlap is large",
    reading=f"{OVERLAP}, a ConvNet of Keras' layout with a quarter of its channels; supported if at least 1/2",
    accept=LARGE_HERE,
    controls=[random_vectors],
)
@digits(
    "hessian-gradient-overlap",
    suffix="-convnet-random-labels",
    tag="convnet-random-labels,large",
    where=f"{TABLE}, CIFAR10, ConvNet with random labels",
    quotes=BIG,
    says="the overlap is large",
    reading=f"{OVERLAP}, a ConvNet of Keras' layout with a quarter of its channels; supported if at least 1/2",
    accept=LARGE_HERE,
    controls=[random_vectors],
)
@mnist(
    "hessian-gradient-overlap",
    suffix="-adam",
    tag="adam,large",
    where=TABLE,
    quotes=ADAM,
    says="the overlap is large under Adam as well",
    reading=f"{OVERLAP} of the fully connected network under Adam, eta = 0.001; supported if at least 0.855",
    accept=LARGE,
    controls=[random_vectors],
)
@digits(
    "hessian-gradient-overlap",
    suffix="-adam",
    tag="adam,large",
    where=TABLE,
    quotes=ADAM,
    says="the overlap is large under Adam as well",
    reading=f"{OVERLAP} of the fully connected network under Adam, eta = 0.001; supported if at least 1/2",
    accept=LARGE_HERE,
    controls=[random_vectors],
)
@claim(
    "tiny-subspace/hessian-gradient-overlap[cifar10,adam]",
    on="tiny-cifar10-adam",
    scales=("large",),
    where=f"{TABLE}, CIFAR10, ConvNet optimised using Adam",
    quotes="CIFAR10, ConvNet, Optimized using Adam, 0.89",
    says="the mean overlap is 0.89",
    reading=f"{OVERLAP}; supported if it agrees with the paper's",
    accept=near(0.89),
    controls=[random_vectors],
    published=0.89,
)
@claim(
    "tiny-subspace/hessian-gradient-overlap[cifar10,random-labels]",
    on="tiny-cifar10-random-labels",
    scales=("large",),
    where=f"{TABLE}, CIFAR10, ConvNet with random labels",
    quotes="CIFAR10, ConvNet, Random labels, 0.86",
    says="the mean overlap is 0.86",
    reading=f"{OVERLAP}; supported if it agrees with the paper's",
    accept=near(0.86),
    controls=[random_vectors],
    published=0.86,
)
@claim(
    "tiny-subspace/hessian-gradient-overlap[regression]",
    on="tiny-regression",
    where=f"{TABLE}, Regression, FC, batch size 100",
    quotes="Regression, FC, Batch size 100, 0.99",
    says="the mean overlap is 0.99",
    reading=f"{OVERLAP}, 1000 samples of one period of a sine, squared error; supported if it agrees with the paper's",
    accept=near(0.99),
    controls=[random_vectors],
    published=0.99,
)
@rows_of_the_table
@bounded(-1, 1)
def test_overlap(overlaps: Overlaps, run: Any) -> Measurement:
    return mean_overlap(overlaps, run)


def growth(function: Any) -> Any:
    """The digits' rows of Table 1 against the same network before training."""
    for name in ROWS:
        digits(
            "hessian-gradient-overlap",
            suffix=f"-{name}",
            tag=f"{name},grows",
            where="Section 2.2",
            quotes=CLOSE_TO_ONE,
            says="the overlap grows with training",
            reading=f"'after some training': {OVERLAP}, less the same at step 0; supported if at least 0.05",
            accept=GROWS,
            controls=[random_vectors, no_training, growing],
        )(function)
    return function


growing = supported("the network of the base case, trained with eta = 0.1", lambda run: run.sibling("tiny-digits"))


@growth
@bounded(-2, 2)
def test_overlap_grows(overlaps: Overlaps, run: Any) -> Measurement:
    found = mean_overlap(overlaps, run)
    return replace(found, value=found.value - float(run.sibling(run.experiment.name).overlaps.values[0]))


PROXY = "we will take the overlap equation 3 to be a proxy measurement for the part of the gradient that lives in the top Hessian subspace"


@both(
    "overlap-proxy",
    where="Section 2.2",
    quotes=PROXY,
    says="the overlap can be read as the share of the gradient in the top subspace",
    reading="where the gradient is not in the top subspace yet, at step 0: we measure g.Hg / (|g| |Hg|) less |P g|^2 / |g|^2 of the top ten "
    "eigenvectors; supported if within 0.1",
    accept=within(-0.1, 0.1, reason="a proxy that can be read as the part itself: the same to one decimal"),
    controls=[random_vectors, supported("after 600 steps", lambda run: World(run, instead=600))],
)
@bounded(-2, 1)
def test_proxy(history: History, overlaps: Overlaps, run: Any) -> Measurement:
    step = getattr(run, "instead", 0)
    part = float(history.shares[history.at(step), :K].sum())
    value = float(overlaps.values[overlaps.steps == step][0])
    return Measurement(value - part, "", f"step {step}", None, {}, {"overlap": value, "f_top": part})


# --- the overlap on examples that training never sees ------------------------------------------------------------------

TEST_SET = "The overlap is large for the gradient and Hessian computed on a test set as well (except for the case where the labels are randomized)"
HELD_OUT = (
    "gradient and Hessian of the loss on {held}, which training never sees: mean overlap over the last 1000 steps of training"
)
HELD = {"mnist": "2000 of the 10,000 images", "digits": "297 of the 1797 digits"}
true_labels = Control("true labels", lambda run: run.sibling(run.experiment.name.removesuffix("-random-labels")))
random_in_its_place = Control(
    "random vectors of the whole space in the gradient's place",
    lambda run: World(run, held_out_overlaps=w.random_vectors(run).overlaps),
)


def held_out(function: Any) -> Any:
    """True and permuted labels on both data sets."""
    for data, held in HELD.items():
        said: dict[str, Any] = {"where": "Section 2.2", "quotes": TEST_SET}
        measured = HELD_OUT.format(held=held)
        w.on(
            (data,),
            "test-set-overlap",
            suffix="-held-out",
            tag="large",
            says="the overlap is large on examples that training never sees",
            reading=f"{measured}; supported if at least 1/2",
            accept=at_least(0.5, reason="large: 'big (of order 1)', nearer to one than to zero; the paper gives no number"),
            controls=[random_in_its_place],
            **said,
        )(function)
        w.on(
            (data,),
            "test-set-overlap",
            suffix="-held-out-random-labels",
            tag="random-labels",
            says="with random labels the overlap is not large on examples that training never sees",
            reading=f"labels permuted: {measured}; supported if at most 1/2",
            accept=at_most(0.5, reason="not large: nearer to zero than to one"),
            controls=[true_labels, supported("random vectors", random_in_its_place.world)],
            **said,
        )(function)
    return function


@held_out
@bounded(-1, 1)
def test_held_out(held_out_overlaps: Overlaps, overlaps: Overlaps, run: Any) -> Measurement:
    last, found = run.experiment.steps, held_out_overlaps
    arrays = {"steps": found.steps, "overlap": found.values, "loss": found.loss}
    details = {"on the training set": overlaps.mean(last - WINDOW + 1, last), "held-out loss": float(found.loss[-1])}
    return Measurement(found.mean(last - WINDOW + 1, last), "", f"mean over the last {WINDOW} steps", None, arrays, details)


# --- random vectors -----------------------------------------------------------------------------------------------------

EQUATION_4 = "Section 2.2, equation 4"
ESTIMATE = (
    "a rough approximation, empirically, when k = 10 ... take k large so that we can compute the sums approximately ... 0.87, which is in line "
    "with our empirical observations"
)


@claim(
    "tiny-subspace/random-in-top[limit]",
    over="once",
    scales=("smoke", "paper"),
    where=EQUATION_4,
    quotes=ESTIMATE,
    says="eigenvalues proportional to 1, 2, ..., k give an overlap of sqrt(3/4) for large k",
    reading="we measure mean(lambda) / sqrt(mean(lambda^2)) - sqrt(3/4) for lambda_i = i at k = 10^6; supported if at most 1 / (4k)",
    accept=within(0.0, 2.5e-7, reason="the exact value sqrt(3/4 (k+1) / (k+1/2)) exceeds sqrt(3/4) by less than 1 / (4k)"),
    controls=[
        Control("eigenvalues that are all equal", lambda: {"values": np.ones(K)}),
        Control("k = 10", lambda: {"values": np.arange(1.0, K + 1)}),
    ],
    given={"values": np.arange(1, 1_000_001.0)},
)
def test_equation_4_limit(values: Any) -> Measurement:
    return Measurement(spectrum_overlap(values) - np.sqrt(0.75), "", f"k = {len(values)}")


@claim(
    "tiny-subspace/random-in-top[ten]",
    over="once",
    scales=("smoke", "paper"),
    where=EQUATION_4,
    quotes=ESTIMATE,
    says="eigenvalues proportional to 1, 2, ..., 10 give an overlap of about 0.87",
    calibrated=True,
    reading="we measure w.Hw / (|w| |Hw|) for lambda_i = i, k = 10 and w_i = +-1; supported if it rounds to within 0.02 of 0.87",
    accept=within(
        0.85, 0.89, reason="0.87 is the limit of large k; at k = 10 the exact value sqrt(66/84) = 0.886 is 2 % above it"
    ),
    controls=[
        Control("lambda_i proportional to i^3", lambda: {"values": np.arange(1.0, K + 1) ** 3}),
        Control("eigenvalues that are all equal", lambda: {"values": np.ones(K)}),
    ],
    published=0.87,
    given={"values": np.arange(1.0, K + 1)},
)
def test_equation_4_at_ten(values: Any) -> Measurement:
    signs = numpy_stream(0, "signs").choice([-1.0, 1.0], size=(100, K))
    drawn = [overlap(w, values * w) for w in signs]
    return Measurement(
        float(np.mean(drawn)), "", "100 draws of the signs", None, {}, {"spread over the signs": float(np.ptp(drawn))}
    )


RANDOM = (
    "a random unit vector ... the top Hessian subspace will have a large overlap with Hw, comparable to that of the gradient, while a random "
    "unit vector in the full parameter space has negligible overlap"
)


@both(
    "random-in-top",
    tag="measured",
    where="Section 2.2",
    quotes=RANDOM,
    says="a random vector of the top subspace overlaps with its product with H as the gradient does",
    reading="we measure the mean overlap of isotropic random vectors of the top ten eigenvectors' span, less the gradient's mean overlap, "
    "both over steps 200 to 600; supported if within 0.1",
    accept=within(-0.1, 0.1, reason="comparable: the same to one decimal"),
    controls=[Control("random vectors of the whole space", w.whole_space)],
)
@bounded(-2, 2)
def test_random_vector_in_top(history: History, overlaps: Overlaps, run: Any) -> Measurement:
    rng, early = numpy_stream(run.experiment.seed, "vectors-in-top"), np.isin(history.steps, e.EARLY)
    drawn = np.concatenate([random_vector_overlap(values, rng, 2000) for values in history.values[early, :K]])
    random, gradient = float(getattr(run, "random_in_top", drawn).mean()), overlaps.mean(e.EARLY[0], e.EARLY[-1])
    details = {"random vector": random, "gradient": gradient}
    return Measurement(random - gradient, "", f"2000 vectors at {early.sum()} steps", None, {"random": drawn}, details)


@both(
    "random-in-top",
    tag="whole-space",
    where="Section 2.2",
    quotes=RANDOM,
    says="a random vector of the whole space hardly overlaps with its product with H",
    reading="we measure the mean overlap of 8 Gaussian vectors of the whole space at the last step; supported if at most 0.1",
    accept=at_most(0.1, reason="negligible: zero to one decimal"),
    controls=[Control("the gradient in their place", w.gradient_in_their_place)],
)
@bounded(-1, 1)
def test_random_vector_of_whole_space(overlaps: Overlaps) -> Measurement:
    return Measurement(float(overlaps.random.mean()), "", f"{len(overlaps.random)} vectors", None, {"random": overlaps.random})


# --- batch size: two papers disagree ------------------------------------------------------------------------------------

NOISE = "the effect noted by Gur-Ari et al. seems to disappear as the batch size increases, indicating that it is an artifact of minibatch noise"
SWEEP = {"16": "-batch-16", "64": "", "256": "-batch-256", "whole set": "-full-batch"}
EARLY = "mean over every 20th of the steps 200 to 600"


def sweep(run: Any) -> dict[str, float]:
    """Mean overlap by batch size, over the steps that all batch sizes share."""
    data = run.experiment.data
    return {batch: run.sibling(f"tiny-{data}{suffix}").overlaps.mean(e.EARLY[0], e.EARLY[-1]) for batch, suffix in SWEEP.items()}


@both(
    "batch-size",
    suffix="-full-batch",
    tag="disappears",
    where="Belrose & Scherlis 2024, section 1",
    quotes=NOISE,
    says="without the noise of batches the overlap is small",
    reading=f"we measure g.Hg / (|g| |Hg|) under full-batch gradient descent, {EARLY}; supported if at most 1/2",
    accept=at_most(0.5, reason="disappears: the gradient is less like a top eigenvector than unlike it"),
    controls=[Control("batches of 64", lambda run: run.sibling(f"tiny-{run.experiment.data}"))],
)
@bounded(-1, 1)
def test_effect_disappears(overlaps: Overlaps, run: Any) -> Measurement:
    by_batch = {f"batch {batch}": value for batch, value in sweep(run).items()}
    value = overlaps.mean(e.EARLY[0], e.EARLY[-1])
    return Measurement(value, "", EARLY, None, {"overlap by batch": np.array(list(by_batch.values()))}, by_batch)


@both(
    "batch-size",
    suffix="-full-batch",
    tag="leaves-top",
    where="Belrose & Scherlis 2024, section 1",
    quotes=NOISE,
    says="without the noise of batches most of the gradient leaves the top subspace",
    reading="we measure |P g|^2 / |g|^2 after 600 steps of full-batch gradient descent; supported if at most 1/2",
    bounds=(0, 1),
    accept=at_most(0.5, reason="disappears: most of the gradient is outside of the top subspace"),
    controls=[Control("batches of 64", lambda run: run.sibling(f"tiny-{run.experiment.data}"))],
)
def test_gradient_leaves_top(history: History) -> Measurement:
    return shares(history, float(history.shares[history.at(600), :K].sum()), "top ten at step 600")


@both(
    "batch-size",
    suffix="-batch-256",
    tag="persists-at-256",
    where=TABLE,
    quotes="models trained using different batch sizes and learning rates ... MNIST, FC, Batch size 256, 0.97",
    says="the overlap is no smaller with batches of 256 than with batches of 16",
    reading=f"we measure g.Hg / (|g| |Hg|) with batches of 256, {EARLY}, less the same with batches of 16; supported if at least -0.1",
    accept=at_least(-0.1, reason="no smaller than with batches of 16, to one decimal"),
    controls=[Control("the whole set as one batch", lambda run: run.sibling(f"tiny-{run.experiment.data}-full-batch"))],
)
@bounded(-2, 2)
def test_effect_persists(overlaps: Overlaps, run: Any) -> Measurement:
    small = run.sibling(f"tiny-{run.experiment.data}-batch-16").overlaps.mean(e.EARLY[0], e.EARLY[-1])
    value = overlaps.mean(e.EARLY[0], e.EARLY[-1])
    return Measurement(value - small, "", EARLY, None, {}, {"batch 16": small, "batch 256": value})
