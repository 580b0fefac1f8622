"""From a drawing function to SVG, inside an HTML page (no dates, no prolog, ids that no other element has) or as files."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape

import matplotlib as mpl
from matplotlib.figure import Figure as Canvas

from harness.report.figures.registry import PANEL, Data, Figure
from harness.report.figures.style import STYLE

NO_METADATA = dict.fromkeys(("Creator", "Date", "Format", "Type"))


def render(figure: Figure, data: Mapping[str, Data | None]) -> tuple[str, str]:
    """The figure as inline SVG, and what it shows in words; the same data gives the same bytes."""
    with _drawn(figure, data) as (canvases, alt):
        panels = [inline(_document(canvas), f"{figure.name}-{i}") for i, canvas in enumerate(canvases)]
    return f'<div class="panels" role="img" aria-label="{escape(alt)}">{"".join(panels)}</div>', alt


def documents(figure: Figure, data: Mapping[str, Data | None]) -> list[str]:
    """Each panel of the figure as an SVG document on white, its text as outlines: it looks the same wherever it is shown."""
    with _drawn(figure, data, text="path") as (canvases, _):
        return [_document(canvas) for canvas in canvases]


@contextmanager
def _drawn(figure: Figure, data: Mapping[str, Data | None], text: str = "none") -> Iterator[tuple[list[Canvas], str]]:
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # runs that diverged leave NaN behind, and NumPy warns of medians over nothing
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
        mpl.rcParams["svg.fonttype"] = text
        canvases = [Canvas(figsize=PANEL, layout="constrained") for _ in range(figure.panels)]
        axes = [canvas.subplots() for canvas in canvases]
        alt = " ".join(figure.draw(axes if figure.panels > 1 else axes[0], **data).split())
        yield [canvas for canvas, panel in zip(canvases, axes, strict=True) if panel.get_visible()], alt


def _document(canvas: Canvas) -> str:
    buffer = io.StringIO()
    canvas.savefig(buffer, format="svg", metadata=NO_METADATA)
    return buffer.getvalue()


def inline(document: str, prefix: str) -> str:
    """An SVG document as an element of a page, whose description stands around it.

    Args:
        prefix: put before the ids that the drawing refers to, so that figures on one page share none; other ids are dropped.
    """
    text = re.sub(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", "", document, flags=re.DOTALL)
    used = set(re.findall(r'(?:url\(|href=")#([^)"]*)', text))
    text = re.sub(r' id="([^"]*)"', lambda match: f' id="{prefix}-{match[1]}"' if match[1] in used else "", text)
    text = text.replace("url(#", f"url(#{prefix}-").replace('xlink:href="#', f'href="#{prefix}-').replace("xlink:href=", "href=")
    text = re.sub(r"font: [^;\"]*?(\d[\d.]*px) [^;\"]*", r"font-size: \1", text)
    text = re.sub(r"<[^>]*>", _shortened, text)
    opening = text.index("<svg")
    box = re.search(r'viewBox="[^"]*"', text[opening:])
    head = f'<svg class="plot" {box.group() if box else ""} aria-hidden="true">'
    return re.sub(r"\n\s*", "\n", head + text[text.index(">", opening) + 1 :]).strip()


def _shortened(tag: re.Match[str]) -> str:
    """Coordinates to a hundredth of a point, which is finer than any screen or press; numbers that are text stay as they are."""
    return re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0])
