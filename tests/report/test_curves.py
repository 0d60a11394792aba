"""Where the points of a curve go, worked by hand."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from podium.report import curves
from podium.types import Curve


def pr(x: tuple[float, ...], y: tuple[float, ...], name: str = "PR") -> Curve:
    return Curve(name=name, x_label="recall", y_label="precision", x=x, y=y)


def test_three_points_land_where_a_ruler_puts_them() -> None:
    (drawing,) = curves.draw([pr((0.0, 0.5, 1.0), (1.0, 0.75, 0.25))])
    # 548 pixels wide from 76, 312 high from 16 down to 328
    assert drawing.lines[0].points == "76.0,16.0 350.0,94.0 624.0,250.0"
    assert drawing.lines[0].area == "76.0,328 76.0,16.0 350.0,94.0 624.0,250.0 624.0,328"
    assert [mark.title for mark in drawing.lines[0].marks] == [
        "recall 0, precision 1",
        "recall 0.5, precision 0.75",
        "recall 1, precision 0.25",
    ]


def test_ticks_are_round_and_stand_at_their_values() -> None:
    (drawing,) = curves.draw([pr((0.0, 1.0), (1.0, 0.0))])
    assert [(tick.label, round(tick.position, 1)) for tick in drawing.x_ticks] == [
        ("0", 76.0),
        ("0.2", 185.6),
        ("0.4", 295.2),
        ("0.6", 404.8),
        ("0.8", 514.4),
        ("1", 624.0),
    ]
    assert [tick.label for tick in drawing.y_ticks] == ["0", "0.2", "0.4", "0.6", "0.8", "1"]


def test_the_highest_f1_is_ringed_and_told() -> None:
    (drawing,) = curves.draw([pr((0.0, 0.5, 1.0), (1.0, 0.75, 0.25))])
    assert drawing.best
    assert (drawing.best.x, drawing.best.y) == (350.0, 94.0)
    assert drawing.caption == "Highest F1 0.6000, at recall 0.5000 and precision 0.7500 (ringed)."


def test_no_f1_is_told_where_the_axes_are_others_or_nothing_was_found() -> None:
    loss = Curve(name="loss", x_label="step", y_label="loss", x=(0.0, 10.0), y=(3.0, 1.0))
    for curve in (loss, pr((0.0, 1.0), (0.0, 0.0))):
        (drawing,) = curves.draw([curve])
        assert drawing.best is None
        assert drawing.caption == ""


def test_curves_of_the_same_axes_share_a_drawing() -> None:
    loss = Curve(name="loss", x_label="step", y_label="loss", x=(0.0, 10.0), y=(3.0, 1.0))
    drawings = curves.draw([pr((0.0,), (1.0,), "full"), loss, pr((1.0,), (0.5,), "subset")])
    assert [[line.name for line in drawing.lines] for drawing in drawings] == [["full", "subset"], ["loss"]]


def test_points_that_are_not_finite_and_empty_curves_are_left_out() -> None:
    assert curves.draw([pr((), ()), pr((math.nan,), (1.0,))]) == ()
    (drawing,) = curves.draw([pr((0.0, math.nan, 1.0), (1.0, 0.5, math.inf))])
    assert drawing.lines[0].points == "76.0,16.0"


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=400))
def test_thinning_keeps_the_ends_and_the_extremes_of_every_pixel_column(points: list[tuple[float, float]]) -> None:
    points.sort(key=lambda point: point[0])
    (drawing,) = curves.draw([pr(tuple(x for x, _ in points), tuple(y for _, y in points))])
    kept = [tuple(map(float, pair.split(","))) for pair in drawing.lines[0].points.split()]
    pixels = [(76 + 548 * x, 328 - 312 * y) for x, y in points]
    assert math.dist(kept[0], pixels[0]) < 0.11
    assert math.dist(kept[-1], pixels[-1]) < 0.11
    for column in {int(x) for x, _ in pixels}:
        here = [y for x, y in pixels if int(x) == column]
        shown = [y for x, y in kept if column - 0.06 <= x <= column + 1.06]
        assert min(shown) <= min(here) + 0.06
        assert max(shown) >= max(here) - 0.06


def test_a_long_curve_becomes_a_short_one() -> None:
    many = 200_000
    x = tuple(k / many for k in range(many))
    (drawing,) = curves.draw([pr(x, tuple(k % 7 / 7 for k in range(many)))])
    assert len(drawing.lines[0].points.split()) <= 4 * 549
    assert len(drawing.lines[0].marks) == 24
