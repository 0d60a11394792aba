"""A position in a video that moves forward, seeking over long gaps."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

from podium.media.sampling import middle_tick, sample_count
from podium.media.source import Source, UnreadableVideo, decoded, pyav, reason, usual_ticks

if TYPE_CHECKING:
    from av import VideoFrame

_DECODE_ON_SECONDS = 4.0
"""Gaps up to this are decoded through; a seek could land before the present position and decode it again."""

_SEEK_BACK_SECONDS = (0.0, 2.0, 10.0)
"""Containers seek by decoding order, so that a seek can land a little late; then it is tried from further back."""


class Player:
    """What a video shows at times that only grow. What cannot be decoded is passed over.

    Args:
        source: Freshly opened.

    Raises:
        UnreadableVideo: No picture can be decoded.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._faults: list[str] = []
        self._frames = self._decoded()
        first = next(self._frames, None)
        if first is None:
            fault = self._faults[0] if self._faults else "no picture comes out of its decoder"
            raise UnreadableVideo(source.path, f"holds no pictures that can be decoded ({fault})")
        self._can_seek = source.can_seek and source.stamp(first[0]) is not None
        self.first, self.origin = first
        self._restart(*first)

    def _decoded(self) -> Iterator[tuple[VideoFrame, int]]:
        return decoded(self._source, lambda fault, _tick: self._faults.append(fault))

    def _restart(self, shown: VideoFrame, tick: int) -> None:
        self._shown, self._tick = shown, tick
        self._ahead = next(self._frames, None)

    @property
    def end(self) -> int:
        """The tick at which the present picture's time is over."""
        if self._ahead is not None:
            return self._ahead[1]
        return self._tick + (self._shown.duration or usual_ticks(self._source))

    @property
    def at_last(self) -> bool:
        """True when no picture follows."""
        return self._ahead is None

    def shown_at(self, tick: int) -> VideoFrame:
        """The last picture whose stamp is not after `tick`; the first one there is when all are after it."""
        if self._can_seek and (tick - self._tick) * self._source.time_base > _DECODE_ON_SECONDS:
            self._seek(tick)
        while self._ahead is not None and self.end <= tick:
            self._restart(*self._ahead)
        return self._shown

    def _seek(self, tick: int) -> None:
        av = pyav()
        back_ticks = [round(Fraction(seconds) / self._source.time_base) for seconds in _SEEK_BACK_SECONDS]
        for target in chain((max(self.origin, tick - back) for back in back_ticks), [self.origin]):
            try:
                self._source.container.seek(target, stream=self._source.stream)
            except av.FFmpegError as error:
                self._faults.append(reason(error))
                self._can_seek = False
                return
            self._frames = self._decoded()
            landed = next(self._frames, None)
            if landed is not None and (landed[1] <= tick or target == self.origin):
                self._restart(*landed)
                return

    def steady(self, start: int, end: int | None, rate: Fraction) -> Iterator[VideoFrame]:
        """The picture of the middle of each interval of a span, which ends with the video at the latest."""
        time_base = self._source.time_base
        index = 0
        while end is None or index < sample_count((end - start) * time_base, rate):
            frame = self.shown_at(start + middle_tick(index, rate, time_base) - 1)
            if self.at_last:
                stop = self.end if end is None else min(end, self.end)
                if stop <= start or index >= sample_count((stop - start) * time_base, rate):
                    return
            yield frame
            index += 1

    def as_they_are(self, start: int, end: int | None) -> Iterator[VideoFrame]:
        """The pictures whose stamps lie in a span."""
        self.shown_at(start)
        while end is None or self._tick < end:
            if self._tick >= start:
                yield self._shown
            if self._ahead is None:
                return
            self._restart(*self._ahead)
