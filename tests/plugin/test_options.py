"""Options, ini keys and selections of claims."""

import os
import re

import pytest

from harness.report import json_file
from tests.plugin.planted import FALSE_CLAIM, PREAMBLE, TRUE_CLAIM, report, usage_error

pytest_plugins = ("pytester",)


class TestOptions:
    @pytest.mark.parametrize(
        ("arguments", "says"),
        [
            (["--claims-scale", "huge"], "--claims-scale 'huge' is unknown; give one of smoke, paper, large"),
            (["--claims-precision", "half"], "--claims-precision 'half' is unknown; give one of float32, float64"),
            (["--claims-seeds", "0"], "--claims-seeds '0' leaves nothing to judge; give a whole number of 1 or more"),
            (["--claims-seeds", "two"], "--claims-seeds 'two' leaves nothing to judge"),
            (
                ["--claims-first-seed", "-1"],
                "--claims-first-seed '-1' is no seed that 3 seed(s) can start at; give a ",
            ),
            (["--claims-until-decided", "--claims-seeds", "5"], "--claims-until-decided takes the seeds that it needs"),
            (["--claims-until-decided", "--claims-first-seed", str(2**31 - 20)], "is no seed that 24 seed(s) can start at"),
            (["--claims-first-seed", "1.5"], "--claims-first-seed '1.5' is no seed"),
            (["--claims-first-seed", str(2**31 - 2)], "give a whole number from 0 to 2147483645"),
            (["--claims-chunk", "-8"], "--claims-chunk '-8' is no number of columns; give 1 or more"),
            (
                ["--claims-scheduler", "here"],
                "--claims-scheduler 'here' is no address: give host:port, tls://host:port, or local:N",
            ),
            (["--claims-scheduler", "local:0"], "--claims-scheduler 'local:0' is no address"),
            (["--claims-scheduler", "local:2", "--claims-fresh"], "--claims-fresh would not take what the cluster computes"),
            (["--claims-scheduler", "local:2", "-n", "1"], "--claims-scheduler local:2 and xdist's -n both divide the work"),
            (["--claims-scheduler", "local:2"], "this project opens a lab of its own (pytest_claims_lab), which workers cannot"),
            (["--claims-report", "file/reports"], "file is not a folder; give a folder that can be written: --claims-report DIR"),
            (["--claims-store", "file/store"], "file is not a folder; give a folder that can be written: --claims-store DIR"),
            (["--claims-baseline", "file"], "file is not a report"),
            (["--claims-baseline", "old.json"], "old.json has schema version 0, this harness reads 1"),
            (["--claims-baseline", "auto"], "no baseline for scale paper in float32 in"),
            (["--claims-id", "planted/trut"], "unknown claim id 'planted/trut'; did you mean planted/truth?"),
        ],
    )
    def test_a_value_that_makes_no_sense_is_a_usage_error_of_one_line(self, project, judge, arguments, says):
        project(TRUE_CLAIM, files={"file": "", "old.json": '{"schema_version": 0}'})
        assert says in usage_error(judge(*arguments))

    @pytest.mark.parametrize(
        ("ini", "option", "key", "wins"),
        [
            ("claims_scale = smoke", ["--claims-scale", "paper"], "scale", "paper"),
            ("claims_seeds = 4", ["--claims-seeds", "5"], "seeds", 5),
            ("claims_first_seed = 4", [], "first_seed", 4),
            ("claims_first_seed = 4", ["--claims-first-seed", "9"], "first_seed", 9),
            ("claims_precision = float64", ["--claims-precision", "float32"], "precision", "float32"),
        ],
    )
    def test_an_ini_key_is_the_default_of_its_option(self, project, judge, pytester, ini, option, key, wins):
        project("@declare('planted/truth', scales=['smoke', 'paper'])\ndef test_truth(x): return x\n", ini=ini)
        judge()
        given = ini.partition(" = ")[2]
        assert str(getattr(report(pytester), key)) == given
        judge(*option)
        assert getattr(report(pytester), key) == wins

    def test_folders_are_relative_to_rootdir_in_the_ini_file_and_to_the_working_folder_on_the_command_line(
        self, project, judge, pytester, monkeypatch
    ):
        project(TRUE_CLAIM, ini="claims_report = made/here")
        monkeypatch.chdir(pytester.path / "claims")
        judge()
        assert json_file.read(pytester.path / "made" / "here" / "latest").complete
        judge("--claims-report", "there")
        assert json_file.read(pytester.path / "claims" / "there" / "latest").complete

    def test_devices_are_set_before_any_conftest_and_nothing_else_is(self, project, judge, pytester, monkeypatch):
        project(
            "import conftest\n@declare('planted/early', on=(), over='once', controls=[Control('w', lambda: 1 / 0)])\n"
            "def test_early():\n    print('ENVIRONMENT', conftest.ENVIRONMENT)\n    return 1\n"
        )
        monkeypatch.syspath_prepend(pytester.path)
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        flags = f"--xla_force_host_platform_device_count={cores}"
        judge("-s").stdout.fnmatch_lines([f"*'XLA_FLAGS': '{flags}', 'JAX_ENABLE_X64': ''*"])

    def test_devices_that_were_asked_for_are_left_alone(self, project, judge, monkeypatch):
        monkeypatch.setenv("XLA_FLAGS", "--xla_force_host_platform_device_count=7")
        project(TRUE_CLAIM)
        judge().stdout.fnmatch_lines(["claims: *, 7 device(s)"])
        assert os.environ["XLA_FLAGS"] == "--xla_force_host_platform_device_count=7"


class TestSelection:
    READINGS = "@declare('other-paper/truth[strict]')\n@declare('other-paper/truth[lenient]')\ndef test_more(x): return x\n"
    BOTH = ("other-paper/truth[strict]", "other-paper/truth[lenient]")

    @pytest.mark.parametrize(
        ("arguments", "ids"),
        [
            (["-k", "truth and not strict and not lenient"], ("planted/truth",)),
            (["-k", "other-paper/truth"], BOTH),
            (["-m", "other_paper"], BOTH),
            (["claims/test_planted.py::test_more[lenient]"], BOTH[1:]),
            (["--claims-id", BOTH[0], "--claims-id", "planted/truth"], ("planted/truth", BOTH[0])),
            (["--claims-id", "other-paper/truth"], BOTH),
        ],
    )
    def test_a_selection_has_a_folder_of_its_own(self, project, judge, pytester, arguments, ids):
        project(TRUE_CLAIM, self.READINGS)
        result = judge(*arguments)
        assert result.ret == 0
        assert result.outlines[-1] == "report: reports/partial"
        assert tuple(claim.id for claim in report(pytester, "partial").claims) == ids
        assert report(pytester, "partial").partial
        assert not (pytester.path / "reports" / "latest").exists()

    def test_a_module_alone_is_a_selection_too(self, project, judge, pytester):
        project(TRUE_CLAIM, files={"claims/test_other.py": PREAMBLE + FALSE_CLAIM})
        judge("claims/test_planted.py")
        assert report(pytester, "partial").partial

    def test_every_run_is_kept_under_its_time(self, project, judge, pytester):
        project(TRUE_CLAIM)
        judge()
        judge()
        kept = [path.name for path in (pytester.path / "reports").iterdir() if path.name not in ("latest", ".lock")]
        assert len(kept) == 2
        assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d+)?", name) for name in kept)

    def test_a_listing_runs_and_writes_nothing(self, project, judge, pytester):
        project(TRUE_CLAIM, self.READINGS)
        result = judge("--collect-only", "-q")
        names = ("test_truth", "test_more[strict]", "test_more[lenient]")
        assert result.outlines[:3] == [f"claims/test_planted.py::{name}" for name in names]
        assert not (pytester.path / "reports").exists()

    def test_readings_of_one_name_are_refused(self, project, judge):
        project("@declare('planted/a')\n@declare('planted/b')\ndef test_it(x): return x\n")
        judge().stdout.fnmatch_lines(["*test_it declares claims of one name: planted/a, planted/b; give each a [[]reading[]]*"])

    def test_a_claims_module_that_cannot_be_imported_is_named(self, project, judge):
        project(TRUE_CLAIM, files={"claims/test_torn.py": "import nowhere\n"})
        assert "test_torn.py cannot be imported (ModuleNotFoundError: No module named 'nowhere')" in usage_error(
            judge("claims/test_planted.py")
        )

    def test_a_claim_imported_elsewhere_is_collected_once(self, project, judge):
        project(TRUE_CLAIM, files={"claims/test_user.py": "from claims.test_planted import test_truth\n"}, ini="pythonpath = .")
        judge().assert_outcomes(passed=1)
