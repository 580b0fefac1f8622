"""Reference ensembles: which claims a report gives one, what the file keeps, and when an ensemble counts for a claim."""

import dataclasses
import json
from dataclasses import dataclass

import pytest

from harness.errors import InvalidInput
from harness.runs.experiment import CATALOGUE
from harness.suite.claim import Claim
from harness.suite.ensemble import Ensembles, fingerprints, load, make, needs_of, reference_identity, seconds_of
from harness.suite.records import ClaimRecord, ExperimentRecord, MeasurementRecord, Report, RuleRecord
from harness.suite.verdict import Ensemble, at_least

FIRST, SECOND = "2020-01-01T00:00:00Z", "2021-01-01T00:00:00Z"
VALUES = [1.0, 1.1, 0.9, 1.05, 0.95, 1.2, 0.8, 1.0]


@dataclass(frozen=True)
class Experiment:
    name: str = "it"
    scale: str = "smoke"
    seed: int = 0
    precision: str = "float32"

    def fingerprint(self) -> str:
        return f"{self.name}-{self.scale}-{self.seed}-{self.precision}"


def record(id="a/b", values=VALUES, over="seeds", trials=None, **more) -> ClaimRecord:
    measured = MeasurementRecord("it", "", "", [[f"it[{seed}]"] for seed in range(len(values))], list(values), trials)
    facts = {"verdict": "SUPPORTED", "experiments": {"it": "now"}, "code": "old", "measurements": [measured], **more}
    return ClaimRecord(id, "a", "", "", "", over, "", None, "", RuleRecord([0.5, None], "planted"), "SUPPORTED", None, **facts)


def report(*claims, created=FIRST, experiments=(), **more) -> Report:
    facts = {"complete": True, "partial": False, "seconds": 1.0, "peak_memory": None, **more}
    environment = {"python": "3.11"}
    return Report(
        scale="smoke",
        seeds=8,
        precision="float32",
        created=created,
        environment=environment,
        experiments=list(experiments),
        claims=list(claims),
        **facts,
    )


def stored(content, folder) -> Ensembles:
    (folder / "smoke-float32.json").write_text(json.dumps(content), encoding="utf-8")
    return load(folder, "smoke", "float32")


def asked(over="seeds", on=("it",)) -> Claim:
    return Claim("a/b", "", "", "", at_least(0, reason="planted"), len, (), on, over)


def test_a_file_reads_back_as_it_was_made(tmp_path):
    counted = record("a/c", over="trials", trials=[10] * 8, also=["noise"], seconds=16.0, code="")
    content = make(report(record(), counted, first_seed=5), Ensembles())
    found = stored(content, tmp_path)
    assert {name: content[name] for name in ("scale", "precision")} == {"scale": "smoke", "precision": "float32"}
    assert found.path == tmp_path / "smoke-float32.json"
    assert found.runs == {FIRST: {"seeds": 8, "first seed": 5, "python": "3.11"}}
    assert (found.seconds, found.needs) == ({"a/c": 2.0}, {"a/c": ["noise"]})
    runs = tuple((f"it[{seed}]",) for seed in range(8))
    entry = {"over": "seeds", "values": tuple(VALUES), "runs": runs, "trials": None}
    entry |= {"fingerprint": {"it": "now"}, "code": "old", "created": [FIRST]}
    assert found.claims == {"a/b": entry, "a/c": {**entry, "over": "trials", "trials": (10,) * 8, "code": ""}}


def test_a_file_of_old_has_no_times_no_needs_and_no_code(tmp_path):
    content = make(report(record()), Ensembles())
    for name in ("seconds", "needs"):
        del content[name]
    del content["claims"]["a/b"]["code"]
    found = stored(content, tmp_path)
    assert (found.seconds, found.needs, found.claims["a/b"]["code"]) == ({}, {}, "")
    assert load(tmp_path, "paper", "float32") == Ensembles()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"created": [FIRST, SECOND]}, f"no run of {SECOND}"),
        ({"values": VALUES[:7]}, "7 values of 8 runs"),
        ({"values": VALUES[:7], "trials": [9] * 7}, "7 values of 8 runs"),
        ({"trials": [9] * 7}, "8 values of 8 runs"),
        ({"values": ["one", *VALUES[1:]]}, "ValueError"),
    ],
)
def test_a_file_whose_parts_do_not_fit_is_refused(change, says, tmp_path):
    content = make(report(record()), Ensembles())
    content["claims"]["a/b"].update(change)
    with pytest.raises(InvalidInput, match="is not a reference ensemble") as refused:
        stored(content, tmp_path)
    assert says in str(refused.value)
    assert "--claims-ensemble" in str(refused.value)


def test_claims_of_fewer_than_eight_seeds_and_of_no_seeds_get_none():
    left = [
        record("a/few", VALUES[:7]),
        record("a/once", over="once"),
        record("a/interval", over="interval"),
        record("a/skipped", verdict="NOT_RUN"),
        record("a/never", over="once", verdict="NOT_RUN", measurements=[]),
    ]
    assert list(make(report(record(), *left), Ensembles())["claims"]) == ["a/b"]
    with pytest.raises(InvalidInput, match="no claim was measured on 8 seeds"):
        make(report(*left), Ensembles())
    with pytest.raises(InvalidInput, match="incomplete"):
        make(report(record(), complete=False), Ensembles())


def test_a_whole_report_drops_ensembles_of_claims_that_are_gone_and_a_partial_one_keeps_them(tmp_path):
    known = stored(make(report(record(), record("a/gone"), record("a/few")), Ensembles()), tmp_path)
    for partial, ids in ((False, ["a/b", "a/few"]), (True, ["a/b", "a/few", "a/gone"])):
        content = make(report(record(), record("a/few", VALUES[:3]), created=SECOND, partial=partial), known)
        assert list(content["claims"]) == ids
        assert [entry["created"] for entry in content["claims"].values()] == [[SECOND]] + [[FIRST]] * (len(ids) - 1)
        assert list(content["runs"]) == [FIRST, SECOND]
    assert list(make(report(record(), created=SECOND), known)["runs"]) == [SECOND]


def test_an_ensemble_counts_for_the_experiment_the_rule_and_the_code_that_measured_it(tmp_path):
    known = stored(make(report(record()), Ensembles()), tmp_path)
    found = known.of(asked(), {"it": "now"}, "old")
    where = "/".join((*tmp_path.parts[-2:], "smoke-float32.json"))
    provenance = f"{where}: created {FIRST}, first seed 0, python 3.11, seeds 8"
    assert found.ensemble == Ensemble(tuple(VALUES), provenance, tuple((f"it[{seed}]",) for seed in range(8)))
    assert found.unconfirmed == ""
    assert known.of(asked(), {"it": "now"}).unconfirmed == ""
    other = known.of(asked(), {"it": "now"}, "new")
    assert (other.ensemble, "other code" in other.unconfirmed) == (found.ensemble, True)
    for reference, says in (
        (known.of(asked(), {"it": "later", "another": "now"}, "old"), "another version of another, it"),
        (known.of(asked("share"), {"it": "now"}, "old"), "another version of the claim, over seeds and not share"),
        (Ensembles().of(asked(), {"it": "now"}), "there is no reference ensemble for it"),
    ):
        assert (reference.ensemble, says in reference.why) == (None, True)


def test_proportions_keep_their_trials(tmp_path):
    known = stored(make(report(record(over="trials", trials=[10] * 8)), Ensembles()), tmp_path)
    assert known.of(asked("trials"), {"it": "now"}).ensemble.trials == (10,) * 8


def test_fingerprints_are_those_of_seed_zero_in_the_precision_of_the_run(monkeypatch):
    monkeypatch.setitem(CATALOGUE, "it", {"smoke": Experiment(seed=7), "paper": Experiment(scale="paper")})
    monkeypatch.setitem(CATALOGUE, "large", {"large": Experiment("large", "large")})
    assert reference_identity(Experiment(seed=7)) == "it-smoke-0-float32"
    claim = asked(on=("it", "large", "nowhere"))
    assert fingerprints(claim, "smoke", "float32") == {"it": "it-smoke-0-float32"}
    assert fingerprints(claim, "smoke", "float64") == {"it": "it-smoke-0-float64"}
    assert fingerprints(claim, "large", "float32") == {"large": "large-large-0-float32"}


@pytest.mark.parametrize(
    ("took", "known", "kept"),
    [
        ([1.26, 3.14], None, 3.1),
        ([3.14, 1.26], 31.0, 3.1),
        ([3.14], 31.4, 31.4),
        ([0.04], 50.0, 50.0),
        ([0.04], None, 0.0),
        ([0.0], None, None),
    ],
)
def test_the_longest_preparation_counts_unless_the_store_had_all(took, known, kept):
    """The store had the results if all of them took a tenth of the known time or less."""
    experiments = [ExperimentRecord("it", seed, "", prepared=each) for seed, each in enumerate(took)]
    other = ExperimentRecord("other", 0, "", prepared=7.0)
    before = Ensembles(seconds={} if known is None else {"it": known})
    found = seconds_of(report(experiments=[*experiments, other]), before)
    assert found == {**({} if kept is None else {"it": kept}), "other": 7.0}


@pytest.mark.parametrize(
    ("each", "known", "kept"),
    [(0.256, None, 0.26), (0.05, None, 0.05), (0.04, None, None), (0.2, 3.0, 3.0), (0.25, 2.5, 2.5), (0.0625, 0.625, 0.625)],
)
def test_a_claim_takes_its_time_for_a_value(each, known, kept):
    before = Ensembles(seconds={} if known is None else {"a/b": known})
    skipped = record("a/skipped", verdict="NOT_RUN", measurements=[], seconds=5.0)
    found = seconds_of(report(record(seconds=8 * each), skipped), before)
    assert found == ({} if kept is None else {"a/b": kept})


def test_needs_of_the_same_code_add_up():
    known = Ensembles(claims={"a/b": {"code": "old"}}, needs={"a/b": ["noise"]})
    assert needs_of(report(record(also=["more"]), record("a/c", also=["labels"])), known) == {
        "a/b": ["more", "noise"],
        "a/c": ["labels"],
    }
    assert needs_of(report(record(also=["more"], code="new")), known) == {"a/b": ["more"]}


def test_a_report_of_pairs_counts_the_seeds_behind_them():
    def pairs(seeds):
        named = [[f"it[{a}]", f"it[{b}]"] for a in range(seeds) for b in range(a)]
        measured = MeasurementRecord("it", "", "", named, [1.0] * len(named))
        return dataclasses.replace(record("a/pairs", over="pairs"), measurements=[measured])

    assert "a/pairs" in make(report(pairs(8)), Ensembles())["claims"]
    assert "a/pairs" not in make(report(pairs(7), record()), Ensembles())["claims"]
