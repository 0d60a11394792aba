"""Masks drawn over a picture: a tint, a contour, and, beside the truth, what was hit, missed or falsely alarmed.

| what | tint and contour | seen without colour |
|---|---|---|
| mask alone, or hit | sky blue | |
| miss: truth without mask | yellow | striped |
| false alarm: mask without truth | vermilion | |
| border of the truth | white line | |

The colours are of the set by Okabe and Ito, which people with any colour vision tell apart; their lightness differs
as well. A dark rim keeps every contour apart from a picture of its own colour.

Axes: H height, W width, C colour (red, green, blue).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

Pixels = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Colour = tuple[int, int, int]

HIT: Colour = (86, 180, 233)
MISS: Colour = (240, 228, 66)
FALSE_ALARM: Colour = (213, 94, 0)
TRUTH: Colour = (255, 255, 255)

LEGEND: tuple[tuple[str, Colour], ...] = (
    ("hit", HIT),
    ("miss", MISS),
    ("false alarm", FALSE_ALARM),
    ("border of the truth", TRUTH),
)
"""What each colour of `overlay` with a truth means."""

_RIM: Colour = (0, 0, 0)
_RIM_OPACITY = 0.55
_STRIPE = 4
_WHOLE = 256


def outline(mask_HW: Mask, *, thickness: int = 1) -> Mask:
    """The pixels of a mask that lie at its border, (H, W).

    The mask without its erosion, by a diamond and a square in turn, which is nearly round. The edge of the picture is
    no border.

    Args:
        mask_HW: (H, W).
        thickness: Of the line, in pixels; it grows inwards.

    Raises:
        UsageError: The mask is no two-dimensional array of booleans, or the thickness is less than 1.

    >>> outline(np.pad(np.ones((3, 3), bool), 1)).astype(int).tolist()
    [[0, 0, 0, 0, 0], [0, 1, 1, 1, 0], [0, 1, 0, 1, 0], [0, 1, 1, 1, 0], [0, 0, 0, 0, 0]]
    """
    _check_mask(mask_HW)
    if thickness < 1:
        raise UsageError(f"the thickness of a contour is `{thickness}`; at least 1 is needed")
    found_HW = np.zeros_like(mask_HW)
    box = _box(mask_HW, spare=1)
    if box is not None:
        found_HW[box] = _line(mask_HW[box], thickness)
    return found_HW


def overlay(
    frame_HWC: Pixels,
    mask_HW: Mask,
    *,
    truth_HW: Mask | None = None,
    colour: Colour = HIT,
    opacity: float = 0.4,
    thickness: int = 2,
) -> Pixels:
    """A picture with a tinted mask and its contour; with a truth, errors are coloured as the module's table says.

    Args:
        frame_HWC: (H, W, 3), 0 to 255; stays as it is.
        mask_HW: (H, W).
        truth_HW: (H, W), or None where it is not known.
        colour: Of the mask where there is no truth.
        opacity: Of the tint: 0 leaves the picture, 1 hides it.
        thickness: Of the contour in pixels; 0 draws none.

    Raises:
        UsageError: The sizes differ, or an array or a setting is not what it should be.
    """
    _check(frame_HWC, mask_HW, truth_HW, opacity, thickness)
    drawn_HWC = frame_HWC.copy()
    box = _box(mask_HW if truth_HW is None else mask_HW | truth_HW, spare=2)
    if box is None:
        return drawn_HWC
    part_HWC, mask_HW = drawn_HWC[box], mask_HW[box]
    if truth_HW is None:
        _blend(part_HWC, mask_HW, colour, opacity)
        _contour(part_HWC, mask_HW, colour, thickness)
        return drawn_HWC
    truth_HW = truth_HW[box]
    hit_HW, false_HW, miss_HW = mask_HW & truth_HW, mask_HW & ~truth_HW, truth_HW & ~mask_HW
    _blend(part_HWC, hit_HW, HIT, opacity)
    _blend(part_HWC, false_HW, FALSE_ALARM, min(1.0, 1.5 * opacity))
    _blend(part_HWC, miss_HW & _stripes(miss_HW.shape), MISS, min(1.0, 1.8 * opacity))
    _contour(part_HWC, truth_HW, TRUTH, thickness)
    line_HW = _line(mask_HW, thickness)
    _blend(part_HWC, line_HW & hit_HW, HIT, 1.0)
    _blend(part_HWC, line_HW & false_HW, FALSE_ALARM, 1.0)
    return drawn_HWC


def side_by_side(frames: Sequence[Pixels], *, gap: int = 4) -> Pixels:
    """Pictures of one height in a row, white between them.

    Raises:
        UsageError: There is none, or the heights differ.

    >>> side_by_side([np.zeros((2, 3, 3), np.uint8), np.zeros((2, 5, 3), np.uint8)], gap=1).shape
    (2, 9, 3)
    """
    if not frames or len({each.shape[0] for each in frames}) > 1:
        raise UsageError(f"pictures of one height are needed; these are `{[each.shape for each in frames]}`")
    white = np.full((frames[0].shape[0], gap, 3), 255, np.uint8)
    parts = [part for each in frames for part in (white, each)]
    return np.concatenate(parts[1:], axis=1)


def _contour(part_HWC: Pixels, mask_HW: Mask, colour: Colour, thickness: int) -> None:
    """A line along the inner border and a dark rim outside of it."""
    if thickness:
        _blend(part_HWC, _line(~mask_HW, 1), _RIM, _RIM_OPACITY)
        _blend(part_HWC, _line(mask_HW, thickness), colour, 1.0)


def _line(mask_HW: Mask, thickness: int) -> Mask:
    kept_HW = mask_HW
    for step in range(thickness):
        kept_HW = _eroded(kept_HW, square=step % 2 == 1)
    return mask_HW & ~kept_HW


def _eroded(mask_HW: Mask, *, square: bool) -> Mask:
    """What has no neighbour outside of the mask: of 4 neighbours, or of 8; past the edge counts as the mask."""
    kept_HW = mask_HW.copy()
    if square:
        kept_HW[1:] &= mask_HW[:-1]
        kept_HW[:-1] &= mask_HW[1:]
        mask_HW = kept_HW.copy()
    else:
        kept_HW[1:] &= mask_HW[:-1]
        kept_HW[:-1] &= mask_HW[1:]
    kept_HW[:, 1:] &= mask_HW[:, :-1]
    kept_HW[:, :-1] &= mask_HW[:, 1:]
    return kept_HW


def _stripes(shape: tuple[int, ...]) -> Mask:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return (rows + columns) // _STRIPE % 2 == 0


def _blend(part_HWC: Pixels, mask_HW: Mask, colour: Colour, opacity: float) -> None:
    share = round(_WHOLE * opacity)
    if not share:
        return
    added = np.array(colour, np.uint16) * np.uint16(share) + np.uint16(_WHOLE // 2)
    part_HWC[mask_HW] = (part_HWC[mask_HW].astype(np.uint16) * np.uint16(_WHOLE - share) + added) >> 8


def _box(mask_HW: Mask, *, spare: int) -> tuple[slice, slice] | None:
    """Where the mask lies, with some room around it; None where it is empty."""
    rows = np.flatnonzero(mask_HW.any(axis=1))
    if not len(rows):
        return None
    columns = np.flatnonzero(mask_HW[rows[0] : rows[-1] + 1].any(axis=0))
    top, left = max(0, int(rows[0]) - spare), max(0, int(columns[0]) - spare)
    return slice(top, int(rows[-1]) + 1 + spare), slice(left, int(columns[-1]) + 1 + spare)


def _check(frame_HWC: Pixels, mask_HW: Mask, truth_HW: Mask | None, opacity: float, thickness: int) -> None:
    if frame_HWC.dtype != np.uint8 or frame_HWC.ndim != 3 or frame_HWC.shape[2] != 3:
        raise UsageError(f"a picture is {frame_HWC.dtype} {frame_HWC.shape}; uint8 (H, W, 3) is needed")
    for each in (mask_HW,) if truth_HW is None else (mask_HW, truth_HW):
        _check_mask(each)
        if each.shape != frame_HWC.shape[:2]:
            raise UsageError(f"the mask is `{each.shape}`; the picture is `{frame_HWC.shape[:2]}`")
    if not 0 <= opacity <= 1 or not 0 <= thickness <= 100:
        raise UsageError(f"opacity `{opacity}` or thickness `{thickness}` is not in 0 to 1 and 0 to 100")


def _check_mask(mask_HW: Mask) -> None:
    if mask_HW.dtype != np.bool_ or mask_HW.ndim != 2:
        raise UsageError(f"a mask is `{mask_HW.dtype}` of shape `{mask_HW.shape}`; bool of (H, W) is needed")
