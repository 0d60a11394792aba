"""Edits that put two pictures together, or a picture into the page of a post.

Axes: H height, W width, C colour.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np
from PIL import Image, ImageDraw

from podium.media.overlays import emoji as drawn_symbol
from podium.solutions.copy_detection.augmentation import fonts
from podium.solutions.copy_detection.augmentation.edit import between, present
from podium.solutions.copy_detection.augmentation.raster import Pixels, blended, covering, pasted, resized
from podium.solutions.copy_detection.augmentation.settings import DEFAULTS, ViewSettings

Side = Literal["left", "right", "top", "bottom"]
_SIDES: tuple[Side, ...] = ("left", "right", "top", "bottom")
_NAMES = ("sam", "the daily cat", "Ana M.", "news 24", "travel_bug", "K. Ito", "memes", "goalkeeper7", "Lena & Tom")
_CAPTIONS = (
    "you have to see this", "never gets old", "found this today", "who did this", "wow wow wow", "mood",
    "tell a friend", "this is so good", "first time here",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Overlay:
    """Another picture, small, over the picture, or the picture small over another.

    `size` is the upper one's height as a share of the lower one's; it keeps its shape.
    """

    name: ClassVar[str] = "overlay"
    needs_other: ClassVar[bool] = True
    on_top: bool
    size: float
    x: float
    y: float
    opacity: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Overlay:
        which, size, opacity, x, y = rng.random(5).tolist()
        return Overlay(
            on_top=which < 0.5 * strength,
            size=between(settings.overlay_size, strength * size),
            x=x,
            y=y,
            opacity=strength * between(settings.overlay_opacity, opacity),
        )

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:
        size = image_HWC.shape[0], image_HWC.shape[1]
        other_HWC = present(other_HWC, self.name)
        lower_HWC, upper_HWC = (covering(other_HWC, size), image_HWC) if self.on_top else (image_HWC, other_HWC)
        high = max(1, round(self.size * size[0]))
        wide = max(1, round(high * upper_HWC.shape[1] / upper_HWC.shape[0]))
        if wide > size[1]:
            high, wide = max(1, round(high * size[1] / wide)), size[1]
        cover_HW = np.full((high, wide), round(255 * self.opacity), dtype=np.uint8)
        place = (round(self.x * (size[1] - wide)), round(self.y * (size[0] - high)))
        return pasted(lower_HWC, resized(upper_HWC, (high, wide)), cover_HW, place)


@dataclass(frozen=True, kw_only=True)
class Blend:
    """Another picture shines through; `share` is the other's."""

    name: ClassVar[str] = "blend"
    needs_other: ClassVar[bool] = True
    share: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Blend:  # noqa: ARG004
        return Blend(share=strength * settings.blend)

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:
        size = image_HWC.shape[0], image_HWC.shape[1]
        return blended(image_HWC, covering(present(other_HWC, self.name), size), self.share)


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Beside another picture: squeezed into a part of the frame, or the middle cut out of it."""

    name: ClassVar[str] = "stack"
    needs_other: ClassVar[bool] = True
    side: Side
    share: float
    squeeze: bool

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Stack:  # noqa: ARG004
        side, squeeze = _SIDES[int(rng.integers(4))], bool(rng.random() < 0.5)
        return Stack(side=side, share=1 - 0.5 * strength, squeeze=squeeze)

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:
        high, wide = image_HWC.shape[:2]
        other_HWC = present(other_HWC, self.name)
        beside = self.side in ("left", "right")
        edge = wide if beside else high
        own = min(edge, max(1, round(self.share * edge)))
        if own == edge:
            return image_HWC
        part, rest = ((high, own), (high, wide - own)) if beside else ((own, wide), (high - own, wide))
        own_HWC = resized(image_HWC, part) if self.squeeze else covering(image_HWC, part)
        both = [own_HWC, covering(other_HWC, rest)]
        return np.concatenate(both if self.side in ("left", "top") else both[::-1], axis=1 if beside else 0)


@dataclass(frozen=True, kw_only=True)
class Screenshot:
    """The picture in a post: who posted it above, signs and a line of text below, the page around it.

    Attributes:
        size: Share of the page's height that the picture takes.
        wide: As wide as the page and cut above and below; otherwise whole, with the page at its sides.
        dark: White on black.
        author: Above the picture.
        caption: Below it.
        likes: Below it.
        ink: Colour of the author's portrait.
        place: Where the picture is in what the page leaves free, 0 top to 1 bottom.
    """

    name: ClassVar[str] = "screenshot"
    needs_other: ClassVar[bool] = False
    size: float
    wide: bool
    dark: bool
    author: str
    caption: str
    likes: int
    ink: tuple[int, int, int]
    place: float

    @staticmethod
    def draw(rng: np.random.Generator, strength: float = 1.0, settings: ViewSettings = DEFAULTS) -> Screenshot:
        wide, dark, author, caption, size, place = rng.random(6).tolist()
        red, green, blue = rng.integers(0, 256, size=3).tolist()
        low, high = settings.screenshot_size
        return Screenshot(
            size=1 - strength * (1 - between((high, low), size)),
            wide=wide < 0.5,
            dark=dark < 0.4,
            author=_NAMES[int(author * len(_NAMES))],
            caption=_CAPTIONS[int(caption * len(_CAPTIONS))],
            likes=int(rng.integers(2, 2000)),
            ink=(red, green, blue),
            place=between((0.4, 0.6), place),
        )

    def apply(self, image_HWC: Pixels, other_HWC: Pixels | None = None) -> Pixels:  # noqa: ARG002
        high, wide = image_HWC.shape[:2]
        tall = max(1, round(self.size * high))
        if tall == high:
            return image_HWC
        top = round(self.place * (high - tall))
        page_HWC = self._page(wide, high, top=top, bottom=top + tall)
        if self.wide:
            shown_HWC = covering(image_HWC, (tall, wide))
        else:
            shown_HWC = resized(image_HWC, (tall, max(1, round(wide * self.size))))
        left = (wide - shown_HWC.shape[1]) // 2
        page_HWC[top : top + tall, left : left + shown_HWC.shape[1]] = shown_HWC
        return page_HWC

    def _page(self, wide: int, high: int, *, top: int, bottom: int) -> Pixels:
        ground, letters, faint = ("#000000", "#f2f2f2", "#8a8f98") if self.dark else ("#ffffff", "#16181c", "#8a8f98")
        page = Image.new("RGB", (wide, high), ground)
        pen = ImageDraw.Draw(page)
        edge = max(1, wide // 40)
        if top > 5:
            side = max(3, min(round(top * 0.6), wide // 6))
            up = (top - side) // 2
            pen.ellipse((edge, up, edge + side, up + side), fill=self.ink)
            names = fonts.load(_face("Bold"), max(4, round(side * 0.42)))
            small = fonts.load(_face(""), max(4, round(side * 0.34)))
            pen.text((2 * edge + side, up), self.author, fill=letters, font=names)
            pen.text((2 * edge + side, up + side * 0.55), "2 h ago", fill=faint, font=small)
            pen.text((wide - edge, up), "...", fill=faint, font=names, anchor=_right(names))
        room = high - bottom
        if room > 5:
            side = max(3, min(round(room * 0.4), wide // 8))
            down = bottom + max(1, room // 12)
            for number, symbol in enumerate(("heart", "smile", "star")):
                sign = drawn_symbol(symbol, side)
                page.paste(sign, (edge + number * (side + 2 * edge), down), sign)
            small = fonts.load(_face(""), max(4, round(min(room * 0.3, wide / 14))))
            pen.text((wide - edge, down), f"{self.likes} likes", fill=faint, font=small, anchor=_right(small))
            pen.text((edge, down + side + max(1, room // 20)), self.caption, fill=letters, font=small)
        return np.array(page)


def _face(style: str) -> str:
    """A plain font of a style among those that are there; empty for Pillow's own."""
    ending = f"-{style}.ttf" if style else ".ttf"
    plain = [
        each for each in fonts.found() if each in (f"DejaVuSans{ending}", f"LiberationSans-{style or 'Regular'}.ttf")
    ]
    return plain[0] if plain else ""


def _right(font: fonts.Font) -> str | None:
    """Text that ends at a place, where the font can do so."""
    return "ra" if isinstance(font, fonts.ImageFont.FreeTypeFont) else None
