"""What a made data set consists of, before a frame is read: each video piece by piece, and the copies among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from podium.media.edits import Edit, as_dict
from podium.media.reel import Fit, Window


@dataclass(frozen=True, kw_only=True)
class Range:
    """Seconds or counts that are drawn log-normally about a median and kept within bounds."""

    median: float
    lowest: float
    highest: float
    spread: float = 0.5


@dataclass(frozen=True, kw_only=True)
class Counts:
    """Videos of one split."""

    references: int
    queries: int


@dataclass(frozen=True, kw_only=True)
class Scale:
    """A size of data set.

    Attributes:
        canvases: Width and height of the videos, drawn evenly.
        rates: Frames a second, drawn evenly.
        bits_per_second: Of a video that is not squeezed further.
        sources: How many sources are looked at, at most.
        scenes: With fewer, pictures are cut into parts, and packaged footage joins that of a folder.
        proportion: Of the queries that the code must describe.
        quick: Prefer sources that decode fast.
    """

    test: Counts
    train: Counts
    canvases: tuple[tuple[int, int], ...]
    rates: tuple[int, ...]
    bits_per_second: int
    reference_seconds: Range
    query_seconds: Range
    copy_seconds: Range
    sources: int
    scenes: int
    proportion: float
    quick: bool = False


@dataclass(frozen=True, kw_only=True)
class Piece:
    """Part of a video.

    Attributes:
        frames: How many of the video's frames it takes.
        companion: The other footage of overlays, stacks and blends.
    """

    window: Window
    frames: int
    fit: Fit = "cover"
    edits: tuple[Edit, ...] = ()
    companion: Window | None = None


@dataclass(frozen=True, kw_only=True)
class Video:
    """One video to make."""

    video_id: str
    size: tuple[int, int]
    frames_per_second: int
    bits_per_second: int
    pieces: tuple[Piece, ...]

    @property
    def frames(self) -> int:
        """Its length in frames."""
        return sum(piece.frames for piece in self.pieces)

    @property
    def seconds(self) -> float:
        """Its length."""
        return rounded(self.frames / self.frames_per_second)


@dataclass(frozen=True, kw_only=True)
class Copy:
    """A segment of a query and the segment of a reference that it shows; the fields of a row of the ground truth."""

    query_id: str
    ref_id: str
    query_start: float
    query_end: float
    ref_start: float
    ref_end: float


@dataclass(frozen=True, kw_only=True)
class Split:
    """Videos of one split, sorted by id, and the copies among them."""

    name: str
    references: tuple[Video, ...]
    queries: tuple[Video, ...]
    copies: tuple[Copy, ...]


def rounded(seconds: float) -> float:
    """Seconds as they are written to files."""
    return round(float(seconds), 3)


def told(video: Video) -> list[dict[str, Any]]:
    """What happens in a video, piece by piece, for a person or a file."""
    spans: list[dict[str, Any]] = []
    done = 0
    for piece in video.pieces:
        seconds = piece.frames / video.frames_per_second
        window = piece.window
        spans.append(
            {
                "start": rounded(done / video.frames_per_second),
                "end": rounded((done + piece.frames) / video.frames_per_second),
                "source": window.name,
                "source_start": rounded(window.start_seconds),
                "source_end": rounded(window.end_seconds),
                "box": [rounded(side) for side in window.box],
                "speed": rounded((window.end_seconds - window.start_seconds) / seconds) if window.moving else 1.0,
                "fit": piece.fit,
                "companion": piece.companion.name if piece.companion else None,
                "edits": [as_dict(edit) for edit in piece.edits],
            }
        )
        done += piece.frames
    return spans
