"""What a run used, against what it was allowed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from podium.report.amounts import duration, read_limit, size
from podium.types import Control, Run


@dataclass(frozen=True, kw_only=True)
class Meter:
    """One bar. `share` is of the limit, None when there is no limit to compare with."""

    name: str
    used: str
    limit: str
    share: float | None

    @property
    def percent(self) -> str:
        """The share as words.

        >>> Meter(name="Memory", used="1 B", limit="1 GiB", share=1e-9).percent
        'under 1 %'
        """
        if self.share is None:
            return ""
        return "under 1 %" if 0 < self.share < 0.01 else f"{self.share:.0%}".replace("%", " %")

    @property
    def level(self) -> str:
        """How near the limit: `fine`, `near` or `over`."""
        if self.share is None or self.share < 0.8:
            return "fine"
        return "near" if self.share < 1 else "over"


@dataclass(frozen=True, kw_only=True)
class _Quantity:
    name: str
    used: float | None
    words: tuple[str, ...]
    unit: str


def meters(run: Run) -> tuple[Meter, ...]:
    """Bars for wall time, CPU time, memory, processes, what was written, outputs and log.

    A limit is the amount that the words of the control of that name ask for.
    """
    usage = run.usage
    outputs = float(sum(each.size_bytes for each in run.outputs)) if run.outputs else None
    quantities = (
        _Quantity(name="Wall time", used=usage.wall_seconds, words=("wall",), unit="s"),
        _Quantity(name="CPU time", used=usage.cpu_seconds, words=("cpu time", "cpu seconds", "cpu_seconds"), unit="s"),
        _Quantity(name="Memory, peak", used=_float(usage.peak_memory_bytes), words=("memory",), unit="B"),
        _Quantity(name="Processes, peak", used=_float(usage.peak_processes), words=("process",), unit=""),
        _Quantity(name="Written", used=_float(usage.written_bytes), words=("scratch", "disk", "written"), unit="B"),
        _Quantity(name="Output", used=outputs, words=("output",), unit="B"),
        _Quantity(name="Log", used=float(usage.log_bytes), words=("log",), unit="B"),
    )
    return tuple(_meter(each, run.controls) for each in quantities if each.used is not None)


def _float(value: int | None) -> float | None:
    return None if value is None else float(value)


def _meter(quantity: _Quantity, controls: Iterable[Control]) -> Meter:
    used = quantity.used or 0.0
    asked = [each.asked for each in controls if any(word in each.name.lower() for word in quantity.words)]
    limit = next(filter(None, (read_limit(each, unit=quantity.unit) for each in asked)), None)
    return Meter(
        name=quantity.name,
        used=_text(used, quantity.unit),
        limit=(asked[0] if asked else "no limit known") if limit is None else _text(limit, quantity.unit),
        share=None if limit is None else used / limit,
    )


def _text(value: float, unit: str) -> str:
    if unit == "s":
        return duration(value)
    return size(value) if unit == "B" else f"{value:,.0f}"
