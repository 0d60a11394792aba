"""The bars of items: by hand, and on the page."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.report import bars, render
from podium.types import DataSet, Interval, ItemScore, Report


def item(name: str, value: float, low: float | None = None, high: float = 1.0) -> ItemScore:
    interval = None if low is None else Interval(low=low, high=high, unit="9 videos")
    return ItemScore(item=name, value=value, note=f"note of {name}", interval=interval)


def many(count: int) -> list[ItemScore]:
    return [item(f"{at:04}", at / count, max(0.0, at / count - 0.1), at / count) for at in range(count)]


def test_a_bar_and_its_whisker_land_where_a_ruler_puts_them() -> None:
    chart = bars.draw([item("duck", 0.5, 0.25, 0.875)])
    assert chart
    (group,) = chart.groups
    (bar,) = group.bars
    assert (bar.length, bar.low, bar.width) == (50, 25, 62.5)
    assert (bar.value, bar.title) == ("0.500", "duck: 0.500 (0.250 to 0.875)")
    assert [(tick.label, tick.position) for tick in chart.ticks] == [("0", 0), ("0.5", 50), ("1", 100)]
    assert chart.caption == "Whiskers are 95 % intervals, bootstrap over 9 videos."
    assert chart.strip is None


def test_without_any_interval_there_are_no_bars() -> None:
    assert bars.draw([]) is None
    assert bars.draw([item("duck", 0.5), item("goose", 0.2)]) is None


def test_an_item_without_an_interval_has_no_whisker_and_one_without_a_number_no_bar() -> None:
    chart = bars.draw([item("duck", 0.5, 0.1), item("goose", 0.2), item("swan", float("nan"), 0.1)])
    assert chart
    assert [(bar.name, bar.low) for bar in chart.groups[0].bars] == [("goose", None), ("duck", 10)]


@pytest.mark.parametrize(("order", "names"), [("worst", "bca"), ("best", "acb"), ("name", "abc"), ("given", "cab")])
def test_few_items_stand_in_the_order_of_choice(order: bars.Order, names: str) -> None:
    chart = bars.draw([item("c", 0.3, 0.1), item("a", 0.9, 0.1), item("b", 0.1, 0.1)], order=order)
    assert chart
    assert "".join(bar.name for bar in chart.groups[0].bars) == names


def test_of_a_thousand_the_worst_and_the_best_are_shown_and_all_are_in_the_strip() -> None:
    chart = bars.draw(many(1_000))
    assert chart
    assert [group.title for group in chart.groups] == ["The 20 worst", "The 20 best"]
    assert [bar.name for bar in chart.groups[0].bars] == [f"{at:04}" for at in range(20)]
    assert [bar.name for bar in chart.groups[1].bars] == [f"{at:04}" for at in range(999, 979, -1)]
    assert chart.strip
    assert chart.strip.alt == "1,000 scores from 0.000 to 0.999, the middle one 0.500"
    assert chart.strip.caption.endswith("mean, 0.499. Drawn are 548 of them, evenly spread.")
    points = [tuple(map(float, each.split(","))) for each in chart.strip.points.split()]
    assert points[0] == (79.0, 180.0)
    assert points[-1] == (621.0, pytest.approx(180 - 0.999 * 168, abs=0.06))
    assert chart.strip.whiskers.count("M") == 548
    assert len(chart.strip.dots) == 160


def test_values_beyond_one_get_an_axis_that_holds_them() -> None:
    chart = bars.draw([item("a", 4.0, 2.0, 5.0), item("b", -1.0)])
    assert chart
    first, second = chart.groups[0].bars
    assert (first.length, second.length) == (0, pytest.approx(83.33))


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=120))
def test_nothing_leaves_the_drawing(rows: list[tuple[float, float, float]]) -> None:
    chart = bars.draw(item(f"{at}", value, *sorted((one, other))) for at, (value, one, other) in enumerate(rows))
    assert chart
    for bar in (bar for group in chart.groups for bar in group.bars):
        assert bar.low is not None
        assert 0 <= bar.low <= bar.low + bar.width <= 100.001
        assert 0 <= bar.length <= 100
    assert (chart.strip is None) == (len(rows) <= 40)
    assert sum(len(group.bars) for group in chart.groups) == min(40, len(rows))


def test_a_score_whose_items_have_intervals_shows_bars_and_others_are_as_before(scored: Report, data: DataSet) -> None:
    assert scored.score
    before = render(scored, data=data)
    assert 'class="bars' not in before
    assert 'class="chart spread"' in before
    text = render(replace(scored, score=replace(scored.score, per_item=tuple(many(1_000)))), data=None)
    assert '<div class="bars two">' in text
    assert 'class="chart spread"' not in text
    assert text.count('<tr><th scope="row">0') == 1_000
    assert "0.400 – 0.500" in text
    assert len(text) < 500_000


def test_a_name_is_no_markup(scored: Report) -> None:
    assert scored.score
    wild = (item('<b>"', 0.5, 0.1),)
    text = render(replace(scored, score=replace(scored.score, per_item=wild)), data=None)
    assert "<b><b>" not in text
    assert 'title="<b>' not in text
