"""The authors' own run, from their own theta_0: the values that their notebook prints and plots, against the paper's numbers.

Anyone can check this run. It is a single run, so nothing is averaged. Figures are read as precisely as their axes allow. A
curve is read to the width of a line, a cloud of points to a tenth of a decade, a dimension to a step of the sweep. Structural
directions are left in, as in the notebook. The signs of the notebook's singular vectors are those of its SVD and are not
recorded. Along the bulk both signs must agree with the figure; along the top direction one of the two must.
"""

import math
from dataclasses import replace

import numpy as np

from harness.engine.streams import numpy_stream
from harness.measure.measurement import Measurement
from harness.measure.response import crossing
from harness.measure.restricted import crossing_dimension, loss_at
from harness.suite.claim import Control, World, claim
from harness.suite.verdict import Verdict, at_least, at_most, within

from . import plotted
from .sentences import FIGURE_3A, FIGURE_3B, FIGURE_6, LITTLE, SEVEN_ORDERS, SURGICAL
from .test_influence import FIGURE_3D
from .test_linearity import GRID_STEP
from .test_subspace_training import FIGURE_6B, WORKS
from .test_training import random_move

LINE = 0.05
LINE_REASON = (
    "'almost perfectly line up': a line 1.5 points wide, on axes 266 points high over seven decades, is 0.04 decades wide"
)
CLOUD = 0.1
CLOUD_REASON = "read to a tenth of a decade from a cloud of points on a logarithmic axis"
STEP_REASON = f"read to one step of the sweep, {plotted.GRID:.0f} dimensions"


@claim(
    "training-jacobian/as-published[sigma-1]",
    where="authors' notebook, title of Figure 2b",
    says="sigma_1 is 20.469 in the authors' own run",
    reading="from the authors' own initial parameters the largest singular value comes out within 0.1 % of the notebook's",
    accept=within(
        20.469 * 0.999, 20.469 * 1.001, reason="the notebook's float32 GPU run: 625 steps of rounding amplified 20-fold"
    ),
    controls=[Control("another initialisation", lambda run: run.lab.run("digits", 0))],
    on="as-published",
    over="once",
    published=20.469,
)
def test_published_sigma(spectrum):
    return Measurement(float(spectrum.sigma[0]), counted="sigma_1", arrays={"sigma": spectrum.sigma})


@claim(
    "training-jacobian/as-published[test-loss]",
    where="authors' notebook",
    says="the authors' own run ends at test loss 0.158",
    reading="from the authors' own initial parameters the test loss comes out within 2 % of 0.158",
    accept=within(0.158 * 0.98, 0.158 * 1.02, reason="three printed digits, and rounding amplified by training"),
    controls=[Control("shuffled labels", lambda run: run.lab.run("shuffled-labels", 0))],
    on="as-published",
    over="once",
    unit="nats",
    published=0.158,
)
def test_published_test_loss(trained):
    return Measurement(trained.test_loss, unit="nats", counted="mean over 197 test images")


def in_place(name, index):
    """Another direction in place of the plotted direction."""
    return Control(f"{name} in its place", lambda run: {"run": run, "index": index})


def direction(reading, quotes, says, what, accept, controls, index, **given):
    number = f"{plotted.DIRECTION}, counted from 0"
    chosen = f"the one nearest direction {number}, that is not structural" if index is _beside else f"direction {number}"
    return claim(
        f"training-jacobian/as-published[figure-2a{reading}]",
        where="Figure 2a, authors' notebook",
        quotes=quotes,
        says=f"in the authors' own run {says}",
        reading=f"{chosen}, by the notebook's 30 steps from 0.001 to 1000: {what}",
        accept=accept,
        controls=controls,
        on="as-published",
        over="once",
        given={"index": index, **given},
    )


def _beside(run):
    """The number of the nonstructural direction nearest to the plotted direction."""
    rest = np.flatnonzero(~run.spectrum.structural)
    return int(rest[np.argmin(np.abs(rest - plotted.DIRECTION))])


def _itself(run):
    return plotted.DIRECTION


ON_THE_LINE = "|log10| of the response over lambda sigma_i, largest over stimuli and both signs, is at most 0.05"
IN_LINE = "the plotted bulk direction responds along the line lambda sigma_i"
top_direction = in_place("the top singular direction", lambda run: 0)


def others(index):
    """Controls: the top direction, and a response of this direction that is an eighth too short."""
    return [top_direction, Control("an eighth less of a response", lambda run: {"run": run, "index": index, "times": 7 / 8})]


@direction("", SEVEN_ORDERS, IN_LINE, ON_THE_LINE, at_most(LINE, reason=LINE_REASON), others(_itself), _itself, times=1.0)
@direction(
    ",nontrivial", SEVEN_ORDERS, IN_LINE, ON_THE_LINE, at_most(LINE, reason=LINE_REASON), others(_beside), _beside, times=1.0
)
def test_plotted_direction(run, index, times):
    held = plotted.responses(run, index(run))
    linear = held.stimulus * float(held.sigma[0])
    # a response with the wrong sign has no logarithm: it counts as nine decades below the line
    off = np.abs(np.log10(np.maximum(times * held.along[0] / linear, 1e-9)))
    return Measurement(float(off.max()), unit="log10", counted=_counted(run, index(run)), arrays=_curves(held))


def _counted(run, index):
    kind = "structural" if run.spectrum.structural[index] else "not structural"
    return f"direction {index}, {kind}, sigma = {run.spectrum.sigma[index]:.5g}"


def _curves(held):
    return {name: np.asarray(getattr(held, name)) for name in ("stimulus", "along", "orthogonal", "sigma")}


@direction(
    ",surgical,nontrivial",
    SURGICAL,
    "hardly any of the plotted direction's response is orthogonal to u_i",
    "the share of the response's norm orthogonal to u_i, largest over stimuli from 0.01 on and both signs, is at most 5 %",
    at_most(0.05, reason="as for surgical-bulk: the 5 % that linear-bulk allows the response itself"),
    [
        top_direction,
        Control(
            "an orthogonal part a tenth as large", lambda run: {"run": run, "index": _beside, "times": 0.1}, Verdict.SUPPORTED
        ),
    ],
    _beside,
    times=1.0,
)
def test_plotted_direction_is_surgical(run, index, times):
    held = plotted.responses(run, index(run))
    orthogonal = times * held.orthogonal[0]
    share = (orthogonal / np.hypot(held.along[0], orthogonal)).max(axis=0)
    largest = float(share[held.stimulus > 0.0099].max())
    return Measurement(largest, counted=_counted(run, index(run)), arrays=_curves(held))


def top(reading, quotes, says, what, middle, excess):
    return claim(
        f"training-jacobian/as-published[figure-2b,{reading}]",
        where="Figure 2b, authors' notebook",
        quotes=quotes,
        says=says,
        reading=f"log10 of the lambda at which {what}, along v_1 or along -v_1, whichever comes nearer to the decade that is given: within it, "
        "give or take one step of the 30 stimuli",
        accept=within(
            middle - 0.5 - GRID_STEP, middle + 0.5 + GRID_STEP, reason="the paper's decade, widened by one step of its grid"
        ),
        controls=[in_place("the plotted bulk direction", _beside)],
        on="as-published",
        over="once",
        unit="log10 lambda",
        given={"index": lambda run: 0, "middle": middle, "excess": excess},
    )


@top(
    "leaves",
    "training leaves the linear regime between lambda = 10^-1 and lambda = 10^0",
    "in the authors' own run v_1 is no longer linear from a step of 0.1 to 1 on",
    "the response falls 20 % below lambda sigma_1",
    -0.5,
    lambda along, orthogonal, linear: 0.8 * linear - along,
)
@top(
    "overtakes",
    "with the projection onto span(u_i)^perp (orange) overtaking the projection onto span(u_i) (blue) when lambda > 1",
    "in the authors' own run most of v_1's response is orthogonal to u_1 from a step of 1 on",
    "the orthogonal part exceeds the part along u_1",
    0.5,
    lambda along, orthogonal, linear: orthogonal - along,
)
def test_plotted_top(run, index, middle, excess):
    held = plotted.responses(run, index(run))
    linear = held.stimulus * float(held.sigma[0])
    parts = zip(held.along[0], held.orthogonal[0], strict=True)
    # beyond the grid: one decade past its end stands for "never"
    found = [math.log10(min(crossing(held.stimulus, excess(*each, linear)), 1e4)) for each in parts]
    nearest = min(found, key=lambda at: abs(at - middle))
    details = dict(zip(("v_1", "-v_1"), found, strict=True))
    return Measurement(nearest, unit="log10 lambda", counted="the better sign", arrays=_curves(held), details=details)


# --- Figure 3 ------------------------------------------------------------------------------------------------------------


def _shuffled(run):
    """Effects shuffled among directions."""
    order = numpy_stream(0, "shuffled-as-published").permutation(run.spectrum.size)
    influence = run.influence
    return World(run, influence=influence.changed(lambda *probe: influence.of(*probe)[order]))


def _on(inputs):
    """The effects on these inputs in place of the plotted effects."""
    return lambda run: World(run, influence=run.influence.changed(lambda side, _, how: run.influence.of(side, inputs, how)))


def _bulk_times(times):
    """Effects of bulk directions multiplied by ``times``."""

    def world(run):
        factor = np.ones(run.spectrum.size)
        factor[run.spectrum.region(0.9, 1.1)] = times
        return World(run, influence=run.influence.changed(lambda *probe: factor * run.influence.of(*probe)))

    return world


def _ratio(values, spectrum, against):
    low, high = {"chaotic": (1.1, np.inf), "stable": (-np.inf, 0.9)}[against]
    bulk, others = spectrum.region(0.9, 1.1), spectrum.region(low, high)
    medians = [float(np.median(values[each])) for each in (bulk, others)]
    counted = f"{len(bulk)} bulk directions against {len(others)} {against}"
    arrays = {"effect": np.asarray(values), "sigma": spectrum.sigma}
    details = {"bulk median": medians[0], f"{against} median": medians[1]}
    return Measurement(math.log10(medians[0] / medians[1]), unit="log10 ratio", counted=counted, arrays=arrays, details=details)


def panel(letter, against, quotes, says, inputs, what, accept, controls):
    return claim(
        f"training-jacobian/as-published[figure-3{letter},{against}]",
        where=f"Figure 3{letter}, authors' notebook",
        quotes=quotes,
        says=f"in the authors' own run {says}",
        reading=f"{what}: log10 of the median over the bulk, divided by that over the {against} directions, is {accept.low:.3g} to {accept.high:.3g}",
        accept=accept,
        controls=controls,
        on="as-published",
        over="once",
        unit="log10 ratio",
        given={"against": against, "inputs": inputs} if inputs else {"against": against},
    )


def each_side(*said):
    """One claim against chaotic and one against stable directions."""
    return lambda function: panel(said[0], "chaotic", *said[1:])(panel(said[0], "stable", *said[1:])(function))


LARGEST = "largest KL over {} after a unit step along v_i, as plotted"
shuffled = Control("effects shuffled among directions", _shuffled)


@each_side(
    "a",
    FIGURE_3A,
    "a step along the bulk changes predictions far less than one along the other regions",
    "train",
    LARGEST.format("training images"),
    at_most(-1 + CLOUD, reason=f"an order of magnitude, as for invisible-in-distribution, {CLOUD_REASON}"),
    [shuffled, Control("inverted images in place of those of the distribution", _on("inverted"))],
)
@each_side(
    "b",
    FIGURE_3B,
    "on white noise the bulk moves predictions about as much as the other regions",
    "normal",
    LARGEST.format("normal noise"),
    within(
        -math.log10(3) - CLOUD, math.log10(3) + CLOUD, reason=f"a factor of 3 either way, as for visible-far-ood, {CLOUD_REASON}"
    ),
    [Control("test images in place of noise", _on("test")), Control(shuffled.name, _shuffled, Verdict.SUPPORTED)],
)
@each_side(
    "d",
    FIGURE_3D,
    "on inverted images the bulk moves predictions no less than the other regions",
    "inverted",
    LARGEST.format("inverted images"),
    at_least(-CLOUD, reason=f"'at least as much', {CLOUD_REASON}"),
    [
        Control("test images in place of inverted ones", _on("test")),
        Control("bulk effects multiplied by 10", _bulk_times(10), Verdict.SUPPORTED),
    ],
)
def test_plotted_effects(influence, spectrum, inputs, against):
    return _ratio(np.asarray(influence.of("initial", inputs, "max")), spectrum, against)


@each_side(
    "c",
    LITTLE,
    "training moves the parameters less along the bulk than along the other regions",
    "",
    "|v_i . (theta_T - theta_0)|, as plotted",
    at_most(math.log10(0.25) + CLOUD, reason=f"a factor of four, as for bulk-barely-moves, {CLOUD_REASON}"),
    [random_move],
)
def test_plotted_movement(spectrum, trained, against):
    change = np.asarray(trained.theta_T, float) - np.asarray(trained.theta_0, float)
    return _ratio(np.abs(spectrum.initial.T @ change), spectrum, against)


# --- Figure 6 ------------------------------------------------------------------------------------------------------------


def _exchanged(first, second):
    """The curves of two regions exchanged."""

    def world(run):
        held = plotted.confined(run)
        losses = {**held.losses, first: held.losses[second], second: held.losses[first]}
        return World(run, confined=replace(held, losses=losses))

    return world


def _works_from(region, dimension):
    """A region that works from ``dimension`` on, and below it has the losses of the bulk."""

    def world(run):
        held = plotted.confined(run)
        curve = np.where(held.dimensions >= dimension, held.unrestricted, held.losses["bulk"])
        return World(run, confined=replace(held, losses={**held.losses, region: curve}))

    return world


def _later(region):
    """A region's curve shifted by one dimension of the sweep."""

    def world(run):
        held = plotted.confined(run)
        losses = held.losses[region]
        return World(run, confined=replace(held, losses={**held.losses, region: np.r_[losses[:1], losses[:-1]]}))

    return world


def _confined(run):
    return vars(run).get("confined") or plotted.confined(run)


def _evidence(held):
    return {"dimensions": held.dimensions, **held.losses, "unrestricted": np.asarray(held.unrestricted)}


def works(reading, region, quotes, says, low, high, reason, controls, published=None):
    return claim(
        f"training-jacobian/as-published[figure-6{reading},{region}]",
        where=f"Figure 6{reading}, authors' notebook",
        quotes=quotes,
        says=f"in the authors' own run {says}",
        reading=f"k from which training in the {region} subspace has a test loss within {WORKS} of unrestricted, of the 20 dimensions from 100 to "
        f"4810, interpolated in log k, is {low:.0f} to {high:.0f}",
        accept=within(low, high, reason=reason),
        controls=controls,
        on="as-published",
        over="once",
        unit="dimensions",
        given={"region": region},
        published=published,
    )


@works(
    "a",
    "bulk",
    "Constraining training to the bulk prevents training from working unless k is very large (around 4000).",
    "training confined to the bulk works from some 4000 dimensions on",
    4000 - plotted.GRID,
    4000 + plotted.GRID,
    STEP_REASON,
    [
        Control("the complement in place of the bulk", _exchanged("bulk", "complement")),
        Control("a training that works from 3300 dimensions on", _works_from("bulk", 3300)),
        Control("the bulk's curve a step of the sweep further on", _later("bulk"), Verdict.SUPPORTED),
    ],
    4000,
)
@works(
    "b",
    "chaotic",
    "",
    "the chaotic curve is flat from 100 to 350 dimensions on",
    100,
    100 + plotted.GRID,
    "flat from the first or the second dimension of the sweep on",
    [
        Control("the bulk in its place", _exchanged("bulk", "chaotic")),
        Control("a training that works from 300 dimensions on", _works_from("chaotic", 300), Verdict.SUPPORTED),
    ],
)
@works(
    "b",
    "stable",
    "",
    "the stable curve is flat from some 600 dimensions on",
    600 - plotted.GRID,
    600 + plotted.GRID,
    STEP_REASON,
    [
        Control("the bulk in its place", _exchanged("bulk", "stable")),
        Control("a training that works from 500 dimensions on", _works_from("stable", 500), Verdict.SUPPORTED),
    ],
    600,
)
def test_plotted_dimension(run, region):
    held = _confined(run)
    k = crossing_dimension(held.dimensions, held.losses[region], WORKS * held.unrestricted)
    counted = f"test loss within {WORKS} of unrestricted"
    # beyond the sweep: twice N stands for "never"
    return Measurement(min(k, 2.0 * 4810), unit="dimensions", counted=counted, arrays=_evidence(held))


@claim(
    "training-jacobian/as-published[figure-6a,no-progress]",
    where="Figure 6a, authors' notebook",
    quotes=FIGURE_6,
    says="in the authors' own run training confined to the bulk does not lower the loss",
    reading="confined to the 3000 directions nearest one, interpolated between the 20 dimensions, the test loss falls by at most a tenth of "
    "what it falls by without confinement",
    accept=at_most(0.1, reason="as for bulk-training-fails[no-progress,share]: an order of magnitude less than training"),
    controls=[
        Control("the complement in place of the bulk", _exchanged("bulk", "complement")),
        Control("300 directions in place of 3000", lambda run: {"run": run, "at": 300}, Verdict.SUPPORTED),
    ],
    on="as-published",
    over="once",
    unit="share of the fall",
    given={"at": 3000},
)
def test_plotted_no_progress(run, at):
    held, before = _confined(run), run.initial_test_loss
    share = (before - loss_at(held.dimensions, held.losses["bulk"], at)) / (before - held.unrestricted)
    return Measurement(share, unit="share of the fall", counted=f"at k = {at}", arrays=_evidence(held))


def caption(reading, region, at, quotes, says):
    return claim(
        f"training-jacobian/as-published[figure-6{reading}]",
        where=f"Figure 6{reading[0]}, caption, authors' notebook",
        quotes=quotes,
        says=f"in the authors' own run {says}",
        reading=f"confined to {at} {region} directions, interpolated between the 20 dimensions, the test loss is at most {WORKS} times the unrestricted "
        "one",
        accept=at_most(WORKS, reason="as for active-training-works: 'does not significantly harm', 'just as well'"),
        controls=[Control("the bulk in its place", _exchanged("bulk", region))],
        on="as-published",
        over="once",
        unit="ratio",
        given={"region": region, "at": at},
    )


@caption(
    "a,complement", "complement", 1810, FIGURE_6, "training confined to what the bulk leaves ends as low as without confinement"
)
@caption("b,chaotic-750", "chaotic", 750, FIGURE_6B, "750 chaotic directions are enough")
@caption("b,stable-1000", "stable", 1000, FIGURE_6B, "1000 stable directions are enough")
def test_plotted_loss(run, region, at):
    held = _confined(run)
    loss = loss_at(held.dimensions, held.losses[region], at)
    return Measurement(loss / held.unrestricted, unit="ratio", counted=f"at k = {at}", arrays=_evidence(held))
