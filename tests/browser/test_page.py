"""report.html in a headless Chromium: it works with and without its script, nothing overflows, axe-core finds no violation.

The browser is the Chromium that ``CHROMIUM`` names, else a Chromium on PATH or from playwright. Tests that lack a browser or
axe-core (the file that ``AXE_CORE`` names) are skipped; with ``BROWSER_REQUIRED`` set they fail.
"""

import dataclasses
import os
import shutil
from pathlib import Path

import pytest

from harness.report import html
from tests.report.test_html import BROKEN, HELD, LISTED, OPEN, REFUTED, REPORT, SKIPPED

REQUIRED = bool(os.environ.get("BROWSER_REQUIRED"))
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
WIDTHS = (360, 768, 1280)
# what a small viewport has no room for: words without a place to break
LONG = dataclasses.replace(
    HELD,
    id=f"second/{'a-long-name-' * 6}end[with-a-reading,and-another,on-a-network-with-a-long-name]",
    paper="second",
    expected="",
    quotes="word" * 60,
    where="Section 12.34, Figures 1a and 2b",
)
PLAIN = dataclasses.replace(HELD, id="second/quiet", paper="second", says="the bulk is silent", where="Section 2", quotes="")
TWIN = dataclasses.replace(REFUTED, id="paper/statement[loose]", passed=True, expected="REFUTED", expected_reason="it is loose")
CLAIMS = [SKIPPED, HELD, TWIN, OPEN, LISTED, REFUTED, BROKEN, LONG, PLAIN]
FULL = dataclasses.replace(REPORT, claims=CLAIMS, experiments=[*REPORT.experiments] * 3)


def missing(what: str) -> None:
    (pytest.fail if REQUIRED else pytest.skip)(what)


@pytest.fixture(scope="session")
def browser():
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError:
        missing('playwright is not installed: pip install "training-jacobian-claims[browser]"')
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    with sync_playwright() as playwright:
        try:
            started = playwright.chromium.launch(executable_path=found, args=["--no-sandbox"])
        except Error as error:
            missing(f"there is no Chromium that starts: install one or name it in CHROMIUM ({str(error).splitlines()[0]})")
        yield started
        started.close()


@pytest.fixture(scope="session")
def file(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("report")
    html.write(FULL, folder)
    return folder / "report.html"


@pytest.fixture
def show(browser, file):
    """Open the page; whatever it complains of fails the test."""
    opened, complaints = [], []

    def opening(fragment: str = "", width: int = 1280, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        opened.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: complaints.append(request.url) if not request.url.startswith("file:") else None)
        page.goto(f"{file.as_uri()}{fragment}")
        return page

    yield opening
    for context in opened:
        context.close()
    assert complaints == []


def seen(page, selector: str) -> list[str]:
    """The ids of what is there to be seen."""
    return [item.get_attribute("data-ids") for item in page.locator(selector).all() if item.is_visible()]


class TestScript:
    def test_search_keeps_the_rows_and_cards_that_have_all_words(self, show):
        page = show()
        page.get_by_label("Search").fill("SILENT bulk")
        assert seen(page, "tr[data-verdicts]") == ["second/quiet"]
        assert seen(page, "article") == ["second/quiet"]
        assert page.locator("#found").inner_text() == "1 rows, 1 cards"
        page.get_by_label("Search").fill("")
        assert len(seen(page, "article")) == len(CLAIMS) - 1

    def test_an_id_is_found_as_it_is_written(self, show):
        page = show()
        page.get_by_label("Search").fill("paper/statement[loose]")
        assert seen(page, "article") == ["paper/statement[loose]"]
        assert seen(page, "tr[data-verdicts]") == ["paper/statement[strict] paper/statement[loose]"]

    def test_filters_by_paper_and_verdict(self, show):
        page = show()
        page.locator("#by-paper").select_option("second")
        assert seen(page, "article") == [LONG.id, PLAIN.id]
        assert not page.locator("#failed").is_visible()  # a section without cards
        page.locator("#by-paper").select_option("")
        page.locator("#by-verdict").select_option("INCONCLUSIVE")
        assert seen(page, "article") == ["paper/open"]

    def test_a_permalink_highlights_its_card_and_undoes_a_filter_that_hides_it(self, show):
        page = show("#paper.listed")
        card = page.locator("[id='paper.listed']")
        assert card.is_visible()
        assert card.evaluate("node => getComputedStyle(node).outlineStyle") == "solid"
        assert card.bounding_box()["y"] < 200
        assert card.get_by_role("link", name="paper/listed").get_attribute("href") == "#paper.listed"
        page.get_by_label("Search").fill("silent")
        assert not page.locator("[id='paper.failed']").is_visible()
        page.evaluate("location.hash = '#paper.failed'")
        page.locator("[id='paper.failed']").wait_for(state="visible")
        assert page.get_by_label("Search").input_value() == ""

    def test_a_permalink_opens_what_is_folded(self, show):
        page = show("#paper.skipped")
        assert page.locator("[id='paper.skipped']").is_visible()

    def test_a_table_is_sorted_by_a_click_on_its_header_and_back(self, show):
        page = show()
        table = page.locator("table.sentences").first
        order = table.locator("tbody tr").evaluate_all("rows => rows.map(row => row.dataset.ids)")
        table.get_by_role("button", name="Plain reading").click()
        head = table.locator("th", has_text="Plain reading")
        assert head.get_attribute("aria-sort") == "ascending"
        assert table.locator("tbody tr").first.get_attribute("data-ids") == "paper/broken"
        head.get_by_role("button").click()
        assert table.locator("tbody tr").first.get_attribute("data-ids") == "paper/statement[strict] paper/statement[loose]"
        table.get_by_role("button", name="Place").click()
        assert table.locator("tbody tr").evaluate_all("rows => rows.map(row => row.dataset.ids)") == order

    def test_a_command_is_copied(self, show):
        page = show("#paper.failed", permissions=["clipboard-read", "clipboard-write"])
        page.locator("[id='paper.failed']").get_by_role("button", name="Copy the command").click()
        page.get_by_text("Copied").wait_for()
        assert page.evaluate("navigator.clipboard.readText()") == "pytest --claims-id paper/failed"


class TestWithout:
    def test_without_its_script_the_page_says_the_same(self, show):
        page = show("#paper.listed", java_script_enabled=False)
        assert not page.get_by_label("Search").is_visible()
        assert not page.get_by_role("button").all()
        assert len(seen(page, "article")) == len(CLAIMS) - 1
        page.locator("summary", has_text="Experiments").click()
        assert page.locator("#experiments table").is_visible()


@pytest.mark.parametrize("width", WIDTHS)
class TestWidth:
    def test_nothing_overflows(self, show, width):
        page = show(width=width)
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        beyond = """() => [...document.querySelectorAll("main *")].filter(node => !node.closest("svg, .away")
            && node.getBoundingClientRect().right > innerWidth + 1).map(node => node.outerHTML.slice(0, 80))"""
        assert page.evaluate(beyond) == []

    def test_the_table_of_experiments_wraps_words_and_not_letters(self, show, width):
        page = show(width=width)
        page.locator("summary", has_text="Experiments").click()
        rows = page.locator("#experiments tbody tr").all()
        assert max(row.bounding_box()["height"] for row in rows) < 120

    @pytest.mark.parametrize("scheme", ["light", "dark"])
    def test_axe_finds_no_violation(self, show, width, scheme):
        axe = os.environ.get("AXE_CORE", "")
        if not Path(axe).is_file() or not axe:
            missing("axe-core is not here: npm pack axe-core, and name its axe.min.js in AXE_CORE")
        page = show(width=width, color_scheme=scheme)
        page.evaluate("document.querySelectorAll('details').forEach(details => { details.open = true; })")
        page.add_script_tag(path=axe)
        found = page.evaluate("axe.run()")
        told = [f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"]]
        assert told == []
        assert len(found["passes"]) > 10


def test_dark_mode_is_dark_and_navigation_stays_in_sight(show):
    page = show(color_scheme="dark")
    channels = "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    assert max(page.evaluate(channels)) < 60
    assert min(show(color_scheme="light").evaluate(channels)) > 200
    page.evaluate("scrollTo(0, 2000)")
    assert page.locator("nav").bounding_box()["y"] == pytest.approx(0, abs=1)


def test_on_paper_there_is_nothing_to_click(show):
    page = show()
    page.emulate_media(media="print")
    assert not page.locator("nav").is_visible()
    assert not page.get_by_label("Search").is_visible()
    assert not any(button.is_visible() for button in page.locator("article button").all())
    assert len(page.pdf()) > 1000
