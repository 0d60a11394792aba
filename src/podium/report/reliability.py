"""The reliability diagram: how often predictions come true against how sure they were."""

from __future__ import annotations

from dataclasses import dataclass

from podium.metrics.reliability import Reliability
from podium.report.axes import Axis, Tick

WIDTH, HEIGHT = 460, 486
_LEFT, _RIGHT, _TOP, _BOTTOM = 62.0, 446.0, 12.0, 316.0
_BARS_TOP, _BARS_BOTTOM = 340.0, 420.0


@dataclass(frozen=True, kw_only=True)
class Point:
    """A bin: its point, its interval from `y_low` (the lower end) to `y_high`, and its bar of counts."""

    x: float
    y: float
    y_low: float
    y_high: float
    bar_x: float
    bar_y: float
    bar_width: float
    bar_height: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A bin in the table."""

    extent: str
    count: str
    confidence: str
    share: str
    interval: str


@dataclass(frozen=True, kw_only=True)
class Diagram:
    """The drawing, and the table that says the same."""

    points: tuple[Point, ...]
    line: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    most: str
    alt: str
    caption: str
    rows: tuple[Row, ...]
    left: float = _LEFT
    right: float = _RIGHT
    top: float = _TOP
    bottom: float = _BOTTOM
    bars_top: float = _BARS_TOP
    bars_bottom: float = _BARS_BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def draw(found: Reliability) -> Diagram:
    """The diagram of some probabilities."""
    x_axis = Axis(low=0, high=1, first=_LEFT, last=_RIGHT)
    y_axis = Axis(low=0, high=1, first=_BOTTOM, last=_TOP)
    most = int(found.count_B.max())
    count_axis = Axis(low=0, high=most, first=_BARS_BOTTOM, last=_BARS_TOP)
    points = tuple(_point(found, at, x_axis, y_axis, count_axis) for at in range(len(found.count_B)))
    error, brier, total = found.expected_calibration_error, found.brier_score, int(found.count_B.sum())
    return Diagram(
        points=points,
        line=" ".join(f"{each.x},{each.y}" for each in points),
        x_ticks=x_axis.ticks(about=5),
        y_ticks=y_axis.ticks(about=5),
        most=f"{most:,}",
        alt=f"Reliability of {total:,} probabilities in {len(points)} bins; calibration error {error:.4f}",
        caption=f"On the dashed line predictions keep their word; below it less comes true than they say, above more. "
        f"Expected calibration error {error:.4f}, Brier score {brier:.4f}. Whiskers are 95 % Wilson intervals.",
        rows=tuple(_row(found, at) for at in range(len(found.count_B))),
    )


def _point(found: Reliability, at: int, x_axis: Axis, y_axis: Axis, count_axis: Axis) -> Point:
    start, end = x_axis.at(float(found.low_B[at])), x_axis.at(float(found.high_B[at]))
    top = count_axis.at(int(found.count_B[at]))
    row = _row(found, at)
    return Point(
        x=round(x_axis.at(float(found.confidence_B[at])), 1),
        y=round(y_axis.at(float(found.share_B[at])), 1),
        y_low=round(y_axis.at(float(found.share_low_B[at])), 1),
        y_high=round(y_axis.at(float(found.share_high_B[at])), 1),
        bar_x=round(start + 0.75, 1),
        bar_y=round(top, 1),
        bar_width=round(max(1.0, end - start - 1.5), 1),
        bar_height=round(_BARS_BOTTOM - top, 1),
        title=f"{row.extent}: {row.count} predictions, mean {row.confidence}, {row.share} are right ({row.interval})",
    )


def _row(found: Reliability, at: int) -> Row:
    return Row(
        extent=f"{found.low_B[at]:.3g} to {found.high_B[at]:.3g}",
        count=f"{found.count_B[at]:,}",
        confidence=f"{found.confidence_B[at]:.3f}",
        share=f"{found.share_B[at]:.3f}",
        interval=f"{found.share_low_B[at]:.3f} – {found.share_high_B[at]:.3f}",
    )
