"""The listed verdicts fit the tracked ensembles, and each claim has a control that must come out otherwise."""

from pathlib import Path

from harness.__main__ import main

ROOT = Path(__file__).parents[2]


def test_tracked_ensembles_and_controls_fit_the_deviations(monkeypatch, capsys):
    monkeypatch.chdir(ROOT)
    assert main(["expected"]) == 0, capsys.readouterr().out
