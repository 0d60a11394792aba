"""Bars: the score of each item with how sure it is, the worst and the best on the first screen, all in a strip."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from podium.report import amounts
from podium.report.axes import Axis, Tick, span
from podium.types import ItemScore

ENDS = 20
WIDTH, HEIGHT = 640, 232
_LEFT, _RIGHT, _TOP, _BOTTOM = 76.0, 624.0, 12.0, 180.0
_DOTS = 160
_MOST_COLUMNS = 548

Order = Literal["worst", "best", "name", "given"]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """An item as it is drawn: percent of the axis; `low` is None without an interval."""

    name: str
    note: str
    value: str
    length: float
    low: float | None
    width: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Group:
    """Bars one below the other."""

    title: str
    bars: tuple[Bar, ...]


@dataclass(frozen=True, kw_only=True)
class Dot:
    """An item in the strip."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Strip:
    """All items side by side, the worst on the left: whiskers as one path, values as a line with dots to point at."""

    whiskers: str
    points: str
    dots: tuple[Dot, ...]
    y_ticks: tuple[Tick, ...]
    mean_y: float
    alt: str
    caption: str
    left: float = _LEFT
    right: float = _RIGHT
    bottom: float = _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


@dataclass(frozen=True, kw_only=True)
class Chart:
    """The bars of a score.

    Attributes:
        groups: All items; of many, the worst and the best.
        strip: Every item; None where the groups show them all.
        ticks: Of the axis of the bars, in percent.
    """

    groups: tuple[Group, ...]
    strip: Strip | None
    ticks: tuple[Tick, ...]
    caption: str


def draw(items: Iterable[ItemScore], *, order: Order = "worst") -> Chart | None:
    """The bars, or None where no item has an interval.

    Args:
        items: Those whose value is not finite are left out.
        order: Of the bars where all of them fit; of more than 40 items the worst and the best are shown.
    """
    every = [each for each in items if math.isfinite(each.value)]
    if not any(each.interval for each in every):
        return None
    low, high = span(tuple(value for each in every for value in (0.0, *_reach(each))))
    axis = Axis(low=low, high=high, first=0, last=100)
    ranked = sorted(every, key=lambda each: (each.value, each.item))
    groups = _groups(every, ranked, axis, order)
    return Chart(
        groups=groups,
        strip=_strip(ranked) if len(ranked) > 2 * ENDS else None,
        ticks=axis.ticks(about=4),
        caption=_caption(every),
    )


def _groups(every: Sequence[ItemScore], ranked: Sequence[ItemScore], axis: Axis, order: Order) -> tuple[Group, ...]:
    if len(ranked) > 2 * ENDS:
        return (
            Group(title=f"The {ENDS} worst", bars=tuple(_bar(each, axis) for each in ranked[:ENDS])),
            Group(title=f"The {ENDS} best", bars=tuple(_bar(each, axis) for each in reversed(ranked[-ENDS:]))),
        )
    chosen = {
        "worst": list(ranked),
        "best": list(reversed(ranked)),
        "name": sorted(every, key=lambda each: each.item),
        "given": list(every),
    }[order]
    title = {"worst": "The worst first", "best": "The best first"}.get(order, "")
    return (Group(title=title, bars=tuple(_bar(each, axis) for each in chosen)),)


def _reach(item: ItemScore) -> tuple[float, ...]:
    if item.interval is None:
        return (item.value,)
    return tuple(each for each in (item.value, item.interval.low, item.interval.high) if math.isfinite(each))


def _bar(item: ItemScore, axis: Axis) -> Bar:
    low = width = None
    if item.interval is not None:
        low = round(axis.at(item.interval.low), 2)
        width = round(axis.at(item.interval.high) - low, 2)
    return Bar(
        name=item.item,
        note=item.note,
        value=f"{item.value:.3f}",
        length=round(axis.at(item.value), 2),
        low=low,
        width=width or 0.0,
        title=_title(item),
    )


def _title(item: ItemScore) -> str:
    words = f"{amounts.clipped(item.item, characters=60)}: {item.value:.3f}"
    if item.interval is not None:
        words += f" ({item.interval.low:.3f} to {item.interval.high:.3f})"
    return words


def _strip(ranked: Sequence[ItemScore]) -> Strip:
    low, high = span(tuple(value for each in ranked for value in _reach(each)))
    x_axis = Axis(low=0, high=max(1, len(ranked) - 1), first=_LEFT + 3, last=_RIGHT - 3)
    y_axis = Axis(low=low, high=high, first=_BOTTOM, last=_TOP)
    places = _spread(len(ranked), most=_MOST_COLUMNS)
    whiskers = "".join(
        f"M{x_axis.at(at):.1f} {y_axis.at(interval.low):.1f}V{y_axis.at(interval.high):.1f}"
        for at in places
        if (interval := ranked[at].interval) is not None
    )
    mean = math.fsum(each.value for each in ranked) / len(ranked)
    middle = ranked[len(ranked) // 2].value
    alt = f"{len(ranked):,} scores from {ranked[0].value:.3f} to {ranked[-1].value:.3f}, the middle one {middle:.3f}"
    left_out = len(ranked) - len(places)
    return Strip(
        whiskers=whiskers,
        points=" ".join(f"{x_axis.at(at):.1f},{y_axis.at(ranked[at].value):.1f}" for at in places),
        dots=tuple(
            Dot(x=round(x_axis.at(at), 1), y=round(y_axis.at(ranked[at].value), 1), title=_title(ranked[at]))
            for at in _spread(len(ranked), most=_DOTS)
        ),
        y_ticks=y_axis.ticks(about=4),
        mean_y=round(y_axis.at(mean), 1),
        alt=alt,
        caption=f"{alt}. The dashed line is their mean, {mean:.3f}."
        + (f" Drawn are {len(places):,} of them, evenly spread." if left_out else ""),
    )


def _spread(count: int, *, most: int) -> list[int]:
    """Evenly spread places, both ends among them.

    >>> _spread(5, most=3), _spread(2, most=9)
    ([0, 2, 4], [0, 1])
    """
    if count <= most:
        return list(range(count))
    return sorted({round(k * (count - 1) / (most - 1)) for k in range(most)})


def _caption(items: Sequence[ItemScore]) -> str:
    known = next(each.interval for each in items if each.interval)
    unit = f", bootstrap over {known.unit}" if known.unit else ""
    return f"Whiskers are {known.level * 100:g} % intervals{unit}."
