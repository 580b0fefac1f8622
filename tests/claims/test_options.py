"""The papers' own options: declared by the conftest of the claims, checked, and handed to the lab."""

import pytest

pytest_plugins = ("pytester",)

CONFTEST = """
from types import SimpleNamespace
from claims.conftest import pytest_addoption, pytest_claims_options

def pytest_claims_lab(config, settings, progress):
    print("PAPERS", settings.papers["budget"], settings.papers["mnist"])
    return SimpleNamespace(runs=lambda name: [], opened=lambda: [])
"""
CLAIM = """
from harness import Control, at_most, claim

@claim("planted/truth", where="1", says="x", reading="x", accept=at_most(1, reason="planted"), on="steady",
       controls=[Control("w", lambda run: run)])
def test_truth(x): return x
"""


@pytest.fixture
def judge(pytester, monkeypatch):
    monkeypatch.setattr("harness.suite.claim.REGISTRY", {})
    monkeypatch.delenv("MNIST_DIR", raising=False)
    pytester.makeini(
        "[pytest]\naddopts = --import-mode=importlib\nclaims_paths = claims\nclaims_budget = 7\nclaims_canaries = off"
    )
    pytester.makeconftest(CONFTEST)
    (pytester.path / "claims").mkdir()
    (pytester.path / "claims" / "test_planted.py").write_text(CLAIM)
    return lambda *arguments: pytester.runpytest_inprocess("-s", "--claims-store", "store", *arguments)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--claims-budget", "0"], "--claims-budget '0' is no time to work in; give a number of minutes above 0"),
        (["--claims-budget", "soon"], "--claims-budget 'soon' is no time to work in"),
        (["--claims-mnist", "nowhere"], "nowhere is not a folder; give the folder of MNIST's files, or the word openml"),
    ],
)
def test_a_value_that_makes_no_sense_is_a_usage_error_of_one_line(judge, arguments, says):
    result = judge(*arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert says in result.stderr.str()


def test_the_lab_gets_what_the_ini_file_and_the_command_line_give(judge, pytester):
    judge().stdout.fnmatch_lines(["*PAPERS 7.0 None"])
    (pytester.path / "images").mkdir()
    judge("--claims-mnist", "images", "--claims-budget", "2.5").stdout.fnmatch_lines([f"*PAPERS 2.5 {pytester.path}/images"])


def test_the_place_of_mnist_may_come_from_the_environment(judge, pytester, monkeypatch):
    monkeypatch.setenv("MNIST_DIR", str(pytester.path))
    judge().stdout.fnmatch_lines([f"*PAPERS 7.0 {pytester.path}"])
