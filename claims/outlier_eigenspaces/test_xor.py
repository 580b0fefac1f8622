"""A two-layer ReLU network on the XOR mixture: alignment by layer, a last layer that evolves, and how often SGD succeeds."""

import numpy as np

from harness.errors import EmptyOutcome
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, claim
from harness.suite.verdict import at_least, at_most, proportion_interval, within

from .eigenspaces import alignment, shared
from .theory import TYPES, late_last_layer, optimal_below, optimal_probability
from .worlds import (
    ALIGNED,
    DATA,
    EMERGE,
    MATRIX,
    PER_LAYER,
    USUALLY,
    counted_right,
    in_units_of_edge,
    random_directions,
    sibling,
    zero_steps,
)

EVOLVES = "the final layer's outlier eigenspace evolving over the course of training"
SCALES = ("smoke", "paper")
LIVE = "live: |v_i| at least a tenth of the largest of its network"
RANK = (
    "number of eigenvalues beyond lambda^(-1/2) of the largest, halfway between outliers of order 1 and noise of order 1 / lambda"
)
OPTIMAL = "optimal: test loss below the middle of all four clusters fitted and three of them, in closed form"
noise_alone = sibling("xor-snr-1", "lambda = 1: no outliers")


def first_layer(matrix, data):
    return claim(
        f"outlier-eigenspaces/xor-first-layer[{matrix}-{data}]",
        bounds=(0, 1),
        where="Abstract",
        quotes=PER_LAYER,
        says="every neuron aligns with the outlier eigenspace of its own block",
        reading=f"after 40 d steps the least aligned live neuron has ||P_E W_i|| / ||W_i|| of 0.95 or more, E the top 2 eigenvectors of its "
        f"own block of {MATRIX[matrix]} on {DATA[data]}; mean over trajectories ({LIVE}); K = 8, d = 200, lambda = 100 (smoke: d = 50)",
        accept=ALIGNED,
        controls=[noise_alone, random_directions, *([zero_steps] if data == "test" else [])],
        on="xor",
        given={"matrix": matrix, "data": data},
        scales=SCALES,
    )


@first_layer("hessian", "test")
@first_layer("gradients", "test")
@first_layer("hessian", "training")
@first_layer("gradients", "training")
def test_first_layer(run, matrix, data):
    found = np.where(run.live, run.alignments(matrix, data), 1)
    details = {"share of neurons that are dead": float(1 - run.live.mean())}
    return Measurement(
        found.min(axis=1).mean(),
        counted=f"{run.live.sum()} live neurons",
        arrays={"alignment": found, "live": run.live},
        details=details,
    )


def rank_two(matrix):
    return claim(
        f"outlier-eigenspaces/xor-first-layer-outliers[{matrix}]",
        where="Abstract",
        quotes=EMERGE,
        says="every neuron's block has two outliers",
        reading=f"share of trajectories in which every live neuron's block of {MATRIX[matrix]} has exactly two eigenvalues beyond twice the "
        f"edge of its bulk ({LIVE})",
        accept=USUALLY,
        controls=[noise_alone],
        on="xor",
        over="trials",
        given={"matrix": matrix},
        scales=SCALES,
    )


@rank_two("hessian")
@rank_two("gradients")
def test_first_layer_outliers(run, matrix):
    space = run.first_layer(matrix)
    right = counted_right(space, 2, among=run.live)
    return Measurement(right.mean(), counted="trajectories", trials=len(right), arrays=in_units_of_edge(space))


def stays(matrix):
    return claim(
        f"outlier-eigenspaces/xor-first-layer-stays[{matrix}]",
        where="derived: abstract",
        derived=True,
        says="the first layer's outlier eigenspaces stay where they are while the final layer's evolve (the abstract names the final layer "
        "alone as evolving)",
        reading=f"share of the final outlier space of a live neuron's block of {MATRIX[matrix]} that lies in its top 2 eigenvectors at the start "
        f"(mean squared cosine, mean over live neurons and trajectories; {LIVE}): at least 3/4, the bound that the last layer is below",
        bounds=(0, 1),
        accept=at_least(0.75, reason="nearer to a space that stays, 1, than to one that the last layer's region calls evolving"),
        controls=[noise_alone, Control("the last layer in its place", lambda run: run.view(layer="last"))],
        on="xor",
        given={"matrix": matrix},
        scales=SCALES,
    )


@stays("hessian")
@stays("gradients")
def test_first_layer_stays(run, matrix):
    if getattr(run, "layer", "first") == "last":
        kept = _kept(run.after(0).last_layer(matrix)[1], run.last_layer(matrix)[1], rank(run, matrix))
        return Measurement(kept.mean(), counted=f"{len(kept)} trajectories")
    kept = shared(run.after(0).first_layer(matrix).vectors, run.first_layer(matrix).vectors)[run.live] ** 2
    return Measurement(kept.mean(), counted=f"{len(kept)} live neurons")


def rank(run, matrix):
    values, _ = run.last_layer(matrix)
    return np.sum(values > values[:, :1] * run.experiment.snr**-0.5, axis=1)


def last_aligned(matrix):
    return claim(
        f"outlier-eigenspaces/xor-last-layer[{matrix}-alignment]",
        bounds=(0, 1),
        where="Abstract",
        quotes=PER_LAYER,
        says="the last layer aligns with the outlier eigenspace of its own block",
        reading=f"the last layer v is aligned with the top 4 eigenvectors of its block of {MATRIX[matrix]}; mean over trajectories; K = 8",
        accept=ALIGNED,
        controls=[random_directions, zero_steps],
        on="xor",
        given={"matrix": matrix},
        scales=SCALES,
    )


@last_aligned("hessian")
@last_aligned("gradients")
def test_last_layer_alignment(run, matrix):
    found = alignment(run.last_layer(matrix)[1][:, :, :TYPES], run.directions.last)
    return Measurement(found.mean(), counted=f"{len(found)} trajectories", arrays={"alignment": found})


def evolves(matrix):
    return claim(
        f"outlier-eigenspaces/xor-last-layer[{matrix}-evolves]",
        bounds=(0, 1),
        where="Abstract",
        quotes=EVOLVES,
        says="training turns the last layer's outlier eigenspace",
        reading=f"share of the final outlier space of the last layer's block of {MATRIX[matrix]} that lies in its top 4 eigenvectors at the "
        "start (mean squared cosine): at most 3/4, the middle between unchanged, 1, and unrelated, 4 / K = 1/2",
        accept=at_most(0.75, reason="halfway between a space that stays and one that is unrelated to the start; our reading"),
        controls=[Control("from half of training to its end", lambda run: run.view(since=run.experiment.snapshots // 2))],
        on="xor",
        given={"matrix": matrix},
        scales=SCALES,
    )


@evolves("hessian")
@evolves("gradients")
def test_last_layer_evolves(run, matrix):
    count, final = rank(run, matrix), run.last_layer(matrix)[1]
    watched = np.arange(run.experiment.snapshots + 1)
    kept = np.stack([_kept(run.after(int(j)).last_layer(matrix)[1], final, count) for j in watched])
    since = getattr(run, "since", 0)
    values = np.stack([run.after(int(j)).last_layer(matrix)[0] for j in watched])
    return Measurement(
        kept[since].mean(),
        counted=f"{len(count)} trajectories",
        arrays={"times": run.times, "overlap": kept, "eigenvalues": values},
    )


def _kept(early, final, count):
    squares = np.sum(np.einsum("tna,tnb->tab", early[:, :, :TYPES], final) ** 2, axis=1)
    inside = np.arange(final.shape[-1]) < count[:, None]
    return np.sum(squares * inside, axis=1) / count


def at_most_four(matrix):
    return claim(
        f"outlier-eigenspaces/xor-last-layer[{matrix}-count]",
        where="Abstract",
        quotes=f"{EMERGE} ... {EVOLVES}",
        says="the last layer has four outliers at most, throughout training",
        reading=f"share of trajectories with at most 4 outliers of the last layer's block of {MATRIX[matrix]} at 4 d, 10 d, 20 d and 40 d steps "
        f"({RANK}); K = 8",
        accept=USUALLY,
        controls=[Control("zero steps", lambda run: run.view(watched=(0.0,)))],
        on="xor",
        over="trials",
        given={"matrix": matrix},
    )


@at_most_four("hessian")
@at_most_four("gradients")
def test_last_layer_count(run, matrix):
    watched = [round(share * run.experiment.snapshots) for share in getattr(run, "watched", (0.1, 0.25, 0.5, 1.0))]
    counts = np.stack([rank(run.after(j), matrix) for j in watched])
    right = (counts <= TYPES).all(axis=0)
    return Measurement(
        right.mean(), counted="trajectories", trials=len(right), arrays={"times": run.times[watched], "outliers": counts}
    )


def late(matrix):
    return claim(
        f"outlier-eigenspaces/xor-late-eigenvalues[{matrix}]",
        where="derived: abstract",
        derived=True,
        says="at the ridge's fixed point the last layer's outliers are known in closed form "
        "(claims/outlier_eigenspaces/theory.py)",
        reading=f"mean outlier of the last layer's block of {MATRIX[matrix]} at lambda = 10^4, over its prediction; mean over trajectories",
        accept=within(
            0.95,
            1.05,
            reason="neglected: neurons of the other label on noise, lambda^(-1/2) = 1 %, twice that in G; memory of the start 1 %",
        ),
        controls=[zero_steps],
        on="xor-late",
        given={"matrix": matrix},
        published=1.0,
        scales=SCALES,
    )


@late("hessian")
@late("gradients")
def test_late_last_layer(run, matrix):
    values, count = run.last_layer(matrix)[0], rank(run, matrix)
    outliers = np.where(np.arange(values.shape[1]) < count[:, None], values, 0)
    found = outliers.sum(axis=1) / count / late_last_layer(run.experiment.ridge, matrix)
    return Measurement(found.mean(), counted=f"{len(found)} trajectories", arrays={"ratio": found, "eigenvalues": values})


def optimal(run):
    """Which trajectories ended in an optimal classifier."""
    return run.test_loss < optimal_below(run.experiment.ridge)


def deficient(matrix, outcome, expected):
    return claim(
        f"outlier-eigenspaces/xor-rank-deficient[{matrix}-{outcome}]",
        where="Abstract",
        quotes="exhibiting rank deficiency when the SGD converges to sub-optimal classifiers",
        says="the last layer lacks outliers exactly when SGD ends in a sub-optimal classifier",
        reading=f"among trajectories that ended {outcome}, the share whose last layer's block of {MATRIX[matrix]} has {expected} outliers "
        f"({RANK}; {OPTIMAL}); K = 4",
        accept=at_least(
            0.95, reason="'when' is every time, up to the finite d of a theorem whose probability tends to one; our reading"
        ),
        controls=[
            Control("the outcomes of other trajectories", lambda run: run.view(shift=1))
            if outcome == "optimal"
            else Control("zero steps", lambda run: run.after(0)),
            Control("optimal and sub-optimal exchanged", lambda run: run.view(exchanged=True)),
        ],
        on="xor-k-4",
        over="trials",
        given={"matrix": matrix, "outcome": outcome},
        scales=SCALES,
    )


@deficient("hessian", "optimal", "four")
@deficient("hessian", "suboptimal", "fewer than four")
@deficient("gradients", "optimal", "four")
@deficient("gradients", "suboptimal", "fewer than four")
def test_rank_deficient(run, matrix, outcome):
    full = rank(run, matrix) == TYPES
    best = np.roll(optimal(run), getattr(run, "shift", 0)) ^ getattr(run, "exchanged", False)
    among = best if outcome == "optimal" else ~best
    if not among.any():
        raise EmptyOutcome(f"none of {len(best)} trajectories ended {outcome}, and a share of them was to be measured")
    right = full[among] == (outcome == "optimal")
    table = np.array([[np.sum(best & full), np.sum(best & ~full)], [np.sum(~best & full), np.sum(~best & ~full)]])
    return Measurement(right.mean(), counted=f"{outcome} trajectories", trials=len(right), arrays=_contingency(table))


def _contingency(table):
    """The table (optimal, suboptimal) x (rank 4, lower rank) and the 95 % interval of the share of rank 4 in each row."""
    intervals = [proportion_interval(int(full), int(full + less)) for full, less in table if full + less]
    return {"table": table, "rank-4-interval": np.array([[interval.low, interval.high] for interval in intervals])}


def fitted(matrix):
    return claim(
        f"outlier-eigenspaces/xor-rank-types[{matrix}]",
        where="derived: abstract",
        derived=True,
        says="the rank of the last layer's outlier eigenspace is the number of the four means that its live neurons have fitted",
        reading=f"share of trajectories whose last layer's block of {MATRIX[matrix]} has as many outliers as there are means that a live neuron "
        f"points to, nearest in angle ({RANK}; {LIVE}); K = 4",
        accept=at_least(0.95, reason="as for xor-rank-deficient: every time, up to finite d"),
        controls=[zero_steps, Control("the neurons of other trajectories", lambda run: run.view(shift=1))],
        on="xor-k-4",
        over="trials",
        given={"matrix": matrix},
        scales=SCALES,
    )


@fitted("hessian")
@fitted("gradients")
def test_rank_types(run, matrix):
    outliers, types = rank(run, matrix), np.roll(_fitted(run).sum(axis=0), getattr(run, "shift", 0))
    right = outliers == types
    table = np.array([[np.sum((outliers == a) & (types == b)) for b in range(TYPES + 1)] for a in range(TYPES + 1)])
    return Measurement(right.mean(), counted="trajectories", trials=len(right), arrays={"rank-by-types": table})


def probability(neurons, half_width, reason):
    other = 4 if neurons == 6 else 6
    return claim(
        f"outlier-eigenspaces/xor-probability[k-{neurons}]",
        where="arXiv 2206.04030, section 2" if neurons == TYPES else "derived: arXiv 2206.04030, section 2",
        derived=neurons != TYPES,
        says="with K = 4 neurons SGD ends in the optimal classifier with probability 3/32"
        if neurons == TYPES
        else "the optimal classifier needs a neuron of each of four types, which K random types cover with the coupon collector's probability",
        reading=f"share of trajectories that end optimal ({OPTIMAL}); K = {neurons}, d = 100, lambda = 10^4",
        accept=within(optimal_probability(neurons) - half_width, optimal_probability(neurons) + half_width, reason=reason),
        controls=[
            zero_steps,
            sibling("xor-k-4-shuffled", "labels shuffled"),
            sibling(f"xor-k-{other}", f"{other} neurons in their place"),
        ],
        on=f"xor-k-{neurons}",
        over="trials",
        published=optimal_probability(neurons),
    )


@probability(4, 0.03, "3/32, give or take 0.03: the limit is d, then lambda, to infinity; gradient flow at d = 100 gives 0.097")
@probability(6, 0.05, "0.03 at K = 4, in proportion to the standard deviation of one trial")
@probability(8, 0.05, "0.03 at K = 4, in proportion to the standard deviation of one trial")
def test_probability(run):
    best = optimal(run)
    details = {
        "share with all four types among live neurons": float(_covers(run).mean()),
        "share with test accuracy above 15/16": float(np.mean(run.accuracy > 15 / 16)),
        "share of neurons that are dead": float(1 - run.live.mean()),
    }
    return Measurement(
        best.mean(), counted="trajectories", trials=len(best), arrays={"test-loss": run.test_loss}, details=details
    )


def _covers(run):
    """Whether the live neurons of a trajectory are of all four types."""
    return _fitted(run).all(axis=0)


def _fitted(run):
    """Whether a trajectory has a live neuron of each type, (types, trajectories); the type is the mean closest to W_i."""
    nearest = np.argmax(run.params.rows @ run.mixture.means.T, axis=-1)
    return np.array([np.any((nearest == a) & run.live, axis=1) for a in range(TYPES)])
