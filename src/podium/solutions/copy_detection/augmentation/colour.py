"""Edits of colour.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from podium.solutions.copy_detection.augmentation.raster import LUMA, Pixels, mean_colour, recoloured
from podium.solutions.copy_detection.augmentation.settings import DEFAULTS, ViewSettings


@dataclass(frozen=True, kw_only=True)
class Jitter:
    """Brightness, contrast about the mean, saturation as factors, and a turn of the hue about the grey axis.

    All four are one affine map of colour. torchvision's jitter does them one by one in any order; as maps they commute
    but for the hue, so the two differ where a step in between would leave 0 to 255.
    """

    name: ClassVar[str] = "jitter"
    needs_other: ClassVar[bool] = False
    brightness: float
    contrast: float
    saturation: float
    hue_degrees: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Jitter:
        amount = strength * settings.jitter
        low, high = max(0.0, 1 - amount), 1 + amount
        brightness, contrast, saturation = (low + (high - low) * rng.random(3)).tolist()
        hue = 360 * strength * settings.hue * rng.uniform(-1, 1)
        return Jitter(brightness=brightness, contrast=contrast, saturation=saturation, hue_degrees=float(hue))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        luma_3 = np.array(LUMA)
        linear_33 = _turn(self.hue_degrees)
        linear_33 = self.saturation * linear_33 + (1 - self.saturation) * np.tile(luma_3 @ linear_33, (3, 1))
        grey = float(luma_3 @ linear_33 @ np.array(mean_colour(image_HWC)))
        shift = self.brightness * (1 - self.contrast) * grey
        matrix_34 = np.column_stack([self.brightness * self.contrast * linear_33, np.full(3, shift)])
        return recoloured(image_HWC, matrix_34)


@dataclass(frozen=True, kw_only=True)
class Grey:
    """Takes a share of all colour away."""

    name: ClassVar[str] = "grey"
    needs_other: ClassVar[bool] = False
    share: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Grey:  # noqa: ARG004
        return Grey(share=strength)

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        linear_33 = (1 - self.share) * np.eye(3) + self.share * np.tile(np.array(LUMA), (3, 1))
        return recoloured(image_HWC, np.column_stack([linear_33, np.zeros(3)]))


def _turn(degrees: float) -> NDArray[np.float64]:
    """(3, 3): the turn about the grey axis, by Rodrigues' formula."""
    angle = math.radians(degrees)
    cross_33 = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
    return math.cos(angle) * np.eye(3) + (1 - math.cos(angle)) / 3 + math.sin(angle) * cross_33
