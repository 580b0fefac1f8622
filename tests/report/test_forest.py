"""All claims on one scale: the distance agrees with the verdict."""

import dataclasses
import math
import re

import pytest

from harness.report import forest
from harness.suite.records import RuleRecord
from tests.report.test_html import HELD, SKIPPED


def record(interval, accept, verdict="SUPPORTED"):
    measured = dataclasses.replace(HELD.measurements[0], interval=interval)
    return dataclasses.replace(HELD, measurements=[measured], rule=RuleRecord(accept, "so"), verdict=verdict)


@pytest.mark.parametrize(
    ("interval", "accept", "far"),
    [
        ([1, 3], [0, None], 2),
        ([1, 3], [None, 0], -2),
        ([1, 3], [1, 10], 1),
        ([1, 3], [3, 10], -1),
        ([1, 3], [1.5, 10], 0.5),
        ([1, 3], [1.5, 2.5], 0.5),
        ([2, 2], [2, 5], math.inf),
        ([2, 2], [3, 5], -math.inf),
        ([1, 3], [None, None], math.inf),
    ],
)
def test_the_distance_is_in_half_widths_from_the_nearest_edge(interval, accept, far):
    assert forest.distance(record(interval, accept)) == pytest.approx(far)


def test_what_was_not_judged_has_none():
    assert forest.distance(SKIPPED) is None
    assert forest.row(SKIPPED) == ""


@pytest.mark.parametrize(
    ("far", "words"), [(3.21, "+3.2"), (-12.4, "-12"), (0.98, "+0.98"), (-1.04, "-1.0"), (-0.9996, "-0.9996")]
)
def test_its_words_never_round_to_another_verdict(far, words):
    assert forest.words(far) == words


def test_marks_lie_in_order_within_the_drawing_and_have_a_shape_each():
    places = [forest.position(far) for far in (-math.inf, -1000, -10, -1, -0.5, 0, 0.5, 1, 10, 1000, math.inf)]
    assert places == sorted(places)
    assert 4 <= places[0] == places[1]
    assert places[-1] <= forest.WIDTH - 4
    drawn = [forest.row(record([1, 3], [0, 9], verdict)) for verdict in ("SUPPORTED", "REFUTED", "INCONCLUSIVE")]
    assert [re.search(r'class="(holds|fails|between)"', row).group(1) for row in drawn] == ["holds", "fails", "between"]
