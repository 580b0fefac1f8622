"""Baselines: which one a report finds, what one holds, and what is never taken for one."""

import dataclasses
import gzip
import json

import pytest

from harness.compare import baseline
from harness.errors import Incomparable, InvalidInput
from harness.report import json_file
from harness.suite.records import Evidence
from tests.compare.planted import BASE, judged, report, stages

OWN = "smoke-float32-linux-x86_64-cpu.json.gz"


@pytest.fixture
def folder(tmp_path):
    """Baselines of this platform and another, and of another precision and scale."""
    others = {
        OWN: BASE,
        "smoke-float32-darwin-arm64-cpu.json.gz": report(seeds=5),
        "smoke-float64-linux-x86_64-cpu.json.gz": report(precision="float64"),
        "paper-float32-linux-x86_64-cpu.json.gz": report(scale="paper"),
    }
    for name, made in others.items():
        (tmp_path / name).write_bytes(baseline.pack(made))
    return tmp_path


class TestFinding:
    def test_candidates_are_those_of_scale_and_precision(self, folder):
        (folder / "smoke-float32-notes.txt").write_text("not one")
        found = baseline.candidates(folder, "smoke", "float32")
        assert [path.name for path in found] == ["smoke-float32-darwin-arm64-cpu.json.gz", OWN]

    def test_the_missing_one_is_said_with_those_that_are_there(self, folder, tmp_path):
        with pytest.raises(InvalidInput) as error:
            baseline.candidates(folder, "paper", "float64")
        assert "there: paper-float32-linux-x86_64-cpu, smoke-float32-darwin-arm64-cpu, smoke-float32-linux" in str(error.value)
        (tmp_path / "empty").mkdir()
        with pytest.raises(InvalidInput, match="there: none"):
            baseline.candidates(tmp_path / "empty", "smoke", "float32")

    def test_a_report_finds_that_of_its_own_platform(self, folder):
        assert baseline.matching(folder, BASE) == folder / OWN
        cuda = report(environment={"system": "Linux x86_64", "device": "1 x H100 (gpu)"})
        with pytest.raises(Incomparable, match=r"linux-x86_64-gpu .*there: smoke-float32-darwin-arm64-cpu, smoke-float32-linux"):
            baseline.matching(folder, cuda)

    def test_a_folder_of_baselines_is_searched_and_a_report_is_read(self, folder):
        assert baseline.load(folder, BASE) == (folder / OWN, json_file.read(folder / OWN))
        other = folder / "smoke-float32-darwin-arm64-cpu.json.gz"
        chosen, held = baseline.load(other, BASE)
        assert (chosen, held.seeds) == (other, 5)

    def test_a_folder_that_has_a_report_is_that_report(self, folder):
        """Also if baselines lie beside it."""
        json_file.write(report(seeds=7), folder)
        chosen, held = baseline.load(folder, BASE)
        assert (chosen, held.seeds) == (folder, 7)

    def test_only_a_file_of_that_ending_is_one(self, folder):
        (folder / "report.json").write_text("{}")
        (folder / "folder.json.gz").mkdir()
        names = (OWN, "report.json", "folder.json.gz", "nowhere.json.gz")
        assert [baseline.is_one(folder / name) for name in names] == [True, False, False, False]


class TestPacking:
    def test_everything_is_kept_but_what_lies_beside_the_report(self):
        """A baseline has no files beside it, and so names none."""
        file = Evidence("evidence/paper.size.npz", "0" * 64)
        both = [dataclasses.replace(judged([0.99, 1.0, 1.01], id), evidence=file) for id in ("paper/size", "paper/weight")]
        content = baseline.pack(report(*both, values=file, evidence={file.file: b"arrays"}))
        bare = [dataclasses.replace(record, evidence=None) for record in both]
        assert json.loads(gzip.decompress(content)) == json.loads(json.dumps(report(*bare).to_json()))

    def test_the_same_report_gives_the_same_bytes_at_any_time(self, monkeypatch):
        first = baseline.pack(BASE)
        monkeypatch.setattr("time.time", lambda: 2e9)
        assert baseline.pack(BASE) == first

    def test_the_largest_one_is_taken_and_one_byte_more_is_not(self, monkeypatch):
        size = len(baseline.pack(BASE))
        monkeypatch.setattr(baseline, "MOST", size)
        assert len(baseline.pack(BASE)) == size
        monkeypatch.setattr(baseline, "MOST", size - 1)
        with pytest.raises(InvalidInput, match=f"{size} bytes, {size - 1} are allowed"):
            baseline.pack(BASE)

    @pytest.mark.parametrize(
        ("changes", "part", "says"),
        [
            ({"complete": False}, False, "stopped"),
            ({"complete": False}, True, "stopped"),
            ({"partial": True}, False, "--part"),
            ({"experiments": []}, False, "stage records"),
            ({"steps": [{"name": "data", "digest": "d", "exact": True}]}, False, "stage records"),
        ],
    )
    def test_a_report_that_is_no_reference_is_refused_for_its_reason(self, changes, part, says):
        with pytest.raises(InvalidInput, match=says):
            baseline.pack(report(**changes), part)

    @pytest.mark.parametrize("partial", [False, True])
    def test_part_takes_either(self, partial):
        assert baseline.pack(report(partial=partial), part=True)

    def test_one_run_with_stage_records_is_enough(self):
        run = BASE.experiments[0]
        bare = dataclasses.replace(run, stages=stages()[:2])
        assert baseline.pack(report(experiments=[bare, run]))
