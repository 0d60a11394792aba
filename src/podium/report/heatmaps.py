"""The map of a pair's similarities, as a small picture with axes.

Shapes: Q query steps, R reference steps, C colour channels.
"""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from podium.report.amounts import moment
from podium.report.axes import Axis, Tick
from podium.types import Clip, Exhibit

_MOST_STEPS = 96
_PLOT_WIDTH, _PLOT_HEIGHT = 240.0, 220.0
_LEFT, _TOP = 48.0, 10.0
_HOT_SHARE = 0.7
# Dark to light, so that it reads in grey and to colour-blind eyes.
_RAMP = (
    (0.0, (22, 24, 54)),
    (0.25, (84, 36, 116)),
    (0.5, (176, 56, 104)),
    (0.75, (238, 128, 62)),
    (1.0, (252, 236, 172)),
)
RAMP_CSS = ", ".join(f"rgb{color} {stop:.0%}" for stop, color in _RAMP)
_MISSING = (128, 128, 128)

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle in the SVG."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class HeatMap:
    """Where the picture, its ticks and its hot cells go in the SVG."""

    uri: str
    alt: str
    low: str
    high: str
    x: float
    y: float
    plot_width: float
    plot_height: float
    width: float
    height: float
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str
    path: tuple[tuple[float, float], ...]
    peak: tuple[float, float]
    window: Box | None


@dataclass(frozen=True, kw_only=True)
class _Side:
    """One side of a map: where it starts and ends, in seconds when the times of its steps are known."""

    name: str
    clip: Clip
    low: float
    high: float
    timed: bool

    def axis(self, first: float, last: float) -> Axis:
        return Axis(low=self.low, high=self.high, first=first, last=last)

    @property
    def label(self) -> str:
        return f"{self.name}, seconds" if self.timed else f"{self.name}, steps"

    def words(self, share: float) -> str:
        place = self.low + share * (self.high - self.low)
        return f"{moment(place)} of the {self.name}" if self.timed else f"step {int(place) + 1} of the {self.name}"


def draw(
    exhibit: Exhibit, *, query_seconds: tuple[float, ...] = (), reference_seconds: tuple[float, ...] = ()
) -> HeatMap | None:
    """The map of an exhibit, or None when it has none that can be drawn.

    Args:
        exhibit: Its map may have any size; a large one is made smaller and keeps its hottest cells.
        query_seconds: The time of each row; without them the axis counts steps.
        reference_seconds: The time of each column.
    """
    map_QR = _finite(exhibit.similarity_map)
    if map_QR is None:
        return None
    map_QR, query = _on_clock(map_QR, query_seconds, exhibit.query, name="query")
    map_RQ, reference = _on_clock(map_QR.T, reference_seconds, exhibit.reference, name="reference")
    map_QR = _smaller(map_RQ.T)
    rows, columns = map_QR.shape
    cell = min(_PLOT_WIDTH / columns, _PLOT_HEIGHT / rows)
    plot_width, plot_height = max(72.0, cell * columns), max(72.0, cell * rows)
    x_axis = reference.axis(_LEFT, _LEFT + plot_width)
    y_axis = query.axis(_TOP, _TOP + plot_height)
    low, high = float(np.nanmin(map_QR)), float(np.nanmax(map_QR))
    peak_row, peak_column = (int(each) for each in np.unravel_index(int(np.nanargmax(map_QR)), map_QR.shape))

    def center(row: int, column: int) -> tuple[float, float]:
        x, y = (column + 0.5) * plot_width / columns, (row + 0.5) * plot_height / rows
        return round(_LEFT + x, 1), round(_TOP + y, 1)

    where = f"{query.words((peak_row + 0.5) / rows)} and {reference.words((peak_column + 0.5) / columns)}"
    between = f"{exhibit.query.item} and {exhibit.reference.item}"
    return HeatMap(
        uri=_png_uri(map_QR, low, high),
        alt=f"Similarity of {between} over time, {low:.2f} to {high:.2f}; highest at {where}",
        low=f"{low:.2f}",
        high=f"{high:.2f}",
        x=_LEFT,
        y=_TOP,
        plot_width=round(plot_width, 1),
        plot_height=round(plot_height, 1),
        width=round(_LEFT + plot_width + 14, 1),
        height=round(_TOP + plot_height + 42, 1),
        x_ticks=x_axis.ticks(about=max(2, round(plot_width / 48))),
        y_ticks=y_axis.ticks(about=max(2, round(plot_height / 40))),
        x_label=reference.label,
        y_label=query.label,
        path=tuple(center(row, column) for row, column in _hot_path(map_QR, low, high)),
        peak=center(peak_row, peak_column),
        window=_window(query, y_axis, reference, x_axis),
    )


def _finite(rows: tuple[tuple[float, ...], ...]) -> Floats | None:
    """The map as an array, what is not finite as NaN; None where nothing is left."""
    if not rows or not rows[0] or any(len(row) != len(rows[0]) for row in rows):
        return None
    map_QR = np.asarray(rows, dtype=np.float64)
    map_QR[~np.isfinite(map_QR)] = np.nan
    return None if np.isnan(map_QR).all() else map_QR


def _on_clock(map_QR: Floats, seconds: tuple[float, ...], clip: Clip, *, name: str) -> tuple[Floats, _Side]:
    """The map with its first axis on even steps of time: the highest of the rows of a step, else the nearest row."""
    steps = len(map_QR)
    times_Q = np.asarray(seconds, dtype=np.float64)
    if len(times_Q) != steps or steps < 2 or not np.isfinite(times_Q).all() or np.ptp(times_Q) == 0:
        return map_QR, _Side(name=name, clip=clip, low=0.0, high=float(steps), timed=False)
    half = float(np.ptp(times_Q)) / (steps - 1) / 2
    low, high = max(0.0, float(times_Q.min()) - half), float(times_Q.max()) + half
    filled_QR = np.where(np.isnan(map_QR), np.nanmin(map_QR), map_QR)
    edges = np.linspace(low, high, steps + 1)
    even_QR = np.empty_like(map_QR)
    for step in range(steps):
        inside_Q = (times_Q >= edges[step]) & (times_Q < edges[step + 1])
        nearest = int(np.abs(times_Q - (edges[step] + edges[step + 1]) / 2).argmin())
        even_QR[step] = filled_QR[inside_Q].max(axis=0) if inside_Q.sum() > 1 else map_QR[nearest]
    return even_QR, _Side(name=name, clip=clip, low=low, high=high, timed=True)


def _smaller(map_QR: Floats) -> Floats:
    """The map with at most `_MOST_STEPS` a side, the highest of each block."""
    if max(map_QR.shape) <= _MOST_STEPS:
        return map_QR
    made_QR = np.where(np.isnan(map_QR), np.nanmin(map_QR), map_QR)
    for axis in (0, 1):
        steps = made_QR.shape[axis]
        if steps > _MOST_STEPS:
            starts = [k * steps // _MOST_STEPS for k in range(_MOST_STEPS)]
            made_QR = np.maximum.reduceat(made_QR, starts, axis=axis)
    return made_QR


def _window(query: _Side, y_axis: Axis, reference: _Side, x_axis: Axis) -> Box | None:
    """What the strips show of the map, where it is known and is not nearly all of it."""
    ends = (reference.clip.start_seconds, reference.clip.end_seconds, query.clip.start_seconds, query.clip.end_seconds)
    left, right, top, bottom = ends
    if not (query.timed and reference.timed) or left is None or right is None or top is None or bottom is None:
        return None
    x, y = x_axis.at(left), y_axis.at(top)
    width, height = x_axis.at(right) - x, y_axis.at(bottom) - y
    whole = (x_axis.last - x_axis.first) * (y_axis.last - y_axis.first)
    if width <= 0 or height <= 0 or width * height > 0.95 * whole:
        return None
    return Box(x=round(x, 1), y=round(y, 1), width=round(width, 1), height=round(height, 1))


def _hot_path(map_QR: Floats, low: float, high: float) -> list[tuple[int, int]]:
    """The best reference step of each query step, where it is hot at all."""
    if high <= low:
        return []
    filled_QR = np.where(np.isnan(map_QR), low, map_QR)
    best_Q = filled_QR.argmax(axis=1)
    hot_Q = filled_QR.max(axis=1) >= low + _HOT_SHARE * (high - low)
    return [(int(row), int(best_Q[row])) for row in np.flatnonzero(hot_Q)]


def colors(shares: Floats) -> NDArray[np.uint8]:
    """The colour of each share (0 is the lowest similarity, 1 the highest), as (..., 3) bytes.

    >>> colors(np.array([0.0, 1.0])).tolist()
    [[22, 24, 54], [252, 236, 172]]
    """
    stops = [stop for stop, _ in _RAMP]
    channels = [np.interp(shares, stops, [color[channel] for _, color in _RAMP]) for channel in range(3)]
    return np.stack(channels, axis=-1).round().astype(np.uint8)


def _png_uri(map_QR: Floats, low: float, high: float) -> str:
    from PIL import Image

    shares_QR = (map_QR - low) / (high - low) if high > low else np.zeros_like(map_QR)
    shades_QR = np.where(np.isnan(map_QR), 255, np.nan_to_num(shares_QR) * 254).round().astype(np.uint8)
    picture = Image.frombytes("P", (map_QR.shape[1], map_QR.shape[0]), shades_QR.tobytes())
    picture.putpalette([*colors(np.linspace(0, 1, 255)).ravel().tolist(), *_MISSING])
    packed = io.BytesIO()
    picture.save(packed, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()
