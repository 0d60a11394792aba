"""Scenes: stretches of source material that do not look like each other.

A shot ends at a hard cut. A large picture may be cut into parts that share no pixel, which makes more scenes out of
little material. Shots and parts that look alike (a camera that returns or sweeps from part to part) count once, and
sources that look alike are one family, so that whoever shares scenes out can keep twins together.

Axes: T times, H, W, C picture, N thumbnails.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from podium.errors import UsageError
from podium.media import images, likeness
from podium.media.library import Source
from podium.types import Problem, Progress, Severity, silent

Box = tuple[float, float, float, float]
"""Left, top, right and bottom as fractions of the picture."""

WHOLE: Box = (0.0, 0.0, 1.0, 1.0)
PHOTO_SECONDS = 8.0
"""How long a photo is filmed."""
MIN_SECONDS = 1.5
"""Shorter shots are dropped."""
MAX_SOURCE_SECONDS = 120.0
"""Of a longer video only the beginning is used."""
MIN_PART_SIDE = 150
"""A part is never smaller than this, in pixels."""

_LOOKS_PER_SECOND = 4
_THUMB = 64
# Mean change of a small picture (levels) times the change of its colours (share of pixels); sweeps stay below.
_CUT = 14.0
_FAMILY_LOOKS = 4


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A stretch of a source and a part of its picture.

    Attributes:
        box: The part.
        start_seconds: In the source; a photo has 0 to `PHOTO_SECONDS`.
        family: Scenes of one number may show the same things, others do not.
    """

    source: Source
    box: Box
    start_seconds: float
    end_seconds: float
    family: int

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.end_seconds - self.start_seconds

    @property
    def pixels(self) -> tuple[float, float]:
        """Width and height of the part in the source's pixels."""
        left, top, right, bottom = self.box
        return (right - left) * self.source.width, (bottom - top) * self.source.height


@dataclass(frozen=True, kw_only=True)
class Look:
    """What a first look at a source gave.

    Attributes:
        frames_THWC: Small pictures, one a second, 64 x 64; one of a photo.
        shots: Start and end of each shot in seconds.
    """

    source: Source
    frames_THWC: NDArray[np.uint8]
    shots: tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Looks:
    """Looks at many sources, and a warning for each that was skipped."""

    looks: tuple[Look, ...]
    skipped: tuple[Problem, ...] = ()


def look(source: Source) -> Look:
    """Decodes a source once, small.

    Raises:
        UsageError: It cannot be decoded, or not without faults.
    """
    if not source.moving:
        picture_HWC = images.resize(images.read(source.path), size=(_THUMB, _THUMB))
        return Look(source=source, frames_THWC=picture_HWC[None], shots=((0.0, PHOTO_SECONDS),))
    from podium.media import video

    sample = video.sample(
        source.path,
        frames_per_second=_LOOKS_PER_SECOND,
        size=(_THUMB, _THUMB),
        max_frames=round(MAX_SOURCE_SECONDS * _LOOKS_PER_SECOND),
    )
    if sample.damage is not None:
        raise UsageError(f"is damaged: {sample.damage}")
    seconds = min(source.duration_seconds, MAX_SOURCE_SECONDS, float(sample.times_T2[-1, 1]))
    start = float(sample.times_T2[0, 0])
    shots = _shots(sample.frames_THWC, start=start, end=seconds)
    return Look(source=source, frames_THWC=sample.frames_THWC[::_LOOKS_PER_SECOND], shots=shots)


def look_at_all(sources: Sequence[Source], *, progress: Progress = silent) -> Looks:
    """A look at each source; those that cannot be decoded without faults are skipped, with the reason."""
    looks: list[Look] = []
    skipped: list[Problem] = []
    for source in progress(sources, what="finding scenes", total=len(sources)):
        try:
            looks.append(look(source))
        except UsageError as error:
            reason = str(error).removeprefix(f"`{source.path}`: ")
            skipped.append(Problem(place=source.name, message=reason, severity=Severity.WARNING))
    return Looks(looks=tuple(looks), skipped=tuple(skipped))


def families(looks: Sequence[Look]) -> list[int]:
    """A number for each source, the same for those that show the same thing, mirrored or not."""
    thumbnails: list[NDArray[np.float32]] = []
    owners: list[int] = []
    for number, each in enumerate(looks):
        count = len(each.frames_THWC)
        for row in sorted({int((k + 0.5) * count / _FAMILY_LOOKS) for k in range(_FAMILY_LOOKS)}):
            thumbnails.append(likeness.thumbnail(Image.fromarray(each.frames_THWC[row])))
            owners.append(number)
    if not looks:
        return []
    alike_NN = likeness.alike(np.stack(thumbnails), mirrored=True)
    owner_N = np.array(owners)
    # Owners as a graph of their own: pictures of one source belong together whether they are alike or not.
    member = (owner_N[:, None] == np.arange(len(looks))).astype(np.int64)
    linked = (member.T @ alike_NN.astype(np.int64) @ member) > 0
    return [int(label) for label in likeness.groups(linked)]


def scenes(looks: Sequence[Look], family: Sequence[int], *, parts: int) -> tuple[Scene, ...]:
    """The scenes of some sources.

    Args:
        looks: From `look_at_all`.
        family: From `families`.
        parts: Into how many parts each picture is cut at most: 1, 2 or 4. Small pictures and photos are cut into fewer.

    Returns:
        In the order of the looks. Of sources in one family only the largest is used, because their scenes would be
        twins; parts without texture (a wall, a dark corner) are left out.
    """
    best: dict[int, int] = {}
    for row, each in enumerate(looks):
        rank = (each.source.width * each.source.height, -row)
        held = best.get(family[row])
        if held is None or rank > (looks[held].source.width * looks[held].source.height, -held):
            best[family[row]] = row
    return tuple(scene for row in sorted(best.values()) for scene in _scenes_of(looks[row], family[row], parts))


def boxes(width: int, height: int, *, parts: int) -> tuple[Box, ...]:
    """Parts of a picture that do not touch, at most `parts` of them, none smaller than `MIN_PART_SIDE`.

    >>> boxes(1280, 720, parts=2)
    ((0.0, 0.0, 0.49, 1.0), (0.51, 0.0, 1.0, 1.0))
    >>> len(boxes(1280, 720, parts=4)), len(boxes(340, 256, parts=4)), len(boxes(160, 120, parts=4))
    (4, 2, 1)
    """
    halves = ((0.0, 0.49), (0.51, 1.0))
    if parts >= 4 and min(width, height) * 0.49 >= MIN_PART_SIDE:
        return tuple((left, top, right, bottom) for top, bottom in halves for left, right in halves)
    if parts >= 2 and max(width, height) * 0.49 >= MIN_PART_SIDE:
        if width >= height:
            return tuple((left, 0.0, right, 1.0) for left, right in halves)
        return tuple((0.0, top, 1.0, bottom) for top, bottom in halves)
    return (WHOLE,)


def _shots(frames_THWC: NDArray[np.uint8], *, start: float, end: float) -> tuple[tuple[float, float], ...]:
    small = np.stack([np.asarray(Image.fromarray(frame).reduce(4), np.float64) for frame in frames_THWC])
    change_T = np.abs(np.diff(small, axis=0)).mean(axis=(1, 2, 3))
    quarter = frames_THWC.astype(np.int64) // 64
    code_THW = quarter[..., 0] * 16 + quarter[..., 1] * 4 + quarter[..., 2]
    share_TK = np.stack([np.bincount(code.ravel(), minlength=64) / code.size for code in code_THW])
    colours_T = np.abs(np.diff(share_TK, axis=0)).sum(axis=1) / 2
    cuts = np.flatnonzero(change_T * colours_T > _CUT)
    # The cut lies somewhere between two looks; both sides keep clear of it.
    ends = [start, *(start + (row + side) / _LOOKS_PER_SECOND for row in cuts for side in (0.5, 1.5)), end]
    spans = [(round(first, 3), round(last, 3)) for first, last in list(pairwise(ends))[::2]]
    return tuple(span for span in spans if span[1] - span[0] >= MIN_SECONDS)


def _scenes_of(each: Look, family: int, parts: int) -> list[Scene]:
    source = each.source
    cells: list[tuple[Box, tuple[float, float]]] = []
    thumbnails: list[NDArray[np.float32]] = []
    owners: list[int] = []
    # A photo has no second plane that moves apart: its quarters are too much of one kind.
    for box in boxes(source.width, source.height, parts=parts if source.moving else min(parts, 2)):
        for shot in each.shots:
            rows = _rows(each, shot)
            cut = [likeness.thumbnail(_part(each.frames_THWC[row], box)) for row in rows]
            if 2 * sum(likeness.textured(one) for one in cut) > len(cut):
                owners += [len(cells)] * len(cut)
                thumbnails += cut
                cells.append((box, shot))
    if len(cells) < 2:
        return [
            Scene(source=source, box=box, start_seconds=start, end_seconds=end, family=family)
            for box, (start, end) in cells
        ]
    owner_N = np.array(owners)
    member = (owner_N[:, None] == np.arange(len(cells))).astype(np.int64)
    linked = (member.T @ likeness.alike(np.stack(thumbnails)).astype(np.int64) @ member) > 0
    labels = likeness.groups(linked)
    kept = [
        max(np.flatnonzero(labels == label), key=lambda cell: cells[cell][1][1] - cells[cell][1][0])
        for label in range(labels.max() + 1)
    ]
    return [
        Scene(source=source, box=cells[cell][0], start_seconds=shot[0], end_seconds=shot[1], family=family)
        for cell in kept
        for shot in (cells[cell][1],)
    ]


def _rows(each: Look, shot: tuple[float, float]) -> list[int]:
    count = len(each.frames_THWC)
    if not each.source.moving:
        return [0]
    inside = [row for row in range(count) if shot[0] <= row + 0.5 / _LOOKS_PER_SECOND < shot[1]]
    return inside or [min(count - 1, int(shot[0]))]


def _part(picture_HWC: NDArray[np.uint8], box: Box) -> Image.Image:
    left, top, right, bottom = box
    size = (likeness.SIDE, likeness.SIDE)
    corners = (left * _THUMB, top * _THUMB, right * _THUMB, bottom * _THUMB)
    return Image.fromarray(picture_HWC).resize(size, Image.Resampling.BOX, box=corners)
