"""Thumbnails: small copies of images beside a page, each made once."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np

from podium.errors import MachineError, PodiumError
from podium.report.amounts import clipped
from podium.report.heatmaps import colors
from podium.types import Clip, DataSet, Grid

LONGEST_EDGE = 240
_QUALITY = 72
_MOST_PIXELS = 100_000_000
# Formats that pillow decodes itself: none that starts another program.
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP", "AVIF")

Locate = Callable[[Clip], Path]


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A small picture; `reason` says why there is none.

    Attributes:
        source: Relative to the page.
        width: Pixels.
        height: Pixels.
    """

    source: str = ""
    width: int = 0
    height: int = 0
    reason: str = ""


class Thumbnails:
    """Makes thumbnails in a folder beside a page and remembers them.

    Args:
        page: The page's path; the pictures go into a folder of its stem.
        locate: Where the image of a clip lies; raises a `PodiumError` when it is nowhere.
    """

    def __init__(self, page: Path, locate: Locate) -> None:
        self._folder = page.with_suffix("")
        self._locate = locate
        self._known: dict[str, Thumbnail] = {}

    def of(self, clip: Clip) -> Thumbnail:
        """The thumbnail of an image; never raises for what is wrong with the image."""
        if clip.path not in self._known:
            try:
                self._known[clip.path] = self._make(self._locate(clip))
            except PodiumError as error:
                self._known[clip.path] = Thumbnail(reason=clipped(str(error), characters=200))
            except Exception as error:
                # Decoders fail on damaged files in ways beyond counting, and a missing picture must not cost the page.
                self._known[clip.path] = Thumbnail(reason=f"it cannot be read ({type(error).__name__})")
        return self._known[clip.path]

    def _make(self, path: Path) -> Thumbnail:
        from PIL import Image, ImageOps

        Image.init()
        with Image.open(path, formats=[each for each in _FORMATS if each in Image.OPEN]) as image:
            if image.width * image.height > _MOST_PIXELS:
                return Thumbnail(reason=f"it has {image.width} x {image.height} pixels, too many to show")
            image.draft("RGB", (2 * LONGEST_EDGE, 2 * LONGEST_EDGE))
            small = ImageOps.exif_transpose(image).convert("RGB")
        small.thumbnail((LONGEST_EDGE, LONGEST_EDGE))
        packed = io.BytesIO()
        small.save(packed, "jpeg", quality=_QUALITY, optimize=True)
        name = hashlib.sha256(packed.getvalue()).hexdigest()[:16] + ".jpg"
        self._folder.mkdir(parents=True, exist_ok=True)
        (self._folder / name).write_bytes(packed.getvalue())
        return Thumbnail(source=f"{self._folder.name}/{name}", width=small.width, height=small.height)


def within(data: DataSet) -> Locate:
    """Finds clips by their path inside a data set and refuses those outside it."""

    def locate(clip: Clip) -> Path:
        parts = PurePosixPath(clip.path)
        if not clip.path or parts.is_absolute() or ".." in parts.parts:
            raise MachineError(f"`{clip.path}` lies outside the data set")
        found = data.root / parts
        if not found.is_file():
            raise MachineError(f"the data set has no file `{clip.path}`")
        return found

    return locate


def overlay(grid: Grid) -> str:
    """A grid of 0 to 1 as a picture to lay over an image, as a data URI: bright and dense where it is high.

    Returns:
        An empty text for a grid with nothing in it.
    """
    from PIL import Image

    if not grid or not grid[0]:
        return ""
    shares_HW = np.clip(np.nan_to_num(np.asarray(grid, dtype=np.float64)), 0.0, 1.0)
    alpha_HW1 = (shares_HW[..., None] * 215).round().astype(np.uint8)
    pixels_HW4 = np.concatenate([colors(0.25 + 0.75 * shares_HW), alpha_HW1], axis=-1)
    packed = io.BytesIO()
    Image.fromarray(pixels_HW4, "RGBA").save(packed, "png", optimize=True)
    return "data:image/png;base64," + base64.b64encode(packed.getvalue()).decode()
