"""What a report holds: every field comes back from JSON, the digest covers all of it, notes and reds are told apart."""

import dataclasses
import json
import math

import numpy as np
import pytest

from harness.suite.records import (
    DIGEST,
    CanariesRecord,
    ClaimRecord,
    ControlRecord,
    EnsembleRecord,
    Evidence,
    ExperimentRecord,
    LedgerEntry,
    MeasurementRecord,
    MembershipRecord,
    PowerRecord,
    RedCanary,
    Report,
    RuleRecord,
    plain,
    sealed,
)

CLAIM = ClaimRecord(
    id="a/b[c]",
    paper="a",
    where="1",
    says="it is",
    reading="it",
    over="seeds",
    unit="m",
    published=1.5,
    node="node",
    rule=RuleRecord([0.0, None], "planted", [None, 2.0], True),
    expected="REFUTED",
    expected_reason="listed",
    verdict="SUPPORTED",
    declared=True,
    passed=True,
    message="said",
    seeds_to_decide=5,
    measurements=[MeasurementRecord("it", "m", "things", [["it[0]"]], [1.0, None], [3], [0.0, 1.0], "planted")],
    ensemble=EnsembleRecord([1.0], "then", [["it[9]"]], [4], False, "SUPPORTED", "other code"),
    controls=[ControlRecord("noise", "REFUTED", None, None, "crashed", [1.0], [0.0, 2.0])],
    experiments={"it": "0"},
    evidence=Evidence("evidence/it.npz", "1"),
    seconds=2.0,
    quotes="words",
    derived=True,
    calibrated=True,
    membership=MembershipRecord("alarm", "far", 0.1, 0.2, 3.0, 4),
    power=PowerRecord(1.0, None, 0.5, "blind"),
    code="2",
    complaints=["one"],
    also=["more"],
)
BARE = ClaimRecord("a/c", "a", "", "", "", "once", "", None, "", RuleRecord([0, 1], "planted"), "", None)
RED = RedCanary("sums", "jaxlib", "0.1", "all", None, 0.0, "rows", "why", "broke", "#1")
REPORT = Report(
    complete=True,
    partial=True,
    scale="smoke",
    seeds=3,
    precision="float32",
    created="now",
    seconds=1.0,
    peak_memory=7,
    environment={"python": "3"},
    experiments=[ExperimentRecord("it", 1, "0", {"train": 1.0}, [{"note": "kink"}], "broke", 2.0)],
    claims=[CLAIM, BARE],
    unreached=["a/d"],
    ledger=[LedgerEntry("a/e", "2", "s", "r")],
    first_seed=4,
    until_decided=True,
    canaries=CanariesRecord(2, 0.5, [RED], "off"),
    values=Evidence("values.npz", "3"),
    evidence={"evidence/it.npz": b"arrays"},
)


@pytest.mark.parametrize(
    "report",
    [REPORT, dataclasses.replace(REPORT, canaries=None, values=None, peak_memory=None, ledger=[], evidence={})],
    ids=["with everything", "with little"],
)
def test_every_field_comes_back(report):
    data = json.loads(json.dumps(report.to_json()))
    assert Report.from_json(data) == dataclasses.replace(report, evidence={})
    assert "evidence" not in data
    assert next(iter(data)) == "schema_version"


def test_what_older_reports_do_not_have_is_empty():
    data = json.loads(json.dumps(REPORT.to_json()))
    for name in (DIGEST, "canaries", "values", "unreached", "first_seed", "until_decided"):
        del data[name]
    for name in ("membership", "power", "quotes", "derived", "calibrated", "code", "complaints", "also"):
        del data["claims"][0][name]
    found = Report.from_json(data)
    assert (found.canaries, found.values, found.unreached, found.first_seed, found.until_decided) == (None, None, [], 0, False)
    left = {"membership": None, "power": None, "quotes": "", "derived": False, "calibrated": False}
    assert found.claims[0] == dataclasses.replace(CLAIM, **left, code="", complaints=[], also=[])


def test_the_digest_is_of_all_else():
    data = REPORT.to_json()
    again = {DIGEST: "0", **dict(reversed(data.items()))}
    assert sealed(again)[DIGEST] == data[DIGEST] == sealed({**data, DIGEST: "other"})[DIGEST]
    assert len(data[DIGEST]) == 64
    assert sealed({**data, "seconds": 2.0})[DIGEST] != data[DIGEST]
    assert sealed({"b": [2, 3], "a": 1})[DIGEST] == "efbd0040190fb0871831e606c581f8a66db79d8e2bb836745a70051306956070"
    with pytest.raises(ValueError, match="JSON compliant"):
        sealed({"a": math.nan})


def test_plain_values_are_those_of_json():
    given = {1: np.float32(0.5), "two": (np.int64(3), [math.inf, np.nan, -math.inf]), "three": {"four": np.bool_(True)}}
    found = plain({**given, "five": None, "six": "text", "seven": 7})
    assert found == {
        **{"1": 0.5, "two": [3, [None, None, None]], "three": {"four": True}},
        **{"five": None, "six": "text", "seven": 7},
    }
    assert [type(value) for value in (found["1"], found["two"][0], found["three"]["four"])] == [float, int, bool]


@pytest.mark.parametrize(
    ("change", "is_open", "constant"),
    [
        ({"verdict": "INCONCLUSIVE", "message": "", "values": [1.0, 2.0]}, True, False),
        ({"verdict": "INCONCLUSIVE", "message": "blind"}, False, False),
        ({"verdict": "INCONCLUSIVE", "message": "", "expect": "INCONCLUSIVE"}, False, False),
        ({"verdict": "REFUTED", "message": "", "values": [1.0, 1.0]}, False, True),
        ({"verdict": "REFUTED", "message": "", "values": []}, False, False),
    ],
)
def test_a_control_may_be_open_or_constant(change, is_open, constant):
    control = dataclasses.replace(CLAIM.controls[0], **change)
    assert (control.open, control.constant) == (is_open, constant)


@pytest.mark.parametrize(
    ("expected", "reason", "deviates"),
    [
        ("REFUTED", "listed", True),
        ("INCONCLUSIVE", "listed", True),
        ("SUPPORTED", "listed", False),
        ("", "listed", False),
        ("REFUTED", None, False),
    ],
)
def test_a_claim_deviates_if_it_is_listed_and_not_expected_to_hold(expected, reason, deviates):
    assert dataclasses.replace(CLAIM, expected=expected, expected_reason=reason).deviates is deviates


def test_only_what_was_judged_has_a_verdict():
    assert (CLAIM.judged, BARE.judged) == (True, False)


def test_notes_come_once_and_the_failure_first():
    stages = [{"note": "kink"}, {}, {"note": ""}, {"note": "slow"}, {"note": "kink"}]
    assert dataclasses.replace(REPORT.experiments[0], stages=stages).notes == ["broke", "kink", "slow"]
    assert dataclasses.replace(REPORT.experiments[0], stages=stages, failure=None).notes == ["kink", "slow"]


def test_a_listed_red_canary_fails_nothing():
    new = dataclasses.replace(RED, known="")
    assert CanariesRecord(red=[RED, new]).failing == [new]


def test_a_report_of_calls_has_claims_whose_node_is_their_id():
    called = [dataclasses.replace(claim, node=claim.id) for claim in (CLAIM, BARE)]
    for claims, expected in ((called, True), ([called[0], BARE], False), ([], False)):
        assert dataclasses.replace(REPORT, claims=claims).called is expected
