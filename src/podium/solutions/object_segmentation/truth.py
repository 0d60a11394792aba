"""Masks as people keep them, read as what is known of each pixel.

Axes: H height, W width.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from podium.errors import UsageError
from podium.formats import masks
from podium.formats.masks import MaskKind
from podium.solutions.object_segmentation.opencv import opencv

BACKGROUND, OBJECT, UNKNOWN = 0, 1, 2
_VOID = 255
_KINDS = (MaskKind.GREY, MaskKind.PALETTE, MaskKind.ONE_BIT)

Truth = NDArray[np.uint8]


def read_truth(path: Path) -> Truth:
    """(H, W) of `BACKGROUND`, `OBJECT` and `UNKNOWN`.

    Any object of a palette file is the object, and its 255 is unknown. Of a grey file 128 and above is the object, or,
    where all levels are lower, all above 0.

    Args:
        path: A palette, grey or 1-bit PNG file, or a JPEG file.

    Raises:
        UsageError: It cannot be read as such.
    """
    if path.suffix.lower() != ".png":
        return (_grey(path) >= 128).astype(np.uint8)
    reading = masks.read(path, kinds=_KINDS)
    levels_HW = reading.levels_HW
    if levels_HW is None:
        raise UsageError(f"the mask `{path}` cannot be used: {reading.faults[0].message}")
    if reading.kind is MaskKind.PALETTE:
        return np.where(levels_HW == _VOID, UNKNOWN, levels_HW != 0).astype(np.uint8)
    least = 128 if reading.kind is MaskKind.GREY and levels_HW.max() >= 128 else 1
    return (levels_HW >= least).astype(np.uint8)


def read_picture(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) RGB of a JPEG or PNG file.

    Raises:
        UsageError: It is none.
    """
    return _decoded(path, "RGB")


def shrink_truth(truth_HW: Truth, size: tuple[int, int]) -> Truth:
    """The same at another height and width: each pixel is what most of its area was."""
    if truth_HW.shape == size:
        return truth_HW
    cv2 = opencv()
    smaller = size[0] <= truth_HW.shape[0] and size[1] <= truth_HW.shape[1]
    how = cv2.INTER_AREA if smaller else cv2.INTER_LINEAR
    shares = [
        cv2.resize((truth_HW == each).astype(np.float32), size[::-1], interpolation=how) for each in (OBJECT, UNKNOWN)
    ]
    object_HW, unknown_HW = shares
    return np.where(unknown_HW >= 0.5, UNKNOWN, object_HW >= 0.5 * (1 - unknown_HW)).astype(np.uint8)


def _grey(path: Path) -> NDArray[np.uint8]:
    return _decoded(path, "L")


def _decoded(path: Path, mode: str) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(path, formats=["JPEG", "PNG"]) as image:
            return np.asarray(image.convert(mode))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise UsageError(f"the picture `{path}` cannot be read: {error}") from error
