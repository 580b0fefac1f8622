"""One claim in full: the sentence, the measurement, the expectation with its source, and the changes."""

import dataclasses

from harness.report.html import complaint
from harness.report.story import filled, story
from harness.suite.records import EnsembleRecord
from harness.suite.verdict import log_scale_interval, mean_interval
from tests.report.test_html import BROKEN, HELD, LISTED, REFUTED

ENSEMBLE = EnsembleRecord([0.2, 0.3, 0.4], "8 seeds", spread=False, verdict="SUPPORTED")


def test_a_failed_claim_says_what_was_expected_and_what_changed():
    told = dict(story(dataclasses.replace(REFUTED, quotes="it is half", ensemble=ENSEMBLE)))
    assert told["the paper"] == '"it is half" (Section 1)'
    assert told["we read"] == "x within 10 %"
    assert told["measured"] == "[0.95, 1.05] ells (t: 0.98, 1, 1.02)"
    assert told["accepted"] == "<= 0.5: half"
    assert (told["verdict"], told["expected"]) == ("REFUTED", "SUPPORTED, as 3 values of its ensemble give")
    assert told["changed"] == "the mean of this run is 1; its ensemble: 0.2 to 0.4, mean 0.3"
    assert [text for name, text in story(REFUTED) if name == "failed"] == ["expected SUPPORTED", "the control is blind"]


def test_a_complaint_is_one_line_whatever_is_in_it():
    """The message joins them by what a reason or a control's name can hold as well."""
    kept = ["expected SUPPORTED", "the claim cannot tell 'one; two' from its own world"]
    record = dataclasses.replace(REFUTED, message=f"{REFUTED.id}: accepted <= 0.5 (a; b); {'; '.join(kept)}", complaints=kept)
    assert [text for name, text in story(record) if name == "failed"] == kept
    assert complaint(record) == f"REFUTED; {'; '.join(kept)}"


def test_a_claim_that_broke_has_its_reason():
    told = story(BROKEN)
    assert [name for name, _ in told] == ["the paper", "we read", "failed"]
    assert told[-1][1] in BROKEN.message


def test_a_listed_claim_says_what_is_true_instead_and_nothing_changed():
    told = dict(story(dataclasses.replace(LISTED, ensemble=dataclasses.replace(ENSEMBLE, verdict="REFUTED"))))
    assert told["instead"] == "it is one, not half"
    assert "changed" not in told
    assert "failed" not in told


def test_what_holds_was_expected_as_published():
    assert dict(story(HELD))["expected"] == "SUPPORTED, as published"
    derived = dict(story(dataclasses.replace(HELD, derived=True)))
    assert derived["our words"]
    assert derived["expected"] == "SUPPORTED, as stated"


def _changed(unit, values, ensemble, method="t"):
    measured = dataclasses.replace(REFUTED.measurements[0], unit=unit, values=values, method=method)
    return dict(story(dataclasses.replace(REFUTED, unit=unit, measurements=[measured], ensemble=ensemble)))["changed"]


def test_the_mean_is_the_one_that_is_judged():
    """Of logarithms: where the claim judges them, and where its ensemble has a long tail."""
    made = dataclasses.replace(ENSEMBLE, values=[1.0, 2.0, 3.0])
    said = "the geometric mean of this run is 1000; its ensemble: 10 to 1000, geometric mean 100"
    assert _changed("log10 k", [2.0, 3.0, 4.0], made) == said
    values = [1.0, 10.0, 100.0]
    method = log_scale_interval(values, None).method
    assert _changed("ells", values, made, method).startswith("the geometric mean of this run is 10; its ensemble: 1 to 3")
    assert _changed("ells", values, made, mean_interval(values).method).startswith("the mean of this run is 37;")


def test_lines_are_wrapped_beside_their_names():
    lines = filled([("paper", "one two three four \x1b[2J\n"), ("x", "y")], 22)
    assert lines == ["paper     one two", "          three four", "          \\x1b[2J\\n", "x         y"]
