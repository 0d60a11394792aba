"""How the scores of the items spread: a small histogram."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from podium.report.axes import Axis, Tick, span
from podium.types import ItemScore

BINS = 10
_LEFT, _RIGHT, _TOP, _BOTTOM = 76.0, 624.0, 12.0, 132.0


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bin and its rectangle."""

    x: float
    y: float
    width: float
    height: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Histogram:
    """Bars, and the ticks below and beside them."""

    bars: tuple[Bar, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    alt: str
    left: float = _LEFT
    right: float = _RIGHT
    bottom: float = _BOTTOM


def count(values: Iterable[float], *, low: float, high: float) -> tuple[int, ...]:
    """How many values fall into each of ten equal bins; the highest value belongs to the last.

    >>> count([0.0, 0.05, 0.95, 1.0], low=0.0, high=1.0)
    (2, 0, 0, 0, 0, 0, 0, 0, 0, 2)
    """
    counts = [0] * BINS
    for value in values:
        share = (value - low) / (high - low)
        counts[min(BINS - 1, math.floor(share * BINS + 1e-9))] += 1
    return tuple(counts)


def draw(items: Iterable[ItemScore]) -> Histogram | None:
    """The histogram, or None where there are fewer than three finite scores."""
    values = tuple(each.value for each in items if math.isfinite(each.value))
    if len(values) < 3:
        return None
    low, high = span(values)
    counts = count(values, low=low, high=high)
    x_axis = Axis(low=low, high=high, first=_LEFT, last=_RIGHT)
    y_axis = Axis(low=0, high=max(counts), first=_BOTTOM, last=_TOP)
    ends = [low + k * (high - low) / BINS for k in range(BINS + 1)]
    bars = tuple(
        Bar(
            x=round(x_axis.at(ends[k]) + 1.5, 1),
            y=round(y_axis.at(counts[k]), 1),
            width=round(x_axis.at(ends[k + 1]) - x_axis.at(ends[k]) - 3, 1),
            height=round(_BOTTOM - y_axis.at(counts[k]), 1),
            title=f"{ends[k]:.3g} to {ends[k + 1]:.3g}: {counts[k]:,}",
        )
        for k in range(BINS)
        if counts[k]
    )
    whole = tuple(tick for tick in y_axis.ticks(about=3) if "." not in tick.label)
    middle = sorted(values)[len(values) // 2]
    extent = f"{len(values):,} scores from {min(values):.4g} to {max(values):.4g}"
    alt = f"Histogram of {extent}; the middle one is {middle:.4g}"
    return Histogram(bars=bars, x_ticks=x_axis.ticks(about=5), y_ticks=whole, alt=alt)
