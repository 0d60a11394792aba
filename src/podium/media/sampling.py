"""Pictures taken from a video at a steady rate, each from the middle of its interval.

Picture i stands for the interval from i / rate to (i + 1) / rate and is the last source picture that is shown before
the interval's middle; a video of D seconds gives round(D x rate) of them, halves up, and at least one. At one a second
this is what ffmpeg's ``fps=1`` filter picks.

Axes: T pictures, H height, W width, C colour.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.media.source import (
    Converter,
    Pixels,
    Source,
    Timeline,
    UnreadableVideo,
    decoded,
    opened,
    pyav,
    timeline,
    usual_ticks,
)

if TYPE_CHECKING:
    from av import VideoFrame

MAX_SAMPLES = 200_000
"""Most pictures of one video; a file of a few bytes can claim to last for years."""

MAX_SAMPLE_BYTES = 4 << 30
"""Most memory of one video's pictures."""

_MISSING_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Pictures of one video.

    Attributes:
        frames_THWC: RGB, 0 to 255.
        times_T2: Start and end of each interval in seconds from the first picture; the last end is never past the end
            of the video.
        duration_seconds: From the first picture to the end of the last.
        damage: What could not be read; None when all could.
    """

    frames_THWC: Pixels
    times_T2: NDArray[np.float64]
    duration_seconds: float
    damage: str | None = None


def sample(
    path: Path | str,
    *,
    frames_per_second: float = 1.0,
    short_edge: int | None = None,
    size: tuple[int, int] | None = None,
    max_frames: int | None = None,
) -> Sample:
    """Pictures at a steady rate, each from the middle of its interval.

    One thread. Only pictures that are kept are converted and scaled, and pictures that neither are kept nor are needed
    to decode others are not decoded. A damaged file gives what can be read, as ffmpeg does: undecodable stretches show
    the picture before them, intervals before the first readable picture are left out, and `Sample.damage` says so.

    Args:
        path: The file.
        frames_per_second: Of the result; any positive rate.
        short_edge: Pixels of the shorter side; or None.
        size: Width and height; or None. Both None keeps the video's size.
        max_frames: Stop after so many; or None.

    Raises:
        UnreadableVideo: Nothing can be read, or the result would be too large.
        UsageError: A setting makes no sense.
        MachineError: PyAV is missing.
    """
    rate, converter = check_settings(
        frames_per_second=frames_per_second, short_edge=short_edge, size=size, max_frames=max_frames
    )
    with opened(path) as source:
        clock = timeline(source)
        stated_seconds = source.stated_seconds
    if clock is not None:
        count = _allowed(path, sample_count(clock.length, rate), max_frames)
        missing = _missing(clock, stated_seconds)
        if clock.exact:
            with opened(path) as source:
                frames = _decode_chosen(source, clock, rate, count, converter)
            if frames is not None:
                return Sample(
                    frames_THWC=frames,
                    times_T2=intervals(range(count), rate, float(clock.length)),
                    duration_seconds=float(clock.length),
                    damage=missing,
                )
    with opened(path) as source:
        return _decode_all(source, clock, rate, max_frames, converter)


def check_settings(
    *, frames_per_second: float, short_edge: int | None, size: tuple[int, int] | None, max_frames: int | None
) -> tuple[Fraction, Converter]:
    """The exact rate and the converter of settings that make sense.

    Raises:
        UsageError: They do not.
        MachineError: PyAV is missing.
    """
    if max_frames is not None and max_frames < 1:
        raise UsageError(f"`max_frames` is `{max_frames}`; at least 1 is needed")
    return exact_rate(frames_per_second), Converter(short_edge=short_edge, size=size)


def exact_rate(frames_per_second: float) -> Fraction:
    """The rate as a fraction.

    >>> exact_rate(29.97), exact_rate(0.5)
    (Fraction(2997, 100), Fraction(1, 2))

    Raises:
        UsageError: It is not between 0.001 and 1,000.
    """
    if not 0.001 <= frames_per_second <= 1_000:
        raise UsageError(f"`frames_per_second` is `{frames_per_second}`; 0.001 to 1,000 are allowed")
    return Fraction(frames_per_second).limit_denominator(1_000_000)


def sample_count(seconds: Fraction, rate: Fraction) -> int:
    """How many pictures a video gives.

    >>> [sample_count(Fraction(tenths, 10), Fraction(1)) for tenths in (3, 103, 105, 107)]
    [1, 10, 11, 11]
    """
    return max(1, int(seconds * rate + Fraction(1, 2)))


def middle_tick(index: int, rate: Fraction, time_base: Fraction) -> int:
    """The first whole tick that is not before the middle of interval `index`."""
    numerator = (2 * index + 1) * time_base.denominator * rate.denominator
    return -(-numerator // (2 * rate.numerator * time_base.numerator))


def intervals(indices: range | list[int], rate: Fraction, duration_seconds: float) -> NDArray[np.float64]:
    """Start and end of each interval in seconds, (T, 2), none past the end of the video."""
    index_T = np.asarray(indices, dtype=np.float64)
    times_T2 = np.stack([index_T, index_T + 1.0], axis=1) * rate.denominator / rate.numerator
    return np.minimum(times_T2, duration_seconds)


def chosen_ticks(clock: Timeline, rate: Fraction, count: int) -> list[int]:
    """Stamp of the picture of each interval: the last one that is shown before the interval's middle."""
    middles = (clock.origin + middle_tick(index, rate, clock.time_base) for index in range(count))
    return [clock.ticks[max(0, bisect_left(clock.ticks, middle) - 1)] for middle in middles]


def _allowed(path: Path | str, count: int, max_frames: int | None) -> int:
    count = count if max_frames is None else min(count, max_frames)
    if count > MAX_SAMPLES:
        raise UnreadableVideo(
            path, f"gives {count:,} pictures at this rate; at most {MAX_SAMPLES:,} are allowed (see `max_frames`)"
        )
    return count


def _check_memory(path: Path | str, count: int, size: tuple[int, int]) -> None:
    needed = count * size[0] * size[1] * 3
    if needed > MAX_SAMPLE_BYTES:
        raise UnreadableVideo(
            path,
            f"{count:,} pictures of {size[0]} x {size[1]} take {needed >> 20:,} MiB; at most {MAX_SAMPLE_BYTES >> 20:,}"
            " MiB are allowed (see `short_edge` and `max_frames`)",
        )


def _missing(clock: Timeline, stated_seconds: float | None) -> str | None:
    if clock.fault is not None:
        return f"the file breaks off after {float(clock.length):.1f} s: {clock.fault}"
    if stated_seconds is None or stated_seconds - clock.length <= _MISSING_SECONDS:
        return None
    return f"the file states {stated_seconds:.1f} s and holds {float(clock.length):.1f} s"


def _decode_chosen(source: Source, clock: Timeline, rate: Fraction, count: int, converter: Converter) -> Pixels | None:
    """The chosen pictures, or None where this short way does not hold and everything must be decoded.

    Pictures that no other picture is predicted from are skipped by the decoder unless they are chosen, which leaves
    the chosen ones as they are, bit for bit.
    """
    rows: dict[int, list[int]] = {}
    for row, tick in enumerate(chosen_ticks(clock, rate, count)):
        rows.setdefault(tick, []).append(row)
    frames_THWC: Pixels | None = None
    before = clock.origin - 1
    for frame in _skipping(source, set(rows)):
        if frame is None or frame.is_corrupt or frame.pts is None or frame.pts <= before:
            return None
        before = frame.pts
        at = rows.pop(frame.pts, None)
        if at is None:
            continue
        if frames_THWC is None:
            width, height = converter.size(frame)
            _check_memory(source.path, count, (width, height))
            frames_THWC = np.empty((count, height, width, 3), np.uint8)
        frames_THWC[at] = converter(frame)
    return None if rows else frames_THWC


def _skipping(source: Source, wanted: set[int]) -> Iterator[VideoFrame | None]:
    """Decoded pictures, all wanted ones among them; None once when the decoder fails."""
    av = pyav()
    context = source.stream.codec_context
    left = len(wanted)
    skipping = False
    try:
        for packet in source.container.demux(source.stream):
            needed = packet.pts is None or packet.pts in wanted
            if skipping is needed:
                skipping = not needed
                context.skip_frame = "NONREF" if skipping else "DEFAULT"
            yield from packet.decode()
            left -= packet.size > 0 and needed
            if not left:
                yield from source.stream.codec_context.decode(None)  # pyright: ignore[reportUnknownMemberType] - PyAV's stub leaves the packet's kind open
                return
    except av.FFmpegError:
        yield None


class _Playback:
    """Every picture of a file in order, with its stamp; goes on after faults and counts them."""

    def __init__(self, source: Source, origin: int | None) -> None:
        self.source = source
        self.origin = origin
        self.end = 0
        self.faults = 0
        self.first_fault = ""

    def __iter__(self) -> Iterator[tuple[VideoFrame, int]]:
        for frame, tick in decoded(self.source, self._note):
            if self.origin is None:
                self.origin = tick
            if frame.is_corrupt:
                self._note("the decoder marks the picture as damaged", tick)
            self.end = tick + (frame.duration or usual_ticks(self.source))
            yield frame, tick

    def _note(self, fault: str, tick: int | None) -> None:
        self.faults += 1
        if self.faults == 1:
            at = "" if tick is None else f" near {float((tick - (self.origin or 0)) * self.source.time_base):.1f} s"
            self.first_fault = f"{fault}{at}"

    def chosen(self, rate: Fraction) -> Iterator[tuple[int, VideoFrame]]:
        """The picture of each interval, with the interval's number; those before the first picture are left out."""
        shown: VideoFrame | None = None
        index = 0
        for frame, tick in self:
            while (self.origin or 0) + middle_tick(index, rate, self.source.time_base) <= tick:
                if shown is not None:
                    yield index, shown
                index += 1
            shown = frame
        if shown is None:
            return
        for rest in range(index, sample_count(self.length, rate)):
            yield rest, shown

    @property
    def length(self) -> Fraction:
        """Seconds from the first picture to the end of the last one so far."""
        return (self.end - (self.origin or 0)) * self.source.time_base


def _decode_all(
    source: Source, clock: Timeline | None, rate: Fraction, max_frames: int | None, converter: Converter
) -> Sample:
    """Decodes every picture; for damaged files and for those whose packets have no stamps of their own."""
    playback = _Playback(source, clock.origin if clock and not source.stamps_by_decoding else None)
    frames: list[Pixels] = []
    indices: list[int] = []
    last: VideoFrame | None = None
    for index, frame in islice(playback.chosen(rate), max_frames):
        frames.append(frames[-1] if frame is last else converter(frame))
        indices.append(index)
        last = frame
        _check_memory(source.path, _allowed(source.path, len(frames), None), converter.size(frame))
    if not frames:
        fault = playback.first_fault or "no picture comes out of its decoder"
        raise UnreadableVideo(source.path, f"holds no pictures that can be decoded ({fault})")
    complete = len(frames) != max_frames
    seconds = float(playback.length if complete or clock is None else clock.length)
    return Sample(
        frames_THWC=np.stack(frames),
        times_T2=intervals(indices, rate, seconds),
        duration_seconds=seconds,
        damage=_damage(playback, clock, source.stated_seconds),
    )


def _damage(playback: _Playback, clock: Timeline | None, stated_seconds: float | None) -> str | None:
    if playback.faults:
        return f"{playback.faults} faults while decoding, the first: {playback.first_fault}"
    return _missing(clock, stated_seconds) if clock else None
