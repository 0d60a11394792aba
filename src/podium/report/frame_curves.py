"""Values of a sequence over its frames, as a drawing: one line a measure, broken where a frame has no value."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from podium.report.amounts import clipped
from podium.report.axes import Axis, Tick
from podium.types import MaskedFrame, MaskedSequence

WIDTH, HEIGHT = 640, 300
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 628.0, 14.0, 250.0
_MOST_POINTS = 1_200
_MOST_TICKS = 7


@dataclass(frozen=True, kw_only=True)
class Line:
    """One measure: the runs of frames that have a value, and lone frames between two without.

    Attributes:
        place: Which of the styles it is drawn in; the same measure has the same in every drawing of a page.
    """

    name: str
    place: int
    runs: tuple[str, ...]
    dots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Ring:
    """A frame that is marked on the curve."""

    x: float
    y: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Gap:
    """Frames without a mask, as a bar below the axis."""

    x: float
    width: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Row:
    """A frame in the table that says the same."""

    name: str
    values: tuple[str, ...]
    marked: bool


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The curves of a sequence.

    Attributes:
        alt: What they show, in words.
        rings: The marked frames, on the first line.
        more_rows: Frames that the table leaves out.
    """

    alt: str
    lines: tuple[Line, ...]
    rings: tuple[Ring, ...]
    gaps: tuple[Gap, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    rows: tuple[Row, ...]
    more_rows: int
    left: float = _LEFT
    right: float = _RIGHT
    top: float = _TOP
    bottom: float = _BOTTOM
    width: int = WIDTH
    height: int = HEIGHT


def draw(
    sequence: MaskedSequence, *, marked: Iterable[int] = (), missing: Iterable[int] = (), most_rows: int = 400
) -> Drawing:
    """The curves of a sequence, from 0 to 1 over its frames.

    Measures that say the same of every frame share a line. A frame whose measures are told apart has its own value.

    Args:
        sequence: At least one frame.
        marked: Places of frames to ring and to mark in the table.
        missing: Places of frames for which there is no mask.
        most_rows: Of the table.
    """
    frames = sequence.frames
    # A lone frame stands in the middle, which an axis that ends on both sides of it gives.
    last = len(frames) - 1
    x_axis = Axis(low=0 if last else -1, high=last or 1, first=_LEFT + 4, last=_RIGHT - 4)
    y_axis = Axis(low=0, high=1, first=_BOTTOM, last=_TOP)
    rings = sorted(set(marked))
    return Drawing(
        alt=_alt(sequence),
        lines=tuple(_line(each, x_axis, y_axis) for each in merged(sequence.measures, frames)),
        rings=tuple(ring for at in rings if (ring := _ring(at, sequence, x_axis, y_axis))),
        gaps=_gaps(sorted(set(missing)), frames, x_axis),
        x_ticks=_ticks(frames, x_axis),
        y_ticks=y_axis.ticks(about=5),
        rows=tuple(
            Row(name=each.name, values=tuple(_number(value) for value in each.values), marked=at in rings)
            for at, each in enumerate(frames[:most_rows])
        ),
        more_rows=max(0, len(frames) - most_rows),
    )


@dataclass(frozen=True, kw_only=True)
class Merged:
    """Measures that say the same of every frame.

    Attributes:
        name: Of all of them: ``IoU and J``.
        place: Of the last of them.
        values: One a frame.
    """

    name: str
    place: int
    values: tuple[float | None, ...]


def merged(measures: Sequence[str], frames: Sequence[MaskedFrame]) -> tuple[Merged, ...]:
    """The measures with their values over time, those that are alike in every frame as one.

    >>> frame = MaskedFrame(name="0", path="", values=(0.5, 0.5, 0.25))
    >>> [(each.name, each.place, each.values) for each in merged(("IoU", "J", "F"), [frame])]
    [('IoU and J', 1, (0.5,)), ('F', 2, (0.25,))]
    """
    alike: dict[tuple[float | None, ...], list[int]] = {}
    for place in range(len(measures)):
        alike.setdefault(tuple(each.values[place] for each in frames), []).append(place)
    return tuple(
        Merged(name=" and ".join(measures[place] for place in places), place=places[-1], values=values)
        for values, places in alike.items()
    )


def _line(measure: Merged, x_axis: Axis, y_axis: Axis) -> Line:
    runs: list[str] = []
    dots: list[tuple[float, float]] = []
    for known, group in groupby(enumerate(measure.values), key=lambda each: _finite(each[1])):
        if not known:
            continue
        points = [(round(x_axis.at(at), 1), round(y_axis.at(value or 0.0), 1)) for at, value in _thinned(list(group))]
        if len(points) == 1:
            dots.append(points[0])
        else:
            runs.append(" ".join(f"{x:g},{y:g}" for x, y in points))
    return Line(name=measure.name, place=measure.place, runs=tuple(runs), dots=tuple(dots))


def _finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _thinned(run: list[tuple[int, float | None]]) -> list[tuple[int, float | None]]:
    """Of a long run the lowest and the highest frame of each part, so that no dip is lost."""
    if len(run) <= _MOST_POINTS:
        return run
    step = math.ceil(2 * len(run) / _MOST_POINTS)
    kept = {0, len(run) - 1}
    for start in range(0, len(run), step):
        part = range(start, min(len(run), start + step))
        kept |= {min(part, key=lambda at: run[at][1] or 0.0), max(part, key=lambda at: run[at][1] or 0.0)}
    return [run[at] for at in sorted(kept)]


def _ring(at: int, sequence: MaskedSequence, x_axis: Axis, y_axis: Axis) -> Ring | None:
    frame = sequence.frames[at]
    first = next((value for value in frame.values if value is not None and math.isfinite(value)), None)
    if first is None:
        return None
    return Ring(x=round(x_axis.at(at), 1), y=round(y_axis.at(first), 1), title=told(sequence.measures, frame))


def told(measures: Sequence[str], frame: MaskedFrame) -> str:
    """A frame and its values in words.

    >>> told(("IoU", "F"), MaskedFrame(name="00012", path="", values=(0.25, None)))
    'frame 00012: IoU 0.250, F –'
    """
    values = ", ".join(f"{name} {_number(value)}" for name, value in zip(measures, frame.values, strict=True))
    return f"frame {frame.name}: {values}"


def _number(value: float | None) -> str:
    return f"{value:.3f}" if value is not None and math.isfinite(value) else "–"


def _gaps(missing: Sequence[int], frames: Sequence[MaskedFrame], x_axis: Axis) -> tuple[Gap, ...]:
    half = (x_axis.at(1) - x_axis.at(0)) / 2
    gaps: list[Gap] = []
    for _, group in groupby(enumerate(missing), key=lambda each: each[1] - each[0]):
        places = [at for _, at in group]
        left, right = max(_LEFT, x_axis.at(places[0]) - half), min(_RIGHT, x_axis.at(places[-1]) + half)
        first, last = frames[places[0]].name, frames[places[-1]].name
        title = f"no mask: frame {first}" if len(places) == 1 else f"no mask: frames {first} to {last}"
        gaps.append(Gap(x=round(left, 1), width=round(max(2.0, right - left), 1), title=title))
    return tuple(gaps)


def _ticks(frames: Sequence[MaskedFrame], x_axis: Axis) -> tuple[Tick, ...]:
    """A few frames by their names, a round number of frames apart."""
    count = len(frames)
    step = next(
        each for power in range(12) for each in (10**power, 2 * 10**power, 5 * 10**power) if count / each <= _MOST_TICKS
    )
    return tuple(Tick(position=x_axis.at(at), label=short(frames[at].name)) for at in range(0, count, step))


def short(name: str) -> str:
    """A frame's number without leading zeros; another name cut to its end.

    >>> short("00012"), short("00000"), short("scene-a-shot-0007")
    ('12', '0', '…ot-0007')
    """
    if name.isdecimal() and name.isascii():
        return name.lstrip("0")[-9:] or "0"
    clean = clipped(name, characters=200).replace("\n", " ")
    return clean if len(clean) <= 8 else f"…{clean[-7:]}"


def _alt(sequence: MaskedSequence) -> str:
    parts: list[str] = []
    for each in merged(sequence.measures, sequence.frames):
        known = [(value, at) for at, value in enumerate(each.values) if value is not None and math.isfinite(value)]
        if not known:
            parts.append(f"{each.name} has no value")
            continue
        lowest, at = min(known)
        parts.append(
            f"{each.name} from {lowest:.3f} (frame {sequence.frames[at].name}) to {max(known)[0]:.3f}, "
            f"mean {math.fsum(value for value, _ in known) / len(known):.3f}"
        )
    count = f"{len(sequence.frames):,} frame{'' if len(sequence.frames) == 1 else 's'}"
    return f"{sequence.item} over {count}: " + "; ".join(parts)
