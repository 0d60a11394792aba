"""The page of a segmented test set: each clip's film strip, its values over time and its overlay video, worst first."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from podium.errors import MachineError, UsageError, nearest
from podium.media import contours
from podium.report import amounts, filmstrips, frame_curves, overlay_video
from podium.report.filmstrips import Film, Shot
from podium.report.overlay_video import Encoding
from podium.report.templates import THEMES, environment
from podium.types import DataSet, MaskedSequence, Progress, silent

PAGE = "sequences.html"
VIDEOS = "overlays"
MOST_SEQUENCES = 60
BUDGET_BYTES = 12_000_000

_WORST_OF_ALL = 12
_WORST, _SPREAD = 3, 6
_MOST_ROWS = 12_000


@dataclass(frozen=True, kw_only=True)
class Options:
    """What the page shows.

    Attributes:
        title: Above all.
        eyebrow: A line above the title.
        lead: What the reader sees, one or two sentences.
        metric: Name of a sequence's part in the score.
        videos: Write overlay videos.
        most_sequences: Better ones only have a row in the table.
        theme: As for a report's page.
        back: A page to link to, or empty.
    """

    title: str
    eyebrow: str = "Podium clips"
    lead: str = ""
    metric: str = ""
    videos: bool = True
    most_sequences: int = MOST_SEQUENCES
    theme: str = "auto"
    back: str = ""


@dataclass(frozen=True, kw_only=True)
class Row:
    """A sequence in the table.

    Attributes:
        anchor: Of its part of the page; empty where it has none.
        means: Of each measure over the frames that have a value.
    """

    anchor: str
    name: str
    value: str
    means: tuple[str, ...]
    frames: str
    lowest: str


@dataclass(frozen=True, kw_only=True)
class Column:
    """A measure whose means the table shows, by its place."""

    place: int
    name: str


@dataclass(frozen=True, kw_only=True)
class Card:
    """A sequence as it is drawn."""

    row: Row
    measures: tuple[str, ...]
    film: Film
    curves: frame_curves.Drawing
    missing: str
    unread: str


@dataclass(frozen=True, kw_only=True)
class Worst:
    """One of the worst frames of all."""

    anchor: str
    sequence: str
    shot: Shot


def write(
    sequences: Iterable[MaskedSequence], page: Path, *, data: DataSet, options: Options, progress: Progress = silent
) -> Path:
    """Writes the page, its twin in JSON, and the overlay videos into ``overlays/`` beside it.

    The page needs no script and no network; the twin holds the values of every frame.

    Args:
        sequences: In any order, all with the same measures; those without a frame are left out.
        page: Replaced when it is there.
        data: Where the pictures of the frames lie.
        options: What to show.
        progress: Shows the walk over the frames.

    Raises:
        UsageError: There is no such theme.
        ChallengeError: An annotation is broken.
    """
    if options.theme not in THEMES:
        raise UsageError(f"a page has no theme `{options.theme}`; {nearest(options.theme, THEMES)}")
    every = sorted((each for each in sequences if each.frames), key=_by_value)
    page.parent.mkdir(parents=True, exist_ok=True)
    encoding, reason = _encoding(options)
    for old in (page.parent / VIDEOS).glob("*"):
        if old.suffix in (".mp4", ".webm"):
            old.unlink()
    drawn = every[: options.most_sequences]
    rows = [_row(f"clip-{at + 1}" if at < len(drawn) else "", each) for at, each in enumerate(every)]
    cards = _cards(drawn, rows, page.parent / VIDEOS, data, encoding, progress)
    twin = page.with_suffix(".json")
    text = (
        environment()
        .get_template("sequences.html.jinja")
        .render(
            options=options,
            theme=options.theme,
            rows=rows,
            cards=cards,
            worst=_worst(cards),
            columns=_columns(every, rows),
            colours=[(name, "rgb({} {} {})".format(*colour)) for name, colour in contours.LEGEND],
            no_videos=reason,
            folder=VIDEOS,
            twin=twin.name,
            frames=sum(len(each.frames) for each in every),
            ramp="",
        )
    )
    page.write_text(text, encoding="utf-8")
    twin.write_text(json.dumps([_told(each) for each in every], indent=1) + "\n", encoding="utf-8")
    return page


def _by_value(sequence: MaskedSequence) -> tuple[float, str]:
    """The worst first; those that take no part in the score last."""
    value = sequence.value
    return (value if value is not None and math.isfinite(value) else math.inf), sequence.item


def _encoding(options: Options) -> tuple[Encoding | None, str]:
    """How to write videos, or why there are none."""
    if not options.videos:
        return None, ""
    try:
        return overlay_video.encoding(), ""
    except MachineError as error:
        return None, f"There are no overlay videos: {error}."


def _cards(
    drawn: Sequence[MaskedSequence],
    rows: Sequence[Row],
    folder: Path,
    data: DataSet,
    encoding: Encoding | None,
    progress: Progress,
) -> list[Card]:
    plans = filmstrips.plans(drawn, worst=_WORST, spread=_SPREAD, budget_bytes=BUDGET_BYTES)
    total = sum(len(each.frames) for each in drawn)
    what = "drawing the clips" if encoding is None else "drawing the clips and their videos"
    ticks = iter(progress(range(total), what=what, total=total))
    taken: set[str] = set()
    cards: list[Card] = []
    most_rows = _MOST_ROWS // max(1, len(drawn))
    for row, sequence, plan in zip(rows, drawn, plans, strict=False):
        name = overlay_video.safe_name(sequence.item, taken)
        taken.add(name.lower())
        video = folder / f"{name}{encoding.suffix if encoding else ''}"
        film = filmstrips.make(sequence, plan, data=data, video=video, encoding=encoding, ticks=ticks)
        marked = [each.at for each in film.worst]
        curves = frame_curves.draw(sequence, marked=marked, missing=film.missing, most_rows=most_rows)
        cards.append(
            Card(
                row=row,
                measures=sequence.measures,
                film=film,
                curves=curves,
                missing=_missing(film, sequence),
                unread=_unread(film),
            )
        )
    for _ in ticks:
        pass
    return cards


def _missing(film: Film, sequence: MaskedSequence) -> str:
    return f"{len(film.missing):,} of {_many(len(sequence.frames), 'frame')} without a mask" if film.missing else ""


def _unread(film: Film) -> str:
    count, reason = film.unread
    if not count:
        return ""
    words = amounts.clipped(reason, characters=200)
    return f"Grey stands for {_many(count, 'picture')} that could not be read: {words}"


def _row(anchor: str, sequence: MaskedSequence) -> Row:
    means: list[str] = []
    for place in range(len(sequence.measures)):
        values = [value for each in sequence.frames if (value := each.values[place]) is not None]
        known = [value for value in values if math.isfinite(value)]
        means.append(f"{math.fsum(known) / len(known):.3f}" if known else "–")
    valued = [(value, each) for each in sequence.frames if (value := filmstrips.value_of(each)) is not None]
    lowest = min(valued, key=lambda each: each[0], default=None)
    return Row(
        anchor=anchor,
        name=sequence.item,
        value=amounts.number(sequence.value),
        means=tuple(means),
        frames=f"{len(sequence.frames):,}",
        lowest="" if lowest is None else f"{lowest[0]:.3f} at {frame_curves.short(lowest[1].name)}",
    )


def _columns(sequences: Sequence[MaskedSequence], rows: Sequence[Row]) -> list[Column]:
    """The measures, all of one page alike; without the first where its means are the values that stand beside it."""
    measures = sequences[0].measures if sequences else ()
    same = all(
        each.value is None or row.means[0] == f"{each.value:.3f}" for each, row in zip(sequences, rows, strict=True)
    )
    return [Column(place=place, name=name) for place, name in enumerate(measures) if place or not same]


def _told(sequence: MaskedSequence) -> dict[str, Any]:
    return {
        "item": sequence.item,
        "value": sequence.value,
        "measures": sequence.measures,
        "frames": [{"name": each.name, "values": each.values} for each in sequence.frames],
    }


def _worst(cards: Sequence[Card]) -> list[Worst]:
    """The worst frames of all clips, of each at most the few that its strip shows."""
    every = [
        Worst(anchor=card.row.anchor, sequence=card.row.name, shot=shot) for card in cards for shot in card.film.worst
    ]
    return sorted(every, key=lambda each: (each.shot.value, each.sequence, each.shot.at))[:_WORST_OF_ALL]


def _many(count: int, one: str) -> str:
    return f"{count:,} {one}{'' if count == 1 else 's'}"
