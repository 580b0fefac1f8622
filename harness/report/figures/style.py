"""How all figures look: type, colours that survive colour blindness and grey print, and the few shapes that recur."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

from harness.report.figures.registry import PANEL, Array, Data
from harness.report.strip import SUPERSCRIPTS

# Okabe and Ito (2008), darkened where thin lines need it; each role has a line and a marker of its own as well
BLUE, ORANGE, GREEN, PURPLE, INK, GREY, SHADE = "#0072b2", "#d55e00", "#00855f", "#a8508a", "#222222", "#757575", "#e9edf0"
DASHES = ("-", "--", ":", "-.")
LINES: tuple[tuple[str, Any, str], ...] = (
    (BLUE, "-", "o"),
    (ORANGE, "--", "s"),
    (GREEN, "-.", "^"),
    (PURPLE, ":", "D"),
    (INK, (0, (5, 1)), "v"),
    (GREY, (0, (3, 1, 1, 1)), "P"),
)
BAND = 0.18
STYLE: dict[str, Any] = {
    "svg.hashsalt": "claims",
    "font.family": "sans-serif",
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#555555",
    "xtick.labelsize": 8.5,
    "ytick.labelsize": 8.5,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.fontsize": 8.5,
    "legend.frameon": False,
    "legend.handlelength": 2.2,
    "legend.columnspacing": 1.2,
    "lines.linewidth": 1.4,
    "lines.markersize": 4,
    "path.simplify_threshold": 0.5,
    "savefig.dpi": 160,
    "figure.dpi": 72,
}


def legend(axes: Axes) -> None:
    """The legend above the axes, where it hides no data, in as many columns as fit."""
    handles, labels = axes.get_legend_handles_labels()
    columns = next((n for n in range(len(labels), 1, -1) if _width(labels, n) < 72 * PANEL[0]), 1)
    axes.get_figure().legend(handles, labels, loc="outside upper left", ncols=columns)  # type: ignore[union-attr]


def _width(labels: Sequence[str], columns: int) -> float:
    """Width of a legend in points: 5 for each letter, and 38 for each line with its margins."""
    return sum(38 + 5 * max(map(len, column)) for column in np.array_split(np.array(labels, object), columns))


def log_axis(axis: Any) -> None:
    """A logarithmic axis with its numbers written as text; call it when the data is drawn and the limits are set."""
    horizontal = axis.axis_name == "x"
    (axis.axes.set_xscale if horizontal else axis.axes.set_yscale)("log")
    low, high = axis.get_view_interval()
    few = high / low < 200
    axis.set_major_locator(LogLocator(numticks=7, subs=(1, 2, 5) if few else (1,)))
    axis.set_major_formatter(FuncFormatter(_decade))
    axis.set_minor_formatter(NullFormatter())


def _decade(value: float, _: Any) -> str:
    exponent = int(np.floor(np.log10(value) + 1e-9)) if value > 0 else 0
    if -2 <= exponent <= 3:
        return f"{value:g}"
    leading = f"{value / 10.0**exponent:g}"
    return f"{'' if leading == '1' else f'{leading}·'}10{str(exponent).translate(SUPERSCRIPTS)}"


def whole_numbers(axis: Any, most: int = 6) -> None:
    """No halves on an axis that counts, and at most so many steps between its numbers."""
    axis.set_major_locator(MaxNLocator(most, integer=True))


def seeds(axes: Axes, x: Array, runs: Array, label: str, color: str, line: Any = "-", marker: str = "") -> Array:
    """The median of runs, shape (runs, points), and the band between the lowest and the highest.

    Returns:
        The median, shape (points,).
    """
    middle: Array = np.nanmedian(runs, axis=0)
    if len(runs) > 1:
        axes.fill_between(x, np.nanmin(runs, axis=0), np.nanmax(runs, axis=0), color=color, alpha=BAND, linewidth=0)
    axes.plot(x, middle, color=color, linestyle=line, marker=marker, markerfacecolor="white", label=label)
    return middle


def cloud(axes: Axes, runs: Array, floor: float = -np.inf, blocks: int = 48) -> None:
    """Draw values, shape (runs, indices), as one image of points, and over it each run's median in blocks of the index.

    Args:
        floor: where the axis begins. Values below it are left out; a line has a gap where most values are below it.
    """
    edges = np.linspace(0, runs.shape[1], blocks + 1).round().astype(int)
    index = np.tile(np.arange(1, runs.shape[1] + 1), len(runs))
    axes.plot(index, runs.ravel(), "o", color=BLUE, markersize=1.1, alpha=0.3, mew=0, rasterized=True)
    for number, values in enumerate(runs):
        parts = np.split(values, edges[1:-1])
        shown = [np.nanmedian(part[part >= floor]) if np.nanmedian(part) >= floor else np.nan for part in parts]
        label = f"seed {number}" if number < len(DASHES) else None
        axes.plot((edges[:-1] + edges[1:] + 1) / 2, shown, color=INK, linestyle=DASHES[number % 4], linewidth=1.1, label=label)


def shade(axes: Axes, sigma: Array, delta: float = 0.1) -> None:
    """Shade the indices whose median sigma over runs, shape (runs, indices), is within ``delta`` of one."""
    inside = np.flatnonzero(np.abs(np.median(sigma, axis=0) - 1) < delta) + 1
    if inside.size:
        axes.axvspan(inside[0], inside[-1], color=SHADE, linewidth=0, zorder=0)
        for edge in (inside[0], inside[-1]):
            axes.axvline(edge, color="#aab4bb", linewidth=0.6, zorder=0)


def descending(
    axes: Axes,
    ylabel: str,
    bottom: float,
    top: float | None = None,
    *,
    xlabel: str = "index, largest first",
    right: float | None = None,
) -> None:
    """Finish a plot of values against their index: a logarithmic height with these ends, and the legend."""
    axes.set(xlabel=xlabel, ylabel=ylabel, xlim=(0, right), yscale="log")
    axes.set_ylim(bottom, top)
    log_axis(axes.yaxis)
    legend(axes)


def each_direction(axes: Axes, values: Array, sigma: Array, ylabel: str, bottom: float) -> None:
    """One value a singular direction, the bulk shaded, nothing below ``bottom``. Both arrays: shape (runs, indices)."""
    cloud(axes, values, bottom)
    shade(axes, sigma)
    descending(axes, ylabel, bottom, 2 * np.nanmax(values), xlabel="index i, largest σ first")


def decade_below(values: Array) -> float:
    """A power of ten where an axis can begin: nine tenths of the positive values are more than ten times as large."""
    return float(10.0 ** np.floor(np.log10(np.nanquantile(values[values > 0], 0.1)) - 1))


def thinned(size: int, most: int = 700) -> Array:
    """Indices into a long curve: every one near both ends, where spectra bend, and ``most`` evenly between."""
    ends = np.arange(min(size, 60))
    return np.unique(np.concatenate([ends, np.linspace(0, size - 1, min(most, size)).round().astype(int), size - 1 - ends]))


def judged(data: Data | None, form: str = ".3g") -> str:
    """What a claim judged, in words: the range of its values; "" where it was not judged."""
    return "" if data is None or not data.judged.size else span(data.judged, form)


def published(data: Data | None) -> float | None:
    """The paper's number for what a claim measures, where it was judged: at another scale the number is of another network."""
    return None if data is None or not data.judged.size else data.published


def one_scale(panels: Sequence[Axes]) -> None:
    """Give all panels the vertical limits that hold what each of them shows."""
    limits = [panel.get_ylim() for panel in panels if panel.lines]
    for panel in panels if limits else []:
        panel.set_ylim(min(low for low, _ in limits), max(high for _, high in limits))


def span(values: Array, form: str = ".3g") -> str:
    """Values in words: one number, or the range of the runs."""
    low, high = f"{np.nanmin(values):{form}}", f"{np.nanmax(values):{form}}"
    return low if low == high else f"{low} to {high}"
