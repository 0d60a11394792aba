"""Reading and writing video: what a file is, pictures at a steady rate, pictures at given times, a stream of pictures.

Everything is in seconds from the first picture, upright as the file's rotation flag says, and decoded with one thread.
Axes: T pictures, H height, W width, C colour.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

from podium.errors import UsageError
from podium.media.batch import Sampled, sample_many
from podium.media.player import Player
from podium.media.sampling import Sample, exact_rate, sample
from podium.media.source import Converter, Pixels, UnreadableVideo, opened, orientation, timeline
from podium.media.writer import Writer, write

__all__ = [
    "Sample",
    "Sampled",
    "UnreadableVideo",
    "VideoInfo",
    "Writer",
    "frame_at",
    "frames_at",
    "probe",
    "sample",
    "sample_many",
    "stream",
    "write",
]


@dataclass(frozen=True, kw_only=True)
class VideoInfo:
    """What a video is.

    Attributes:
        path: The file.
        duration_seconds: From the first picture to the end of the last.
        frames_per_second: The mean rate.
        width: Of the upright picture, in pixels.
        height: Of the upright picture, in pixels.
        rotation_degrees: How far the stored picture is turned counter-clockwise to be upright: 0, 90, 180 or 270.
        codec: ffmpeg's name, such as `h264`.
        frames: How many pictures, or None where only decoding would tell.
    """

    path: Path
    duration_seconds: float
    frames_per_second: float
    width: int
    height: int
    rotation_degrees: int
    codec: str
    frames: int | None


def probe(path: Path | str) -> VideoInfo:
    """What a video is: reads all packets for the exact length and decodes one picture for size and rotation.

    Raises:
        UnreadableVideo: It gives no picture.
        MachineError: PyAV is missing.
    """
    with opened(path) as source:
        first = Player(source).first
        rate = source.frames_per_second
        codec = source.stream.codec_context.codec.canonical_name
        stated = source.stated_seconds
        frames = source.stream.frames or None
        width, height = Converter().size(first)
        turns = orientation(first)[0]
    with opened(path) as source:
        clock = timeline(source)
    if clock is not None:
        frames, seconds = len(clock.ticks), float(clock.length)
    else:
        seconds = stated or float((frames or 1) / rate if rate else 0.0)
    return VideoInfo(
        path=Path(path),
        duration_seconds=seconds,
        frames_per_second=float(rate) if rate else (frames or 1) / (seconds or 1.0),
        width=width,
        height=height,
        rotation_degrees=turns * 90,
        codec=codec,
        frames=frames,
    )


def stream(
    path: Path | str,
    *,
    start_seconds: float = 0.0,
    end_seconds: float | None = None,
    frames_per_second: float | None = None,
    size: tuple[int, int] | None = None,
) -> Iterator[Pixels]:
    """The pictures of a span one after the other, (H, W, 3), at a steady rate or as they are in the file.

    At a steady rate each picture comes from the middle of its interval, counted from `start_seconds`; a span of D
    seconds gives round(D x rate) of them and at least one. As they are: every picture from `start_seconds` on and
    before `end_seconds`. What cannot be decoded is passed over.

    Args:
        path: The file.
        start_seconds: From the first picture.
        end_seconds: From the first picture; None is the end of the video, and so is what lies past it.
        frames_per_second: The steady rate, or None for the file's own pictures.
        size: Width and height; or None for the video's own.

    Raises:
        UnreadableVideo: It gives no picture there.
        UsageError: A setting makes no sense.
        MachineError: PyAV is missing.
    """
    if start_seconds < 0 or (end_seconds is not None and end_seconds <= start_seconds):
        raise UsageError(f"the span {start_seconds} s to {end_seconds} s is empty or begins before 0")
    rate = None if frames_per_second is None else exact_rate(frames_per_second)
    converter = Converter(size=size)
    given = 0
    with opened(path) as source:
        player = Player(source)
        start = player.origin + round(Fraction(start_seconds) / source.time_base)
        end = None if end_seconds is None else player.origin + round(Fraction(end_seconds) / source.time_base)
        pictures = player.as_they_are(start, end) if rate is None else player.steady(start, end, rate)
        for given, frame in enumerate(pictures, start=1):  # noqa: B007 - counts what was given
            yield converter(frame)
    if not given:
        raise UnreadableVideo(path, f"gives no picture from {start_seconds} s to {end_seconds} s")


def frame_at(path: Path | str, seconds: float, *, short_edge: int | None = None) -> Pixels:
    """The picture that is shown at a time, (H, W, 3); see `frames_at`."""
    return frames_at(path, [seconds], short_edge=short_edge)[0]


def frames_at(path: Path | str, seconds: Sequence[float], *, short_edge: int | None = None) -> list[Pixels]:
    """The pictures that are shown at some times, each (H, W, 3), in the order asked for.

    A time past the end gives the last picture that can be decoded.

    Args:
        path: The file.
        seconds: Times from the first picture, in any order.
        short_edge: Pixels of the shorter side, or None for the video's own size.

    Raises:
        UnreadableVideo: It gives no picture.
        MachineError: PyAV is missing.
    """
    converter = Converter(short_edge=short_edge)
    found: dict[float, Pixels] = {}
    with opened(path) as source:
        player = Player(source)
        for each in sorted(set(seconds)):
            tick = player.origin + int(Fraction(max(0.0, each)) / source.time_base)
            found[each] = converter(player.shown_at(tick))
    return [found[each] for each in seconds]
