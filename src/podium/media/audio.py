"""The sound of a video file as one row of samples.

Time zero is the first picture, as for pictures: sound before it is left out, and sound that begins later or has gaps is
filled with silence. Axes: S samples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.media.source import Source, opened, pyav, reason

if TYPE_CHECKING:
    from av import AudioFrame
    from av.audio.stream import AudioStream

Samples = NDArray[np.float32]

MAX_SOUND_BYTES = 1 << 30
"""Most memory of one video's samples; while they are put together twice as much is held."""

_GAP_SECONDS = Fraction(1, 10)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sound:
    """The sound of one video.

    Attributes:
        samples_S: The mean of all channels, -1 to 1, from the first picture on.
        samples_per_second: The rate.
        damage: What could not be read; None when all could.
    """

    samples_S: Samples
    samples_per_second: int
    damage: str | None = None

    @property
    def duration_seconds(self) -> float:
        """From the first picture to the last sample."""
        return len(self.samples_S) / self.samples_per_second


def sound(
    path: Path | str,
    *,
    samples_per_second: int = 16_000,
    max_seconds: float | None = None,
    max_bytes: int = MAX_SOUND_BYTES,
) -> Sound | None:
    """The sound of a video, mixed to one channel; None where the file has none.

    One thread. A damaged file gives what can be read, each stretch at its place, and `Sound.damage` says so. Of several
    sound streams the one marked as default is read, else the first.

    Args:
        path: The file.
        samples_per_second: Of the result, 1,000 to 192,000.
        max_seconds: Stop after so many; or None.
        max_bytes: Of the result, four a sample; where that cuts the sound off, `Sound.damage` says so.

    Raises:
        UnreadableVideo: The file is no video, or has no pictures.
        UsageError: A setting makes no sense.
        MachineError: PyAV is missing.
    """
    if not 1_000 <= samples_per_second <= 192_000:
        raise UsageError(f"`samples_per_second` is `{samples_per_second}`; 1,000 to 192,000 are allowed")
    if (max_seconds is not None and max_seconds <= 0) or max_bytes < 4:
        raise UsageError(f"`max_seconds` is `{max_seconds}` and `max_bytes` `{max_bytes}`; more than 0 is needed")
    wanted = None if max_seconds is None else max(1, round(max_seconds * samples_per_second))
    limit = max_bytes // 4 if wanted is None else min(wanted, max_bytes // 4)
    with opened(path) as source:
        stream = _sound_stream(source)
        if stream is None:
            return None
        tape = _Tape(rate=samples_per_second, limit=limit)
        notes = _Notes()
        if stream.codec_context is None or not stream.codec_context.name:  # pyright: ignore[reportUnnecessaryComparison] - None where the build lacks the decoder
            notes.add("no decoder for its sound is installed")
        else:
            _record(source, stream, tape, notes)
    if tape.full and limit != wanted:
        notes.add(f"only the first {limit / samples_per_second:.0f} s of sound fit into {max_bytes >> 20:,} MiB")
    return Sound(samples_S=tape.samples(), samples_per_second=samples_per_second, damage=notes.text())


def _sound_stream(source: Source) -> AudioStream | None:
    default = pyav().stream.Disposition.default
    streams = source.container.streams.audio
    return max(streams, key=lambda each: bool(each.disposition & default), default=None)


class _Notes:
    """Counts faults and keeps the first."""

    def __init__(self) -> None:
        self._count = 0
        self._first = ""

    def add(self, fault: str) -> None:
        self._count += 1
        self._first = self._first or fault

    def text(self) -> str | None:
        if not self._count:
            return None
        return self._first if self._count == 1 else f"{self._count} faults in the sound, the first: {self._first}"


class _Tape:
    """Samples one after the other, from time zero up to a limit."""

    def __init__(self, *, rate: int, limit: int) -> None:
        self.rate = rate
        self._limit = limit
        self._parts: list[Samples] = []
        self.place = 0
        """Where the next sample belongs; below 0 before the first picture."""

    @property
    def full(self) -> bool:
        return self.place >= self._limit

    def wind(self, seconds: Fraction) -> None:
        """Goes on at a time, with silence up to it; back only before the first sample."""
        target = round(seconds * self.rate)
        if self._parts or target > 0:
            self.add(np.zeros(max(0, min(target, self._limit) - self.place), dtype=np.float32))
        else:
            self.place = target

    def add(self, samples_S: Samples) -> None:
        kept_S = samples_S[max(0, -self.place) : max(0, self._limit - self.place)]
        if len(kept_S):
            self._parts.append(kept_S)
        self.place += len(samples_S)

    def samples(self) -> Samples:
        joined_S = np.concatenate(self._parts) if self._parts else np.empty(0, dtype=np.float32)
        return np.clip(joined_S, -1.0, 1.0, out=joined_S)


def _record(source: Source, stream: AudioStream, tape: _Tape, notes: _Notes) -> None:
    """Decodes the stream onto the tape until either ends."""
    origin = (source.stream.start_time or 0) * source.time_base
    mixer = _Mixer(tape.rate)
    due: Fraction | None = None
    for frame in _decoded(source, stream, notes):
        at = None if frame.pts is None or frame.time_base is None else frame.pts * frame.time_base - origin
        if at is not None and (due is None or at - due > _GAP_SECONDS):
            tape.add(mixer.rest())
            tape.wind(at)
            due = at
        tape.add(mixer.mixed(frame))
        due = (due or Fraction(0)) + Fraction(frame.samples, frame.sample_rate)
        if tape.full:
            return
    tape.add(mixer.rest())
    if due is None:
        notes.add("no sound comes out of its decoder")


def _decoded(source: Source, stream: AudioStream, notes: _Notes) -> Iterator[AudioFrame]:
    av = pyav()
    try:
        for packet in source.container.demux(stream):
            try:
                yield from (frame for frame in packet.decode() if frame.samples and frame.sample_rate)
            except av.FFmpegError as error:
                notes.add(reason(error))
    except av.FFmpegError as error:
        notes.add(f"the file breaks off: {reason(error)}")


class _Mixer:
    """Turns decoded frames into one channel of one rate, also where their own form changes half-way.

    The channels are averaged here, because libswresample makes equal channels louder and cuts off what is too loud.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._form: tuple[Any, ...] | None = None
        self._resampler: Any = None

    def mixed(self, frame: AudioFrame) -> Samples:
        form = (frame.format.name, frame.layout.name, frame.sample_rate)
        before_S = self.rest() if form != self._form else np.empty(0, dtype=np.float32)
        if self._resampler is None:
            self._resampler = pyav().AudioResampler(format="fltp", layout=frame.layout, rate=self._rate)
            self._form = form
        # The tape knows the times; the resampler would stumble over a stamp that jumps.
        frame.pts = None
        return np.concatenate([before_S, _averaged(self._resampler.resample(frame))])

    def rest(self) -> Samples:
        """What the resampler still holds; a new one is made for what follows."""
        resampler, self._resampler = self._resampler, None
        return _averaged([] if resampler is None else resampler.resample(None))


def _averaged(frames: Sequence[AudioFrame]) -> Samples:
    parts: list[Samples] = [np.nan_to_num(each.to_ndarray()).mean(axis=0, dtype=np.float32) for each in frames]
    return np.concatenate([np.empty(0, dtype=np.float32), *parts])
