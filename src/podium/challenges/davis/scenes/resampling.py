"""Pictures read between their pixels, blurred and shrunk: what is needed of OpenCV, in one place.

Axes: H height, W width, C colour; Y, X points of any grid. Points are complex: right + down x i, in pixels, pixel
centres whole.
"""

from __future__ import annotations

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

from podium.errors import MachineError

Floats = NDArray[np.float32]
Points = NDArray[np.complexfloating[Any, Any]]


def opencv() -> Any:
    """OpenCV.

    Raises:
        MachineError: It is not installed.
    """
    try:
        import cv2
    except ImportError as error:
        raise MachineError("making clips for `davis` needs OpenCV: `pip install 'podium[motion]'`") from error
    return cv2


@contextmanager
def one_thread() -> Generator[None]:
    """Keeps OpenCV from sharing pictures out over threads: its sums then round differently."""
    cv2 = opencv()
    before = cv2.getNumThreads()
    cv2.setNumThreads(1)
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def read_at(picture: Floats, points_YX: Points, *, outside: float | None = None) -> Floats:
    """The picture at some points, linear between pixels.

    Args:
        picture: (H, W) or (H, W, C).
        points_YX: Where.
        outside: What lies around the picture; None goes on with its mirror image.
    """
    cv2 = opencv()
    border = cv2.BORDER_REFLECT if outside is None else cv2.BORDER_CONSTANT
    across = np.ascontiguousarray(points_YX.real, np.float32)
    down = np.ascontiguousarray(points_YX.imag, np.float32)
    return cv2.remap(picture, across, down, cv2.INTER_LINEAR, borderMode=border, borderValue=outside or 0.0)


def blurred(picture: Floats, sigma: float) -> Floats:
    """The picture behind a Gaussian of `sigma` pixels; 0 is the picture itself."""
    if sigma <= 0:
        return picture
    cv2 = opencv()
    return cv2.GaussianBlur(picture, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)


def shrunk(picture: Floats, factor: int) -> Floats:
    """The mean of each block of `factor` x `factor` pixels; the sides must be multiples of it."""
    if factor == 1:
        return picture
    height, width = picture.shape[:2]
    return opencv().resize(picture, (width // factor, height // factor), interpolation=opencv().INTER_AREA)


def scaled(picture: Floats, size: tuple[int, int]) -> Floats:
    """The picture at another height and width, low-pass filtered when it shrinks."""
    cv2 = opencv()
    smaller = size[0] * size[1] < picture.shape[0] * picture.shape[1]
    return cv2.resize(picture, size[::-1], interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)


def distance(inside_HW: NDArray[np.bool_]) -> Floats:
    """How far each pixel lies inside (above 0) or outside (below 0) the edge, in pixels."""
    cv2 = opencv()
    sides: list[Floats] = [
        # The last bit of what OpenCV gives differs from call to call; the square is a whole number.
        np.sqrt(np.rint(np.square(cv2.distanceTransform(side_HW.view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE))))
        for side_HW in (inside_HW, ~inside_HW)
    ]
    # Both count to the next pixel's centre, and the edge lies half-way there.
    return np.where(inside_HW, sides[0] - np.float32(0.5), np.float32(0.5) - sides[1])


def grid(rows: tuple[int, int], columns: tuple[int, int], *, parts: int = 1) -> Points:
    """The middles of all pixels of a box, each cut into `parts` x `parts`; complex64.

    >>> grid((0, 1), (0, 1), parts=2).tolist()
    [[(-0.25-0.25j), (0.25-0.25j)], [(-0.25+0.25j), (0.25+0.25j)]]
    """
    across = (np.arange(columns[0] * parts, columns[1] * parts, dtype=np.float32) + 0.5) / parts - 0.5
    down = (np.arange(rows[0] * parts, rows[1] * parts, dtype=np.float32) + 0.5) / parts - 0.5
    return (across[None, :] + 1j * down[:, None]).astype(np.complex64)


def turned(degrees: float) -> complex:
    """A turn as a factor, clockwise on the screen."""
    return complex(math.cos(math.radians(degrees)), math.sin(math.radians(degrees)))
