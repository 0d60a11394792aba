"""Scores against what they cost, as a drawing: a logarithmic axis with a place for zero, intervals, and a limit."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from podium.report import amounts
from podium.report.axes import Axis, Tick

WIDTH, HEIGHT = 640, 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 60.0, 620.0, 26.0, 340.0
_ZERO, _BREAK = 34.0, 72.0
_RADIUS = 6.0
_MOST_NAMES = 10
# Room for a character and a line of a label, as large as on a phone.
_CHARACTER, _LINE = 9.0, 18.0
_STEPS: tuple[tuple[float, ...], ...] = ((1, 2, 5), (1, 3), (1,))
_MOST_TICKS = 7
# Logarithms beyond these would leave the floats, and nothing costs so little or so much.
_LEAST, _MOST = 1e-100, 1e100
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


@dataclass(frozen=True, kw_only=True)
class Point:
    """A submission.

    Attributes:
        label: Its rank.
        cost: 0 and above.
        value: Its score.
        low: Where its interval begins; None without one.
        high: Where its interval ends.
    """

    label: str
    name: str
    cost: float
    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, kw_only=True)
class Dot:
    """A point as it is drawn; `whisker` is the path of its interval, or empty."""

    x: float
    y: float
    whisker: str
    label: str
    label_x: float
    label_y: float
    anchor: str
    title: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The plot.

    Attributes:
        zero: Where those that cost nothing stand; None where there are none.
        axis_break: Where the logarithmic part begins.
        limit: Where the limit is; None without one.
    """

    title: str
    alt: str
    x_label: str
    y_label: str
    dots: tuple[Dot, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    zero: float | None
    axis_break: float
    limit: float | None
    limit_label: str
    limit_anchor: str
    left: float = _LEFT
    right: float = _RIGHT
    top: float = _TOP
    bottom: float = _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def draw(points: Iterable[Point], *, x_label: str, y_label: str, limit: float | None = None) -> Drawing | None:
    """The plot, or None where no cost is above 0.

    Points that would hide each other are moved apart sideways.

    Args:
        points: Those whose cost is negative or beyond counting, or that have no finite score, are left out.
        x_label: Name of the cost.
        y_label: Name of the score.
        limit: Drawn as a line across the plot.
    """
    every = [each for each in points if _countable(each.cost) and math.isfinite(each.value)]
    costs = [each.cost for each in every if each.cost > 0]
    if not costs:
        return None
    free = any(each.cost == 0 for each in every)
    x_axis, x_ticks = _decades([*costs, limit] if limit else costs, first=_LEFT + _BREAK if free else _LEFT)
    y_axis = _fitted(every)
    limit_x = None if limit is None else round(x_axis.at(math.log10(limit)), 1)
    return Drawing(
        title=f"{y_label} against {x_label}",
        alt=_alt(every, x_label, y_label, limit),
        x_label=x_label,
        y_label=y_label,
        dots=_dots(every, x_axis, y_axis),
        x_ticks=x_ticks,
        y_ticks=y_axis.ticks(about=5),
        zero=_LEFT + _ZERO if free else None,
        axis_break=_LEFT + _BREAK - 12 if free else _LEFT,
        limit=limit_x,
        limit_label="" if limit is None else f"limit {compact(limit)}",
        limit_anchor="end" if limit_x is not None and limit_x > (_LEFT + _RIGHT) / 2 else "start",
    )


def _countable(cost: float) -> bool:
    return cost == 0 or _LEAST <= cost <= _MOST


def compact(value: float) -> str:
    """A number in few characters.

    >>> [compact(each) for each in (50_000_000, 1_230, 0.25, 3.0, 2.5e13)]
    ['50M', '1.23k', '0.25', '3', '25T']
    """
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g}{prefix}"
    return f"{value:.3g}"


def _decades(costs: Sequence[float], *, first: float) -> tuple[Axis, tuple[Tick, ...]]:
    """An axis of logarithms around the costs, a decade at least, with ticks at round costs."""
    low, high = math.log10(min(costs)), math.log10(max(costs))
    spare = max(0.15, 0.06 * (high - low), (1 - high + low) / 2)
    axis = Axis(low=low - spare, high=high + spare, first=first, last=_RIGHT)
    powers = range(math.floor(axis.low), math.ceil(axis.high) + 1)
    shown: list[float] = []
    for steps in _STEPS:
        values = [each * 10.0**power for power in powers for each in steps]
        shown = [each for each in values if axis.low <= math.log10(each) <= axis.high]
        if len(shown) <= _MOST_TICKS:
            break
    every = math.ceil(len(shown) / _MOST_TICKS)
    return axis, tuple(Tick(position=axis.at(math.log10(each)), label=compact(each)) for each in shown[::every])


def _fitted(points: Sequence[Point]) -> Axis:
    """An axis of scores that ends at tenths around them."""
    ends = [end for each in points for end in (each.value, each.low, each.high) if end is not None]
    known = [each for each in ends if math.isfinite(each)]
    low, high = math.floor(min(known) * 10 + 1e-9) / 10, math.ceil(max(known) * 10 - 1e-9) / 10
    if low == high:
        low, high = low - 0.1, high + 0.1
    return Axis(low=low, high=high, first=_BOTTOM, last=_TOP)


def _dots(points: Sequence[Point], x_axis: Axis, y_axis: Axis) -> tuple[Dot, ...]:
    places: list[tuple[float, float]] = []
    for each in points:
        x, y = _LEFT + _ZERO if each.cost == 0 else x_axis.at(math.log10(each.cost)), y_axis.at(each.value)
        places.append((_free(x, y, places), y))
    taken = [_Box(x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS) for x, y in places]
    dots: list[Dot] = []
    for each, (x, y) in zip(points, places, strict=True):
        label, box, anchor = _label(each, x, y, taken, named=len(points) <= _MOST_NAMES)
        taken.append(box)
        dots.append(
            Dot(
                x=round(x, 1),
                y=round(y, 1),
                whisker=_whisker(each, x, y_axis),
                label=label,
                label_x=round(box.left if anchor == "start" else box.right, 1),
                label_y=round(box.bottom - 4, 1),
                anchor=anchor,
                title=_title(each),
            )
        )
    return tuple(dots)


@dataclass(frozen=True)
class _Box:
    left: float
    top: float
    right: float
    bottom: float

    def hides(self, other: _Box) -> bool:
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)


def _label(
    point: Point, x: float, y: float, taken: Sequence[_Box], *, named: bool
) -> tuple[str, _Box, Literal["start", "end"]]:
    """What stands beside a point, and where it hides nothing; the rank alone where a name finds no room."""
    texts = [f"{point.label} {amounts.clipped(point.name, characters=18)}"] if named else []
    for text in (*texts, point.label):
        width = _CHARACTER * len(text)
        for shift in (0.0, -_LINE / 2, _LINE / 2):
            top, bottom = y - _LINE / 2 + shift, y + _LINE / 2 + shift
            right, left = _Box(x + 11, top, x + 11 + width, bottom), _Box(x - 11 - width, top, x - 11, bottom)
            if right.right <= _RIGHT + 4 and not any(map(right.hides, taken)):
                return text, right, "start"
            if left.left >= _LEFT and not any(map(left.hides, taken)):
                return text, left, "end"
    return point.label, _Box(x + 11, y - _LINE / 2, x + 11 + _CHARACTER * len(point.label), y + _LINE / 2), "start"


def _free(x: float, y: float, placed: Sequence[tuple[float, float]]) -> float:
    """The nearest place at the height of `y` that hides no other point."""
    step = 2 * _RADIUS + 2
    tries = (x + side * step * count for count in range(8) for side in (1, -1))
    free = (
        each
        for each in tries
        if _LEFT <= each <= _RIGHT
        and all(abs(each - other_x) >= step - 0.5 or abs(y - other_y) >= step - 0.5 for other_x, other_y in placed)
    )
    return next(free, x)


def _whisker(point: Point, x: float, y_axis: Axis) -> str:
    if point.low is None or point.high is None:
        return ""
    low, high = y_axis.at(point.low), y_axis.at(point.high)
    return f"M{x - 4:.1f} {low:.1f}h8M{x:.1f} {low:.1f}V{high:.1f}M{x - 4:.1f} {high:.1f}h8"


def _title(point: Point) -> str:
    words = f"{point.label}. {amounts.clipped(point.name, characters=60)}: {point.value:.4f}"
    if point.low is not None and point.high is not None:
        words += f" ({point.low:.4f} to {point.high:.4f})"
    return f"{words}, {compact(point.cost)}"


def _alt(points: Sequence[Point], x_label: str, y_label: str, limit: float | None) -> str:
    best = max(points, key=lambda each: each.value)
    words = (
        f"{y_label} against {x_label} of {len(points)} submission{'' if len(points) == 1 else 's'}; the highest "
        f"is {best.name} with {best.value:.4f} at {compact(best.cost)}"
    )
    if limit is not None:
        over = sum(each.cost >= limit for each in points)
        words += f"; the limit is {compact(limit)}, and {over} reach{'es' if over == 1 else ''} it"
    return words
