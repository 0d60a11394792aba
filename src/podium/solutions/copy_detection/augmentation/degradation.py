"""Edits that lose detail or add false detail.

Axes: H height, W width, C colour, P chosen pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from statistics import NormalDist
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from podium.solutions.copy_detection.augmentation.edit import between
from podium.solutions.copy_detection.augmentation.raster import Pixels, blurred, filtered, recoded, resized
from podium.solutions.copy_detection.augmentation.settings import DEFAULTS, ViewSettings

_SEEDS = 1 << 31
_BEST_QUALITY = 95


@dataclass(frozen=True, kw_only=True)
class Pixelise:
    """Fewer, larger pixels: so small a share of each edge's pixels is left."""

    name: ClassVar[str] = "pixelise"
    needs_other: ClassVar[bool] = False
    ratio: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Pixelise:
        return Pixelise(ratio=1 - strength * (1 - settings.pixelise) * rng.random())

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        high, wide = image_HWC.shape[:2]
        small = (max(1, round(high * self.ratio)), max(1, round(wide * self.ratio)))
        return resized(resized(image_HWC, small), (high, wide), blocks=True)


@dataclass(frozen=True, kw_only=True)
class Shuffle:
    """A share of the pixels, anywhere, change places with one another."""

    name: ClassVar[str] = "shuffle"
    needs_other: ClassVar[bool] = False
    share: float
    seed: int

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Shuffle:
        return Shuffle(share=strength * settings.shuffle, seed=int(rng.integers(_SEEDS)))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        pixels = image_HWC.shape[0] * image_HWC.shape[1]
        chosen_P = np.random.default_rng(self.seed).choice(pixels, size=round(self.share * pixels), replace=False)
        flat_NC = image_HWC.reshape(pixels, 3).copy()
        # The choice comes in random order, so a step along it sends each pixel anywhere.
        flat_NC[chosen_P] = flat_NC[np.roll(chosen_P, 1)]
        return flat_NC.reshape(image_HWC.shape)


@dataclass(frozen=True, kw_only=True)
class Recompress:
    """Through JPEG at a quality of 1 to 100."""

    name: ClassVar[str] = "recompress"
    needs_other: ClassVar[bool] = False
    quality: int

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Recompress:
        drawn = settings.qualities[int(rng.integers(len(settings.qualities)))]
        return Recompress(quality=round(between((max(_BEST_QUALITY, drawn), drawn), strength)))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        return recoded(image_HWC, self.quality)


@dataclass(frozen=True, kw_only=True)
class Blur:
    """Out of focus; `deviation` is in pixels."""

    name: ClassVar[str] = "blur"
    needs_other: ClassVar[bool] = False
    deviation: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Blur:
        return Blur(deviation=strength * between(settings.blur, rng.random()))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        return blurred(image_HWC, self.deviation)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Gaussian grain, each colour for itself; `deviation` is in levels of 255."""

    name: ClassVar[str] = "noise"
    needs_other: ClassVar[bool] = False
    deviation: float
    seed: int

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Noise:
        return Noise(deviation=strength * settings.noise, seed=int(rng.integers(_SEEDS)))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        # Four places a number: a look-up of short lots takes a thirtieth of what normal draws take.
        lots = np.random.default_rng(self.seed).integers(0, 1 << 64, size=image_HWC.size // 4 + 1, dtype=np.uint64)
        places = lots.astype("<u8").view("<u2")[: image_HWC.size].reshape(image_HWC.shape)
        levels = np.rint(_normal() * self.deviation).clip(-255, 255).astype(np.int16)
        return np.clip(levels.take(places) + image_HWC, 0, 255).astype(np.uint8)


@dataclass(frozen=True, kw_only=True)
class Sharpen:
    """Edges made clearer than they are, as Pillow's EDGE_ENHANCE does or with `more` EDGE_ENHANCE_MORE."""

    name: ClassVar[str] = "sharpen"
    needs_other: ClassVar[bool] = False
    share: float
    more: bool

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Sharpen:  # noqa: ARG004
        return Sharpen(share=strength, more=bool(rng.random() < 0.5))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        around = 1.0 if self.more else 0.5
        kernel_33 = np.full((3, 3), -self.share * around)
        kernel_33[1, 1] = 1 + 8 * self.share * around
        return filtered(image_HWC, kernel_33)


@cache
def _normal() -> NDArray[np.float32]:
    """A standard normal at the middle of each of 65,536 equal shares."""
    bell = NormalDist()
    return np.array([bell.inv_cdf((number + 0.5) / 65_536) for number in range(65_536)], dtype=np.float32)
