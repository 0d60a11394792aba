"""Changes of colour and light that leave every pixel where it is, and dirt that covers some.

Axes: H height, W width, C colour; everything is uint8 RGB. Each change takes a photograph and a random generator.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Pixels = NDArray[np.uint8]
_GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)


@dataclass(frozen=True, kw_only=True)
class Light:
    """Brighter or darker, harder or softer.

    Attributes:
        brightness: Span of the shift, share of white.
        contrast: Span of the factor about 1, turning about middle grey.
    """

    brightness: float
    contrast: float

    def __call__(self, image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
        """The photograph in another light."""
        factor = 1 + rng.uniform(-self.contrast, self.contrast)
        shift = 255 * rng.uniform(-self.brightness, self.brightness)
        return _looked_up(image_HWC, (np.arange(256) - 127.5) * factor + 127.5 + shift)


@dataclass(frozen=True, kw_only=True)
class Tint:
    """Colours stronger, weaker or turned.

    Attributes:
        saturation: Span of the factor about 1.
        hue_degrees: Span of the turn about the grey axis.
    """

    saturation: float
    hue_degrees: float

    def __call__(self, image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
        """The photograph in other colours."""
        factor = 1 + rng.uniform(-self.saturation, self.saturation)
        angle = math.radians(rng.uniform(-self.hue_degrees, self.hue_degrees))
        mixing_CC = colour_matrix(factor, angle)
        return _clipped(image_HWC.astype(np.float32) @ mixing_CC.T)


def colour_matrix(saturation: float, angle: float) -> NDArray[np.float32]:
    """(3, 3): turns colours about the grey axis, then stretches them away from their grey; greys stay.

    >>> colour_matrix(1.0, 0.0).round(6).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    cosine, sine = math.cos(angle), math.sin(angle)
    third, root = (1 - cosine) / 3, math.sqrt(1 / 3) * sine
    turn = third + np.array([[cosine, -root, root], [root, cosine, -root], [-root, root, cosine]])
    grey = np.tile(_GREY, (3, 1))
    return ((grey + saturation * (np.eye(3) - grey)) @ turn).astype(np.float32)


def grey(image_HWC: Pixels, rng: np.random.Generator) -> Pixels:  # noqa: ARG001 - as the other changes
    """Without colour."""
    return np.repeat(_clipped(image_HWC.astype(np.float32) @ _GREY)[..., None], 3, axis=2)


@dataclass(frozen=True, kw_only=True)
class Blur:
    """Out of focus; `radius` is the least and the greatest deviation of the Gaussian, in pixels."""

    radius: tuple[float, float]

    def __call__(self, image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
        """The photograph, blurred."""
        kernel = ImageFilter.GaussianBlur(rng.uniform(*self.radius))
        return np.asarray(Image.fromarray(np.ascontiguousarray(image_HWC)).filter(kernel))


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Normal noise on each colour; `deviation` is the least and the greatest, of 255."""

    deviation: tuple[float, float]

    def __call__(self, image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
        """The photograph, noisy."""
        noise_HWC = rng.standard_normal(image_HWC.shape, dtype=np.float32) * np.float32(rng.uniform(*self.deviation))
        return _clipped(image_HWC + noise_HWC)


@dataclass(frozen=True, kw_only=True)
class Posterize:
    """Only the upper `bits` of each colour are kept."""

    bits: int

    def __call__(self, image_HWC: Pixels, rng: np.random.Generator) -> Pixels:  # noqa: ARG002 - as the other changes
        """The photograph with fewer shades."""
        return image_HWC & np.uint8(256 - (1 << (8 - self.bits)))


@dataclass(frozen=True, kw_only=True)
class Holes:
    """Black rectangles.

    Attributes:
        count: At most.
        edge: Greatest edge, share of the photograph's.
    """

    count: int
    edge: float

    def __call__(self, image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
        """The photograph with holes."""
        holed_HWC = image_HWC.copy()
        height, width = image_HWC.shape[:2]
        for _ in range(rng.integers(1, self.count + 1)):
            down, across = (max(1, round(rng.uniform(0.3, 1) * self.edge * each)) for each in (height, width))
            top, left = rng.integers(0, height - down + 1), rng.integers(0, width - across + 1)
            holed_HWC[top : top + down, left : left + across] = 0
        return holed_HWC


def shuffle_quarters(image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
    """The four quarters change places; an odd last row or column stays."""
    height, width = image_HWC.shape[0] // 2, image_HWC.shape[1] // 2
    corners = [(top, left) for top in (0, height) for left in (0, width)]
    shuffled_HWC = image_HWC.copy()
    for (top, left), source in zip(corners, rng.permutation(4).tolist(), strict=True):
        from_top, from_left = corners[source]
        shuffled_HWC[top : top + height, left : left + width] = image_HWC[
            from_top : from_top + height, from_left : from_left + width
        ]
    return shuffled_HWC


def triangle(image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
    """A white triangle in one corner, up to 25 % of the height and 30 % of the width."""
    height, width = image_HWC.shape[:2]
    down, across = rng.uniform(0.1, 0.25) * height, rng.uniform(0.1, 0.3) * width
    rows_H1 = (np.arange(height)[:, None] + 0.5) / down
    columns_1W = (np.arange(width)[None] + 0.5) / across
    white_HW = rows_H1 + columns_1W < 1
    if rng.random() < 0.5:
        white_HW = white_HW[::-1]
    if rng.random() < 0.5:
        white_HW = white_HW[:, ::-1]
    return np.where(white_HW[..., None], np.uint8(255), image_HWC)


def glare(image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
    """One to four soft bright spots."""
    height, width = image_HWC.shape[:2]
    light_HW = np.zeros((height, width), dtype=np.float32)
    for _ in range(rng.integers(1, 5)):
        top, left = rng.uniform(0, height), rng.uniform(0, width)
        down, across = rng.uniform(0.02, 0.12) * height, rng.uniform(0.04, 0.25) * width
        falling_H1 = np.exp(-(((np.arange(height, dtype=np.float32)[:, None] - top) / down) ** 2))
        falling_1W = np.exp(-(((np.arange(width, dtype=np.float32)[None] - left) / across) ** 2))
        light_HW = np.maximum(light_HW, rng.uniform(0.5, 1.0) * falling_H1 * falling_1W)
    return _clipped(image_HWC + (255.0 - image_HWC) * light_HW[..., None])


def snow(image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
    """What is brighter than a drawn shade bleaches, as under snow."""
    border = rng.uniform(80, 160)
    shades = np.arange(256, dtype=np.float64)
    bleached = np.where(shades < border, shades, np.minimum(255, shades * rng.uniform(1.3, 2.0)))
    return _looked_up(image_HWC, bleached)


def rain(image_HWC: Pixels, rng: np.random.Generator) -> Pixels:
    """Thin bright streaks of one slant over a darker, slightly blurred photograph."""
    height, width = image_HWC.shape[:2]
    streaked_HWC = _looked_up(image_HWC, np.arange(256) * 0.8).copy()
    slant, length = rng.uniform(-0.4, 0.4), max(2, round(0.1 * height))
    count = max(1, height * width // 600)
    tops, lefts = rng.integers(0, height, count), rng.integers(0, width, count)
    for step in range(length):
        rows, columns = tops + step, lefts + round(slant * step)
        seen = (rows < height) & (columns >= 0) & (columns < width)
        streaked_HWC[rows[seen], columns[seen]] = 200
    return np.asarray(Image.fromarray(streaked_HWC).filter(ImageFilter.GaussianBlur(0.6)))


def _looked_up(image_HWC: Pixels, shades: NDArray[np.floating]) -> Pixels:
    return np.clip(np.round(shades), 0, 255).astype(np.uint8)[image_HWC]


def _clipped(values: NDArray[np.floating]) -> Pixels:
    return np.clip(np.round(values), 0, 255).astype(np.uint8)
