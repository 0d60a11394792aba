"""Frames and masks of a download, looked at one by one: what is wrong, and which masks must be written anew.

Axes: H height, W width, C channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from pathlib import Path

import numpy as np

from podium.challenges.davis import layout, sets
from podium.challenges.davis.findings import Findings
from podium.challenges.davis.sources import SourceFrame
from podium.errors import ChallengeError
from podium.formats import masks
from podium.formats.faults import shown
from podium.formats.masks import Levels, MaskFlaw, MaskKind
from podium.types import Severity

_KINDS = (MaskKind.GREY, MaskKind.PALETTE, MaskKind.ONE_BIT)
_COLOURS = (MaskKind.COLOUR, MaskKind.ALPHA)
_UNREAD = (MaskFlaw.SIZE, MaskFlaw.PIXELS, MaskFlaw.ANIMATED)
_VOID = 255
_TAIL_BYTES = 4_096


class Mend(StrEnum):
    """How a mask becomes grey with 0 and 255."""

    SCALE = "masks of 0 and 1 are written as 0 and 255"
    ONE_BIT = "1-bit masks are written as 8-bit grey"
    OBJECTS = "palette masks are written as grey, any object is foreground"
    VOID = "palette masks are written as grey, any object is foreground and void (255) is not"
    COLOUR = "colour masks that are grey are written as grey"


@dataclass(frozen=True, kw_only=True)
class _Seen:
    """What a palette mask holds."""

    path: Path
    objects: bool
    void: bool


class Examination:
    """Looks at clips and gathers what it finds; `mends` holds the masks that must be written anew.

    Args:
        findings: Takes the faults; what is merely odd is a warning.
    """

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self.mends: dict[Path, Mend] = {}
        self.foreground = False

    def clip(self, name: str, frames: Sequence[SourceFrame]) -> None:
        """Looks at the frames of a clip, which stand in order of time."""
        self._count(name, frames)
        size = self._size(frames)
        seen: list[_Seen] = []
        foreground = labelled = False
        for each in frames:
            if each.annotation is not None:
                labelled = True
                foreground = self._mask(each, each.annotation, size, seen) or foreground
        # In a clip without object ids, 255 is the object, as in grey files.
        void = any(each.objects for each in seen)
        for each in seen:
            self.mends[each.path] = Mend.VOID if void and each.void else Mend.OBJECTS
        self.foreground = self.foreground or foreground
        if labelled and not foreground:
            message = "no mask of the clip has any foreground"
            self._findings.note("empty", f"`{name}`", message, severity=Severity.WARNING)

    def _count(self, name: str, frames: Sequence[SourceFrame]) -> None:
        numbers = [each.number for each in frames]
        for before, number in pairwise(numbers):
            if before == number:
                self._findings.note("twice", f"`{name}/{number:05}`", "the frame is there twice")
        official, distinct = sets.frames_of(name), sorted(set(numbers))
        if official is not None and len(distinct) != official:
            message = f"the clip has `{len(distinct)}` frames; the official one has `{official}`"
            self._findings.note("count", f"`{name}`", message, hint="get it again, or rename it if it is another")
        elif len(distinct) > 1:
            steps = np.diff(distinct)
            for at in np.flatnonzero(steps != steps.min())[:1].tolist():
                message = f"frame `{distinct[at] + int(steps.min()):05}` is missing"
                self._findings.note("gap", f"`{name}`", message, hint="get it again")

    def _size(self, frames: Sequence[SourceFrame]) -> tuple[int, int] | None:
        """Height and width of the clip's frames; None where no frame can be read."""
        first: tuple[int, int] | None = None
        for each in frames:
            where = _where(each)
            if not each.raw.is_file():
                self._findings.note("frame", where, f"the frame `{each.raw.name}` is missing", hint="get it again")
                continue
            try:
                size = layout.image_size(each.raw)
            except ChallengeError as error:
                message = f"the frame cannot be read: {shown(error.__cause__)}"
                self._findings.note("damaged", where, message, hint="get it again")
                continue
            if _cut_off(each.raw):
                self._findings.note("damaged", where, "the frame's file is cut off", hint="get it again")
            first = first or size
            if size != first:
                message = f"the frame is `{_times(size)}` (width x height), the clip begins with `{_times(first)}`"
                self._findings.note("frame size", where, message)
        return first

    def _mask(self, frame: SourceFrame, path: Path, size: tuple[int, int] | None, seen: list[_Seen]) -> bool:
        """Whether a mask has foreground."""
        where = _where(frame)
        reading = masks.read(path.resolve(), kinds=(*_KINDS, *_COLOURS), size=size)
        if reading.kind in _COLOURS and not any(each.flaw in _UNREAD for each in reading.faults):
            return self._colour(path, where)
        for each in reading.faults:
            self._findings.note(f"mask {each.flaw}", where, f"`{path.name}`: {each.message}")
        if reading.levels_HW is None:
            return False
        highest = int(reading.levels_HW.max())
        if reading.kind is MaskKind.PALETTE:
            held = np.bincount(reading.levels_HW.ravel(), minlength=256) > 0
            seen.append(_Seen(path=path, objects=bool(held[1:_VOID].any()), void=bool(held[_VOID])))
        elif reading.kind is MaskKind.ONE_BIT:
            self.mends[path] = Mend.ONE_BIT
        elif highest == 1:
            self.mends[path] = Mend.SCALE
        elif 0 < highest < 128:
            message = f"the grey levels of the mask end at `{highest}`; foreground is 255"
            self._findings.note("levels", where, message, hint="object ids belong into palette files")
        elif np.any((reading.levels_HW > 0) & (reading.levels_HW < 255)):
            message = "the mask has grey levels between 0 and 255; from 128 on is foreground"
            self._findings.note("between", where, message, severity=Severity.WARNING)
        return highest > 0

    def _colour(self, path: Path, where: str) -> bool:
        try:
            levels_HW = _grey(path)
        except ChallengeError as error:
            self._findings.note("colour", where, str(error), hint="save one channel as mode `L`, or ids as mode `P`")
            return False
        self.mends[path] = Mend.COLOUR
        return bool(levels_HW.any())


def mended(path: Path, mend: Mend) -> Levels:
    """A mask of a download as grey levels 0 and 255, (H, W).

    Raises:
        ChallengeError: The file has changed since it was looked at.
    """
    if mend is Mend.COLOUR:
        return _grey(path)
    levels_HW = masks.read(path.resolve(), kinds=_KINDS).levels_HW
    if levels_HW is None:
        raise ChallengeError(f"`{path}` has changed while it was read")
    foreground_HW = levels_HW != 0
    if mend is Mend.VOID:
        foreground_HW &= levels_HW != _VOID
    return foreground_HW.astype(np.uint8) * 255


def _grey(path: Path) -> Levels:
    """The one channel of a colour file whose channels are alike; 0 and 255.

    Raises:
        ChallengeError: It cannot be read, or has colours, or other levels.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=["PNG"]) as image:
            colours_HWC = np.asarray(image.convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ChallengeError(f"the mask cannot be read: {shown(error)}") from error
    levels_HW = colours_HWC[..., 0]
    if np.any(colours_HWC != levels_HW[..., None]):
        raise ChallengeError("the mask is a colour picture; grey of 0 and 255 or a palette of object ids is needed")
    if np.any((levels_HW > 1) & (levels_HW < 255)):
        raise ChallengeError("the mask is a colour picture of many levels; grey of 0 and 255 is needed")
    return (levels_HW != 0).astype(np.uint8) * 255


def _cut_off(path: Path) -> bool:
    """A JPEG file without its end; what comes after the end does no harm."""
    with path.open("rb") as stream:
        start = stream.read(2)
        stream.seek(max(0, path.stat().st_size - _TAIL_BYTES))
        return start == b"\xff\xd8" and b"\xff\xd9" not in stream.read()


def _where(frame: SourceFrame) -> str:
    return f"`{frame.clip}/{frame.name}`"


def _times(size: tuple[int, int]) -> str:
    return f"{size[1]}x{size[0]}"
