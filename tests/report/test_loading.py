"""``harness.report.load`` returns a report's contents as numbers and arrays, and errors list the available names."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from harness import report as reports
from harness.errors import InvalidInput, Unreadable
from harness.report import json_file
from harness.suite import evidence
from tests.report.test_figures import FIGURES
from tests.report.test_html import BROKEN, HELD, REFUTED, REPORT

PAGE = Path(__file__).parents[2] / "docs" / "data.md"
SIGMA = np.arange(12.0).reshape(3, 4)


@pytest.fixture
def folder(tmp_path):
    arrays = {f"{seed}/sigma": SIGMA[seed] for seed in range(3)} | {f"{seed}/ragged": np.zeros(seed + 1) for seed in range(3)}
    reference, content = evidence.pack(HELD.id, arrays)
    claims = [dataclasses.replace(HELD, evidence=reference), REFUTED, BROKEN]
    json_file.write(dataclasses.replace(REPORT, claims=claims, evidence={reference.file: content}), tmp_path)
    return tmp_path


class TestLoad:
    def test_a_claim_has_its_numbers(self, folder):
        run = reports.load(folder)
        claim = run[HELD.id]
        assert [claim.id for claim in run] == list(run.claims) == [HELD.id, REFUTED.id, BROKEN.id]
        assert (claim.verdict, claim.unit, claim.interval, claim.accepted) == ("SUPPORTED", "ells", (0.95, 1.05), (0.9, 1.1))
        assert claim.values.tolist() == [0.98, 1.0, 1.02]
        assert claim.runs == [("d[0]",)] * 3

    def test_it_shows_itself_in_a_few_lines(self, folder):
        run = reports.load(folder)
        assert str(run).startswith(f"{folder}: 2 of 3 claims judged: ")
        assert "scale " in str(run)
        assert str(run[HELD.id]).splitlines()[0] == f"{HELD.id}: SUPPORTED"
        assert "measured [0.95, 1.05] ells" in str(run[HELD.id])
        assert repr(run) == f"<StoredReport {folder}: 3 claims>"
        assert repr(run[BROKEN.id]) == f"<StoredClaim {BROKEN.id}: NOT_RUN>"
        assert all(len(str(one).splitlines()) <= 10 for one in (run, *run))

    def test_a_region_without_an_end_is_infinite(self, folder):
        assert reports.load(folder)[REFUTED.id].accepted == (-np.inf, 0.5)

    def test_what_was_not_judged_has_no_interval_and_no_values(self, folder):
        claim = reports.load(str(folder / "report.json"))[BROKEN.id]
        assert claim.interval is None
        assert claim.values.shape == (0,)
        assert claim.arrays() == []

    def test_arrays_come_by_name_one_a_run(self, folder):
        claim = reports.load(folder)[HELD.id]
        assert (claim.array("sigma") == SIGMA).all()
        assert [len(arrays["ragged"]) for arrays in claim.arrays()] == [1, 2, 3]

    def test_a_value_without_arrays_keeps_its_place(self, folder):
        reference, content = evidence.pack(HELD.id, {f"{seed}/sigma": SIGMA[seed] for seed in (0, 2)})
        made = dataclasses.replace(REPORT, claims=[dataclasses.replace(HELD, evidence=reference)])
        json_file.write(dataclasses.replace(made, evidence={reference.file: content}), folder)
        claim = reports.load(folder)[HELD.id]
        assert [sorted(arrays) for arrays in claim.arrays()] == [["sigma"], [], ["sigma"]]
        assert (claim.arrays()[2]["sigma"] == SIGMA[2]).all()
        with pytest.raises(InvalidInput, match=r"no array 'sigma' of every run: 2 of 3 have it"):
            claim.array("sigma")

    def test_a_report_folder_may_have_moved(self, folder, tmp_path_factory):
        moved = tmp_path_factory.mktemp("elsewhere") / "run"
        folder.rename(moved)
        assert (reports.load(moved)[HELD.id].array("sigma") == SIGMA).all()


class TestMistakes:
    def test_an_unknown_claim(self, folder):
        with pytest.raises(InvalidInput, match=r"has no claim 'paper/none': .* gives the ids of its 3"):
            reports.load(folder)["paper/none"]

    def test_an_unknown_array(self, folder):
        with pytest.raises(InvalidInput, match="no array 'tau': it has ragged, sigma"):
            reports.load(folder)[HELD.id].array("tau")

    def test_arrays_that_do_not_stack(self, folder):
        with pytest.raises(InvalidInput, match=r"'ragged' has shapes .*: take it from arrays\(\)"):
            reports.load(folder)[HELD.id].array("ragged")

    def test_no_report(self, tmp_path):
        with pytest.raises(Unreadable, match="is not a report"):
            reports.load(tmp_path)

    def test_another_file_in_the_place_of_the_evidence(self, folder):
        (path,) = (folder / "evidence").glob("paper.statement*.npz")
        path.write_bytes(b"other")
        with pytest.raises(Unreadable, match="not what its report was written with"):
            reports.load(folder)[HELD.id].arrays()


def test_it_imports_no_jax():
    program = "import sys; from harness import report; report.load; assert 'jax' not in sys.modules"
    subprocess.run([sys.executable, "-c", program], check=True)


class TestDictionary:
    def test_the_program_on_the_page_runs(self, folder, monkeypatch):
        (program,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert len(program.splitlines()) <= 10
        (folder / "reports").mkdir()
        (folder / "reports" / "latest").symlink_to(folder)
        monkeypatch.chdir(folder)
        text = program.replace("training-jacobian/bulk-count[all]", HELD.id)
        names: dict = {}
        exec(compile(text, str(PAGE), "exec"), names)
        assert (names["sigma"] == SIGMA).all()

    def test_every_array_that_a_figure_is_drawn_from_is_explained(self):
        page = PAGE.read_text(encoding="utf-8")
        sections = {paper: page.partition(f"## {paper}\n")[2].partition("\n## ")[0] for paper in {f.paper for f in FIGURES}}
        drawn = {(f.paper, name) for f in FIGURES for source in f.sources.values() for name in source.arrays}
        assert not sorted((paper, name) for paper, name in drawn if f"`{name}`" not in sections[paper])
