"""Fonts that a distribution ships, found where distributions put them; without any, the one inside Pillow."""

from __future__ import annotations

import os
from functools import cache, lru_cache
from pathlib import Path

from PIL import ImageFont

Font = ImageFont.FreeTypeFont | ImageFont.ImageFont

_FAMILIES = ("DejaVu", "Liberation", "NotoSans-", "NotoSerif-", "Ubuntu", "OpenSans", "Roboto", "FreeSans", "FreeSerif")
_SYMBOLS = "DejaVuSans.ttf"


def folders() -> tuple[Path, ...]:
    """Where fonts lie on Linux and macOS."""
    shared = os.environ.get("XDG_DATA_DIRS") or "/usr/local/share:/usr/share"
    places = [Path(each) / "fonts" for each in shared.split(":") if each]
    return (*places, Path("/usr/share/fonts"), Path("/Library/Fonts"))


@cache
def found() -> dict[str, Path]:
    """Latin fonts by their file's name, in the order of their names; empty where a machine has none of them."""
    known: dict[str, Path] = {}
    for folder in folders():
        for path in folder.rglob("*.ttf") if folder.is_dir() else ():
            if path.name.startswith(_FAMILIES) and "Math" not in path.name:
                known.setdefault(path.name, path)
    return dict(sorted(known.items()))


def has_symbols() -> bool:
    """Whether the font with drawings (faces, stars, tools) is there."""
    return _SYMBOLS in found()


def symbols(size: int) -> Font:
    """The font with drawings."""
    return load(_SYMBOLS, size)


@lru_cache(maxsize=256)
def load(name: str, size: int) -> Font:
    """A font by its file's name, `size` in pixels; Pillow's own where there is none of that name."""
    path = found().get(name)
    if path is not None:
        try:
            return ImageFont.truetype(str(path), size)
        except (OSError, ImportError):
            pass
    try:
        return ImageFont.load_default(size)
    except ImportError:
        # A Pillow without FreeType has one font of one size.
        return ImageFont.load_default()
