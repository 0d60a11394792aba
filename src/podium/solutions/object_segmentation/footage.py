"""People's own videos to masks, frame by frame, and a video with the masks drawn over it.

```
OUT/
  masks/00000.png      grey: 255 is the object, 0 the rest; one for each frame
  overlay.mp4          the frames with the masks drawn over them
  segmentation.json    what was done
```

Frames stream through: a few are in memory at a time, however long the video is.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np

from podium.errors import PodiumError, UsageError
from podium.formats import masks
from podium.formats.files import replacing
from podium.media import contours, images, video
from podium.media.library import PHOTO_SUFFIXES
from podium.media.video import Writer
from podium.solutions.object_segmentation.inference import Pixels, Segmenter
from podium.types import Progress, silent

MASKS, OVERLAY, DESCRIPTION = "masks", "overlay.mp4", "segmentation.json"
FOLDER_FRAMES_PER_SECOND = 24.0

_MOST_SIDE = 8_192


@dataclass(frozen=True, kw_only=True)
class SegmentRequest:
    """A video to segment.

    Attributes:
        footage: A video file, or a folder of frames in the order of their names; where it has several kinds of files,
            the kind of which there are most.
        out: The folder to fill; made where it is missing.
        method: What the masks are made by, for `segmentation.json`.
        overlay: Write the video with the masks drawn over it as well.
        threshold: A pixel of this probability or more belongs to the object, 0 to 1.
        frames_per_second: Of the masks of a video file; None takes every frame. For a folder, how fast it plays.
        max_side: Larger frames are scaled so that the longer side has this many pixels; None leaves them.
    """

    footage: Path
    out: Path
    method: str
    overlay: bool = True
    threshold: float = 0.5
    frames_per_second: float | None = None
    max_side: int | None = 854

    def __post_init__(self) -> None:
        if not 0 < self.threshold <= 1:
            raise UsageError(f"the threshold is `{self.threshold}`; above 0 and up to 1 is allowed")
        if self.max_side is not None and not 16 <= self.max_side <= _MOST_SIDE:
            raise UsageError(f"the longer side is `{self.max_side}`; 16 to {_MOST_SIDE} is allowed")
        if self.frames_per_second is not None and not 0.001 <= self.frames_per_second <= 1_000:
            raise UsageError(f"`{self.frames_per_second}` frames a second are asked for; 0.001 to 1,000 are allowed")


@dataclass(frozen=True, kw_only=True)
class Segmentation:
    """What was done with a video.

    Attributes:
        footage: The file or folder.
        method: What the masks were made by.
        parameters: Of the method.
        threshold: From which on a pixel belongs to the object.
        frames: How many masks there are.
        frames_per_second: Of the masks.
        height: Of the masks, in pixels.
        width: Of the masks.
        seconds_per_frame: Segmenting alone, without reading and writing.
        shares: The object's share of each frame.
        unreadable_frames: Frames of the file that could not be decoded and have no mask; None where nobody knows.
        fault: Why the frames ended early; empty when they did not.
    """

    footage: str
    method: str
    parameters: int
    threshold: float
    frames: int
    frames_per_second: float
    height: int
    width: int
    seconds_per_frame: float
    shares: tuple[float, ...]
    unreadable_frames: int | None
    fault: str


@dataclass(frozen=True, kw_only=True)
class _Footage:
    """Frames to come: how many there should be, how fast they play, and whether the count is exact."""

    frames: Callable[[], Iterator[Pixels]]
    count: int | None
    frames_per_second: float
    every: bool


def segment(
    request: SegmentRequest,
    segmenter: Segmenter,
    *,
    progress: Progress = silent,
    clock: Callable[[], float] = time.perf_counter,
) -> Segmentation:
    """Writes the mask of each frame, the overlay and the description.

    When the frames end in a fault, or the work is interrupted, all that was done is kept and described.

    Args:
        request: What to segment.
        segmenter: Any.
        progress: Shown a step for each frame.
        clock: Seconds that only grow.

    Raises:
        UsageError: The footage is missing or gives no frame, or the folder to fill has something in it.
        MachineError: A package is missing.
    """
    out = request.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UsageError(f"`{out}` is not an empty folder; name one that is, or that does not exist yet")
    footage = _opened(request)
    reel = _Reel(footage.frames(), clock)
    report = _Report(request, footage)
    with ExitStack() as stack:
        writer: Writer | None = None
        try:
            for probability_HW in progress(segmenter.masks(reel), what="segmenting", total=footage.count):
                reel.lap()
                frame_HWC, mask_HW = reel.held.popleft(), probability_HW >= request.threshold
                if request.overlay and writer is None:
                    out.mkdir(parents=True, exist_ok=True)
                    writer = stack.enter_context(Writer(out / OVERLAY, frames_per_second=footage.frames_per_second))
                report.add(mask_HW)
                if writer is not None:
                    writer.add(contours.overlay(frame_HWC, mask_HW))
                reel.start()
        except KeyboardInterrupt:
            reel.fault = reel.fault or "interrupted"
        if not report.shares:
            raise UsageError(reel.fault or f"`{request.footage}` gives no frame")
    return report.close(parameters=segmenter.parameters, seconds=reel.seconds, fault=reel.fault)


class _Reel:
    """Frames on their way through a segmenter: those that have no mask yet are held, and the time is taken.

    A fault of the footage ends the frames, so that those before it still get their masks.
    """

    def __init__(self, frames: Iterator[Pixels], clock: Callable[[], float]) -> None:
        self._frames = frames
        self._clock = clock
        self._since = clock()
        self.held: deque[Pixels] = deque()
        self.seconds = 0.0
        self.fault = ""

    def __iter__(self) -> Iterator[Pixels]:
        while True:
            self.lap()
            frame_HWC = self._next()
            self.start()
            if frame_HWC is None:
                return
            self.held.append(frame_HWC)
            yield frame_HWC

    def start(self) -> None:
        """The segmenter works from here on."""
        self._since = self._clock()

    def lap(self) -> None:
        """The segmenter worked until here."""
        self.seconds += self._clock() - self._since

    def _next(self) -> Pixels | None:
        try:
            return next(self._frames, None)
        except PodiumError as error:
            self.fault = str(error)
            return None


class _Report:
    """Writes masks as they come, and what was done at the end."""

    def __init__(self, request: SegmentRequest, footage: _Footage) -> None:
        self._request = request
        self._footage = footage
        self._size = 0, 0
        self.shares: list[float] = []

    def add(self, mask_HW: np.ndarray) -> None:
        folder = self._request.out / MASKS
        if not self.shares:
            folder.mkdir(parents=True, exist_ok=True)
        masks.write(folder / f"{len(self.shares):05}.png", mask_HW.astype(np.uint8) * np.uint8(255))
        self.shares.append(round(float(mask_HW.mean()), 6))
        self._size = mask_HW.shape[0], mask_HW.shape[1]

    def close(self, *, parameters: int, seconds: float, fault: str) -> Segmentation:
        count, footage, request = len(self.shares), self._footage, self._request
        whole = footage.every and not fault and footage.count is not None
        done = Segmentation(
            footage=str(request.footage),
            method=request.method,
            parameters=parameters,
            threshold=request.threshold,
            frames=count,
            frames_per_second=footage.frames_per_second,
            height=self._size[0],
            width=self._size[1],
            seconds_per_frame=round(seconds / count, 4),
            shares=tuple(self.shares),
            unreadable_frames=max(0, (footage.count or 0) - count) if whole else None,
            fault=fault,
        )
        with replacing(request.out / DESCRIPTION) as stream:
            stream.write(msgspec.json.format(msgspec.json.encode(done), indent=2) + b"\n")
        return done


def _opened(request: SegmentRequest) -> _Footage:
    place = request.footage
    if place.is_dir():
        paths = _frame_files(place)
        rate = request.frames_per_second or FOLDER_FRAMES_PER_SECOND
        return _Footage(
            frames=lambda: _pictures(paths, request.max_side), count=len(paths), frames_per_second=rate, every=True
        )
    info = video.probe(place)
    rate, count = request.frames_per_second, info.frames
    if rate is not None:
        count = max(1, round(info.duration_seconds * rate))
    size = _fitted(info.width, info.height, request.max_side)
    return _Footage(
        frames=lambda: video.stream(place, frames_per_second=rate, size=size),
        count=count,
        frames_per_second=rate or info.frames_per_second,
        every=rate is None,
    )


def _frame_files(folder: Path) -> list[Path]:
    """The frames in order; of several kinds of files, those of which there are most: masks may lie beside them."""
    kinds: dict[str, list[Path]] = {}
    for path in folder.iterdir():
        suffix = path.suffix.lower()
        if suffix in PHOTO_SUFFIXES and not path.name.startswith("."):
            kinds.setdefault(".jpg" if suffix == ".jpeg" else suffix, []).append(path)
    if not kinds:
        allowed = ", ".join(f"`{each}`" for each in sorted(PHOTO_SUFFIXES))
        raise UsageError(f"`{folder}` holds no frames; files with {allowed} are needed")
    return sorted(max(kinds.items(), key=lambda item: (len(item[1]), item[0]))[1], key=_natural)


def _pictures(paths: list[Path], max_side: int | None) -> Iterator[Pixels]:
    """The frames of a folder, all at the size that the first one gets."""
    first: tuple[int, int] | None = None
    for path in paths:
        frame_HWC = images.read(path)
        height, width = frame_HWC.shape[:2]
        if first is None:
            first = height, width
        if (height, width) != first:
            found = f"`{path}` is `{width}x{height}`; the first frame is `{first[1]}x{first[0]}`"
            raise UsageError(f"{found}; the frames of a clip are of one size")
        yield images.resize(frame_HWC, size=_fitted(width, height, max_side))


def _fitted(width: int, height: int, max_side: int | None) -> tuple[int, int]:
    """Width and height with the longer side at `max_side` at most.

    >>> _fitted(1920, 1080, 854), _fitted(320, 240, 854)
    ((854, 480), (320, 240))
    """
    longer = max(width, height)
    if max_side is None or longer <= max_side:
        return width, height
    return max(1, round(width * max_side / longer)), max(1, round(height * max_side / longer))


def _natural(path: Path) -> list[tuple[int, int, str]]:
    """Names in the order in which people count: `frame2` before `frame10`."""
    parts = re.split(r"(\d+)", path.name)
    return [(0, int(each), "") if each.isascii() and each.isdigit() else (1, 0, each) for each in parts]
