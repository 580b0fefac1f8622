"""A project that has nothing to do with claims does not notice the plugin."""

import re

import pytest

from tests.plugin.planted import PREAMBLE, TRUE_CLAIM

pytest_plugins = ("pytester",)


def _timeless(line: str) -> str:
    return re.sub(r"in [0-9.]+s", "", line)


class TestOtherPeople:
    @pytest.fixture
    def guest(self, pytester: pytest.Pytester) -> pytest.Pytester:
        """A project that has nothing to do with claims, but a folder of that name, and tests that look at their process."""
        (pytester.path / "claims").mkdir()
        heavy = "('jax', 'scipy', 'numpy', 'matplotlib', 'jinja2', 'harness.plugin.session')"
        pytester.makepyfile(
            f"import os, sys\nHEAVY = [name for name in {heavy} if name in sys.modules]\n"
            "def test_plain(): assert not HEAVY and not [name for name in os.environ if 'JAX' in name or 'XLA' in name]"
        )
        return pytester

    def test_an_unrelated_project_sees_nothing_of_the_plugin(self, guest, monkeypatch):
        """In its own process: nothing heavy is imported, no variable is set, and the output is that without the plugin."""
        for name in ("XLA_FLAGS", "JAX_ENABLE_X64", "JAX_PLATFORMS"):
            monkeypatch.delenv(name, raising=False)
        command = ["-q", "-p", "no:hypothesispytest", "-p", "no:jaxtyping", "-p", "no:benchmark"]
        loaded = guest.runpytest_subprocess(*command)
        without = guest.runpytest_subprocess(*command, "-p", "no:claims")
        loaded.assert_outcomes(passed=1)
        assert [_timeless(line) for line in loaded.outlines] == [_timeless(line) for line in without.outlines]
        assert not (guest.path / "reports").exists()

    def test_plain_tests_beside_claims_write_no_report(self, project, judge, pytester):
        project(TRUE_CLAIM, files={"tests/test_plain.py": "def test_plain(): pass\n"})
        judge("tests").assert_outcomes(passed=1)
        assert not (pytester.path / "reports").exists()

    def test_claims_in_a_project_that_asks_for_none_are_refused_with_the_remedy(self, pytester, judge):
        pytester.makepyfile(PREAMBLE + TRUE_CLAIM)
        judge().stdout.fnmatch_lines(
            ["*claims are judged in a project that asks for them: set the ini key claims_paths to the folder *rootdir is *"]
        )
