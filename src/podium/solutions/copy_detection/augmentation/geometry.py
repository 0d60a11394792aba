"""Edits that move pixels. Places and sizes are fractions of the picture, whose size in pixels stays.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from podium.solutions.copy_detection.augmentation.raster import Pixels, Size, mirrored, resized, warped
from podium.solutions.copy_detection.augmentation.settings import DEFAULTS, Span, ViewSettings
from podium.solutions.reidentification.augmentation import projective

_TRIES = 10


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Keeps a part and stretches it over the whole."""

    name: ClassVar[str] = "crop"
    needs_other: ClassVar[bool] = False
    left: float
    top: float
    width: float
    height: float

    @staticmethod
    def draw(
        rng: np.random.Generator,
        strength: float = 1.0,
        settings: ViewSettings = DEFAULTS,
        *,
        aspect: float = 1.0,
        area: Span | None = None,
    ) -> Crop:
        """A part by lot, as torchvision's RandomResizedCrop takes it.

        Args:
            rng: The only source of chance.
            strength: 0 keeps everything.
            settings: `crop_area` and `crop_ratio`.
            aspect: Width of the picture by its height.
            area: Instead of `crop_area`.
        """
        tries_K2, place_2 = rng.random((_TRIES, 2)), rng.random(2)
        least, most = settings.crop_area if area is None else area
        area_K = 1 - strength * (1 - (least + (most - least) * tries_K2[:, 0]))
        if settings.crop_ratio is None:
            width = height = math.sqrt(area_K[0])
        else:
            low, high = (math.log(each) for each in settings.crop_ratio)
            own = math.log(aspect)
            ratio_K = np.exp((1 - strength) * own + strength * (low + (high - low) * tries_K2[:, 1])) / aspect
            width_K, height_K = np.sqrt(area_K * ratio_K), np.sqrt(area_K / ratio_K)
            fits_F = np.flatnonzero((width_K <= 1 + 1e-9) & (height_K <= 1 + 1e-9))
            if len(fits_F):
                width, height = min(1.0, float(width_K[fits_F[0]])), min(1.0, float(height_K[fits_F[0]]))
            else:
                # No try fitted: the largest middle part whose shape is allowed.
                shape = math.exp(min(max(own, low), high))
                width, height, place_2 = min(1.0, shape / aspect), min(1.0, aspect / shape), np.array([0.5, 0.5])
        left, top = place_2 * (1 - np.array([width, height]))
        return Crop(left=float(left), top=float(top), width=width, height=height)

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None, *, size: Size | None = None) -> Pixels:  # noqa: ARG002
        """The part, at the picture's size or at another height and width."""
        high, wide = image_HWC.shape[:2]
        width, height = max(1, round(self.width * wide)), max(1, round(self.height * high))
        left, top = min(wide - width, round(self.left * wide)), min(high - height, round(self.top * high))
        return resized(image_HWC[top : top + height, left : left + width], size or (high, wide))


@dataclass(frozen=True, kw_only=True)
class Rotate:
    """Turns counter-clockwise, zoomed in until no corner is black, or with black corners."""

    name: ClassVar[str] = "rotate"
    needs_other: ClassVar[bool] = False
    degrees: float
    inside: bool

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Rotate:
        degrees = strength * settings.rotation_degrees * rng.uniform(-1, 1)
        return Rotate(degrees=float(degrees), inside=settings.rotation_inside)

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        if self.degrees == 0:
            return image_HWC
        high, wide = image_HWC.shape[:2]
        turn = math.radians(self.degrees)
        cos, sin = math.cos(turn), math.sin(turn)
        zoom = 1.0
        if self.inside:
            across = wide * abs(cos) + high * abs(sin)
            down = wide * abs(sin) + high * abs(cos)
            zoom = min(wide / across, high / down)
        linear = np.array([[cos, -sin], [sin, cos]]) * zoom
        middle = np.array([wide / 2, high / 2])
        matrix_33 = np.eye(3)
        matrix_33[:2, :2], matrix_33[:2, 2] = linear, middle - linear @ middle
        return warped(image_HWC, matrix_33)


@dataclass(frozen=True, kw_only=True)
class QuarterTurn:
    """Turns counter-clockwise by quarters; what then no longer fits stands between black bars."""

    name: ClassVar[str] = "quarter_turn"
    needs_other: ClassVar[bool] = False
    quarters: int

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> QuarterTurn:  # noqa: ARG004
        happens, quarters = rng.random() < strength, int(rng.integers(1, 4))
        return QuarterTurn(quarters=quarters if happens else 0)

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        turned_HWC = np.ascontiguousarray(np.rot90(image_HWC, self.quarters))
        return turned_HWC if turned_HWC.shape == image_HWC.shape else fitted(turned_HWC, image_HWC.shape[:2])


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Mirrors left and right."""

    name: ClassVar[str] = "flip"
    needs_other: ClassVar[bool] = False
    happens: bool

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Flip:  # noqa: ARG004
        return Flip(happens=bool(rng.random() < strength))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        return mirrored(image_HWC, vertical=False) if self.happens else image_HWC


@dataclass(frozen=True, kw_only=True)
class FlipVertical:
    """Mirrors top and bottom."""

    name: ClassVar[str] = "flip_vertical"
    needs_other: ClassVar[bool] = False
    happens: bool

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> FlipVertical:  # noqa: ARG004
        return FlipVertical(happens=bool(rng.random() < strength))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        return mirrored(image_HWC, vertical=True) if self.happens else image_HWC


@dataclass(frozen=True, kw_only=True)
class Perspective:
    """Seen from the side: each corner moves inwards, black where nothing is."""

    name: ClassVar[str] = "perspective"
    needs_other: ClassVar[bool] = False
    corners: tuple[tuple[float, float], ...]

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Perspective:
        moves_42 = strength * settings.distortion / 2 * rng.random((4, 2))
        signs_42 = np.array([[1, 1], [-1, 1], [-1, -1], [1, -1]])
        ends_42 = np.array([[0, 0], [1, 0], [1, 1], [0, 1]]) + signs_42 * moves_42
        return Perspective(corners=tuple((x, y) for x, y in ends_42.tolist()))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        high, wide = image_HWC.shape[:2]
        extent_2 = np.array([wide, high], dtype=np.float64)
        starts_42 = np.array([[0.0, 0.0], [1, 0], [1, 1], [0, 1]])
        ends_42: NDArray[np.float64] = np.array(self.corners)
        if np.array_equal(starts_42, ends_42):
            return image_HWC
        return warped(image_HWC, projective(ends_42 * extent_2, starts_42 * extent_2))


@dataclass(frozen=True, kw_only=True)
class Pad:
    """Shrinks the picture and fills a border with a colour; uneven borders change its shape."""

    name: ClassVar[str] = "pad"
    needs_other: ClassVar[bool] = False
    left: float
    top: float
    right: float
    bottom: float
    colour: tuple[int, int, int]

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Pad:
        sides_4, kind, tone = rng.random(4), rng.random(), rng.random()
        red, green, blue = rng.integers(0, 256, size=3).tolist()
        if kind < 0.5:
            # Bars above and below, or at both sides.
            sides_4[int(kind < 0.25) :: 2] = 0
        if tone < 0.5:
            red = green = blue = 0 if tone < 0.35 else 255
        left, top, right, bottom = (strength * settings.pad * sides_4).tolist()
        return Pad(left=left, top=top, right=right, bottom=bottom, colour=(red, green, blue))

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        high, wide = image_HWC.shape[:2]
        left, top = min(wide - 1, round(self.left * wide)), min(high - 1, round(self.top * high))
        right, bottom = max(left + 1, round((1 - self.right) * wide)), max(top + 1, round((1 - self.bottom) * high))
        canvas_HWC = np.empty_like(image_HWC)
        canvas_HWC[:] = self.colour
        canvas_HWC[top:bottom, left:right] = resized(image_HWC, (bottom - top, right - left))
        return canvas_HWC


def fitted(image_HWC: Pixels, size: Size, colour: tuple[int, int, int] = (0, 0, 0)) -> Pixels:
    """Scaled to fit into a height and width, in the middle, a colour around it."""
    height, width = image_HWC.shape[:2]
    zoom = min(size[0] / height, size[1] / width)
    high, wide = min(size[0], max(1, round(height * zoom))), min(size[1], max(1, round(width * zoom)))
    top, left = (size[0] - high) // 2, (size[1] - wide) // 2
    canvas_HWC = np.empty((*size, 3), dtype=np.uint8)
    canvas_HWC[:] = colour
    canvas_HWC[top : top + high, left : left + wide] = resized(image_HWC, (high, wide))
    return canvas_HWC
