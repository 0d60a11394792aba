"""What is written can be read back."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.report import amounts, spread
from podium.report.axes import Axis, span
from podium.types import ItemScore


@given(st.floats(1, 1e6))
def test_a_duration_read_back_is_within_its_rounding(seconds: float) -> None:
    read = amounts.read_limit(amounts.duration(seconds), unit="s")
    assert read is not None
    assert math.isclose(read, seconds, rel_tol=0.05, abs_tol=0.06)


@given(st.integers(1, 1 << 50))
def test_a_size_read_back_is_within_its_rounding(count_bytes: int) -> None:
    read = amounts.read_limit(amounts.size(count_bytes), unit="B")
    assert read is not None
    assert math.isclose(read, count_bytes, rel_tol=0.06)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0.0000"), (-0.25, "-0.2500"), (1.5, "1.5000"), (12345.678, "12,345.7"), (math.nan, "nan"), (2.0, "2")],
)
def test_numbers_have_four_places_and_counts_none(value: float, text: str) -> None:
    assert amounts.number(value) == text


@given(st.text(max_size=300), st.integers(3, 100))
def test_clipped_text_is_short_and_printable(text: str, most: int) -> None:
    clean = amounts.clipped(text, characters=most)
    assert len(clean) <= most
    assert all(each.isprintable() or each == "\n" for each in clean)


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 8))
def test_ticks_are_few_in_order_and_inside(low: float, width: float, about: int) -> None:
    ticks = Axis(low=low, high=low + width, first=0, last=100).ticks(about=about)
    assert len(ticks) <= about + 1
    positions = [tick.position for tick in ticks]
    assert positions == sorted(positions)
    assert all(0 <= position <= 100 for position in positions)


@given(st.lists(st.floats(-1e3, 1e3), min_size=3, max_size=60))
def test_every_score_is_in_one_bin(values: list[float]) -> None:
    low, high = span(tuple(values))
    counts = spread.count(values, low=low, high=high)
    assert sum(counts) == len(values)
    drawn = spread.draw([ItemScore(item=str(k), value=value) for k, value in enumerate(values)])
    assert drawn
    assert sum(int(bar.title.split(": ")[1]) for bar in drawn.bars) == len(values)


def test_too_few_scores_give_no_histogram() -> None:
    assert spread.draw([ItemScore(item="a", value=0.5), ItemScore(item="b", value=math.nan)]) is None
