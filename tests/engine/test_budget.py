"""Work with a time budget, on a clock that the tests move."""

import numpy as np
import pytest

from harness.engine.budget import Track, spend
from harness.errors import InvalidInput


class Clock:
    """A clock on which each step takes as long as it is told to."""

    def __init__(self):
        self.now = 0.0
        self.steps = []

    def __call__(self):
        return self.now

    def track(self, name, weight, takes, most=1000, times=None):
        def step():
            self.steps.append(name)
            if track.done not in track.times:
                self.now += takes

        track = Track(name, weight, step, lambda: track.done >= most, {} if times is None else times)
        return track


def test_time_is_shared_by_weight_and_kept_within_the_budget():
    clock = Clock()
    heavy, light = clock.track("heavy", 3, 2.0), clock.track("light", 1, 2.0)
    left = []
    spend([heavy, light], 100, lambda: 2.0, left.append, clock=clock)
    assert (heavy.seconds, light.seconds) == (74, 26) or (heavy.seconds, light.seconds) == (76, 24)
    assert clock.now <= 100
    assert left[0] == 100
    assert left == sorted(left, reverse=True)
    assert left[-1] < 2


def test_every_track_gets_its_least_first():
    clock = Clock()
    tracks = [clock.track("a", 100, 1.0), clock.track("b", 1, 1.0)]
    spend(tracks, 4, lambda: 1.0, clock=clock)
    assert sorted(clock.steps) == ["a", "a", "b", "b"]


def test_the_same_budget_again_does_nothing_and_a_larger_one_goes_on():
    times, clock = {}, Clock()
    spend([clock.track("a", 1, 1.0, times=times)], 10, lambda: 1.0, clock=clock)
    assert (len(times), clock.now) == (10, 10)
    spend([clock.track("a", 1, 1.0, times=times)], 10, lambda: 1.0, clock=clock)
    assert clock.now == 10
    again = clock.track("a", 1, 1.0, times=times)
    spend([again], 15, lambda: 1.0, clock=clock)
    assert (clock.now, again.done) == (15, 15)


def test_a_track_that_is_full_leaves_its_time_to_the_others():
    clock = Clock()
    short, long = clock.track("short", 1, 1.0, most=3), clock.track("long", 1, 1.0)
    spend([short, long], 20, lambda: 1.0, clock=clock)
    assert (short.done, long.done) == (3, 17)


def test_a_budget_too_small_for_the_least_steps_is_refused_before_any():
    clock = Clock()
    refusal = r"part of the budget, are too few: a step takes about 30 s and 2 more are the least; give 24.0 times as much"
    with pytest.raises(InvalidInput, match=refusal):
        spend([clock.track("a", 1, 30.0)], 3, lambda: 30.0, clock=clock)
    assert not clock.steps


def test_finished_steps_of_an_interrupted_run_count_as_least():
    clock = Clock()
    spend([clock.track("a", 1, 30.0, times={0: np.asarray(30.0), 1: np.asarray(30.0)})], 3, lambda: 30.0, clock=clock)
    assert clock.now == 0
