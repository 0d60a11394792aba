"""Pictures into a video file.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from podium.errors import MachineError, UsageError
from podium.media.source import Pixels, exact_bicubic, pyav, reason


class Writer:
    """A video file that grows picture by picture and appears under its name only when it is whole.

    One encoding thread, so that the same pictures and settings give the same bytes with the same encoder. An odd last
    row or column is cut off, because 4:2:0 video has even sides.

    Args:
        path: The file; the suffix names the container, such as ``.mp4``. Replaced when it exists.
        frames_per_second: The steady rate.
        quality: Constant rate factor: 18 looks like the source, 23 is usual, 51 is the worst. Ignored with `bit_rate`.
        bit_rate: Bits a second, or None.
        codec: ffmpeg's name of the encoder. Where the build has no `libx264`, MPEG-4 part 2 takes its place.
        preset: The encoder's own name of its speed; None leaves its default.

    Raises:
        UsageError: A setting makes no sense, or no picture or one of another size was added.
        MachineError: PyAV or the encoder is missing.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        frames_per_second: float | Fraction,
        quality: int = 23,
        bit_rate: int | None = None,
        codec: str = "libx264",
        preset: str | None = "veryfast",
    ) -> None:
        self.path = Path(path)
        self._partial = self.path.with_name(f".{self.path.stem}.{os.getpid()}.partial{self.path.suffix}")
        self._rate = Fraction(frames_per_second).limit_denominator(1_001_000)
        if not Fraction(1, 1000) <= self._rate <= 1000:
            raise UsageError(f"`frames_per_second` is `{frames_per_second}`; 0.001 to 1,000 are allowed")
        if not 0 <= quality <= 51:
            raise UsageError(f"`quality` is `{quality}`; 0 to 51 are allowed")
        self._quality = quality
        self._bit_rate = bit_rate
        self._codec = codec
        self._preset = preset
        self._container: Any = None
        self._stream: Any = None
        self._reformatter: Any = None
        self._shape: tuple[int, ...] | None = None
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self._finish()
        finally:
            if self._container is not None:
                self._container.close()
            self._partial.unlink(missing_ok=True)

    def add(self, frame_HWC: Pixels) -> None:
        """Appends one RGB picture, (H, W, 3), 0 to 255, of the size of the first."""
        av = pyav()
        if frame_HWC.ndim != 3 or frame_HWC.shape[2] != 3 or frame_HWC.dtype != np.uint8 or min(frame_HWC.shape) < 2:
            raise UsageError(f"a picture is {frame_HWC.dtype} {frame_HWC.shape}; uint8 (H, W, 3) of 2 x 2 up is needed")
        if self._shape is None:
            self._shape = frame_HWC.shape
            self._open()
        if frame_HWC.shape != self._shape:
            raise UsageError(f"picture {self._count} is {frame_HWC.shape}; the first was {self._shape}")
        height, width = frame_HWC.shape[0] // 2 * 2, frame_HWC.shape[1] // 2 * 2
        colours = av.VideoFrame.from_ndarray(np.ascontiguousarray(frame_HWC[:height, :width]), format="rgb24")
        frame = self._reformatter.reformat(colours, format="yuv420p", interpolation=exact_bicubic(), threads=1)
        frame.pts = self._count
        frame.time_base = 1 / self._rate
        self._count += 1
        self._container.mux(self._stream.encode(frame))

    def _open(self) -> None:
        av = pyav()
        codec = self._encoder()
        height, width = (self._shape or (0, 0))[:2]
        try:
            self._container = av.open(f"file:{self._partial}", "w")
            stream = self._container.add_stream(codec, rate=self._rate)
        except (av.FFmpegError, OSError, ValueError) as error:
            raise UsageError(f"`{self.path}` cannot be written with `{codec}`: {reason(error)}") from error
        stream.width, stream.height, stream.pix_fmt = width // 2 * 2, height // 2 * 2, "yuv420p"
        context = stream.codec_context
        context.time_base = 1 / self._rate
        context.thread_count = 1
        options = {"preset": self._preset} if self._preset and codec.startswith("libx26") else {}
        if self._bit_rate is not None:
            stream.bit_rate = self._bit_rate
        elif codec == "mpeg4":
            context.qmin = context.qmax = max(1, min(31, round((self._quality - 10) / 2.2)))
            context.bit_rate = 100_000_000
        else:
            options["crf"] = str(self._quality)
        if codec == "libx264":
            # With its macroblock tree on, x264 gives other bytes from run to run.
            options["x264-params"] = "mbtree=0"
        stream.options = options
        self._stream = stream
        self._reformatter = av.video.reformatter.VideoReformatter()

    def _encoder(self) -> str:
        available = pyav().codecs_available
        if self._codec in available:
            return self._codec
        if self._codec == "libx264":
            return "mpeg4"
        raise MachineError(f"this build of PyAV has no encoder `{self._codec}`; `libx264` and `mpeg4` are usual")

    def _finish(self) -> None:
        if self._container is None:
            raise UsageError(f"`{self.path}` cannot be written: there is no picture")
        self._container.mux(self._stream.encode(None))
        self._container.close()
        self._partial.replace(self.path)


def write(
    path: Path | str,
    frames: Iterable[Pixels],
    *,
    frames_per_second: float | Fraction,
    quality: int = 23,
    bit_rate: int | None = None,
    codec: str = "libx264",
    preset: str | None = "veryfast",
) -> None:
    """Writes pictures, each (H, W, 3) RGB of one size, as a video; see `Writer` for the settings and what it raises."""
    with Writer(
        path, frames_per_second=frames_per_second, quality=quality, bit_rate=bit_rate, codec=codec, preset=preset
    ) as writer:
        for frame_HWC in frames:
            writer.add(frame_HWC)
