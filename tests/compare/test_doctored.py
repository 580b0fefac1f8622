"""Doctored reports are refused: each change with a new digest, and one change with the old digest."""

import dataclasses
import json
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest

from harness.errors import Unreadable
from harness.measure.measurement import Measurement
from harness.report import json_file
from harness.runs.experiment import CATALOGUE
from harness.suite import evidence
from harness.suite.audit import Known, audit, measured_arrays, unlike_arrays
from harness.suite.claim import Claim, Control, World
from harness.suite.ensemble import Ensembles
from harness.suite.expectation import Expectation
from harness.suite.judging import Terms, judge_claim
from harness.suite.records import DIGEST, ExperimentRecord, Report, sealed
from harness.suite.verdict import Verdict, at_least, within
from tests.compare.planted import report


@dataclass(frozen=True)
class Experiment:
    name: str = "planted"
    seed: int = 0
    precision: str = "float32"

    def fingerprint(self):
        return f"{self.name}-{self.seed:064d}"


SIZES = np.random.default_rng(0).normal(1, 0.01, 16)


def size(size):
    return Measurement(float(size), arrays={"sizes": np.full(3, size)})


def declared(id, low=0.9, high=1.1, **more):
    controls = [
        Control("doubled", lambda run: World(run, size=2 * run.size)),
        Control("halved", lambda run: World(run, size=run.size / 2)),
    ]
    region = within(low, high, reason="ten percent")
    return Claim(id, "Section 1", "it is one", "its size", region, size, tuple(controls), ("planted",), scales=("smoke",), **more)


def won(won):
    return Measurement(won / 20, trials=20)


def open_size(found):
    return Measurement(found[1], interval=(found[0], found[2], "95 %: planted"))


# over trials, and over an interval of its own of which one control proves nothing
WON = Claim(
    "paper/won",
    "Section 2",
    "most are won",
    "the share of games",
    at_least(0.5, reason="most"),
    won,
    (Control("few", lambda run: World(run, won=2)),),
    ("planted",),
    over="trials",
    scales=("smoke",),
)
OPEN = Claim(
    "paper/open",
    "Section 3",
    "it is large",
    "bounds of its size",
    at_least(0.5, reason="half"),
    open_size,
    (
        Control("none", lambda run: World(run, found=(0.1, 0.2, 0.3))),
        Control("unknown", lambda run: World(run, found=(0.1, 0.3, 0.9))),
    ),
    ("planted",),
    over="interval",
    scales=("smoke",),
)
RUNS = [
    SimpleNamespace(experiment=Experiment(seed=seed), size=SIZES[seed], won=18 + seed % 2, found=(0.6, 0.7, 0.8))
    for seed in range(3)
]
CLAIMS = {claim.id: claim for claim in (declared("paper/size"), declared("paper/small", 0.0, 0.5), WON, OPEN)}
ENTRY = {
    "over": "seeds",
    "values": tuple(SIZES.tolist()),
    "runs": tuple((f"planted[{seed}]",) for seed in range(16)),
    "trials": None,
    "fingerprint": {"planted": Experiment().fingerprint()},
    "created": ["then"],
    "code": "",
}
TRACKED = Ensembles(None, {"then": {"seeds": 16}}, {"paper/size": ENTRY, "paper/small": ENTRY})
DEVIATIONS = {("paper/small", "smoke"): Expectation(Verdict.REFUTED, "it is one")}
KNOWN = Known(CLAIMS, DEVIATIONS, TRACKED)


def made():
    """A report of both claims, judged as a run judges them."""
    outcomes = [
        judge_claim(claim, Terms("smoke", DEVIATIONS.get((id, "smoke"), Expectation()), TRACKED, lambda name: RUNS, 2), "node")
        for id, claim in CLAIMS.items()
    ]
    return report(
        *(outcome.record for outcome in outcomes),
        environment={},
        experiments=[ExperimentRecord("planted", seed, "f") for seed in range(3)],
        evidence={outcome.record.evidence.file: outcome.evidence for outcome in outcomes if outcome.record.evidence},
    )


BASE = made()


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "planted", {"smoke": Experiment()})


def test_an_honest_report_is_accepted():
    assert [record.passed for record in BASE.claims] == [True, False, True, False]
    assert unlike_arrays(BASE, measured_arrays(BASE)) == []
    assert audit(BASE, KNOWN) == []


def widened(data):
    data["rule"]["accept"] = [0.0, 9.0]


def refuted_and_passed(data):
    data["passed"] = True


def erased(data):
    data.update(verdict="NOT_RUN", declared=True, passed=False)


def without_controls(data):
    data["controls"] = []


def with_a_copied_control(data):
    data["controls"][1] = data["controls"][0]


def with_a_renamed_control(data):
    data["controls"][1] = {**data["controls"][0], "name": "halved"}


def one_seed_three_times(data):
    measured = data["measurements"][0]
    measured.update(runs=[measured["runs"][0]] * 3, values=[measured["values"][0]] * 3)


def one_seed_under_three_names(data):
    measured = data["measurements"][0]
    measured.update(values=[measured["values"][0]] * 3)


def invented(data):
    data["measurements"][0]["values"] = [0.3, 0.31, 0.32]


def with_an_invented_ensemble(data):
    data["ensemble"]["values"] = [0.3] * 16


def without_its_ensemble(data):
    data["ensemble"] = data["membership"] = None


def expected_otherwise(data):
    data.update(expected="REFUTED", passed=True)


def calibrated_and_not_said(data):
    data["derived"] = True


def with_a_blind_control(data):
    data["controls"][0].update(value=1.0, values=[1.0, 1.0, 1.0], verdict="REFUTED")


def read_otherwise(data):
    data["reading"] = "its weight"


def from_elsewhere(data):
    data["where"] = "Section 9"


def published_otherwise(data):
    data["published"] = 0.3


def in_another_unit(data):
    data["unit"] = "ells"


def with_another_deviation(data):
    data["expected_reason"] = "it is two"


def of_another_experiment(data):
    data.update(experiments={"planted": "f" * 64}, ensemble=None, power=None, expected="")
    data["membership"] = {"state": "outdated", "message": "of another version"}


def of_no_experiment(data):
    data["experiments"] = {}


def of_another_level(data):
    data["membership"].update(level=1e-9, state="belongs")


def of_more_trials(data):
    data["measurements"][0]["trials"] = [100 * count for count in data["measurements"][0]["trials"]]


def of_other_ends(data):
    data["measurements"][0]["interval"] = [0.69, 0.71]


def of_other_runs(data):
    data["measurements"][0]["runs"].reverse()


def with_a_blind_interval(data):
    data["controls"][1].update(verdict="REFUTED", message="")
    data["passed"] = True


def with_another_interval_of_its_control(data):
    with_a_blind_interval(data)
    data["controls"][1]["interval"] = [0.2, 0.4]


# each with the claim and what is said of it; the second claim fails, the third is over trials, the fourth over an interval
DOCTORED = {
    widened: "region is [0.0, 9.0], declared is [0.0, 0.5]",
    refuted_and_passed: "it is REFUTED where REFUTED is expected, and the report has it passed",
    erased: "it is NOT_RUN, and has measurements",
    without_controls: "its controls are [], declared are",
    with_a_copied_control: "declared are [('doubled', 'REFUTED'), ('halved', 'REFUTED')]",
    with_a_renamed_control: "its values are not those that were measured",
    one_seed_three_times: "a run is counted more than once",
    one_seed_under_three_names: "its values are not those that were measured",
    invented: "its values are not those that were measured",
    with_an_invented_ensemble: "its ensemble is not the tracked one",
    without_its_ensemble: "it was judged without the ensemble that is tracked",
    expected_otherwise: "paper/size: what is expected of it is SUPPORTED",
    calibrated_and_not_said: "mark of a derived statement",
    with_a_blind_control: "control 'doubled'",
    read_otherwise: "its reading is 'its weight', declared is 'its size'",
    from_elsewhere: "its place is 'Section 9'",
    published_otherwise: "its published number is 0.3, declared is None",
    in_another_unit: "its unit is 'ells'",
    with_another_deviation: "its deviation is 'it is two', declared is 'it is one'",
    of_another_experiment: "paper/small: it was measured on planted of the fingerprint ffffffffffff, declared is planted-0000",
    of_no_experiment: "paper/small: it was measured on planted of the fingerprint none, declared is planted-0000",
    of_another_level: "2 claims of this run share its false alarms, each at a level of 0.005, and the report has 1e-09, 0.005",
    of_more_trials: "paper/won: its values are not those that were measured",
    of_other_ends: "paper/open: its values are not those that were measured",
    of_other_runs: "paper/small: its values are not those that were measured",
    with_a_blind_interval: "control 'unknown': [0.1, 0.9] is INCONCLUSIVE, not REFUTED",
    with_another_interval_of_its_control: "paper/open: its values are not those that were measured",
}
CLAIM = {
    expected_otherwise: 0,
    with_a_blind_control: 0,
    of_more_trials: 2,
    of_other_ends: 3,
    with_a_blind_interval: 3,
    with_another_interval_of_its_control: 3,
}


def doctored(change, position=1):
    data = json.loads(json.dumps(BASE.to_json()))
    change(data["claims"][position])
    return Report.from_json(sealed(data))


@pytest.mark.parametrize("change", DOCTORED, ids=lambda change: change.__name__)
def test_what_was_doctored_is_named(change):
    """All of these have a digest that fits."""
    found = doctored(change, CLAIM.get(change, 1))
    lines = [*unlike_arrays(found, measured_arrays(BASE)), *audit(found, KNOWN)]
    assert any(DOCTORED[change] in line for line in lines), lines


def test_a_deleted_claim_is_missed():
    left = dataclasses.replace(BASE, claims=[record for record in BASE.claims if record.id != "paper/small"])
    level = "1 claims of this run share its false alarms, each at a level of 0.01, and the report has 0.005"
    assert audit(left, KNOWN) == ["paper/small: it is declared and not in the report, which calls itself whole", level]
    assert unlike_arrays(left, measured_arrays(BASE)) == ["paper/small: its values are not those that were measured"]
    assert audit(dataclasses.replace(left, partial=True), KNOWN) == [level]
    assert audit(dataclasses.replace(left, partial=True, unreached=["paper/small"]), KNOWN) == []


def test_a_claim_that_nobody_declared_and_one_that_is_there_twice():
    assert "paper/size: it is there more than once" in audit(
        dataclasses.replace(BASE, claims=[*BASE.claims, BASE.claims[0]]), KNOWN
    )
    other = Known({id: claim for id, claim in CLAIMS.items() if id != "paper/small"}, {}, TRACKED)
    assert audit(BASE, other)[0] == "paper/small: no claim of that id is declared"


def test_runs_that_the_report_has_not_got():
    assert "of which the report has no run" in audit(dataclasses.replace(BASE, experiments=[]), KNOWN)[0]


@pytest.mark.parametrize("change", DOCTORED, ids=lambda change: change.__name__)
def test_no_reader_takes_what_is_not_as_it_was_written(change, tmp_path):
    json_file.write(BASE, tmp_path)
    assert json_file.read(tmp_path).claims == BASE.claims
    data = json.loads((tmp_path / "report.json").read_text())
    change(data["claims"][CLAIM.get(change, 1)])
    (tmp_path / "report.json").write_text(json.dumps(data))
    with pytest.raises(Unreadable, match="its digest is of another content"):
        json_file.read(tmp_path)


def test_reports_without_a_digest_can_be_read(tmp_path):
    json_file.write(BASE, tmp_path)
    data = json.loads((tmp_path / "report.json").read_text())
    del data[DIGEST], data["values"]
    (tmp_path / "report.json").write_text(json.dumps(data))
    assert json_file.read(tmp_path).values is None


def test_arrays_of_values_alone_are_held_against_values():
    """Reports that were written before runs, trials and ends were among the arrays."""
    older = {key: array for key, array in measured_arrays(BASE).items() if key.split("/")[-2] in ("measurements", "controls")}
    assert unlike_arrays(doctored(of_more_trials, 2), older) == []
    assert unlike_arrays(doctored(invented), older) == ["paper/small: its values are not those that were measured"]


def test_values_lie_beside_the_report(tmp_path):
    json_file.write(BASE, tmp_path)
    held = json_file.read(tmp_path)
    assert unlike_arrays(held, evidence.arrays_of(tmp_path, held.values)) == []
    (tmp_path / held.values.file).write_bytes(b"")
    with pytest.raises(Unreadable, match="not what its report was written with"):
        evidence.arrays_of(tmp_path, held.values)
