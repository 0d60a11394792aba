"""The page of a ranking, and where scores against costs are drawn, worked by hand."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from podium.challenges import challenge
from podium.cli import call
from podium.errors import UsageError
from podium.report import ranking, scatter
from podium.types import Interval, Measure, Report, Score, Verdict

DAVIS = challenge("davis")
LIMITS = {"parameters": 50_000_000.0}


def point(cost: float, value: float, **more: float) -> scatter.Point:
    return scatter.Point(label="1", name="one", cost=cost, value=value, **more)  # type: ignore[arg-type]


def drawn(*points: scatter.Point, limit: float | None = None) -> scatter.Drawing:
    made = scatter.draw(points, x_label="parameters", y_label="mean IoU", limit=limit)
    assert made is not None
    return made


@pytest.fixture
def report(scored: Report) -> Callable[..., Report]:
    def make(name: str, value: float, costs: tuple[float | None, ...], *, half: float = 0.05) -> Report:
        measures = tuple(Measure(name=each, value=cost) for each, cost in zip(DAVIS.columns, costs, strict=False))
        interval = Interval(low=value - half, high=value + half, resamples=100, unit="9 clips")
        score = Score(value=value, metric="mean IoU", interval=interval, measures=measures)
        return replace(scored, challenge="davis", challenge_version="1", submission_name=name, score=score)

    return make


def test_equal_factors_are_equal_distances() -> None:
    made = drawn(point(1e6, 0.2), point(1e7, 0.4), point(1e8, 0.6))
    first, second, third = (each.x for each in made.dots)
    assert second - first == pytest.approx(third - second, abs=0.11)
    # an axis of 2 decades and 6 % of them on both sides, from 60 to 620
    assert first == pytest.approx(60 + 560 * 0.15 / 2.3, abs=0.06)
    assert [each.label for each in made.x_ticks] == ["1M", "2M", "5M", "10M", "20M", "50M", "100M"]


def test_scores_stand_on_an_axis_between_the_tenths_around_them() -> None:
    made = drawn(point(10, 0.25, low=0.21, high=0.3), point(100, 0.5))
    # 0.2 to 0.5, from 340 up to 26
    assert [each.y for each in made.dots] == [pytest.approx(340 - 314 / 6, abs=0.06), 26.0]
    x = made.dots[0].x
    assert made.dots[0].whisker == f"M{x - 4:.1f} 329.5h8M{x:.1f} 329.5V235.3M{x - 4:.1f} 235.3h8"
    assert made.dots[1].whisker == ""


def test_what_costs_nothing_has_a_place_of_its_own() -> None:
    made = drawn(point(0, 0.2), point(1e6, 0.5))
    assert made.zero == made.dots[0].x == 94.0
    assert made.dots[1].x > made.axis_break > 94.0
    assert drawn(point(1e6, 0.5)).zero is None


def test_the_limit_stands_at_its_cost_and_is_always_inside() -> None:
    made = drawn(point(1e6, 0.5), point(50_000_000, 0.6), limit=50_000_000)
    assert made.limit == made.dots[1].x
    assert made.limit_label == "limit 50M"
    assert "1 reaches it" in made.alt
    lone = drawn(point(10, 0.5), limit=50_000_000)
    assert lone.limit is not None
    assert lone.limit < lone.right
    assert "0 reach it" in lone.alt


def test_without_any_cost_there_is_nothing_to_draw() -> None:
    for costs in ((), (0.0,), (-1.0, math.nan, math.inf)):
        assert scatter.draw([point(each, 0.5) for each in costs], x_label="", y_label="", limit=5.0) is None


def test_names_that_find_no_room_give_way_to_ranks() -> None:
    few = drawn(point(10, 0.1), point(1_000, 0.9))
    assert [each.label for each in few.dots] == ["1 one", "1 one"]
    many = drawn(*(point(10 * 2**at, at / 20) for at in range(11)))
    assert {each.label for each in many.dots} == {"1"}


costs = st.just(0.0) | st.floats(1e-4, 1e12)


@settings(max_examples=30)
@given(st.lists(st.tuples(costs, st.floats(0, 1)), min_size=1, max_size=30))
def test_every_point_is_inside_and_the_axis_has_ticks(pairs: list[tuple[float, float]]) -> None:
    made = scatter.draw([point(*each) for each in pairs], x_label="", y_label="")
    if not any(cost for cost, _ in pairs):
        assert made is None
        return
    assert made is not None
    assert all(made.left <= each.x <= made.right for each in made.dots)
    assert all(made.top - 0.1 <= each.y <= made.bottom + 0.1 for each in made.dots)
    assert 1 <= len(made.x_ticks) <= 8
    assert [each.position for each in made.x_ticks] == sorted(each.position for each in made.x_ticks)


@settings(max_examples=30)
@given(costs, costs)
def test_dearer_is_never_further_left(one: float, other: float) -> None:
    ends = point(0.0, 0.0), point(1e-4, 0.1), point(1e12, 0.9)
    left, right = (drawn(point(each, 0.5), *ends).dots[0].x for each in sorted((one, other)))
    assert left <= right


def test_two_points_at_one_place_are_both_seen() -> None:
    made = drawn(point(1e6, 0.5), point(1e6, 0.5), point(1e6, 0.5))
    xs = sorted(each.x for each in made.dots)
    assert xs[1] - xs[0] >= 13
    assert xs[2] - xs[1] >= 13


def test_the_page_has_a_row_a_submission_and_a_plot_a_known_cost(report: Callable[..., Report], tmp_path: Path) -> None:
    reports = [
        report("small", 0.6, (4_300_000.0, 3.8e9)),
        report("starter", 0.2, (0.0, 0.0)),
        report("<b>huge</b>", 0.9, (63_000_000.0, None)),
        replace(report("crashed", 0.0, ()), verdict=Verdict.FAILED, score=None),
    ]
    page = ranking.write(reports, tmp_path / "deep" / "ranking.html", challenge=DAVIS, limits=LIMITS)
    text = page.read_text()
    rows = re.findall(r'<td class="n">(\d)</td><th scope="row">(.*?)</th><td class="n">([\d.]+)</td>', text)
    assert rows == [("1", "&lt;b&gt;huge&lt;/b&gt;", "0.9000"), ("2", "small", "0.6000"), ("3", "starter", "0.2000")]
    assert "3 scored submissions by mean IoU, higher is better. 1 without a score is left out." in text
    assert '<td class="n">4,300,000</td><td class="n">3,800,000,000</td>' in text
    assert re.findall(r"<h2>(.*?)</h2>", text) == [
        "Table",
        "mean IoU against parameters",
        "mean IoU against multiply-adds",
        "How sure the order is",
    ]
    assert text.count("limit 50M") == 1
    assert "1 submission is left out, of which this is not known." in text
    assert "<script" not in text
    assert "<b>huge" not in text


def test_the_twin_says_the_same(report: Callable[..., Report], tmp_path: Path) -> None:
    ranking.write([report("small", 0.5, (7.0, 8.0, 0.25))], tmp_path / "r.html", challenge=DAVIS)
    told = json.loads((tmp_path / "r.json").read_text())
    assert told["columns"] == list(DAVIS.columns)
    (row,) = told["rows"]
    assert (row["rank"], row["name"], row["value"], row["interval"]) == (1, "small", 0.5, [0.45, 0.55])
    assert row["columns"] == {"parameters": 7.0, "multiply-adds": 8.0, "seconds per frame": 0.25}


def test_a_challenge_without_columns_has_a_page_without_plots(scored: Report, tmp_path: Path) -> None:
    page = ranking.write([scored, scored], tmp_path / "r.html", challenge=challenge("vsc-descriptor"))
    text = page.read_text()
    assert "against" not in re.findall(r"<h2>(.*?)</h2>", text)
    assert text.count('<th scope="row">my_solution</th>') == 2


def test_reports_that_cannot_be_compared_and_other_names_are_refused(
    report: Callable[..., Report], scored: Report, tmp_path: Path
) -> None:
    with pytest.raises(UsageError, match="cannot be compared"):
        ranking.write([report("a", 0.5, ()), scored], tmp_path / "r.html", challenge=DAVIS)
    with pytest.raises(UsageError, match=r"must end in `\.html`"):
        ranking.write([], tmp_path / "r.txt", challenge=DAVIS)
    with pytest.raises(UsageError, match="no theme"):
        ranking.write([], tmp_path / "r.html", challenge=DAVIS, theme="sepia")


def test_the_command_writes_the_page_and_still_prints_the_table(
    report: Callable[..., Report], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in (("one", 0.4), ("two", 0.7)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(report(name, value, (1e6, 1e9, 0.1)).to_json())
    page = tmp_path / "ranking.html"
    assert call(["rank", str(tmp_path / "one"), str(tmp_path / "two"), "-o", str(page)]) == 0
    captured = capsys.readouterr()
    assert [line.split()[1] for line in captured.out.splitlines()[1:]] == ["two", "one"]
    assert f"wrote `{page}`" in captured.err.replace("\n", "")
    assert "mean IoU against seconds per frame" in page.read_text()


@pytest.mark.parametrize("cost", [5e-324, 1e-300, 1e300, 1.7e308, math.inf, math.nan])
def test_costs_beyond_counting_are_left_out_and_cost_nobody_the_page(cost: float) -> None:
    assert scatter.draw([point(cost, 0.5)], x_label="x", y_label="y", limit=5e7) is None
    assert len(drawn(point(cost, 0.5), point(1e9, 0.4), limit=5e7).dots) == 1
