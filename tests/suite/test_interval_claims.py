"""Claims over an interval: the measurement is an estimate with its own interval, live and in a stored report."""

import dataclasses
from contextlib import contextmanager

import pytest

from harness.errors import InvalidInput, WrongPrecision
from harness.measure.measurement import Measurement
from harness.suite.claim import REGISTRY, Control, World, claim
from harness.suite.expectation import Expectation
from harness.suite.judging import Terms, judge_claim
from harness.suite.records import MeasurementRecord
from harness.suite.rejudge import interval_of, rejudge
from harness.suite.verdict import Ensemble, Verdict, at_least

METHOD = "bounds"


class Run:
    label = "planted"

    class experiment:
        name, seed, fixed_seed = "planted", 0, True

        @staticmethod
        def fingerprint():
            return "0"


class NoEnsembles:
    def of(self, *_) -> Ensemble | None:
        return None


@pytest.fixture
def judged(monkeypatch):
    monkeypatch.setattr("harness.suite.judging.reference_identity", lambda experiment: "0")
    before = dict(REGISTRY)

    def judge(value, interval, expected=Verdict.SUPPORTED, world=None, **more):
        world = world or Measurement(0.1, interval=(0.1, 0.1, METHOD))
        declared = claim(
            "planted/share",
            where="here",
            says="most",
            reading="a share",
            accept=at_least(0.5, reason="half"),
            on="planted",
            controls=[Control("a tenth", lambda run: World(run, found=world))],
            over="interval",
        )(lambda found: found).__claims__[0]
        run = World(Run(), found=Measurement(value, interval=interval))
        terms = Terms("paper", Expectation(expected), NoEnsembles(), lambda name: [run], **more)
        REGISTRY.clear()
        return judge_claim(declared, terms, "node").record

    yield judge
    REGISTRY.clear()
    REGISTRY.update(before)


@pytest.mark.parametrize(
    ("interval", "verdict"),
    [((0.6, 0.8, METHOD), "SUPPORTED"), ((0.4, 0.8, METHOD), "INCONCLUSIVE"), ((0.1, 0.4, METHOD), "REFUTED")],
)
def test_the_interval_decides_and_not_the_estimate(judged, interval, verdict):
    record = judged(0.7, interval)
    assert record.verdict == verdict
    assert record.measurements[0].values == [0.7]
    assert record.measurements[0].interval == list(interval[:2])
    assert record.measurements[0].method == METHOD
    assert rejudge(record).name == verdict


def test_a_claim_that_cannot_be_measured_as_declared_is_broken_and_says_why(judged):
    @contextmanager
    def scope():
        raise WrongPrecision("float32 where float64 is asked for")
        yield

    record = judged(0.7, (0.6, 0.8, METHOD), scope=scope)
    assert (record.verdict, record.passed, record.declared) == ("NOT_RUN", False, False)
    assert "NOT_RUN by failure: float32 where float64 is asked for" in record.message


def test_an_interval_that_is_still_open_fails_nothing(judged):
    record = judged(0.7, (0.4, 0.8, METHOD))
    assert record.verdict == "INCONCLUSIVE"
    assert record.passed


def test_a_closed_interval_on_the_wrong_side_fails(judged):
    record = judged(0.7, (0.1, 0.4, METHOD))
    assert not record.passed
    assert "expected SUPPORTED" in record.message


def test_a_control_is_judged_by_its_interval_too(judged):
    """Its estimate alone, the middle of open bounds, would have refuted."""
    assert judged(0.7, (0.6, 0.8, METHOD), world=Measurement(0.3, interval=(0.1, 0.4, METHOD))).passed
    blind = judged(0.7, (0.6, 0.8, METHOD), world=Measurement(0.3, interval=(0.0, 0.6, METHOD)))
    assert not blind.passed
    assert "cannot tell 'a tenth' from its own world: there [0, 0.6] is INCONCLUSIVE" in blind.message


def test_a_measurement_without_its_interval_is_no_verdict(judged):
    record = judged(0.7, None)
    assert record.verdict == "NOT_RUN"
    assert not record.declared
    assert "needs Measurement(value, interval=(low, high, method))" in record.message


@pytest.mark.parametrize("interval", [None, [0.8, 0.4], [float("nan"), 0.5]])
def test_a_recorded_interval_that_makes_no_sense_is_refused(interval):
    record = MeasurementRecord("share", "", "", [["planted[0]"]], [0.7], None, interval, METHOD)
    with pytest.raises(InvalidInput, match="share: interval"):
        interval_of("interval", record)
    assert dataclasses.replace(record, interval=[0.4, 0.8]).interval == [0.4, 0.8]


def test_why_it_fails_is_kept_as_a_list(judged):
    blind = judged(0.7, (0.1, 0.4, METHOD), world=Measurement(0.7, interval=(0.6, 0.8, METHOD)))
    assert len(blind.complaints) == 2
    assert blind.complaints[0] == "expected SUPPORTED"
    assert blind.complaints[1] == blind.controls[0].message
    assert blind.message.endswith("; ".join(blind.complaints))
