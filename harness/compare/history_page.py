"""history.html: a small plot a claim, values over time against the accepted region, a line a platform; offline, no script."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from html import escape

from harness.compare.history import Track

NAME = "history.html"
WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 420, 130, 58, 408, 8, 108
COLOURS = ("#0072b2", "#d55e00", "#00855f", "#a8508a", "#757575", "#b58900")
STYLE = """
body{font:15px/1.45 system-ui,sans-serif;color:#222;max-width:1320px;margin:2rem auto;padding:0 1rem}
.grid{display:grid;grid-template-columns:repeat(auto-fill,minmax(400px,1fr));gap:1.2rem}figure{margin:0}figcaption{font-size:13px}
svg{width:100%;height:auto}text{font-size:10px;fill:#555}.band{fill:#dcebe1}.axis{stroke:#999;fill:none}li{font-size:13px}
@media(prefers-color-scheme:dark){body{background:#16191b;color:#ddd}text{fill:#aaa}.band{fill:#23402f}}
"""


def render(tracks: Sequence[Track], reports: int, problems: Sequence[str]) -> str:
    """The page: what could not be read, the platforms, then the claims in the order of ``tracks``."""
    platforms = list(dict.fromkeys(track.platform for track in sorted(tracks, key=lambda track: track.platform)))
    colours = dict(zip(platforms, itertools.cycle(COLOURS), strict=False))
    times = sorted({point.created for track in tracks for point in track.points})
    ids = list(dict.fromkeys(track.id for track in tracks))
    key = "".join(f'<li style="color:{colours[name]}">{escape(name)}</li>' for name in platforms)
    plots = "".join(plot([track for track in tracks if track.id == id], colours, times) for id in ids)
    unread = "".join(f"<p><b>Not read:</b> {escape(line)}</p>" for line in problems)
    head = f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>History</title><style>{STYLE}</style></head>'
    said = "Claims whose margin shrinks most come first; the green band is the accepted region, bars are 95 % intervals."
    top = f"<h1>{len(ids)} claims in {reports} reports</h1>{unread}<p>{said}</p><ul>{key}</ul>"
    return f'{head}<body>{top}<div class="grid">{plots}</div></body></html>\n'


def plot(tracks: Sequence[Track], colours: dict[str, str], times: Sequence[str]) -> str:
    """One claim: an interval at each report, joined within a platform; time is the order of the reports."""
    accept = tracks[0].points[-1].record.rule.accept
    intervals = [point.record.measurements[0].interval or [0.0, 0.0] for track in tracks for point in track.points]
    ends = [end for interval in intervals for end in interval]
    low, high = min(ends), max(ends)
    margin = 0.15 * ((high - low) or abs(high) or 1.0)
    # a bound that is far off would flatten everything: it is drawn where it is near
    near = [edge for edge in accept if edge is not None and low - 12 * margin < edge < high + 12 * margin]
    low, high = min([low, *near]) - margin, max([high, *near]) + margin

    def x(created: str) -> float:
        return LEFT + 8 + (RIGHT - LEFT - 16) * times.index(created) / max(len(times) - 1, 1)

    def y(value: float) -> float:
        return BOTTOM - (BOTTOM - TOP) * (min(max(value, low), high) - low) / (high - low)

    top, bottom = (y(high if accept[1] is None else accept[1]), y(low if accept[0] is None else accept[0]))
    lines = "".join(_line(track, colours[track.platform], x, y) for track in tracks)
    labels = "".join(_text(LEFT - 4, y(value) + 3, f"{value:.3g}", "end") for value in (low + margin, high - margin))
    dates = _text(LEFT, HEIGHT - 8, times[0][:10]) + _text(RIGHT, HEIGHT - 8, times[-1][:10], "end")
    band = f'<rect class="band" x="{LEFT}" width="{RIGHT - LEFT}" y="{top:.1f}" height="{max(bottom - top, 1):.1f}"/>'
    words = escape(f"{tracks[0].id}: {len(intervals)} reports, last {tracks[0].points[-1].mean:.4g}")
    axis = f'<path class="axis" d="M{LEFT} {TOP}V{BOTTOM}H{RIGHT}"/>'
    caption = f"<figcaption><b>{escape(tracks[0].id)}</b>{_margins(tracks)}</figcaption>"
    box = f'viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{words}"'
    return f"<figure><svg {box}>{band}{axis}{lines}{labels}{dates}</svg>{caption}</figure>"


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{words}</text>'


def _line(track: Track, colour: str, x: Callable[[str], float], y: Callable[[float], float]) -> str:
    path, bars = [], ""
    for point in track.points:
        low, high = point.record.measurements[0].interval or [point.mean, point.mean]
        at, middle = f"{x(point.created):.1f}", f"{y(point.mean):.1f}"
        path.append(f"{at} {middle}")
        bars += f'<path d="M{at} {y(low):.1f}V{y(high):.1f}"/><circle cx="{at}" cy="{middle}" r="2.4"/>'
    return f'<g stroke="{colour}" fill="{colour}"><path fill="none" stroke-opacity=".5" d="M{"L".join(path)}"/>{bars}</g>'


def _margins(tracks: Sequence[Track]) -> str:
    ends = [(track.points[0].margin, track.last) for track in tracks if track.eroded is not None]
    known = [f"{first:.3g} to {last:.3g}" for first, last in ends]
    return f": margin {'; '.join(known)}" if known else ""
