"""An axis of a picture: from values to pixels, with ticks where a person would put them."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Tick:
    """A mark on an axis."""

    position: float
    label: str


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Values `low` to `high` laid from pixel `first` to pixel `last`."""

    low: float
    high: float
    first: float
    last: float

    def at(self, value: float) -> float:
        """The pixel of a value, kept inside the axis.

        >>> Axis(low=0, high=1, first=100, last=0).at(0.25)
        75.0
        """
        share = (value - self.low) / (self.high - self.low)
        return self.first + min(1.0, max(0.0, share)) * (self.last - self.first)

    def ticks(self, *, about: int) -> tuple[Tick, ...]:
        """Round values on the axis, near `about` of them.

        >>> [each.label for each in Axis(low=0, high=1, first=0, last=100).ticks(about=5)]
        ['0', '0.2', '0.4', '0.6', '0.8', '1']
        """
        step = _round_step((self.high - self.low) / about)
        places = max(0, -math.floor(math.log10(step) + 1e-9))
        first, last = math.ceil(self.low / step - 1e-9), math.floor(self.high / step + 1e-9)
        return tuple(Tick(position=self.at(k * step), label=_label(k * step, places)) for k in range(first, last + 1))


def span(values: tuple[float, ...]) -> tuple[float, float]:
    """Where an axis for these values should start and end: 0 to 1 when that holds them all.

    >>> span((0.2, 0.9)), span((3.0, 3.0)), span(())
    ((0.0, 1.0), (2.5, 3.5), (0.0, 1.0))
    """
    low, high = min(values, default=0.0), max(values, default=1.0)
    if low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return power * next(each for each in (1.0, 2.0, 5.0, 10.0) if each * power >= raw * (1 - 1e-9))


def _label(value: float, places: int) -> str:
    text = f"{value + 0.0:,.{places}f}"
    return "0" if float(text.replace(",", "")) == 0 else text.rstrip("0").rstrip(".") if places else text
