"""Edits that put something over a frame, or the frame into something else. One frozen value each.

Those with `needs_companion` take frames of other footage, of the same size. Places and sizes are fractions of the
frame.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from podium.errors import UsageError
from podium.media.retouch import Paint, Size, fraction, placed

SHAPES = ("smile", "heart", "star", "bolt", "sun", "speech")
_WORDS = (
    "wait", "for", "it", "LOL", "NEW", "part", "2", "my", "best", "day", "ever", "?!", "WOW", "follow", "live",
    "no", "way", "top", "10", "why", "OMG", "the", "end",
)  # fmt: skip
_SHARPER = 3


@dataclass(frozen=True, kw_only=True)
class Text:
    """Letters in one colour; `height` is that of a capital, the place that of the text's middle."""

    name: ClassVar[str] = "text"
    needs_companion: ClassVar[bool] = False
    words: str
    x: float
    y: float
    height: float
    colour: tuple[int, int, int]
    opacity: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Text:
        rows: list[int] = rng.integers(len(_WORDS), size=int(rng.integers(1, 3 + round(3 * strength)))).tolist()
        red, green, blue = (int(value) for value in rng.integers(0, 256, size=3))
        return Text(
            words=" ".join(_WORDS[row] for row in rows),
            x=fraction(rng.uniform(0.25, 0.75)),
            y=fraction(rng.uniform(0.1, 0.9)),
            height=fraction(0.06 + 0.12 * strength * rng.uniform(0.5, 1.0)),
            colour=(red, green, blue),
            opacity=fraction(rng.uniform(0.5, 1.0)),
        )

    def painter(self, size: Size) -> Paint:
        wide, high = size
        layer = Image.new("RGBA", size)
        font = ImageFont.load_default(max(6, round(self.height * high)))
        place = (self.x * wide, self.y * high)
        ink = (*self.colour, round(255 * self.opacity))
        ImageDraw.Draw(layer).text(place, self.words, fill=ink, font=font, anchor="mm")
        return _stamp(layer)


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """A drawn symbol; `size` is a fraction of the frame's shorter side, the place that of its middle."""

    name: ClassVar[str] = "emoji"
    needs_companion: ClassVar[bool] = False
    shape: str
    x: float
    y: float
    size: float
    opacity: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Emoji:
        return Emoji(
            shape=str(rng.choice(SHAPES)),
            x=fraction(rng.uniform(0.15, 0.85)),
            y=fraction(rng.uniform(0.15, 0.85)),
            size=fraction(0.15 + 0.4 * strength * rng.uniform(0.5, 1.0)),
            opacity=fraction(rng.uniform(0.7, 1.0)),
        )

    def painter(self, size: Size) -> Paint:
        wide, high = size
        side = max(8, round(self.size * min(size)))
        symbol = emoji(self.shape, side)
        symbol.putalpha(symbol.getchannel("A").point([round(level * self.opacity) for level in range(256)]))
        layer = Image.new("RGBA", size)
        layer.paste(symbol, (round(self.x * wide - side / 2), round(self.y * high - side / 2)))
        return _stamp(layer)


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A still of other footage over a part of the frame."""

    name: ClassVar[str] = "picture"
    needs_companion: ClassVar[bool] = True
    left: float
    top: float
    size: float
    opacity: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Picture:
        size = 0.2 + 0.35 * strength * rng.uniform(0.5, 1.0)
        left, top = rng.uniform(0, 1 - size, size=2)
        opacity = rng.uniform(0.6, 1.0)
        return Picture(left=fraction(left), top=fraction(top), size=fraction(size), opacity=fraction(opacity))

    def painter(self, size: Size) -> Paint:
        box = _box(size, self.left, self.top, self.size)
        kept: list[Image.Image] = []

        def paint(frame: Image.Image, companion: Image.Image | None, _index: int) -> Image.Image:
            if not kept:
                kept.append(_present(companion).copy())
            return _blended(frame, placed(kept[0], frame.copy(), box), self.opacity)

        return paint


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Another video, small, over the frame."""

    name: ClassVar[str] = "overlay"
    needs_companion: ClassVar[bool] = True
    left: float
    top: float
    size: float
    opacity: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Overlay:
        still = Picture.draw(rng, strength)
        return Overlay(left=still.left, top=still.top, size=still.size, opacity=still.opacity)

    def painter(self, size: Size) -> Paint:
        box = _box(size, self.left, self.top, self.size)

        def paint(frame: Image.Image, companion: Image.Image | None, _index: int) -> Image.Image:
            return _blended(frame, placed(_present(companion), frame.copy(), box), self.opacity)

        return paint


@dataclass(frozen=True, kw_only=True)
class Inset:
    """The frame itself becomes a small picture in another video."""

    name: ClassVar[str] = "inset"
    needs_companion: ClassVar[bool] = True
    left: float
    top: float
    size: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Inset:
        size = 0.8 - 0.4 * strength * rng.uniform(0.5, 1.0)
        left, top = rng.uniform(0, 1 - size, size=2)
        return Inset(left=fraction(left), top=fraction(top), size=fraction(size))

    def painter(self, size: Size) -> Paint:
        box = _box(size, self.left, self.top, self.size)

        def paint(frame: Image.Image, companion: Image.Image | None, _index: int) -> Image.Image:
            return placed(frame, _present(companion).copy(), box)

        return paint


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Side by side with another video: the frame takes one half, squeezed into it or its middle cut out."""

    name: ClassVar[str] = "stack"
    needs_companion: ClassVar[bool] = True
    side: Literal["left", "right", "top", "bottom"]
    squeeze: bool

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Stack:  # noqa: ARG004 - the protocol's name
        sides: tuple[Literal["left", "right", "top", "bottom"], ...] = ("left", "right", "top", "bottom")
        return Stack(side=sides[rng.integers(4)], squeeze=bool(rng.random() < 0.5))

    def painter(self, size: Size) -> Paint:
        wide, high = size
        left, top = (0, 0, wide // 2, high), (0, 0, wide, high // 2)
        right, bottom = (wide // 2, 0, wide, high), (0, high // 2, wide, high)
        box = {"left": left, "top": top, "right": right, "bottom": bottom}[self.side]
        other = {"left": right, "top": bottom, "right": left, "bottom": top}[self.side]

        def half(frame: Image.Image, into: tuple[int, int, int, int]) -> Image.Image:
            if self.squeeze:
                return frame
            width, height = into[2] - into[0], into[3] - into[1]
            return frame.crop(((wide - width) // 2, (high - height) // 2, (wide + width) // 2, (high + height) // 2))

        def paint(frame: Image.Image, companion: Image.Image | None, _index: int) -> Image.Image:
            canvas = placed(half(_present(companion), other), Image.new("RGB", size), other)
            return placed(half(frame, box), canvas, box)

        return paint


@dataclass(frozen=True, kw_only=True)
class Blend:
    """Another video shines through; `opacity` is the other's share."""

    name: ClassVar[str] = "blend"
    needs_companion: ClassVar[bool] = True
    opacity: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float) -> Blend:
        return Blend(opacity=fraction(0.15 + 0.4 * strength * rng.uniform(0.5, 1.0)))

    def painter(self, size: Size) -> Paint:  # noqa: ARG002 - the protocol's name
        def paint(frame: Image.Image, companion: Image.Image | None, _index: int) -> Image.Image:
            return _blended(frame, _present(companion), self.opacity)

        return paint


def emoji(shape: str, side: int) -> Image.Image:
    """A symbol of `SHAPES`, RGBA, `side` pixels square, transparent around it."""
    large = side * _SHARPER
    canvas = Image.new("RGBA", (large, large))
    pen = ImageDraw.Draw(canvas)

    def at(*points: float) -> list[float]:
        return [value * large for value in points]

    if shape == "heart":
        pen.ellipse(at(0.05, 0.1, 0.52, 0.57), fill="#e0245e")
        pen.ellipse(at(0.48, 0.1, 0.95, 0.57), fill="#e0245e")
        pen.polygon(at(0.09, 0.46, 0.91, 0.46, 0.5, 0.95), fill="#e0245e")
    elif shape == "star":
        pen.polygon(at(*_spikes(5, inner=0.2, outer=0.48)), fill="#ffac33")
    elif shape == "sun":
        pen.polygon(at(*_spikes(12, inner=0.34, outer=0.49)), fill="#f4900c")
        pen.ellipse(at(0.22, 0.22, 0.78, 0.78), fill="#ffcc4d")
    elif shape == "bolt":
        pen.polygon(at(0.6, 0.03, 0.2, 0.55, 0.46, 0.55, 0.36, 0.97, 0.8, 0.4, 0.52, 0.4), fill="#3b94d9")
    elif shape == "speech":
        pen.rounded_rectangle(at(0.05, 0.1, 0.95, 0.7), radius=0.15 * large, fill="#ffffff")
        pen.polygon(at(0.25, 0.65, 0.5, 0.65, 0.22, 0.95), fill="#ffffff")
        for x in (0.25, 0.45, 0.65):
            pen.ellipse(at(x, 0.35, x + 0.1, 0.45), fill="#292f33")
    else:
        pen.ellipse(at(0.03, 0.03, 0.97, 0.97), fill="#ffcc4d")
        pen.ellipse(at(0.27, 0.3, 0.38, 0.46), fill="#664500")
        pen.ellipse(at(0.62, 0.3, 0.73, 0.46), fill="#664500")
        pen.chord(at(0.22, 0.35, 0.78, 0.85), 10, 170, fill="#664500")
    return canvas.resize((side, side), Image.Resampling.BOX)


def _spikes(count: int, *, inner: float, outer: float) -> list[float]:
    points: list[float] = []
    for corner in range(2 * count):
        angle = math.pi * corner / count - math.pi / 2
        radius = inner if corner % 2 else outer
        points += [0.5 + radius * math.cos(angle), 0.5 + radius * math.sin(angle)]
    return points


def _box(size: Size, left: float, top: float, scale: float) -> tuple[int, int, int, int]:
    wide, high = size
    x, y = round(left * wide), round(top * high)
    return x, y, min(wide, x + round(scale * wide)), min(high, y + round(scale * high))


def _stamp(layer: Image.Image) -> Paint:
    mask = layer.getchannel("A")
    ink = layer.convert("RGB")
    # Only the part with ink is pasted; a whole frame costs three times as much.
    box = mask.getbbox()
    if box is None:
        return lambda frame, _companion, _index: frame
    ink, mask = ink.crop(box), mask.crop(box)

    def paint(frame: Image.Image, _companion: Image.Image | None, _index: int) -> Image.Image:
        painted = frame.copy()
        painted.paste(ink, box[:2], mask)
        return painted

    return paint


def _blended(frame: Image.Image, other: Image.Image, opacity: float) -> Image.Image:
    return other if opacity >= 1 else Image.blend(frame, other, opacity)


def _present(companion: Image.Image | None) -> Image.Image:
    if companion is None:
        raise UsageError("this edit needs frames of other footage; none were given")
    return companion
