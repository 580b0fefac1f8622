"""Reports over time: which are found, which claims erode, and where each number is drawn."""

import dataclasses
import gzip

import pytest

from harness.compare import history, history_page
from harness.compare.history import Point, Track
from harness.compare.history_page import BOX, Plot
from harness.errors import Unreadable
from harness.report import json_file
from harness.suite.records import MeasurementRecord, RuleRecord
from tests.compare.planted import BASE, ENVIRONMENT, report

SIZE = BASE.claims[0]


def track(id, *margins, platform="here", verdicts=None):
    """A claim with these margins in reports of one month after the other."""
    records = [dataclasses.replace(SIZE, verdict=verdict) for verdict in verdicts or ["SUPPORTED"] * len(margins)]
    points = [
        Point(f"2025-{month:02}", record, margin) for month, (record, margin) in enumerate(zip(records, margins, strict=True), 1)
    ]
    return Track(id, platform, tuple(points))


def measured(interval, accept=(0.0, 1.0), values=(0.5,), created="2025-01"):
    record = dataclasses.replace(SIZE, rule=RuleRecord(list(accept), "a reason"))
    measurement = MeasurementRecord("size", "", "", [], list(values), interval=interval)
    return Point(created, dataclasses.replace(record, measurements=[measurement]), None)


def store(folder, **changes):
    folder.mkdir(parents=True, exist_ok=True)
    json_file.write(report(**changes), folder)


class TestFinding:
    def test_reports_in_and_below_folders_and_files_are_found_oldest_first(self, tmp_path):
        for month, folder in enumerate(("run", "past/a", "past/b", "alone"), 1):
            store(tmp_path / folder, created=f"2025-0{9 - month}-01T00:00:00Z")
        store(tmp_path / "past/a/deeper", created="2020")
        (tmp_path / "past/kept.json.gz").write_bytes(
            gzip.compress((tmp_path / "alone/report.json").read_bytes().replace(b"2025-05", b"2025-01"))
        )
        found, problems = history.find([tmp_path / "alone/report.json", tmp_path / "past", tmp_path / "run"])
        assert [made.created[:7] for made in found] == ["2025-05", "2025-06", "2025-07", "2025-08"]
        assert len(problems) == 1
        assert "kept.json.gz is not what was written" in problems[0]

    def test_a_report_that_cannot_be_read_hides_none_after_it(self, tmp_path):
        store(tmp_path / "b")
        (tmp_path / "a").mkdir()
        (tmp_path / "a/report.json").write_text("no JSON")
        found, problems = history.find([tmp_path])
        assert (len(found), len(problems)) == (1, 1)

    @pytest.mark.parametrize(
        ("change", "count"),
        [
            ({}, 1),
            ({"seconds": 9.0}, 1),
            ({"created": "2026"}, 2),
            ({"scale": "paper"}, 2),
            ({"precision": "float64"}, 2),
            ({"environment": {**ENVIRONMENT, "cpu": "another"}}, 2),
            ({"partial": True}, 2),
        ],
    )
    def test_a_run_that_lies_in_two_folders_counts_once(self, change, count, tmp_path):
        store(tmp_path / "a")
        store(tmp_path / "b", **change)
        assert len(history.find([tmp_path])[0]) == count

    def test_a_folder_without_any_is_named(self, tmp_path):
        store(tmp_path / "a/b/c")
        with pytest.raises(Unreadable, match="holds no report"):
            history.find([tmp_path / "a"])


class TestErosion:
    def test_the_middle_of_the_interval_or_of_the_values_counts(self):
        point = measured([0.5, 1.5], values=[9.0])
        assert (point.interval, point.mean) == ([0.5, 1.5], 1.0)
        point = measured(None, values=[1.0, None, 4.0])
        assert (point.interval, point.mean) == ([2.5, 2.5], 2.5)

    @pytest.mark.parametrize(
        ("margins", "eroded"),
        [((0.5, 0.9, 0.25), 0.25), ((0.25, 0.5), -0.25), ((0.5,), None), ((None, 0.5), None), ((0.5, None), None)],
    )
    def test_the_first_report_is_held_against_the_last(self, margins, eroded):
        found = track("a", *margins)
        assert (found.eroded, found.last) == (eroded, margins[-1])

    def test_claims_are_ranked_by_the_share_that_is_gone(self):
        order = [
            track("all", 0.1, 0.0),
            track("half", 0.02, 0.01),
            track("a tenth", 1.0, 0.9),
            track("from nothing, down", 0.0, -0.05),
            track("steady, near", 0.1, 0.1),
            track("steady, near, too", 0.1, 0.1),
            track("steady, far", 0.2, 0.2),
            track("from nothing, up", 0.0, 0.1),
            track("grew", 0.1, 0.2),
            track("undefined", None),
            track("single", 0.01),
        ]
        backwards = order[::-1]
        assert sorted(backwards, key=history._rank) == order

    def test_what_is_judged_on_one_platform_is_one_line(self):
        other = dataclasses.replace(SIZE, id="paper/other", verdict="NOT_RUN", measurements=[])
        made = [report(SIZE, other, created=str(year)) for year in (2023, 2024)]
        (found,) = history.tracks(made)
        assert (found.id, [point.created for point in found.points]) == ("paper/size", ["2023", "2024"])

    @pytest.mark.parametrize(
        "change",
        [
            {"scale": "paper"},
            {"precision": "float64"},
            {"environment": {**ENVIRONMENT, "cpu": "another"}},
            {"environment": {**ENVIRONMENT, "device": "another"}},
            {"environment": {**ENVIRONMENT, "jax": "another"}},
        ],
    )
    def test_another_platform_is_another_line(self, change):
        assert len(history.tracks([BASE, report(**change)])) == 2

    def test_load_and_seeds_make_no_other_platform(self):
        assert len(history.tracks([BASE, report(seeds=9, environment={**ENVIRONMENT, "load": "9"})])) == 1

    def test_without_a_processor_the_system_tells_platforms_apart(self):
        bare = [report(environment={"system": name}) for name in ("Linux x86_64", "Darwin arm64")]
        assert len(history.tracks(bare)) == 2
        assert len(history.tracks([report(environment={}), report(environment={"load": "1"})])) == 1
        assert history.platform(report(environment={})).endswith(", ?, ?, jax ?")


class TestTable:
    def test_then_now_trend_and_verdicts(self):
        tracks = [
            track("paper/eroding", 0.5, 0.25, 0.125, verdicts=["SUPPORTED", "INCONCLUSIVE", "SUPPORTED"]),
            track("paper/steady", 0.25, 0.25, platform="there"),
            track("paper/growing", 0.0, 0.75),
            track("paper/single", 0.5),
        ]
        head, *lines = history.table(tracks, 9)
        assert head.split()[:4] == ["margin", "then", "->", "now"]
        assert [" ".join(line.split()) for line in lines] == [
            "0.5 -> 0.125 eroding SUPPORTED -> INCONCLUSIVE paper/eroding, here",
            "0.25 -> 0.25 SUPPORTED paper/steady, there",
            "0 -> 0.75 SUPPORTED paper/growing, here",
        ]
        assert len(history.table(tracks, 2)) == 3

    def test_where_no_margin_fell_that_comes_first(self):
        first, _, line = history.table([track("paper/growing", 0.25, 0.0 + 0.5)], 9)
        assert first.startswith("no margin fell")
        assert "eroding" not in line
        assert history.table([track("paper/lost", 0.25, 0.0)], 9)[1].split()[:4] == ["0.25", "->", "0", "eroding"]

    def test_a_margin_that_stayed_did_not_fall(self):
        first, *_ = history.table([track("paper/steady", 0.25, 0.25)], 9)
        assert first.startswith("no margin fell")

    def test_of_single_reports_there_is_no_table(self):
        assert history.table([track("paper/single", 0.5)], 9) == []


class TestPlots:
    """Numbers as places: a linear scale from the lower to the upper end, with a margin of 15 % of the range."""

    def _plot(self, *points, accept=(0.0, 1.0)):
        made = [measured(interval, accept, created=f"2025-{month:02}") for month, interval in enumerate(points, 1)]
        return Plot([Track("a", "here", tuple(made))], [point.created for point in made])

    @pytest.mark.parametrize(
        ("intervals", "accept", "marks", "margin"),
        [
            ([[0.25, 0.5], [0.5, 0.75]], (0.0, 1.0), (0.0, 1.0), 0.15 * 0.5),
            ([[0.25, 0.5], [0.5, 0.75]], (None, 1.0), (0.25, 1.0), 0.15 * 0.5),
            ([[0.25, 0.5], [0.5, 0.75]], (0.0, None), (0.0, 0.75), 0.15 * 0.5),
            ([[0.25, 0.5], [0.5, 0.75]], (0.3, 0.6), (0.25, 0.75), 0.15 * 0.5),
            ([[0.0, 1.0]], (-1.79, 2.79), (-1.79, 2.79), 0.15),  # twelve margins off is near
            ([[0.0, 1.0]], (-1.81, 2.81), (0.0, 1.0), 0.15),
            ([[1.0, 2.0]], (0.0, 3.0), (0.0, 3.0), 0.15),
            ([[-4.0, -4.0]], (None, None), (-4.0, -4.0), 0.6),
            ([[0.0, 0.0]], (None, None), (0.0, 0.0), 0.15),
        ],
    )
    def test_near_bounds_are_in_the_picture_and_far_ones_are_not(self, intervals, accept, marks, margin):
        plot = self._plot(*intervals, accept=accept)
        assert plot.marks == marks
        assert (plot.low, plot.high) == (pytest.approx(marks[0] - margin), pytest.approx(marks[1] + margin))

    def test_values_run_from_the_bottom_to_the_top(self):
        plot = self._plot([1.0, 2.0], accept=(None, None))  # 0.85 to 2.15
        assert [plot.y(value) for value in (0.85, 1.5, 2.15)] == [BOX.bottom, (BOX.bottom + BOX.top) / 2, BOX.top]
        assert plot.y(1.0) == round(BOX.bottom - 100 * 0.15 / 1.3, 1)
        assert (plot.y(-9.0), plot.y(9.0)) == (BOX.bottom, BOX.top)

    @pytest.mark.parametrize("count", [1, 2, 3])
    def test_reports_run_from_left_to_right(self, count):
        plot = self._plot(*[[1.0, 2.0]] * count)
        width = BOX.right - BOX.left - 16
        places = [BOX.left + 8 + width * n / max(count - 1, 1) for n in range(count)]
        assert [plot.x(point) for point in plot.tracks[0].points] == [round(place, 1) for place in places]

    def test_places_have_one_digit(self):
        plot = self._plot(*[[1.0, 2.0]] * 8)
        assert [plot.x(point) for point in plot.tracks[0].points][1:3] == [113.7, 161.4]

    @pytest.mark.parametrize(
        ("accept", "between"), [((0.0, 1.0), (0.0, 1.0)), ((None, 1.0), (None, 1.0)), ((0.0, None), (0.0, None))]
    )
    def test_the_band_is_the_accepted_region(self, accept, between):
        plot = self._plot([0.25, 0.75], accept=accept)
        low, high = (plot.low if between[0] is None else 0.0), (plot.high if between[1] is None else 1.0)
        assert plot.band == (plot.y(high), round(plot.y(low) - plot.y(high), 1))

    def test_each_platform_has_its_colour_and_says_how_many_reports_there_are(self):
        tracks = [track("a", 0.5, 0.25, platform=f"p{n}") for n in range(8)]
        page = history_page.render(tracks, 77, ["x.json is no report"])
        assert "1 claims in 77 reports" in page
        assert "x.json is no report" in page
        assert page.count("0.5 to 0.25") == 8
        for name, colour in zip("01234567", [*history_page.COLOURS, *history_page.COLOURS], strict=False):
            assert f'color:{colour}">p{name}<' in page
