"""Numbers in README and documentation: counts of declared claims; time and memory of tracked runs."""

from __future__ import annotations

import importlib.util
import json
import re
from pathlib import Path
from types import ModuleType

import pytest

from harness.report import json_file
from harness.report.sentences import count, sentences
from harness.suite.catalogue import declare_all
from harness.suite.claim import REGISTRY, Claim

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
VERDICTS = (ROOT / "docs" / "verdicts.md").read_text(encoding="utf-8")
declare_all(ROOT / "claims", ROOT)
CLAIMS = [claim for claim in REGISTRY.values() if (ROOT / "claims") in Path(claim.function.__code__.co_filename).parents]


def module(name: str) -> ModuleType:
    """A program of docs/."""
    found = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    assert found is not None
    assert found.loader is not None
    loaded = importlib.util.module_from_spec(found)
    found.loader.exec_module(loaded)
    return loaded


MADE = module("make_findings")
RUN = MADE.record()


def on(claim: Claim, data: str) -> bool:
    return any(data in str(name) for name in claim.on)


def test_readme_is_short():
    assert len(README.splitlines()) < 120


class TestNumbersOfClaims:
    def test_in_readme(self):
        assert f"{len(CLAIMS)} *claims*:" in " ".join(README.split())
        assert f"{sum('smoke' in claim.scales for claim in CLAIMS)} of the claims on small networks" in " ".join(README.split())
        assert f"The {sum(claim.calibrated for claim in CLAIMS)} claims whose region" in README
        assert f"The {sum(claim.derived for claim in CLAIMS)} claims marked *derived*" in README

    def test_at_each_scale(self):
        at = {scale: [claim for claim in CLAIMS if scale in claim.scales] for scale in ("smoke", "paper", "large")}
        everywhere, page = sum(not on(claim, "mnist") for claim in at["paper"]), " ".join(VERDICTS.split())
        assert f"Of the {len(CLAIMS)} claims, {everywhere} can be judged at paper scale without MNIST" in page
        assert (
            f"and {len(at['paper'])} with it, {len(at['smoke'])} at scale `smoke`, and {len(at['large'])} at scale `large`."
            in page
        )
        assert re.search(r"Six of the 20 need\s+CIFAR10's", VERDICTS)
        assert sum(on(claim, "cifar") for claim in CLAIMS) == 6
        assert f"{sum('on-' in claim.variant for claim in CLAIMS)} claims ask what the first paper says" in VERDICTS


class TestTheTrackedRun:
    def test_time_and_memory(self):
        told = re.search(r"From an empty store a default run took (\d+) minutes and at most ([\d.]+) GiB", README)
        took = json.loads(MADE.DEFAULT.read_text(encoding="utf-8"))
        assert told is not None
        assert took["seeds"] == 3
        assert int(told[1]) == round(took["seconds"] / 60)
        assert float(told[2]) == pytest.approx(took["peak_memory"] / 1024, abs=0.05)

    def test_time_of_mnist(self):
        """Three seeds of what the runs that the ensembles come from took."""
        tracked = json.loads((ROOT / "fixtures" / "ensembles" / "paper-float32.json").read_text(encoding="utf-8"))
        mnist = 3 * sum(seconds for name, seconds in tracked["seconds"].items() if "mnist" in name and "/" not in name)
        assert f"and takes {round(mnist / 60)} minutes more" in " ".join(README.split())

    def test_of_the_smoke_scale(self):
        smoke = json_file.read(ROOT / "fixtures" / "baselines" / "smoke-float32-linux-x86_64-cpu.json.gz")
        assert "in three minutes and 1.5 GiB" in README
        assert smoke.peak_memory is not None
        assert (round(smoke.seconds / 60), round(smoke.peak_memory / 1024, 1)) == (3, 1.5)

    def test_what_it_found_of_the_main_paper(self):
        of = count(sentences(RUN.claims, "training-jacobian"))
        judged = sum(of[state] for state in ("every", "some", "none", "open"))
        page = " ".join(README.split())
        assert f"{judged} sentences that were judged in the tracked run, {of['every']} hold in every reading," in page
        assert f" {of['some']} in some and {of['none']} in none; {of['open']} are open." in page

    def test_the_intervals_that_are_shown(self):
        for page in (README, VERDICTS):
            for reading in ("all", "strict"):
                record = next(record for record in RUN.claims if record.id == f"training-jacobian/bulk-count[{reading}]")
                low, high = record.measurements[0].interval
                assert re.search(
                    rf"{record.verdict} +bulk-count\[{reading}\] +\[{low:.4g}, {high:.4g}\] +in \[2700, 3300\]", page
                )


def test_findings_are_those_of_the_tracked_run():
    """`python docs/make_findings.py` writes the page again."""
    assert MADE.PAGE.read_text(encoding="utf-8") == MADE.page(RUN)


def test_findings_lead_to_cards_of_the_example_report():
    import lzma

    page = lzma.decompress(MADE.HTML.read_bytes()).decode()
    ids = set(re.findall(r'\bid="([^"]*)"', page))
    links = set(re.findall(rf"{MADE.EXAMPLE}#([^)]*)\)", MADE.PAGE.read_text(encoding="utf-8")))
    assert len(links) > 100
    assert links - ids == set()


def test_a_run_that_is_no_full_one_is_not_tracked(tmp_path):
    import dataclasses

    from harness.errors import InvalidInput

    json_file.write(dataclasses.replace(RUN, partial=True), tmp_path)
    with pytest.raises(InvalidInput, match="scale paper, complete, partial: give a complete and full run"):
        MADE.track(tmp_path)
