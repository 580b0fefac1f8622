"""A run that is stopped keeps what it judged, and its report is incomplete."""

import signal
import subprocess
import sys
import time

import pytest

from tests.plugin.planted import FALSE_CLAIM, TRUE_CLAIM, report

pytest_plugins = ("pytester",)


class TestInterruption:
    def test_stopped_while_preparing_the_report_is_incomplete(self, project, judge, pytester):
        project(TRUE_CLAIM, "@declare('planted/late', on='stopped')\ndef test_late(x): return x\n")
        result = pytester.runpytest_subprocess("--claims-store", "store")
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert result.outlines[-1] == "report (incomplete): reports/latest"
        assert not report(pytester).complete

    def test_ctrl_c_keeps_what_was_judged(self, project, pytester):
        waits = "def test_waits(x):\n    Path('waiting').touch()\n    time.sleep(60)\n    return x\n"
        project(TRUE_CLAIM, f"@declare('planted/waits')\n{waits}")
        # what a shell runs in the background ignores SIGINT, and its children do
        heard = "import signal, sys, pytest; signal.signal(signal.SIGINT, signal.default_int_handler); sys.exit(pytest.main())"
        child = subprocess.Popen([sys.executable, "-c", heard, "--claims-store", "store"], cwd=pytester.path)
        while not (pytester.path / "waiting").exists() and child.poll() is None:
            time.sleep(0.05)
        child.send_signal(signal.SIGINT)
        assert child.wait(30) == pytest.ExitCode.INTERRUPTED
        assert not report(pytester).complete
        assert [claim.id for claim in report(pytester).claims] == ["planted/truth"]

    def test_stopping_at_the_first_failure_is_incomplete(self, project, judge, pytester):
        project(FALSE_CLAIM, TRUE_CLAIM)
        judge("-x").stdout.fnmatch_lines(["stopped early: 1 selected claim(s) were not reached"])
        assert not report(pytester).complete
