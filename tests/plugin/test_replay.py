"""The time left of a default run, on the recorded times of a run from an empty store and the recorded costs."""

import itertools
import json
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from harness.plugin.costs import Costs, runs_of
from harness.plugin.plan import Plan
from harness.suite.catalogue import declare_all
from harness.suite.claim import REGISTRY
from harness.suite.ensemble import load

ROOT = Path(__file__).resolve().parents[2]
LAST = 0.05  # share of the run that is left when the estimate is no longer tested: each of the last tasks has its own luck


@pytest.fixture(scope="module")
def tracked() -> SimpleNamespace:
    return SimpleNamespace(**json.loads((ROOT / "docs/run/times.json").read_text(encoding="utf-8")))


@pytest.fixture(scope="module")
def costs(tracked) -> Costs:
    known = load(ROOT / "fixtures/ensembles", tracked.scale, tracked.precision)
    return Costs(known.seconds, lambda name: runs_of(name, tracked.scale, tracked.seeds, every_seed=False), known.needs)


@pytest.fixture(scope="module")
def order(tracked, costs):
    """The claims of the run in the order in which they would be judged now."""
    declare_all(ROOT / "claims", ROOT)
    claims = [REGISTRY[id] for id in tracked.claims if id in REGISTRY]
    return costs.cheapest_first([claim for claim in claims if tracked.scale in claim.scales])


def tasks(tracked, costs, order):
    """(kind, seconds) of each task. What the report has no time for, mostly stage records, is a part of the preparations."""
    judged = tracked.claims
    planned = {name for claim in order for name in claim.on}
    prepared = defaultdict(list)
    for entry in tracked.experiments:
        if entry["name"] in planned:
            prepared[entry["name"]].append(entry["prepared"])
    known = sum(map(sum, prepared.values()))
    longer = (tracked.seconds - sum(judged.values())) / known
    begun = set()
    for claim in order:
        for name in costs.used(claim):
            if name in planned and name not in begun:
                begun.add(name)
                yield from ((name, longer * seconds) for seconds in prepared[name])
        yield claim.id, judged[claim.id]


def planned(costs, order, kinds) -> Plan:
    known = {claim.id: cost for claim in order if (cost := costs.claim(claim)) is not None}
    plan = Plan({**costs.seconds, **known}, {claim.id: claim.on for claim in order})
    plan.add(kinds)
    return plan


def followed(plan, took):
    """(seconds since the start, estimate, truth) before each task."""
    begun, whole = 0.0, sum(seconds for _, seconds in took)
    for kind, seconds in took:
        yield begun, plan.left(), whole - begun
        plan.done(kind, seconds)
        begun += seconds


def worst(found):
    """The largest factors by which the estimate was off: from the first minute on, and in the second half."""
    whole = found[0][2]
    off = [(begun, max(left / truth, truth / left)) for begun, left, truth in found if truth > LAST * whole]
    return max(factor for begun, factor in off if begun >= 60), max(factor for begun, factor in off if begun >= whole / 2)


@pytest.mark.parametrize("pace", [0.5, 1.0, 2.0])
def test_the_time_left_is_right_after_a_minute_and_better_after_half(tracked, costs, order, pace):
    took = [(kind, pace * seconds) for kind, seconds in tasks(tracked, costs, order)]
    minute, half = worst(list(followed(planned(costs, order, (kind for kind, _ in took)), took)))
    assert minute < 1.5
    assert half < 1.2


@pytest.mark.parametrize("seed", range(5))
def test_it_is_so_where_each_kind_of_task_has_a_pace_of_its_own(tracked, costs, order, seed):
    """Another machine is faster at one thing and slower at another: by 10 %, one standard deviation between kinds."""
    rng = np.random.default_rng(seed)
    pace = defaultdict(lambda: rng.lognormal(0, 0.1))
    took = [(kind, pace[kind] * seconds) for kind, seconds in tasks(tracked, costs, order)]
    minute, half = worst(list(followed(planned(costs, order, (kind for kind, _ in took)), took)))
    assert minute < 1.5
    assert half < 1.2


def test_it_is_so_where_another_claim_is_the_first_to_need_shared_work(tracked, costs, order):
    """Of the claims on the same experiments the first does the work that took longest, not the one that did it before."""
    took, same = list(tasks(tracked, costs, order)), defaultdict(list)
    for i, (kind, _) in enumerate(took):
        if kind in REGISTRY:
            same[REGISTRY[kind].on].append(i)
    for group in same.values():
        longest = max(group, key=lambda i: took[i][1])
        (first, one), (other, two) = took[group[0]], took[longest]
        took[group[0]], took[longest] = (first, two), (other, one)
    minute, half = worst(list(followed(planned(costs, order, (kind for kind, _ in took)), took)))
    assert minute < 1.5
    assert half < 1.2


def test_without_mnist_its_runs_and_claims_are_not_counted(tracked, costs, order):
    absent = {name for claim in order for name in claim.on if "mnist" in name}
    ids = {claim.id for claim in order if absent & set(claim.on)}
    everything = list(tasks(tracked, costs, order))
    plan = planned(costs, order, (kind for kind, _ in everything))
    for name in absent:
        plan.drop(name)
    took = [(kind, seconds) for kind, seconds in everything if kind not in absent | ids]
    assert sum(seconds for _, seconds in took) < 0.8 * tracked.seconds
    minute, half = worst(list(followed(plan, took)))
    assert minute < 1.5
    assert half < 1.2


def test_many_claims_are_judged_in_the_first_minute_and_no_long_work_is_begun(tracked, costs, order):
    done, begun = [], 0.0
    for kind, seconds in tasks(tracked, costs, order):
        begun += seconds
        if begun > 60:
            break
        done.append(kind)
    assert len([kind for kind in done if "/" in kind]) >= 50
    assert max(costs.experiment(kind) for kind in done if "/" not in kind) < 30


def test_a_line_of_signs_belongs_to_one_file_for_long(order):
    """pytest begins a line with the name of each new file: as many lines as claims would be a wall."""
    switches = sum(one.place != other.place for one, other in itertools.pairwise(order))
    assert switches < len(order) / 5
