"""Still images: read, resized, filmed by a moving camera, put side by side.

Axes: H height, W width, C colour (red, green, blue).
"""

from __future__ import annotations

import io
import math
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from podium.errors import UsageError

Pixels = NDArray[np.uint8]

MAX_PIXELS = 64_000_000
"""Most pixels of an image; larger ones are refused before they are decoded."""

# Formats that PIL decodes itself: none that starts another program or reads another file.
_FORMATS = ("BMP", "GIF", "JPEG", "JPEG2000", "MPO", "PNG", "PPM", "TGA", "TIFF", "WEBP", "AVIF")

_WHITE = (255, 255, 255, 255)


class UnreadableImage(UsageError):  # noqa: N818 - says what the file is
    """A file that gives no image.

    Args:
        path: The file.
        reason: Why, without the file's name.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        super().__init__(f"`{path}`: {reason}")
        self.path = Path(path)
        self.reason = reason

    def __reduce__(self) -> tuple[type[UnreadableImage], tuple[str, str]]:
        return UnreadableImage, (str(self.path), self.reason)


def read(path: Path | str, *, max_pixels: int = MAX_PIXELS) -> Pixels:
    """An image as (H, W, 3), upright as its EXIF orientation says, what is transparent laid on white.

    Of an animation the first picture; 16-bit grey is scaled to 8 bits.

    Args:
        path: The file.
        max_pixels: Larger images are refused before anything is decoded.

    Raises:
        UnreadableImage: The file is missing, is no image, is damaged or is too large.
    """
    place = Path(path)
    if not place.is_file():
        raise UnreadableImage(path, "there is no such file" if not place.exists() else "is no regular file")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            image = Image.open(place, formats=[each for each in _FORMATS if each in _known_formats()])
        with image:
            width, height = image.size
            if width * height > max_pixels:
                raise UnreadableImage(path, f"is {width} x {height}; at most {max_pixels:,} pixels are allowed")
            return np.array(_rgb(ImageOps.exif_transpose(image)), dtype=np.uint8)
    except UnidentifiedImageError as error:
        raise UnreadableImage(path, "is no image of a known format") from error
    except Image.DecompressionBombError as error:
        raise UnreadableImage(path, f"is too large; at most {max_pixels:,} pixels are allowed") from error
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        if isinstance(error, UnreadableImage):
            raise
        raise UnreadableImage(path, f"is damaged ({error})") from error


def _known_formats() -> set[str]:
    Image.init()
    return set(Image.OPEN)


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I;16") or image.mode == "I":
        levels_HW = np.asarray(image, dtype=np.int64).clip(0, 65_535) >> 8
        image = Image.fromarray(levels_HW.astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, _WHITE), image)
    return image.convert("RGB")


def resize(frame_HWC: Pixels, *, short_edge: int | None = None, size: tuple[int, int] | None = None) -> Pixels:
    """A picture at another size; bicubic, low-pass filtered when it shrinks.

    >>> resize(np.zeros((720, 1280, 3), np.uint8), short_edge=320).shape
    (320, 569, 3)

    Args:
        frame_HWC: (H, W, 3), 0 to 255.
        short_edge: Pixels of the shorter side, which keeps the shape.
        size: Width and height, which may change the shape. Exactly one of the two is needed.

    Raises:
        UsageError: Not exactly one of the two is given, or it is less than 1 pixel.
    """
    if (short_edge is None) == (size is None):
        raise UsageError("exactly one of `short_edge` and `size` is needed")
    height, width = frame_HWC.shape[:2]
    if size is None:
        scale = (short_edge or 0) / min(width, height)
        size = max(1, round(width * scale)), max(1, round(height * scale))
    if (short_edge is not None and short_edge < 1) or min(size) < 1:
        raise UsageError("`short_edge` and `size` must be at least 1 pixel")
    if size == (width, height):
        return frame_HWC.copy()
    return np.array(Image.fromarray(frame_HWC).resize(size, Image.Resampling.BICUBIC), dtype=np.uint8)


def pan(
    image_HWC: Pixels,
    *,
    seconds: float,
    frames_per_second: float,
    size: tuple[int, int],
    rng: np.random.Generator,
) -> Iterator[Pixels]:
    """A still filmed by hand: the camera moves and zooms smoothly from one part of it to another and shakes a little.

    The window never leaves the image and keeps the shape of `size`. The same generator state gives the same pictures.

    Args:
        image_HWC: (H, W, 3), 0 to 255.
        seconds: Length; round(seconds x rate) pictures come, and at least one.
        frames_per_second: Pictures a second.
        size: Width and height of the pictures.
        rng: Chooses the way.

    Raises:
        UsageError: A setting is not above 0.
    """
    if seconds <= 0 or frames_per_second <= 0 or min(size) < 1:
        raise UsageError("`seconds`, `frames_per_second` and `size` must be above 0")
    count = max(1, math.floor(seconds * frames_per_second + 0.5))
    centre_T2, zoom_T, tilt_T = _camera(count, seconds, rng)
    image, widest = _shrunk(image_HWC, size, zoom_T.max())
    for (across, down), zoom, tilt in zip(centre_T2, zoom_T, tilt_T, strict=True):
        yield _window(image, widest / zoom, size, across=float(across), down=float(down), tilt=float(tilt))


def _camera(
    count: int, seconds: float, rng: np.random.Generator
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Where the camera points (-1 to 1 across and down what the zoom leaves free), its zoom (1 up), its tilt (radians).

    The way eases in and out; three slow sine waves of 0.4 to 2.2 Hz with random phases are the hand.
    """
    time_T = (np.arange(count) + 0.5) / count
    ease_T = time_T * time_T * (3 - 2 * time_T)
    start, stop = rng.uniform(-0.9, 0.9, 2), rng.uniform(-0.9, 0.9, 2)
    zooms = np.sort(rng.uniform(1.08, 1.6, 2))[:: rng.choice([-1, 1])]
    hertz_SC = rng.uniform(0.4, 2.2, (3, 3))
    phase_SC = rng.uniform(0, 2 * np.pi, (3, 3))
    wave_TC = np.sin(2 * np.pi * hertz_SC * (time_T * seconds)[:, None, None] + phase_SC).mean(axis=1)
    strength = rng.uniform(0.01, 0.08)
    centre_T2 = start + ease_T[:, None] * (stop - start) + strength * wave_TC[:, :2]
    zoom_T = zooms[0] * (zooms[1] / zooms[0]) ** ease_T
    return np.clip(centre_T2, -1, 1), zoom_T, 0.2 * strength * wave_TC[:, 2]


def _shrunk(image_HWC: Pixels, size: tuple[int, int], most_zoom: float) -> tuple[Image.Image, float]:
    """The image no larger than the closest window needs, and the width of the widest window in its pixels.

    The affine transform reads single pixels, so that a large image would flicker if it were not shrunk first.
    """
    image = Image.fromarray(image_HWC)
    widest = min(image.width, image.height * size[0] / size[1])
    scale = min(1.0, size[0] * most_zoom / widest)
    if scale < 1:
        shrunk = max(1, round(image.width * scale)), max(1, round(image.height * scale))
        image = image.resize(shrunk, Image.Resampling.BICUBIC)
    return image, min(image.width, image.height * size[0] / size[1])


def _window(
    image: Image.Image, window_width: float, size: tuple[int, int], *, across: float, down: float, tilt: float
) -> Pixels:
    """A tilted window of the image, made smaller where its corners would leave the image."""
    window_height = window_width * size[1] / size[0]
    cosine, sine = math.cos(tilt), math.sin(tilt)
    box_width = window_width * cosine + window_height * abs(sine)
    box_height = window_width * abs(sine) + window_height * cosine
    fit = min(1.0, image.width / box_width, image.height / box_height)
    step_x, step_y = fit * window_width / size[0], fit * window_height / size[1]
    centre_x = image.width / 2 + across * (image.width - fit * box_width) / 2
    centre_y = image.height / 2 + down * (image.height - fit * box_height) / 2
    a, b = step_x * cosine, -step_y * sine
    d, e = step_x * sine, step_y * cosine
    c = centre_x - a * size[0] / 2 - b * size[1] / 2
    f = centre_y - d * size[0] / 2 - e * size[1] / 2
    picture = image.transform(size, Image.Transform.AFFINE, (a, b, c, d, e, f), Image.Resampling.BICUBIC)
    return np.array(picture, dtype=np.uint8)


def strip(
    frames: Sequence[Pixels], *, height: int = 96, columns: int | None = None, gap: int = 4, ground: int = 255
) -> Pixels:
    """Pictures side by side in rows, all of one height, on a grey ground.

    >>> strip([np.zeros((90, 160, 3), np.uint8)] * 3, height=45, gap=5).shape
    (45, 250, 3)

    Args:
        frames: Each (H, W, 3), of any sizes.
        height: Of each picture in the strip, in pixels.
        columns: Pictures in a row; None puts all into one.
        gap: Pixels between pictures.
        ground: Grey level of the gaps, 0 to 255.

    Raises:
        UsageError: There is no picture, or a setting makes no sense.
    """
    if not frames or height < 1 or gap < 0 or (columns is not None and columns < 1):
        raise UsageError("a strip needs a picture, a `height` and `columns` of at least 1 and a `gap` of at least 0")
    cells = [resize(each, size=(max(1, round(each.shape[1] * height / each.shape[0])), height)) for each in frames]
    columns = columns or len(cells)
    rows = [cells[at : at + columns] for at in range(0, len(cells), columns)]
    width = max(sum(cell.shape[1] for cell in row) + gap * (len(row) - 1) for row in rows)
    sheet_HWC = np.full((len(rows) * (height + gap) - gap, width, 3), ground, np.uint8)
    for number, row in enumerate(rows):
        top, left = number * (height + gap), 0
        for cell in row:
            sheet_HWC[top : top + height, left : left + cell.shape[1]] = cell
            left += cell.shape[1] + gap
    return sheet_HWC


def jpeg_bytes(frame_HWC: Pixels, *, quality: int = 80) -> bytes:
    """A picture, (H, W, 3), as a JPEG file of `quality` 1 to 95.

    >>> jpeg_bytes(np.zeros((8, 8, 3), np.uint8))[:2].hex()
    'ffd8'
    """
    if not 1 <= quality <= 95:
        raise UsageError(f"`quality` is `{quality}`; 1 to 95 are allowed")
    buffer = io.BytesIO()
    Image.fromarray(frame_HWC).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()
