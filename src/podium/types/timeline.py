"""What happens when in a video: lanes of marked seconds, one below the other."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Mark(StrEnum):
    """What some seconds of a lane are."""

    PREDICTED = "predicted"
    POSITIVE = "positive"
    NEGATIVE = "negative"


@dataclass(frozen=True, kw_only=True)
class Span:
    """Some seconds of a lane.

    Attributes:
        strength: 0 (faint) to 1 (full), of what is predicted; None draws it full.
        note: Shown when one points at it.
    """

    mark: Mark
    start_seconds: float
    end_seconds: float
    strength: float | None = None
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Lane:
    """One line of a timeline: a class, say. Spans of several marks may overlap."""

    label: str
    spans: tuple[Span, ...]
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """A video and what is said of its seconds.

    Attributes:
        item: The id of the video.
        duration_seconds: Of the whole video.
        path: Of the video file, relative to the folder that the page is told; None where there is none to show.
        note: One sentence for the reader.
    """

    item: str
    duration_seconds: float
    lanes: tuple[Lane, ...]
    path: str | None = None
    note: str = ""
