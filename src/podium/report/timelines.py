"""Timelines as drawings: what happens when in a video, one lane a class, below some of its frames."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from podium.errors import UsageError, nearest
from podium.report import amounts, strips
from podium.report.axes import Tick
from podium.report.templates import THEMES, environment
from podium.types import Clip, DataSet, Mark, Progress, Span, Timeline, silent

PAGE = "index.html"
MOST_TIMELINES = 300
BUDGET_BYTES = 8_000_000

_MOST_LANES = 40
_MOST_ROWS = 240
_MOST_TICKS = 8
_STEPS_SECONDS = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200, 14_400, 28_800, 86_400)
_FAINTEST = 0.18
_WORDS = {Mark.PREDICTED: "predicted", Mark.POSITIVE: "rated positive", Mark.NEGATIVE: "rated negative"}


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A span as it is drawn: percent of the axis, and the words that it shows."""

    mark: Mark
    start: float
    width: float
    middle: float
    opacity: float
    title: str


@dataclass(frozen=True, kw_only=True)
class Track:
    """A lane as it is drawn; `alt` says what it holds to those who cannot see it."""

    label: str
    note: str
    alt: str
    pieces: tuple[Piece, ...]


@dataclass(frozen=True, kw_only=True)
class Row:
    """A span in the table."""

    label: str
    start: str
    end: str
    what: str
    strength: str
    note: str


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A timeline with its pictures, and the table that says the same."""

    anchor: str
    title: str
    length: str
    note: str
    strip: strips.Strip | None
    ticks: tuple[Tick, ...]
    tracks: tuple[Track, ...]
    more_tracks: int
    rows: tuple[Row, ...]
    more_rows: int


def draw(
    timelines: Iterable[Timeline], *, data: DataSet | None, budget_bytes: int, prefix: str = "timeline"
) -> tuple[Drawing, ...]:
    """The drawing of each timeline, in their order.

    Args:
        timelines: Lanes beyond the first 40 of each are only counted.
        data: Where the video files lie; None leaves the pictures out.
        budget_bytes: Of all pictures together.
        prefix: Of the anchors.
    """
    every = list(timelines)
    clips = {
        at: Clip(item=each.item, path=each.path, start_seconds=0.0, end_seconds=each.duration_seconds)
        for at, each in enumerate(every)
        if each.path and data is not None
    }
    pictures = strips.make(clips.values(), data=data, budget_bytes=budget_bytes)
    return tuple(
        _drawing(f"{prefix}-{at + 1}", each, pictures[clips[at]] if at in clips else None)
        for at, each in enumerate(every)
    )


def kinds(drawings: Iterable[Drawing]) -> frozenset[Mark]:
    """The marks that are there, for the key."""
    return frozenset(piece.mark for each in drawings for track in each.tracks for piece in track.pieces)


def write_page(
    timelines: Sequence[Timeline],
    into: Path,
    *,
    media: Path,
    title: str,
    note: str = "",
    theme: str = "auto",
    progress: Progress = silent,
) -> Path:
    """Writes a page of timelines and its twin in JSON, and returns the page's path. It needs no script and no network.

    Args:
        timelines: In the order to show them; at most 300 are drawn, all are in the twin.
        into: A folder, which gets `index.html` and `index.json`, or the path of the page, which ends in `.html`.
        media: Where the video files lie; a file that is missing costs only its pictures.
        title: Above all.
        note: One or two sentences below the title; words in backticks are set as code.
        theme: As for a report's page.

    Raises:
        UsageError: There is no such theme.
    """
    if theme not in THEMES:
        raise UsageError(f"a page has no theme `{theme}`; {nearest(theme, THEMES)}")
    page = into if into.suffix == ".html" else into / PAGE
    page.parent.mkdir(parents=True, exist_ok=True)
    shown = timelines[:MOST_TIMELINES]
    allowance = BUDGET_BYTES // max(1, len(shown))
    drawings = [
        drawing
        for at, each in enumerate(progress(shown, what="drawing the timelines", total=len(shown)))
        for drawing in draw([each], data=DataSet(media), budget_bytes=allowance, prefix=f"video-{at + 1}")
    ]
    twin = page.with_suffix(".json")
    text = (
        environment()
        .get_template("timelines.html.jinja")
        .render(
            title=title,
            note=note,
            theme=theme,
            drawings=drawings,
            kinds=kinds(drawings),
            total=len(timelines),
            twin=twin.name,
            ramp="",
        )
    )
    page.write_text(text, encoding="utf-8")
    twin.write_text(
        json.dumps({"title": title, "note": note, "timelines": [asdict(each) for each in timelines]}, indent=1) + "\n",
        encoding="utf-8",
    )
    return page


def time_ticks(duration_seconds: float) -> tuple[Tick, ...]:
    """Round times from 0 to the end, at most eight; positions are percent of the duration.

    >>> [each.label for each in time_ticks(95)]
    ['0:00', '0:15', '0:30', '0:45', '1:00', '1:15', '1:30']
    >>> [each.label for each in time_ticks(0)]
    ['0:00']
    """
    if duration_seconds <= 0:
        return (Tick(position=0.0, label=clock(0)),)
    step = next((each for each in _STEPS_SECONDS if duration_seconds / each < _MOST_TICKS), duration_seconds / 4)
    count = int(duration_seconds / step + 1e-9)
    return tuple(
        Tick(position=round(100 * k * step / duration_seconds, 3), label=clock(k * step)) for k in range(count + 1)
    )


def clock(seconds: float) -> str:
    """A time within a video as players show it.

    >>> clock(7), clock(75), clock(3725), clock(7.25)
    ('0:07', '1:15', '1:02:05', '0:07.2')
    """
    tenths = round(seconds * 10 - 1e-9)
    whole, tenth = divmod(tenths, 10)
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    text = f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
    return f"{text}.{tenth}" if tenth else text


def _drawing(anchor: str, timeline: Timeline, strip: strips.Strip | None) -> Drawing:
    lanes = timeline.lanes[:_MOST_LANES]
    rows = tuple(_row(lane.label, span) for lane in lanes for span in sorted(lane.spans, key=_by_time))
    return Drawing(
        anchor=anchor,
        title=timeline.item,
        length=clock(timeline.duration_seconds),
        note=timeline.note,
        strip=strip,
        ticks=time_ticks(timeline.duration_seconds),
        tracks=tuple(
            Track(
                label=lane.label,
                note=lane.note,
                alt=_alt(lane.label, lane.spans),
                pieces=tuple(_piece(span, timeline.duration_seconds) for span in sorted(lane.spans, key=_by_layer)),
            )
            for lane in lanes
        ),
        more_tracks=len(timeline.lanes) - len(lanes),
        rows=rows[:_MOST_ROWS],
        more_rows=max(0, len(rows) - _MOST_ROWS),
    )


def _piece(span: Span, duration_seconds: float) -> Piece:
    length = duration_seconds if duration_seconds > 0 else 1.0
    start = min(1.0, max(0.0, span.start_seconds / length))
    end = min(1.0, max(start, span.end_seconds / length))
    strength = 1.0 if span.strength is None else min(1.0, max(0.0, span.strength))
    return Piece(
        mark=span.mark,
        start=round(100 * start, 3),
        width=round(100 * (end - start), 3),
        middle=round(50 * (start + end), 3),
        opacity=round(_FAINTEST + (1 - _FAINTEST) * strength, 3),
        title=_title(span),
    )


def _title(span: Span) -> str:
    words = [f"{clock(span.start_seconds)} to {clock(span.end_seconds)}", _WORDS[span.mark]]
    if span.note:
        words.append(amounts.clipped(span.note, characters=160))
    elif span.strength is not None:
        words.append(f"strength {span.strength:.2f}")
    return " · ".join(words)


def _alt(label: str, spans: Sequence[Span]) -> str:
    """What a lane holds, in words."""
    counts = {mark: sum(each.mark is mark for each in spans) for mark in Mark}
    told = ", ".join(f"{count} {_WORDS[mark]}" for mark, count in counts.items() if count)
    return f"{label}: {told or 'nothing'}"


def _row(label: str, span: Span) -> Row:
    return Row(
        label=label,
        start=clock(span.start_seconds),
        end=clock(span.end_seconds),
        what=_WORDS[span.mark],
        strength="" if span.strength is None else f"{span.strength:.2f}",
        note=span.note,
    )


def _by_time(span: Span) -> tuple[float, float, str]:
    return span.start_seconds, span.end_seconds, span.mark


def _by_layer(span: Span) -> tuple[bool, float, float]:
    """Ratings lie above what is predicted."""
    return span.mark is not Mark.PREDICTED, span.start_seconds, span.end_seconds
