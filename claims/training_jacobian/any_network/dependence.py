"""Sections 3.4 and 3.5: the bulk beside the parameter-function Jacobian, and the dependence of the bulk on data and seeds."""

import math
from dataclasses import replace

import numpy as np
from scipy.stats import spearmanr

from harness.engine.streams import numpy_stream
from harness.errors import NotRun
from harness.measure.measurement import Measurement
from harness.suite.claim import Control, World
from harness.suite.verdict import at_least, at_most

from .. import sentences
from ..test_overlap import excess_overlap
from .shared import EXCESS, on_any, require_bulk


def _with_closeness(run, **changes):
    held = run.function_overlaps
    return World(run, function_overlaps=replace(held, closeness={**held.closeness, **changes}))


@on_any(
    "training-jacobian/pfj-overlap[data]",
    where="Section 3.4, Figure 4b",
    quotes=sentences.NULLSPACES,
    says="directions that hardly move predictions on the data lie in the bulk",
    reading="the weakest directions at initialisation, as many as the bulk has: their mean cosine with the bulk is at least 0.4 of the way from "
    "chance to one",
    accept=at_least(
        0.4, reason="as far as the paper's network is asked to go: 0.3 above a chance of 0.27; our reading of 'strongly'"
    ),
    bounds=(-math.inf, 1),
    controls=[
        Control(
            "the directions weakest on white noise",
            lambda run: _with_closeness(run, data=run.function_overlaps.closeness["noise"]),
        )
    ],
    given={"inputs": "data"},
)
@on_any(
    "training-jacobian/pfj-overlap[white-noise]",
    where="Section 3.4, Figure 4b",
    quotes=sentences.NULLSPACES,
    says="directions that hardly move predictions on white noise lie in the bulk no more than chance",
    reading="the directions weakest on white noise, as many as the bulk has: their mean cosine with the bulk is at most 0.1 of the way from "
    "chance to one",
    accept=at_most(0.1, reason="a tenth: the edge below which an overlap cannot be seen in the paper's figure; our reading"),
    bounds=(-math.inf, 1),
    controls=[
        Control(
            "the directions weakest on the data", lambda run: _with_closeness(run, noise=run.function_overlaps.closeness["data"])
        )
    ],
    given={"inputs": "noise"},
)
def test_function_overlap(run, inputs):
    require_bulk(run)
    free = int(np.count_nonzero(~run.spectrum.structural))
    if len(run.bulk) == free:
        raise NotRun(f"the bulk is all {free} directions: nothing to be compared with chance")
    return Measurement(float(run.function_overlaps.closeness[inputs]), counted=f"{len(run.bulk)} directions")


def _shuffled_strength(run):
    held = run.function_overlaps
    order = numpy_stream(run.experiment.seed, "shuffled-strength").permutation(run.spectrum.size)
    return World(run, function_overlaps=replace(held, strength={name: each[order] for name, each in held.strength.items()}))


@on_any(
    "training-jacobian/active-by-strength",
    where="Section 4",
    quotes=sentences.STRENGTH,
    says="training stretches or shrinks those directions that move predictions at initialisation",
    reading="the rank correlation of |F v_i|, F the parameter-function Jacobian at initialisation, with |sigma_i - 1| is at least 0.3",
    accept=at_least(0.3, reason="'in part': what Cohen calls a medium correlation"),
    bounds=(-1, 1),
    controls=[Control("strengths shuffled among directions", _shuffled_strength)],
)
def test_active_is_strong(function_overlaps, spectrum):
    kept = ~spectrum.structural
    found = spearmanr(function_overlaps.strength["data"][kept], spectrum.distance[kept])[0]
    return Measurement(float(found), unit="rank correlation", counted=f"{kept.sum()} directions")


@on_any(
    "training-jacobian/bulk-seed-overlap",
    where="Section 3.5, Figure 5a",
    quotes=sentences.SIMILAR,
    says="bulks of independent initialisations overlap beyond chance",
    reading="mean cosine of the principal angles between bulks at k: excess over chance, smallest over k from 10 % to 80 % of the dimensions, is "
    "at least 0.05",
    accept=EXCESS,
    bounds=(-1, 1),
    controls=[
        Control("the run on white noise in the second run's place", lambda first, second: (first, first.white_noise)),
    ],
    over="pairs",
)
def test_seeds_share_a_bulk(first, second):
    return excess_overlap(first.overlap(second, structural=False))


def other_world(id, where, quotes, says, world, what):
    return on_any(
        f"training-jacobian/{id}",
        where=where,
        quotes=quotes,
        says=says,
        reading=f"mean cosine of the principal angles between the bulks at k of the network and of the same {what}, from one initialisation: "
        "excess over chance, smallest over k from 10 % to 80 % of the dimensions, is at least 0.05",
        accept=EXCESS,
        bounds=(-1, 1),
        controls=[Control("the run on white noise in the other's place", lambda run: World(run, **{world: run.white_noise}))],
        given={"world": world},
    )


@other_world(
    "bulk-label-overlap",
    "Section 3.5, Figure 5a",
    sentences.NOT_ON_LABELS,
    "bulks of real and of shuffled labels overlap beyond chance",
    "shuffled_labels",
    "with shuffled labels",
)
@other_world(
    "loss-independence[overlap]",
    "Section 1",
    sentences.WEAKLY,
    "bulks of two loss functions overlap beyond chance",
    "squared_error",
    "with squared error",
)
def test_same_bulk(run, world):
    return excess_overlap(run.overlap(getattr(run, world), structural=False))
