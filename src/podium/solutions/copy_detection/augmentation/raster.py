"""The few things that edits do to pixels. OpenCV does them where it is installed (extra ``motion``), else Pillow.

The two differ by a few levels of 255, so the same seed gives the same pixels where the same one of them is at hand.

Axes: H height, W width, C colour (red, green, blue). A box is left, top, right, bottom in whole pixels.
"""

from __future__ import annotations

import io
import math
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]
Box = tuple[int, int, int, int]
Size = tuple[int, int]
"""Height and width."""

LUMA = (0.299, 0.587, 0.114)
_BOXES = 3
_NEAR = 1.6


@cache
def opencv() -> Any:
    """The module ``cv2``, or None."""
    try:
        import cv2
    except ImportError:
        return None
    return cv2


def resized(image_HWC: Pixels, size: Size, *, blocks: bool = False) -> Pixels:
    """Scaled to a height and width: averaged where it shrinks much, and where it grows smooth, or as blocks."""
    height, width = image_HWC.shape[:2]
    least = min(height, size[0]), min(width, size[1])
    if least != (height, width):
        # An average of less than two pixels is hardly more than what lies between them, and takes five times as long.
        near = max(height / least[0], width / least[1]) < _NEAR
        way = ("LINEAR", Image.Resampling.BILINEAR) if near and not blocks else ("AREA", Image.Resampling.BOX)
        image_HWC = _scaled(image_HWC, least, *way)
    if least != size:
        way = ("NEAREST", Image.Resampling.NEAREST) if blocks else ("LINEAR", Image.Resampling.BILINEAR)
        image_HWC = _scaled(image_HWC, size, *way)
    return image_HWC


def _scaled(image_HWC: Pixels, size: Size, way: str, pillows: Image.Resampling) -> Pixels:
    cv2 = opencv()
    across = size[1], size[0]
    if cv2 is None:
        return np.asarray(Image.fromarray(image_HWC).resize(across, pillows))
    return cv2.resize(image_HWC, across, interpolation=getattr(cv2, f"INTER_{way}"))


def covering(image_HWC: Pixels, size: Size) -> Pixels:
    """Scaled so that it just covers a height and width, and the middle of that."""
    height, width = image_HWC.shape[:2]
    zoom = max(size[0] / height, size[1] / width)
    high, wide = min(height, max(1, round(size[0] / zoom))), min(width, max(1, round(size[1] / zoom)))
    top, left = (height - high) // 2, (width - wide) // 2
    return resized(image_HWC[top : top + high, left : left + wide], size)


def warped(image_HWC: Pixels, matrix_33: NDArray[np.float64]) -> Pixels:
    """What a projective map shows, black where it looks beyond the picture.

    Args:
        image_HWC: RGB.
        matrix_33: From places (x, y, 1) in the result to places in the picture; the middle of a pixel is at 0.5.
    """
    height, width = image_HWC.shape[:2]
    cv2 = opencv()
    if cv2 is None:
        numbers = tuple((matrix_33 / matrix_33[2, 2]).ravel()[:8].tolist())
        picture = Image.fromarray(image_HWC)
        return np.asarray(
            picture.transform((width, height), Image.Transform.PERSPECTIVE, numbers, Image.Resampling.BILINEAR)
        )
    half = np.array([[1, 0, 0.5], [0, 1, 0.5], [0, 0, 1.0]])
    moved_33 = np.linalg.inv(half) @ matrix_33 @ half
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpPerspective(image_HWC, moved_33, (width, height), flags=flags)


def mirrored(image_HWC: Pixels, *, vertical: bool) -> Pixels:
    """Left and right exchanged, or top and bottom."""
    cv2 = opencv()
    if cv2 is None:
        return np.ascontiguousarray(image_HWC[::-1] if vertical else image_HWC[:, ::-1])
    return cv2.flip(image_HWC, 0 if vertical else 1)


def recoloured(image_HWC: Pixels, matrix_34: NDArray[np.float64]) -> Pixels:
    """Each pixel's colour through an affine map, (3, 3) and a shift in levels of 255."""
    cv2 = opencv()
    if cv2 is None:
        return np.asarray(Image.fromarray(image_HWC).convert("RGB", tuple(matrix_34.ravel().tolist())))
    return cv2.transform(image_HWC, matrix_34.astype(np.float32))


def mean_colour(image_HWC: Pixels) -> tuple[float, float, float]:
    """Red, green and blue on average."""
    cv2 = opencv()
    found = image_HWC.reshape(-1, 3).mean(axis=0).tolist() if cv2 is None else cv2.mean(image_HWC)
    return found[0], found[1], found[2]


def blended(image_HWC: Pixels, other_HWC: Pixels, share: float) -> Pixels:
    """The one with a `share`, 0 to 1, of the other, which has the same size."""
    cv2 = opencv()
    if cv2 is None:
        return np.asarray(Image.blend(Image.fromarray(image_HWC), Image.fromarray(other_HWC), share))
    return cv2.addWeighted(image_HWC, 1 - share, other_HWC, share, 0)


def blurred(image_HWC: Pixels, deviation: float) -> Pixels:
    """Out of focus by a Gaussian of that deviation in pixels; a wide one is made of three boxes."""
    if deviation <= 0:
        return image_HWC
    cv2 = opencv()
    if cv2 is None:
        return np.asarray(Image.fromarray(image_HWC).filter(ImageFilter.GaussianBlur(deviation)))
    if deviation < 2:
        return cv2.GaussianBlur(image_HWC, (0, 0), deviation)
    for width in _widths(deviation):
        image_HWC = cv2.blur(image_HWC, (width, width))
    return image_HWC


def _widths(deviation: float) -> list[int]:
    """Odd widths of three boxes whose variances add up to nearly that of the Gaussian."""
    ideal = math.sqrt(12 * deviation**2 / _BOXES + 1)
    low = math.floor(ideal) - (math.floor(ideal) % 2 == 0)
    lows = round((12 * deviation**2 - _BOXES * (low**2 + 4 * low + 3)) / (-4 * low - 4))
    return [low if number < lows else low + 2 for number in range(_BOXES)]


def filtered(image_HWC: Pixels, kernel_33: NDArray[np.float64]) -> Pixels:
    """Each pixel as a weighted sum of itself and its eight neighbours."""
    cv2 = opencv()
    if cv2 is None:
        return np.asarray(Image.fromarray(image_HWC).filter(ImageFilter.Kernel((3, 3), kernel_33.ravel().tolist(), 1)))
    return cv2.filter2D(image_HWC, -1, kernel_33, borderType=cv2.BORDER_REPLICATE)


def recoded(image_HWC: Pixels, quality: int) -> Pixels:
    """Through JPEG at a quality of 1 to 100."""
    cv2 = opencv()
    if cv2 is None:
        packed = io.BytesIO()
        Image.fromarray(image_HWC).save(packed, "JPEG", quality=quality)
        return np.asarray(Image.open(packed).convert("RGB"))
    reds_last = cv2.cvtColor(image_HWC, cv2.COLOR_RGB2BGR)
    _, coded = cv2.imencode(".jpg", reds_last, [cv2.IMWRITE_JPEG_QUALITY, quality])
    return cv2.cvtColor(cv2.imdecode(coded, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)


def pasted(image_HWC: Pixels, ink_HWC: Pixels, cover_HW: NDArray[np.uint8], place: tuple[int, int]) -> Pixels:
    """A copy with ink laid on it; what reaches beyond the picture is cut off.

    Args:
        image_HWC: RGB.
        ink_HWC: RGB.
        cover_HW: How much of it each pixel of the ink hides, 0 to 255.
        place: Left and top of the ink; either may be negative.
    """
    result_HWC = image_HWC.copy()
    left, top = place
    high, wide = cover_HW.shape
    right, bottom = min(left + wide, image_HWC.shape[1]), min(top + high, image_HWC.shape[0])
    if right <= max(0, left) or bottom <= max(0, top):
        return result_HWC
    inside = slice(max(0, -top), bottom - top), slice(max(0, -left), right - left)
    below = result_HWC[max(0, top) : bottom, max(0, left) : right]
    share_HW1 = cover_HW[inside][..., None] * np.float32(1 / 255)
    below[:] = np.rint(below + (ink_HWC[inside] - below.astype(np.float32)) * share_HW1).astype(np.uint8)
    return result_HWC
