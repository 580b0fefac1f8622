"""The documentation: the programs of docs/network.md run, it names all public names, and no page has a broken link."""

import itertools
import re
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

import harness
from harness.report.text import outcome
from harness.runs.experiment import CATALOGUE
from harness.suite.catalogue import declare_all
from harness.suite.claim import REGISTRY

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "network.md"


@pytest.fixture
def clean(tmp_path, monkeypatch):
    """The page's programs make claims and experiments known, and write a report and a store."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("MPLBACKEND", "agg")
    declare_all(ROOT / "claims", ROOT)  # a module is imported once: what it declares must outlast this test
    before = dict(REGISTRY), dict(CATALOGUE)
    yield
    for registry, kept in zip((REGISTRY, CATALOGUE), before, strict=True):
        registry.clear()
        registry.update(kept)  # type: ignore[arg-type]


def test_its_programs_run(clean, tmp_path):
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names: dict = {}
    for block in blocks:
        exec(compile(block, str(PAGE), "exec"), names)
    assert len(blocks) > 5
    assert (tmp_path / "my-report" / "latest" / "report.html").exists()
    assert [record.message for record in names["verdicts"].claims if outcome(record) == "failed"] == []
    assert {claim.id for claim in names["test_learns"].__claims__} == {"mine/learns"}


def test_it_names_everything_that_the_package_offers():
    page = PAGE.read_text(encoding="utf-8")
    missing = [name for name in harness.__all__ if not name.startswith("__") and f"`{name}`" not in page]
    assert not missing


MADE_BY_THE_SITE = {"example-report.html", "map/atlas.md"}
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def links(page: str) -> list[str]:
    """What a page's links and images lead to, those in HTML as well."""
    tokens = [child for token in MarkdownIt("commonmark").enable("table").parse(page) for child in token.children or []]
    found = [str(token.attrGet("href") or token.attrGet("src")) for token in tokens if token.type in ("link_open", "image")]
    return found + [src for token in tokens if token.type == "html_inline" for src in re.findall(r'src="([^"]*)"', token.content)]


def anchors(page: str) -> set[str]:
    """The places in a page that its headings make."""
    tokens = MarkdownIt("commonmark").parse(page)
    headings = [after.content for token, after in itertools.pairwise(tokens) if token.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}


def broken(file: Path, text: str) -> list[str]:
    """The links of a page that lead nowhere."""
    found = []
    for link in links(text):
        target, _, anchor = link.partition("#")
        if link.startswith(("http:", "https:", "mailto:")) or target in MADE_BY_THE_SITE:
            continue
        place = (file.parent / target).resolve() if target else file
        inside = place.is_relative_to(ROOT) and place.exists()
        if not inside or (anchor and anchor not in anchors(place.read_text(encoding="utf-8") if target else text)):
            found.append(link)
    return found


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_no_link_is_broken(file):
    assert broken(file, file.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "link", ["[a](gone.md)", "![a](figures/gone.svg)", "[a](verdicts.md#gone)", "[a](#gone)", '<img src="no.svg">']
)
def test_a_broken_link_is_found(link):
    assert len(broken(PAGE, f"# Page\n\nWords {link}.\n")) == 1


OURS = ("harness", "claims", "tests", "docs", "fixtures", "examples", "benchmarks", "mutants", "packaging")
UNPACKED = {"docs/run/report.html"}  # what `xz -dk` makes


def named(page: str) -> list[str]:
    """The files and folders of the project that code in the text names, patterns left out."""
    words = [word.partition("::")[0] for code in re.findall(r"`([^`\n]+)`", page) for word in code.split()]
    return [word for word in words if word.split("/")[0] in OURS and "/" in word and not set(word) & set("<>*{")]


@pytest.mark.parametrize("file", PAGES, ids=lambda file: file.name)
def test_the_files_that_a_page_names_are_there(file):
    assert [path for path in named(file.read_text(encoding="utf-8")) if path not in UNPACKED and not (ROOT / path).exists()] == []


def test_a_file_that_is_not_there_is_found():
    page = "Words `python docs/gone.py`, `tests/test_gone.py::test_it`, `claims/<paper>/run.py` and `reports/latest`.\n"
    assert named(page) == ["docs/gone.py", "tests/test_gone.py"]


def test_the_glossary_has_the_terms_of_the_report():
    page = (ROOT / "docs" / "glossary.md").read_text(encoding="utf-8")
    terms = ("Bulk", "Chaotic", "Stable", "Structural", "PFJ", "Port", "Listed", "Open", "Nontrivial", "Calibrated", "Derived")
    assert [term for term in terms if f"**{term}" not in page] == []
