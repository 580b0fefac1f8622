"""Reports: files follow the schema, read back unchanged, and give the same verdicts again."""

import dataclasses
import json
import math
from pathlib import Path

import jsonschema
import numpy as np
import pytest

from harness import report as reports
from harness.errors import InvalidInput
from harness.report import environment, json_file, markdown
from harness.report.publish import publish
from harness.report.text import outcome
from harness.suite import evidence
from harness.suite.records import (
    CanariesRecord,
    ClaimRecord,
    ControlRecord,
    EnsembleRecord,
    ExperimentRecord,
    LedgerEntry,
    MeasurementRecord,
    MembershipRecord,
    PowerRecord,
    RedCanary,
    Report,
    RuleRecord,
)
from harness.suite.rejudge import bounds_of, deciding_seeds, interval_of, region_of, rejudge
from harness.suite.verdict import Verdict

RUNS = ["digits[0]", "digits[1]", "digits[2]"]
SINGLES = [[run] for run in RUNS]
PAIRS = [[RUNS[0], RUNS[1]], [RUNS[0], RUNS[2]], [RUNS[1], RUNS[2]]]
BLANK = ClaimRecord(
    "paper/statement[strict]",
    "paper",
    "Section 1",
    "x | y is <about> one",
    "x; supported within 10 %",
    "seeds",
    "ells",
    1.0,
    "claims/test_it.py::test_it[strict]",
    RuleRecord([0.9, 1.1], "one significant figure"),
    "SUPPORTED",
    None,
)


def measured(values: list[float], over: str = "seeds", **changes: object) -> ClaimRecord:
    """A judged record over these values."""
    runs = {"pairs": PAIRS, "once": [[]]}.get(over, SINGLES[: len(values)])
    trials = [200] * len(values) if over == "trials" else None
    blank = dataclasses.replace(BLANK, over=over, **changes)  # type: ignore[arg-type]
    measurement = MeasurementRecord("it", "ells", "runs", runs, list(values), trials)
    ensemble = blank.ensemble
    record = dataclasses.replace(
        blank,
        measurements=[measurement],
        verdict="SUPPORTED",
        passed=True,
        message="it holds",
        controls=[ControlRecord("doubled", "REFUTED", "REFUTED", 2.0)],
        ensemble=ensemble,
    )
    interval = interval_of(over, measurement, None if ensemble is None else _ensemble(ensemble))
    judged = dataclasses.replace(measurement, interval=[interval.low, interval.high], method=interval.method)
    return dataclasses.replace(record, measurements=[judged], verdict=rejudge(record).name)


def _ensemble(record: EnsembleRecord):
    from harness.suite.verdict import Ensemble

    return Ensemble(tuple(record.values), record.provenance)


LISTED = measured([5.0, 5.1, 5.2], id="paper/listed", expected="REFUTED", expected_reason="it is five")
FAILED = measured([5.0, 5.1, 5.2], id="paper/failed")
FAILED = dataclasses.replace(FAILED, passed=False, message="paper/failed [digits, paper]: REFUTED, measured 5; it should not be")
SKIPPED = dataclasses.replace(BLANK, id="paper/skipped", declared=True, message="paper/skipped: not run: MNIST is not there")
HELD = measured([0.98, 1.0, 1.02])
EVIDENCE, CONTENT = evidence.pack(HELD.id, {"0/curve": np.arange(3.0), "0/names": np.array(["a", "b"])})
REPORT = Report(
    complete=True,
    partial=False,
    scale="paper",
    seeds=3,
    precision="float32",
    created="2025-01-02T03:04:05Z",
    seconds=12.5,
    peak_memory=99,
    environment=environment.collect("float32"),
    experiments=[ExperimentRecord("digits", 0, "0" * 64, {"train": 1.5}, [{"name": "init", "digest": "ab"}])],
    claims=[dataclasses.replace(HELD, evidence=EVIDENCE), LISTED, FAILED, SKIPPED],
    ledger=[LedgerEntry("paper/unjudged", "Section 9", "it also flies", "no wings here")],
    canaries=CanariesRecord(
        7, 2.5, [RedCanary("sums", "jaxlib", "0.1", "losses", None, 0, "rows", "exact", "it broke", "a/b#1: known")]
    ),
    evidence={EVIDENCE.file: CONTENT},
)


class TestJson:
    def test_a_report_fits_its_schema(self):
        schema = json_file.schema()
        jsonschema.Draft202012Validator.check_schema(schema)
        jsonschema.validate(REPORT.to_json(), schema)

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda data: data.pop("complete"),
            lambda data: data.update(schema_version=2),
            lambda data: data["claims"][0].update(verdict="MAYBE"),
            lambda data: data["claims"][0].update(measurements=[]),
            lambda data: data["claims"][0]["rule"].update(reason=""),
            lambda data: data["claims"][3].update(passed=True),
            lambda data: data["experiments"][0].update(fingerprint="x"),
        ],
    )
    def test_the_schema_refuses_what_is_no_report(self, spoil):
        data = json.loads(json.dumps(REPORT.to_json()))
        spoil(data)
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(data, json_file.schema())

    def test_what_is_written_reads_back_as_it_was(self, tmp_path):
        assert reports.write(REPORT, tmp_path) == []
        back = json_file.read(tmp_path)
        assert back == json_file.read(tmp_path / "report.json")
        assert dataclasses.replace(back, values=None) == dataclasses.replace(REPORT, evidence={})
        assert back.values.file == "evidence/values.npz"

    @pytest.mark.parametrize("content", ["", "{", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 99}'])
    def test_what_is_no_report_is_refused_by_name(self, tmp_path, content):
        (tmp_path / "report.json").write_text(content)
        with pytest.raises(InvalidInput, match=r"report\.json"):
            json_file.read(tmp_path)

    def test_a_report_from_before_quotations_can_be_read(self):
        data = json.loads(json.dumps(REPORT.to_json()))
        for record in data["claims"]:
            for field in ("quotes", "derived", "calibrated"):
                del record[field]
        jsonschema.validate(data, json_file.schema())
        assert Report.from_json(data).claims == REPORT.claims

    def test_infinite_bounds_are_null(self):
        record = measured([0.0], "once", rule=RuleRecord([None, 1e-10], "rounding"))
        assert region_of(record).low == -np.inf
        assert rejudge(record) is Verdict.SUPPORTED


class TestRejudging:
    ENSEMBLE = EnsembleRecord([0.98, 0.99, 1.0, 1.01, 1.02, 1.0, 0.99, 1.01], "planted")

    @pytest.mark.parametrize(
        ("record", "verdict"),
        [
            (HELD, Verdict.SUPPORTED),
            (LISTED, Verdict.REFUTED),
            (SKIPPED, Verdict.NOT_RUN),
            (measured([1.0, 1.09, 1.15]), Verdict.INCONCLUSIVE),
            (measured([1.0], ensemble=ENSEMBLE), Verdict.SUPPORTED),
            (measured([1.0, 1.01, 0.99], "pairs"), Verdict.SUPPORTED),
            (measured([1.2, 1.21, 1.19], "pairs"), Verdict.REFUTED),
            (measured([0.99, 1.0], "trials"), Verdict.SUPPORTED),
            (measured([1.11], "once"), Verdict.REFUTED),
        ],
    )
    def test_recorded_values_give_the_recorded_verdict_after_a_round_trip(self, record, verdict):
        again = ClaimRecord.from_json(json.loads(json.dumps(dataclasses.asdict(record))))
        assert again == record
        assert rejudge(again) is verdict

    def test_a_moved_value_moves_the_verdict(self):
        moved = dataclasses.replace(HELD.measurements[0], values=[1.98, 2.0, 2.02])
        assert rejudge(dataclasses.replace(HELD, measurements=[moved])) is Verdict.REFUTED

    @pytest.mark.parametrize(("values", "trials"), [([0.333], [10]), ([0.5, 0.5], [10])])
    def test_proportions_without_whole_trials_are_refused(self, values, trials):
        with pytest.raises(InvalidInput, match="return Measurement"):
            interval_of("trials", MeasurementRecord("it", "", "", SINGLES[: len(values)], values, trials))

    def test_an_interval_is_cut_to_the_bounds_that_the_record_holds(self):
        rule = RuleRecord([0.9, 1.0], "planted", [0.0, 1.0])
        record = measured([0.95, 1.0, 1.0], rule=rule)
        it = record.measurements[0]
        assert interval_of("seeds", it).high > 1
        assert interval_of("seeds", it, None, bounds_of(record)).high == 1
        assert rejudge(ClaimRecord.from_json(json.loads(json.dumps(dataclasses.asdict(record))))) is Verdict.SUPPORTED
        assert interval_of("seeds", dataclasses.replace(it, values=[1.0 + 1e-9, 0.9, 1.0]), None, (0, 1)).high == 1
        with pytest.raises(InvalidInput, match=r"it measured 1\.2, outside of what it can be, \[0, 1\]"):
            interval_of("seeds", dataclasses.replace(it, values=[1.2, 0.9, 1.0]), None, (0, 1))

    def test_a_bound_may_be_infinite_and_null_in_the_file(self):
        record = measured([0.5, 6.0, 20.0], rule=RuleRecord([10.0, None], "planted", [0.0, None]))
        again = ClaimRecord.from_json(json.loads(json.dumps(dataclasses.asdict(record))))
        jsonschema.validate(json.loads(json.dumps(dataclasses.replace(REPORT, claims=[again]).to_json())), json_file.schema())
        assert bounds_of(again) == (0, math.inf)
        it = record.measurements[0]
        assert interval_of("seeds", it).low < 0
        assert interval_of("seeds", it, None, (0, math.inf)).low == 0
        assert interval_of("seeds", it, None, (0, math.inf)).high == interval_of("seeds", it).high
        assert interval_of("seeds", dataclasses.replace(it, values=[-1e-9, 6.0, 20.0]), None, (0, math.inf)).low == 0
        with pytest.raises(InvalidInput, match=r"it measured -0\.5, outside of what it can be, \[0, inf\]"):
            interval_of("seeds", dataclasses.replace(it, values=[-0.5, 6.0, 20.0]), None, (0, math.inf))

    @pytest.mark.parametrize(("values", "interval"), [([1.0, 1.0, 1.0], [0.292, 1.0]), ([1.0, 0.0, 1.0], [0.094, 0.992])])
    def test_a_share_of_seeds_has_the_interval_of_a_proportion(self, values, interval):
        found = interval_of("share", MeasurementRecord("it", "", "", SINGLES, values))
        assert [found.low, found.high] == pytest.approx(interval, abs=1e-3)

    def test_a_share_is_of_truths_only(self):
        with pytest.raises(InvalidInput, match="return True or False for each seed"):
            interval_of("share", MeasurementRecord("it", "", "", SINGLES, [1.0, 0.5, 1.0]))

    def test_over_pairs_the_number_of_seeds_is_that_of_the_pseudo_values(self):
        """For averages of two seeds the pseudo-values are the seeds' values, so both name the same number."""
        seeds = [0.96, 1.0, 1.11]
        pairs = [(seeds[0] + seeds[1]) / 2, (seeds[0] + seeds[2]) / 2, (seeds[1] + seeds[2]) / 2]
        region = region_of(HELD)
        over_pairs = deciding_seeds("pairs", MeasurementRecord("it", "", "", PAIRS, list(pairs)), region)
        assert over_pairs == deciding_seeds("seeds", MeasurementRecord("it", "", "", SINGLES, list(seeds)), region)
        assert over_pairs is not None


class TestEvidence:
    def test_arrays_come_back_and_hold_no_pickle(self, tmp_path):
        reports.write(REPORT, tmp_path)
        arrays = evidence.unpack(tmp_path, REPORT.claims[0])
        np.testing.assert_array_equal(arrays["0/curve"], [0.0, 1.0, 2.0])
        assert list(arrays["0/names"]) == ["a", "b"]

    def test_a_file_that_is_not_the_reports_own_is_refused(self, tmp_path):
        reports.write(REPORT, tmp_path)
        (tmp_path / EVIDENCE.file).write_bytes(CONTENT[:-1])
        with pytest.raises(InvalidInput, match="not what its report was written with"):
            evidence.unpack(tmp_path, REPORT.claims[0])

    def test_objects_are_refused(self):
        with pytest.raises(InvalidInput, match="holds Python objects"):
            evidence.pack("a/b", {"0/bad": np.array([None])})

    def test_names_of_files_tell_claims_apart(self):
        ids = ["a/b", "a/b[c]", "a/b-c", "a/b[c,d]", "a/b[0.5]"]
        assert len({evidence.slug(id) for id in ids}) == len(ids)
        assert all("/" not in evidence.slug(id) for id in ids)


class TestPages:
    def test_markdown_says_what_failed_deviates_and_was_not_run(self):
        page = markdown.render(REPORT)
        assert "3 of 4 claims judged: 1 SUPPORTED, 2 REFUTED, 1 NOT_RUN; 1 deviate as listed, 1 failed" in page
        assert page.startswith("# Claims\n\n**Failed**: paper/failed. The reasons stand under What to know.\n")
        failed = "- **paper/failed** (Section 1): [digits, paper]: REFUTED, measured 5; it should not be. "
        assert f"{failed}Alone: `pytest --claims-id paper/failed`" in page
        assert "- paper/listed (Section 1): x | y is \\<about> one is REFUTED: it is five" in page
        assert "- paper/skipped: MNIST is not there" in page
        assert "| paper/unjudged | Section 9 | it also flies | no wings here |" in page
        assert page.index("paper/failed") < page.index("paper/listed") < page.index("paper/statement")

    def test_markdown_begins_with_what_was_found_and_folds_what_it_rests_on(self):
        page = markdown.render(REPORT)
        assert "- paper: 1 of 3 sentences hold in every reading, 0 in some, 2 in none; 1 not run\n" in page
        order = [page.index(text) for text in ("## Findings", "## What to know", "<summary>Every claim", "<summary>Experiments")]
        assert order == sorted(order)
        assert page.count("<details>") == page.count("</details>") == 5

    def test_markdown_has_a_row_for_each_sentence(self, tmp_path):
        markdown.write(REPORT, tmp_path)
        page = (tmp_path / "report.md").read_text(encoding="utf-8")
        rows = page.partition("<summary>paper</summary>")[2].partition("</details>")[0].strip().splitlines()[2:]
        assert len(rows) == 3  # what was not run is counted above
        listed = next(row for row in rows if "paper.listed" in row)
        assert listed.startswith(
            "| Section 1 | x \\| y is \\<about> one (our words) | **[REFUTED](report.html#paper.listed)** | "
        )
        assert listed.endswith("**Instead:** it is five. |")
        assert "](report.html" not in markdown.render(REPORT), "a step summary has no page beside it"

    def test_quoted_derived_and_calibrated_claims_are_told_apart(self):
        quoted = dataclasses.replace(LISTED, quotes="about one in all cases", calibrated=True)
        derived = dataclasses.replace(HELD, id="paper/ours", derived=True)
        calibrated = dataclasses.replace(HELD, id="paper/set", calibrated=True)
        skipped = dataclasses.replace(SKIPPED, calibrated=True)
        page = markdown.render(dataclasses.replace(REPORT, claims=[HELD, quoted, derived, calibrated, skipped]))
        assert "judged: 3 SUPPORTED (1 calibrated), 1 REFUTED (1 calibrated), 1 NOT_RUN; 1 deviate as listed" in page
        assert '(Section 1): x | y is \\<about> one [calibrated] "about one in all cases" is REFUTED: it is five' in page
        rows = {row.split("|")[2].strip(): row.split("|")[-2].strip() for row in page.splitlines() if row.startswith("| ")}
        assert (rows["paper/listed"], rows["paper/ours"]) == ("deviates, as listed, calibrated", "derived")
        assert (rows["paper/set"], rows[HELD.id]) == ("calibrated", "")

    def test_every_row_of_a_table_has_the_columns_of_its_header(self):
        rows = [line.replace("\\|", "") for line in markdown.render(REPORT).splitlines() if line.startswith("|")]
        tables = [[row.count("|") for row in rows if row.count("|") == columns] for columns in (7, 6, 5, 3)]
        assert sum(map(len, tables)) == len(rows)
        assert all(len(table) >= 3 for table in tables)

    def test_what_a_stopped_run_did_not_reach_is_named(self):
        page = markdown.render(dataclasses.replace(REPORT, complete=False, unreached=["paper/late"]))
        assert "Not reached: paper/late." in page

    def test_an_incomplete_or_partial_report_says_so_first(self):
        page = markdown.render(dataclasses.replace(REPORT, complete=False, partial=True))
        assert page.index("**Incomplete**") < page.index("**Partial**") < page.index("claims judged")

    def test_a_page_of_two_hundred_claims_fits_a_step_summary(self):
        """GitHub cuts a step summary at 1 MiB."""
        many = [dataclasses.replace(FAILED, id=f"paper/failed-{n}", message="m" * 500) for n in range(200)]
        assert len(markdown.render(dataclasses.replace(REPORT, claims=many)).encode()) < 1 << 20

    def test_a_writer_that_breaks_costs_only_its_own_file(self, tmp_path, monkeypatch):
        def torn(report: Report, folder: Path) -> None:
            raise KeyError("figure")

        def more(report: Report, folder: Path) -> None:
            (folder / "junit.xml").touch()

        monkeypatch.setattr(reports, "WRITERS", [*reports.WRITERS[:1], torn, *reports.WRITERS[1:]])
        (problem,) = reports.write(REPORT, tmp_path, [more])
        assert "could not write its part of the report (KeyError: 'figure')" in problem
        assert {path.name for path in tmp_path.iterdir()} == {"report.json", "report.md", "report.html", "junit.xml", "evidence"}


class TestPublishing:
    def test_latest_is_replaced_whole_and_history_stays(self, tmp_path):
        publish(REPORT, tmp_path)
        (tmp_path / "latest" / "stray").touch()
        folder, problems = publish(dataclasses.replace(REPORT, seeds=4), tmp_path)
        assert (folder, problems) == (tmp_path / "latest", [])
        assert json_file.read(folder).seeds == 4
        names = {path.name for path in tmp_path.iterdir()} - {".lock"}
        assert names == {"latest", "2025-01-02T03-04-05Z", "2025-01-02T03-04-05Z-2"}
        assert not (folder / "stray").exists()

    def test_a_selection_leaves_latest_alone(self, tmp_path):
        publish(REPORT, tmp_path)
        folder, _ = publish(dataclasses.replace(REPORT, partial=True, seeds=4), tmp_path)
        assert folder == tmp_path / "partial"
        assert json_file.read(tmp_path / "latest").seeds == 3

    def test_a_folder_that_vanished_is_made_again(self, tmp_path):
        folder, _ = publish(REPORT, tmp_path / "gone" / "reports")
        assert json_file.read(folder).complete

    def test_a_folder_that_cannot_be_written_costs_no_report(self, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        monkeypatch.setenv("TMPDIR", str(tmp_path))
        monkeypatch.setattr("tempfile.tempdir", None)
        folder, (problem,) = publish(REPORT, tmp_path / "file" / "reports")
        assert folder is not None
        assert json_file.read(folder).complete
        assert f"the report could not be written to {tmp_path / 'file' / 'reports'}" in problem

    def test_no_place_at_all_is_told_and_raises_nothing(self, tmp_path, monkeypatch):
        (tmp_path / "file").touch()
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "file"))
        folder, problems = publish(REPORT, tmp_path / "file" / "reports")
        assert folder is None
        assert len(problems) == 2


def test_the_environment_is_text_and_names_what_moves_numbers():
    found = environment.collect("float64")
    assert all(isinstance(value, str) for value in found.values())
    assert found["precision"] == "float64"
    assert all(found[name] for name in ("python", "jax", "jaxlib", "numpy", "scipy", "optax", "sklearn", "blas", "cpu", "cores"))


def test_a_summary_names_unconfirmed_outdated_and_blind_claims():
    known = EnsembleRecord([1.0] * 8, "then", [[f"d[{seed}]"] for seed in range(8)], spread=False, verdict="SUPPORTED")
    old = MembershipRecord("outdated", "its ensemble was measured on another version of digits")
    blind = PowerRecord(4.0, None, 1.0, "a change of twice the value would pass")
    claims = [
        dataclasses.replace(HELD, id="paper/old", membership=old),
        dataclasses.replace(HELD, id="paper/other", ensemble=dataclasses.replace(known, unconfirmed="by other code")),
        dataclasses.replace(HELD, id="paper/blind", ensemble=known, power=blind),
        dataclasses.replace(HELD, id="paper/sharp", ensemble=known, power=PowerRecord(4.0, None, 1.0)),
    ]
    page = markdown.render(dataclasses.replace(REPORT, claims=claims))
    assert "- paper/old: not tested, its ensemble was measured on another version of digits\n" in page
    assert "- Unconfirmed, their ensembles were measured by other code: paper/other\n" in page
    assert "- Only an absurdly large change of these would be seen: paper/blind\n" in page


def test_a_claim_that_its_ensemble_refutes_on_another_network_is_not_called_listed():
    known = EnsembleRecord([1.0] * 8, "then", [[f"d[{seed}]"] for seed in range(8)], spread=False, verdict="REFUTED")
    port = dataclasses.replace(HELD, verdict="REFUTED", expected="REFUTED", expected_reason=None, ensemble=known)
    assert outcome(port) == "refuted"
    assert outcome(dataclasses.replace(port, expected_reason="it is two")) == "deviates"
