"""An opened video file: its picture stream, its clock, and pictures turned into arrays.

Of several picture streams the one marked as default is read, and among equals the largest, as ffmpeg does. Time zero is
the first picture that is shown, whatever its stamp in the file. Axes: H height, W width, C colour (red, green, blue).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError, UsageError

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.video.stream import VideoStream

Pixels = NDArray[np.uint8]

MAX_PIXELS = 64_000_000
"""Most pixels of one picture; larger ones are refused before they are decoded."""

_GAP_SECONDS = Fraction(1, 2)

# Demuxers that read one self-contained file. Playlists (hls, concat, dash) would let a video name other files, and
# ffmpeg's `tty` demuxer would render any text file as pictures.
_CONTAINERS = (
    "3g2,3gp,apng,asf,av1,avi,dv,flv,gif,h263,h264,hevc,ivf,m4a,m4v,matroska,mj2,mjpeg,mov,mp4,mpeg,mpegts,mpegvideo,"
    "mxf,nut,obu,ogg,rm,vc1,webm,wtv,yuv4mpegpipe"
)


class UnreadableVideo(UsageError):  # noqa: N818 - says what the file is
    """A file that gives no picture.

    Args:
        path: The file.
        reason: Why, without the file's name.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"`{path}`: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableVideo], tuple[str, str]]:
        return UnreadableVideo, (str(self.path), self.reason)


def pyav() -> Any:
    """The PyAV module, silent on stderr.

    Raises:
        MachineError: It is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise MachineError("reading and writing video needs PyAV: `pip install 'podium[video]'`") from error
    return av


@dataclass(frozen=True, kw_only=True)
class Source:
    """An open file and its picture stream, decoding with one thread."""

    path: Path
    container: InputContainer
    stream: VideoStream

    @property
    def time_base(self) -> Fraction:
        """Seconds in one tick of the stream's clock."""
        return self.stream.time_base or Fraction(1, 1_000_000)

    @property
    def frames_per_second(self) -> Fraction | None:
        """The mean rate that the file states, or None."""
        return self.stream.average_rate or self.stream.guessed_rate

    @property
    def stamps_by_decoding(self) -> bool:
        """True where the container knows only the order of decoding, so that the stamps of display are guesses."""
        return self.container.format.name == "avi"

    @property
    def can_seek(self) -> bool:
        """True where a picture found by seeking carries its own stamp; MPEG program streams stamp a few of many."""
        return self.container.format.name not in ("mpeg", "h264", "hevc", "m4v", "mpegvideo")

    def stamp(self, frame: VideoFrame) -> int | None:
        """When a decoded picture is shown, in ticks, or None where nothing says so."""
        return frame.dts if self.stamps_by_decoding else frame.pts

    @property
    def stated_seconds(self) -> float | None:
        """The length of the picture stream that the file's header states, or None.

        The container's length is taken only where there is no other stream that it could mean.
        """
        if self.stream.duration is not None:
            return float(self.stream.duration * self.time_base)
        if self.container.duration is not None and len(self.container.streams) == 1:
            return self.container.duration / 1_000_000
        return None


@contextmanager
def opened(path: Path | str) -> Generator[Source]:
    """An open video, closed at the end.

    Raises:
        UnreadableVideo: The file is missing, is no regular file, is no video, or has larger pictures than `MAX_PIXELS`.
        MachineError: PyAV is missing.
    """
    av = pyav()
    place = Path(path)
    if not place.exists():
        raise UnreadableVideo(path, "there is no such file")
    if not place.is_file():
        raise UnreadableVideo(path, "is no regular file")
    if place.stat().st_size == 0:
        raise UnreadableVideo(path, "the file is empty")
    options = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "file"}
    try:
        # The prefix keeps a name such as `concat:a|b` or `http:x` from being read as a protocol.
        container = av.open(f"file:{place}", options=options, metadata_errors="replace")
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideo(path, f"is no video that can be opened ({reason(error)})") from error
    with container:
        stream = _picture_stream(place, container)
        stream.codec_context.thread_count = 1
        yield Source(path=place, container=container, stream=stream)


def _picture_stream(path: Path, container: InputContainer) -> VideoStream:
    flags = pyav().stream.Disposition
    moving = [each for each in container.streams.video if not each.disposition & flags.attached_pic]
    if not moving:
        kinds = ", ".join(sorted({f"`{each.type}`" for each in container.streams})) or "nothing"
        raise UnreadableVideo(path, f"holds no pictures, only {kinds}")
    stream = max(moving, key=lambda each: (bool(each.disposition & flags.default), each.width * each.height))
    if stream.codec_context is None or not stream.codec_context.name:  # pyright: ignore[reportUnnecessaryComparison] - None where the build lacks the decoder
        raise UnreadableVideo(path, "no decoder for its codec is installed")
    if stream.width * stream.height > MAX_PIXELS:
        raise UnreadableVideo(
            path, f"its pictures are {stream.width} x {stream.height}; at most {MAX_PIXELS:,} pixels are allowed"
        )
    return stream


def reason(error: Exception) -> str:
    """The short text of an error of PyAV or of the system."""
    return str(getattr(error, "strerror", None) or error)


@dataclass(frozen=True, kw_only=True)
class Timeline:
    """When each picture of a file is shown, from its packets alone: nothing is decoded.

    Attributes:
        ticks: Stamp of each picture in order of display, in units of the stream's clock.
        end: Stamp at which the last picture's time is over.
        time_base: Seconds in one tick.
        exact: Every packet has a stamp of its own, so that a packet can stand for its picture.
        fault: Why the file could not be read to its end, or None.
    """

    ticks: tuple[int, ...]
    end: int
    time_base: Fraction
    exact: bool
    fault: str | None = None

    @property
    def origin(self) -> int:
        """Stamp of the first picture."""
        return self.ticks[0]

    @property
    def length(self) -> Fraction:
        """Seconds from the first picture to the end of the last."""
        return (self.end - self.origin) * self.time_base


def timeline(source: Source) -> Timeline | None:
    """When each picture is shown, or None where the packets do not say; reads the file to its end.

    Raises:
        UnreadableVideo: There is no packet at all.
    """
    av = pyav()
    stamps: list[int] = []
    lengths: dict[int, int] = {}
    unstamped = 0
    fault: str | None = None
    try:
        for packet in source.container.demux(source.stream):
            if not packet.size or packet.is_discard:
                continue
            if packet.pts is None:
                unstamped += 1
                continue
            stamps.append(packet.pts)
            lengths[packet.pts] = packet.duration or 0
    except av.FFmpegError as error:
        fault = reason(error)
    if not stamps and not unstamped:
        raise UnreadableVideo(source.path, "holds no pictures that can be read")
    if unstamped or not stamps:
        return None
    ticks = tuple(sorted(stamps))
    end = ticks[-1] + (lengths[ticks[-1]] or usual_ticks(source))
    exact = len(lengths) == len(stamps) and not source.stamps_by_decoding
    return Timeline(ticks=ticks, end=end, time_base=source.time_base, exact=exact, fault=fault)


def decoded(source: Source, note: Callable[[str, int | None], object]) -> Iterator[tuple[VideoFrame, int]]:
    """Every picture that can be decoded from where the file stands, in order of display, with its rising stamp.

    Goes on after a fault as ffmpeg does; `note` is told of each, with the stamp of the packet where it has one.
    Pictures without a stamp follow the one before at the file's rate, and so do those whose stamp does not rise. Once a
    stamp was missing, the others are only believed where they tell of a gap.
    """
    gap = round(_GAP_SECONDS / source.time_base)
    before: int | None = None
    due = 0
    unsure = False
    for frame in _frames(source, note):
        stamp = source.stamp(frame)
        unsure = unsure or stamp is None
        if stamp is None or (before is not None and (stamp <= before or (unsure and abs(stamp - due) < gap))):
            stamp = due
        before, due = stamp, stamp + (frame.duration or usual_ticks(source))
        yield frame, stamp


def _frames(source: Source, note: Callable[[str, int | None], object]) -> Iterator[VideoFrame]:
    av = pyav()
    try:
        for packet in source.container.demux(source.stream):
            try:
                yield from packet.decode()
            except av.FFmpegError as error:
                note(reason(error), packet.pts)
    except av.FFmpegError as error:
        note(reason(error), None)


def usual_ticks(source: Source) -> int:
    """How long a picture without a stated length is shown: by the file's mean rate, else one tick."""
    rate = source.frames_per_second
    return max(1, round(1 / (rate * source.time_base))) if rate else 1


def orientation(frame: VideoFrame) -> tuple[int, bool]:
    """How a decoded picture must be turned to be shown: quarter turns counter-clockwise, then whether to mirror it.

    The picture is mirrored left to right after the turn. From the display matrix, whose first two rows say where the
    picture's x and y axes point on the screen.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return 0, False
    numbers = np.frombuffer(bytes(matrix), np.int32)
    if numbers.size != 9:
        return 0, False
    (a, b), (c, d) = numbers[:2].tolist(), numbers[3:5].tolist()
    mirrored = a * d - b * c < 0
    if mirrored:
        a, c = -a, -c
    if abs(a) >= abs(b):
        return (0 if a >= 0 else 2), mirrored
    return (3 if b > 0 else 1), mirrored


def exact_bicubic() -> int:
    """The scaler's settings: bicubic, colour at full resolution, rounded to nearest and alike on every processor.

    Without the full-resolution colour libswscale gives 253 for white, without the rounding it is a level too dark.
    """
    from av.video.reformatter import Interpolation as Way

    return Way.BICUBIC | Way.FULL_CHR_H_INT | Way.FULL_CHR_H_INP | Way.ACCURATE_RND | Way.BITEXACT


class Converter:
    """Turns decoded pictures into upright RGB arrays of one size.

    Bicubic, low-pass filtered when it shrinks, rounded the same way on every processor. The size is settled by the
    first picture, so that a file that changes its size half-way still gives equal arrays.

    Args:
        short_edge: Pixels of the shorter side, which keeps the shape; or None.
        size: Width and height of the result, which may change the shape; or None. Both None leaves the size alone.
    """

    def __init__(self, *, short_edge: int | None = None, size: tuple[int, int] | None = None) -> None:
        if short_edge is not None and size is not None:
            raise UsageError("`short_edge` and `size` cannot both be given")
        if (short_edge is not None and short_edge < 1) or (size is not None and min(size) < 1):
            raise UsageError("`short_edge` and `size` must be at least 1 pixel")
        self._short_edge = short_edge
        self._size = size
        pyav()
        from av.video.reformatter import VideoReformatter

        self._reformatter = VideoReformatter()
        self._method = exact_bicubic()

    def size(self, frame: VideoFrame) -> tuple[int, int]:
        """Width and height of the arrays, upright."""
        if self._size is None:
            width, height = frame.width, frame.height
            if orientation(frame)[0] % 2:
                width, height = height, width
            self._size = fitted(width, height, self._short_edge)
        return self._size

    def __call__(self, frame: VideoFrame) -> Pixels:
        """The picture as (H, W, 3)."""
        width, height = self.size(frame)
        turns, mirrored = orientation(frame)
        if turns % 2:
            width, height = height, width
        picture = self._reformatter.reformat(
            frame, width=width, height=height, format="rgb24", interpolation=self._method, threads=1
        )
        pixels_HWC: Pixels = picture.to_ndarray().astype(np.uint8, copy=False)
        if turns:
            pixels_HWC = np.rot90(pixels_HWC, turns)
        if mirrored:
            pixels_HWC = pixels_HWC[:, ::-1]
        return np.ascontiguousarray(pixels_HWC)


def fitted(width: int, height: int, short_edge: int | None) -> tuple[int, int]:
    """Width and height with the shorter side at `short_edge`, shape kept; as they are when it is None.

    >>> fitted(1280, 720, 320)
    (569, 320)
    >>> fitted(90, 160, None)
    (90, 160)
    """
    if short_edge is None:
        return width, height
    scale = Fraction(short_edge, min(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))
