"""Edits that put something over a picture: text, symbols, patches of nothing.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from typing import ClassVar

import numpy as np
from PIL import Image, ImageDraw

from podium.media.overlays import SHAPES
from podium.media.overlays import emoji as drawn_symbol
from podium.solutions.copy_detection.augmentation import fonts
from podium.solutions.copy_detection.augmentation.edit import between
from podium.solutions.copy_detection.augmentation.raster import Pixels, blended, pasted, resized
from podium.solutions.copy_detection.augmentation.settings import DEFAULTS, ViewSettings

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789?!&%#@+*.,:-áäçéèêïñöøüßÆÅ"
_WORDS = (
    "wait for it", "LOL", "NEW", "part 2", "my best day", "no way", "top 10", "OMG", "the end", "WOW", "follow me",
    "live", "breaking", "link in bio", "day 1", "so true", "watch this", "why?!", "SALE", "official", "thank you",
)  # fmt: skip
_GLYPHS = "☺☻☹♥★☀☂☎✈✌❄♫✂☠☕⚽⚡✿❤➤✔✘♛☮"
_MASTER = 160
_SEEDS = 1 << 31


@dataclass(frozen=True, kw_only=True)
class Text:
    """One or two lines in one font and colour; `size` is a line's height as a share of the shorter edge."""

    name: ClassVar[str] = "text"
    needs_other: ClassVar[bool] = False
    lines: tuple[str, ...]
    font: str
    size: float
    left: float
    top: float
    colour: tuple[int, int, int]
    opacity: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Text:
        known = settings.fonts or (*fonts.found(),) or ("",)
        font = known[int(rng.random() * len(known))]
        lines = tuple(_line(rng) for _ in range(int(rng.integers(1, 3))))
        red, green, blue = rng.integers(0, 256, size=3).tolist()
        size, opacity, left, top = rng.random(4).tolist()
        return Text(
            lines=lines,
            font=font,
            size=between(settings.text_size, strength * size),
            left=left / 2,
            top=top * 0.8,
            colour=(red, green, blue),
            opacity=strength * between(settings.text_opacity, opacity),
        )

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        high, wide = image_HWC.shape[:2]
        line = max(6, round(self.size * min(high, wide)))
        cover_HW = written(self.lines, self.font, line)
        cover_HW = cover_HW[:high, :wide]
        ink_HWC = np.empty((*cover_HW.shape, 3), dtype=np.uint8)
        ink_HWC[:] = self.colour
        return pasted(
            image_HWC, ink_HWC, _faded(cover_HW, self.opacity), (round(self.left * wide), round(self.top * high))
        )


@dataclass(frozen=True, kw_only=True)
class Emoji:
    """A symbol; `size` is a share of the shorter edge, `x` and `y` say where its middle is."""

    name: ClassVar[str] = "emoji"
    needs_other: ClassVar[bool] = False
    symbol: str
    colour: tuple[int, int, int]
    size: float
    x: float
    y: float
    opacity: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Emoji:
        known = (*SHAPES, *_GLYPHS) if fonts.has_symbols() else SHAPES
        symbol, size, x, y, opacity = rng.random(5).tolist()
        red, green, blue = rng.integers(0, 256, size=3).tolist()
        return Emoji(
            symbol=known[int(symbol * len(known))],
            colour=(red, green, blue),
            size=between(settings.emoji_size, strength * size),
            x=x,
            y=y,
            opacity=strength * between(settings.emoji_opacity, opacity),
        )

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        high, wide = image_HWC.shape[:2]
        side = max(4, round(self.size * min(high, wide)))
        if self.symbol in SHAPES:
            ink_HWC, cover_HW = (resized(each, (side, side)) for each in _shape(self.symbol))
        else:
            cover_HW = resized(_glyph(self.symbol), (side, side))
            ink_HWC = np.empty((side, side, 3), dtype=np.uint8)
            ink_HWC[:] = self.colour
        place = (round(self.x * wide - side / 2), round(self.y * high - side / 2))
        return pasted(image_HWC, ink_HWC, _faded(cover_HW, self.opacity), place)


@dataclass(frozen=True, kw_only=True)
class Erase:
    """A patch of coloured noise, every level of every colour as likely."""

    name: ClassVar[str] = "erase"
    needs_other: ClassVar[bool] = False
    left: float
    top: float
    width: float
    height: float
    opacity: float
    seed: int

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Erase:
        area, ratio, x, y = rng.random(4).tolist()
        area = strength * between(settings.erase_area, area)
        low, high = (math.log(max(1e-3, each)) for each in settings.erase_ratio)
        shape = math.exp(between((low, high), ratio))
        width, height = min(1.0, math.sqrt(area * shape)), min(1.0, math.sqrt(area / shape))
        return Erase(
            left=x * (1 - width),
            top=y * (1 - height),
            width=width,
            height=height,
            opacity=min(1.0, 2 * strength),
            seed=int(rng.integers(_SEEDS)),
        )

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        high, wide = image_HWC.shape[:2]
        left, top = round(self.left * wide), round(self.top * high)
        right, bottom = round((self.left + self.width) * wide), round((self.top + self.height) * high)
        result_HWC = image_HWC.copy()
        if right > left and bottom > top:
            patch_HWC = result_HWC[top:bottom, left:right]
            noise_HWC = np.random.default_rng(self.seed).integers(0, 256, size=patch_HWC.shape, dtype=np.uint8)
            patch_HWC[:] = blended(np.ascontiguousarray(patch_HWC), noise_HWC, self.opacity)
        return result_HWC


def written(lines: tuple[str, ...], font: str, height: int) -> Pixels:
    """How much of each pixel letters cover, (H, W), each line so many pixels high."""
    letters = fonts.load(font, max(4, round(height * 0.8)))
    length = max(1, *(math.ceil(letters.getlength(each)) for each in lines))
    canvas = Image.new("L", (length + 2, height * len(lines)))
    pen = ImageDraw.Draw(canvas)
    for number, each in enumerate(lines):
        pen.text((1, number * height), each, fill=255, font=letters)
    return np.asarray(canvas)


def _line(rng: np.random.Generator) -> str:
    """Words or meaningless letters, as often."""
    word, length = rng.random(), int(rng.integers(5, 10))
    letters = rng.integers(len(_LETTERS), size=9).tolist()
    if word < 0.5:
        return _WORDS[int(2 * word * len(_WORDS))]
    return "".join(_LETTERS[each] for each in letters[:length])


def _faded(cover_HW: Pixels, opacity: float) -> Pixels:
    return cover_HW if opacity >= 1 else np.rint(cover_HW * np.float32(opacity)).astype(np.uint8)


@cache
def _shape(name: str) -> tuple[Pixels, Pixels]:
    """Colour (H, W, C) and cover (H, W) of a drawn symbol."""
    drawn_HWC = np.asarray(drawn_symbol(name, _MASTER))
    return np.ascontiguousarray(drawn_HWC[..., :3]), np.ascontiguousarray(drawn_HWC[..., 3])


@cache
def _glyph(letter: str) -> Pixels:
    """Cover (H, W) of a drawing that fills a square."""
    canvas = Image.new("L", (2 * _MASTER, 2 * _MASTER))
    ImageDraw.Draw(canvas).text((_MASTER // 2, _MASTER // 2), letter, fill=255, font=fonts.symbols(_MASTER))
    box = canvas.getbbox() or (0, 0, _MASTER, _MASTER)
    side = max(box[2] - box[0], box[3] - box[1])
    square = Image.new("L", (side, side))
    square.paste(canvas.crop(box), ((side - box[2] + box[0]) // 2, (side - box[3] + box[1]) // 2))
    return np.asarray(square)
