"""Strips: a few frames of a clip, small enough to travel inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from podium.errors import MachineError, PodiumError
from podium.report.amounts import clipped, moment
from podium.types import Clip, DataSet

if TYPE_CHECKING:
    from PIL import Image

FRAMES = 6
_LONGEST_EDGE = 160
_LONE_EDGE = 320
_QUALITIES = (70, 55, 40, 25)
_SHRINKS = (1.0, 0.75, 0.5, 0.35)


@dataclass(frozen=True, kw_only=True)
class Frame:
    """One picture of a strip."""

    uri: str
    width: int
    height: int
    label: str
    alt: str


@dataclass(frozen=True, kw_only=True)
class Strip:
    """What is seen of a clip; `reason` says why when there are no frames."""

    title: str
    frames: tuple[Frame, ...] = ()
    reason: str = ""


def seconds_of(clip: Clip) -> tuple[float, ...]:
    """The middles of the equal parts of a clip; none for an image.

    >>> seconds_of(Clip(item="Q1", path="a.mp4", start_seconds=0.0, end_seconds=12.0))
    (1.0, 3.0, 5.0, 7.0, 9.0, 11.0)
    """
    if clip.start_seconds is None:
        return ()
    if clip.end_seconds is None or clip.end_seconds <= clip.start_seconds:
        return (clip.start_seconds,)
    part = (clip.end_seconds - clip.start_seconds) / FRAMES
    return tuple(clip.start_seconds + (k + 0.5) * part for k in range(FRAMES))


def make(clips: Iterable[Clip], *, data: DataSet | None, budget_bytes: int) -> Mapping[Clip, Strip]:
    """The strip of every clip. A clip that cannot be read gets a strip with the reason, never an error.

    Args:
        clips: A repeated clip costs nothing more to read.
        data: Where the clips lie; None gives strips without frames.
        budget_bytes: Of all strips together, each counted as often as it is named.
    """
    named = list(clips)
    frames = sum(max(1, len(seconds_of(clip))) for clip in named)
    allowance = budget_bytes // max(1, frames)
    strips: dict[Clip, Strip] = {}
    for path, group in groupby(sorted(set(named), key=_order), key=lambda clip: clip.path):
        strips |= _strips_of_file(path, list(group), data, allowance)
    return strips


def _order(clip: Clip) -> tuple[str, str, float, float]:
    return clip.path, clip.item, clip.start_seconds or 0.0, clip.end_seconds or 0.0


def _strips_of_file(path: str, clips: list[Clip], data: DataSet | None, allowance: int) -> dict[Clip, Strip]:
    try:
        pictures = _read(_located(path, data), sorted({moment for clip in clips for moment in seconds_of(clip)}), clips)
    except Exception as error:
        # Decoders fail on damaged files in ways beyond counting, and a missing picture must not cost the page.
        reason = clipped(_reason(error, data), characters=200)
        return {clip: Strip(title=title(clip), reason=reason) for clip in clips}
    return {clip: _strip(clip, pictures, allowance) for clip in clips}


def _reason(error: Exception, data: DataSet | None) -> str:
    """The error's text without the folders of this machine."""
    text = str(error) if isinstance(error, PodiumError) else f"it cannot be read ({error or type(error).__name__})"
    return text.replace(f"{data.root}/", "") if data else text


def _located(path: str, data: DataSet | None) -> Path:
    parts = PurePosixPath(path)
    if not path:
        raise MachineError("the report does not say where this is")
    if data is None:
        raise MachineError("the data set was not at hand when this page was made")
    if parts.is_absolute() or ".." in parts.parts:
        raise MachineError(f"`{path}` lies outside the data set")
    found = data.root / parts
    if not found.is_file():
        raise MachineError(f"the data set has no file `{path}`")
    return found


def _read(path: Path, seconds: list[float], clips: list[Clip]) -> dict[float | None, Image.Image]:
    """Pictures by their second, decoded in one pass; an image has the key None."""
    pictures: dict[float | None, Image.Image] = {}
    if seconds:
        pictures |= _video_pictures(path, seconds)
    if any(clip.start_seconds is None for clip in clips):
        pictures[None] = _image_picture(path)
    return pictures


def _video_pictures(path: Path, seconds: list[float]) -> dict[float | None, Image.Image]:
    from PIL import Image

    from podium.media.video import frames_at

    frames_THWC = frames_at(path, seconds, short_edge=_LONGEST_EDGE)
    return {second: Image.fromarray(frame_HWC) for second, frame_HWC in zip(seconds, frames_THWC, strict=True)}


def _image_picture(path: Path) -> Image.Image:
    from PIL import Image, ImageOps

    with Image.open(path) as image:
        image.draft("RGB", (2 * _LONE_EDGE, 2 * _LONE_EDGE))
        return ImageOps.exif_transpose(image).convert("RGB")


def _strip(clip: Clip, pictures: Mapping[float | None, Image.Image], allowance: int) -> Strip:
    name = title(clip)
    if clip.start_seconds is None:
        return Strip(title=name, frames=(_frame(pictures[None], "", clip, allowance, edge=_LONE_EDGE),))
    return Strip(
        title=name,
        frames=tuple(
            _frame(pictures[second], moment(second), clip, allowance, edge=_LONGEST_EDGE) for second in seconds_of(clip)
        ),
    )


def _frame(picture: Image.Image, label: str, clip: Clip, allowance: int, *, edge: int) -> Frame:
    alt = f"{clip.item} at {label}" if label else clip.item
    return embedded(picture, allowance, edge=edge, label=label, alt=alt)


def embedded(picture: Image.Image, allowance_bytes: int, *, edge: int, label: str, alt: str) -> Frame:
    """The picture as the best JPEG that fits the allowance; the smallest when none does.

    Args:
        picture: Any size.
        allowance_bytes: Of the text that is put into the page.
        edge: Pixels of the longer side, at most.
        label: Below the picture.
        alt: What it shows.
    """
    packed, width, height = b"", 0, 0
    for shrink, quality in ((shrink, quality) for shrink in _SHRINKS for quality in _QUALITIES):
        small = picture.copy()
        small.thumbnail((round(edge * shrink), round(edge * shrink)))
        into = io.BytesIO()
        small.save(into, "jpeg", quality=quality, optimize=True)
        packed, width, height = into.getvalue(), small.width, small.height
        if len(packed) * 4 // 3 <= allowance_bytes:
            break
    uri = "data:image/jpeg;base64," + base64.b64encode(packed).decode()
    return Frame(uri=uri, width=width, height=height, label=label, alt=alt)


def title(clip: Clip) -> str:
    """The item and the part of it that is shown.

    >>> title(Clip(item="Q100001", path="q.mp4", start_seconds=2.0, end_seconds=14.5))
    'Q100001, 2.0 s to 14.5 s'
    """
    if clip.start_seconds is None:
        return clip.item
    if clip.end_seconds is None:
        return f"{clip.item}, at {moment(clip.start_seconds)}"
    return f"{clip.item}, {moment(clip.start_seconds)} to {moment(clip.end_seconds)}"
