"""Smooth random fields. Axes: H down an image, W across it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Field = NDArray[np.floating[Any]]


def smooth(rng: np.random.Generator, height: int, width: int, *, wavelength: float, stretch: float = 1.0) -> Field:
    """A field with features of one size, mean about 0, deviation about 1.

    Args:
        rng: What it is drawn from.
        height: Pixels.
        width: Pixels.
        wavelength: Of the features, in pixels down the image.
        stretch: How many times longer the features are across it.
    """
    rows = max(2, round(2 * height / wavelength) + 1)
    columns = max(2, round(2 * width / (wavelength * stretch)) + 1)
    coarse = rng.standard_normal((rows + 2, columns + 2), dtype=np.float32)
    return resize(coarse, height, width) * np.float32(1.3)


def octaves(
    rng: np.random.Generator,
    height: int,
    width: int,
    *,
    wavelengths: Sequence[float],
    stretch: float = 1.0,
    falloff: float = 0.6,
) -> Field:
    """Fields of several sizes added up, each weaker by `falloff`; deviation about 1."""
    total = np.zeros((height, width), dtype=np.float32)
    weight, power = 1.0, 0.0
    for wavelength in wavelengths:
        total += np.float32(weight) * smooth(rng, height, width, wavelength=wavelength, stretch=stretch)
        power += weight * weight
        weight *= falloff
    return total / np.float32(max(power, 1e-9) ** 0.5)


def resize(field: Field, height: int, width: int) -> Field:
    """A field at another size, by cubic interpolation."""
    picture = Image.fromarray(field.astype(np.float32))
    return np.asarray(picture.resize((width, height), Image.Resampling.BICUBIC), dtype=np.float32)


def sample(texture_HW: Field, row: Field, column: Field) -> Field:
    """What a texture holds at fractional places, by linear interpolation; places outside read its border.

    Args:
        texture_HW: The texture.
        row: Any shape, in pixels from the first row's centre.
        column: Same shape.
    """
    height, width = texture_HW.shape
    row = np.clip(row, 0, height - 1.001)
    column = np.clip(column, 0, width - 1.001)
    top, left = row.astype(np.int64), column.astype(np.int64)
    down, right = row - top, column - left
    flat, at = texture_HW.ravel(), top * width + left
    upper = flat[at] * (1 - right) + flat[at + 1] * right
    lower = flat[at + width] * (1 - right) + flat[at + width + 1] * right
    return upper * (1 - down) + lower * down
