"""history.html: a small plot a claim, values over time against the accepted region, a line a platform; offline, no script."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from types import SimpleNamespace

from harness.compare import history
from harness.report import pages

NAME = "history.html"
TEMPLATE = Path(__file__).with_name("history.html")
BOX = SimpleNamespace(width=420, height=130, left=58, right=408, top=8, bottom=108)
COLOURS = ("#0072b2", "#d55e00", "#00855f", "#a8508a", "#757575", "#b58900")


def render(tracks: Sequence[history.Track], reports: int, problems: Sequence[str]) -> str:
    """The page: the files that could not be read, the platforms, then the claims in the order of ``tracks``."""
    platforms = sorted({track.platform for track in tracks})
    times = sorted({point.created for track in tracks for point in track.points})
    ids = dict.fromkeys(track.id for track in tracks)
    return pages.render(
        TEMPLATE,
        plots=[Plot([track for track in tracks if track.id == id], times) for id in ids],
        colours=dict(zip(platforms, itertools.cycle(COLOURS), strict=False)),
        reports=reports,
        problems=problems,
        box=BOX,
    )


class Plot:
    """One claim: an interval at each report, joined within a platform; time is the order of the reports."""

    def __init__(self, tracks: Sequence[history.Track], times: Sequence[str]) -> None:
        self.id, self.tracks, self.times = tracks[0].id, tracks, times
        self.intervals = [point.interval for track in tracks for point in track.points]
        ends = [end for interval in self.intervals for end in interval]
        low, high = min(ends), max(ends)
        margin = 0.15 * ((high - low) or abs(high) or 1.0)
        # a bound that is far off would flatten everything: only near bounds are drawn
        near = [edge for edge in self.accept if edge is not None and low - 12 * margin < edge < high + 12 * margin]
        self.marks = min([low, *near]), max([high, *near])
        self.low, self.high = self.marks[0] - margin, self.marks[1] + margin

    @property
    def accept(self) -> list[float | None]:
        return self.tracks[0].points[-1].record.rule.accept

    @cached_property
    def band(self) -> tuple[float, float]:
        """Top and height of the accepted region."""
        low, high = self.accept
        top, bottom = self.y(self.high if high is None else high), self.y(self.low if low is None else low)
        return top, max(round(bottom - top, 1), 1)

    @property
    def words(self) -> str:
        return f"{self.id}: {len(self.intervals)} reports, last {self.tracks[0].points[-1].mean:.4g}"

    @property
    def margins(self) -> list[str]:
        """The first and the last margin on each platform that has both."""
        return [f"{track.points[0].margin:.3g} to {track.last:.3g}" for track in self.tracks if track.eroded is not None]

    def x(self, point: history.Point) -> float:
        share = self.times.index(point.created) / max(len(self.times) - 1, 1)
        return round(BOX.left + 8 + (BOX.right - BOX.left - 16) * share, 1)

    def y(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(BOX.bottom - (BOX.bottom - BOX.top) * share, 1)
