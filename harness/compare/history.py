"""Reports over time: each claim's measurement on each platform, and which claims come nearer to turning."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.compare.measurements import margin
from harness.errors import Unreadable
from harness.report import json_file
from harness.suite.records import ClaimRecord, Report


@dataclass(frozen=True)
class Point:
    """A claim in one report."""

    created: str
    record: ClaimRecord
    margin: float | None

    @property
    def interval(self) -> list[float]:
        """The 95 % interval, or the mean of the values where they have none."""
        values = [value for value in self.record.measurements[0].values if value is not None]
        return self.record.measurements[0].interval or [sum(values) / len(values)] * 2

    @property
    def mean(self) -> float:
        """Middle of the interval."""
        return sum(self.interval) / 2


@dataclass(frozen=True)
class Track:
    """A claim on one platform over time, oldest first."""

    id: str
    platform: str
    points: tuple[Point, ...]

    @property
    def last(self) -> float | None:
        return self.points[-1].margin

    @property
    def eroded(self) -> float | None:
        """Share of the margin that was lost between the first and the last report; None where a margin is not defined."""
        first, last = self.points[0].margin, self.points[-1].margin
        return None if first is None or last is None or len(self.points) < 2 else first - last


def find(folders: Iterable[Path]) -> tuple[list[Report], list[str]]:
    """Every report in or below the folders, oldest first, each run once; and a line for each file that could not be read."""
    found: dict[tuple[str, ...], Report] = {}
    problems = []
    for path in _files(folders):
        try:
            report = json_file.read(path)
        except Unreadable as error:
            problems.append(str(error))
            continue
        key = (report.created, report.scale, report.precision, *sorted(report.environment.values()), str(report.partial))
        found.setdefault(key, report)
    return sorted(found.values(), key=lambda report: report.created), problems


def platform(report: Report) -> str:
    """The facts that reports must share for their values to form one series."""
    e = report.environment
    machine = f"{e.get('cpu') or e.get('system', '?')}, {e.get('device', '?')}"
    return f"{report.scale}, {report.precision}, {machine}, jax {e.get('jax', '?')}"


def tracks(reports: Sequence[Report]) -> list[Track]:
    """Each judged claim on each platform: first the claims that lose margin, of these the most eroded first."""
    points: dict[tuple[str, str], list[Point]] = defaultdict(list)
    for report in reports:
        for record in report.claims:
            if record.judged:
                points[record.id, platform(report)].append(Point(report.created, record, margin(record)))
    found = [Track(id, where, tuple(held)) for (id, where), held in points.items()]
    return sorted(found, key=_rank)


def table(found: Sequence[Track], most: int) -> list[str]:
    """The ranking as lines: each claim's margin then and now, its verdicts, and its platform."""
    ranked = [track for track in found if track.eroded is not None][:most]
    lines = ["margin then -> now (share of the bound)   verdicts                claim, platform"] if ranked else []
    if ranked and not any((track.eroded or 0.0) > 0 for track in ranked):
        lines.insert(0, "no margin fell between the reports; the smallest are:")
    for track in ranked:
        verdicts = " -> ".join(dict.fromkeys(point.record.verdict for point in track.points))
        then = track.points[0].margin or 0.0
        trend = "eroding" if (track.eroded or 0.0) > 0 else ""
        lines.append(f"{then:>11.4g} -> {track.last or 0.0:<11.4g} {trend:<14} {verdicts:<23} {track.id}, {track.platform}")
    return lines


def _rank(track: Track) -> tuple[bool, float, float, str]:
    """Sorts by the share of the margin that is gone, the largest first, then by the least margin; single reports come last."""
    first = track.points[0].margin
    gone = None if track.eroded is None else track.eroded / first if first else track.eroded
    return gone is None, -(gone or 0.0), 0.0 if track.last is None else track.last, track.id


def _files(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        if folder.is_file():
            yield folder
            continue
        here = sorted([*folder.glob(json_file.NAME), *folder.glob(f"*/{json_file.NAME}"), *folder.glob("*.json.gz")])
        if not here:
            raise Unreadable(f"{folder} holds no report: give folders of reports, such as reports/, or report.json files")
        yield from here
