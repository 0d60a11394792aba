"""Two photographs in one: a patch of one, cut about what strikes the eye there, laid over the other.

Axes: H height, W width, C colour.
Sources: Yun et al., "CutMix", 2019; Uddin et al., "SaliencyMix", 2021; Hou and Zhang, "Saliency detection: a spectral
residual approach", 2007.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from podium.solutions.reidentification.soiling import Pixels

_EDGE = 32
_SMALLEST = 1e-8


@dataclass(frozen=True, eq=False, kw_only=True)
class Mixture:
    """A mixed photograph, and the share of its area that still shows the first one."""

    image_HWC: Pixels
    share: float


def mix(image_HWC: Pixels, other_HWC: Pixels, rng: np.random.Generator) -> Mixture:
    """The first photograph with a patch of the second, at the place and of the size that it had there.

    Args:
        other_HWC: Of the same size.
        rng: Draws the patch's area evenly from nothing to all.

    >>> black, white = np.zeros((64, 32, 3), np.uint8), np.full((64, 32, 3), 255, np.uint8)
    >>> mixture = mix(black, white, np.random.default_rng(0))
    >>> bool(np.isclose(1 - mixture.share, mixture.image_HWC.mean() / 255))
    True
    """
    height, width = image_HWC.shape[:2]
    edge = math.sqrt(rng.random())
    row, column = _striking(other_HWC)
    top, bottom = _span(row, edge, height)
    left, right = _span(column, edge, width)
    mixed_HWC = image_HWC.copy()
    mixed_HWC[top:bottom, left:right] = other_HWC[top:bottom, left:right]
    return Mixture(image_HWC=mixed_HWC, share=1 - (bottom - top) * (right - left) / (height * width))


def saliency(image_HWC: Pixels) -> NDArray[np.float64]:
    """(32, 32) how much each place of a photograph strikes the eye: what its spectrum has beyond a smooth one."""
    picture = Image.fromarray(np.ascontiguousarray(image_HWC)).convert("L")
    small_HW = np.asarray(picture.resize((_EDGE, _EDGE), Image.Resampling.BOX), dtype=np.float64)
    spectrum = np.fft.fft2(small_HW)
    loudness = np.log1p(np.abs(spectrum))
    around = sum(np.roll(loudness, (down, across), (0, 1)) for down in (-1, 0, 1) for across in (-1, 0, 1)) / 9
    striking_HW = np.abs(np.fft.ifft2(np.exp(loudness - around + 1j * np.angle(spectrum)))) ** 2
    shades_HW = np.round(striking_HW * (255 / max(float(striking_HW.max()), _SMALLEST))).astype(np.uint8)
    smooth = Image.fromarray(shades_HW).filter(ImageFilter.BoxBlur(2))
    return np.asarray(smooth, dtype=np.float64)


def _striking(image_HWC: Pixels) -> tuple[float, float]:
    """Where the eye goes, as shares of the height and the width."""
    row, column = divmod(int(saliency(image_HWC).argmax()), _EDGE)
    return (row + 0.5) / _EDGE, (column + 0.5) / _EDGE


def _span(centre: float, edge: float, length: int) -> tuple[int, int]:
    """First pixel and the one after the last, cut off at the border."""
    start, end = (centre - edge / 2) * length, (centre + edge / 2) * length
    return max(0, round(start)), min(length, round(end))
