"""The documentation's site: it builds in strict mode, a broken link fails the build, and its pages fetch nothing from outside.

``nox -s docs`` runs these tests in an environment with the extra ``docs``; without mkdocs they are skipped.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("mkdocs", reason='mkdocs is not installed: pip install "training-jacobian-claims[docs]"')
ROOT = Path(__file__).resolve().parents[2]
FETCHED = re.compile(
    r'<(?:script|img|iframe|source)[^>]* src="(https?:[^"]*)"|<link[^>]* href="(https?:[^"]*)"|url\((https?:[^)]*)\)'
)


def build(root: Path, site: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(site)]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("project")
    shutil.copy(ROOT / "mkdocs.yml", root)
    for name in ("docs", "harness"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("__pycache__"))
    return root


@pytest.fixture(scope="module")
def site(copy, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    built = build(copy, folder)
    assert built.returncode == 0, built.stderr[-2000:]
    return folder


def test_every_page_is_there(site):
    pages = {path.stem for path in (ROOT / "docs").glob("*.md")}
    assert pages | {"example-report"} <= {path.stem for path in site.glob("*.html")}


def test_nothing_is_fetched(site):
    pages = [path for path in site.rglob("*") if path.suffix in (".html", ".css") and path.is_file()]
    assert len(pages) > 20
    found = {path.name: FETCHED.findall(path.read_text(encoding="utf-8")) for path in pages}
    assert {name: links for name, links in found.items() if links} == {}


def test_the_api_is_written_out(site):
    page = (site / "api.html").read_text(encoding="utf-8")
    for name in ("harness.runs.network.Network", "harness.engine.training.Training", "harness.report.loading.load"):
        assert f'id="{name}"' in page


@pytest.mark.parametrize(
    "link",
    [
        "[gone](nowhere.md)",
        "[gone](verdicts.md#no-such-heading)",
        "![gone](figures/nothing.svg)",
        "[gone](/verdicts.md)",
        "[gone][harness.no.such.name]",
    ],
)
def test_a_broken_link_fails_the_build(copy, tmp_path, link):
    page = copy / "docs" / "index.md"
    text = page.read_text(encoding="utf-8")
    page.write_text(f"{text}\n{link}\n", encoding="utf-8")
    try:
        built = build(copy, tmp_path / "site")
    finally:
        page.write_text(text, encoding="utf-8")
    assert built.returncode != 0, f"{link} was not noticed"
    assert "index.md" in built.stderr
