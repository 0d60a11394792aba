"""Masks of one bit a pixel, packed so that moving a whole picture by any distance is a slice and no work.

The rows of a mask are cut into eight strips of equal height, which lie on top of each other: bit b of the byte in row i
and column x is the pixel in row b x rows + i. Neighbours stay neighbours inside a strip, so that a shift is another
view of the same bytes; at its ends a strip borrows rows from the next, shifted by one bit. Columns of zeros between
the rows keep what leaves on one side from coming in on the other. One byte-wise operation works on eight pixels, and
numpy does 32 or 64 bytes at a time: about a quarter of a microsecond for a thousand pixels of a disk dilation.

Axes: H height, W width, I rows of a strip, S bytes of a row (W and the zeros behind it).
"""

from __future__ import annotations

from math import isqrt

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError

Bools = NDArray[np.bool_]
Bits = NDArray[np.uint8]

_STRIPS = 8


class Bitmaps:
    """Packs masks of one size and finds and thickens their outlines. Not for several threads at once.

    Args:
        height: Of every mask, at least 1.
        width: Of every mask, at least 1.
        radius: Of the disk that outlines are thickened by, in pixels; at least 1.

    Raises:
        UsageError: A number is less than 1.

    >>> bitmaps = Bitmaps(480, 854, radius=8)
    >>> mask_HW = np.zeros((480, 854), bool); mask_HW[100:110, 200:220] = True
    >>> packed = bitmaps.pack(mask_HW)
    >>> count(packed), count(bitmaps.outline(packed))
    (200, 60)
    """

    def __init__(self, height: int, width: int, *, radius: int) -> None:
        if min(height, width, radius) < 1:
            raise UsageError(f"a mask of `{height}` x `{width}` and a radius of `{radius}`; all must be at least 1")
        self.height, self.width, self.radius = height, width, radius
        self._rows = max(-(-height // _STRIPS), radius)
        self._stride = -(-(width + radius) // 8) * 8
        self._steps = _disk_steps(radius)
        self._flat = np.empty((self._rows, width), np.uint8)
        self._spread = np.zeros((self._rows + 1) * self._stride + 8, np.uint8)
        tall = (self._rows + 2 * radius) * self._stride + 2 * radius
        self._wide = (np.zeros(tall, np.uint8), np.zeros(tall, np.uint8))
        self._outside_I = self._bits_outside()

    def pack(self, mask_HW: Bools) -> Bits:
        """The mask as (I, S) bytes, a new array.

        Raises:
            UsageError: The mask has another shape or is not boolean.
        """
        if mask_HW.shape != (self.height, self.width) or mask_HW.dtype != np.bool_:
            found = f"`{mask_HW.dtype}` of shape `{mask_HW.shape}`"
            raise UsageError(f"a mask is {found}; bool of `{(self.height, self.width)}` is needed")
        levels_HW, flat = mask_HW.view(np.uint8), self._flat
        flat[:] = 0
        for strip in range(_STRIPS - 1, -1, -1):
            np.add(flat, flat, out=flat)
            part = levels_HW[strip * self._rows : (strip + 1) * self._rows]
            if len(part):
                np.bitwise_or(flat[: len(part)], part, out=flat[: len(part)])
        packed = np.zeros((self._rows, self._stride), np.uint8)
        packed[:, : self.width] = flat
        return packed

    def unpack(self, packed: Bits) -> Bools:
        """The mask that `pack` packed.

        >>> mask_HW = np.eye(20, dtype=bool)
        >>> bitmaps = Bitmaps(20, 20, radius=3)
        >>> bool((bitmaps.unpack(bitmaps.pack(mask_HW)) == mask_HW).all())
        True
        """
        strips = [(packed[:, : self.width] >> strip) & 1 for strip in range(_STRIPS)]
        return np.concatenate(strips)[: self.height].astype(np.bool_)

    def outline(self, packed: Bits) -> Bits:
        """Pixels that differ from the one to the right, the one below or the one between the two; (I, S), a new array.

        In the last row only the right neighbour counts, in the last column only the lower one.
        """
        rows, stride, width = self._rows, self._stride, self.width
        size = rows * stride
        spread = self._spread
        grid = spread[: size + stride].reshape(rows + 1, stride)
        grid[:rows] = packed
        np.right_shift(packed[0], 1, out=grid[rows])
        # Below the last row and beside the last column stands their copy, so that nothing differs there.
        strip, row = divmod(self.height - 1, rows)
        grid[row + 1] |= grid[row] & np.uint8(1 << strip)
        grid[:, width] = grid[:, width - 1]
        across = np.bitwise_xor(spread[:size], spread[1 : size + 1])
        down = np.bitwise_xor(spread[: size + 1], spread[stride : size + stride + 1])
        np.bitwise_or(across, down[:-1], out=across)
        np.bitwise_or(across, down[1:], out=across)
        outline = across.reshape(rows, stride)
        outline[:, width:] = 0
        if self._outside_I is not None:
            first, inside = self._outside_I
            outline[first:] &= inside[:, None]
        return outline

    def thicken(self, packed: Bits) -> Bits:
        """Every pixel within `radius` of a set one, by Euclidean distance; (I, S), a new array.

        Bits beyond the borders of the picture may be set as well: they have no meaning.
        """
        rows, stride, radius = self._rows, self._stride, self.radius
        run, spare = self._wide
        tall = run[: (rows + 2 * radius) * stride].reshape(rows + 2 * radius, stride)
        tall[radius : radius + rows] = packed
        np.left_shift(packed[rows - radius :], 1, out=tall[:radius])
        np.right_shift(packed[:radius], 1, out=tall[radius + rows :])
        size = rows * stride
        thick: Bits | None = None
        for half, shifts, distances in self._steps:
            for shift in shifts:
                np.bitwise_or(run[:-shift], run[shift:], out=spare[:-shift])
                run, spare = spare, run
            for distance in distances:
                start = (radius + distance) * stride - half
                part = run[start : start + size]
                if thick is None:
                    thick = part.copy()
                else:
                    np.bitwise_or(thick, part, out=thick)
        if thick is None:
            raise UsageError("a disk has at least one row")
        return thick.reshape(rows, stride)

    def _bits_outside(self) -> tuple[int, Bits] | None:
        """From which row of the strips on some bits lie below the picture, and the bits that do not, row by row."""
        row_I = np.arange(self._rows)
        inside_I = np.zeros(self._rows, np.uint8)
        for strip in range(_STRIPS):
            inside_I |= np.where(row_I + strip * self._rows < self.height, 1 << strip, 0).astype(np.uint8)
        outside = np.flatnonzero(inside_I != 255)
        return (int(outside[0]), inside_I[outside[0] :]) if len(outside) else None


def count(packed: Bits) -> int:
    """How many bits are set.

    >>> count(np.array([[3, 0, 0, 0, 0, 0, 0, 255]], np.uint8))
    10
    """
    words = packed.reshape(-1).view(np.uint64)
    return int(np.bitwise_count(words).sum(dtype=np.uint64))


def overlap(first: Bits, second: Bits) -> int:
    """How many bits are set in both.

    >>> overlap(np.full((1, 8), 3, np.uint8), np.full((1, 8), 6, np.uint8))
    8
    """
    return count(np.bitwise_and(first, second))


def _disk_steps(radius: int) -> list[tuple[int, list[int], list[int]]]:
    """The rows of a disk from its narrowest: half a width, the shifts that widen a run to it, the rows that have it.

    >>> _disk_steps(2)
    [(0, [], [2, -2]), (1, [1, 1], [1, -1]), (2, [2], [0])]
    """
    steps: list[tuple[int, list[int], list[int]]] = []
    width = 1
    for distance in range(radius, -1, -1):
        half = isqrt(radius * radius - distance * distance)
        shifts: list[int] = []
        while width < 2 * half + 1:
            shifts.append(min(width, 2 * half + 1 - width))
            width += shifts[-1]
        both = [distance, -distance] if distance else [0]
        if steps and steps[-1][0] == half:
            steps[-1][2].extend(both)
        else:
            steps.append((half, shifts, both))
    return steps
