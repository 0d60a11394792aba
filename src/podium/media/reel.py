"""Frames of a stretch of footage at any size, rate and speed.

Axes: H height, W width, C colour (red, green, blue).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image

from podium.media import images
from podium.media.footage import WHOLE, Box

_MOST_PIXELS = 960 * 540

Fit = Literal["cover", "contain", "stretch"]
"""How footage of one shape goes into a frame of another: cut off, between black bars, or out of shape."""


@dataclass(frozen=True, kw_only=True)
class Window:
    """A stretch of footage, and a part of its picture.

    Attributes:
        name: Of the source, for people.
        width: Of the whole picture, in pixels.
        box: The part that is used.
        start_seconds: In the video; not used for a photo.
        end_seconds: In the video.
        seed: Of the camera's way over a photo.
    """

    name: str
    path: Path
    moving: bool
    width: int
    height: int
    box: Box = WHOLE
    start_seconds: float
    end_seconds: float
    seed: int = 0


def frames(
    window: Window, *, count: int, frames_per_second: float, size: tuple[int, int], fit: Fit = "cover"
) -> Iterator[np.ndarray]:
    """Exactly `count` frames (H, W, 3), spread evenly over the window; the last is repeated where footage runs out.

    A window of other than ``count / frames_per_second`` seconds plays faster or slower.

    Args:
        window: What to show.
        count: At least 1.
        frames_per_second: Of the result.
        size: Width and height of the result.
        fit: What to do about another shape.

    Raises:
        UsageError: The footage cannot be read.
    """
    made = _filmed(window, count, frames_per_second, size) if not window.moving else _played(window, count, size, fit)
    last: np.ndarray | None = None
    given = 0
    for frame_HWC in made:
        if given == count:
            return
        last = frame_HWC
        given += 1
        yield frame_HWC
    if last is not None:
        yield from (last for _ in range(count - given))


def _filmed(window: Window, count: int, frames_per_second: float, size: tuple[int, int]) -> Iterator[np.ndarray]:
    picture_HWC = images.read(window.path)
    high, wide = picture_HWC.shape[:2]
    left, top, right, bottom = window.box
    part_HWC = picture_HWC[round(top * high) : round(bottom * high), round(left * wide) : round(right * wide)]
    seconds = count / frames_per_second
    rng = np.random.default_rng(window.seed)
    return images.pan(part_HWC, seconds=seconds, frames_per_second=frames_per_second, size=size, rng=rng)


def _played(window: Window, count: int, size: tuple[int, int], fit: Fit) -> Iterator[np.ndarray]:
    from podium.media import video

    left, top, right, bottom = window.box
    part = ((right - left) * window.width, (bottom - top) * window.height)
    scales = (size[0] / part[0], size[1] / part[1])
    if fit != "stretch":
        scales = (max(scales),) * 2 if fit == "cover" else (min(scales),) * 2
    # The decoder hands over the whole picture at the size that is needed; of a small part of a large picture that
    # would be mostly waste, so that such a part gets softer instead.
    largest = min(1.0, math.sqrt(_MOST_PIXELS / (window.width * window.height)))
    whole = (
        max(2, round(window.width * min(largest, scales[0]))),
        max(2, round(window.height * min(largest, scales[1]))),
    )
    corners = (left * whole[0], top * whole[1], right * whole[0], bottom * whole[1])
    pictures = video.stream(
        window.path,
        start_seconds=window.start_seconds,
        end_seconds=window.end_seconds,
        frames_per_second=count / (window.end_seconds - window.start_seconds),
        size=whole,
    )
    return (_fitted(Image.fromarray(picture), corners, size, fit) for picture in pictures)


def _fitted(
    picture: Image.Image, corners: tuple[float, float, float, float], size: tuple[int, int], fit: Fit
) -> np.ndarray:
    left, top, right, bottom = corners
    wide, high = right - left, bottom - top
    if fit == "cover":
        scale = min(wide / size[0], high / size[1])
        spare_x, spare_y = (wide - scale * size[0]) / 2, (high - scale * size[1]) / 2
        # Sums of fractions can pass the edge by a rounding error, which Pillow refuses.
        corners = (
            max(0.0, left + spare_x),
            max(0.0, top + spare_y),
            min(float(picture.width), right - spare_x),
            min(float(picture.height), bottom - spare_y),
        )
    if fit != "contain":
        return np.array(picture.resize(size, Image.Resampling.BILINEAR, box=corners))
    scale = min(size[0] / wide, size[1] / high)
    inner = (max(1, round(wide * scale)), max(1, round(high * scale)))
    canvas = Image.new("RGB", size)
    scaled = picture.resize(inner, Image.Resampling.BILINEAR, box=corners)
    canvas.paste(scaled, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return np.array(canvas)
