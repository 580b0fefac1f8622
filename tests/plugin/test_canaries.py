"""Canaries run before the first experiment, with planted results."""

import pytest

from harness.report import canaries
from harness.suite.records import CanariesRecord, RedCanary
from tests.plugin.planted import LAB, TRUE_CLAIM, report

pytest_plugins = ("pytester",)


RED = RedCanary("scans", "jaxlib", "0.0", "Jacobian, training", 2, 0, "wrong entries", "each is whole")
LISTED = RedCanary("sums", "jaxlib", "0.0", "losses", None, 0, "", "", known="jax-ml/jax#1: the last row")
LINE = (
    "canary 'scans' of jaxlib 0.0 is red: measured 2, allowed 0 wrong entries (each is whole); on it rest: Jacobian, training. "
    "Try without XLA_FLAGS and the like, then another release of jaxlib, and report it to its makers; "
    "--claims-canaries=off goes on all the same"
)
CHILD = """
import sys
from harness.plugin import canaries
canaries.COMMAND = (sys.executable, "-c", "open('ran', 'a').write('once '); {body}")
"""


class TestCanaries:
    """What comes before the first experiment, with planted results."""

    @pytest.fixture
    def found(self, monkeypatch):
        """Plants what the canaries find; the list says how often they ran."""

        def plant(*red):
            ran = []
            monkeypatch.setattr(canaries, "collect", lambda: ran.append(0) or CanariesRecord(3, 1.5, list(red)))
            return ran

        return plant

    def test_a_red_one_fails_the_run_before_anything_is_prepared(self, project, judge, pytester, found):
        found(RED)
        project(TRUE_CLAIM, ini="claims_canaries = on\n")
        result = judge()
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        assert LINE in result.outlines
        result.stdout.fnmatch_lines(
            ["canaries: 3 green in 1.5 s; RED: scans (jaxlib 0.0)", "*red canaries, 1 of them: nothing was prepared*"]
        )
        made = report(pytester)
        assert made.canaries == CanariesRecord(3, 1.5, [RED])
        assert not made.complete
        assert made.experiments == []
        for page in ("report.md", "report.html"):
            text = (pytester.path / "reports/latest" / page).read_text()
            assert "is red: measured 2, allowed 0 wrong entries" in text
            assert "3 green in 1.5 s; RED: scans (jaxlib 0.0)" in text

    def test_a_listed_red_is_said_and_fails_nothing(self, project, judge, pytester, found):
        ran = found(LISTED)
        project(TRUE_CLAIM, ini="claims_canaries = on\n")
        result = judge()
        assert result.ret == 0
        result.stdout.fnmatch_lines(
            ["canaries: 3 green in 1.5 s; listed red: sums (jaxlib 0.0, jax-ml/jax#1); nothing to do: this one is known"]
        )
        assert report(pytester).canaries == CanariesRecord(3, 1.5, [LISTED])
        assert len(ran) == 1

    @pytest.mark.parametrize(("ini", "arguments"), [("off", []), ("on", ["--claims-canaries=off"])])
    def test_they_can_be_turned_off_and_the_report_says_so(self, project, judge, pytester, found, ini, arguments):
        ran = found(RED)
        project(TRUE_CLAIM, ini=f"claims_canaries = {ini}\n")
        assert judge(*arguments).ret == 0
        assert ran == []
        assert report(pytester).canaries == CanariesRecord(off="turned off by --claims-canaries=off")
        assert "| canaries | turned off by --claims-canaries=off |" in (pytester.path / "reports/latest/report.md").read_text()

    def test_none_runs_where_nothing_is_prepared(self, project, judge, pytester, found):
        ran = found(RED)
        project("@declare('planted/alone', on=())\ndef test_alone(): return 1\n", ini="claims_canaries = on\n")
        judge()
        judge("--collect-only")
        assert ran == []
        assert report(pytester).canaries.off == "no claim of this run rests on an experiment"

    def test_they_are_on_or_off(self, project, judge):
        project(TRUE_CLAIM)
        result = judge("--claims-canaries=some")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(["ERROR: --claims-canaries 'some' is unknown; give one of on, off"])

    @pytest.mark.parametrize(
        ("body", "says", "code"),
        [
            ('print(\'{\\"green\\": 3, \\"seconds\\": 1.5, \\"red\\": [], \\"off\\": \\"\\"}\')', "3 green in 1.5 s", 0),
            ("import os; os.kill(os.getpid(), 11)", "RED: all (jaxlib *", 1),
        ],
        ids=["green", "died"],
    )
    def test_with_workers_one_process_of_their_own_runs_them(self, project, pytester, body, says, code):
        project(TRUE_CLAIM, ini="claims_canaries = on\n", files={"conftest.py": LAB + CHILD.replace("{body}", body)})
        result = pytester.runpytest_subprocess("-n", "2", "--claims-store", "store")
        result.stdout.fnmatch_lines([f"canaries: *{says}*"])
        assert (result.ret, (pytester.path / "ran").read_text()) == (code, "once ")
        assert report(pytester).canaries.green == (0 if code else 3)
        if code:
            result.stdout.fnmatch_lines(["*the process that ran the canaries died of signal 11*"])
            assert report(pytester).experiments == []
