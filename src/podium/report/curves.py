"""Curves as drawings: where each line, point and tick of the SVG goes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from podium.report.axes import Axis, Tick, span
from podium.types import Curve

WIDTH, HEIGHT = 640, 380
_LEFT, _RIGHT, _TOP, _BOTTOM = 76, 624, 16, 328
_MARKS = 24


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point that tells its values when it is pointed at."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Line:
    """One curve: its name, the points of the polyline, and marks on it."""

    name: str
    points: str
    area: str
    marks: tuple[Mark, ...]


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """All curves that share two axes."""

    title: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    lines: tuple[Line, ...]
    best: Mark | None
    caption: str
    left: int = _LEFT
    right: int = _RIGHT
    top: int = _TOP
    bottom: int = _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def draw(curves: Iterable[Curve], *, fitted: bool = False) -> tuple[Drawing, ...]:
    """One drawing for each pair of axis labels, in the order of the curves.

    Args:
        curves: x and y of one length; points that are not finite are left out.
        fitted: Values between 0 and 1 get an axis from 0 to the highest of them, not to 1.
    """
    groups: dict[tuple[str, str], list[Curve]] = {}
    for curve in curves:
        if _points(curve):
            groups.setdefault((curve.x_label, curve.y_label), []).append(curve)
    return tuple(_drawing(group, fitted=fitted) for group in groups.values())


def _points(curve: Curve) -> list[tuple[float, float]]:
    return [(x, y) for x, y in zip(curve.x, curve.y, strict=False) if math.isfinite(x) and math.isfinite(y)]


def _drawing(curves: list[Curve], *, fitted: bool) -> Drawing:
    first = curves[0]
    every = [point for curve in curves for point in _points(curve)]
    x_low, x_high = span(tuple(x for x, _ in every))
    y_low, y_high = span(tuple(y for _, y in every))
    if fitted and y_low >= 0:
        y_low, y_high = 0.0, max(y for _, y in every) or 1.0
    x_axis = Axis(low=x_low, high=x_high, first=_LEFT, last=_RIGHT)
    y_axis = Axis(low=y_low, high=y_high, first=_BOTTOM, last=_TOP)
    best, caption = _best_balance(first, x_axis, y_axis) if len(curves) == 1 else (None, "")
    return Drawing(
        title=first.name if len(curves) == 1 else f"{first.y_label} over {first.x_label}".capitalize(),
        x_label=first.x_label,
        y_label=first.y_label,
        x_ticks=x_axis.ticks(about=5),
        y_ticks=y_axis.ticks(about=5),
        lines=tuple(_line(curve, x_axis, y_axis) for curve in curves),
        best=best,
        caption=caption,
    )


def _line(curve: Curve, x_axis: Axis, y_axis: Axis) -> Line:
    points = _points(curve)
    pixels = _thin([(x_axis.at(x), y_axis.at(y)) for x, y in points])
    text = " ".join(f"{x:.1f},{y:.1f}" for x, y in pixels)
    shown = sorted({round(k * (len(points) - 1) / (_MARKS - 1)) for k in range(_MARKS)})
    marks = tuple(
        Mark(
            x=round(x_axis.at(x), 1),
            y=round(y_axis.at(y), 1),
            title=f"{curve.x_label} {x:.4g}, {curve.y_label} {y:.4g}",
        )
        for x, y in (points[k] for k in shown)
    )
    area = f"{pixels[0][0]:.1f},{_BOTTOM} {text} {pixels[-1][0]:.1f},{_BOTTOM}"
    return Line(name=curve.name, points=text, area=area, marks=marks)


def _thin(pixels: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """At most the first, lowest, highest and last point of each pixel column: looks the same, and is short."""
    kept: list[tuple[float, float]] = []
    start = 0
    for end in range(1, len(pixels) + 1):
        if end < len(pixels) and int(pixels[end][0]) == int(pixels[start][0]):
            continue
        column = range(start, end)
        chosen = {start, end - 1, min(column, key=lambda k: pixels[k][1]), max(column, key=lambda k: pixels[k][1])}
        kept += [pixels[k] for k in sorted(chosen)]
        start = end
    return kept


def _best_balance(curve: Curve, x_axis: Axis, y_axis: Axis) -> tuple[Mark | None, str]:
    """The point of highest F1, where the axes are recall and precision."""
    if (curve.x_label.lower(), curve.y_label.lower()) != ("recall", "precision"):
        return None, ""
    recall, precision = max(_points(curve), key=lambda point: _f1(*point))
    best = _f1(recall, precision)
    if best <= 0:
        return None, ""
    mark = Mark(x=round(x_axis.at(recall), 1), y=round(y_axis.at(precision), 1), title=f"highest F1 {best:.4f}")
    return mark, f"Highest F1 {best:.4f}, at recall {recall:.4f} and precision {precision:.4f} (ringed)."


def _f1(recall: float, precision: float) -> float:
    return 2 * recall * precision / (recall + precision) if recall + precision > 0 else 0.0
