"""Where the points of a reliability diagram go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from podium.metrics.reliability import reliability as measured
from podium.report import reliability


def test_two_bins_land_where_a_ruler_puts_them() -> None:
    found = measured(np.array([0.25, 0.25, 0.75, 0.75, 0.75, 0.75]), np.array([0, 1, 1, 1, 1, 1], bool), bins=2)
    drawing = reliability.draw(found)
    # 384 pixels wide from 62, 304 high from 12 down to 316; counts 80 high down to 420.
    first, second = drawing.points
    assert (first.x, first.y) == (158.0, 164.0)
    assert (second.x, second.y) == (350.0, 12.0)
    assert second.y_high == 12.0
    assert second.y_low == pytest.approx(316 - 304 * 0.5101, abs=0.1)
    assert (second.bar_y, second.bar_height) == (340.0, 80.0)
    assert (first.bar_y, first.bar_height) == (380.0, 40.0)
    assert (first.bar_x, first.bar_width) == (62.8, 190.5)
    assert drawing.most == "4"
    assert drawing.rows[1].share == "1.000"
    assert drawing.rows[0].extent == "0 to 0.5"
    assert "Expected calibration error 0.2500" in drawing.caption


@given(st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=80), st.sampled_from(["width", "mass"]))
def test_nothing_leaves_the_drawing(pairs: list[tuple[float, bool]], by) -> None:
    found = measured(np.array([p for p, _ in pairs]), np.array([right for _, right in pairs]), by=by)
    drawing = reliability.draw(found)
    assert len(drawing.rows) == len(drawing.points) == len(found.count_B)
    for point in drawing.points:
        assert 12 <= point.y_high <= point.y <= point.y_low <= 316
        assert 62 <= point.x <= 446
        assert 340 <= point.bar_y <= 420
        assert point.bar_x + point.bar_width <= 448
