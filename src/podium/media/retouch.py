"""Edits that change a frame's own pixels: shape, colour, quality. One frozen value each.

Places and sizes are fractions of the frame; an edit never changes the frame's size in pixels.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar, Literal, Protocol

import numpy as np
from PIL import Image, ImageFilter

Size = tuple[int, int]
"""Width and height in pixels."""

Paint = Callable[[Image.Image, "Image.Image | None", int], Image.Image]
"""Frame, companion frame or None, index of the frame -> edited frame of the same size."""


class Edit(Protocol):
    """One edit with its parameters."""

    name: ClassVar[str]
    needs_companion: ClassVar[bool]

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Edit:
        """An edit of that strength, 0 (hardly visible) to 1 (as strong as it gets)."""
        ...

    def painter(self, size: Size) -> Paint:
        """What is done to each frame of that size."""
        ...


def fraction(value: float) -> float:
    """Rounded, so that the value reads well in a file and is the same on every machine.

    >>> fraction(1 / 3)
    0.333
    """
    return round(float(value), 3)


@dataclass(frozen=True, kw_only=True)
class Crop:
    """Keeps a part and stretches it over the whole frame."""

    name: ClassVar[str] = "crop"
    needs_companion: ClassVar[bool] = False
    left: float
    top: float
    width: float
    height: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Crop:
        side = math.sqrt(1.0 - 0.75 * strength)
        skew = math.exp(rng.uniform(-0.25, 0.25) * strength)
        width, height = min(1.0, side * skew), min(1.0, side / skew)
        left, top = rng.uniform(0, 1 - width), rng.uniform(0, 1 - height)
        return Crop(left=fraction(left), top=fraction(top), width=fraction(width), height=fraction(height))

    def painter(self, size: Size) -> Paint:
        wide, high = size
        right, bottom = min(1.0, self.left + self.width), min(1.0, self.top + self.height)
        box = (self.left * wide, self.top * high, right * wide, bottom * high)
        return lambda frame, _companion, _index: frame.resize(size, Image.Resampling.BILINEAR, box=box)


@dataclass(frozen=True, kw_only=True)
class Pad:
    """Shrinks the frame and fills the border with a colour; uneven borders change its shape."""

    name: ClassVar[str] = "pad"
    needs_companion: ClassVar[bool] = False
    left: float
    top: float
    right: float
    bottom: float
    colour: tuple[int, int, int]

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Pad:
        sides = rng.uniform(0.2, 1.0, size=4) * 0.3 * strength
        if rng.random() < 0.5:
            sides[rng.integers(2) :: 2] = 0.0
        left, top, right, bottom = (fraction(side) for side in sides)
        return Pad(left=left, top=top, right=right, bottom=bottom, colour=_colour(rng))

    def painter(self, size: Size) -> Paint:
        wide, high = size
        box = (
            round(self.left * wide),
            round(self.top * high),
            round((1 - self.right) * wide),
            round((1 - self.bottom) * high),
        )
        return lambda frame, _companion, _index: placed(frame, Image.new("RGB", size, self.colour), box)


@dataclass(frozen=True, kw_only=True)
class Rotate:
    """Turns counter-clockwise: small angles leave black corners, quarter turns are fitted between black bars."""

    name: ClassVar[str] = "rotate"
    needs_companion: ClassVar[bool] = False
    degrees: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Rotate:
        if rng.random() < 0.4 * strength:
            return Rotate(degrees=float(rng.choice((90, 180, 270))))
        return Rotate(degrees=fraction(rng.choice((-1, 1)) * (2 + 28 * strength * rng.uniform(0.3, 1.0))))

    def painter(self, size: Size) -> Paint:
        wide, high = size
        if self.degrees % 180 == 90:
            width = max(1, round(high * high / wide)) if wide >= high else wide
            height = high if wide >= high else max(1, round(wide * wide / high))
            left, top = (wide - width) // 2, (high - height) // 2
            box = (left, top, left + width, top + height)
            turn = Image.Transpose.ROTATE_90 if self.degrees % 360 == 90 else Image.Transpose.ROTATE_270
            return lambda frame, _companion, _index: placed(frame.transpose(turn), Image.new("RGB", size), box)
        return lambda frame, _companion, _index: frame.rotate(self.degrees, Image.Resampling.BILINEAR)


@dataclass(frozen=True, kw_only=True)
class Flip:
    """Mirrors left and right, or top and bottom."""

    name: ClassVar[str] = "flip"
    needs_companion: ClassVar[bool] = False
    axis: Literal["horizontal", "vertical"]

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Flip:
        return Flip(axis="vertical" if rng.random() < 0.25 * strength else "horizontal")

    def painter(self, size: Size) -> Paint:  # noqa: ARG002 - the protocol's name
        across = self.axis == "horizontal"
        turn = Image.Transpose.FLIP_LEFT_RIGHT if across else Image.Transpose.FLIP_TOP_BOTTOM
        return lambda frame, _companion, _index: frame.transpose(turn)


@dataclass(frozen=True, kw_only=True)
class Colour:
    """Brightness, contrast and saturation as factors, and a turn of the hue."""

    name: ClassVar[str] = "colour"
    needs_companion: ClassVar[bool] = False
    brightness: float
    contrast: float
    saturation: float
    hue_degrees: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Colour:
        brightness, contrast, saturation = (math.exp(rng.uniform(-0.8, 0.8) * strength) for _ in range(3))
        hue = rng.uniform(-90, 90) * strength
        return Colour(
            brightness=fraction(max(0.6, brightness)),
            contrast=fraction(contrast),
            saturation=fraction(saturation),
            hue_degrees=fraction(hue),
        )

    def painter(self, size: Size) -> Paint:  # noqa: ARG002 - the protocol's name
        matrix = self._matrix()
        return lambda frame, _companion, _index: frame.convert("RGB", matrix)

    def _matrix(self) -> tuple[float, ...]:
        luma = np.tile([0.299, 0.587, 0.114], (3, 1))
        angle = math.radians(self.hue_degrees)
        # A turn about the grey axis, by Rodrigues' formula.
        axis = np.full((3, 3), 1 / 3)
        cross = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / math.sqrt(3)
        turn = math.cos(angle) * np.eye(3) + (1 - math.cos(angle)) * axis + math.sin(angle) * cross
        mixed = (luma + self.saturation * (np.eye(3) - luma)) @ turn
        scaled = mixed * self.contrast * self.brightness
        shift = 128 * (1 - self.contrast) * self.brightness
        rows = np.concatenate([scaled, np.full((3, 1), shift)], axis=1)
        return tuple(round(float(value), 6) for value in rows.ravel())


@dataclass(frozen=True, kw_only=True)
class Grey:
    """Takes all colour away."""

    name: ClassVar[str] = "grey"
    needs_companion: ClassVar[bool] = False

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Grey:  # noqa: ARG004 - the protocol's names
        return Grey()

    def painter(self, size: Size) -> Paint:  # noqa: ARG002 - the protocol's name
        return lambda frame, _companion, _index: frame.convert("L").convert("RGB")


@dataclass(frozen=True, kw_only=True)
class Blur:
    """Gaussian blur; the radius is a fraction of the frame's shorter side."""

    name: ClassVar[str] = "blur"
    needs_companion: ClassVar[bool] = False
    radius: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Blur:
        return Blur(radius=round(0.003 + 0.017 * strength * float(rng.uniform(0.5, 1.0)), 4))

    def painter(self, size: Size) -> Paint:
        blur = ImageFilter.GaussianBlur(self.radius * min(size))
        return lambda frame, _companion, _index: frame.filter(blur)


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Grain that changes from frame to frame; the deviation is in levels of 255."""

    name: ClassVar[str] = "noise"
    needs_companion: ClassVar[bool] = False
    deviation: float
    seed: int

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Noise:
        return Noise(deviation=fraction(6 + 34 * strength * rng.uniform(0.5, 1.0)), seed=int(rng.integers(1 << 31)))

    def painter(self, size: Size) -> Paint:
        rng = np.random.default_rng(self.seed)
        wide, high = size
        # One large field, read at a new place each frame: fresh grain costs more than all other edits together.
        field = np.rint(rng.normal(0.0, self.deviation, size=(high + 32, wide + 32, 3))).astype(np.int16)
        places = rng.integers(0, 33, size=(64, 2))

        def paint(frame: Image.Image, _companion: Image.Image | None, index: int) -> Image.Image:
            down, along = places[index % 64]
            noisy = field[down : down + high, along : along + wide] + np.asarray(frame)
            return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))

        return paint


@dataclass(frozen=True, kw_only=True)
class Pixelise:
    """Large square pixels; `block` is a fraction of the frame's shorter side."""

    name: ClassVar[str] = "pixelise"
    needs_companion: ClassVar[bool] = False
    block: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Pixelise:
        return Pixelise(block=round(0.012 + 0.03 * strength * float(rng.uniform(0.5, 1.0)), 4))

    def painter(self, size: Size) -> Paint:
        side = max(2.0, self.block * min(size))
        small = (max(1, round(size[0] / side)), max(1, round(size[1] / side)))
        return lambda frame, _companion, _index: frame.resize(small, Image.Resampling.BOX).resize(
            size, Image.Resampling.NEAREST
        )


@dataclass(frozen=True, kw_only=True)
class Shrink:
    """Fewer pixels and back: the sharpness of a small copy."""

    name: ClassVar[str] = "shrink"
    needs_companion: ClassVar[bool] = False
    scale: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Shrink:
        return Shrink(scale=fraction(0.8 - 0.6 * strength * rng.uniform(0.6, 1.0)))

    def painter(self, size: Size) -> Paint:
        small = (max(2, round(size[0] * self.scale)), max(2, round(size[1] * self.scale)))
        bilinear = Image.Resampling.BILINEAR
        return lambda frame, _companion, _index: frame.resize(small, bilinear).resize(size, bilinear)


@dataclass(frozen=True, kw_only=True)
class Recompress:
    """Through a lossy codec (JPEG) at a low quality, 1 to 95."""

    name: ClassVar[str] = "recompress"
    needs_companion: ClassVar[bool] = False
    quality: int

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Recompress:
        return Recompress(quality=round(40 - 34 * strength * rng.uniform(0.5, 1.0)))

    def painter(self, size: Size) -> Paint:  # noqa: ARG002 - the protocol's name
        def paint(frame: Image.Image, _companion: Image.Image | None, _index: int) -> Image.Image:
            packed = io.BytesIO()
            frame.save(packed, "JPEG", quality=self.quality)
            return Image.open(packed).convert("RGB")

        return paint


def placed(frame: Image.Image, onto: Image.Image, box: tuple[int, int, int, int]) -> Image.Image:
    """The frame scaled into a box (left, top, right, bottom) of a canvas, which is changed and returned."""
    left, top, right, bottom = box
    scaled = frame.resize((max(1, right - left), max(1, bottom - top)), Image.Resampling.BILINEAR)
    onto.paste(scaled, (left, top))
    return onto


def _colour(rng: np.random.Generator) -> tuple[int, int, int]:
    if rng.random() < 0.5:
        return (0, 0, 0) if rng.random() < 0.7 else (255, 255, 255)
    red, green, blue = rng.integers(0, 256, size=3)
    return int(red), int(green), int(blue)
