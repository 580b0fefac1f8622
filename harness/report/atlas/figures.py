"""The atlas in pictures: claims by variants, the bulk's share by variant, spectra along training, the share against a number."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from html import escape
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure as Canvas
from matplotlib.patches import Rectangle

from harness.report.atlas.judged import Judged
from harness.report.atlas.rows import Row
from harness.report.figures.style import BLUE, GREEN, GREY, INK, LINES, ORANGE, SHADE, STYLE, legend, log_axis
from harness.report.figures.svg import NO_METADATA

Swept = Mapping[str, Sequence[Row]]  # the rows of each variant, one a seed, in the order of the table
_GROUP = re.compile(r'<g id="([^"]+)">')
UNSEEN = (1.0, 1.0, 1.0, 0.004)
LINE = 0.17  # inches of a variant's line
# colour, marker and filling each tell verdicts apart, also in grey print
MARKS: dict[str, tuple[str, str, bool, str]] = {
    "SUPPORTED": (GREEN, "o", True, "supported"),
    "REFUTED": (ORANGE, "X", True, "refuted"),
    "INCONCLUSIVE": (BLUE, "D", False, "inconclusive"),
    "inside": (GREEN, "o", False, "values inside the region, too few seeds"),
    "outside": (ORANGE, "x", False, "values outside, too few seeds"),
    "across": (BLUE, "d", False, "values across its edge, too few seeds"),
    "NOT_RUN": (GREY, ".", True, "not judged"),
}


def drawn(size: tuple[float, float], draw: Callable[[Any], None], hovers: Mapping[str, str] = MappingProxyType({})) -> str:
    """An SVG document with its text as outlines; the same data gives the same bytes.

    Args:
        hovers: by gid, the text that is shown when a pointer rests on the artist.
    """
    with mpl.rc_context(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)  # type: ignore[arg-type]
        mpl.rcParams["svg.fonttype"] = "path"
        canvas = Canvas(figsize=size, layout="constrained")
        draw(canvas.subplots())
        buffer = io.StringIO()
        canvas.savefig(buffer, format="svg", metadata=NO_METADATA)
    return _GROUP.sub(lambda found: _titled(found, hovers), buffer.getvalue())


def _titled(found: re.Match[str], hovers: Mapping[str, str]) -> str:
    text = hovers.get(found[1])
    return found[0] if text is None else f"{found[0]}<title>{escape(text)}</title>"


def verdicts(
    judged: Mapping[str, Mapping[str, Judged]],
    axes_of: Mapping[str, str],
    hovers: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> str:
    """The map: a row a variant, a column a claim; ``hovers`` says what is shown at (variant, claim)."""
    ids = list(dict.fromkeys(id for held in judged.values() for id in held))

    def draw(axes: Any) -> None:
        for mark, (color, marker, full, label) in MARKS.items():
            at = [
                (x, y)
                for y, held in enumerate(judged.values())
                for x, id in enumerate(ids)
                if id in held and held[id].mark == mark
            ]
            if at:
                x, y = zip(*at, strict=True)
                filled = {"color": color} if full or marker == "x" else {"color": "none", "markeredgecolor": color}
                axes.plot(x, y, marker, markersize=3 if marker == "." else 5.5, linestyle="none", label=label, **filled)
        for row, name in enumerate(judged):
            for column, id in enumerate(ids):
                if (name, id) in hovers:  # a pointer does not meet a mark without any colour
                    place, gid = (column - 0.5, row - 0.5), f"at-{row}-{column}"
                    axes.add_patch(Rectangle(place, 1, 1, facecolor=UNSEEN, linewidth=0, clip_on=False, gid=gid))
        axes.set_xticks(range(len(ids)), [id.partition("/")[2] for id in ids], rotation=90, fontsize=6.5)
        _names(axes, list(judged), axes_of)
        axes.set_xlim(-0.7, len(ids) - 0.3)
        legend(axes)

    told = {f"at-{y}-{x}": hovers.get((name, id), "") for y, name in enumerate(judged) for x, id in enumerate(ids)}
    return drawn((3 + LINE * len(ids), 3.6 + LINE * len(judged)), draw, told)


def _names(axes: Any, names: Sequence[str], axes_of: Mapping[str, str]) -> None:
    """Variants down the page, a thin line between axes of the table."""
    axes.set_yticks(range(len(names)), names, fontsize=6.5)
    axes.set_ylim(len(names) - 0.4, -0.6)
    for i in range(1, len(names)):
        if axes_of[names[i]] != axes_of[names[i - 1]]:
            axes.axhline(i - 0.5, color="#c5ccd1", linewidth=0.6, zorder=0)


def shares(swept: Swept, axes_of: Mapping[str, str]) -> str:
    """The bulk's share by variant: a point a seed, and the same network on white noise."""

    def draw(axes: Any) -> None:
        for fact, color, marker, label in (
            ("near_noise", GREY, "|", "on white noise"),
            ("near", BLUE, "o", "on the variant's data"),
        ):
            at = [
                (row.facts[fact], y) for y, rows in enumerate(swept.values()) for row in rows if row.facts.get(fact) is not None
            ]
            if at:
                x, y = zip(*at, strict=True)
                axes.plot(x, y, marker, color=color, markersize=4, linestyle="none", alpha=0.8, label=label)
        _names(axes, list(swept), axes_of)
        axes.set_xlim(-0.02, 1.02)
        axes.set_xlabel("share of free directions with |σ − 1| < 0.1")
        if any(row.facts for rows in swept.values() for row in rows):
            legend(axes)

    return drawn((5.2, 1.3 + LINE * len(swept)), draw)


def spectra(swept: Swept) -> str:
    """Singular values against their rank as a share of N, of the first seed."""

    def draw(axes: Any) -> None:
        axes.axhspan(0.9, 1.1, color=SHADE, zorder=0)
        for number, (name, rows) in enumerate(swept.items()):
            if rows and rows[0].sigma:
                color, line, _ = LINES[number % len(LINES)]
                sigma = np.maximum(np.array(rows[0].sigma), 1e-3)
                axes.plot(np.linspace(0, 1, len(sigma)), sigma, color=color, linestyle=line, label=name)
        axes.set_xlabel("rank i / N")
        axes.set_ylabel("singular value (below 0.001 drawn there)")
        log_axis(axes.yaxis)
        if axes.get_legend_handles_labels()[0]:
            legend(axes)

    return drawn((4.6, 3.6), draw)


def against(swept: Swept, number: str, axes_of: Mapping[str, str]) -> str:
    """The bulk's share of all directions against a given number, a line an axis of the table, a point a seed."""

    def draw(axes: Any) -> None:
        for place, axis in enumerate(dict.fromkeys(axes_of[name] for name in swept)):
            color, line, marker = LINES[place % len(LINES)]
            rows = [row for name, held in swept.items() if axes_of[name] == axis for row in held if number in row.given]
            at = [(row.given[number], row.facts["near_all"]) for row in rows if row.facts.get("near_all") is not None]
            if not at:
                continue
            x, y = (np.array(part, float) for part in zip(*at, strict=True))
            axes.plot(x, y, marker, color=color, markerfacecolor="white", linestyle="none", label=axis)
            distinct = np.unique(x)
            axes.plot(distinct, [y[x == one].mean() for one in distinct], color=color, linestyle=line, linewidth=1)
        axes.set_xlabel(number)
        axes.set_ylabel("share of all directions with |σ − 1| < 0.1")
        axes.set_ylim(-0.02, 1.02)
        axes.spines["bottom"].set_color(INK)
        if axes.get_legend_handles_labels()[0]:
            legend(axes)

    return drawn((4.6, 3.6), draw)
