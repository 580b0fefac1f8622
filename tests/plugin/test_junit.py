"""junit.xml of a report: its contents, its presence however the run ends, and no trace of it for other tests."""

import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from tests.plugin.planted import FALSE_CLAIM, PREAMBLE, TRUE_CLAIM, report

pytest_plugins = ("pytester",)

SKIPPED = "@declare('planted/large', scales=['large'])\ndef test_large(x): return x\n"
HOSTILE = "@declare('planted/hostile')\ndef test_hostile(x): raise ValueError('a\\0b\\x1b[31m <c> & \\ud800')\n"
NAMED = r"""
name = 'one\x1b[31m<b>\ntwo'
@declare('planted/named', on=name)
def test_named(x): raise ValueError('on network ' + name)
"""
SKIPPED_BY_NAME = "@declare('planted/absent')\ndef test_absent(x): raise NotRun('no \\x1b]0;title\\x07 here')\n"
STOPPED = "@declare('planted/stopped')\ndef test_stopped(x): raise KeyboardInterrupt\n"
RUN = {"scale": "paper", "seeds": "3", "complete": "true", "precision": "float32"}
TRUTH = {
    "verdict": "SUPPORTED",
    "expected": "SUPPORTED",
    "interval": "[0.9503, 1.05]",
    "accepted": "[0.9, 1.1]",
    "values": "0.98 1 1.02",
}


def suite(file: Path) -> ET.Element:
    return ET.parse(file).getroot()[0]


def properties(element: ET.Element | None) -> dict[str | None, str | None]:
    assert element is not None
    return {entry.get("name"): entry.get("value") for entry in element.iterfind("properties/property")}


def case(file: Path, id: str) -> ET.Element:
    (found,) = [case for case in suite(file).iter("testcase") if case.get("name") == id]
    return found


@pytest.fixture
def file(pytester: pytest.Pytester) -> Path:
    """Where it is after a full run."""
    return pytester.path / "reports" / "latest" / "junit.xml"


def told(result: pytest.RunResult) -> bool:
    """Whether the terminal names a JUnit file."""
    return "xml file" in result.stdout.str()


def left(pytester: pytest.Pytester) -> set[str]:
    """Every JUnit file below the project, by its folder; runs that are named by their time are all called ``time``."""
    folders = [path.parent.relative_to(pytester.path).as_posix() for path in pytester.path.rglob("*.xml")]
    return {"reports/time" if folder.startswith("reports/2") else folder for folder in folders}


class TestWhatItSays:
    def test_it_counts_and_carries_what_was_measured(self, project, judge, file):
        project(TRUE_CLAIM, FALSE_CLAIM, SKIPPED, HOSTILE)
        judge()
        assert [suite(file).get(name) for name in ("tests", "failures", "skipped", "errors")] == ["4", "2", "1", "0"]
        assert properties(case(file, "planted/truth")) == TRUTH
        assert {case.get("classname") for case in suite(file).iter("testcase")} == {"planted"}
        assert properties(suite(file)).items() >= RUN.items()
        assert properties(suite(file)).keys() >= {"python", "device"}
        assert properties(case(file, "planted/falsehood"))["verdict"] == "REFUTED"

    def test_a_case_has_its_file_and_what_was_found(self, project, judge, file):
        project(TRUE_CLAIM, FALSE_CLAIM)
        judge()
        found = case(file, "planted/truth")
        assert found.get("file", "").endswith(".py")
        assert int(found.get("line", "0")) > 0
        output = found.findtext("system-out", "")
        assert output.startswith("planted/truth: SUPPORTED\n")
        assert "measured  [0.9503, 1.05]" in output
        assert "verdict   REFUTED" in case(file, "planted/falsehood").findtext("system-out", "")

    def test_a_failure_and_a_skip_say_why(self, project, judge, file):
        project(FALSE_CLAIM, SKIPPED)
        judge()
        failure, skipped = (case(file, f"planted/{id}").find(tag) for id, tag in (("falsehood", "failure"), ("large", "skipped")))
        assert "accepted [2, 3]; expected SUPPORTED" in failure.get("message")
        assert skipped.get("message") == "planted/large: not run: it is judged at scale large, this run is at paper"

    def test_control_characters_and_markup_break_nothing(self, project, judge, file):
        project(HOSTILE)
        judge()
        said = case(file, "planted/hostile").find("failure").get("message")
        assert r"ValueError: a\x00b\x1b[31m <c> & \ud800" in said
        assert all(char.isprintable() or char == "\n" for char in said)

    def test_names_that_a_terminal_would_obey_are_text_in_it_and_in_the_file(self, project, judge, file):
        project(NAMED, SKIPPED_BY_NAME)
        result = judge()
        assert [line for line in result.outlines if not line.isprintable()] == []
        assert r"one\x1b[31m<b>\ntwo" in result.stdout.str()
        failure, skipped = (case(file, f"planted/{id}").find(tag) for id, tag in (("named", "failure"), ("absent", "skipped")))
        assert r"on network one\x1b[31m<b> two" in failure.get("message")
        assert r"no \x1b]0;title\x07 here" in skipped.get("message")

    def test_the_prefix_and_the_family_are_the_users(self, project, judge, file):
        project(TRUE_CLAIM, ini="junit_family = xunit1\njunit_suite_name = ours")
        judge("--junitprefix", "mine")
        found = case(file, "planted/truth")
        assert suite(file).get("name") == "ours"
        assert (found.get("classname"), found.get("file")) == ("mine.planted", "claims/test_planted.py")


class TestWhereItIs:
    def test_both_copies_of_the_report_have_it_and_the_terminal_is_silent(self, project, judge, pytester):
        project(TRUE_CLAIM)
        assert not told(judge())
        assert left(pytester) == {"reports/latest", "reports/time"}

    def test_the_users_own_file_says_the_same_and_is_where_it_was_asked_for(self, project, judge, pytester, file):
        project(TRUE_CLAIM, FALSE_CLAIM)
        result = judge("--junitxml", "mine/all.xml")
        result.stdout.fnmatch_lines([f"*generated xml file: {pytester.path / 'mine/all.xml'}*"])
        assert left(pytester) == {"mine", "reports/latest", "reports/time"}
        own = suite(pytester.path / "mine/all.xml")
        assert properties(own).items() >= RUN.items()
        (truth,) = [case for case in own if case.get("name") == "planted/truth"]
        assert properties(truth) == TRUTH
        cases, copied = ([ET.tostring(case) for case in found.iter("testcase")] for found in (own, suite(file)))
        assert cases == copied

    def test_it_may_be_asked_for_in_the_reports_folder(self, project, judge, file):
        project(TRUE_CLAIM)
        assert judge("--junitxml", "reports/latest/junit.xml").ret == 0
        assert properties(case(file, "planted/truth")) == TRUTH

    def test_a_selection_has_its_own(self, project, judge, pytester):
        project(TRUE_CLAIM, FALSE_CLAIM)
        judge("--claims-id", "planted/truth")
        assert left(pytester) == {"reports/partial", "reports/time"}

    @pytest.mark.parametrize("asked", [[], ["--junitxml", "all.xml"]])
    def test_two_workers(self, project, pytester, file, asked):
        project(TRUE_CLAIM, FALSE_CLAIM, SKIPPED)
        result = pytester.runpytest_subprocess("-n", "2", "--claims-store", "store", *asked)
        assert told(result) is bool(asked)
        for path in [file, *(pytester.path / name for name in asked[1:])]:
            assert properties(case(path, "planted/truth")) == TRUTH
            assert [suite(path).get(name) for name in ("tests", "failures", "skipped", "errors")] == ["3", "1", "1", "0"]
            assert properties(suite(path)).items() >= RUN.items()

    def test_a_file_that_cannot_be_written_costs_no_report(self, project, judge, pytester):
        project(TRUE_CLAIM, files={"file": ""})
        judge("--junitxml", "file/all.xml")
        assert [claim.verdict for claim in report(pytester).claims] == ["SUPPORTED"]
        assert left(pytester) == {"reports/latest", "reports/time"}

    def test_without_pytests_plugin_the_report_still_has_it(self, project, judge, file):
        project(TRUE_CLAIM)
        assert judge("-p", "no:junitxml").ret == 0
        assert properties(case(file, "planted/truth")) == TRUTH


class TestWhatEndsTheRun:
    def test_ctrl_c(self, project, pytester, file):
        project(TRUE_CLAIM, STOPPED)
        result = pytester.runpytest_subprocess("--claims-store", "store")
        assert result.ret == pytest.ExitCode.INTERRUPTED
        assert properties(suite(file))["complete"] == "false"
        assert properties(case(file, "planted/truth")) == TRUTH

    def test_a_module_that_cannot_be_collected(self, project, judge, pytester, file):
        project(TRUE_CLAIM, files={"tests/test_torn.py": "import nowhere\n"})
        assert judge().ret == pytest.ExitCode.INTERRUPTED
        assert suite(file).get("errors") == "1"
        assert properties(suite(file))["complete"] == "false"

    def test_an_error_of_pytests_own(self, project, pytester, file):
        project(TRUE_CLAIM)
        with (pytester.path / "conftest.py").open("a") as conftest:
            conftest.write("\ndef pytest_runtest_logfinish(nodeid): raise SystemError('planted')\n")
        assert pytester.runpytest_subprocess("--claims-store", "store").ret == pytest.ExitCode.INTERNAL_ERROR
        assert "internal" in {case.get("name") for case in suite(file).iter("testcase")}
        assert properties(suite(file))["complete"] == "false"


class TestOtherPeople:
    PLAIN = "def test_plain(record_property): record_property('a', 1)\n"

    @pytest.mark.parametrize("ini", ["", "claims_paths ="], ids=["asks for claims", "asks for none"])
    def test_without_claims_nothing_is_written_said_or_warned_of(self, project, judge, pytester, ini):
        project(files={"tests/test_plain.py": self.PLAIN}, ini=ini)
        result = judge("tests", "-W", "error")
        result.assert_outcomes(passed=1)
        assert not told(result)
        assert left(pytester) == set()

    def test_the_users_own_file_of_plain_tests_is_as_without_the_plugin(self, project, judge, pytester):
        project(TRUE_CLAIM, files={"tests/test_plain.py": self.PLAIN})
        judge("tests", "--junitxml", "all.xml")
        found = suite(pytester.path / "all.xml")
        assert left(pytester) == {"."}
        assert [case.get("classname") for case in found] == ["tests.test_plain"]
        assert properties(found) == {}

    def test_a_listing_writes_nothing(self, project, judge, pytester):
        project(TRUE_CLAIM)
        assert not told(judge("--collect-only"))
        assert left(pytester) == set()

    def test_tests_beside_claims_keep_their_names(self, project, judge, file):
        project(TRUE_CLAIM, files={"tests/test_plain.py": "def test_plain(): pass\n", "claims/test_more.py": PREAMBLE})
        judge()
        assert [(case.get("classname"), case.get("name")) for case in suite(file).iter("testcase")] == [
            ("planted", "planted/truth"),
            ("tests.test_plain", "test_plain"),
        ]
