"""Overlay videos: the frames of a clip with truth, prediction and errors drawn in, and what each frame is worth above.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from podium.errors import MachineError, PodiumError
from podium.media import contours, images
from podium.media.images import Pixels
from podium.media.source import pyav
from podium.media.video import Writer
from podium.report.frame_curves import short
from podium.types import MaskedFrame, MaskPair

if TYPE_CHECKING:
    from PIL import Image

# In this order: encoders whose videos browsers play, with the suffix and the type that goes with each.
_ENCODERS = (("libx264", ".mp4", "video/mp4"), ("libvpx-vp9", ".webm", "video/webm"))
_QUALITY = 23
_MOST_EDGE = 1_280
_LEAST_WIDTH, _MOST_FACTOR = 640, 4
_BAND, _TEXT = 28, 15
_INK, _GROUND = (238, 238, 234), (22, 24, 28)
_MOST_CHARACTERS = 60
_RESERVED = re.compile(r"(?i)(con|prn|aux|nul|com\d|lpt\d)")


@dataclass(frozen=True, kw_only=True)
class Encoding:
    """How videos are written here."""

    codec: str
    suffix: str
    mime: str


def encoding() -> Encoding:
    """An encoding that browsers play.

    Raises:
        MachineError: PyAV is not installed, or has no such encoder; says how to get one.
    """
    available = pyav().codecs_available
    for codec, suffix, mime in _ENCODERS:
        if codec in available:
            return Encoding(codec=codec, suffix=suffix, mime=mime)
    raise MachineError("this build of PyAV has no encoder that browsers play: `pip install 'podium[video]'` brings one")


def safe_name(item: str, taken: Container[str] = ()) -> str:
    """A file name without suffix for any text: its letters, digits, `-` and `_`, and a digest where that is not all.

    Args:
        item: As a data set calls it.
        taken: Names in small letters that are in use.

    >>> safe_name("bmx-trees"), safe_name("../a b"), safe_name("Bear", {"bear"})
    ('bmx-trees', 'a-b-2c2c791a', 'Bear-8c578ed3')
    """
    kept = re.sub(r"[^A-Za-z0-9_-]+", "-", item).strip("-")[:_MOST_CHARACTERS] or "clip"
    if kept == item and kept.lower() not in taken and not _RESERVED.fullmatch(kept):
        return kept
    digest = hashlib.sha256(item.encode("utf-8", "surrogatepass")).hexdigest()
    lengths = range(8, len(digest))
    return next(name for length in lengths if (name := f"{kept}-{digest[:length]}").lower() not in taken)


class Recorder:
    """A video that grows frame by frame; what goes wrong with it is kept as its reason and harms nothing else.

    Args:
        path: The file; its folder is made.
        frames_per_second: To play it.
        codec: ffmpeg's name of the encoder.
    """

    def __init__(self, path: Path, *, frames_per_second: float, codec: str) -> None:
        self.reason = ""
        self._writer: Writer | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._writer = Writer(path, frames_per_second=frames_per_second, quality=_QUALITY, codec=codec)
        except (PodiumError, OSError) as error:
            self.reason = _words(error)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end(error)

    def add(self, frame_HWC: Pixels) -> None:
        """Appends a picture; does nothing once something went wrong."""
        if self._writer is None:
            return
        try:
            self._writer.add(frame_HWC)
        except (PodiumError, OSError, ValueError) as error:
            self.reason = _words(error)
            self._end(error)

    def _end(self, error: BaseException | None) -> None:
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.__exit__(type(error) if error else None, error, None)
        except (PodiumError, OSError, ValueError) as failure:
            self.reason = self.reason or _words(failure)


def _words(error: Exception) -> str:
    return str(error) if isinstance(error, PodiumError) else f"it cannot be written ({type(error).__name__})"


def overlaid(frame_HWC: Pixels, pair: MaskPair, *, thickness: int = 2) -> Pixels:
    """A picture with truth, prediction and errors drawn in; without a prediction all of the truth is missed.

    Args:
        frame_HWC: Scaled to the size of the masks where it has another.
        pair: The masks.
        thickness: Of contours, in pixels of the masks.
    """
    height, width = pair.truth_HW.shape
    if frame_HWC.shape[:2] != (height, width):
        frame_HWC = images.resize(frame_HWC, size=(width, height))
    mask_HW = np.zeros_like(pair.truth_HW) if pair.prediction_HW is None else pair.prediction_HW
    return contours.overlay(frame_HWC, mask_HW, truth_HW=pair.truth_HW, thickness=thickness)


def enlarged(frame_HWC: Pixels, pair: MaskPair) -> tuple[Pixels, MaskPair]:
    """Small pictures and their masks a whole number of times as large, so that contours are thin and text fits."""
    factor = min(_MOST_FACTOR, -(-_LEAST_WIDTH // pair.truth_HW.shape[1]))
    if factor == 1:
        return frame_HWC, pair
    height, width = (factor * side for side in pair.truth_HW.shape)
    larger = MaskPair(
        truth_HW=pair.truth_HW.repeat(factor, axis=0).repeat(factor, axis=1),
        prediction_HW=None
        if pair.prediction_HW is None
        else pair.prediction_HW.repeat(factor, axis=0).repeat(factor, axis=1),
    )
    return images.resize(frame_HWC, size=(width, height)), larger


def captioned(drawn_HWC: Pixels, measures: Sequence[str], frame: MaskedFrame, *, missing: bool) -> Pixels:
    """A picture no larger than a page shows, with the frame's number and values and the colours' names above it."""
    from PIL import ImageDraw

    height, width = drawn_HWC.shape[:2]
    scale = min(1.0, _MOST_EDGE / max(height, width))
    if scale < 1:
        drawn_HWC = images.resize(drawn_HWC, size=(max(2, round(width * scale)), max(2, round(height * scale))))
    band = _legend(drawn_HWC.shape[1]).copy()
    words = [short(frame.name).rjust(4)]
    words += [
        f"{name} {'–' if value is None else f'{value:.3f}'}" for name, value in zip(measures, frame.values, strict=True)
    ]
    if missing:
        words.append("no mask")
    draw: Any = ImageDraw.Draw(band)
    draw.text((10, _BAND // 2), "   ".join(words), fill=_INK, font=_font(), anchor="lm")
    return np.concatenate([np.asarray(band), drawn_HWC], axis=0)


@cache
def _legend(width: int) -> Image.Image:
    """The empty band, with the colours named at its right where there is room for them."""
    from PIL import Image, ImageDraw

    band = Image.new("RGB", (width, _BAND), _GROUND)
    draw: Any = ImageDraw.Draw(band)
    at = float(width - 10)
    if width < 640:
        return band
    for name, colour in reversed(contours.LEGEND[:3]):
        at -= draw.textlength(name, font=_font())
        draw.text((at, _BAND // 2), name, fill=_INK, font=_font(), anchor="lm")
        draw.rectangle((at - 18, 8, at - 6, 20), fill=colour)
        at -= 34
    return band


@cache
def _font() -> Any:
    from PIL import ImageFont

    return ImageFont.load_default(size=_TEXT)
